#include "installer/unlink.h"

#include "index/tree_path.h"
#include "installer/listing.h"
#include "installer/opt.h"
#include "installer/prefix.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>

struct walk {
	struct bfs_tree *tree;
	const char *keg;
	struct bfs_buffer path; /* below the keg, and below the prefix */
	size_t count;
};

/* Homebrew's keg_link_directories, and the one it forgets. */
static const char *const directories[] = {
	"bin", "etc", "include", "lib", "sbin", "share", "var", "Frameworks"};

/* Homebrew's must_exist_subdirectories. */
static const char *const kept[] = {
	"bin", "etc", "include", "lib", "sbin", "share", BFS_OPT, BFS_LINKED_RECORDS};

static int unlink_directory(struct walk *walk, uint64_t ino, uint64_t prefix_ino);

static bool is_kept(const char *path)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kept); i++)
		if (strcmp(path, kept[i]) == 0)
			return true;
	return false;
}

/* 1 where the link in the prefix names the entry of the keg, one step, whatever its words. */
static int is_ours(struct walk *walk, uint64_t link)
{
	_cleanup_free_ char *source = bfs_path_join(walk->keg, walk->path.data);
	_cleanup_free_ char *expected = source ? bfs_path_relative(walk->path.data, source) : NULL;
	_cleanup_free_ char *text = NULL, *destination = NULL;
	int r = expected ? bfs_tree_read_link(walk->tree, link, &text) : -ENOMEM;

	if (r < 0)
		return r;
	if (strcmp(text, expected) == 0)
		return 1;
	r = bfs_tree_link_destination(walk->tree, walk->path.data, &destination);
	if (r < 0)
		return r == -EXDEV ? 0 : r;
	return strcmp(destination, source) == 0;
}

/* Links may have been put into a directory that a link leads to, but never into a keg. */
static int unlink_behind_link(struct walk *walk, const struct bfs_listing_entry *entry)
{
	_cleanup_free_ char *real = NULL;
	struct bfs_attributes attributes;
	int r;

	if (!S_ISDIR(entry->attributes.mode))
		return 0;
	r = bfs_tree_stat_path(walk->tree, walk->path.data, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		r = bfs_tree_resolve_path(walk->tree, walk->path.data, &real);
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV)
		return 0;
	if (r < 0 || !real || bfs_path_below(real, BFS_CELLAR))
		return r;
	return unlink_directory(walk, entry->attributes.ino, attributes.ino);
}

static int remove_if_empty(
	struct walk *walk, uint64_t parent, const struct bfs_listing_entry *entry)
{
	int r;

	if (is_kept(walk->path.data))
		return 0;
	r = bfs_tree_remove_directory(walk->tree, parent, entry->name, entry->length);
	return r == -ENOTEMPTY ? 0 : r;
}

static int unlink_link(struct walk *walk, uint64_t prefix_ino,
	const struct bfs_listing_entry *entry, uint64_t link)
{
	int r = is_ours(walk, link);

	if (r < 0)
		return r;
	if (r == 0)
		return unlink_behind_link(walk, entry);
	walk->count++;
	return bfs_tree_unlink(walk->tree, prefix_ino, entry->name, entry->length);
}

/* An entry of the keg, and what has its name in directory `prefix_ino`. */
static int unlink_entry(
	struct walk *walk, uint64_t prefix_ino, const struct bfs_listing_entry *entry)
{
	struct bfs_attributes there;
	int r = bfs_tree_lookup(walk->tree, prefix_ino, entry->name, entry->length, &there);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (S_ISLNK(there.mode))
		return unlink_link(walk, prefix_ino, entry, there.ino);
	if (!S_ISDIR(there.mode) || !S_ISDIR(entry->attributes.mode))
		return 0;
	r = unlink_directory(walk, entry->attributes.ino, there.ino);
	return r < 0 ? r : remove_if_empty(walk, prefix_ino, entry);
}

static int visit(struct walk *walk, uint64_t prefix_ino, const struct bfs_listing_entry *entry)
{
	size_t length = walk->path.length;
	int r = length ? bfs_buffer_append(&walk->path, "/", 1) : 0;

	if (r == 0)
		r = bfs_buffer_append(&walk->path, entry->name, entry->length);
	/* What is deeper was never linked (link_walk.c), so there is nothing to look for. */
	if (r == 0 && walk->path.length < PATH_MAX)
		r = unlink_entry(walk, prefix_ino, entry);
	walk->path.length = length;
	if (walk->path.data)
		walk->path.data[length] = '\0';
	return r;
}

