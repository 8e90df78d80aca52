/*
 * Where the bytes of a regular file lie in a store, and how to read them.
 *
 * Contents of 64 KiB and more are objects, files of their own; smaller ones lie in packs. The empty
 * content is neither: it has size 0 and no place.
 */
#ifndef BFS_INDEX_CONTENT_H
#define BFS_INDEX_CONTENT_H

#include "lib/buffer.h"
#include "lib/digest.h"
#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* From this size, in bytes, a content is an object: reading it costs more than finding it. */
#define BFS_CONTENT_PACK_LIMIT (64 * 1024)

/* No file is larger: what EFS holds (47.9 TiB, EFS limits), rounded down. */
#define BFS_CONTENT_SIZE_MAX (UINT64_C(47) << 40)

struct bfs_content {
	struct bfs_digest digest;	/* SHA-256 of the bytes */
	uint64_t size;			/* bytes */
	bool executable;		/* objects only: the variant whose file has mode 0555 */
	bool packed;			/* in `pack` at `offset`, else an object */
	struct bfs_digest pack;		/* name of the pack */
	uint64_t offset;		/* bytes from the start of the pack */
};

struct bfs_store;

/*
 * Reads contents of one store. Thread-safe. Keeps the most recently used descriptors open, a bounded number
 * of them, since the limit of open files may be low. The store must outlive it.
 */
struct bfs_content_reader;

int bfs_content_reader_new(struct bfs_store *store, struct bfs_content_reader **ret_reader);
void bfs_content_reader_free(struct bfs_content_reader *reader);
BFS_DEFINE_CLEANUP(struct bfs_content_reader *, bfs_cleanup_content_reader, bfs_content_reader_free)
#define _cleanup_content_reader_ BFS_CLEANUP(bfs_cleanup_content_reader)

/*
 * Reads up to `length` bytes from `offset` of the content: the count read, 0 at its end, or a negative errno
 * (-EIO where the store's file is shorter than the content says, -ENOENT where it is missing).
 */
ssize_t bfs_content_read(struct bfs_content_reader *reader, const struct bfs_content *content,
	void *ret_data, size_t length, uint64_t offset);

/*
 * A descriptor that holds the content's bytes from `*ret_offset` on, for splicing. It stays valid until
 * bfs_content_close() gives it back under the same `ret_handle`.
 */
int bfs_content_open(struct bfs_content_reader *reader, const struct bfs_content *content,
	int *ret_fd, uint64_t *ret_offset, void **ret_handle);
void bfs_content_close(struct bfs_content_reader *reader, void *handle);

/* Appends the whole content to `buffer` and checks its digest. -EFBIG where it is longer than `limit`. */
int bfs_content_load(struct bfs_content_reader *reader, const struct bfs_content *content,
	size_t limit, struct bfs_buffer *buffer, struct bfs_error *error);

#endif
