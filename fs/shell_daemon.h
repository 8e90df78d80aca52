/*
 * The daemon of `brewfs shell`: a child of it that has the session mounted, until it is told to end
 * or the shell's process dies.
 */
#ifndef BFS_FS_SHELL_DAEMON_H
#define BFS_FS_SHELL_DAEMON_H

#include "index/store.h"

#include <sys/types.h>

/* All is borrowed. */
struct bfs_shell_mount {
	struct bfs_store *store;
	const char *source; /* the store's path, resolved */
	const char *ref, *session, *mountpoint;
};

/*
 * Mounts the session, which is made if it is not there; returns when it can be used. The process
 * has no threads and nothing open that a fork must not share. Failures have been told: then
 * `ret_pid` is 0.
 */
int bfs_shell_daemon_start(
	const struct bfs_shell_mount *mount, pid_t *ret_pid, struct bfs_error *error);

/* Unmounts it with everything written out, and waits for that. */
void bfs_shell_daemon_stop(pid_t pid);

#endif
