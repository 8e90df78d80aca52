/*
 * Whether the objects and packs of a store are what their names say: there, of the right size and
 * mode, with the right digests. Many are read at once.
 */
#ifndef BFS_INDEX_CHECK_FILES_H
#define BFS_INDEX_CHECK_FILES_H

#include "index/check.h"
#include "index/references.h"
#include "lib/progress.h"

struct bfs_check_files {
	struct bfs_check *check;
	struct bfs_store *store;
	struct bfs_references *references; /* the files to be checked; their damage is noted here */
	bool quick;		      /* sizes, modes and footers only: contents are not read */
	struct bfs_progress_bar *bar; /* may be NULL */
	/* results */
	uint64_t bytes;		       /* read and checked */
	struct bfs_finding **findings; /* by number of the damage; freed by the caller */
	size_t finding_count;
};

/* A negative errno is only for failures of this check itself. */
int bfs_check_files(struct bfs_check_files *files);

#endif
