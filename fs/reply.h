/*
 * From what the index says to what the kernel is told: the one place where negative errnos become
 * replies.
 */
#ifndef BFS_FS_REPLY_H
#define BFS_FS_REPLY_H

#include "fs/features.h"
#include "index/tree.h"

/*
 * How the files of a mount look. The kernel is told to keep names and attributes for `timeout`
 * seconds; BFS_REPLY_FOREVER is what it takes for ever (it counts in jiffies, so not the largest
 * number there is).
 */
#define BFS_REPLY_FOREVER 1e9

struct bfs_look {
	uid_t uid;
	gid_t gid;
	double timeout;
};

/* Answers with an error, a negative errno. A damaged index (-EUCLEAN) is EIO to programs, and noted
 * in the log. */
void bfs_reply_error(fuse_req_t request, int error);

void bfs_reply_fill_stat(const struct bfs_look *look, const struct bfs_attributes *attributes,
	struct stat *ret_stat);

/* What a LOOKUP or READDIRPLUS says of a name. */
void bfs_reply_fill_entry(const struct bfs_look *look, const struct bfs_attributes *attributes,
	struct fuse_entry_param *ret_entry);

#endif
