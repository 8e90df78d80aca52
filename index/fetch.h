/*
 * Packs and objects on their way from a slow store into the local cache.
 *
 *	bfs_fetch_begin()	joins the fetch of that file, or begins one
 *	bfs_fetch_wait()	until these bytes are in the local file, bfs_fetch_fd()
 *	bfs_fetch_release()	the fetch goes on without its user
 *
 * A file is fetched in blocks. Who waits for a block that nobody is at reads it himself, so the
 * first bytes come with the first answer of the store. Threads of the fetcher bring the rest, in
 * reads of 1 MiB, several at once: of a pack at once, since its neighbours are asked for next; of
 * an object what bfs_fetch_want() named and what lies ahead of a reader that goes through it in
 * order, and the remainder when nobody waits for the store. Then, too, what is complete is checked and
 * kept in the cache (index/cache.h).
 *
 * Bytes are handed out as they come, before the whole can be checked, as they would be by the
 * store itself; what turns out not to have its digest is dropped, logged, and not fetched again for
 * a minute. All functions may be called from any thread.
 */
#ifndef BFS_INDEX_FETCH_H
#define BFS_INDEX_FETCH_H

#include "index/cache.h"
#include "index/store.h"

struct bfs_fetcher;
struct bfs_fetch;

/* Both are borrowed and must outlive it. Starts no thread before there is work. */
int bfs_fetcher_new(
	struct bfs_store *store, struct bfs_cache *cache, struct bfs_fetcher **ret_fetcher);

/*
 * Ends the threads, waiting at most `timeout` ms: false where one is stuck in the store, and what
 * it uses must stay. Fetches that are not complete are given up.
 */
bool bfs_fetcher_stop(struct bfs_fetcher *fetcher, unsigned timeout);

/* Only when stopped, and no fetch is in use. */
void bfs_fetcher_free(struct bfs_fetcher *fetcher);

/*
 * The fetch of the pack or object that holds the content. Waits for the store to open it. -EFBIG,
 * -ENOSPC and others where it cannot be kept, -EAGAIN where it was tried in vain a short time ago
 * or too many are under way: then the store is to be read instead, which may say -ENOENT as well.
 */
int bfs_fetch_begin(struct bfs_fetcher *fetcher, const struct bfs_content *content,
	struct bfs_fetch **ret_fetch);

/* Begins it if nobody has, in the background, and wants these bytes of the file soon. */
void bfs_fetch_want(struct bfs_fetcher *fetcher, const struct bfs_content *content, uint64_t offset,
	uint64_t length);

/* The local file; open as long as the fetch is in use. */
int bfs_fetch_fd(const struct bfs_fetch *fetch);

/* Bytes of the file. */
uint64_t bfs_fetch_size(const struct bfs_fetch *fetch);

/*
 * Waits until `length` bytes from `offset` are there; what lies behind the end is not waited for.
 * An error of the store, or of the cache: the store may still be read then.
 */
int bfs_fetch_wait(struct bfs_fetch *fetch, uint64_t offset, uint64_t length);

/* Waits until it is in the cache, asking for all of it. -EBADMSG where its digest is another one.
 */
int bfs_fetch_finish(struct bfs_fetch *fetch);

void bfs_fetch_release(struct bfs_fetch *fetch);

struct bfs_fetch_counts {
	uint64_t reads;	    /* of the store */
	uint64_t bytes;	    /* read there */
	uint64_t completed; /* files */
	uint64_t failed;    /* files given up */
	uint64_t under_way; /* files */
};
void bfs_fetcher_get_counts(struct bfs_fetcher *fetcher, struct bfs_fetch_counts *ret_counts);

#endif
