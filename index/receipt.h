/*
 * A keg's record (index/keg.h), parsed: what Homebrew noted when it was poured, and what it depends
 * on.
 *
 * A record is the receipt without `changed_files`. It may have one member of ours, "brewfs", an
 * object with what Homebrew would look up in the formula: "keg_only" (the reason, a string) and
 * "caveats" (a string). Both may be absent.
 */
#ifndef BFS_INDEX_RECEIPT_H
#define BFS_INDEX_RECEIPT_H

#include "index/tree.h"
#include "lib/json.h"

/* A dependency at run time, direct or not. Strings are borrowed from the receipt. */
struct bfs_dependency {
	const char *name; /* "foo", also where full_name is "user/repo/foo" */
	const char *full_name;
	const char *pkg_version; /* "1.2_1"; "" where it is not noted */
	bool direct;		 /* declared by the formula itself */
};

struct bfs_receipt {
	json_t *document;
	struct bfs_dependency *dependencies; /* Homebrew's order: dependencies first */
	size_t count;
	char *pending; /* JSON text of the post_install steps still to be run, or NULL */
};

/* -ENOENT where no record was made of the keg, -EBADMSG where it is no receipt. */
int bfs_receipt_load(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_receipt *ret_receipt, struct bfs_error *error);
void bfs_receipt_release(struct bfs_receipt *receipt);
#define _cleanup_receipt_ BFS_CLEANUP(bfs_receipt_release)

/* Why it is keg-only, or its caveats, where that was noted; else NULL. Borrowed. */
const char *bfs_receipt_keg_only(const struct bfs_receipt *receipt);
const char *bfs_receipt_caveats(const struct bfs_receipt *receipt);

/* The dependency of that name, or NULL. */
const struct bfs_dependency *bfs_receipt_find(const struct bfs_receipt *receipt, const char *name);

#endif
