/*
 * Prefixes made up in memory for the tests of what works on a tree alone. Contents are fake: a file
 * has the digest of its text and a place in a pack that is nowhere. A failure here is a failure of
 * the test, which ends.
 */
#ifndef BFS_TESTS_TREE_FIXTURE_H
#define BFS_TESTS_TREE_FIXTURE_H

#include "index/tree.h"
#include "index/tree_path.h"
#include "installer/listing.h"
#include "installer/prefix.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

static inline void must(int r, const char *what)
{
	if (r >= 0)
		return;
	printf("Bail out! %s: %s\n", what, strerror(-r));
	exit(1);
}

static inline struct bfs_tree *new_tree(void)
{
	struct bfs_tree *tree = NULL;

	must(bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL), "making a tree");
	return tree;
}

/* A prefix as the first pour finds it. */
static inline struct bfs_tree *new_prefix(void)
{
	struct bfs_tree *tree = new_tree();

	must(bfs_prefix_prepare(tree, NULL), "preparing the prefix");
	return tree;
}

static inline void put_directory(struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes attributes;

	must(bfs_tree_make_directories(tree, path, &attributes), path);
}

static inline void put_parent(struct bfs_tree *tree, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);

	put_directory(tree, parent);
}

static inline struct bfs_content fake_content(const char *text)
{
	struct bfs_content content = {.size = strlen(text), .packed = true};

	must(bfs_digest_of(text, content.size, &content.digest), "digest");
	return content;
}

static inline void put_file_mode(
	struct bfs_tree *tree, const char *path, const char *text, mode_t mode)
{
	struct bfs_content content = fake_content(text);

	put_parent(tree, path);
	must(bfs_tree_write_path(tree, path, mode, 0, &content), path);
}

static inline void put_file(struct bfs_tree *tree, const char *path, const char *text)
{
	put_file_mode(tree, path, text, 0644);
}

static inline void put_link(struct bfs_tree *tree, const char *path, const char *target)
{
	put_parent(tree, path);
	must(bfs_tree_symlink_path(tree, target, path), path);
}

/* What there is at a path: "-" nothing, "d" a directory, "f" a file, "l TARGET" a symlink.
 * Allocated. */
static inline char *describe(struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes attributes;
	char *target = NULL, *text;
	int r = bfs_tree_lstat_path(tree, path, &attributes);

	if (r == -ENOENT || r == -ENOTDIR)
		return strdup("-");
	must(r, path);
	if (S_ISDIR(attributes.mode))
		return strdup("d");
	if (!S_ISLNK(attributes.mode))
		return strdup("f");
	must(bfs_tree_read_link(tree, attributes.ino, &target), path);
	text = bfs_format("l %s", target);
	free(target);
	return text;
}

#define is_there(tree, path, expected, ...)                                                        \
	do {                                                                                       \
		_cleanup_free_ char *there_ = describe(tree, path);                                \
		is_str(there_, expected, __VA_ARGS__);                                             \
	} while (0)

static inline bool file_has(struct bfs_tree *tree, const char *path, const char *text)
{
	struct bfs_content expected = fake_content(text), content;
	struct bfs_attributes attributes;

	if (bfs_tree_lstat_path(tree, path, &attributes) < 0 ||
		bfs_tree_content(tree, attributes.ino, &content) < 0)
		return false;
	return bfs_digest_equal(&content.digest, &expected.digest);
}

static inline mode_t mode_of(struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes attributes;

	return bfs_tree_lstat_path(tree, path, &attributes) < 0 ? 0 : attributes.mode & 07777;
}

static inline void dump_directory(
	struct bfs_tree *tree, uint64_t ino, const char *path, struct bfs_buffer *text)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;

	must(bfs_listing_read(tree, ino, &listing), path);
	for (size_t i = 0; i < listing.count; i++) {
		struct bfs_listing_entry *entry = &listing.entries[i];
		_cleanup_free_ char *child = bfs_path_join(path, entry->name);
		_cleanup_free_ char *what = NULL;

		if (strcmp(child, BFS_CELLAR) == 0)
			continue;
		what = describe(tree, child);
		must(bfs_buffer_append_format(text, "%s %s\n", child, what), child);
		if (S_ISDIR(entry->attributes.mode))
			dump_directory(tree, entry->attributes.ino, child, text);
	}
}

/* Everything outside the Cellar, a line each: "PATH WHAT" with WHAT as describe() says it.
 * Allocated. */
static inline char *dump(struct bfs_tree *tree)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;

	dump_directory(tree, BFS_TREE_ROOT, "", &text);
	return bfs_buffer_steal(&text);
}

#endif
