/*
 * What an index has that an earlier one has not: indexes/SHA256.delta, in brewfs-format(5). An
 * index is cut into blocks of 4 KiB, SQLite's pages; a delta holds those that differ, whole.
 *
 * A delta says which index it is made for, its base, and by which deltas that one in its turn is
 * reached from one that is there whole. It may also be applied to each index that came between its
 * base and itself, since what those differ in is all in it.
 */
#ifndef BFS_INDEX_DELTA_H
#define BFS_INDEX_DELTA_H

#include "index/ref.h"

#define BFS_DELTA_BLOCK	    4096 /* bytes; the last block of an index may be shorter */
#define BFS_DELTA_CHAIN_MAX 8
#define BFS_DELTA_SINCE_MAX 256

/* In the generations that follow, only digest and size count. */
struct bfs_delta {
	struct bfs_generation result;
	/* The base, the base's base..., the last one whole. */
	struct bfs_generation chain[BFS_DELTA_CHAIN_MAX];
	size_t chain_count;
	/* What it may be applied to: the newest first, as many as fit, the base last. */
	struct bfs_generation since[BFS_DELTA_SINCE_MAX];
	size_t since_count;
	uint32_t *blocks; /* numbers, ascending; owned */
	size_t block_count;
	uint64_t data; /* where in its file the blocks begin */
};
void bfs_delta_release(struct bfs_delta *delta);
#define BFS_DELTA_INIT                                                                             \
	{                                                                                          \
		.blocks = NULL                                                                     \
	}
#define _cleanup_delta_ BFS_CLEANUP(bfs_delta_release)

/*
 * Compares two indexes in local files. Fills in result, chain and since for a base that is there
 * whole, and the blocks. The files must not change meanwhile.
 */
int bfs_delta_compare(
	const struct bfs_generation *base, int base_fd, int result_fd, struct bfs_delta *ret_delta);

/* Makes the delta one from its base's base on; `base` is the delta that makes its base. */
int bfs_delta_absorb(struct bfs_delta *delta, const struct bfs_delta *base);

/* Says that the base, so far taken for a whole one, is made by `base`. -E2BIG where the chain is
 * too long. */
int bfs_delta_chain(struct bfs_delta *delta, const struct bfs_delta *base);

/* Writes the file, with the blocks out of `result_fd`, and syncs it. */
int bfs_delta_write(struct bfs_delta *delta, int result_fd, int fd, uint64_t *ret_size);

/*
 * Reads everything but the blocks. -EBADMSG for what is no delta, or does not make `result`, where
 * that is not NULL.
 */
int bfs_delta_read(int fd, const struct bfs_generation *result, struct bfs_delta *ret_delta);

/*
 * Writes the blocks into an index that the delta may be applied to, and gives that the size of the
 * result. -EBADMSG where the delta is damaged; the index is then lost.
 */
int bfs_delta_apply(const struct bfs_delta *delta, int fd, int index_fd);

/* Whether it is as it was written: -EBADMSG where not. */
int bfs_delta_check(const struct bfs_delta *delta, int fd);

#endif
