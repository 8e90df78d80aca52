#include "index/worktree_private.h"

#include <time.h>

void bfs_worktree_add_time(struct timespec *time, long milliseconds)
{
	time->tv_sec += milliseconds / 1000;
	time->tv_nsec += milliseconds % 1000 * 1000000;
	if (time->tv_nsec >= 1000000000) {
		time->tv_nsec -= 1000000000;
		time->tv_sec++;
	}
}

static bool is_past(const struct timespec *time)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > time->tv_sec ||
	       (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

/* Whether a group is full, or its first change has waited for its time. Seconds of 0: it has none.
 */
static bool is_due(const struct bfs_worktree *worktree, struct timespec *deadline)
{
	if (worktree->pending >= WORKTREE_GROUP)
		return true;
	if (worktree->pending == 0) {
		deadline->tv_sec = 0;
		return false;
	}
	if (deadline->tv_sec == 0) {
		clock_gettime(CLOCK_MONOTONIC, deadline);
		bfs_worktree_add_time(deadline, BFS_WORKTREE_INTERVAL);
	}
	return is_past(deadline);
}

static void commit_group(struct bfs_worktree *worktree, struct timespec *deadline)
{
	int r = bfs_worktree_commit(worktree);

	bfs_log_limit(worktree);
	clock_gettime(CLOCK_MONOTONIC, deadline);
	bfs_worktree_add_time(deadline, BFS_WORKTREE_INTERVAL);
	if (r < 0 && !worktree->stop) /* not again at once */
		pthread_cond_timedwait(&worktree->wake, &worktree->lock, deadline);
}

/* A disk may take its time to remove what was unlinked; commits go on between. */
static void *run(void *context)
{
	struct bfs_worktree *worktree = context;
	struct timespec deadline = {0};

	pthread_mutex_lock(&worktree->lock);
	while (!worktree->stop) {
		if (is_due(worktree, &deadline)) {
			commit_group(worktree, &deadline);
		} else if (worktree->removable.count) {
			bfs_file_remove_some(worktree);
		} else if (worktree->pending) {
			pthread_cond_timedwait(&worktree->wake, &worktree->lock, &deadline);
		} else {
			pthread_cond_wait(&worktree->wake, &worktree->lock);
		}
	}
	pthread_mutex_unlock(&worktree->lock);
	return NULL;
}

bool bfs_worktree_reclaim(struct bfs_worktree *worktree)
{
	bool any;

	pthread_mutex_lock(&worktree->lock);
	bfs_worktree_commit(worktree);
	any = worktree->removable.count > 0 || worktree->removing > 0;
	bfs_file_remove_doomed(worktree);
	while (worktree->removing) /* by another thread */
		pthread_cond_wait(&worktree->idle, &worktree->lock);
	pthread_mutex_unlock(&worktree->lock);
	return any;
}

int bfs_worktree_start(struct bfs_worktree *worktree)
{
	int r = -pthread_create(&worktree->thread, NULL, run, worktree);

	worktree->has_thread = r == 0;
	return r;
}

bool bfs_worktree_stop(struct bfs_worktree *worktree)
{
	if (!worktree->has_thread)
		return false;
	pthread_mutex_lock(&worktree->lock);
	worktree->stop = true;
	pthread_cond_signal(&worktree->wake);
	pthread_mutex_unlock(&worktree->lock);
	pthread_join(worktree->thread, NULL);
	return true;
}
