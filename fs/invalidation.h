/*
 * What the kernel must be told to forget when one generation takes the place of another: the names
 *that changed, the listings they are in, the attributes that changed. Nothing else, so that what is
 *cached stays cached.
 *
 *	bfs_invalidation_collect()	before the switch: compares the two
 *	bfs_invalidation_send()		after it, when no answer from the old generation is under
 *way
 *
 * Sending waits for the kernel's directory locks, and the holder of such a lock may be waiting for
 *an answer of ours: so it is done by a thread that answers no requests and holds nothing that one
 *who does may wait for.
 */
#ifndef BFS_FS_INVALIDATION_H
#define BFS_FS_INVALIDATION_H

#include "fs/features.h"
#include "fs/loaded.h"
#include "fs/stats.h"

/* Changes are remembered up to this many bytes; if there are more, the comparison is made once more
 * to send them. */
#define BFS_INVALIDATION_MEMORY (8 * 1024 * 1024)

struct bfs_invalidation;

/* The generations are borrowed until the last call. */
int bfs_invalidation_new(struct bfs_loaded *old_loaded, struct bfs_loaded *new_loaded,
	struct bfs_invalidation **ret_invalidation);
void bfs_invalidation_free(struct bfs_invalidation *invalidation);
BFS_DEFINE_CLEANUP(struct bfs_invalidation *, bfs_cleanup_invalidation, bfs_invalidation_free)
#define _cleanup_invalidation_ BFS_CLEANUP(bfs_cleanup_invalidation)

/* -EUCLEAN where one of the indexes is damaged. */
int bfs_invalidation_collect(struct bfs_invalidation *invalidation, struct bfs_error *error);

/* A list of inode numbers. */
struct bfs_inos {
	uint64_t *inos;
	size_t count;
};

/*
 * `ret_survivors`: the inodes that the new generation does not have and the kernel still holds,
 * because something has them open, mapped or as working directory. Its memory belongs to the
 * caller. On an error (-ENOMEM, or the index cannot be read any more) the list is incomplete.
 */
int bfs_invalidation_send(struct bfs_invalidation *invalidation, struct fuse_session *session,
	struct bfs_stats *stats, struct bfs_inos *ret_survivors);

/*
 * The same list made anew, later: the inodes that `old_loaded` has, `new_loaded` has not, and the
 * kernel holds.
 */
int bfs_invalidation_find_survivors(struct bfs_loaded *old_loaded, struct bfs_loaded *new_loaded,
	struct fuse_session *session, struct bfs_inos *ret_survivors);

/* Whether the kernel holds the inode. As a side effect it asks for the attributes again. */
bool bfs_invalidation_probe(struct fuse_session *session, uint64_t ino);

/* Tells of one name. */
void bfs_invalidation_send_name(struct fuse_session *session, struct bfs_stats *stats,
	uint64_t directory, const char *name, size_t length);

/* Tells of everything in one directory: the names given (NULL-terminated), the listing, the
 * attributes. */
void bfs_invalidation_send_directory(
	struct fuse_session *session, struct bfs_stats *stats, uint64_t ino, char *const *names);

#endif
