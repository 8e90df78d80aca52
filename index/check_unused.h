/*
 * What lies in a store without being used: not wrong, since an install may be at work, but worth to
 * be told.
 */
#ifndef BFS_INDEX_CHECK_UNUSED_H
#define BFS_INDEX_CHECK_UNUSED_H

#include "index/check_store.h"
#include "index/references.h"

/* Counts unused objects, packs and indexes, and staging directories; a file that is none of the
 * store's is a note. */
int bfs_check_unused(struct bfs_check_store *store_check, struct bfs_references *references);

#endif
