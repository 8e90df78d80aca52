/*
 * A mount at work: what it serves (fs/service.h), its threads, its control socket.
 *
 *	bfs_daemon_new()	opens what is to be served; nothing is visible yet
 *	bfs_daemon_mount()	mounts it and returns when it can be used
 *	bfs_daemon_serve()	until it is unmounted, or SIGTERM, SIGINT or SIGHUP comes
 *	bfs_daemon_free()	unmounts it if it still is, ends the threads
 *
 * To be called in this order by the main thread of a process that does nothing else and has no
 *other threads. The signals are blocked from the first call on.
 */
#ifndef BFS_FS_DAEMON_H
#define BFS_FS_DAEMON_H

#include "fs/service.h"

struct bfs_daemon;

/* All are borrowed and must outlive it. `source`: how mountinfo is to show the store. */
struct bfs_daemon_config {
	struct bfs_store *store;
	const char *source;
	const char *mountpoint;
	const char *ref;
	const struct bfs_mount_options *options;
	const struct bfs_service_kind *kind;
};

int bfs_daemon_new(const struct bfs_daemon_config *config, struct bfs_daemon **ret_daemon,
	struct bfs_error *error);

/* -EINTR where a signal came before the mount was ready. */
int bfs_daemon_mount(struct bfs_daemon *daemon, struct bfs_error *error);

void bfs_daemon_serve(struct bfs_daemon *daemon);

/*
 * Returns false where a thread is stuck in the store; what it uses then stays as it is, and the
 * process is to end. NULL is allowed.
 */
bool bfs_daemon_free(struct bfs_daemon *daemon);

#endif
