/*
 * A ref names the current generation of a prefix: "x86_64_linux" -> generation 12 and its index. It is
 * the only thing in a store that changes, by rename, so a reader sees the old or the new one.
 */
#ifndef BFS_INDEX_REF_H
#define BFS_INDEX_REF_H

#include "index/store.h"

#define BFS_INDEX_SIZE_MAX (UINT64_C(64) << 30) /* bytes; a million names take about 0.15 GB */

/* How the store has an index; only a hint, which saves looking for what is not there. */
enum bfs_index_form {
	BFS_INDEX_UNKNOWN,
	BFS_INDEX_WHOLE,
	BFS_INDEX_DELTA,
};

struct bfs_generation {
	uint64_t number;		/* from 1; 0 before the first */
	struct bfs_digest index;	/* SHA-256 of the index file */
	uint64_t size;			/* of the index file, bytes */
	enum bfs_index_form form;
};

/* 1 to 64 of [A-Za-z0-9._-], not beginning with a dot: a file name on every system. */
bool bfs_ref_name_is_valid(const char *name);

/* The ref of this machine's architecture: "x86_64_linux" or "arm64_linux", the bottle tag. */
const char *bfs_ref_default(void);

/* -ENOENT where the ref was never published; -EBADMSG for a file that is none. */
int bfs_ref_read(struct bfs_store *store, const char *name, struct bfs_generation *ret_generation,
	struct bfs_error *error);

/*
 * The index that kegs/KEY.json names: a poured keg that the store remembers. `file` is relative to the store; the number is
 * 0. -EBADMSG for a file that is none.
 */
int bfs_ref_read_keg(
	struct bfs_store *store, const char *file, struct bfs_generation *ret_generation);

/* Sorted names of all refs, in one allocation freed by free(), NULL-terminated. */
int bfs_ref_list(struct bfs_store *store, char ***ret_names, struct bfs_error *error);

/* Points the ref at a generation; for index/publish.c, under the ref's lock. */
int bfs_ref_write(struct bfs_store *store, const char *name,
	const struct bfs_generation *generation, struct bfs_error *error);

#endif
