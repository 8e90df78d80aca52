/*
 * A generation, loaded: its index open in one connection a responder, so that responders do not
 * wait for each other, with what is computed for this host.
 *
 * A loaded generation begins as the current one; when another takes its place it is retired, if the
 * kernel still knows inodes that only it has: one connection is left then, and responders take
 * turns.
 */
#ifndef BFS_FS_LOADED_H
#define BFS_FS_LOADED_H

#include "fs/host.h"
#include "index/ref.h"

struct bfs_loaded;

/*
 * `path`: the local copy of the index, or NULL for an empty prefix (a ref that was never
 * published). `prefix` as for bfs_host_new(). Opens the connection of responder `responders - 1`,
 * which is also the one that opened it.
 */
int bfs_loaded_open(const struct bfs_generation *generation, const char *path, const char *prefix,
	unsigned responders, struct bfs_loaded **ret_loaded, struct bfs_error *error);
void bfs_loaded_close(struct bfs_loaded *loaded);
BFS_DEFINE_CLEANUP(struct bfs_loaded *, bfs_cleanup_loaded, bfs_loaded_close)
#define _cleanup_loaded_ BFS_CLEANUP(bfs_cleanup_loaded)

/*
 * The responder's connection, opened at its first use, until bfs_loaded_release(). A responder must
 * not ask again in between.
 */
int bfs_loaded_acquire(struct bfs_loaded *loaded, unsigned responder, struct bfs_tree **ret_tree);
void bfs_loaded_release(struct bfs_loaded *loaded);

/* Opens the connections of all responders, so that none has to at its first request. */
int bfs_loaded_prepare(struct bfs_loaded *loaded);

/* A connection of the caller's own, for work that must not keep a responder waiting. Closed by
 * bfs_tree_close(). */
int bfs_loaded_open_tree(
	const struct bfs_loaded *loaded, struct bfs_tree **ret_tree, struct bfs_error *error);

/*
 * A retired generation notes the names that it answers for, present or absent: the kernel keeps
 * them, although the directory has no place in the prefix any more, and the directory for their
 * sake. Whoever takes the notes is to tell it to forget them. Any thread; a few thousand names are
 * kept, what comes on top of them is left to the kernel.
 */
void bfs_loaded_note_answer(struct bfs_loaded *loaded, uint64_t directory, const char *name);

/*
 * Calls `visit` for each name noted since the last time. Returns whether there was any. No lock is
 * held during the calls.
 */
typedef void bfs_answer_visitor(void *context, uint64_t directory, const char *name, size_t length);
bool bfs_loaded_take_answers(struct bfs_loaded *loaded, bfs_answer_visitor *visit, void *context);

/* Closes all connections but one. Only while no responder has one. */
void bfs_loaded_retire(struct bfs_loaded *loaded);

const struct bfs_generation *bfs_loaded_generation(const struct bfs_loaded *loaded);
const struct bfs_host *bfs_loaded_host(const struct bfs_loaded *loaded);

/* Counted at the first call, remembered for the others. Any responder; with `tree` acquired. */
int bfs_loaded_count(
	struct bfs_loaded *loaded, struct bfs_tree *tree, struct bfs_tree_counts *ret_counts);

#endif
