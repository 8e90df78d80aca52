/*
 * What session.c, session_create.c, session_record.c and session_update.c share; nobody else
 * includes it.
 */
#ifndef BFS_INDEX_SESSION_PRIVATE_H
#define BFS_INDEX_SESSION_PRIVATE_H

#include "index/session.h"

#define SESSION_RECORD "session.json"
#define SESSION_INDEX  "index.sqlite"
#define SESSION_BASE   "base.sqlite"

/* What session.json says, with what only the session's own files need to know. */
struct session_record {
	struct bfs_session_info info;
	char *base; /* name of the base's file in the session's directory; NULL for an empty prefix
		     */
};
void session_record_release(struct session_record *record);
#define _cleanup_record_ BFS_CLEANUP(session_record_release)

/* The session's directory. -EINVAL for what cannot be a name. Allocated. */
int session_path(const char *name, char **ret_path, struct bfs_error *error);

/* Reads or replaces session.json of the directory; `path` is for messages. */
int session_record_read(
	int dir_fd, const char *name, struct session_record *ret_record, struct bfs_error *error);
int session_record_write(int dir_fd, const struct session_record *record, struct bfs_error *error);

/* Takes the lock of a session's directory, and says in it who has it. -EBUSY. */
int session_lock(
	int dir_fd, const char *name, const char *holder, int *ret_fd, struct bfs_error *error);

/* The lock of an open session under a descriptor of its own, which keeps it when the session is
 * closed. */
int session_keep_lock(const struct bfs_session *session, int *ret_fd);

/* Removes from the directory of sessions what processes that died left of one that they made or
 * discarded. */
void session_sweep(const char *directory);

/* A name of its own for a session that comes or goes: ".NAME.HEX" and `suffix`. Allocated, or NULL.
 */
char *session_hidden_path(const char *directory, const char *name, const char *suffix);

#endif
