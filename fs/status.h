/*
 * What there is to know of mounts and stores, as JSON: what `brewfs status --json` prints, and what
 *its text is made of.
 *
 *	{"mounts": [{"mountpoint", "source", "options", "owner", "running", "problem", "daemon":
 *{...}}], "store": {"path", "uuid", "prefix", "refs": [...], "leases": [...]}}
 */
#ifndef BFS_FS_STATUS_H
#define BFS_FS_STATUS_H

#include "fs/mountinfo.h"

#include <jansson.h>

/*
 * All brewfs mounts, or the one at `mountpoint`, with what their daemons answer. Touches neither
 * mounts nor stores.
 */
int bfs_status_mounts(const struct bfs_mounts *mounts, const char *mountpoint, json_t **ret_array);

/* A store, its refs and leases. Waits for the store, and may fetch an index into the cache. */
int bfs_status_store(const char *path, json_t **ret_object, struct bfs_error *error);

#endif
