#include "index/worktree_private.h"

#include "lib/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <time.h>

/* A reader of an older state keeps the log from being written back; queries take some ms. */
#define COPY_TRIES 100
#define COPY_PAUSE 10000000 /* ns */

static int open_beside(struct bfs_worktree *worktree, const char *name)
{
	int fd = openat(worktree->directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* Room for the log, so that a commit does not fail where the disk is full: false where there is
 * none. */
static bool reserve(struct bfs_worktree *worktree)
{
	static const struct {
		bool log;
		off_t size;
	} areas[] = {{true, WORKTREE_LOG_RESERVE}, {false, WORKTREE_SHM_RESERVE}};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(areas); i++)
		if (fallocate(areas[i].log ? worktree->log_fd : worktree->shm_fd,
			    FALLOC_FL_KEEP_SIZE, 0, areas[i].size) < 0 &&
			(errno == ENOSPC || errno == EDQUOT))
			return false;
	return true;
}

int bfs_log_open(struct bfs_worktree *worktree)
{
	struct {
		int *fd;
		const char *name;
	} files[] = {
		{&worktree->index_fd, "index.sqlite"},
		{&worktree->log_fd, "index.sqlite-wal"},
		{&worktree->shm_fd, "index.sqlite-shm"},
	};

	/* Closing them would take SQLite's locks away (fcntl(2)), so they are closed last of all.
	 */
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(files); i++) {
		*files[i].fd = open_beside(worktree, files[i].name);
		if (*files[i].fd < 0)
			return *files[i].fd;
	}
	if (fsync(worktree->directory_fd) < 0)
		return -errno;
	worktree->has_reserve = reserve(worktree);
	worktree->is_full = !worktree->has_reserve;
	return 0;
}

int bfs_log_sync(struct bfs_worktree *worktree)
{
	uint64_t committed = worktree->transaction - 1;
	int r = bfs_file_sync_fragile(worktree);

	if (r < 0)
		return r;
	pthread_mutex_unlock(&worktree->lock);
	if (fdatasync(worktree->log_fd) < 0)
		r = -errno;
	pthread_mutex_lock(&worktree->lock);
	if (r == 0 && worktree->synced < committed)
		worktree->synced = committed;
	return r;
}

static off_t log_size(const struct bfs_worktree *worktree)
{
	struct stat st;

	return fstat(worktree->log_fd, &st) < 0 ? 0 : st.st_size;
}

/* 0 where all of the log is in the file now. */
static int checkpoint(struct bfs_worktree *worktree)
{
	int frames, done;
	int r = bfs_db_errno(sqlite3_wal_checkpoint_v2(
		worktree->checkpointer, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done));

	return r == 0 && done < frames ? -EAGAIN : r;
}

static void checkpoint_unlocked(struct bfs_worktree *worktree)
{
	worktree->is_writing_back = true;
	pthread_mutex_unlock(&worktree->lock);
	checkpoint(worktree);
	pthread_mutex_lock(&worktree->lock);
	worktree->is_writing_back = false;
	pthread_cond_broadcast(&worktree->idle);
}

/* Between two transactions; 0 where all of the log is in the file, until something is changed
 * again. */
static int checkpoint_locked(struct bfs_worktree *worktree)
{
	int r = bfs_worktree_commit(worktree), done;

	if (r == 0)
		r = bfs_file_sync_fragile(worktree);
	if (r == 0)
		r = bfs_worktree_run(worktree, WORKTREE_COMMIT, 0);
	if (r < 0)
		return bfs_worktree_fail(worktree, r);
	done = checkpoint(worktree);
	r = bfs_worktree_run(worktree, WORKTREE_BEGIN, 0);
	return r < 0 ? bfs_worktree_fail(worktree, r) : done;
}

/*
 * Writes the log back into the file: nearly all of it while others go on, then, between two
 * transactions, what came meanwhile. SQLite begins the log anew once it has found all of it
 * written.
 */
static int write_back(struct bfs_worktree *worktree)
{
	int r = bfs_file_sync_fragile(worktree);

	if (r < 0)
		return r;
	checkpoint_unlocked(worktree);
	return checkpoint_locked(worktree);
}

static void pause_unlocked(struct bfs_worktree *worktree)
{
	const struct timespec pause = {.tv_nsec = COPY_PAUSE};

	pthread_mutex_unlock(&worktree->lock);
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&worktree->lock);
}

int bfs_log_copy_index(struct bfs_worktree *worktree, int to_fd)
{
	struct stat st;
	int r = -EAGAIN;

	for (unsigned i = 0; r == -EAGAIN && i < COPY_TRIES; i++) {
		while (worktree->is_writing_back)
			pthread_cond_wait(&worktree->idle, &worktree->lock);
		r = checkpoint_locked(worktree);
		if (r == -EAGAIN)
			pause_unlocked(worktree);
	}
	if (r < 0)
		return r == -EAGAIN ? -EBUSY : r;
	if (fstat(worktree->index_fd, &st) < 0)
		return -errno;
	if (ioctl(to_fd, FICLONE, worktree->index_fd) == 0)
		return 0;
	return bfs_copy_range(worktree->index_fd, to_fd, (uint64_t)st.st_size);
}

void bfs_log_limit(struct bfs_worktree *worktree)
{
	int r = 0;

	if (worktree->broken)
		return;
	if (!worktree->has_reserve)
		worktree->has_reserve = reserve(worktree);
	if (log_size(worktree) > WORKTREE_LOG_LIMIT)
		r = write_back(worktree);
	worktree->is_full = !worktree->has_reserve ||
			    (r == -ENOSPC && log_size(worktree) > WORKTREE_LOG_RESERVE / 2);
}
