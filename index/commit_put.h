/*
 * Putting what a session changed into the store: files are read, hashed and packed by several
 * threads, each with a writer of its own. Equal files come to the same writer, so that they are
 * stored once.
 */
#ifndef BFS_INDEX_COMMIT_PUT_H
#define BFS_INDEX_COMMIT_PUT_H

#include "index/commit_view.h"
#include "index/writer.h"

/* Files to be put, by the session's numbers; zero-initialise. */
struct bfs_commit_files {
	struct bfs_commit_file {
		uint64_t ino;
		uint64_t size;	 /* bytes */
		mode_t mode;	 /* permission bits: they choose the variant of an object */
		unsigned writer; /* which puts it */
	} * files;
	size_t count, capacity;
};

/*
 * Adds the regular file if it has to be put: bytes that are here alone, or an object that became
 * executable, or was, and is kept in two variants. A file may be added twice.
 */
int bfs_commit_files_add(struct bfs_commit_files *files, const struct bfs_commit_view *view,
	uint64_t ino, mode_t mode);
void bfs_commit_files_release(struct bfs_commit_files *files);
#define _cleanup_commit_files_ BFS_CLEANUP(bfs_commit_files_release)

/* How many writers are worth while, 1 to `limit`. */
unsigned bfs_commit_files_writers(const struct bfs_commit_files *files, unsigned limit);

/* A writer, and the tree that it was made with and that has what need not be put; NULL: none. */
struct bfs_commit_writer {
	struct bfs_writer *writer;
	struct bfs_tree *base;
};

/*
 * Puts all of them and notes the places in the view's nodes; they are provisional until the writers
 * are committed. Reorders the files.
 */
int bfs_commit_put(struct bfs_commit_view *view, struct bfs_commit_files *files,
	const struct bfs_commit_writer *writers, unsigned count, struct bfs_error *error);

#endif
