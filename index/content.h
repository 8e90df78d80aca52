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
struct bfs_cache;

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
 * Has packs and objects kept in a local cache, and read there (index/cache.h, index/fetch.h); where
 * that cannot be, in the store as before. To be called before the first read. The cache is borrowed. -ENOMEM.
 */
int bfs_content_reader_use_cache(struct bfs_content_reader *reader, struct bfs_cache *cache);

/*
 * Ends what the reader does in the background, waiting at most `timeout` ms. False where it is stuck in the
 * store: then the reader and what it uses must stay. Needed only with a cache, before it is freed.
 */
bool bfs_content_reader_stop(struct bfs_content_reader *reader, unsigned timeout);

/*
 * Reads up to `length` bytes from `offset` of the content: the count read, 0 at its end, or a negative errno
 * (-EIO where the store's file is shorter than the content says, -ENOENT where it is missing).
 */
ssize_t bfs_content_read(struct bfs_content_reader *reader, const struct bfs_content *content,
	void *ret_data, size_t length, uint64_t offset);

/*
 * A descriptor that holds `length` bytes of the content from `offset` on, at `*ret_position` of the file, for
 * splicing; waits until they are there, where they come from the store into the cache. The other bytes of the
 * content may not be there. It stays valid until bfs_content_close() gives it back under the same `ret_handle`.
 */
int bfs_content_open(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t offset, size_t length, int *ret_fd, uint64_t *ret_position, void **ret_handle);
void bfs_content_close(struct bfs_content_reader *reader, void *handle);

/*
 * Says that these bytes will be asked for soon: they are brought into the cache, or from the disk into memory, in the
 * background. Opening the file is waited for.
 */
void bfs_content_want(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t offset, uint64_t length);

/*
 * Brings the pack or object that holds the content into the cache, and returns when it is there: 1 if it came from
 * the store, 0 if it was there. -EBADMSG where the store's file has another digest, -EFBIG and -ENOSPC where the
 * cache cannot hold it. `ret_bytes`: of the file, if it came.
 */
int bfs_content_bring(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t *ret_bytes);

/* What it did so far. Without a cache only the first three grow. */
struct bfs_content_counts {
	uint64_t open_hits;	/* reads whose file was open */
	uint64_t open_misses;	/* whose file had to be opened */
	uint64_t store_opens;	/* files opened in the store, to be read there */
	uint64_t cache_hits, cache_misses, cache_damaged, cache_kept, cache_evicted; /* files; index/cache.h */
	uint64_t fetch_reads, fetch_bytes, fetch_completed, fetch_failed, fetch_under_way; /* index/fetch.h */
};
void bfs_content_reader_get_counts(
	struct bfs_content_reader *reader, struct bfs_content_counts *ret_counts);

/* Appends the whole content to `buffer` and checks its digest. -EFBIG where it is longer than `limit`. */
int bfs_content_load(struct bfs_content_reader *reader, const struct bfs_content *content,
	size_t limit, struct bfs_buffer *buffer, struct bfs_error *error);

#endif
