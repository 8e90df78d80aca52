/*
 * The published generations of a ref as what a daemon serves, read-only and following the ref.
 */
#ifndef BFS_FS_PUBLISHED_H
#define BFS_FS_PUBLISHED_H

#include "fs/service.h"

/* A ref that was never published gives an empty prefix, until it is. */
const struct bfs_service_kind *bfs_published_kind(void);

#endif
