/*
 * Garbage collection: removes from a store the generations that nobody needs any more, and what
 * only they used.
 *
 * Of each ref the newest generations stay, those that a lease names, and what is younger than the
 * grace period; remembered kegs stay for BFS_GC_KEG_DAYS. Everything that one of these uses stays,
 * and what is younger than the grace period, of which who wrote it may know.
 *
 * Nothing is removed unless all that stays could be read. Indexes go before what they use, so that
 * a collection that is killed leaves no generation with holes.
 */
#ifndef BFS_INDEX_GC_H
#define BFS_INDEX_GC_H

#include "index/references.h"

#define BFS_GC_KEEP	10   /* generations */
#define BFS_GC_GRACE	3600 /* seconds */
#define BFS_GC_KEG_DAYS 30

struct bfs_gc {
	struct bfs_store *store;
	uint64_t keep; /* generations of each ref, at least 1 */
	int64_t grace; /* seconds */
	bool dry_run;  /* counts only */
	int64_t now;   /* by the server's clock; set by bfs_gc_run() */
	/* results */
	uint64_t kept;				  /* generations */
	uint64_t generations, kegs, leases;	  /* removed, or to be */
	uint64_t indexes, packs, objects, staged; /* files */
	uint64_t bytes;				  /* of all these files */
};

/* Waits for who writes into the store. -EBADMSG or -ENOENT where what is to stay is damaged or
 * missing. */
int bfs_gc_run(struct bfs_gc *gc, struct bfs_error *error);

/* The two halves of it; for gc.c. */

/* Adds all that stays to `references`, and finds out what of refs, leases and kegs does not. */
int bfs_gc_mark(struct bfs_gc *gc, struct bfs_references *references, struct bfs_error *error);

/* Removes what is not in `references`. */
int bfs_gc_sweep(struct bfs_gc *gc, struct bfs_references *references, struct bfs_error *error);

#endif
