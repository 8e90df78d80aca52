/*
 * The lock between those who write into a store and who removes from it, on the file locks/.gc:
 * writers share it, from before they look what is there already until what they wrote is used; a
 * collection has it alone.
 */
#ifndef BFS_INDEX_GC_LOCK_H
#define BFS_INDEX_GC_LOCK_H

#include "index/store.h"

/* Waits for a collection, saying so. Closing the descriptor gives the lock back. */
int bfs_gc_lock_share(struct bfs_store *store, int *ret_fd);

/* Waits for all writers, saying so; `ret_now` is the time as the store's server has it, in seconds
 * since the epoch. */
int bfs_gc_lock_take(struct bfs_store *store, int *ret_fd, int64_t *ret_now);

#endif
