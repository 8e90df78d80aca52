/*
 * What a daemon says of itself to whoever asks over its control socket: one JSON document.
 */
#ifndef BFS_FS_REPORT_H
#define BFS_FS_REPORT_H

#include "fs/follow.h"
#include "fs/service.h"
#include "index/cache.h"

struct bfs_report_sources {
	const struct bfs_service_context *context;
	const struct bfs_cache *cache; /* of contents; NULL without one */
	unsigned threads;
	unsigned readahead; /* KiB */
	int64_t started;    /* seconds since the epoch */
};

/* What every mount has; the kind of service adds its own. NULL when out of memory. Never waits for
 * the store. */
json_t *bfs_report_build(const struct bfs_report_sources *sources);

/* What a mount of published generations has besides. `in_force`: BFS_FEATURE_BITs. -ENOMEM. */
int bfs_report_add_published(json_t *document, struct bfs_lineage *lineage,
	struct bfs_follow *follow, unsigned in_force);

/* {"zero_open": true...} */
json_t *bfs_report_features(unsigned in_force);

#endif
