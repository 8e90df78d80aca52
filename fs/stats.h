/*
 * What a mount has done since it began: requests by kind with their latencies, and what was asked
 * of the store. Any thread may count at any time.
 */
#ifndef BFS_FS_STATS_H
#define BFS_FS_STATS_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

enum bfs_op {
	BFS_OP_LOOKUP,
	BFS_OP_FORGET,
	BFS_OP_GETATTR,
	BFS_OP_READLINK,
	BFS_OP_OPEN,
	BFS_OP_READ,
	BFS_OP_RELEASE,
	BFS_OP_OPENDIR,
	BFS_OP_READDIR,
	BFS_OP_READDIRPLUS,
	BFS_OP_RELEASEDIR,
	BFS_OP_STATFS,
	BFS_OP_IOCTL,
	BFS_OP_SETATTR,
	BFS_OP_MKNOD,
	BFS_OP_CREATE,
	BFS_OP_MKDIR,
	BFS_OP_SYMLINK,
	BFS_OP_LINK,
	BFS_OP_UNLINK,
	BFS_OP_RMDIR,
	BFS_OP_RENAME,
	BFS_OP_WRITE,
	BFS_OP_FSYNC,
	BFS_OP_FSYNCDIR,
	BFS_OP_FALLOCATE,
	BFS_OP_COPY,
	BFS_OP_LSEEK,
	BFS_OP_SETXATTR,
	BFS_OP_GETXATTR,
	BFS_OP_LISTXATTR,
	BFS_OP_REMOVEXATTR,
	BFS_OP_STORE_READ, /* reads of contents in the store, whatever they were for */
	BFS_OP_COUNT
};

/* Bucket i counts what took less than 2^i microseconds and no less than half of it; the last one,
 * all above. */
#define BFS_STATS_BUCKETS 22

struct bfs_op_stats {
	_Atomic uint64_t count;
	_Atomic uint64_t errors; /* of those, failed; that a name is absent is an answer */
	_Atomic uint64_t ns;	 /* all together */
	_Atomic uint64_t bytes;	 /* handed over */
	_Atomic uint64_t buckets[BFS_STATS_BUCKETS];
};

struct bfs_stats {
	struct bfs_op_stats ops[BFS_OP_COUNT];
	_Atomic uint64_t queued_reads;	/* that had to wait for a responder */
	_Atomic uint64_t switches;	/* to another generation */
	_Atomic uint64_t invalidations; /* told to the kernel */
};

/* Monotonic clock, ns. */
uint64_t bfs_stats_now(void);

/* Counts one operation that began at `started` (bfs_stats_now()). `result`: 0 or a negative errno.
 */
void bfs_stats_add(
	struct bfs_stats *stats, enum bfs_op op, uint64_t started, int result, uint64_t bytes);

/* NULL when out of memory. Kinds that never occurred are left out. */
json_t *bfs_stats_to_json(const struct bfs_stats *stats);

#endif
