/*
 * Where the system tells about itself: /proc, /sys, /etc, /run. $BREWFS_SYSTEM_ROOT names a
 * directory that stands in for the root of such paths, for tests; nothing else is looked for there.
 */
#ifndef BFS_LIB_SYSTEM_H
#define BFS_LIB_SYSTEM_H

/* The path to be opened for an absolute one. Allocated; NULL when out of memory. */
char *bfs_system_path(const char *path);

#endif
