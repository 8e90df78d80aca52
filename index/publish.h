/*
 * From one generation to the next.
 *
 *	bfs_publication_begin()		takes the ref's lock (waits, saying so), copies the current
 *index to a local working copy bfs_publication_tree()		the working copy, to be changed
 *	bfs_publication_commit()	writes the index, or what it has that the one before has
 *not, into the store under its digest, then moves the ref
 *	bfs_publication_end()		releases the lock; without a commit nothing has changed
 */
#ifndef BFS_INDEX_PUBLISH_H
#define BFS_INDEX_PUBLISH_H

#include "index/ref.h"
#include "index/tree.h"

struct bfs_publication;

int bfs_publication_begin(struct bfs_store *store, const char *ref,
	struct bfs_publication **ret_publication, struct bfs_error *error);
struct bfs_tree *bfs_publication_tree(struct bfs_publication *publication);
/* The generation it began with; number 0 for a new ref. */
const struct bfs_generation *bfs_publication_base(const struct bfs_publication *publication);
/* Path of the base generation's index on local disk; NULL for a new ref. */
const char *bfs_publication_base_path(const struct bfs_publication *publication);

/*
 * Makes the working copy what the ref was in an earlier generation, of which the number is given:
 * all but the log, and the inode counter, which goes on. Trees got before are closed. -ENOENT where
 * there is no such generation, or it was removed.
 */
int bfs_publication_restore(
	struct bfs_publication *publication, uint64_t number, struct bfs_error *error);

/*
 * `message` goes into the log ("install proj libexif"). All contents must have been committed
 * before, and no transaction may be open. Afterwards the tree can be read, and not be changed any
 * more.
 */
int bfs_publication_commit(struct bfs_publication *publication, const char *message,
	struct bfs_generation *ret_generation, struct bfs_error *error);
void bfs_publication_end(struct bfs_publication *publication);
BFS_DEFINE_CLEANUP(struct bfs_publication *, bfs_cleanup_publication, bfs_publication_end)
#define _cleanup_publication_ BFS_CLEANUP(bfs_cleanup_publication)

/* One line of the generation log, newest first. */
struct bfs_log_entry {
	struct bfs_generation generation;
	int64_t time; /* seconds since the epoch */
	char *message;
	char *host;
};
/* -ENOENT-free: an empty log has count 0. Freed by bfs_log_entries_free(). */
int bfs_publication_log(struct bfs_tree *tree, const struct bfs_generation *current,
	struct bfs_log_entry **ret_entries, size_t *ret_count, struct bfs_error *error);
void bfs_log_entries_free(struct bfs_log_entry *entries, size_t count);

#endif
