/*
 * Putting what a session changed into the store (index/put_files.h).
 */
#ifndef BFS_INDEX_COMMIT_PUT_H
#define BFS_INDEX_COMMIT_PUT_H

#include "index/commit_view.h"
#include "index/put_files.h"

/*
 * Adds the regular file of the session, by its number, if it has to be put: bytes that are here
 * alone, or an object that became executable, or was, and is kept in two variants. A file may be
 * added twice.
 */
int bfs_commit_put_add(
	struct bfs_put_files *files, const struct bfs_commit_view *view, uint64_t ino, mode_t mode);

/*
 * Puts all of them and notes the places in the view's nodes; they are provisional until the writers
 * are committed.
 */
int bfs_commit_put(struct bfs_commit_view *view, struct bfs_put_files *files,
	const struct bfs_put_writers *writers, struct bfs_error *error);

#endif
