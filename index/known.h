/*
 * The contents one writer has added, found by digest: a hash table that only grows.
 */
#ifndef BFS_INDEX_KNOWN_H
#define BFS_INDEX_KNOWN_H

#include "index/content.h"

struct bfs_known {
	struct bfs_content *contents;	/* in the order added */
	size_t count, capacity;
	uint32_t *slots;		/* 1 + position in `contents`; 0: free */
	size_t slot_count;		/* a power of two, more than count */
};

/* The content, or NULL. Packed contents are found whatever `executable` is. Valid until the next add. */
struct bfs_content *bfs_known_find(const struct bfs_known *known, const struct bfs_digest *digest,
	bool executable);
int bfs_known_add(struct bfs_known *known, const struct bfs_content *content);
void bfs_known_release(struct bfs_known *known);

#endif
