#include "index/worktree_private.h"

#include "lib/file.h"

/* Without the lock: the name of a data file, after its bytes. */
static int sync_entry(struct bfs_worktree *worktree, uint64_t ino, bool new_directory)
{
	char name[WORKTREE_DATA_NAME_SIZE];

	if (new_directory && fsync(worktree->data_fd) < 0)
		return -errno;
	return bfs_sync_directory(worktree->data_fd, bfs_file_local_name(ino, name));
}

static int sync_file(struct bfs_worktree *worktree, struct worktree_inode *inode,
	const struct worktree_file *file, bool data_only)
{
	uint64_t made = __atomic_load_n(&worktree->directories_made, __ATOMIC_ACQUIRE);
	bool new_directory = made > worktree->directories_synced;
	bool new_entry = !inode->is_entry_synced;
	uint64_t ino = inode->ino;
	int r = 0;

	pthread_mutex_unlock(&worktree->lock);
	if ((data_only ? fdatasync(file->fd) : fsync(file->fd)) < 0)
		r = -errno;
	if (r == 0 && new_entry)
		r = sync_entry(worktree, ino, new_directory);
	pthread_mutex_lock(&worktree->lock);
	if (r == 0 && new_entry && made > worktree->directories_synced)
		worktree->directories_synced = made;
	if (r == 0 && file->inode)
		file->inode->is_entry_synced = true;
	return r;
}

/* Gives the lock back meanwhile; the inode is pinned. */
static int sync_local(struct bfs_worktree *worktree, struct worktree_inode *inode, bool data_only)
{
	struct worktree_file *file;
	int r = bfs_file_get(worktree, inode, &file);

	if (r < 0)
		return r;
	r = sync_file(worktree, inode, file, data_only);
	bfs_file_put(worktree, file);
	return r;
}

void bfs_file_note_fragile(struct bfs_worktree *worktree, uint64_t ino)
{
	bfs_inos_add(&worktree->fragile, ino);
}

static int sync_one(struct bfs_worktree *worktree, uint64_t ino)
{
	struct worktree_inode *inode;
	int r = bfs_inode_get(worktree, ino, &inode);

	if (r == -ENOENT || (r == 0 && !inode->is_local))
		return 0;
	if (r < 0)
		return r;
	bfs_inode_pin(inode);
	r = sync_local(worktree, inode, true);
	bfs_inode_unpin(worktree, inode);
	return r;
}

static int sync_filesystem(struct bfs_worktree *worktree)
{
	int r = 0;

	pthread_mutex_unlock(&worktree->lock);
	if (syncfs(worktree->data_fd) < 0)
		r = -errno;
	pthread_mutex_lock(&worktree->lock);
	return r;
}

int bfs_file_sync_fragile(struct bfs_worktree *worktree)
{
	struct worktree_inos taken = worktree->fragile;
	int r = 0;

	worktree->fragile = (struct worktree_inos){0};
	if (taken.count > WORKTREE_FRAGILE_FILES)
		r = sync_filesystem(worktree);
	else
		for (size_t i = 0; r == 0 && i < taken.count; i++)
			r = sync_one(worktree, taken.inos[i]);
	for (size_t i = 0; r < 0 && i < taken.count; i++) /* for the next time */
		bfs_file_note_fragile(worktree, taken.inos[i]);
	free(taken.inos);
	return r;
}

static int sync_inode(struct bfs_worktree *worktree, struct worktree_inode *inode, bool data_only)
{
	uint64_t changed = inode->changed;
	int r = inode->is_local ? sync_local(worktree, inode, data_only) : 0;

	if (r < 0 || changed <= worktree->synced)
		return r;
	if (changed == worktree->transaction)
		r = bfs_worktree_commit(worktree);
	return r < 0 ? r : bfs_log_sync(worktree);
}

int bfs_worktree_fsync(struct bfs_worktree *worktree, uint64_t ino, bool data_only)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	worktree->syncs++;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0) {
		bfs_inode_pin(inode);
		r = sync_inode(worktree, inode, data_only);
		bfs_inode_unpin(worktree, inode);
	}
	return bfs_worktree_leave(worktree, r);
}

int bfs_worktree_sync(struct bfs_worktree *worktree)
{
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	worktree->syncs++;
	r = bfs_worktree_commit(worktree);
	if (r == 0)
		r = sync_filesystem(worktree);
	if (r == 0) {
		worktree->fragile.count = 0;
		r = bfs_log_sync(worktree);
	}
	return bfs_worktree_leave(worktree, r);
}
