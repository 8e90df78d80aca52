/*
 * Earlier generations that the kernel still holds inodes of: which inodes those are, and when the
 * last has gone.
 *
 * Belongs to the thread that switches.
 */
#ifndef BFS_FS_ELDERS_H
#define BFS_FS_ELDERS_H

#include "fs/invalidation.h"
#include "fs/lineage.h"

struct bfs_elders;

/* All borrowed. */
int bfs_elders_new(struct bfs_lineage *lineage, struct fuse_session *session,
	struct bfs_stats *stats, struct bfs_elders **ret_elders);
void bfs_elders_free(struct bfs_elders *elders);

/* Makes room, so that the next bfs_elders_add() cannot fail. */
int bfs_elders_reserve(struct bfs_elders *elders);

/*
 * After a switch: tells the kernel what changed, and keeps the generation that was current before
 * if the kernel still holds inodes of it.
 */
void bfs_elders_add(struct bfs_elders *elders, struct bfs_loaded *loaded,
	struct bfs_invalidation *invalidation);

/* Closes generations of which the kernel holds nothing any more. Returns whether there were any. */
bool bfs_elders_prune(struct bfs_elders *elders);

#endif
