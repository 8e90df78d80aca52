/*
 * Brings a session that is not mounted forward onto its ref's current generation, with what was
 * changed in it: it is as if it had begun there.
 */
#ifndef BFS_INDEX_SESSION_UPDATE_H
#define BFS_INDEX_SESSION_UPDATE_H

#include "index/merge.h"
#include "index/session.h"

struct bfs_update_result {
	struct bfs_generation generation; /* that it is based on now */
	struct bfs_commit_conflict *conflicts;
	size_t conflict_count;
};
void bfs_update_result_release(struct bfs_update_result *result);
#define _cleanup_update_result_ BFS_CLEANUP(bfs_update_result_release)

/*
 * Also where it is based on that generation already: after a commit over what others published it
 * does not have that. All or nothing: the session is replaced at once. -EBUSY where it is in use;
 * -ENOTUNIQ where there are conflicts and they were to be refused: nothing has changed then, and
 * `ret_result` has them. Fifos, sockets and devices do not come along; what is ignored by commits
 * does.
 */
int bfs_session_update(struct bfs_store *store, const char *name, enum bfs_commit_side side,
	struct bfs_update_result *ret_result, struct bfs_error *error);

#endif
