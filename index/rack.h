/*
 * The racks of a prefix: what is installed, read from its tree as Homebrew itself would:
 *
 *	Cellar/NAME/VERSION/		a keg; NAME's directory is the rack
 *	opt/NAME			link to the keg that dependents use
 *	var/homebrew/linked/NAME	link to the keg whose files are linked into the prefix
 *	var/homebrew/pinned/NAME	link to the keg that is not to be upgraded
 *
 * A link stands for the keg that its own text names.
 */
#ifndef BFS_INDEX_RACK_H
#define BFS_INDEX_RACK_H

#include "index/tree.h"

#define BFS_CELLAR_DIRECTORY "Cellar"

/* A formula with at least one keg. All strings are owned. */
struct bfs_rack {
	char *name;
	char **versions;	     /* oldest first, as strverscmp(3) orders; NULL-terminated */
	size_t count;		     /* of versions, at least 1 */
	char *linked, *opt, *pinned; /* the versions that the links name; NULL for none */
};

void bfs_rack_release(struct bfs_rack *rack);
#define _cleanup_rack_ BFS_CLEANUP(bfs_rack_release)

/*
 * The formula of that name, of that alias (a link in opt), or, where it is "user/repo/name", of the
 * last part. -ENOENT where it has no keg.
 */
int bfs_rack_find(struct bfs_tree *tree, const char *name, struct bfs_rack *ret_rack);

/* All of them, by name. Freed by bfs_racks_free(). */
int bfs_rack_list(struct bfs_tree *tree, struct bfs_rack **ret_racks, size_t *ret_count);
void bfs_racks_free(struct bfs_rack *racks, size_t count);

/* The version that counts: the linked one, else opt's, else the newest. */
const char *bfs_rack_current(const struct bfs_rack *rack);

/* The attributes of a keg's directory. -ENOENT where there is none. */
int bfs_rack_keg(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_attributes *ret_attributes);

/*
 * Names of files (and links) below a directory, and bytes of them as lstat(2) tells, each inode
 * once: "12 files, 53.2KB" (Homebrew's disk_usage of a keg).
 */
int bfs_rack_usage(
	struct bfs_tree *tree, uint64_t directory, int64_t *ret_files, int64_t *ret_bytes);

#endif
