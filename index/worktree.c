#include "index/worktree_private.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Data files kept open: a quarter of what the process may open, and never more than is of use. */
#define OPEN_FILES_MIN 16
#define OPEN_FILES_MAX 1024

#define TICK_MAX 20000000 /* ns; the clock ticks every 1 to 10 ms */

int64_t bfs_worktree_now(const struct bfs_worktree *worktree)
{
	struct timespec time;
	int64_t now;

	clock_gettime(CLOCK_REALTIME_COARSE, &time);
	now = bfs_file_time(&time);
	/* Where the clock was set back it is the clock that counts. */
	return worktree->latest > now && worktree->latest - now < TICK_MAX ? worktree->latest : now;
}

int bfs_worktree_leave(struct bfs_worktree *worktree, int r)
{
	bfs_inode_evict(worktree);
	pthread_mutex_unlock(&worktree->lock);
	return r;
}

int bfs_worktree_enter(struct bfs_worktree *worktree)
{
	pthread_mutex_lock(&worktree->lock);
	return worktree->broken ? bfs_worktree_leave(worktree, worktree->broken) : 0;
}

int bfs_worktree_enter_change(struct bfs_worktree *worktree)
{
	pthread_mutex_lock(&worktree->lock);
	while (worktree->is_frozen)
		pthread_cond_wait(&worktree->thawed, &worktree->lock);
	return worktree->broken ? bfs_worktree_leave(worktree, worktree->broken) : 0;
}

int bfs_worktree_enter_growth(struct bfs_worktree *worktree)
{
	int r = bfs_worktree_enter_change(worktree);

	return r == 0 && worktree->is_full ? bfs_worktree_leave(worktree, -ENOSPC) : r;
}

int bfs_worktree_leave_change(struct bfs_worktree *worktree, int r)
{
	if (r == 0) {
		worktree->changes++;
		worktree->pending++;
		if (worktree->pending == 1 || worktree->pending == WORKTREE_GROUP)
			pthread_cond_signal(&worktree->wake);
		/* What cannot be committed now is tried again later; only its being lost is an
		 * error. */
		if (worktree->pending >= WORKTREE_GROUP_LIMIT)
			bfs_worktree_commit(worktree);
	}
	return bfs_worktree_leave(worktree, r);
}

static int save_next_ino(struct bfs_worktree *worktree)
{
	struct bfs_tree *tree = worktree->tree;
	int r;

	if (tree->next_ino == tree->saved_next_ino)
		return 0;
	r = bfs_worktree_run(worktree, WORKTREE_SAVE_NEXT_INO, tree->next_ino);
	if (r == 0)
		tree->saved_next_ino = tree->next_ino;
	return r;
}

/* What the transaction let go of may be removed now that it is committed. */
static void release_doomed(struct bfs_worktree *worktree)
{
	struct worktree_inos *doomed = &worktree->doomed, *removable = &worktree->removable;

	if (removable->count == 0) {
		struct worktree_inos empty = *removable;

		*removable = *doomed;
		*doomed = empty;
		return;
	}
	for (size_t i = 0; i < doomed->count; i++) /* what does not fit the next opening sweeps */
		bfs_inos_add(removable, doomed->inos[i]);
	doomed->count = 0;
}

int bfs_worktree_fail(struct bfs_worktree *worktree, int r)
{
	if (sqlite3_get_autocommit(worktree->tree->db) && !worktree->broken) {
		bfs_log_error("the session in %s lost its last changes: %s", worktree->directory,
			sqlite3_errmsg(worktree->tree->db));
		worktree->broken = -EIO;
	}
	return r;
}

int bfs_worktree_commit(struct bfs_worktree *worktree)
{
	int r;

	if (worktree->broken)
		return worktree->broken;
	if (worktree->pending == 0 && TAILQ_EMPTY(&worktree->dirty) && worktree->doomed.count == 0)
		return 0;
	r = bfs_inode_flush(worktree);
	if (r == 0)
		r = save_next_ino(worktree);
	if (r == 0)
		r = bfs_worktree_run(worktree, WORKTREE_COMMIT, 0);
	if (r < 0)
		return bfs_worktree_fail(worktree, r);
	worktree->transaction++;
	worktree->transactions++;
	worktree->pending = 0;
	release_doomed(worktree);
	if (worktree->removable.count)
		pthread_cond_signal(&worktree->wake);
	r = bfs_worktree_run(worktree, WORKTREE_BEGIN, 0);
	return r < 0 ? bfs_worktree_fail(worktree, r) : 0;
}

