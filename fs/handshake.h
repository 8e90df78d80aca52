/*
 * The first exchange with the kernel: its INIT request, answered by libfuse, and flags that libfuse
 * does not know or does not pass on added to the answer.
 */
#ifndef BFS_FS_HANDSHAKE_H
#define BFS_FS_HANDSHAKE_H

#include "fs/features.h"

#include <stdint.h>

/*
 * Takes the request, which is there as soon as the mount is, and answers it. `flags`: FUSE_... of
 * linux/fuse.h that are wanted besides; the kernel offers them or not. Before any thread reads from
 * the session. -EPROTO where something else comes.
 */
int bfs_handshake(struct fuse_session *session, uint32_t flags);

#endif
