#include "index/worktree_private.h"

#include <limits.h>
#include <string.h>

#define BLOCK_SIZE 4096 /* bytes */

static struct worktree_inode **bucket_of(struct bfs_worktree *worktree, uint64_t ino)
{
	return &worktree->buckets[ino & (WORKTREE_BUCKETS - 1)];
}

struct worktree_inode *bfs_inode_find(struct bfs_worktree *worktree, uint64_t ino)
{
	struct worktree_inode *inode = *bucket_of(worktree, ino);

	while (inode && inode->ino != ino)
		inode = inode->next;
	return inode;
}

static void insert(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	struct worktree_inode **bucket = bucket_of(worktree, inode->ino);

	inode->next = *bucket;
	*bucket = inode;
	TAILQ_INSERT_TAIL(&worktree->used, inode, used);
	worktree->inode_count++;
}

/* Out of memory; its rows and data files are not touched. */
static void forget(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	struct worktree_inode **link = bucket_of(worktree, inode->ino);

	while (*link != inode)
		link = &(*link)->next;
	*link = inode->next;
	TAILQ_REMOVE(&worktree->used, inode, used);
	if (inode->is_dirty)
		TAILQ_REMOVE(&worktree->dirty, inode, dirty);
	worktree->inode_count--;
	bfs_file_detach(worktree, inode);
	free(inode->target);
	free(inode);
}

static uint32_t owner_from_column(sqlite3_stmt *stmt, int column)
{
	int64_t id = sqlite3_column_int64(stmt, column);

	return sqlite3_column_type(stmt, column) == SQLITE_NULL || id < 0 || id > UINT32_MAX
		       ? WORKTREE_NOBODY
		       : (uint32_t)id;
}

int bfs_inode_from_row(struct bfs_worktree *worktree, sqlite3_stmt *stmt, int first,
	struct worktree_inode *ret_inode)
{
	struct bfs_attributes attributes;
	int node = first + 7;
	int r = bfs_tree_attributes_from_row(worktree->tree, stmt, first, &attributes);

	if (r < 0)
		return r;
	*ret_inode = (struct worktree_inode){
		.ino = attributes.ino,
		.mode = attributes.mode,
		.nlink = attributes.nlink,
		.uid = WORKTREE_NOBODY,
		.gid = WORKTREE_NOBODY,
		.size = attributes.size,
		.mtime = attributes.mtime,
		.atime = attributes.mtime,
		.ctime = attributes.mtime,
		.parent = attributes.parent,
		.object = attributes.object,
		.has_row = true,
		.has_xattrs = true,
	};
	if (sqlite3_column_type(stmt, node) == SQLITE_NULL)
		return 0;
	ret_inode->has_node = true;
	ret_inode->uid = owner_from_column(stmt, node + 1);
	ret_inode->gid = owner_from_column(stmt, node + 2);
	ret_inode->rdev = (dev_t)sqlite3_column_int64(stmt, node + 3);
	ret_inode->atime = sqlite3_column_int64(stmt, node + 4);
	ret_inode->ctime = sqlite3_column_int64(stmt, node + 5);
	ret_inode->is_local = sqlite3_column_int(stmt, node + 6) != 0;
	ret_inode->quiet = sqlite3_column_int64(stmt, node + 7);
	return ret_inode->is_local && !S_ISREG(ret_inode->mode) ? -EUCLEAN : 0;
}

static int load(struct bfs_worktree *worktree, uint64_t ino, struct worktree_inode **ret_inode)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	struct worktree_inode found, *inode;
	int r = bfs_worktree_statement(worktree, WORKTREE_LOAD, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	r = bfs_inode_from_row(worktree, stmt, 0, &found);
	if (r < 0)
		return r;
	inode = malloc(sizeof(*inode));
	if (!inode)
		return -ENOMEM;
	*inode = found;
	/* It may have been changed before it was forgotten. */
	inode->changed = inode->has_node ? worktree->transaction - 1 : 0;
	insert(worktree, inode);
	*ret_inode = inode;
	return 0;
}

int bfs_inode_get(struct bfs_worktree *worktree, uint64_t ino, struct worktree_inode **ret_inode)
{
	struct worktree_inode *inode = bfs_inode_find(worktree, ino);

	if (!inode)
		return load(worktree, ino, ret_inode);
	if (TAILQ_NEXT(inode, used)) {
		TAILQ_REMOVE(&worktree->used, inode, used);
		TAILQ_INSERT_TAIL(&worktree->used, inode, used);
	}
	*ret_inode = inode;
	return 0;
}

int bfs_inode_get_directory(
	struct bfs_worktree *worktree, uint64_t ino, struct worktree_inode **ret_inode)
{
	struct worktree_inode *inode;
	int r = bfs_inode_get(worktree, ino, &inode);

	if (r < 0)
		return r;
	if (!S_ISDIR(inode->mode))
		return -ENOTDIR;
	*ret_inode = inode;
	return 0;
}

