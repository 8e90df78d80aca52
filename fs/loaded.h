/*
 * A generation, loaded: its index open in as many connections as there are requests at once, so
 * that requests do not wait for each other, with what is computed for this host.
 *
 * A connection that was just used has what is asked for most in its cache, so the one that came
 * back last goes out first: one client is served from one connection, whichever thread answers.
 */
#ifndef BFS_FS_LOADED_H
#define BFS_FS_LOADED_H

#include "fs/host.h"
#include "index/ref.h"

struct bfs_loaded;

/*
 * `path`: the local copy of the index, or NULL for an empty prefix (a ref that was never
 * published). `prefix` as for bfs_host_new(). Opens the first connection.
 */
int bfs_loaded_open(const struct bfs_generation *generation, const char *path, const char *prefix,
	struct bfs_loaded **ret_loaded, struct bfs_error *error);

/* Only when all connections are back. */
void bfs_loaded_close(struct bfs_loaded *loaded);
BFS_DEFINE_CLEANUP(struct bfs_loaded *, bfs_cleanup_loaded, bfs_loaded_close)
#define _cleanup_loaded_ BFS_CLEANUP(bfs_cleanup_loaded)

/*
 * A connection for the caller alone, until bfs_loaded_release(): a free one, else a new one, else
 * (the copy may have been removed from the cache) the next that comes back. Any thread; a caller
 * has one at a time.
 */
int bfs_loaded_acquire(struct bfs_loaded *loaded, struct bfs_tree **ret_tree);
void bfs_loaded_release(struct bfs_loaded *loaded, struct bfs_tree *tree);

/*
 * Remembers with which cookie the listing of a directory of this generation ended: the kernel asks
 * once more after the end, for each directory. Any thread; the last few hundred are remembered.
 */
void bfs_loaded_note_end(struct bfs_loaded *loaded, uint64_t directory, uint64_t cookie);
bool bfs_loaded_is_end(struct bfs_loaded *loaded, uint64_t directory, uint64_t cookie);

/*
 * A connection of the caller's own, for work that takes long and must not keep a request waiting.
 * Closed by bfs_tree_close().
 */
int bfs_loaded_open_tree(
	const struct bfs_loaded *loaded, struct bfs_tree **ret_tree, struct bfs_error *error);

/* Has the index read from the disk in order, before requests ask for it here and there. */
void bfs_loaded_read_ahead(const struct bfs_loaded *loaded);

/* Closes the free connections but one. */
void bfs_loaded_shrink(struct bfs_loaded *loaded);

/*
 * A generation that is no longer the current one notes the names that it answers for, present or
 * absent: the kernel keeps them, although the directory has no place in the prefix any more, and
 * the directory for their sake. Whoever takes the notes is to tell it to forget them. Any thread; a
 * few thousand names are kept, what comes on top of them is left to the kernel.
 */
void bfs_loaded_note_answer(struct bfs_loaded *loaded, uint64_t directory, const char *name);

/*
 * Calls `visit` for each name noted since the last time. Returns whether there was any. No lock is
 * held during the calls.
 */
typedef void bfs_answer_visitor(void *context, uint64_t directory, const char *name, size_t length);
bool bfs_loaded_take_answers(struct bfs_loaded *loaded, bfs_answer_visitor *visit, void *context);

const struct bfs_generation *bfs_loaded_generation(const struct bfs_loaded *loaded);
const struct bfs_host *bfs_loaded_host(const struct bfs_loaded *loaded);

/* Counted at the first call, remembered for the others. Any thread. */
int bfs_loaded_count(struct bfs_loaded *loaded, struct bfs_tree_counts *ret_counts);

#endif
