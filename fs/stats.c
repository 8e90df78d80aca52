#include "fs/stats.h"

#include "lib/json.h"

#include <time.h>

static const char *const names[BFS_OP_COUNT] = {
	[BFS_OP_LOOKUP] = "lookup",
	[BFS_OP_FORGET] = "forget",
	[BFS_OP_GETATTR] = "getattr",
	[BFS_OP_READLINK] = "readlink",
	[BFS_OP_OPEN] = "open",
	[BFS_OP_READ] = "read",
	[BFS_OP_RELEASE] = "release",
	[BFS_OP_OPENDIR] = "opendir",
	[BFS_OP_READDIR] = "readdir",
	[BFS_OP_READDIRPLUS] = "readdirplus",
	[BFS_OP_RELEASEDIR] = "releasedir",
	[BFS_OP_STATFS] = "statfs",
	[BFS_OP_IOCTL] = "ioctl",
	[BFS_OP_SETATTR] = "setattr",
	[BFS_OP_MKNOD] = "mknod",
	[BFS_OP_CREATE] = "create",
	[BFS_OP_MKDIR] = "mkdir",
	[BFS_OP_SYMLINK] = "symlink",
	[BFS_OP_LINK] = "link",
	[BFS_OP_UNLINK] = "unlink",
	[BFS_OP_RMDIR] = "rmdir",
	[BFS_OP_RENAME] = "rename",
	[BFS_OP_WRITE] = "write",
	[BFS_OP_FSYNC] = "fsync",
	[BFS_OP_FSYNCDIR] = "fsyncdir",
	[BFS_OP_FALLOCATE] = "fallocate",
	[BFS_OP_COPY] = "copy",
	[BFS_OP_LSEEK] = "lseek",
	[BFS_OP_SETXATTR] = "setxattr",
	[BFS_OP_GETXATTR] = "getxattr",
	[BFS_OP_LISTXATTR] = "listxattr",
	[BFS_OP_REMOVEXATTR] = "removexattr",
	[BFS_OP_STORE_READ] = "store_read",
};

uint64_t bfs_stats_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int bucket_of(uint64_t ns)
{
	uint64_t us = ns / 1000;
	int bucket = us ? 64 - __builtin_clzll(us) : 0;

	return bucket < BFS_STATS_BUCKETS ? bucket : BFS_STATS_BUCKETS - 1;
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void bfs_stats_add(
	struct bfs_stats *stats, enum bfs_op op, uint64_t started, int result, uint64_t bytes)
{
	struct bfs_op_stats *slot = &stats->ops[op];
	uint64_t ns = bfs_stats_now() - started;

	add(&slot->count, 1);
	if (result < 0)
		add(&slot->errors, 1);
	add(&slot->ns, ns);
	if (bytes)
		add(&slot->bytes, bytes);
	add(&slot->buckets[bucket_of(ns)], 1);
}

static json_int_t get(const _Atomic uint64_t *counter)
{
	return (json_int_t)atomic_load_explicit(counter, memory_order_relaxed);
}

/* {"1": 12, "2": 3}: those below 1 us, below 2 us...; empty buckets are left out. */
static json_t *histogram_to_json(const struct bfs_op_stats *slot)
{
	json_t *object = json_object();

	for (int i = 0; object && i < BFS_STATS_BUCKETS; i++) {
		char bound[24];

		if (get(&slot->buckets[i]) == 0)
			continue;
		snprintf(bound, sizeof(bound), "%llu", 1ull << i);
		json_object_set_new(object, bound, json_integer(get(&slot->buckets[i])));
	}
	return object;
}

static json_t *op_to_json(const struct bfs_op_stats *slot)
{
	return json_pack("{s:I, s:I, s:f, s:I, s:o}", "count", get(&slot->count), "errors",
		get(&slot->errors), "seconds", (double)get(&slot->ns) / 1e9, "bytes",
		get(&slot->bytes), "below_us", histogram_to_json(slot));
}

json_t *bfs_stats_to_json(const struct bfs_stats *stats)
{
	_cleanup_json_ json_t *requests = json_object();

	for (int i = 0; requests && i < BFS_OP_COUNT; i++)
		if (i != BFS_OP_STORE_READ && get(&stats->ops[i].count))
			json_object_set_new(requests, names[i], op_to_json(&stats->ops[i]));
	return json_pack("{s:O, s:o, s:I, s:I, s:I}", "requests", requests, "store_read",
		op_to_json(&stats->ops[BFS_OP_STORE_READ]), "queued_reads",
		get(&stats->queued_reads), "switches", get(&stats->switches), "invalidations",
		get(&stats->invalidations));
}
