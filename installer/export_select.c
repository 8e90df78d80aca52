#include "installer/export_select.h"

#include "index/rack.h"
#include "index/receipt.h"
#include "index/tree_path.h"
#include "installer/export_trace.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

struct keg {
	char *name, *version;
	bool linked;
};

struct select {
	struct bfs_export_walk *walk;
	struct keg *kegs;
	size_t keg_count;
	char **only; /* NULL: everything; else names of directories, ends with NULL */
	struct bfs_error *error;
};

static void select_release(struct select *select)
{
	for (size_t i = 0; i < select->keg_count; i++) {
		free(select->kegs[i].name);
		free(select->kegs[i].version);
	}
	free(select->kegs);
	for (char **name = select->only; name && *name; name++)
		free(*name);
	free(select->only);
}
#define _cleanup_select_ BFS_CLEANUP(select_release)

/* --- the kegs --- */

static bool has_keg(const struct select *select, const char *name, const char *version)
{
	for (size_t i = 0; i < select->keg_count; i++)
		if (strcmp(select->kegs[i].name, name) == 0 &&
			(!version || strcmp(select->kegs[i].version, version) == 0))
			return true;
	return false;
}

static int add_keg(struct select *select, const struct bfs_rack *rack)
{
	const char *version = bfs_rack_current(rack);
	struct keg *grown;

	if (has_keg(select, rack->name, version))
		return 0;
	grown = reallocarray(select->kegs, select->keg_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	select->kegs = grown;
	grown[select->keg_count++] = (struct keg){strdup(rack->name), strdup(version),
		rack->linked && strcmp(rack->linked, version) == 0};
	return grown[select->keg_count - 1].name && grown[select->keg_count - 1].version ? 0
											 : -ENOMEM;
}

/* A dependency that is not there any more cannot be exported: the keg works without it or not. */
static int add_dependencies(struct select *select, const struct bfs_rack *rack)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = bfs_receipt_load(
		select->walk->tree, rack->name, bfs_rack_current(rack), &receipt, select->error);

	if (r == -ENOENT) {
		bfs_error_clear(select->error);
		return 0;
	}
	for (size_t i = 0; r == 0 && i < receipt.count; i++) {
		_cleanup_rack_ struct bfs_rack dependency = {0};

		r = bfs_rack_find(select->walk->tree, receipt.dependencies[i].name, &dependency);
		if (r == 0)
			r = add_keg(select, &dependency);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

static int add_formula(struct select *select, const char *name)
{
	_cleanup_rack_ struct bfs_rack rack = {0};
	int r = bfs_rack_find(select->walk->tree, name, &rack);

	if (r == -ENOENT)
		return bfs_error_set(select->error, r, "looking for the formula", name,
			"it is not installed here");
	if (r == 0)
		r = add_dependencies(select, &rack);
	return r == 0 ? add_keg(select, &rack) : r;
}

static int add_all_kegs(struct select *select)
{
	struct bfs_rack *racks;
	size_t count;
	int r = bfs_rack_list(select->walk->tree, &racks, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_keg(select, &racks[i]);
	bfs_racks_free(racks, count);
	return r;
}

/* --- the directories --- */

static int split_only(struct select *select, const char *list)
{
	size_t count = 0;

	for (const char *at = list, *end; *at; at = *end ? end + 1 : end) {
		char **grown = reallocarray(select->only, count + 2, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		select->only = grown;
		end = strchrnul(at, ',');
		grown[count] = strndup(at, (size_t)(end - at));
		grown[++count] = NULL;
		if (!grown[count - 1])
			return -ENOMEM;
		if (!bfs_name_is_valid(grown[count - 1], strlen(grown[count - 1])))
			return bfs_error_set(select->error, -EINVAL, "choosing what to export",
				grown[count - 1], "not the name of a directory of the prefix");
	}
	return 0;
}

/* --- names that lead into the kegs --- */

/* Whether "Cellar/NAME/VERSION..." is in one of the kegs. */
static bool is_in_kegs(const struct select *select, const char *path)
{
	const char *name = bfs_path_below(path, BFS_CELLAR_DIRECTORY), *version;

	if (!name || !(version = strchr(name, '/')))
		return false;
	for (size_t i = 0; i < select->keg_count; i++) {
		const struct keg *keg = &select->kegs[i];
		size_t length = strlen(keg->name);

		if ((size_t)(version - name) == length && strncmp(name, keg->name, length) == 0 &&
			bfs_path_below(version + 1, keg->version))
			return true;
	}
	return false;
}

/* What a bottle brought for etc lies in its keg as well (Homebrew bottle_specification). */
static int was_brought(struct select *select, const char *path)
{
	const char *below = bfs_path_below(path, "etc");
	struct bfs_attributes attributes;

	if (!below)
		return 0;
	for (size_t i = 0; i < select->keg_count; i++) {
		const struct keg *keg = &select->kegs[i];
		_cleanup_free_ char *original = bfs_format(
			"%s/%s/%s/.bottle/%s", BFS_CELLAR_DIRECTORY, keg->name, keg->version, path);

		if (!original)
			return -ENOMEM;
		if (bfs_path_below(below, keg->name) ||
			bfs_tree_lstat_path(select->walk->tree, original, &attributes) == 0)
			return 1;
	}
	return 0;
}

/* 1 where a name that is no directory belongs to the kegs. */
static int is_wanted(
	struct select *select, const char *path, const struct bfs_attributes *attributes)
{
	_cleanup_free_ char *destination = NULL;
	int r;

	if (S_ISLNK(attributes->mode)) {
		r = bfs_tree_link_destination(select->walk->tree, path, &destination);
		if (r == 0 && is_in_kegs(select, destination))
			return 1;
		if (r < 0 && r != -EXDEV)
			return r;
	}
	return was_brought(select, path);
}

static int scan(struct select *select, const char *directory, uint64_t ino);

static int scan_entry(
	struct select *select, const char *directory, uint64_t parent, const char *name)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);
	struct bfs_attributes entry;
	int r = path ? bfs_tree_lookup(select->walk->tree, parent, name, strlen(name), &entry)
		     : -ENOMEM;

	if (r < 0)
		return r;
	if (S_ISDIR(entry.mode))
		return scan(select, path, entry.ino);
	r = is_wanted(select, path, &entry);
	if (r <= 0)
		return r;
	r = bfs_export_walk_below(select->walk, path);
	return r == -ENOENT || r == -ENOTDIR || r == -EXDEV ? 0 : r;
}

/* Adds the names below a directory, not through links, that lead into the kegs. */
static int scan(struct select *select, const char *directory, uint64_t ino)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(select->walk->tree, ino, &names);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = scan_entry(select, directory, ino, names[i]);
	return r;
}

static int scan_path(struct select *select, const char *path)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(select->walk->tree, path, &attributes);

	if (r < 0 || !S_ISDIR(attributes.mode))
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	return scan(select, path, attributes.ino);
}

