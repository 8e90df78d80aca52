/*
 * A frozen session as a commit sees it: its tree and its base as sides of a merge, and the rules of
 * what is not committed. For the files of index/commit*.c.
 *
 * Reading is allowed to several threads, but for the trees, which belong to the one that opened the
 * view, and nodes, of which each may be changed by one thread at a time.
 */
#ifndef BFS_INDEX_COMMIT_VIEW_H
#define BFS_INDEX_COMMIT_VIEW_H

#include "index/changes.h"
#include "index/session.h"
#include "index/worktree.h"

struct bfs_commit_view {
	struct bfs_session *session;
	struct bfs_worktree *worktree;
	struct bfs_content_reader *reader; /* the worktree's */
	struct bfs_tree *base;		   /* NULL: an empty prefix */
	struct bfs_merge_nodes nodes;
	struct bfs_merge_side ours; /* the worktree's tree, with the nodes */
	struct bfs_ignore *ignore;
	struct bfs_ignore *base_ignore; /* the base's rules, where they were others; else NULL */
};

/* The worktree must be frozen, and stay so until the view is closed. */
int bfs_commit_view_open(
	struct bfs_session *session, struct bfs_commit_view *ret_view, struct bfs_error *error);
void bfs_commit_view_close(struct bfs_commit_view *view);
#define _cleanup_commit_view_ BFS_CLEANUP(bfs_commit_view_close)

/* Appends the bytes of a regular file of the session. -EFBIG where there are more than `limit`. */
int bfs_commit_view_read(const struct bfs_commit_view *view, uint64_t ino, size_t limit,
	struct bfs_buffer *buffer, struct bfs_error *error);

#endif
