/*
 * Brings a prefix that lies in a directory (a machine's, that of a container image), or one keg of
 * it, into a store as the next generation of a ref.
 *
 * Links, hardlinks, permissions, times and receipts stay as they are; equal files are stored once,
 * and what the store has is not put again. What a commit ignores (index/ignore.h, with the prefix's
 * own .brewfsignore) is left out; fifos, sockets and devices are named and left out. No symlink is
 * followed. Of directories that the ref has already the permissions stay.
 *
 * A prefix works only where it was made for: bottles have its path compiled in. One that lies
 * elsewhere than at the store's prefix and names its own place in its files was made for that place
 * and is refused.
 */
#ifndef BFS_INDEX_IMPORT_H
#define BFS_INDEX_IMPORT_H

#include "index/merge.h"
#include "index/publish.h"

struct bfs_import_options {
	const char *path;    /* a directory with Cellar in it, or a keg: .../Cellar/NAME/VERSION */
	const char *message; /* NULL: "import PATH" */
	/* Of paths that the ref has with other content: all are told and nothing is done, or the
	 * imported ones are taken, or the ref's stay. */
	enum bfs_commit_side side;
};

struct bfs_import_result {
	struct bfs_generation generation; /* number 0: the ref has all of it already */
	char *keg;			  /* "Cellar/NAME/VERSION" of an imported keg; else NULL */
	uint64_t directories, files, links; /* that were found */
	uint64_t ignored, skipped;	    /* by rule; fifos, sockets and devices */
	uint64_t stored_bytes;		    /* written into the store */
	struct bfs_commit_conflict *conflicts;
	size_t conflict_count;
};
void bfs_import_result_release(struct bfs_import_result *result);
#define _cleanup_import_result_ BFS_CLEANUP(bfs_import_result_release)

/*
 * -ENOTUNIQ where there are conflicts and they were to be refused; -EINVAL for a directory that is
 * neither prefix nor keg; -EXDEV for a prefix that was made for another place; -ESTALE for a file
 * that changed while it was read. Nothing is published then.
 */
int bfs_import(struct bfs_store *store, const char *ref, const struct bfs_import_options *options,
	struct bfs_import_result *ret_result, struct bfs_error *error);

#endif