void bfs_inode_change(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->changed = worktree->transaction;
	if (inode->is_dirty)
		return;
	inode->is_dirty = true;
	TAILQ_INSERT_TAIL(&worktree->dirty, inode, dirty);
}

/* In a setgid directory the group is the directory's, and directories inherit the bit (inode(7)).
 */
static void set_maker(struct bfs_worktree *worktree, struct worktree_inode *inode,
	const struct bfs_maker *maker, const struct worktree_inode *directory)
{
	inode->uid = maker->uid;
	inode->gid = maker->gid;
	if (!(directory->mode & S_ISGID))
		return;
	inode->gid = directory->gid == WORKTREE_NOBODY ? worktree->gid : directory->gid;
	if (S_ISDIR(inode->mode))
		inode->mode |= S_ISGID;
}

int bfs_inode_new(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	const struct worktree_inode *directory, mode_t mode, const char *target,
	struct worktree_inode **ret_inode)
{
	struct worktree_inode *inode;

	if (worktree->tree->next_ino >= BFS_TREE_INO_LIMIT)
		return -ENOSPC;
	inode = calloc(1, sizeof(*inode));
	if (!inode)
		return -ENOMEM;
	inode->target = target ? strdup(target) : NULL;
	if (target && !inode->target) {
		free(inode);
		return -ENOMEM;
	}
	inode->ino = worktree->tree->next_ino++;
	inode->mode = mode;
	inode->size = target ? strlen(target) : 0;
	inode->mtime = inode->atime = inode->ctime = bfs_worktree_now(worktree);
	inode->is_orphan = true;
	set_maker(worktree, inode, maker, directory);
	insert(worktree, inode);
	bfs_inode_change(worktree, inode);
	*ret_inode = inode;
	return 0;
}

void bfs_inode_orphan(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->nlink = 0;
	inode->is_orphan = true;
	if (S_ISLNK(inode->mode)) /* its row goes; without its target it cannot be read any more */
		bfs_inode_load_target(worktree, inode);
	bfs_inode_change(worktree, inode);
}

void bfs_inode_pin(struct worktree_inode *inode)
{
	inode->pins++;
}

void bfs_inode_unpin(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->pins--;
	bfs_inode_settle(worktree, inode);
}

void bfs_inode_settle(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	if (!inode->is_orphan || !inode->is_released || inode->has_row || inode->pins ||
		(inode->file && inode->file->users))
		return;
	if (inode->has_xattrs)
		bfs_worktree_run(worktree, WORKTREE_DELETE_XATTRS, inode->ino);
	if (inode->is_local)
		bfs_file_doom(worktree, inode->ino);
	forget(worktree, inode);
}

static void bind_owner(sqlite3_stmt *stmt, int parameter, uint32_t id)
{
	if (id == WORKTREE_NOBODY)
		sqlite3_bind_null(stmt, parameter);
	else
		sqlite3_bind_int64(stmt, parameter, id);
}

static int write_node(struct bfs_worktree *worktree, const struct worktree_inode *inode)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_WRITE_NODE, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)inode->ino);
	bind_owner(stmt, 2, inode->uid);
	bind_owner(stmt, 3, inode->gid);
	sqlite3_bind_int64(stmt, 4, (int64_t)inode->rdev);
	sqlite3_bind_int64(stmt, 5, inode->atime);
	sqlite3_bind_int64(stmt, 6, inode->ctime);
	sqlite3_bind_int(stmt, 7, inode->is_local);
	sqlite3_bind_int64(stmt, 8, inode->quiet);
	sqlite3_bind_int64(stmt, 9, (int64_t)worktree->epoch);
	return bfs_db_run(stmt);
}

