/*
 * What clients ask of a mounted session (fs/session_request.h), one at a time, by a thread of its
 * own, while changes are put aside (fs/session_parking.h).
 *
 * Belongs to the daemon's main thread.
 */
#ifndef BFS_FS_SESSION_JOBS_H
#define BFS_FS_SESSION_JOBS_H

#include "fs/control.h"
#include "fs/session_parking.h"
#include "index/session.h"

struct bfs_session_jobs;

/* All borrowed. */
int bfs_session_jobs_new(struct bfs_session *session, struct bfs_parking *parking,
	struct bfs_session_jobs **ret_jobs);

/* Only after it was stopped. NULL is allowed. */
void bfs_session_jobs_free(struct bfs_session_jobs *jobs);

/* Takes over what the peer holds, and answers it in time; at once where another is busy. */
void bfs_session_jobs_start(struct bfs_session_jobs *jobs, struct bfs_control_peer *peer);

bool bfs_session_jobs_busy(struct bfs_session_jobs *jobs);

/* Waits at most `timeout` ms for what is under way. Returns whether it has ended; if not, what it
 * uses must stay. */
bool bfs_session_jobs_stop(struct bfs_session_jobs *jobs, unsigned timeout);

#endif
