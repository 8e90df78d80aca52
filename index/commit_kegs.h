/*
 * The records of kegs after a merge (index/keg.h): of those that the session made, changed or
 * removed. A receipt in the tree is the truth, the record its copy.
 */
#ifndef BFS_INDEX_COMMIT_KEGS_H
#define BFS_INDEX_COMMIT_KEGS_H

#include "index/commit_view.h"
#include "index/merge.h"

/* Receipts that the session has otherwise than its base; zero-initialise. */
struct bfs_commit_receipts {
	struct bfs_commit_receipt {
		char *name, *version; /* of the keg */
		uint64_t ino;	      /* of the receipt, in the session */
	} * receipts;
	size_t count;
	bool cellar; /* something below Cellar changed */
};

/* Looks at a change that is not ignored. -ENOMEM. */
int bfs_commit_receipts_add(struct bfs_commit_receipts *receipts, const struct bfs_change *change);
void bfs_commit_receipts_release(struct bfs_commit_receipts *receipts);
#define _cleanup_commit_receipts_ BFS_CLEANUP(bfs_commit_receipts_release)

/*
 * Brings the records of `theirs`, the merged tree, up to date. A receipt that is no JSON object
 * leaves its keg without a record, with a warning.
 */
int bfs_commit_note_kegs(const struct bfs_commit_view *view,
	const struct bfs_commit_receipts *receipts, const struct bfs_merge_result *merged,
	struct bfs_tree *theirs, struct bfs_error *error);

#endif
