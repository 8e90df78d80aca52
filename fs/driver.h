/*
 * The read-only driver: requests of the kernel, answered from the loaded generations, and for
 * contents from the store. It keeps nothing per inode, per open file or per open directory
 * (but for passthrough, where that is asked for).
 *
 * Extended attributes are answered ENOSYS, after which the kernel does not ask again: it would
 * otherwise, at every `ls -l` and every exec, since it does not remember that there are none.
 */
#ifndef BFS_FS_DRIVER_H
#define BFS_FS_DRIVER_H

#include "fs/lineage.h"
#include "fs/passthrough.h"
#include "fs/reads.h"
#include "fs/reply.h"
#include "fs/stats.h"

#include <stdatomic.h>

/*
 * Bytes of a READ at most: with its header it has to fit into a pipe of 1 MiB, the most that an
 * ordinary user may have
 * (/proc/sys/fs/pipe-max-size), or it cannot be spliced. Also the mount option max_read, which must
 * be equal.
 */
#define BFS_READ_MAX (512 * 1024)

/* The user data of the session. Everything is borrowed and must outlive it. */
struct bfs_driver {
	struct bfs_lineage *lineage;
	struct bfs_responders *responders;
	struct bfs_reads *reads;
	struct bfs_passthrough *passthrough; /* NULL: not wanted */
	struct bfs_stats *stats;
	struct bfs_look look;
	unsigned background;	   /* reads ahead that the kernel may have under way */
	unsigned wanted;	   /* BFS_FEATURE_BITs */
	int initialised_fd;	   /* eventfd: 1 is added when the kernel's INIT has come */
	_Atomic unsigned in_force; /* BFS_FEATURE_BITs; set by INIT */
};

/* The operations for fuse_session_new(). */
const struct fuse_lowlevel_ops *bfs_driver_operations(void);

#endif
