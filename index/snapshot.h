/*
 * A published index on local disk: fetched from the store once, its digest checked, kept in the
 * local cache ($BREWFS_CACHE, else /var/cache/brewfs for root, else $XDG_CACHE_HOME/brewfs), opened
 * immutable.
 */
#ifndef BFS_INDEX_SNAPSHOT_H
#define BFS_INDEX_SNAPSHOT_H

#include "index/ref.h"
#include "index/tree.h"

/* The cache directory, made if need be. Allocated. */
int bfs_cache_directory(char **ret_path, struct bfs_error *error);

/*
 * work.HOST.PID.sqlite in the cache directory, with `suffix` after it: for what this process alone
 * writes. What a process that died left there the next publication on this host removes. Allocated;
 * NULL when out of memory.
 */
char *bfs_cache_work_path(const char *cache, const char *suffix);

/*
 * Path of a local copy of the generation's index, ready for bfs_tree_open(BFS_TREE_READ) by any
 * number of threads. Allocated. -EBADMSG where what the store has does not have the digest.
 */
int bfs_snapshot_fetch(struct bfs_store *store, const struct bfs_generation *generation,
	char **ret_path, struct bfs_error *error);

/* Reads the ref, fetches its index and opens it. -ENOENT where the ref was never published. */
int bfs_snapshot_open(struct bfs_store *store, const char *ref,
	struct bfs_generation *ret_generation, struct bfs_tree **ret_tree, struct bfs_error *error);

/*
 * Moves a file that is the generation's index into the cache. One that cannot be moved stays: it
 * costs time later, no more.
 */
void bfs_snapshot_keep(const struct bfs_generation *generation, const char *path);

/*
 * Puts a finished index, a local file that will not change any more, into the store under its
 * digest; the local file moves into the cache. `ret_generation->number` is left alone.
 */
int bfs_snapshot_put(struct bfs_store *store, const char *path,
	struct bfs_generation *ret_generation, struct bfs_error *error);

#endif
