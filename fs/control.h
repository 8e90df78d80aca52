/*
 * The way to a running daemon: a Unix socket that answers a connection with one JSON document and
 * closes it. A client that sends nothing, and says so by closing its side, is told what the daemon
 * has to say of itself, so that it can be asked without touching the mount; one that sends a line
 * of JSON makes a request of the service (fs/service.h).
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

/* Who has connected, and what for. */
struct bfs_control_peer {
	int fd;
	uid_t uid;
	json_t *request; /* NULL: to hear of the daemon */
};

/* Takes one connection. Never waits longer than a second for the peer. -EBADMSG for a request that
 * is none: it has been told. */
int bfs_control_accept(int listen_fd, struct bfs_control_peer *ret_peer);

/* Answers, closes the connection and releases what the peer holds. NULL: out of memory. Takes
 * `document` over. Never waits longer than a second for the peer. */
void bfs_control_answer(struct bfs_control_peer *peer, json_t *document);

/* The same with {"error": TEXT}. */
void bfs_control_refuse(struct bfs_control_peer *peer, const char *text);

/*
 * Asks the daemon of a mount. -ECONNREFUSED or -ENOENT where none runs, -ETIMEDOUT where it does
 * not answer within three seconds, -EBADMSG for an answer that is none, -EPERM where the socket is
 * not the owner's. `ret_document`, which may be NULL, is the caller's.
 */
int bfs_control_ask(const struct bfs_mount *mount, pid_t *ret_pid, json_t **ret_document);

/*
 * Makes a request of the daemon of a mount, and waits for its answer as long as the daemon lives.
 * Errors as above, and -ECONNRESET where it died.
 */
int bfs_control_request(const struct bfs_mount *mount, const json_t *request, json_t **ret_answer);

#endif
