/*
 * A store with one generation, and a session on it, for the C tests of sessions:
 *
 *	bin/tool	0755, packed		"#!tool\n"
 *	lib/big.so	0644, an object		200,000 bytes
 *	lib/other.so	the same
 *	lib/link	-> big.so
 *	share/doc/a, b	packed
 *	opt/		empty
 */
#ifndef BFS_TESTS_INDEX_SESSION_FIXTURE_H
#define BFS_TESTS_INDEX_SESSION_FIXTURE_H

#include "index/session.h"
#include "index/worktree.h"
#include "tests/index/store_fixture.h"

#define BIG_SIZE 200000
#define BIG_SEED 7

static const struct bfs_maker maker = {1000, 1001};

static inline __attribute__((unused)) int fixture_publish(struct bfs_store *store)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_free_ char *big = fixture_bytes(BIG_SIZE, BIG_SEED);
	struct bfs_generation generation;
	struct bfs_writer *writer = NULL;
	struct bfs_attributes attributes;
	struct bfs_tree *tree;
	uint64_t ino;
	int r = bfs_publication_begin(store, REF, &publication, &error);

	if (r < 0)
		return bfs_error_report(&error, r), r;
	tree = bfs_publication_tree(publication);
	r = bfs_writer_new(store, NULL, &writer, &error);
	if (r == 0)
		r = fixture_write(writer, tree, "bin/tool", 0755, "#!tool\n", 7, NULL);
	if (r == 0)
		r = fixture_write(writer, tree, "lib/big.so", 0644, big, BIG_SIZE, NULL);
	if (r == 0)
		r = fixture_write(writer, tree, "lib/other.so", 0644, big, BIG_SIZE, NULL);
	if (r == 0)
		r = fixture_write(writer, tree, "share/doc/a", 0644, "aaa\n", 4, NULL);
	if (r == 0)
		r = fixture_write(writer, tree, "share/doc/b", 0600, "bb\n", 3, NULL);
	if (r == 0)
		r = bfs_tree_make_directories(tree, "opt", &attributes);
	if (r == 0)
		r = bfs_tree_lookup(tree, BFS_TREE_ROOT, "lib", 3, &attributes);
	if (r == 0)
		r = bfs_tree_make_symlink(tree, attributes.ino, "link", 4, "big.so", 6, 1000, &ino);
	if (r == 0)
		r = bfs_writer_commit(writer, &tree, 1, &error);
	bfs_writer_free(writer);
	if (r == 0)
		r = bfs_publication_commit(publication, "fixture", &generation, &error);
	if (r < 0)
		bfs_error_report(&error, r);
	return r;
}

static inline __attribute__((unused)) struct bfs_store *fixture_store(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_store *store = NULL;
	int r = bfs_store_create(fixture_path("store"), &store, &error);

	setenv("BREWFS_SESSIONS", fixture_path("sessions"), 1);
	if (r == 0)
		r = fixture_publish(store);
	if (r < 0) {
		bfs_error_report(&error, r);
		fixture_end();
		exit(1);
	}
	return store;
}

static inline __attribute__((unused)) struct bfs_session *fixture_open(
	struct bfs_store *store, const char *name)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_session *session = NULL;
	int r = bfs_session_open(store, name, "the test", &session, &error);

	if (r < 0)
		bfs_error_report(&error, r);
	return session;
}

/* The inode that a path leads to, with what stat(2) says; a negative errno. Symlinks are not
 * followed. */
static inline __attribute__((unused)) int find(
	struct bfs_worktree *worktree, const char *path, struct stat *ret_stat)
{
	uint64_t ino = BFS_TREE_ROOT;
	int r = bfs_worktree_stat(worktree, ino, ret_stat);

	while (r == 0 && *path) {
		size_t length = strcspn(path, "/");

		r = bfs_worktree_lookup(worktree, ino, path, length, ret_stat);
		ino = ret_stat->st_ino;
		path += length + (path[length] == '/');
	}
	return r;
}

