#include "index/worktree_private.h"

#include "lib/path.h"

#include <string.h>

int bfs_worktree_stat(struct bfs_worktree *worktree, uint64_t ino, struct stat *ret_stat)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, inode, ret_stat);
	return bfs_worktree_leave(worktree, r);
}

int bfs_worktree_parent(struct bfs_worktree *worktree, uint64_t ino, uint64_t *ret_parent)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get_directory(worktree, ino, &inode);
	if (r == 0)
		*ret_parent = inode->parent;
	return bfs_worktree_leave(worktree, r);
}

int bfs_worktree_read_link(struct bfs_worktree *worktree, uint64_t ino, char **ret_target)
{
	struct worktree_inode *inode;
	char *target = NULL;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = bfs_inode_load_target(worktree, inode);
	if (r == 0) {
		target = strdup(inode->target);
		r = target ? 0 : -ENOMEM;
	}
	if (r == 0)
		*ret_target = target;
	return bfs_worktree_leave(worktree, r);
}

/* The inode of a row is in memory if it was changed, or has no row yet. */
static int visit_row(struct bfs_worktree *worktree, sqlite3_stmt *stmt, bfs_worktree_visitor *visit,
	void *context)
{
	const char *name = sqlite3_column_blob(stmt, 0);
	size_t length = (size_t)sqlite3_column_bytes(stmt, 0);
	int64_t cookie = sqlite3_column_int64(stmt, 1);
	uint64_t ino = (uint64_t)sqlite3_column_int64(stmt, 2);
	struct worktree_inode *inode = bfs_inode_find(worktree, ino), from_row;
	struct stat stat;
	int r = 0;

	if (!name || !bfs_name_is_valid(name, length) || cookie < BFS_TREE_COOKIE_FIRST)
		return -EUCLEAN;
	if (!inode) {
		r = bfs_inode_from_row(worktree, stmt, 3, &from_row);
		inode = &from_row;
	}
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, inode, &stat);
	return r < 0 ? r : visit(context, name, length, (uint64_t)cookie, &stat);
}

static int visit_rows(struct bfs_worktree *worktree, uint64_t ino, uint64_t cookie,
	bfs_worktree_visitor *visit, void *context)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_READ_DIRECTORY, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)cookie);
	while ((r = bfs_db_step(stmt)) > 0) {
		r = visit_row(worktree, stmt, visit, context);
		if (r != 0)
			return r;
	}
	return r;
}

int bfs_worktree_read_directory(struct bfs_worktree *worktree, uint64_t ino, uint64_t cookie,
	bfs_worktree_visitor *visit, void *context)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = cookie > INT64_MAX ? -EINVAL : bfs_inode_get_directory(worktree, ino, &inode);
	if (r == 0)
		r = visit_rows(worktree, ino, cookie, visit, context);
	return bfs_worktree_leave(worktree, r);
}

int bfs_worktree_statfs(struct bfs_worktree *worktree, struct statvfs *ret_statvfs)
{
	struct statvfs statvfs;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	if (worktree->names < 0)
		r = bfs_db_get_int64(
			worktree->tree->db, "SELECT count(*) FROM dirent", &worktree->names);
	if (r == 0 && fstatvfs(worktree->data_fd, &statvfs) < 0)
		r = -errno;
	if (r == 0) {
		statvfs.f_files = statvfs.f_ffree + (fsfilcnt_t)worktree->names;
		statvfs.f_namemax = BFS_NAME_MAX;
		*ret_statvfs = statvfs;
	}
	return bfs_worktree_leave(worktree, r);
}
