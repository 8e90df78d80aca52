/*
 * The second half of a bottle's way (bottle.h): from the tar's bytes, which another thread puts
 * into a queue, to a keg's tree and to contents in a writer.
 *
 *	bfs_bottle_unpack_new()
 *	bfs_bottle_unpack_run()		in a thread of its own: until the queue ends
 *	bfs_bottle_unpack_finish()	once the bottle's digest is known to be right
 *	bfs_bottle_unpack_free()
 *
 * It is libarchive that reads the tar, with no format but tar (ustar, pax, GNU) and no filter.
 */
#ifndef BFS_INSTALLER_BOTTLE_UNPACK_H
#define BFS_INSTALLER_BOTTLE_UNPACK_H

#include "installer/bottle.h"
#include "lib/byte_queue.h"

struct bfs_bottle_unpack;

/* The order and the writer must outlive it. */
int bfs_bottle_unpack_new(const struct bfs_bottle_order *order, struct bfs_writer *writer,
	struct bfs_bottle_unpack **ret_unpack, struct bfs_error *error);
void bfs_bottle_unpack_free(struct bfs_bottle_unpack *unpack);
BFS_DEFINE_CLEANUP(struct bfs_bottle_unpack *, bfs_cleanup_bottle_unpack, bfs_bottle_unpack_free)
#define _cleanup_bottle_unpack_ BFS_CLEANUP(bfs_cleanup_bottle_unpack)

/*
 * Takes everything from the queue. -EBADMSG for a bad archive, with the reason; -ECANCELED, without
 * one, when the producer ended the queue with an error; else what the store said.
 */
int bfs_bottle_unpack_run(struct bfs_bottle_unpack *unpack, struct bfs_byte_queue *queue,
	struct bfs_error *error);

/*
 * Relocates what had to wait and completes the tree; the contents are still to be committed. The
 * keg's tree and tab are the caller's.
 */
int bfs_bottle_unpack_finish(struct bfs_bottle_unpack *unpack, struct bfs_keg_tree *ret_keg,
	struct bfs_error *error);

#endif
