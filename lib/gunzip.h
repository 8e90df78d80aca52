/*
 * Streaming gunzip (RFC 1952): Intel's isa-l where configure finds it (HAVE_ISAL), zlib elsewhere.
 *
 *	bfs_gunzip_new()
 *	bfs_gunzip_run()	until all input is consumed and the output was not filled
 *	bfs_gunzip_finish()	after the last byte: whether the stream was whole
 *	bfs_gunzip_free()
 *
 * A stream is one or more members, one after the other, whose outputs are joined; zeros may follow
 * the last one (tapes and block-wise copies leave them), anything else may not. Each member's
 * CRC-32 and length are checked. Memory is constant, about 80 KiB. One thread at a time.
 */
#ifndef BFS_LIB_GUNZIP_H
#define BFS_LIB_GUNZIP_H

#include "lib/cleanup.h"
#include "lib/error.h"

#include <stddef.h>

struct bfs_gunzip;

int bfs_gunzip_new(struct bfs_gunzip **ret_gunzip);
void bfs_gunzip_free(struct bfs_gunzip *gunzip);
BFS_DEFINE_CLEANUP(struct bfs_gunzip *, bfs_cleanup_gunzip, bfs_gunzip_free)
#define _cleanup_gunzip_ BFS_CLEANUP(bfs_cleanup_gunzip)

/*
 * Consumes input from `*data` on, moving `*data` and `*length`, and writes up to `capacity` bytes
 * to `output`; `*ret_produced` is their count. Stops when the input is used up or the output is
 * full; a full output may mean that more follows without further input. -EBADMSG for what is not
 * gzip or is damaged, with the reason in `error`; after that the stream cannot be continued.
 */
int bfs_gunzip_run(struct bfs_gunzip *gunzip, const void **data, size_t *length, void *output,
	size_t capacity, size_t *ret_produced, struct bfs_error *error);

/* -EBADMSG where the input ended within a member, or was empty. */
int bfs_gunzip_finish(const struct bfs_gunzip *gunzip, struct bfs_error *error);

/* "isa-l" or "zlib". */
const char *bfs_gunzip_backend(void);

#endif
