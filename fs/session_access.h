/*
 * The way to a session, whoever has it: requests (fs/session_request.h) go to the daemon that has
 * it mounted; where it is not mounted, this process opens it and answers them itself.
 */
#ifndef BFS_FS_SESSION_ACCESS_H
#define BFS_FS_SESSION_ACCESS_H

#include "index/session.h"
#include "lib/mountinfo.h"

#include <jansson.h>

/*
 * The mount of a session among these mounts. -ENOENT where it is not mounted in this namespace, or
 * its daemon does not answer.
 */
int bfs_session_find_mount(
	const struct bfs_mounts *mounts, const char *name, const struct bfs_mount **ret_mount);

/*
 * Makes a request of the session; what was written to a mount is in the session before. `store`
 * is where its store is now, NULL: where it was. `holder` is what others are told meanwhile
 * ("being committed"). -EBUSY where a process has it that cannot be asked.
 */
int bfs_session_ask(const char *name, const char *store, const char *holder, const json_t *request,
	json_t **ret_answer, struct bfs_error *error);

#endif
