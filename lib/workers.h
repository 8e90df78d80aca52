/*
 * A pool of threads for work that waits (network filesystems, fsync): jobs run in any order, many at
 * once. Threads are started as they are needed and end with the pool.
 *
 * A job returns 0 or a negative errno; the first failure is kept for bfs_workers_wait(). Submitting and
 * waiting belong to one thread.
 */
#ifndef BFS_LIB_WORKERS_H
#define BFS_LIB_WORKERS_H

#include "lib/cleanup.h"

struct bfs_workers;

/* At most `limit` threads, 1 to 64. */
int bfs_workers_new(unsigned limit, struct bfs_workers **ret_workers);

/* Waits for what is running, drops nothing, ends the threads. */
void bfs_workers_free(struct bfs_workers *workers);
BFS_DEFINE_CLEANUP(struct bfs_workers *, bfs_cleanup_workers, bfs_workers_free)
#define _cleanup_workers_ BFS_CLEANUP(bfs_cleanup_workers)

/* Queues a job. -ENOMEM or -EAGAIN where not even one thread could be started: it then was not queued. */
int bfs_workers_submit(struct bfs_workers *workers, int (*run)(void *context), void *context);

/* Waits until every job is done: 0, or the first failure since the last call. */
int bfs_workers_wait(struct bfs_workers *workers);

#endif
