/*
 * A tree as one side of a merge: base, ours or theirs; and two sides' directories, name by name.
 *
 * A side's attributes are those of its tree but for local files of a session, whose size, mtime and
 * content only the node knows. Functions return the tree's errors.
 */
#ifndef BFS_INDEX_MERGE_SIDE_H
#define BFS_INDEX_MERGE_SIDE_H

#include "index/merge_nodes.h"

struct bfs_merge_side {
	struct bfs_tree *tree;	       /* NULL: an empty prefix */
	struct bfs_merge_nodes *nodes; /* of a session's; NULL: the rows say all */
	/* Finds out digest and size of a local node and notes them there; NULL: all are known. */
	int (*learn)(void *context, struct bfs_merge_node *node);
	void *context;
};

/* The side's root, with ino 0 for an empty prefix. */
int bfs_merge_side_root(const struct bfs_merge_side *side, struct bfs_attributes *ret_root);
/* ino 0 where there is no such name. */
int bfs_merge_side_lookup(const struct bfs_merge_side *side, uint64_t parent, const char *name,
	size_t length, struct bfs_attributes *ret_attributes);
/* Of a regular file. Of one that is not placed, digest and size alone. */
int bfs_merge_side_content(const struct bfs_merge_side *side,
	const struct bfs_attributes *attributes, struct bfs_content *ret_content);
/* The node of the inode, or NULL. */
struct bfs_merge_node *bfs_merge_side_node(const struct bfs_merge_side *side, uint64_t ino);

/*
 * Whether both are of one type and hold the same: bytes, target; directories always do. The
 * attributes must be of their sides and exist. A local node that turns out to have the bytes that
 * the other side has gets the place of those.
 */
int bfs_merge_side_equal(const struct bfs_merge_side *side, const struct bfs_attributes *attributes,
	const struct bfs_merge_side *other_side, const struct bfs_attributes *other,
	bool *ret_equal);

/* A name that at least one of two directories has; ino 0 where one has not. */
struct bfs_merge_pair {
	const char *name; /* NUL-terminated */
	size_t length;
	struct bfs_attributes first, second;
};

struct bfs_merge_pairs {
	struct bfs_merge_pair *pairs; /* sorted by name, as bytes */
	size_t count;
	char *names[2]; /* what the pairs' names point into */
};

/* All names of two directories; 0 for one that is not there. */
int bfs_merge_pairs_read(const struct bfs_merge_side *first, uint64_t first_ino,
	const struct bfs_merge_side *second, uint64_t second_ino,
	struct bfs_merge_pairs *ret_pairs);
void bfs_merge_pairs_release(struct bfs_merge_pairs *pairs);
#define _cleanup_merge_pairs_ BFS_CLEANUP(bfs_merge_pairs_release)

#endif
