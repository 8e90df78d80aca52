/*
 * Runs the post-install steps that must run a program: in a session over the working copy of an
 * index that is not published yet, so that what the programs make is part of the same generation.
 *
 * The programs run in `brewfs shell --isolated`: the prefix at its own path, writable; the rest of
 * the machine read-only; no network; a clean environment. Several formulae share one session. What
 * they changed comes back by the merge of a commit (index/commit.h); a change of what a
 * post-install step may not change is refused, with all that came from the same session.
 *
 * Where there is no FUSE, or no namespaces, nothing is run: the steps stay pending.
 */
#ifndef BFS_INSTALLER_PROGRAMS_H
#define BFS_INSTALLER_PROGRAMS_H

#include "installer/steps.h"

/* All is borrowed. */
struct bfs_program_order {
	struct bfs_store *store;
	const char *store_path;
	const char *ref;
	struct bfs_tree *tree;	   /* the working copy, outside of any transaction */
	struct bfs_writer *writer; /* is committed */
	struct bfs_content_reader *reader;
	int64_t mtime; /* of what steps that touch files make, ns since the epoch */
};

/* A formula with pending steps, its keg in the tree. */
struct bfs_program_keg {
	const struct bfs_formula *formula; /* borrowed; name and version are those of the keg */
	json_t *steps; /* as bfs_steps_run() hands back; owned; NULL when all is done */
	char *failure; /* why one of them failed; owned; NULL: none did */
	char *reason;  /* why `steps` are still to be run; owned */
};
void bfs_program_kegs_free(struct bfs_program_keg *kegs, size_t count);

/*
 * Runs what can be run of all of them, dependencies first, and notes in the index what is left
 * (index/keg.h, `pending`). A failed step is not an error of this function: it was reported, and
 * the steps after it, and it itself, stay pending.
 */
int bfs_programs_run(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	size_t count, struct bfs_error *error);

#endif
