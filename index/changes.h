/*
 * What differs between a session's tree and its base, path by path.
 */
#ifndef BFS_INDEX_CHANGES_H
#define BFS_INDEX_CHANGES_H

#include "index/merge.h"

enum bfs_change_kind {
	BFS_CHANGE_ADDED,
	BFS_CHANGE_REMOVED,
	BFS_CHANGE_MODIFIED,   /* bytes, target or type */
	BFS_CHANGE_ATTRIBUTES, /* permissions only */
};

struct bfs_change {
	enum bfs_change_kind kind;
	const char *path;	/* below the prefix: "bin/proj"; borrowed during the call */
	uint64_t ino;		/* in the session; 0 where it is removed */
	mode_t old_mode, mode;	/* 0 where it is not on that side */
	int64_t size, old_size; /* bytes of files */
	bool ignored;		/* will not be committed; of a directory, with all in it */
};

/* Anything but 0 ends the walk and is returned. It must not change the trees. */
typedef int bfs_change_visitor(void *context, const struct bfs_change *change);

/*
 * Calls `visit` for what differs between the order's base and ours, a directory before what is in
 * it, entries in the order of their names as bytes. `theirs` and `side` of the order are not used.
 * -ENAMETOOLONG, the trees' errors.
 */
int bfs_changes_walk(const struct bfs_merge_order *order, bool with_ignored,
	bfs_change_visitor *visit, void *context);

#endif
