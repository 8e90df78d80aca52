/*
 * Which blocks of a file that is being fetched are there, under way, wanted or missing. For
 * index/fetch.c, under whose lock everything but init and release is called.
 */
#ifndef BFS_INDEX_FETCH_BLOCKS_H
#define BFS_INDEX_FETCH_BLOCKS_H

#include "lib/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes: at 500 MB/s a reader waits half as long for them as for the round trip. */
#define BFS_BLOCK_SIZE (256 * 1024)

/* Blocks brought by one read: 1 MiB, the largest of NFS. */
#define BFS_RUN_MAX 4

/* Blocks that are wanted ahead of a reader that goes through a file in order: 4 MiB. */
#define BFS_READ_AHEAD 16

struct bfs_blocks {
	uint64_t size; /* bytes of the file */
	size_t count;
	size_t here, wanted, missing; /* blocks in that state; missing ones may be wanted */
	unsigned flying;	      /* runs under way */
	size_t cursor;		      /* where to look for the next missing one */
	size_t wanted_from;	      /* no wanted one before it */
	uint8_t *states;
};

struct bfs_run {
	size_t first, count;
};

int bfs_blocks_init(struct bfs_blocks *blocks, uint64_t size);
void bfs_blocks_release(struct bfs_blocks *blocks);

bool bfs_blocks_complete(const struct bfs_blocks *blocks);
bool bfs_blocks_has_missing(const struct bfs_blocks *blocks);

/* The blocks with these bytes, as far as the file goes. */
struct bfs_run bfs_blocks_range(const struct bfs_blocks *blocks, uint64_t offset, uint64_t length);
bool bfs_blocks_are_here(const struct bfs_blocks *blocks, struct bfs_run range);

/* Bytes of a run, and where they begin. */
size_t bfs_blocks_bytes(const struct bfs_blocks *blocks, struct bfs_run run, uint64_t *ret_offset);

/* Missing blocks with these bytes become wanted. */
void bfs_blocks_want(struct bfs_blocks *blocks, uint64_t offset, uint64_t length);

/* If the block before the run is there, wants those behind it. Returns whether any is new. */
bool bfs_blocks_read_ahead(struct bfs_blocks *blocks, struct bfs_run run);

/*
 * Take missing blocks, which are under way then until bfs_blocks_put(): the first ones of a range
 * (of a file of one run, all), the first wanted ones, or the next ones behind what was taken last.
 * Count 0 where there is none.
 */
struct bfs_run bfs_blocks_take_first(struct bfs_blocks *blocks, struct bfs_run range);
struct bfs_run bfs_blocks_take_wanted(struct bfs_blocks *blocks);
struct bfs_run bfs_blocks_take_next(struct bfs_blocks *blocks);

/* They have come, or are missing again. */
void bfs_blocks_put(struct bfs_blocks *blocks, struct bfs_run run, bool here);

#endif
