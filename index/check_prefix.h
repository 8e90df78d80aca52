/*
 * Whether a tree that is sound is a Homebrew prefix that agrees with itself: opt, linked and pinned
 * links lead to kegs that are there, and what the index notes of the kegs is what their receipts
 * say.
 */
#ifndef BFS_INDEX_CHECK_PREFIX_H
#define BFS_INDEX_CHECK_PREFIX_H

#include "index/check.h"
#include "index/tree.h"

/*
 * Reads the receipts from the store; those that cannot be read are left to the check of the store's
 * files. A negative errno is only for failures of this check itself.
 */
int bfs_check_prefix(struct bfs_check *check, const struct bfs_check_origin *origin,
	struct bfs_store *store, struct bfs_tree *tree);

#endif
