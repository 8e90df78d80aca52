/*
 * What a client asks of the daemon that has a session mounted, over its control socket
 * (fs/control.h): what it cannot do itself, since one process alone has a session open to write.
 */
#ifndef BFS_FS_SESSION_REQUEST_H
#define BFS_FS_SESSION_REQUEST_H

#include "index/session.h"

#include <jansson.h>

/*
 * Answers {"request": "commit"...}: {"ok": true...} or {"error": TEXT...}. May take minutes; called
 * by a thread of its own, while requests that would change the session are put aside. -ENOMEM.
 */
int bfs_session_request(struct bfs_session *session, const json_t *request, json_t **ret_answer);

#endif
