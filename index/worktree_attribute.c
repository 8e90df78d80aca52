#include "index/worktree_private.h"

static int truncate_local(struct bfs_worktree *worktree, struct worktree_inode *inode, off_t size)
{
	struct worktree_file *file;
	int r = bfs_file_get(worktree, inode, &file);

	if (r < 0)
		return r;
	if (ftruncate(file->fd, size) < 0)
		r = -errno;
	inode->data_known = false;
	bfs_file_put(worktree, file);
	return r;
}

static void wait_until_copied(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	bfs_inode_pin(inode);
	while (inode->is_copying || worktree->is_frozen)
		pthread_cond_wait(
			inode->is_copying ? &worktree->copied : &worktree->thawed, &worktree->lock);
	inode->pins--;
}

/* A stored content is copied only as far as it is kept: nothing for 0, nothing where its size
 * stays. */
static int set_size(struct bfs_worktree *worktree, struct worktree_inode *inode, off_t size)
{
	int r;

	if (!S_ISREG(inode->mode))
		return S_ISDIR(inode->mode) ? -EISDIR : -EINVAL;
	if (size < 0)
		return -EINVAL;
	if ((uint64_t)size > BFS_CONTENT_SIZE_MAX)
		return -EFBIG;
	if (inode->is_copying)
		wait_until_copied(worktree, inode);
	if (!inode->is_local && (size == 0 || (uint64_t)size == inode->size)) {
		if (size == 0)
			inode->object = 0;
		inode->size = (uint64_t)size;
		inode->mtime = bfs_worktree_now(worktree);
		return 0;
	}
	r = inode->is_local ? 0 : bfs_worktree_make_local(worktree, inode, (uint64_t)size);
	return r < 0 ? r : truncate_local(worktree, inode, size);
}

/* Who changes the owner of a program takes its set-user-id and set-group-id bits away (chown(2)).
 */
static void set_owner(struct worktree_inode *inode, unsigned set, const struct stat *stat)
{
	if (set & BFS_SET_UID)
		inode->uid = stat->st_uid;
	if (set & BFS_SET_GID)
		inode->gid = stat->st_gid;
	if (S_ISDIR(inode->mode) || (set & BFS_SET_MODE))
		return;
	inode->mode &= ~(mode_t)S_ISUID;
	if (inode->mode & S_IXGRP)
		inode->mode &= ~(mode_t)S_ISGID;
}

static struct timespec choose_time(
	unsigned set, unsigned given, unsigned now, const struct timespec *time)
{
	if (set & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (set & given)
		return *time;
	return (struct timespec){.tv_nsec = UTIME_OMIT};
}

static void set_row_time(
	const struct bfs_worktree *worktree, int64_t *time, const struct timespec *chosen)
{
	if (chosen->tv_nsec == UTIME_NOW)
		*time = bfs_worktree_now(worktree);
	else if (chosen->tv_nsec != UTIME_OMIT)
		*time = bfs_file_time(chosen);
}

static int set_times(struct bfs_worktree *worktree, struct worktree_inode *inode, unsigned set,
	const struct stat *stat)
{
	struct timespec times[2] = {
		choose_time(set, BFS_SET_ATIME, BFS_SET_ATIME_NOW, &stat->st_atim),
		choose_time(set, BFS_SET_MTIME, BFS_SET_MTIME_NOW, &stat->st_mtim),
	};

	if (times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (inode->is_local)
		return bfs_file_set_times(worktree, inode, times);
	set_row_time(worktree, &inode->atime, &times[0]);
	set_row_time(worktree, &inode->mtime, &times[1]);
	return 0;
}

/* While its content is being copied it is as it will be, so that the copy gets the times. */
static int set_attributes(struct bfs_worktree *worktree, struct worktree_inode *inode, unsigned set,
	const struct stat *stat)
{
	int r = set & BFS_SET_SIZE ? set_size(worktree, inode, stat->st_size) : 0;

	if (r == 0)
		r = set_times(worktree, inode, set, stat);
	if (r < 0)
		return r;
	if (set & BFS_SET_MODE)
		inode->mode = (inode->mode & S_IFMT) | (stat->st_mode & 07777);
	if (set & (BFS_SET_UID | BFS_SET_GID))
		set_owner(inode, set, stat);
	/* Writes so far were changes of their own; this one is later than they. */
	if (inode->is_local)
		r = bfs_file_quieten(worktree, inode);
	inode->ctime =
		set & BFS_SET_CTIME ? bfs_file_time(&stat->st_ctim) : bfs_worktree_now(worktree);
	bfs_inode_change(worktree, inode);
	return r;
}

int bfs_worktree_set_attributes(struct bfs_worktree *worktree, uint64_t ino, unsigned set,
	const struct stat *stat, struct stat *ret_stat)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter_change(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r < 0)
		return bfs_worktree_leave(worktree, r);
	bfs_inode_pin(inode);
	r = set_attributes(worktree, inode, set, stat);
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, inode, ret_stat);
	bfs_inode_unpin(worktree, inode);
	return bfs_worktree_leave_change(worktree, r);
}
