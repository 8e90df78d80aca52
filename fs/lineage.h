/*
 * The loaded generations of a mount, the current one first: which of them answers for an inode, and
 * the switch from one to the next.
 *
 * An inode number never comes back with other content, so the newest generation that has a number
 * answers for it: the current one, and for what the kernel still holds of earlier ones (open files,
 * mapped libraries, working directories) the one it came from. Nothing is remembered per inode.
 *
 * Responders answer each request between bfs_lineage_enter() and bfs_lineage_leave(), reply
 * included; a switch waits until all are out. So after it no answer from the old state is under
 * way, and what the kernel is then told to forget stays forgotten. Nothing in between may wait for
 * the store or for the kernel.
 */
#ifndef BFS_FS_LINEAGE_H
#define BFS_FS_LINEAGE_H

#include "fs/loaded.h"

/* Earlier generations kept at most. One takes a few hundred KiB and two descriptors. */
#define BFS_LINEAGE_MAX 64

struct bfs_lineage;

/* Takes `first` over, on success. */
int bfs_lineage_new(struct bfs_loaded *first, struct bfs_lineage **ret_lineage);
void bfs_lineage_free(struct bfs_lineage *lineage);
BFS_DEFINE_CLEANUP(struct bfs_lineage *, bfs_cleanup_lineage, bfs_lineage_free)
#define _cleanup_lineage_ BFS_CLEANUP(bfs_cleanup_lineage)

/* Not nested. */
void bfs_lineage_enter(struct bfs_lineage *lineage);
void bfs_lineage_leave(struct bfs_lineage *lineage);

/* --- between enter and leave, and for the thread that switches at any time --- */

/* Generation `i`, 0 the current one, newest first; NULL past the last. Borrowed. */
struct bfs_loaded *bfs_lineage_at(const struct bfs_lineage *lineage, size_t i);

/* What an inode number stands for. */
struct bfs_node {
	struct bfs_loaded *loaded;	      /* the generation that answers for it; borrowed */
	const struct bfs_host_name *computed; /* NULL where it is in the tree */
	struct bfs_attributes attributes;
};

/* -ESTALE for a number that no generation has. */
int bfs_lineage_find(struct bfs_lineage *lineage, uint64_t ino, struct bfs_node *ret_node);

/*
 * Where the bytes of a regular file lie: bfs_lineage_find() and bfs_tree_content() at once, for
 * inodes of trees. -EISDIR or -EINVAL for other types.
 */
int bfs_lineage_content(struct bfs_lineage *lineage, uint64_t ino, struct bfs_content *ret_content);

/*
 * The attributes of a name in a directory. -ENOENT where it is absent, -ESTALE where the directory
 * is unknown. `ret_current`, set in both cases but the last: whether the directory is of the
 * current generation. If not, the kernel must not remember the answer: nobody would tell it to
 * forget, and it would hold on to the directory for it.
 */
int bfs_lineage_lookup(struct bfs_lineage *lineage, uint64_t parent, const char *name,
	struct bfs_attributes *ret_attributes, bool *ret_current);

/* --- for the one thread that switches --- */

/* Makes `next` the current generation and takes it over; the one before gives up most of its
 * connections. Waits for the requests. -ENOMEM. */
int bfs_lineage_switch(struct bfs_lineage *lineage, struct bfs_loaded *next);

/* Closes an earlier generation. Waits for the requests. */
void bfs_lineage_drop(struct bfs_lineage *lineage, struct bfs_loaded *loaded);

#endif
