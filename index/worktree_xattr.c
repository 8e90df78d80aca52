#include "index/worktree_private.h"

#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>

#define NAMESPACE "user."

/* With no more than xattr(7) allows. */
static int check_name(const char *name)
{
	if (strncmp(name, NAMESPACE, strlen(NAMESPACE)) != 0)
		return -EOPNOTSUPP;
	if (strlen(name) == strlen(NAMESPACE))
		return -EINVAL;
	return strlen(name) > XATTR_NAME_MAX ? -ERANGE : 0;
}

/* The statement for one attribute, its number and name bound. */
static int prepare(struct bfs_worktree *worktree, enum worktree_statement which, uint64_t ino,
	const char *name, sqlite3_stmt **ret_stmt)
{
	int r = bfs_worktree_statement(worktree, which, ret_stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(*ret_stmt, 1, (int64_t)ino);
	sqlite3_bind_blob(*ret_stmt, 2, name, (int)strlen(name), SQLITE_STATIC);
	return 0;
}

static ssize_t get_value(struct bfs_worktree *worktree, const struct worktree_inode *inode,
	const char *name, void *ret_value, size_t size)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	size_t length;
	int r;

	if (!inode->has_xattrs)
		return -ENODATA;
	r = prepare(worktree, WORKTREE_GET_XATTR, inode->ino, name, &stmt);
	if (r == 0)
		r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENODATA;
	length = (size_t)sqlite3_column_bytes(stmt, 0);
	if (size && size < length)
		return -ERANGE;
	if (size && length)
		memcpy(ret_value, sqlite3_column_blob(stmt, 0), length);
	return (ssize_t)length;
}

ssize_t bfs_worktree_get_xattr(
	struct bfs_worktree *worktree, uint64_t ino, const char *name, void *ret_value, size_t size)
{
	struct worktree_inode *inode;
	ssize_t n = check_name(name);

	if (n < 0)
		return n;
	n = bfs_worktree_enter(worktree);
	if (n < 0)
		return n;
	n = bfs_inode_get(worktree, ino, &inode);
	if (n == 0)
		n = get_value(worktree, inode, name, ret_value, size);
	bfs_worktree_leave(worktree, 0);
	return n;
}

static ssize_t list_names(
	struct bfs_worktree *worktree, struct worktree_inode *inode, char *ret_names, size_t size)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	size_t total = 0;
	int r;

	if (!inode->has_xattrs)
		return 0;
	r = bfs_worktree_statement(worktree, WORKTREE_LIST_XATTRS, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)inode->ino);
	while ((r = bfs_db_step(stmt)) > 0) {
		size_t length = (size_t)sqlite3_column_bytes(stmt, 0);

		if (size && size - total < length + 1)
			return -ERANGE;
		if (size) {
			memcpy(ret_names + total, sqlite3_column_blob(stmt, 0), length);
			ret_names[total + length] = '\0';
		}
		total += length + 1;
	}
	if (r == 0 && total == 0)
		inode->has_xattrs = false;
	return r < 0 ? r : (ssize_t)total;
}

ssize_t bfs_worktree_list_xattrs(
	struct bfs_worktree *worktree, uint64_t ino, char *ret_names, size_t size)
{
	struct worktree_inode *inode;
	ssize_t n = bfs_worktree_enter(worktree);

	if (n < 0)
		return n;
	n = bfs_inode_get(worktree, ino, &inode);
	if (n == 0)
		n = list_names(worktree, inode, ret_names, size);
	bfs_worktree_leave(worktree, 0);
	return n;
}

static void note_change(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->ctime = bfs_worktree_now(worktree);
	bfs_inode_change(worktree, inode);
}

static int set_value(struct bfs_worktree *worktree, struct worktree_inode *inode, const char *name,
	const void *value, size_t size, int flags)
{
	sqlite3_stmt *stmt = NULL;
	ssize_t there = get_value(worktree, inode, name, NULL, 0);
	int r;

	if (there < 0 && there != -ENODATA)
		return (int)there;
	if ((flags & XATTR_CREATE) && there >= 0)
		return -EEXIST;
	if ((flags & XATTR_REPLACE) && there < 0)
		return -ENODATA;
	r = prepare(worktree, WORKTREE_WRITE_XATTR, inode->ino, name, &stmt);
	if (r < 0)
		return r;
	if (size)
		sqlite3_bind_blob64(stmt, 3, value, size, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(stmt, 3, 0);
	r = bfs_db_run(stmt);
	if (r < 0)
		return r;
	inode->has_xattrs = true;
	note_change(worktree, inode);
	return 0;
}

int bfs_worktree_set_xattr(struct bfs_worktree *worktree, uint64_t ino, const char *name,
	const void *value, size_t size, int flags)
{
	struct worktree_inode *inode;
	int r = check_name(name);

	if (r < 0)
		return r;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = bfs_worktree_enter_growth(worktree);
	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = set_value(worktree, inode, name, value, size, flags);
	return bfs_worktree_leave_change(worktree, r);
}

static int remove_value(
	struct bfs_worktree *worktree, struct worktree_inode *inode, const char *name)
{
	sqlite3_stmt *stmt = NULL;
	int r = inode->has_xattrs
			? prepare(worktree, WORKTREE_DELETE_XATTR, inode->ino, name, &stmt)
			: -ENODATA;

	if (r == 0)
		r = bfs_db_run(stmt);
	if (r == 0 && sqlite3_changes(worktree->tree->db) == 0)
		r = -ENODATA;
	if (r == 0)
		note_change(worktree, inode);
	return r;
}

int bfs_worktree_remove_xattr(struct bfs_worktree *worktree, uint64_t ino, const char *name)
{
	struct worktree_inode *inode;
	int r = check_name(name);

	if (r == 0)
		r = bfs_worktree_enter_change(worktree);
	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = remove_value(worktree, inode, name);
	return bfs_worktree_leave_change(worktree, r);
}
