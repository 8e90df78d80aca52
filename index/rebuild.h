/*
 * An index on local disk out of what the store has of it: one file that is copied, or deltas that
 * are applied to one that is whole. Whichever way, the result has the digest that it is asked for.
 */
#ifndef BFS_INDEX_REBUILD_H
#define BFS_INDEX_REBUILD_H

#include "index/delta.h"

/* An index of up to so many bytes is always whole: one read of NFS brings it. */
#define BFS_REBUILD_WHOLE (1024 * 1024)

struct bfs_rebuild {
	struct bfs_store *store;
	const char *cache; /* directory with indexes/ that deltas may be applied to; NULL: the
			      store's alone */
	char file[BFS_STORE_NAME_SIZE]; /* set with a failure: the store's file that it is about, or
					   "" */
};

/*
 * Fills an empty local file. -ENOENT where the store has not all files that it takes, -EBADMSG
 * where one is damaged.
 */
int bfs_rebuild_index(struct bfs_rebuild *rebuild, const struct bfs_generation *generation,
	int to_fd, struct bfs_error *error);

/* Reads the head of a generation's delta. -ENOENT where it has none, which includes that it is
 * whole. */
int bfs_rebuild_read_delta(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_delta *ret_delta);

#endif
