/*
 * SHA-256 (FIPS 180-4) by OpenSSL: the name of everything in a store.
 */
#ifndef BFS_LIB_DIGEST_H
#define BFS_LIB_DIGEST_H

#include "lib/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BFS_DIGEST_SIZE     32 /* bytes */
#define BFS_DIGEST_HEX_SIZE 65 /* characters, the NUL counted */

struct bfs_digest {
	uint8_t bytes[BFS_DIGEST_SIZE];
};

static inline bool bfs_digest_equal(const struct bfs_digest *a, const struct bfs_digest *b)
{
	return memcmp(a->bytes, b->bytes, BFS_DIGEST_SIZE) == 0;
}

/* Lower-case hexadecimal with a NUL. Returns `ret_hex`. */
char *bfs_digest_to_hex(const struct bfs_digest *digest, char ret_hex[BFS_DIGEST_HEX_SIZE]);

/* Parses exactly 64 hexadecimal digits and a NUL. -EINVAL for anything else, NULL included. */
int bfs_digest_from_hex(const char *hex, struct bfs_digest *ret_digest);

/* Digest of a block of memory. -ENOMEM or -EIO where OpenSSL fails. */
int bfs_digest_of(const void *data, size_t length, struct bfs_digest *ret_digest);

/* Digest and size in bytes of what can be read from `fd`, from offset 0; the offset is not moved. */
int bfs_digest_of_fd(int fd, struct bfs_digest *ret_digest, uint64_t *ret_size);

/* A digest in the making: create, update any number of times, finish once, free. Not thread-safe. */
struct bfs_hasher;
int bfs_hasher_new(struct bfs_hasher **ret_hasher);
int bfs_hasher_update(struct bfs_hasher *hasher, const void *data, size_t length);
int bfs_hasher_finish(struct bfs_hasher *hasher, struct bfs_digest *ret_digest);
void bfs_hasher_free(struct bfs_hasher *hasher);
BFS_DEFINE_CLEANUP(struct bfs_hasher *, bfs_cleanup_hasher, bfs_hasher_free)
#define _cleanup_hasher_ BFS_CLEANUP(bfs_cleanup_hasher)

#endif
