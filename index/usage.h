/*
 * What a generation takes up: in the store, and formula by formula.
 */
#ifndef BFS_INDEX_USAGE_H
#define BFS_INDEX_USAGE_H

#include "index/rack.h"
#include "index/ref.h"

/* Files of a store. */
struct bfs_usage {
	uint64_t files;
	uint64_t bytes;	    /* st_size */
	uint64_t allocated; /* st_blocks, in bytes */
	uint64_t missing;   /* referenced, but not there; not counted above */
};

struct bfs_usage_store {
	struct bfs_usage objects, packs, index;
};

/*
 * The files that a generation uses, as stat(2) has them, many asked at once. A pack counts whole,
 * whatever part of it is used.
 */
int bfs_usage_measure_store(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_tree *tree, struct bfs_usage_store *ret_usage);

/*
 * Which contents each formula has, and which it shares with others. Kept in temporary tables of the
 *tree's connection, so memory does not grow with the prefix:
 *
 *	bfs_usage_begin(tree, racks, count)		once
 *	bfs_usage_get_formula(), bfs_usage_visit_sharers()
 *
 * Formulae are told by their position in `racks`.
 */
int bfs_usage_begin(struct bfs_tree *tree, const struct bfs_rack *racks, size_t count);

struct bfs_usage_formula {
	int64_t files;	/* inodes in its kegs */
	int64_t bytes;	/* of them */
	int64_t shared; /* bytes of its distinct contents that another formula has as well */
};
int bfs_usage_get_formula(
	struct bfs_tree *tree, size_t formula, struct bfs_usage_formula *ret_usage);

/* For each other formula that has contents of this one, most bytes first. Anything but 0 ends it
 * and is returned. */
typedef int bfs_usage_sharer(void *context, size_t formula, int64_t bytes);
int bfs_usage_visit_sharers(
	struct bfs_tree *tree, size_t formula, bfs_usage_sharer *visit, void *context);

/* Bytes that are not stored because a content is there already: of all files of the tree, each
 * inode once. */
int bfs_usage_deduplicated(struct bfs_tree *tree, int64_t *ret_bytes);

#endif
