/*
 * The records of kegs after a merge (index/keg.h): of those that our side made, changed or removed.
 * A receipt in the tree is the truth, the record its copy.
 */
#ifndef BFS_INDEX_COMMIT_KEGS_H
#define BFS_INDEX_COMMIT_KEGS_H

#include "index/changes.h"
#include "index/merge.h"

/* Receipts that our side has otherwise than the base; zero-initialise. */
struct bfs_commit_receipts {
	struct bfs_commit_receipt {
		char *name, *version; /* of the keg */
		uint64_t ino;	      /* of the receipt, in our tree */
	} * receipts;
	size_t count;
	bool cellar; /* something below Cellar changed */
};

/* Looks at a change that is not ignored. -ENOMEM. */
int bfs_commit_receipts_add(struct bfs_commit_receipts *receipts, const struct bfs_change *change);
void bfs_commit_receipts_release(struct bfs_commit_receipts *receipts);
#define _cleanup_commit_receipts_ BFS_CLEANUP(bfs_commit_receipts_release)

/* Adds the receipt of a keg; names are copied. */
int bfs_commit_receipts_add_keg(
	struct bfs_commit_receipts *receipts, const char *name, const char *version, uint64_t ino);

/* Appends the bytes of a receipt, by its number. -EFBIG where there are more than `limit`. */
typedef int bfs_commit_reader(void *context, uint64_t ino, size_t limit, struct bfs_buffer *buffer,
	struct bfs_error *error);

/*
 * Brings the records of `theirs`, the merged tree, up to date. A receipt that is no JSON object
 * leaves its keg without a record, with a warning.
 */
int bfs_commit_note_kegs(const struct bfs_commit_receipts *receipts, bfs_commit_reader *read,
	void *context, const struct bfs_merge_result *merged, struct bfs_tree *theirs,
	struct bfs_error *error);

#endif