/* --- what is chosen --- */

static int select_kegs(struct select *select)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < select->keg_count; i++) {
		const struct keg *keg = &select->kegs[i];
		_cleanup_free_ char *path =
			bfs_format("%s/%s/%s", BFS_CELLAR_DIRECTORY, keg->name, keg->version);

		r = path ? bfs_export_walk_below(select->walk, path) : -ENOMEM;
	}
	return r;
}

static int select_prefix(struct select *select)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(select->walk->tree, BFS_TREE_ROOT, &names);

	for (size_t i = 0; r == 0 && names[i]; i++)
		if (strcmp(names[i], BFS_CELLAR_DIRECTORY) != 0)
			r = scan_path(select, names[i]);
	return r;
}

static bool has_directory(struct select *select, const char *path)
{
	struct bfs_attributes attributes;

	return bfs_tree_lstat_path(select->walk->tree, path, &attributes) == 0 &&
	       S_ISDIR(attributes.mode);
}

/* 1 where a keg has the directory and it was added. */
static int select_of_keg(struct select *select, const struct keg *keg, const char *directory)
{
	_cleanup_free_ char *path = bfs_format("opt/%s/%s", keg->name, directory);
	_cleanup_free_ char *real =
		bfs_format("%s/%s/%s/%s", BFS_CELLAR_DIRECTORY, keg->name, keg->version, directory);
	int r;

	if (!path || !real)
		return -ENOMEM;
	if (!has_directory(select, real))
		return 0;
	r = bfs_export_walk_below(select->walk, path);
	if (r == -ENOENT || r == -ENOTDIR)
		r = bfs_export_walk_below(select->walk, real);
	return r < 0 ? r : 1;
}

static int select_directory(struct select *select, const char *directory, bool all)
{
	bool found = has_directory(select, directory), of_prefix = found;
	int r = 0;

	if (found && all)
		r = bfs_export_walk_below(select->walk, directory);
	else if (found)
		r = scan_path(select, directory);
	for (size_t i = 0; r >= 0 && i < select->keg_count; i++) {
		if (of_prefix && select->kegs[i].linked)
			continue;
		r = select_of_keg(select, &select->kegs[i], directory);
		found = found || r > 0;
	}
	if (r >= 0 && !found)
		return bfs_error_set(select->error, -ENOENT, "choosing what to export", directory,
			"neither the prefix nor a keg has such a directory");
	return r < 0 ? r : 0;
}

static int select_directories(struct select *select, bool all)
{
	int r = 0;

	for (char **name = select->only; r == 0 && *name; name++)
		r = select_directory(select, *name, all);
	return r;
}

static int choose_kegs(struct select *select, const char *formulae)
{
	int r = 0;

	if (!formulae)
		return add_all_kegs(select);
	for (const char *at = formulae, *end; r == 0 && *at; at = *end ? end + 1 : end) {
		_cleanup_free_ char *name = NULL;

		end = strchrnul(at, ',');
		name = strndup(at, (size_t)(end - at));
		r = name ? add_formula(select, name) : -ENOMEM;
	}
	return r;
}

int bfs_export_select(struct bfs_export_walk *walk, const struct bfs_export_choice *choice,
	struct bfs_error *error)
{
	_cleanup_select_ struct select select = {.walk = walk, .error = error};
	int r;

	if (choice->trace)
		return bfs_export_trace_select(walk, choice->trace, error);
	if (bfs_export_choice_is_all(choice))
		return bfs_export_walk_below(walk, "");
	r = choose_kegs(&select, choice->formulae);
	if (r == 0 && choice->only)
		r = split_only(&select, choice->only);
	if (r < 0)
		return r;
	if (select.only)
		return select_directories(&select, !choice->formulae);
	r = select_kegs(&select);
	return r == 0 ? select_prefix(&select) : r;
}
