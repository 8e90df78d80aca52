#include "index/worktree_private.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>

static int is_local(sqlite3_stmt *stmt, uint64_t ino, bool *ret_local)
{
	int r;

	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	*ret_local = r > 0;
	sqlite3_reset(stmt);
	return r < 0 ? r : 0;
}

/* The number that a data file's name says; 0 for a name that is none. */
static uint64_t ino_of(const char *directory, const char *name)
{
	char expected[WORKTREE_DATA_NAME_SIZE], *end;
	uint64_t ino = strtoull(name, &end, 16);

	if (*end || ino == 0 || ino >= BFS_TREE_INO_LIMIT)
		return 0;
	bfs_file_local_name(ino, expected);
	return strncmp(expected, directory, 2) == 0 && expected[2] == '/' &&
			       strcmp(expected + 3, name) == 0
		       ? ino
		       : 0;
}

/* Removes from one directory of data/ what no row has. */
static int sweep_directory(struct bfs_worktree *worktree, const char *directory, sqlite3_stmt *stmt)
{
	int fd = openat(
		worktree->data_fd, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir && errno == ENOTDIR)
		return bfs_remove_tree(worktree->data_fd, directory);
	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir))) {
		uint64_t ino = ino_of(directory, entry->d_name);
		bool local = false;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (ino)
			r = is_local(stmt, ino, &local);
		if (r == 0 && !local)
			r = bfs_remove_tree(fd, entry->d_name);
	}
	return r;
}

static int sweep_data(struct bfs_worktree *worktree)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = dup(worktree->data_fd), r;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return -errno;
	r = bfs_db_prepare(
		worktree->tree->db, "SELECT 1 FROM node WHERE ino=?1 AND local<>0", &stmt);
	rewinddir(dir);
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = sweep_directory(worktree, entry->d_name, stmt);
	return r;
}

/*
 * A file whose row came to the disk before its bytes, in a power cut: it is empty, as on any
 * filesystem that was not asked to sync it.
 */
static int empty_lost(struct bfs_worktree *worktree, uint64_t ino)
{
	struct worktree_inode *inode;
	int r = bfs_inode_get(worktree, ino, &inode);

	if (r < 0)
		return r;
	inode->is_local = false;
	inode->size = 0;
	inode->object = 0;
	bfs_inode_change(worktree, inode);
	return 0;
}

/* Returns 1 where the data file of the inode is there, 0 where it is not. */
static int has_data(struct bfs_worktree *worktree, uint64_t ino)
{
	char name[WORKTREE_DATA_NAME_SIZE];
	struct stat st;

	if (fstatat(worktree->data_fd, bfs_file_local_name(ino, name), &st, AT_SYMLINK_NOFOLLOW) ==
		0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

static int empty_all_lost(struct bfs_worktree *worktree)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	uint64_t count = 0;
	int r = bfs_db_prepare(
		worktree->tree->db, "SELECT ino FROM node WHERE local<>0 ORDER BY ino", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		uint64_t ino = (uint64_t)sqlite3_column_int64(stmt, 0);

		r = has_data(worktree, ino);
		if (r != 0)
			continue;
		r = empty_lost(worktree, ino);
		count++;
	}
	if (count)
		bfs_log_warning("the session in %s lost the bytes of %llu files, which were never "
				"synced: they are empty now",
			worktree->directory, (unsigned long long)count);
	return r;
}

static int load_epoch(struct bfs_worktree *worktree)
{
	int64_t epoch = 0;
	int r = bfs_db_get_int64(
		worktree->tree->db, "SELECT value FROM value WHERE key='session_epoch'", &epoch);

	worktree->epoch = (uint64_t)epoch;
	return r == -ENOENT ? 0 : r;
}

int bfs_worktree_recover(struct bfs_worktree *worktree, struct bfs_error *error)
{
	int r;

	pthread_mutex_lock(&worktree->lock);
	r = load_epoch(worktree);
	if (r == 0)
		r = sweep_data(worktree);
	if (r == 0)
		r = empty_all_lost(worktree);
	/* Those of inodes that had no name any more. */
	if (r == 0)
		r = bfs_db_exec(worktree->tree->db,
			"DELETE FROM xattr WHERE ino NOT IN (SELECT ino FROM inode)");
	worktree->pending++;
	if (r == 0)
		r = bfs_worktree_commit(worktree);
	pthread_mutex_unlock(&worktree->lock);
	if (r < 0)
		return bfs_error_set(error, r, "recovering the session", worktree->directory, NULL);
	return 0;
}
