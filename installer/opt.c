#include "installer/opt.h"

#include "index/tree_path.h"
#include "installer/listing.h"
#include "installer/prefix.h"
#include "lib/path.h"

#include <string.h>

typedef int link_visitor(
	struct bfs_tree *tree, const char *keg, const char *name, const char *destination);

/* Calls `visit` with the path that a link in opt names, if it can be one in the rack `rack_name`.
 */
static int visit_link(struct bfs_tree *tree, const char *keg, const char *rack_name,
	const struct bfs_listing_entry *entry, link_visitor *visit)
{
	_cleanup_free_ char *text = NULL, *path = NULL, *destination = NULL;
	int r = bfs_tree_read_link(tree, entry->attributes.ino, &text);

	/* Nearly all links are other formulae's; only a few are worth a walk. */
	if (r < 0 || !strstr(text, rack_name))
		return r;
	path = bfs_path_join(BFS_OPT, entry->name);
	if (!path)
		return -ENOMEM;
	r = bfs_tree_link_destination(tree, path, &destination);
	if (r < 0)
		return r == -EXDEV ? 0 : r;
	return visit(tree, keg, entry->name, destination);
}

static int visit_links(struct bfs_tree *tree, const char *keg, link_visitor *visit)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	_cleanup_free_ char *name = NULL, *version = NULL;
	struct bfs_attributes opt;
	int r = bfs_keg_split(keg, &name, &version);

	if (r == 0)
		r = bfs_tree_stat_path(tree, BFS_OPT, &opt);
	if (r == 0)
		r = bfs_listing_read(tree, opt.ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++)
		if (S_ISLNK(listing.entries[i].attributes.mode))
			r = visit_link(tree, keg, name, &listing.entries[i], visit);
	return r == -ENOENT ? 0 : r;
}

/* Moves a link that names another existing keg of the same rack. */
static int follow_rack(
	struct bfs_tree *tree, const char *keg, const char *name, const char *destination)
{
	_cleanup_free_ char *rack = bfs_path_parent(keg), *its_rack = bfs_path_parent(destination);
	struct bfs_attributes attributes;

	if (!rack || !its_rack)
		return -ENOMEM;
	if (strcmp(rack, its_rack) != 0 || strcmp(keg, destination) == 0 ||
		bfs_tree_stat_path(tree, destination, &attributes) < 0 || !S_ISDIR(attributes.mode))
		return 0;
	return bfs_record_write(tree, BFS_OPT, name, keg);
}

static int write_links(struct bfs_tree *tree, const char *keg, const char *name,
	char *const *aliases, struct bfs_error *error)
{
	int r = bfs_record_write(tree, BFS_OPT, name, keg);

	for (; r == 0 && aliases && *aliases; aliases++) {
		name = *aliases;
		r = bfs_record_write(tree, BFS_OPT, name, keg);
	}
	if (r == 0)
		r = visit_links(tree, keg, follow_rack);
	return r < 0 ? bfs_error_set(error, r, "linking into opt", name, NULL) : 0;
}

int bfs_keg_optlink(
	struct bfs_tree *tree, const char *keg, char *const *aliases, struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL;
	uint64_t ino;
	int r = bfs_keg_open(tree, keg, &name, &ino, error);

	if (r < 0)
		return r;
	r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	r = write_links(tree, keg, name, aliases, error);
	if (r == 0)
		r = bfs_tree_commit(tree);
	if (r < 0)
		bfs_tree_rollback(tree);
	return r;
}

static bool is_nowhere(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

/* 1 where the symlink leads nowhere, or where `match` does. */
static int is_stale_alias(struct bfs_tree *tree, const char *path, const char *match)
{
	struct bfs_attributes place, there;
	int r = bfs_tree_stat_path(tree, path, &place);

	if (is_nowhere(r))
		return 1;
	if (r == 0)
		r = bfs_tree_stat_path(tree, match, &there);
	if (r < 0)
		return is_nowhere(r) || r == -EXDEV ? 0 : r;
	return place.ino == there.ino;
}

static int remove_alias(
	struct bfs_tree *tree, const char *directory, const char *name, const char *match)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);
	struct bfs_attributes link;
	int r;

	if (!path)
		return -ENOMEM;
	r = bfs_tree_lstat_path(tree, path, &link);
	if (r < 0 || !S_ISLNK(link.mode))
		return r == -ENOENT ? 0 : r;
	r = is_stale_alias(tree, path, match);
	return r > 0 ? bfs_tree_remove_path(tree, path) : r;
}

static int remove_record_alias(
	struct bfs_tree *tree, const char *directory, const char *name, const char *alias)
{
	_cleanup_free_ char *record = bfs_path_join(directory, name);

	return record ? remove_alias(tree, directory, alias, record) : -ENOMEM;
}

/* .+@. */
static bool is_versioned(const char *alias)
{
	const char *at = *alias ? strchr(alias + 1, '@') : NULL;

	return at && at[1];
}

static int remove_plain_aliases(struct bfs_tree *tree, const char *name, char *const *aliases)
{
	int r = 0;

	for (; r == 0 && aliases && *aliases; aliases++) {
		if (!bfs_name_is_valid(*aliases, strlen(*aliases)))
			return -EINVAL;
		if (is_versioned(*aliases) || strcmp(*aliases, name) == 0)
			continue;
		r = remove_record_alias(tree, BFS_OPT, name, *aliases);
		if (r == 0)
			r = remove_record_alias(tree, BFS_LINKED_RECORDS, name, *aliases);
	}
	return r;
}

/* NAME@* in opt that is not an alias of the formula (any more). */
static int remove_versioned_aliases(
	struct bfs_tree *tree, const char *rack, const char *name, char *const *aliases)
{
	_cleanup_free_ char **names = NULL;
	struct bfs_attributes opt;
	size_t length = strlen(name);
	int r = bfs_tree_stat_path(tree, BFS_OPT, &opt);

	if (r == 0)
		r = bfs_tree_list(tree, opt.ino, &names);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		if (strncmp(names[i], name, length) != 0 || names[i][length] != '@' ||
			(aliases && bfs_strings_contains(aliases, names[i])))
			continue;
		r = remove_alias(tree, BFS_OPT, names[i], rack);
		if (r == 0)
			r = remove_alias(tree, BFS_LINKED_RECORDS, names[i], rack);
	}
	return r == -ENOENT ? 0 : r;
}

int bfs_opt_remove_aliases(struct bfs_tree *tree, const char *keg, char *const *aliases)
{
	_cleanup_free_ char *rack = bfs_path_parent(keg), *name = NULL, *version = NULL;
	int r = rack ? bfs_keg_split(keg, &name, &version) : -ENOMEM;

	if (r == 0)
		r = remove_plain_aliases(tree, name, aliases);
	if (r == 0)
		r = remove_versioned_aliases(tree, rack, name, aliases);
	return r;
}

static int remove_if_named(
	struct bfs_tree *tree, const char *keg, const char *name, const char *destination)
{
	return strcmp(keg, destination) == 0 ? bfs_record_remove(tree, BFS_OPT, name, keg) : 0;
}

int bfs_opt_remove_keg(struct bfs_tree *tree, const char *keg)
{
	return visit_links(tree, keg, remove_if_named);
}
