/*
 * The names nearest to one that does not exist, for "did you mean".
 */
#ifndef BFS_LIB_SUGGEST_H
#define BFS_LIB_SUGGEST_H

#include "lib/buffer.h"

#define BFS_SUGGESTIONS 3

/* Those found so far, the nearest first. Initialise with bfs_suggest_begin(). */
struct bfs_suggestions {
	const char *wanted; /* borrowed */
	size_t limit;	    /* of the distance */
	size_t count;
	struct {
		char *name;
		size_t distance;
	} found[BFS_SUGGESTIONS];
};

void bfs_suggest_begin(struct bfs_suggestions *suggestions, const char *wanted);
void bfs_suggest_release(struct bfs_suggestions *suggestions);

/* Considers a name. -ENOMEM. */
int bfs_suggest_offer(struct bfs_suggestions *suggestions, const char *name);

/* Appends " Did you mean a, b or c?", or nothing. */
int bfs_suggest_append(const struct bfs_suggestions *suggestions, struct bfs_buffer *text);

#endif
