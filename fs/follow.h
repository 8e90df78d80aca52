/*
 * Follows a ref: a thread that looks at it, fetches what it leads to, and switches the mount to
 * that.
 *
 * It is the only thread of a mount that may wait for the store without a place for it, and the only
 * one that tells the kernel to forget. A generation that cannot be fetched or read changes nothing:
 * it is logged and tried again, at growing intervals. It also keeps the lease, and closes earlier
 * generations once the kernel has forgotten what only they had.
 */
#ifndef BFS_FS_FOLLOW_H
#define BFS_FS_FOLLOW_H

#include "fs/features.h"
#include "fs/lineage.h"
#include "fs/stats.h"

/* All borrowed. */
struct bfs_follow_config {
	struct bfs_store *store;
	const char *ref;
	const char *mountpoint;
	struct bfs_lineage *lineage;
	struct bfs_stats *stats;
	struct fuse_session *session;
	unsigned interval; /* ms between looks */
};

struct bfs_follow;

/* The ref was read just before, for the generation that is current; it is looked at next after
 * `interval`. */
int bfs_follow_start(const struct bfs_follow_config *config, struct bfs_follow **ret_follow);

/*
 * Ends the thread and removes the lease, waiting at most `timeout` ms. False where it is stuck in
 * the store; then what it uses must stay.
 */
bool bfs_follow_stop(struct bfs_follow *follow, unsigned timeout);

/* Only after it was stopped. */
void bfs_follow_free(struct bfs_follow *follow);

struct bfs_follow_state {
	int64_t switched;  /* seconds since the epoch: when the current generation was put in place
			    */
	int64_t checked;   /* when the ref was last read with success; 0 for never */
	int64_t busy;	   /* since when it has been in the store, likewise; 0: it is not */
	char problem[256]; /* why the mount does not follow; empty if it does */
	char lease[256];   /* why there is no lease; empty if there is one */
};
void bfs_follow_get_state(struct bfs_follow *follow, struct bfs_follow_state *ret_state);

#endif
