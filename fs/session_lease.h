/*
 * The lease of a mounted session on the generation that it is based on (index/lease.h), kept by a
 * thread, which alone may wait for the store.
 */
#ifndef BFS_FS_SESSION_LEASE_H
#define BFS_FS_SESSION_LEASE_H

#include "index/session.h"

struct bfs_session_lease;

/* The session is borrowed, and must be open until the lease was stopped. */
int bfs_session_lease_start(
	struct bfs_session *session, const char *mountpoint, struct bfs_session_lease **ret_lease);

/* Ends the thread and removes the lease, waiting at most `timeout` ms. False where it is stuck in
 * the store; then what it uses must stay. */
bool bfs_session_lease_stop(struct bfs_session_lease *lease, unsigned timeout);

/* Only after it was stopped. NULL is allowed. */
void bfs_session_lease_free(struct bfs_session_lease *lease);

#endif
