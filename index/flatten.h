/*
 * How large a copy would be that follows every symlink (`cp -LR`): what one copies to where
 * symlinks cannot go. A directory that a link leads to is copied once for each link; so is each
 * name of a file.
 *
 * As with cp(1) a directory that contains itself through links is cut off where it comes again, and
 * links that lead nowhere are left out. Links that lead out of the prefix are left out as well,
 * since what is there differs from host to host.
 */
#ifndef BFS_INDEX_FLATTEN_H
#define BFS_INDEX_FLATTEN_H

#include "index/tree.h"

struct bfs_flatten_counts {
	uint64_t files, directories; /* in the copy */
	uint64_t bytes;		     /* of the files */
	uint64_t allocated; /* of the files in blocks of 4 KiB, and a block for each directory */
	uint64_t content_bytes; /* of the distinct contents among the files: what a store holds */
	uint64_t outside, dangling, circular; /* links left out; a link may be met more than once */
};

/*
 * Counts for the directory `path` (relative to the prefix, "" for all of it). All zero where there
 * is none. -ELOOP where links multiply so that such a copy would not end.
 */
int bfs_flatten_measure(
	struct bfs_tree *tree, const char *path, struct bfs_flatten_counts *ret_counts);

#endif