/* --- opening and closing --- */

static unsigned open_limit(void)
{
	struct rlimit limit;
	rlim_t quarter;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return OPEN_FILES_MIN;
	quarter = limit.rlim_cur / 4;
	if (quarter < OPEN_FILES_MIN)
		return OPEN_FILES_MIN;
	return quarter > OPEN_FILES_MAX ? OPEN_FILES_MAX : (unsigned)quarter;
}

static int initialise(struct bfs_worktree *worktree, struct bfs_store *store, const char *directory)
{
	pthread_condattr_t monotonic;

	worktree->store = store;
	worktree->directory_fd = worktree->data_fd = -1;
	worktree->index_fd = worktree->log_fd = worktree->shm_fd = -1;
	worktree->uid = geteuid();
	worktree->gid = getegid();
	worktree->transaction = 1;
	worktree->names = -1;
	worktree->open_limit = open_limit();
	TAILQ_INIT(&worktree->used);
	TAILQ_INIT(&worktree->dirty);
	TAILQ_INIT(&worktree->idle_files);
	pthread_mutex_init(&worktree->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&worktree->wake, &monotonic);
	pthread_cond_init(&worktree->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_cond_init(&worktree->thawed, NULL);
	pthread_cond_init(&worktree->copied, NULL);
	worktree->directory = strdup(directory);
	worktree->buckets = calloc(WORKTREE_BUCKETS, sizeof(struct worktree_inode *));
	return worktree->directory && worktree->buckets ? 0 : -ENOMEM;
}

static int open_directories(struct bfs_worktree *worktree, struct bfs_error *error)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	worktree->directory_fd = open(worktree->directory, flags);
	if (worktree->directory_fd >= 0)
		worktree->data_fd = openat(worktree->directory_fd, "data", flags | O_NOFOLLOW);
	if (worktree->data_fd < 0)
		return bfs_error_set(
			error, -errno, "opening the session", worktree->directory, NULL);
	return 0;
}

static int open_databases(struct bfs_worktree *worktree, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/index.sqlite", worktree->directory);
	int r = path ? bfs_tree_open(path, BFS_TREE_SESSION, &worktree->tree, error) : -ENOMEM;

	if (r == 0)
		r = bfs_db_open(path, BFS_DB_WRITE, &worktree->checkpointer, error);
	if (r == 0) {
		r = bfs_db_exec(worktree->checkpointer,
			"PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0");
		if (r == 0)
			r = bfs_worktree_run(worktree, WORKTREE_BEGIN, 0);
		if (r < 0)
			bfs_error_set(error, r, "opening the session", path, "%s",
				sqlite3_errmsg(worktree->tree->db));
	}
	return r;
}

int bfs_worktree_open(struct bfs_store *store, const char *directory,
	struct bfs_worktree **ret_worktree, struct bfs_error *error)
{
	struct bfs_worktree *worktree = calloc(1, sizeof(*worktree));
	int r = worktree ? initialise(worktree, store, directory) : -ENOMEM;

	if (r == 0)
		r = open_directories(worktree, error);
	if (r == 0)
		r = bfs_content_reader_new(store, &worktree->reader);
	if (r == 0)
		r = open_databases(worktree, error);
	if (r == 0)
		r = bfs_worktree_recover(worktree, error);
	if (r == 0)
		r = bfs_log_open(worktree);
	if (r == 0)
		r = bfs_worktree_start(worktree);
	if (r < 0) {
		bfs_worktree_close(worktree);
		return bfs_error_set(error, r, "opening the session", directory, NULL);
	}
	*ret_worktree = worktree;
	return 0;
}

/* Orphans go, the rest is committed. */
static void finish(struct bfs_worktree *worktree)
{
	struct worktree_inode *inode, *following;

	pthread_mutex_lock(&worktree->lock);
	for (inode = TAILQ_FIRST(&worktree->used); inode; inode = following) {
		following = TAILQ_NEXT(inode, used);
		inode->is_released = true;
		bfs_inode_settle(worktree, inode);
	}
	if (bfs_worktree_commit(worktree) == 0)
		bfs_file_sync_fragile(worktree);
	bfs_file_remove_doomed(worktree);
	pthread_mutex_unlock(&worktree->lock);
}

