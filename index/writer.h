/*
 * Puts contents into a store: hashes them, leaves out what is there already, packs the small ones,
 * writes the big ones in parallel, and makes all of it durable at once.
 *
 *	bfs_writer_new()	a directory of its own under staging/, locked while the writer lives
 *	bfs_writer_add...()	any number of times; the contents are usable in a tree at once
 *	bfs_writer_commit()	syncs the staged files, gives them their names, syncs the
 *directories bfs_writer_free()	removes what was not committed
 *
 * Nothing has its final name in the store before its bytes are durable. A writer belongs to one
 *thread; several may write into one store at once. Memory: at most BFS_WRITER_MEMORY bytes of
 *contents on their way, whatever their size, and about 100 bytes for each content added.
 */
#ifndef BFS_INDEX_WRITER_H
#define BFS_INDEX_WRITER_H

#include "index/store.h"
#include "index/tree.h"

/* Enough for some objects under way; an install has up to 16 writers. */
#define BFS_WRITER_MEMORY (8 * 1024 * 1024)

struct bfs_writer;

/*
 * `base`, which may be NULL, is a published tree whose contents need not be put again; it is used
 * by the writer's thread alone and must outlive it.
 */
int bfs_writer_new(struct bfs_store *store, struct bfs_tree *base, struct bfs_writer **ret_writer,
	struct bfs_error *error);
void bfs_writer_free(struct bfs_writer *writer);
BFS_DEFINE_CLEANUP(struct bfs_writer *, bfs_cleanup_writer, bfs_writer_free)
#define _cleanup_writer_ BFS_CLEANUP(bfs_cleanup_writer)

/*
 * Adds a content held in memory; it is copied. `mode` are the permission bits of the file it is
 * for. The place in `ret_content` is provisional (its pack has no name yet) until
 * bfs_writer_commit().
 */
int bfs_writer_add(struct bfs_writer *writer, const void *data, size_t length, mode_t mode,
	struct bfs_content *ret_content, struct bfs_error *error);

/*
 * For contents too big for memory: a new staged file, open for reading and writing, whose bytes the
 * caller writes; then bfs_writer_add_staged() hashes it and takes it over (the descriptor is closed
 * in any case).
 */
int bfs_writer_stage(
	struct bfs_writer *writer, int *ret_fd, char **ret_name, struct bfs_error *error);
int bfs_writer_add_staged(struct bfs_writer *writer, int fd, const char *name, mode_t mode,
	struct bfs_content *ret_content, struct bfs_error *error);

/*
 * Makes everything added so far durable and names it; then renames the provisional packs in each of
 * the `count` trees that hold its contents. The writer can be used on.
 */
int bfs_writer_commit(
	struct bfs_writer *writer, struct bfs_tree **trees, size_t count, struct bfs_error *error);

struct bfs_writer_counts {
	uint64_t added;	 /* contents added */
	uint64_t reused; /* of them, known before or added twice */
	uint64_t bytes;	 /* written into the store */
};
void bfs_writer_get_counts(const struct bfs_writer *writer, struct bfs_writer_counts *ret_counts);

#endif
