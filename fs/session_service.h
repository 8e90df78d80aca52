/*
 * A session as what a daemon serves: writable, on local disk (index/session.h).
 *
 * It is made from the ref's current generation where there is none of the name yet, and open to
 * write for as long as it is mounted. A thread keeps a lease on the generation that it was made
 * from, since its unchanged contents are in the store.
 */
#ifndef BFS_FS_SESSION_SERVICE_H
#define BFS_FS_SESSION_SERVICE_H

#include "fs/service.h"

const struct bfs_service_kind *bfs_session_service_kind(void);

#endif
