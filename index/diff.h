/*
 * What differs between two trees of one prefix, usually a generation and a later one.
 *
 * Both trees are read once, side by side in the order of their keys: it takes the time of reading
 * both, and memory that does not grow with them. An inode number never comes back with other
 * content (index/tree.h), so equal numbers are equal files, and a name that leads to another number
 * has changed.
 *
 * Both trees belong to the calling thread, which must not change them meanwhile.
 */
#ifndef BFS_INDEX_DIFF_H
#define BFS_INDEX_DIFF_H

#include "index/tree.h"

enum bfs_diff_kind {
	BFS_DIFF_NAME_ADDED,
	BFS_DIFF_NAME_REMOVED,
	BFS_DIFF_NAME_CHANGED,	/* leads to another inode */
	BFS_DIFF_INODE_REMOVED, /* the new tree does not have it */
	BFS_DIFF_INODE_CHANGED, /* permissions, links, time or parent; the bytes are the same */
	/* Type, bytes or target differ under the same number. Trees that descend from each other
	 * never have this; it tells a reader that the new tree has another origin (a store made
	 * anew under the same path). */
	BFS_DIFF_CONTENT_CHANGED,
};

struct bfs_diff_change {
	enum bfs_diff_kind kind;
	uint64_t ino;	  /* names: the directory; else the inode itself */
	const char *name; /* names: not NUL-terminated, borrowed during the call; else NULL */
	size_t length;	  /* of the name, bytes */
};

/* Anything but 0 ends the comparison and is returned. It must not use the trees. */
typedef int bfs_diff_visitor(void *context, const struct bfs_diff_change *change);

/*
 * Calls `visit` for every name and then for every inode that differs. All changes of one
 * directory's names come one after the other. -EUCLEAN for a row that cannot be right, -ENOMEM,
 * -EIO.
 */
int bfs_diff_trees(struct bfs_tree *old_tree, struct bfs_tree *new_tree, bfs_diff_visitor *visit,
	void *context);

#endif
