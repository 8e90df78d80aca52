/*
 * Whether an index is a tree: every row possible, every name leading somewhere, everything
 * reachable by exactly the names it counts. Looks at the index alone, with queries: memory does not
 * grow with the tree.
 */
#ifndef BFS_INDEX_CHECK_TREE_H
#define BFS_INDEX_CHECK_TREE_H

#include "index/check.h"
#include "index/tree.h"

/*
 * Opens the local copy of an index at `path`, and checks all of it. What cannot be opened is a
 * finding, and no tree is returned. `quick` leaves out SQLite's own check of the file, for one
 * whose digest was checked. A negative errno is only for failures of this check itself.
 */
int bfs_check_tree(struct bfs_check *check, const struct bfs_check_origin *origin, const char *path,
	bool quick, struct bfs_tree **ret_tree);

/*
 * The same of the working copy of a session, by a connection (BFS_TREE_SESSION_READ) that is of no use
 * for anything else afterwards.
 */
int bfs_check_session_tree(
	struct bfs_check *check, const struct bfs_check_origin *origin, struct bfs_tree *tree);

/* A path that leads to an inode, or "inode N" where none does. Allocated. */
int bfs_check_path_of(struct bfs_tree *tree, uint64_t ino, char **ret_path);

#endif
