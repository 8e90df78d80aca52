#include "index/worktree_private.h"

#include "index/store.h"
#include "lib/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define COPY_BLOCK (1 << 20) /* bytes at a time */

/* Where the file cannot be copied as such: a part of a pack, or what is brought in piece by piece.
 */
static int copy_by_reading(
	struct bfs_worktree *worktree, const struct bfs_content *content, uint64_t keep, int to)
{
	const size_t block_size = keep < COPY_BLOCK ? (size_t)keep : COPY_BLOCK;
	_cleanup_free_ char *block = malloc(block_size);
	uint64_t done = 0;

	if (!block)
		return -ENOMEM;
	while (done < keep) {
		size_t want = keep - done < block_size ? (size_t)(keep - done) : block_size;
		ssize_t n = bfs_content_read(worktree->reader, content, block, want, done);
		int r;

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		r = bfs_pwrite_all(to, block, (size_t)n, done);
		if (r < 0)
			return r;
		done += (uint64_t)n;
	}
	return 0;
}

/* Without the lock: the first `keep` bytes of a stored content to a data file. */
static int copy_content(
	struct bfs_worktree *worktree, const struct bfs_content *content, uint64_t keep, int to)
{
	uint64_t position;
	void *handle;
	int from, r;

	if (content->packed)
		return copy_by_reading(worktree, content, keep, to);
	r = bfs_content_open(worktree->reader, content, 0, (size_t)keep, &from, &position, &handle);
	if (r < 0)
		return r;
	if (position != 0)
		r = copy_by_reading(worktree, content, keep, to);
	else if (keep != content->size || ioctl(to, FICLONE, from) < 0)
		r = bfs_copy_range(from, to, keep);
	bfs_content_close(worktree->reader, handle);
	return r == -ENODATA ? -EIO : r;
}

