/*
 * The check of one object or pack, as a job for a worker: it touches nothing but its own struct and
 * the store.
 */
#ifndef BFS_INDEX_CHECK_FILE_H
#define BFS_INDEX_CHECK_FILE_H

#include "index/references.h"

enum bfs_check_scope {
	BFS_CHECK_NO_CONTENT,	   /* every content can still be read */
	BFS_CHECK_DAMAGED_CONTENT, /* those of a pack that are marked */
	BFS_CHECK_ALL_CONTENT,
};

struct bfs_check_problem {
	const char *what; /* kind of the finding */
	char detail[160];
	enum bfs_check_scope scope;
};

struct bfs_check_file {
	struct bfs_store *store;
	struct bfs_file file;
	bool quick;
	struct bfs_pack_entry *entries; /* of a pack: what indexes place in it, by offset; owned */
	size_t count;
	/* results */
	bool *damaged;	/* of a pack, one for each entry; owned */
	uint64_t bytes; /* read */
	struct bfs_check_problem problems[4];
	size_t problem_count;
};

/* -ENOMEM, or 0 whatever is found. */
int bfs_check_file_run(struct bfs_check_file *file);
void bfs_check_file_release(struct bfs_check_file *file);

#endif
