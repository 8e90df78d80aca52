/*
 * A directory of a tree read at one go: names with their attributes, sorted by bytes, which is the
 * order in which Homebrew visits them (Ruby's Find.find). For callers that change the tree while
 * they go through it.
 */
#ifndef BFS_INSTALLER_LISTING_H
#define BFS_INSTALLER_LISTING_H

#include "index/tree.h"

struct bfs_listing_entry {
	char *name; /* NUL-terminated, owned by the listing */
	size_t length;
	struct bfs_attributes attributes;
};

struct bfs_listing {
	struct bfs_listing_entry *entries;
	size_t count, capacity;
};

#define BFS_LISTING_INIT                                                                           \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

/* Fills an empty listing. Of what is no directory it stays empty. */
int bfs_listing_read(struct bfs_tree *tree, uint64_t ino, struct bfs_listing *listing);
void bfs_listing_release(struct bfs_listing *listing);
#define _cleanup_listing_ BFS_CLEANUP(bfs_listing_release)

#endif