static void close_databases(struct bfs_worktree *worktree)
{
	bfs_tree_close(worktree->snapshot);
	for (size_t i = 0; i < WORKTREE_STATEMENTS; i++)
		sqlite3_finalize(worktree->statements[i]);
	bfs_db_close(worktree->checkpointer);
	bfs_tree_close(worktree->tree);
}

void bfs_worktree_close(struct bfs_worktree *worktree)
{
	if (!worktree)
		return;
	if (bfs_worktree_stop(worktree))
		finish(worktree);
	if (worktree->buckets)
		bfs_inode_free_all(worktree);
	close_databases(worktree);
	bfs_content_reader_free(worktree->reader);
	free(worktree->buckets);
	free(worktree->fragile.inos);
	free(worktree->doomed.inos);
	free(worktree->removable.inos);
	bfs_cleanup_close(&worktree->index_fd);
	bfs_cleanup_close(&worktree->log_fd);
	bfs_cleanup_close(&worktree->shm_fd);
	bfs_cleanup_close(&worktree->data_fd);
	bfs_cleanup_close(&worktree->directory_fd);
	pthread_cond_destroy(&worktree->wake);
	pthread_cond_destroy(&worktree->idle);
	pthread_cond_destroy(&worktree->thawed);
	pthread_cond_destroy(&worktree->copied);
	pthread_mutex_destroy(&worktree->lock);
	free(worktree->directory);
	free(worktree);
}

void bfs_worktree_set_owner(struct bfs_worktree *worktree, uid_t uid, gid_t gid)
{
	pthread_mutex_lock(&worktree->lock);
	worktree->uid = uid;
	worktree->gid = gid;
	pthread_mutex_unlock(&worktree->lock);
}

struct bfs_content_reader *bfs_worktree_reader(struct bfs_worktree *worktree)
{
	return worktree->reader;
}

/* --- freezing --- */

static int wait_for_writers(struct bfs_worktree *worktree)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	bfs_worktree_add_time(&deadline, WORKTREE_PATIENCE);
	while (worktree->writers)
		if (pthread_cond_timedwait(&worktree->idle, &worktree->lock, &deadline) ==
			ETIMEDOUT)
			return -ETIMEDOUT;
	return 0;
}

static int open_snapshot(struct bfs_worktree *worktree)
{
	_cleanup_free_ char *path = NULL;

	if (worktree->snapshot)
		return 0;
	path = bfs_format("%s/index.sqlite", worktree->directory);
	return path ? bfs_tree_open(path, BFS_TREE_SESSION_READ, &worktree->snapshot, NULL)
		    : -ENOMEM;
}

int bfs_worktree_freeze(struct bfs_worktree *worktree)
{
	int r = bfs_worktree_enter_change(worktree);

	if (r < 0)
		return r;
	worktree->is_frozen = true;
	if (wait_for_writers(worktree) < 0)
		bfs_log_warning(
			"somebody goes on writing into the session in %s", worktree->directory);
	r = bfs_worktree_commit(worktree);
	if (r == 0)
		r = open_snapshot(worktree);
	if (r < 0) {
		worktree->is_frozen = false;
		pthread_cond_broadcast(&worktree->thawed);
		return bfs_worktree_leave(worktree, r);
	}
	worktree->snapshot->next_ino = worktree->tree->next_ino;
	return bfs_worktree_leave(worktree, 0);
}

void bfs_worktree_thaw(struct bfs_worktree *worktree)
{
	pthread_mutex_lock(&worktree->lock);
	worktree->is_frozen = false;
	bfs_worktree_commit(worktree);
	pthread_cond_broadcast(&worktree->thawed);
	pthread_mutex_unlock(&worktree->lock);
}

int bfs_worktree_begin_epoch(struct bfs_worktree *worktree)
{
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_worktree_run(worktree, WORKTREE_SAVE_EPOCH, worktree->epoch + 1);
	if (r == 0)
		worktree->epoch++;
	return bfs_worktree_leave_change(worktree, r);
}

struct bfs_tree *bfs_worktree_tree(struct bfs_worktree *worktree)
{
	return worktree->snapshot;
}