static int unlink_directory(struct walk *walk, uint64_t ino, uint64_t prefix_ino)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_listing_read(walk->tree, ino, &listing);

	for (size_t i = 0; r == 0 && i < listing.count; i++)
		r = visit(walk, prefix_ino, &listing.entries[i]);
	return r;
}

static int unlink_all(struct bfs_tree *tree, const char *keg, uint64_t keg_ino, size_t *ret_count)
{
	struct walk walk = {.tree = tree, .keg = keg};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(directories); i++) {
		struct bfs_listing_entry entry = {
			.name = (char *)directories[i], .length = strlen(directories[i])};

		r = bfs_tree_lookup(tree, keg_ino, entry.name, entry.length, &entry.attributes);
		if (r == 0)
			r = visit(&walk, BFS_TREE_ROOT, &entry);
		else if (r == -ENOENT)
			r = 0;
	}
	bfs_buffer_release(&walk.path);
	*ret_count = walk.count;
	return r;
}

static int unlink_keg(struct bfs_tree *tree, const char *keg, const char *name, uint64_t ino,
	char *const *aliases, size_t *ret_count)
{
	int r = unlink_all(tree, keg, ino, ret_count);

	if (r == 0)
		r = bfs_opt_remove_aliases(tree, keg, aliases);
	if (r == 0)
		r = bfs_record_remove(tree, BFS_LINKED_RECORDS, name, keg);
	return r;
}

static int finish(
	struct bfs_tree *tree, int r, const char *step, const char *keg, struct bfs_error *error)
{
	if (r == 0)
		r = bfs_tree_commit(tree);
	if (r == 0)
		return 0;
	bfs_tree_rollback(tree);
	return bfs_error_set(error, r, step, keg, NULL);
}

int bfs_keg_unlink(struct bfs_tree *tree, const char *keg, char *const *aliases, size_t *ret_count,
	struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL;
	size_t count = 0;
	uint64_t ino;
	int r = bfs_keg_open(tree, keg, &name, &ino, error);

	if (r == 0)
		r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	r = unlink_keg(tree, keg, name, ino, aliases, &count);
	r = finish(tree, r, "unlinking", keg, error);
	if (r == 0 && ret_count)
		*ret_count = count;
	return r;
}

static int remove_keg(struct bfs_tree *tree, const char *keg)
{
	_cleanup_free_ char *rack = bfs_path_parent(keg);
	struct bfs_attributes cellar;
	const char *name;
	int r = rack ? bfs_tree_remove_path(tree, keg) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_stat_path(tree, BFS_CELLAR, &cellar);
	if (r < 0)
		return r;
	name = bfs_path_base(rack);
	r = bfs_tree_remove_directory(tree, cellar.ino, name, strlen(name));
	/* -ENOTDIR: the rack of an old name is a link to the new one. */
	return r == -ENOTEMPTY || r == -ENOTDIR ? 0 : r;
}

static int uninstall_keg(struct bfs_tree *tree, const char *keg, const char *name, uint64_t ino,
	char *const *aliases)
{
	size_t count;
	int r = unlink_keg(tree, keg, name, ino, aliases, &count);

	if (r == 0)
		r = remove_keg(tree, keg);
	if (r == 0)
		r = bfs_opt_remove_keg(tree, keg);
	if (r == 0)
		r = bfs_opt_remove_aliases(tree, keg, aliases); /* those that lead nowhere now */
	if (r == 0)
		r = bfs_record_remove(tree, BFS_PINNED_RECORDS, name, keg);
	return r;
}

int bfs_keg_uninstall(
	struct bfs_tree *tree, const char *keg, char *const *aliases, struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL;
	uint64_t ino;
	int r = bfs_keg_open(tree, keg, &name, &ino, error);

	if (r == 0)
		r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	r = uninstall_keg(tree, keg, name, ino, aliases);
	return finish(tree, r, "uninstalling", keg, error);
}
