/*
 * The way to a running daemon: a Unix socket that answers a connection with one JSON document, what
 * the daemon has to say of itself, and closes it. So it can be asked without touching the mount.
 *
 * The socket is named after the mount's device number, which no other mount of the kernel has, in a
 * directory that only the mount's owner can write: /run/brewfs for root, $XDG_RUNTIME_DIR/brewfs,
 * else /tmp/brewfs-UID.
 */
#ifndef BFS_FS_CONTROL_H
#define BFS_FS_CONTROL_H

#include "fs/mountinfo.h"
#include "lib/buffer.h"

#include <jansson.h>

/*
 * Listens for a mount of the calling user. `ret_path` is to be unlinked at the end; owned by the
 * caller. `open_to_all`: whether other users may ask.
 */
int bfs_control_listen(const struct bfs_mount *mount, bool open_to_all, int *ret_fd,
	char **ret_path, struct bfs_error *error);

/* Takes one connection and answers it. Never waits longer than a second for the peer. */
void bfs_control_answer(int listen_fd, const char *text, size_t length);

/*
 * Asks the daemon of a mount. -ECONNREFUSED or -ENOENT where none runs, -ETIMEDOUT where it does
 * not answer within three seconds, -EBADMSG for an answer that is none, -EPERM where the socket is
 * not the owner's. `ret_document`, which may be NULL, is the caller's.
 */
int bfs_control_ask(const struct bfs_mount *mount, pid_t *ret_pid, json_t **ret_document);

#endif
