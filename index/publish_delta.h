/*
 * Publishing an index as what it has that the one before has not, so that a small change of a big
 * prefix writes little.
 *
 * Deltas are of three sizes: up to 1 MiB, up to 8 MiB, and up to a quarter of the index. A new one
 * takes up those before it that are of its own size, and with them becomes one of the next size in
 * the end; so a reader who has nothing reads a whole index and at most three deltas, and one change
 * is written a few times over the years. What would be more than a quarter is put whole.
 */
#ifndef BFS_INDEX_PUBLISH_DELTA_H
#define BFS_INDEX_PUBLISH_DELTA_H

#include "index/ref.h"

/*
 * `base_path` and `work_path` are local files: the index of the generation `base`, and what became
 * of it. Puts a delta and returns 1, or 0 where the index is to be put whole.
 * `ret_generation->number` is left alone. -EBADMSG where the base is not what its name says: what
 * was made of it must not be published, and the file is gone.
 */
int bfs_publish_delta(struct bfs_store *store, const struct bfs_generation *base,
	const char *base_path, const char *work_path, struct bfs_generation *ret_generation,
	struct bfs_error *error);

#endif
