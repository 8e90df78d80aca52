/*
 * Going into the background: the caller's process waits until the daemon's is ready or has failed.
 *
 *	bfs_background_begin()	closes what the caller left open above the standard streams, which
 *would otherwise stay open with the daemon: somebody may wait for the end of such a pipe
 *	bfs_background_start()	forks; in the parent it waits, and gives the status to exit with
 *	bfs_background_ready()	in the child: leaves the terminal, the standard streams and the
 *directory, and lets the parent go with status 0
 *
 * Until then the child writes to the caller's standard error, and its exit status becomes the
 *caller's. To be called before there are threads.
 */
#ifndef BFS_FS_BACKGROUND_H
#define BFS_FS_BACKGROUND_H

#include "lib/error.h"

#include <sys/types.h>

/* Before anything else is opened. */
void bfs_background_begin(void);

/*
 * In the child: 0, and `ret_ready_fd`. In the parent: 1, `ret_status`, and the child's `ret_pid`
 * (may be NULL), which is there still if the status is 0.
 */
int bfs_background_start(
	int *ret_ready_fd, pid_t *ret_pid, int *ret_status, struct bfs_error *error);

void bfs_background_ready(int ready_fd);

#endif
