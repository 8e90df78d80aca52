/*
 * Copies of a store's packs and objects on the local disk, for stores that are slow for each
 * operation. Contents are named by their digests, so one cache serves any number of stores, mounts
 * and processes of a host at once.
 *
 *	CACHE/packs/<sha256>.pack	whole packs
 *	CACHE/objects/ab/<sha256>	whole objects, executable or not
 *	CACHE/incoming/			files on their way; garbage an hour after their last change
 *	CACHE/lock			held by whoever makes room
 *
 * A file gets its name when its digest has matched and it is on the disk. Its modification time is
 * then set to one that follows from the digest, and any write or truncation changes that: a file
 * with another time, size or owner is none of ours, and is fetched again. The access time tells
 * when it was last of use; it is set by hand, since most mounts do not keep it.
 *
 * Nothing here is needed for a read to succeed: whoever gets an error goes to the store. All
 * functions may be called from any thread.
 */
#ifndef BFS_INDEX_CACHE_H
#define BFS_INDEX_CACHE_H

#include "index/content.h"

struct bfs_cache;

struct bfs_cache_config {
	const char *directory; /* as bfs_cache_directory() gives it */
	uint64_t quota;	       /* bytes that the files may take; 0: a tenth of the filesystem */
	bool verify;	       /* hash a file whenever it is opened */
};

/* Makes the directories. -EACCES, -EROFS, -ENOSPC... where nothing can be kept there. */
int bfs_cache_new(const struct bfs_cache_config *config, struct bfs_cache **ret_cache);
void bfs_cache_free(struct bfs_cache *cache);
BFS_DEFINE_CLEANUP(struct bfs_cache *, bfs_cleanup_cache, bfs_cache_free)
#define _cleanup_cache_ BFS_CLEANUP(bfs_cleanup_cache)

/*
 * Whether a copy can be expected to be faster than the directory `store_fd` itself: it is on a
 * network filesystem or on FUSE, by its type in statfs(2).
 */
bool bfs_cache_suits(int store_fd);

/* Bytes that the files may take. */
uint64_t bfs_cache_quota(const struct bfs_cache *cache);

/*
 * The copy of the pack or object that holds the content, open to read. -ENOENT where there is none
 * that is right; a wrong one is removed.
 */
int bfs_cache_open(struct bfs_cache *cache, const struct bfs_content *content, int *ret_fd);

/*
 * A new file of `size` zero bytes, to be filled. `ret_name` is allocated, for one of the two below.
 * -EFBIG where the file would take more than a quarter of the quota, -ENOSPC where the disk would
 * be nearly full.
 */
int bfs_cache_stage(struct bfs_cache *cache, uint64_t size, int *ret_fd, char **ret_name);

/*
 * Checks the bytes of a filled file, syncs it and gives it its name; `fd` stays open and usable.
 * Makes room if need be. -EBADMSG where the digest is another one. On failure the name is removed.
 */
int bfs_cache_keep(struct bfs_cache *cache, const struct bfs_content *content, int fd,
	const char *name, uint64_t size);
void bfs_cache_discard(struct bfs_cache *cache, const char *name);

struct bfs_cache_counts {
	uint64_t hits;	  /* opened here */
	uint64_t misses;  /* not here */
	uint64_t damaged; /* of those, here but not right */
	uint64_t kept;	  /* files that were put in */
	uint64_t evicted; /* files that were removed to make room */
};
void bfs_cache_get_counts(const struct bfs_cache *cache, struct bfs_cache_counts *ret_counts);

#endif
