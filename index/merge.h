/*
 * A three-way merge of trees by path: what one side changed since both had a common base is brought
 * into the other.
 *
 * Per path: what only one side changed is taken from it; what both changed to the same is that;
 * bytes (or target, or type) and permissions of a file are looked at one by one, so that a chmod
 * here and new bytes there go together; directories are merged by their entries; all else is a
 * conflict. A directory that one side removed and the other changed is one for each path changed in
 * it, and is kept or removed as a whole. Times make no conflict and are no change: they come along.
 *
 * Names of one file in `ours` are names of one file in the result, whatever came to be where. A
 * file or directory that moved keeps its inode if `theirs` did not touch it.
 *
 * The numbers of inodes mean the same in base and ours: equal ones are the same file, and have the
 * same content unless the node says that it was touched. Those of theirs are its own.
 */
#ifndef BFS_INDEX_MERGE_H
#define BFS_INDEX_MERGE_H

#include "index/ignore.h"
#include "index/merge_side.h"
#include "index/store.h"

enum bfs_commit_side {
	BFS_COMMIT_REFUSE, /* a conflict changes nothing */
	BFS_COMMIT_OURS,   /* the session's */
	BFS_COMMIT_THEIRS, /* the ref's */
};

/* What each side did to a path: "modified", "removed", "a directory was added"... Both owned. */
struct bfs_commit_conflict {
	char *path;
	char *ours, *theirs;
};
void bfs_commit_conflicts_free(struct bfs_commit_conflict *conflicts, size_t count);

/* No path of a prefix has more components (EFS limits). */
#define BFS_MERGE_DEPTH_MAX 1000

struct bfs_merge_order {
	struct bfs_tree *base; /* NULL: an empty prefix */
	/* With nodes, only what they have as touched is looked at; bfs_merge_nodes_enter() must
	 * have been called. Without, everything is. */
	struct bfs_merge_side ours;
	struct bfs_tree *theirs; /* to be changed */

	const struct bfs_ignore *ignore; /* of paths that are no changes; NULL: none */
	/* The rules that were followed when the base was made, where they were others: what they
	 * ignored and `ignore` does not is taken as new. NULL: the same rules. */
	const struct bfs_ignore *base_ignore;
	/* The generation that an earlier commit of ours made, which did not get as far as to make
	 * it the base; else NULL. What theirs has as it was there is no change of theirs. */
	struct bfs_tree *committed;
	/* Where contents must be that ours has from an earlier generation and theirs does not have:
	 * a collection may have removed them. NULL: that is not looked at. */
	struct bfs_store *store;
	/* Local files of ours stay local: they are placed without content, and their nodes in the
	 * result's `placed` say so. Else all must have a place in the store. */
	bool keep_local;
	enum bfs_commit_side side;
};

struct bfs_merge_result {
	bool changed; /* more than times */
	struct bfs_commit_conflict *conflicts;
	size_t conflict_count;
	/* By ours' numbers: `published` is the inode in the merged tree. Of what was looked at and
	 * is in it. */
	struct bfs_merge_nodes placed;
};
void bfs_merge_result_release(struct bfs_merge_result *result);
#define _cleanup_merge_result_ BFS_CLEANUP(bfs_merge_result_release)

/*
 * Changes `theirs` in a transaction of its own. -ENOTUNIQ where there are conflicts and side is
 * BFS_COMMIT_REFUSE: `ret_result` then has all of them and `theirs` is as it was. -ENAMETOOLONG
 * where ours is deeper than BFS_MERGE_DEPTH_MAX; -ESTALE where the store has not a content any more
 * that ours has from it; the trees' errors.
 */
int bfs_merge_run(const struct bfs_merge_order *order, struct bfs_merge_result *ret_result,
	struct bfs_error *error);

#endif
