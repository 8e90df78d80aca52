/*
 * What a daemon says of itself to whoever asks over its control socket: one JSON document.
 */
#ifndef BFS_FS_REPORT_H
#define BFS_FS_REPORT_H

#include "fs/follow.h"
#include "fs/options.h"
#include "index/cache.h"

struct bfs_report_sources {
	struct bfs_store *store;
	const char *mountpoint;
	const char *ref;
	struct bfs_lineage *lineage;
	struct bfs_follow *follow;
	const struct bfs_stats *stats;
	struct bfs_content_reader *reader;
	const struct bfs_cache *cache; /* NULL without one */
	const struct bfs_mount_options *options;
	unsigned in_force; /* BFS_FEATURE_BITs */
	unsigned threads;
	unsigned readahead; /* KiB */
	int64_t started;    /* seconds since the epoch */
};

/* Allocated; NULL when out of memory. Never waits for the store. */
char *bfs_report_build(const struct bfs_report_sources *sources);

#endif
