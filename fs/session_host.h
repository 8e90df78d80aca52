/*
 * The names that depend on the host (fs/host.h), as ordinary entries of a session: what runs in it
 * can change them, as it could in a prefix on disk. They are made when the session is mounted,
 * where they are missing or different, and noted as the host's, so that they are not committed.
 */
#ifndef BFS_FS_SESSION_HOST_H
#define BFS_FS_SESSION_HOST_H

#include "index/worktree.h"

/* `prefix` as for bfs_host_new(); `maker` is who owns them. Before the worktree is served. */
int bfs_session_host_apply(struct bfs_worktree *worktree, const char *prefix,
	const struct bfs_maker *maker, struct bfs_error *error);

#endif
