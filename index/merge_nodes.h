/*
 * The inodes of a session that may differ from what the index it began with has under their
 * numbers, found by number: a hash table that only grows.
 *
 * It is what makes a comparison cost by the size of the change: what is not in it is as it was.
 */
#ifndef BFS_INDEX_MERGE_NODES_H
#define BFS_INDEX_MERGE_NODES_H

#include "index/tree.h"

struct bfs_merge_node {
	uint64_t ino;
	bool touched;  /* may differ from the base's inode of that number */
	bool local;    /* a regular file whose bytes are not those that the tree's row names */
	bool entered;  /* a directory that is touched, or has something touched below it */
	bool known;    /* digest and size in `content` are those of the bytes now */
	bool placed;   /* all of `content` is: the store has it, or will */
	bool adopted;  /* its place is that of equal bytes in the base */
	bool restored; /* `content` takes the row's place although the bytes are the same: the
			  other variant of an object, after a chmod */
	uint64_t size; /* of a local file, bytes */
	int64_t mtime; /* of a local file, ns since the epoch */
	struct bfs_content content;
	uint64_t published; /* the inode in the merged tree; 0: none is known */
};

struct bfs_merge_nodes {
	struct bfs_merge_node *nodes; /* in the order added */
	size_t count, capacity;
	uint32_t *slots;   /* 1 + position in `nodes`; 0: free */
	size_t slot_count; /* a power of two, more than count */
};

#define BFS_MERGE_NODES_INIT                                                                       \
	{                                                                                          \
		NULL, 0, 0, NULL, 0                                                                \
	}

/* Valid until the next one is added; NULL where it is not there. */
struct bfs_merge_node *bfs_merge_nodes_find(const struct bfs_merge_nodes *nodes, uint64_t ino);
/* The node of that number, made with all else zero where there was none. -ENOMEM. */
int bfs_merge_nodes_add(
	struct bfs_merge_nodes *nodes, uint64_t ino, struct bfs_merge_node **ret_node);
void bfs_merge_nodes_release(struct bfs_merge_nodes *nodes);
#define _cleanup_merge_nodes_ BFS_CLEANUP(bfs_merge_nodes_release)

/*
 * Marks as entered the directories of `ours` that have to be looked into: those that are touched,
 * those with a name of a touched inode, and all above them. Call it once all nodes were added.
 * Reads all names of the tree where an inode of the base was touched that is no directory: nothing
 * else tells where its names are. `base` may be NULL.
 */
int bfs_merge_nodes_enter(
	struct bfs_merge_nodes *nodes, struct bfs_tree *base, struct bfs_tree *ours);

#endif