static int write_inode(struct bfs_worktree *worktree, const struct worktree_inode *inode)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(
		worktree, inode->has_row ? WORKTREE_UPDATE_INODE : WORKTREE_INSERT_INODE, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)inode->ino);
	sqlite3_bind_int64(stmt, 2, inode->mode);
	sqlite3_bind_int64(stmt, 3, inode->nlink);
	sqlite3_bind_int64(stmt, 4, inode->is_local ? 0 : (int64_t)inode->size);
	sqlite3_bind_int64(stmt, 5, inode->mtime);
	if (inode->object)
		sqlite3_bind_int64(stmt, 6, inode->object);
	if (inode->parent)
		sqlite3_bind_int64(stmt, 7, (int64_t)inode->parent);
	if (!inode->has_row && inode->target)
		sqlite3_bind_blob(stmt, 8, inode->target, (int)inode->size, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int flush(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	int r = write_inode(worktree, inode);

	if (r == 0)
		r = write_node(worktree, inode);
	if (r < 0)
		return r;
	inode->has_row = inode->has_node = true;
	return 0;
}

/* What has no name lives in memory alone: after a crash nobody can open it. */
static int flush_orphan(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	int r = 0;

	if (inode->has_row)
		r = bfs_worktree_run(worktree, WORKTREE_DELETE_INODE, inode->ino);
	if (r == 0 && inode->has_node)
		r = bfs_worktree_run(worktree, WORKTREE_DELETE_NODE, inode->ino);
	if (r == 0)
		inode->has_row = inode->has_node = false;
	return r;
}

int bfs_inode_flush(struct bfs_worktree *worktree)
{
	struct worktree_inode *inode;

	while ((inode = TAILQ_FIRST(&worktree->dirty))) {
		int r = inode->is_orphan ? flush_orphan(worktree, inode) : flush(worktree, inode);

		if (r < 0)
			return r;
		TAILQ_REMOVE(&worktree->dirty, inode, dirty);
		inode->is_dirty = false;
		bfs_inode_settle(worktree, inode);
	}
	return 0;
}

static bool is_needed(const struct worktree_inode *inode)
{
	return inode->is_dirty || inode->is_orphan || inode->pins ||
	       (inode->file && inode->file->users);
}

void bfs_inode_evict(struct bfs_worktree *worktree)
{
	unsigned tries = 64; /* one that is needed counts as just used */

	while (worktree->inode_count > WORKTREE_INODES && tries--) {
		struct worktree_inode *inode = TAILQ_FIRST(&worktree->used);

		if (is_needed(inode)) {
			TAILQ_REMOVE(&worktree->used, inode, used);
			TAILQ_INSERT_TAIL(&worktree->used, inode, used);
		} else {
			forget(worktree, inode);
		}
	}
}

void bfs_inode_free_all(struct bfs_worktree *worktree)
{
	struct worktree_inode *inode;

	while ((inode = TAILQ_FIRST(&worktree->used)))
		forget(worktree, inode);
}

static int fill_local(
	struct bfs_worktree *worktree, struct worktree_inode *inode, struct stat *stat)
{
	struct worktree_data_stat data;
	int r = bfs_file_stat(worktree, inode, &data);

	if (r < 0)
		return r;
	stat->st_size = (off_t)data.size;
	stat->st_blocks = (blkcnt_t)data.blocks;
	stat->st_atim = bfs_file_timespec(data.atime);
	stat->st_mtim = bfs_file_timespec(data.mtime);
	if ((data.ctime != inode->quiet || data.mtime != inode->mtime) && data.ctime > inode->ctime)
		stat->st_ctim = bfs_file_timespec(data.ctime);
	return 0;
}

int bfs_inode_fill_stat(
	struct bfs_worktree *worktree, struct worktree_inode *inode, struct stat *ret_stat)
{
	struct stat stat = {
		.st_ino = inode->ino,
		.st_mode = inode->mode,
		.st_nlink = inode->nlink,
		.st_uid = inode->uid == WORKTREE_NOBODY ? worktree->uid : inode->uid,
		.st_gid = inode->gid == WORKTREE_NOBODY ? worktree->gid : inode->gid,
		.st_rdev = inode->rdev,
		.st_size = (off_t)inode->size,
		.st_blksize = BLOCK_SIZE,
		.st_atim = bfs_file_timespec(inode->atime),
		.st_mtim = bfs_file_timespec(inode->mtime),
		.st_ctim = bfs_file_timespec(inode->ctime),
	};
	int r = 0;

	if (S_ISDIR(inode->mode))
		stat.st_size = BLOCK_SIZE;
	if (!S_ISLNK(inode->mode)) /* of a stored content: as if in such blocks */
		stat.st_blocks = (blkcnt_t)((stat.st_size + BLOCK_SIZE - 1) / BLOCK_SIZE *
					    (BLOCK_SIZE / 512));
	if (inode->is_local)
		r = fill_local(worktree, inode, &stat);
	if (r == 0)
		*ret_stat = stat;
	return r;
}

int bfs_inode_load_target(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	const char *target;
	size_t length;
	int r;

	if (!S_ISLNK(inode->mode))
		return -EINVAL;
	if (inode->target)
		return 0;
	r = bfs_worktree_statement(worktree, WORKTREE_TARGET, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)inode->ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	target = sqlite3_column_blob(stmt, 0);
	length = (size_t)sqlite3_column_bytes(stmt, 0);
	if (!target || length == 0 || length >= PATH_MAX || memchr(target, '\0', length))
		return -EUCLEAN;
	inode->target = strndup(target, length);
	return inode->target ? 0 : -ENOMEM;
}

int bfs_inode_content(struct bfs_worktree *worktree, const struct worktree_inode *inode,
	struct bfs_content *ret_content)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	struct bfs_content content;
	int r;

	if (!inode->object) {
		*ret_content = (struct bfs_content){0};
		return 0;
	}
	r = bfs_worktree_statement(worktree, WORKTREE_CONTENT, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, inode->object);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	r = bfs_tree_content_from_row(stmt, 0, &content);
	if (r < 0)
		return r;
	if (content.size != inode->size)
		return -EUCLEAN;
	*ret_content = content;
	return 0;
}
