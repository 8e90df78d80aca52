/*
 * Requests that would change the session while a commit has it frozen: they are put aside, so that
 * the responders stay free for those that only look.
 *
 * To be asked about every request before it is processed (bfs_request_filter).
 */
#ifndef BFS_FS_SESSION_PARKING_H
#define BFS_FS_SESSION_PARKING_H

#include "fs/responders.h"

struct bfs_parking;

/* `responders` is borrowed. */
int bfs_parking_new(struct bfs_responders *responders, struct bfs_parking **ret_parking);

/* Those who wait for an answer will not get one: only when the mount has gone. NULL is allowed. */
void bfs_parking_free(struct bfs_parking *parking);

/* From now on changes are put aside. */
void bfs_parking_begin(struct bfs_parking *parking);

/* No more; processes those that were, by the calling thread, which is no responder. */
void bfs_parking_end(struct bfs_parking *parking);

/* True where the request was put aside; its memory then is the parking's. Any responder. */
bool bfs_parking_take(struct bfs_parking *parking, const struct fuse_buf *request);

#endif
