/*
 * Answers to READDIR and READDIRPLUS. A listing has no state of its own: each answer goes on from
 * the cookie that the kernel gives, whatever happened in between, opened or not.
 *
 * Cookies: 1 is ".", 2 is "..", then the computed names (fs/host.h), then the tree's from
 * BFS_TREE_COOKIE_FIRST.
 */
#ifndef BFS_FS_LISTING_H
#define BFS_FS_LISTING_H

#include "fs/lineage.h"
#include "fs/reply.h"
#include "fs/responders.h"

/*
 * Fills the responder's scratch buffer with at most `size` bytes of entries after `cookie`, in the
 * form that fuse_reply_buf() takes; an empty one at the end. -ENOTDIR, -ESTALE, or what the index
 * says. Between bfs_lineage_enter() and bfs_lineage_leave().
 */
int bfs_listing_fill(struct bfs_lineage *lineage, struct bfs_responder *responder,
	fuse_req_t request, const struct bfs_look *look, uint64_t ino, uint64_t cookie, size_t size,
	bool plus);

#endif
