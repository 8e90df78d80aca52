/*
 * The mark of a commit under way. Publishing a generation and making it the session's base are two
 * steps; a process that dies between them leaves a session that does not know that it was
 * committed. So a commit first notes a number of its own in the session (commit.json), which the
 * generation has as well (the index's value "commit"); a later one finds it there.
 */
#ifndef BFS_INDEX_COMMIT_MARK_H
#define BFS_INDEX_COMMIT_MARK_H

#include "index/publish.h"
#include "index/session.h"

/* Makes a new mark, durable in the session, and sets it in the tree that is to be published. */
int bfs_commit_mark_set(
	struct bfs_session *session, struct bfs_tree *theirs, struct bfs_error *error);

/* The session has its base, and all of it: the marks go. */
void bfs_commit_mark_clear(struct bfs_session *session);

/*
 * The last generation that a commit made which could not clear its mark; NULL where there was none,
 * or none was published. Looks through the generations from the session's base on.
 */
int bfs_commit_mark_find(struct bfs_session *session, struct bfs_publication *publication,
	struct bfs_tree **ret_committed, struct bfs_error *error);

#endif