static inline __attribute__((unused)) uint64_t ino_of(
	struct bfs_worktree *worktree, const char *path)
{
	struct stat st;

	return find(worktree, path, &st) == 0 ? st.st_ino : 0;
}

/* The inode of the directory above a path, and its last component. */
static inline __attribute__((unused)) uint64_t parent_of(
	struct bfs_worktree *worktree, const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char parent[512] = "";

	*ret_name = slash ? slash + 1 : path;
	if (slash)
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	return ino_of(worktree, parent);
}

/* --- by path, as a program would --- */

static inline __attribute__((unused)) int make_file(
	struct bfs_worktree *worktree, const char *path, mode_t mode, struct stat *ret_stat)
{
	const char *name;
	uint64_t parent = parent_of(worktree, path, &name);

	return bfs_worktree_make_node(
		worktree, &maker, parent, name, strlen(name), S_IFREG | mode, 0, ret_stat);
}

static inline __attribute__((unused)) int make_directory(
	struct bfs_worktree *worktree, const char *path, mode_t mode, struct stat *ret_stat)
{
	const char *name;
	uint64_t parent = parent_of(worktree, path, &name);

	return bfs_worktree_make_directory(
		worktree, &maker, parent, name, strlen(name), mode, ret_stat);
}

static inline __attribute__((unused)) int rename_path(struct bfs_worktree *worktree,
	const char *from, const char *to, unsigned flags, uint64_t *ret_replaced)
{
	const char *name, *new_name;
	uint64_t parent = parent_of(worktree, from, &name);
	uint64_t new_parent = parent_of(worktree, to, &new_name);

	return bfs_worktree_rename(worktree, parent, name, strlen(name), new_parent, new_name,
		strlen(new_name), flags, ret_replaced);
}

static inline __attribute__((unused)) int unlink_path(
	struct bfs_worktree *worktree, const char *path, uint64_t *ret_ino)
{
	const char *name;
	uint64_t parent = parent_of(worktree, path, &name);

	return bfs_worktree_unlink(worktree, parent, name, strlen(name), ret_ino);
}

static inline __attribute__((unused)) int write_at(
	struct bfs_worktree *worktree, uint64_t ino, const void *data, size_t length, off_t offset)
{
	struct bfs_worktree_data open_data;
	int r = bfs_worktree_data_open(worktree, ino, true, &open_data);

	if (r < 0)
		return r;
	r = bfs_pwrite_all(open_data.fd, data, length, (uint64_t)offset);
	bfs_worktree_data_close(worktree, &open_data, true);
	return r;
}

/* Up to `size` bytes from the beginning. */
static inline __attribute__((unused)) ssize_t read_all(struct bfs_store *store,
	struct bfs_worktree *worktree, uint64_t ino, void *ret_data, size_t size)
{
	_cleanup_content_reader_ struct bfs_content_reader *reader = NULL;
	struct bfs_worktree_data open_data;
	ssize_t n = bfs_worktree_data_open(worktree, ino, false, &open_data);

	if (n < 0)
		return n;
	if (open_data.fd >= 0)
		n = pread(open_data.fd, ret_data, size, 0);
	else if (open_data.content.size == 0)
		n = 0;
	else if (bfs_content_reader_new(store, &reader) == 0)
		n = bfs_content_read(reader, &open_data.content, ret_data, size, 0);
	bfs_worktree_data_close(worktree, &open_data, false);
	return n;
}

/* Whether the file at `path` has just these bytes. */
static inline __attribute__((unused)) bool has_bytes(
	struct bfs_store *store, struct bfs_worktree *worktree, const char *path, const char *bytes)
{
	char found[4096];
	ssize_t n = read_all(store, worktree, ino_of(worktree, path), found, sizeof(found));

	return n == (ssize_t)strlen(bytes) && memcmp(found, bytes, (size_t)n) == 0;
}

static inline __attribute__((unused)) bool is_sound(struct bfs_worktree *worktree)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_worktree_check(worktree, &error);

	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	return r == 0;
}

#endif