/* Without the lock. */
static int copy_up(struct bfs_worktree *worktree, uint64_t ino, const struct bfs_content *content,
	uint64_t keep, int *ret_fd)
{
	char name[WORKTREE_DATA_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	int r = bfs_file_create(worktree, ino, &fd);

	if (r == 0 && keep)
		r = copy_content(worktree, content, keep, fd);
	if (r == 0)
		*ret_fd = bfs_steal_fd(&fd);
	else if (fd >= 0) /* a full disk needs the room */
		unlinkat(worktree->data_fd, bfs_file_local_name(ino, name), 0);
	return r;
}

/* The content is in the data file now; what stat(2) says is what it said before. */
static int become_local(struct bfs_worktree *worktree, struct worktree_inode *inode, int fd)
{
	struct timespec times[2] = {
		bfs_file_timespec(inode->atime), bfs_file_timespec(inode->mtime)};
	int r = bfs_file_adopt(worktree, inode, fd);

	if (r == 0)
		r = bfs_file_set_times(worktree, inode, times);
	if (r < 0) {
		bfs_file_detach(worktree, inode);
		return r;
	}
	inode->is_local = true;
	inode->is_entry_synced = false;
	if (inode->object) /* what the store has must not be lost before the copy is durable */
		bfs_file_note_fragile(worktree, inode->ino);
	inode->object = 0;
	inode->size = 0;
	bfs_inode_change(worktree, inode);
	return 0;
}

static void wait_for_copy(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	while (inode->is_copying || worktree->is_frozen)
		pthread_cond_wait(
			inode->is_copying ? &worktree->copied : &worktree->thawed, &worktree->lock);
}

static void wait_for_thaw(struct bfs_worktree *worktree)
{
	while (worktree->is_frozen)
		pthread_cond_wait(&worktree->thawed, &worktree->lock);
}

/* Pinned, and marked as being copied. */
static int copy_unlocked(struct bfs_worktree *worktree, struct worktree_inode *inode, uint64_t keep)
{
	struct bfs_content content;
	int fd = -1, r = bfs_inode_content(worktree, inode, &content);

	if (r < 0)
		return r;
	if (keep > content.size)
		keep = content.size;
	pthread_mutex_unlock(&worktree->lock);
	r = copy_up(worktree, inode->ino, &content, keep, &fd);
	pthread_mutex_lock(&worktree->lock);
	wait_for_thaw(worktree);
	return r < 0 ? r : become_local(worktree, inode, fd);
}

int bfs_worktree_make_local(
	struct bfs_worktree *worktree, struct worktree_inode *inode, uint64_t keep)
{
	int r = 0;

	bfs_inode_pin(inode);
	wait_for_copy(worktree, inode);
	if (!inode->is_local) {
		inode->is_copying = true;
		do
			r = copy_unlocked(worktree, inode, keep);
		while ((r == -EMFILE || r == -ENFILE) && bfs_file_evict(worktree));
		inode->is_copying = false;
		pthread_cond_broadcast(&worktree->copied);
	}
	if (r == 0 && worktree->broken)
		r = worktree->broken;
	inode->pins--; /* the caller still uses it */
	return r;
}

static int check_regular(const struct worktree_inode *inode)
{
	if (S_ISREG(inode->mode))
		return 0;
	return S_ISDIR(inode->mode) ? -EISDIR : -EINVAL;
}

static int open_stored(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct bfs_worktree_data *ret_data)
{
	struct bfs_worktree_data data = {.fd = -1};
	int r = bfs_inode_content(worktree, inode, &data.content);

	if (r == 0)
		*ret_data = data;
	return r;
}

static int open_local(struct bfs_worktree *worktree, struct worktree_inode *inode, bool write,
	struct bfs_worktree_data *ret_data)
{
	struct worktree_file *file;
	int r = bfs_file_get(worktree, inode, &file);

	if (r < 0)
		return r;
	inode->data_known = false;
	if (write) {
		file->writers++;
		worktree->writers++;
	}
	/* The bit tells data_close() what it is that is given back. */
	*ret_data = (struct bfs_worktree_data){
		.fd = file->fd, .handle = (void *)((uintptr_t)file | (write ? 1 : 0))};
	return 0;
}

static int open_to_write(
	struct bfs_worktree *worktree, uint64_t ino, struct bfs_worktree_data *ret_data)
{
	struct worktree_inode *inode;
	int r = bfs_worktree_enter_change(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = check_regular(inode);
	if (r == 0 && !inode->is_local) {
		r = bfs_worktree_make_local(worktree, inode, UINT64_MAX);
		if (r == 0)
			r = open_local(worktree, inode, true, ret_data);
		return bfs_worktree_leave_change(worktree, r);
	}
	if (r == 0)
		r = open_local(worktree, inode, true, ret_data);
	return bfs_worktree_leave(worktree, r);
}

int bfs_worktree_data_open(
	struct bfs_worktree *worktree, uint64_t ino, bool write, struct bfs_worktree_data *ret_data)
{
	struct worktree_inode *inode;
	int r;

	if (write)
		return open_to_write(worktree, ino, ret_data);
	r = bfs_worktree_enter(worktree);
	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = check_regular(inode);
	if (r == 0)
		r = inode->is_local ? open_local(worktree, inode, false, ret_data)
				    : open_stored(worktree, inode, ret_data);
	return bfs_worktree_leave(worktree, r);
}

void bfs_worktree_data_close(
	struct bfs_worktree *worktree, struct bfs_worktree_data *data, bool wrote)
{
	uintptr_t handle = (uintptr_t)data->handle;
	struct worktree_file *file = (struct worktree_file *)(handle & ~(uintptr_t)1);

	(void)wrote; /* what fstat(2) says of the file is looked up again in any case */
	if (!file)
		return;
	pthread_mutex_lock(&worktree->lock);
	if (handle & 1) {
		file->writers--;
		if (--worktree->writers == 0)
			pthread_cond_broadcast(&worktree->idle);
	}
	bfs_file_put(worktree, file);
	pthread_mutex_unlock(&worktree->lock);
	*data = (struct bfs_worktree_data){.fd = -1};
}
