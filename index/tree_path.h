/*
 * A tree by path: names relative to the prefix ("lib/pkgconfig/x.pc"; "" is the prefix itself).
 *
 * Symlinks on the way are followed as the kernel would with the tree mounted at its prefix; one that
 * leaves the prefix ends the walk with -EXDEV. At most 40 links are followed (Linux's MAXSYMLINKS): -ELOOP.
 */
#ifndef BFS_INDEX_TREE_PATH_H
#define BFS_INDEX_TREE_PATH_H

#include "index/tree.h"

/* lstat(2): the last component is not followed. */
int bfs_tree_lstat_path(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes);
/* stat(2): it is. */
int bfs_tree_stat_path(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes);

/* The path, relative to the prefix, that stat would end at, whether or not the last name exists there. */
int bfs_tree_resolve_path(struct bfs_tree *tree, const char *path, char **ret_path);

/* readlink(2); allocated. */
int bfs_tree_read_link_path(struct bfs_tree *tree, const char *path, char **ret_target);

/*
 * The path, relative to the prefix, of what a symlink's own text names: one step, nothing on the way resolved
 * ("lib/a" -> "../Cellar/x" gives "Cellar/x"). -EXDEV where it names something outside. Allocated.
 */
int bfs_tree_link_destination(struct bfs_tree *tree, const char *path, char **ret_path);

/* mkdir -p with mode 0755. The attributes of the last directory. -ENOTDIR where something else is in the way. */
int bfs_tree_make_directories(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes);

/* symlink(2); the parent directories must exist. */
int bfs_tree_symlink_path(struct bfs_tree *tree, const char *target, const char *path);

/* Replaces or creates a regular file; an existing one becomes another inode. */
int bfs_tree_write_path(struct bfs_tree *tree, const char *path, mode_t mode, int64_t mtime,
	const struct bfs_content *content);

/* rm -r; a missing path is success. The last component is not followed. */
int bfs_tree_remove_path(struct bfs_tree *tree, const char *path);

/* rename(2). */
int bfs_tree_rename_path(struct bfs_tree *tree, const char *path, const char *new_path);

#endif
