/*
 * The quota of the local cache: what was not used for the longest time goes first. For
 * index/cache.c.
 */
#ifndef BFS_INDEX_CACHE_ROOM_H
#define BFS_INDEX_CACHE_ROOM_H

#include "index/content.h"

/* Room for any name relative to the cache directory. */
#define BFS_CACHE_NAME_SIZE 96

/*
 * Counts the files in packs/, objects/ and indexes/ of the cache directory, and if they take more
 * than `quota` bytes removes the ones longest unused until they take nine tenths of it; indexes
 * only if they were not used for a day. Removes old files from incoming/ as well. Files in use
 * elsewhere stay readable there. -EAGAIN where another process is at it.
 */
int bfs_cache_room_make(int cache_fd, uint64_t quota, uint64_t *ret_taken, uint64_t *ret_evicted);

#endif
