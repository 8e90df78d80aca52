/*
 * What makes a poured keg an installed formula: the steps of Homebrew's formula_installer.rb after the bottle is
 * unpacked and relocated, on the working copy of an index.
 *
 *	the keg takes its place in the Cellar, with its receipt
 *	another version that is linked is unlinked; links are made, or only opt's if it is keg-only
 *	.bottle/etc and .bottle/var are copied, post_install steps that only touch files are done
 *	the index notes the keg
 */
#ifndef BFS_INSTALLER_FINISH_H
#define BFS_INSTALLER_FINISH_H

#include "index/writer.h"
#include "installer/finder.h"
#include "installer/pour.h"
#include "installer/resolve.h"

/* What all kegs of one install share. All is borrowed. */
struct bfs_finish_target {
	struct bfs_store *store;
	struct bfs_tree *tree;			/* the working copy */
	struct bfs_writer *writer;		/* for receipts and what steps write; committed by the caller */
	struct bfs_content_reader *reader;
	struct bfs_finder *finder;
	const char *tag;			/* of the bottles: "x86_64_linux" */
	uint64_t generation;			/* the one before, which keeps what is replaced; 0: none */
	int64_t time;				/* of the pour, seconds since the epoch */
};

/* How it went. Strings and documents are owned. */
struct bfs_finished {
	bool linked;		/* into the prefix, not only into opt */
	bool conflicted;	/* something is in the way of its links: it is installed, but not linked */
	bool step_failed;	/* a post_install step failed: the keg stays */
	char *pending;		/* JSON array of the steps that a program has to run; NULL for none */
};
void bfs_finished_release(struct bfs_finished *finished);

/*
 * Finishes one keg; its formula's dependencies must be finished. Conflicts and failed steps are not errors, but were
 * reported; an error leaves the tree as it was.
 */
int bfs_finish_keg(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_poured *poured, bool local, struct bfs_finished *ret_finished,
	struct bfs_error *error);

/* Makes the links of a keg that is there as its request says. */
int bfs_finish_relink(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_finished *ret_finished, struct bfs_error *error);

/* Notes in receipt and record that an installed keg was asked for by name now. */
int bfs_finish_mark_request(const struct bfs_finish_target *target,
	const struct bfs_resolved *resolved, struct bfs_error *error);

#endif
