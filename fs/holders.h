/*
 * Who uses a mount: processes that have files of it open or mapped, or their working directory in
 * it, as far as /proc shows them to this user. What is mounted is not touched.
 */
#ifndef BFS_FS_HOLDERS_H
#define BFS_FS_HOLDERS_H

#include "fs/mountinfo.h"

/* "bash (pid 12), less (pid 14)", at most a few; "" where none is seen. Allocated; NULL when out of
 * memory. */
char *bfs_holders_describe(const struct bfs_mount *mount);

#endif
