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

/*
 * Until a group is full, the first change in it has waited for its time, or there is something to
 * be removed; whether a commit is due.
 */
static bool wait_for_work(struct bfs_worktree *worktree, struct timespec *deadline)
{
	while (!worktree->stop && worktree->pending < WORKTREE_GROUP &&
		worktree->removable.count == 0) {
		if (worktree->pending == 0) {
			deadline->tv_sec = 0;
			pthread_cond_wait(&worktree->wake, &worktree->lock);
			continue;
		}
		if (deadline->tv_sec == 0) {
			clock_gettime(CLOCK_MONOTONIC, deadline);
			bfs_worktree_add_time(deadline, BFS_WORKTREE_INTERVAL);
		}
		if (pthread_cond_timedwait(&worktree->wake, &worktree->lock, deadline) == ETIMEDOUT)
			return true;
	}
	return worktree->pending >= WORKTREE_GROUP;
}

static void *run(void *context)
{
	struct bfs_worktree *worktree = context;
	struct timespec deadline = {0};

	pthread_mutex_lock(&worktree->lock);
	while (!worktree->stop) {
		if (wait_for_work(worktree, &deadline)) {
			bfs_worktree_commit(worktree);
			bfs_log_limit(worktree);
			deadline.tv_sec = 0;
		}
		bfs_file_remove_doomed(worktree);
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
