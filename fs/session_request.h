/*
 * What is asked of a session: by the daemon that has it mounted, for a client of its control socket
 * (fs/control.h), since one process alone has a session open to write; or by a command that has
 * opened it itself.
 *
 *	{"request": "commit", "message": TEXT, "side": "refuse"|"ours"|"theirs"}
 *		{"ok": true, "generation": N or null, "added", "removed", "modified", "ignored",
 *		"stored_bytes", "conflicts": [{"path", "ours", "theirs"}]}
 *	{"request": "changes", "ignored": BOOL}
 *		{"ok": true, "changes": [{"change": "added"|"removed"|"modified"|"attributes",
 *		"path", "type", "mode", "old_mode", "size", "old_size", "ignored"}]}
 *	{"request": "status"}
 *		{"ok": true, "base", "current": N or null, "added", "removed", "modified",
 *		"ignored", "local_files", "local_bytes"}
 *
 * or, for each, {"error": TEXT, "conflicts": [...]}. Modes are octal text; what is not on a side is
 * null.
 */
#ifndef BFS_FS_SESSION_REQUEST_H
#define BFS_FS_SESSION_REQUEST_H

#include "index/session.h"

#include <jansson.h>

/*
 * May take minutes; the daemon calls it by a thread of its own, while requests that would change
 * the session are put aside. -ENOMEM.
 */
int bfs_session_request(struct bfs_session *session, const json_t *request, json_t **ret_answer);

#endif
