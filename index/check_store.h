/*
 * The check of a whole store: its refs, the indexes they name and named before, the kegs it
 * remembers, and every file that any of those uses.
 */
#ifndef BFS_INDEX_CHECK_STORE_H
#define BFS_INDEX_CHECK_STORE_H

#include "index/check.h"
#include "index/store.h"
#include "lib/progress.h"

struct bfs_check_store {
	struct bfs_check *check;
	struct bfs_store *store;
	const char *ref; /* only this one; NULL: all refs, remembered kegs, and what is not used */
	/* Current generations only; files are not read, but looked at; SQLite does not check its
	 * pages. */
	bool quick;
	struct bfs_progress *progress; /* may be NULL */
	/* results */
	uint64_t refs, generations, kegs; /* indexes looked at */
	uint64_t objects, packs;
	uint64_t bytes;	   /* of objects and packs, read and checked */
	bool unused_known; /* the next two were counted: all was looked at, and every index could be
			      read */
	uint64_t unused_files, unused_bytes;
	uint64_t staging; /* directories of writers, at work or killed */
};

/* A negative errno is only for failures of this check itself: no memory, no cache directory. */
int bfs_check_store(struct bfs_check_store *store_check, struct bfs_error *error);

#endif
