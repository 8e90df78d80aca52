/*
 * READ requests whose bytes lie in the store.
 *
 * The store may be slow or stuck, so only so many responders are in it at once. A request that
 * comes when all places are taken waits in a queue, and its responder goes on to the next request;
 * whoever leaves the store takes the queue along first. So a few responders are always free to
 * answer from the index.
 */
#ifndef BFS_FS_READS_H
#define BFS_FS_READS_H

#include "fs/foresight.h"
#include "fs/stats.h"
#include "fs/responders.h"
#include "index/content.h"

struct bfs_reads;

/* `places`: responders in the store at once. The reader and the stats are borrowed. */
int bfs_reads_new(struct bfs_content_reader *reader, struct bfs_stats *stats, unsigned places,
	struct bfs_reads **ret_reads);
void bfs_reads_free(struct bfs_reads *reads);

/*
 * `splice`: big reads go from file to kernel without a copy of ours. `single_cache`: what was
 * handed over of an object goes from the page cache of the store, as the mount's has it now. Both
 * are off at first, and to be set before the first request.
 */
void bfs_reads_configure(struct bfs_reads *reads, bool splice, bool single_cache);

/* Who is told when a program or a library is read from its beginning; NULL for nobody. Before the
 * first request. */
void bfs_reads_set_foresight(struct bfs_reads *reads, struct bfs_foresight *foresight);

/*
 * Answers the request, now or later, by this responder or another, and counts it as begun at
 * `started`. `offset + size` lies within the content and `size` is not 0.
 */
void bfs_reads_submit(struct bfs_reads *reads, struct bfs_responder *responder, fuse_req_t request,
	const struct bfs_content *content, uint64_t offset, size_t size, uint64_t started);

#endif
