/*
 * A bounded queue of blocks of bytes between two threads: one fills blocks, the other reads them
 * in order. Blocks are filled and read in place; nothing is copied. Its memory is block_size *
 * block_count, and the producer waits while all of it is full.
 *
 *	producer				consumer
 *	bfs_byte_queue_reserve()		bfs_byte_queue_take()
 *	... fills the block ...			... reads the bytes, then takes again ...
 *	bfs_byte_queue_commit()
 *	... and so on; at last
 *	bfs_byte_queue_end()			bfs_byte_queue_cancel() when it wants no more
 *
 * Either side may stop first: an end with a negative errno reaches the consumer at once, before
 * blocks that it has not taken yet; a cancellation reaches the producer at its next reserve.
 */
#ifndef BFS_LIB_BYTE_QUEUE_H
#define BFS_LIB_BYTE_QUEUE_H

#include "lib/cleanup.h"

#include <stddef.h>
#include <sys/types.h>

struct bfs_byte_queue;

/* `block_size` bytes > 0; `block_count` >= 2, for both sides to work at a time. -EINVAL, -ENOMEM. */
int bfs_byte_queue_new(size_t block_size, size_t block_count, struct bfs_byte_queue **ret_queue);

/* Only when neither side uses it any more. */
void bfs_byte_queue_free(struct bfs_byte_queue *queue);
BFS_DEFINE_CLEANUP(struct bfs_byte_queue *, bfs_cleanup_byte_queue, bfs_byte_queue_free)
#define _cleanup_byte_queue_ BFS_CLEANUP(bfs_cleanup_byte_queue)

size_t bfs_byte_queue_block_size(const struct bfs_byte_queue *queue);

/*
 * Producer: waits for an empty block of bfs_byte_queue_block_size() bytes. The same one is returned
 * until it is committed. -ECANCELED once the consumer gave up.
 */
int bfs_byte_queue_reserve(struct bfs_byte_queue *queue, void **ret_block);

/* Producer: hands over the first `length` bytes of the reserved block; 0 leaves it reserved. */
void bfs_byte_queue_commit(struct bfs_byte_queue *queue, size_t length);

/*
 * Producer: no block will follow. `code` is 0 at the regular end, else the negative errno that the
 * consumer is to get instead of what is still queued. The first call counts.
 */
void bfs_byte_queue_end(struct bfs_byte_queue *queue, int code);

/*
 * Consumer: waits for the next block; the bytes stay valid until the next call. Returns their
 * count, 0 at the end, the code given to bfs_byte_queue_end(), or -ECANCELED after
 * bfs_byte_queue_cancel().
 */
ssize_t bfs_byte_queue_take(struct bfs_byte_queue *queue, const void **ret_data);

/* Consumer: wants no more; a waiting or later producer gets -ECANCELED. */
void bfs_byte_queue_cancel(struct bfs_byte_queue *queue);

#endif
