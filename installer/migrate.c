#include "installer/migrate.h"

#include "index/keg.h"
#include "index/tree_path.h"
#include "installer/keg_note.h"
#include "installer/prefix.h"
#include "installer/unlink.h"
#include "lib/path.h"

#include <string.h>

struct migration {
	struct bfs_tree *tree;
	const char *old_name, *new_name;
	char **versions; /* in the old rack */
	struct bfs_error *error;
};

static int unlink_kegs(const struct migration *migration)
{
	int r = 0;

	for (char **version = migration->versions; r == 0 && *version; version++) {
		_cleanup_free_ char *keg = bfs_keg_path(migration->old_name, *version);
		bfs_strings aliases = NULL;

		r = keg ? bfs_keg_note_aliases(migration->tree, keg, &aliases) : -ENOMEM;
		if (r == 0)
			r = bfs_keg_unlink(migration->tree, keg, aliases, NULL, migration->error);
		bfs_strings_free(aliases);
	}
	return r;
}

/* The index's record of one version. */
static int move_note(const struct migration *migration, const char *version)
{
	struct bfs_keg keg = {0};
	int r = bfs_keg_get(migration->tree, migration->old_name, version, &keg);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = bfs_keg_put(migration->tree, &(struct bfs_keg){(char *)migration->new_name, keg.version,
						 keg.record, keg.pending});
	bfs_keg_release(&keg);
	return r < 0 ? r : bfs_keg_remove(migration->tree, migration->old_name, version);
}

static int move_keg(const struct migration *migration, const char *version)
{
	_cleanup_free_ char *from = bfs_keg_path(migration->old_name, version);
	_cleanup_free_ char *to = bfs_keg_path(migration->new_name, version);
	struct bfs_attributes attributes;
	int r = from && to ? bfs_tree_lstat_path(migration->tree, to, &attributes) : -ENOMEM;

	if (r == 0) {
		r = bfs_tree_remove_path(migration->tree, from);
		return r < 0 ? r : bfs_keg_remove(migration->tree, migration->old_name, version);
	}
	if (r == -ENOENT)
		r = bfs_tree_rename_path(migration->tree, from, to);
	return r < 0 ? r : move_note(migration, version);
}

static int move_rack(const struct migration *migration)
{
	_cleanup_free_ char *from = bfs_path_join(BFS_CELLAR, migration->old_name);
	_cleanup_free_ char *to = bfs_path_join(BFS_CELLAR, migration->new_name);
	struct bfs_attributes attributes;
	int r = from && to ? bfs_tree_make_directories(migration->tree, to, &attributes) : -ENOMEM;

	for (char **version = migration->versions; r == 0 && *version; version++)
		r = move_keg(migration, *version);
	if (r == 0)
		r = bfs_tree_remove_path(migration->tree, from);
	return r < 0 ? r : bfs_tree_symlink_path(migration->tree, migration->new_name, from);
}

/* Points a record of the old name at the keg of that version under the new one; keeps it or not. */
static int move_record(
	const struct migration *migration, const char *directory, const char *version, bool keep)
{
	_cleanup_free_ char *keg = bfs_keg_path(migration->new_name, version);
	_cleanup_free_ char *old = bfs_path_join(directory, migration->old_name);
	int r = keg && old ? bfs_record_write(migration->tree, directory, migration->new_name, keg)
			   : -ENOMEM;

	if (r < 0)
		return r;
	return keep ? bfs_record_write(migration->tree, directory, migration->old_name, keg)
		    : bfs_tree_remove_path(migration->tree, old);
}

/* The version that the pin names; NULL for none. */
static int read_pin(const struct migration *migration, char **ret_version)
{
	_cleanup_free_ char *path = bfs_path_join(BFS_PINNED_RECORDS, migration->old_name);
	_cleanup_free_ char *keg = NULL, *name = NULL;
	int r = path ? bfs_tree_link_destination(migration->tree, path, &keg) : -ENOMEM;

	*ret_version = NULL;
	if (r == 0)
		r = bfs_keg_split(keg, &name, ret_version);
	return r == -ENOMEM ? r : 0;
}

static int migrate(const struct migration *migration)
{
	_cleanup_free_ char *opt = NULL, *pin = NULL;
	int r = bfs_opt_version(migration->tree, migration->old_name, &opt);

	if (r == 0 || r == -ENOENT)
		r = read_pin(migration, &pin);
	if (r == 0)
		r = unlink_kegs(migration);
	if (r == 0)
		r = move_rack(migration);
	if (r == 0 && opt)
		r = move_record(migration, BFS_OPT, opt, true);
	if (r == 0 && pin)
		r = move_record(migration, BFS_PINNED_RECORDS, pin, false);
	return r;
}

int bfs_migrate(
	struct bfs_tree *tree, const char *old_name, const char *new_name, struct bfs_error *error)
{
	struct migration migration = {tree, old_name, new_name, NULL, error};
	int r = bfs_rack_versions(tree, old_name, &migration.versions);

	if (r == 0)
		r = migrate(&migration);
	free(migration.versions);
	return r < 0 ? bfs_error_set(error, r, "giving its new name to", old_name, NULL) : 0;
}
