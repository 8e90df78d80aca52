/*
 * From the tree of a generation into the plan of an export: names with the links that lead to them,
 * and directories with all that is below.
 */
#ifndef BFS_INSTALLER_EXPORT_WALK_H
#define BFS_INSTALLER_EXPORT_WALK_H

#include "installer/export_plan.h"

struct bfs_export_walk {
	struct bfs_tree *tree;
	struct bfs_export_plan *plan;
	bool closure; /* what links lead to is wanted as well, see bfs_export_walk_links() */
};

/*
 * Adds a name, and what it leads to: each symlink on the way, and the file or the (empty) directory
 * at its end, whose path without links is returned unless `ret_real` is NULL. -ENOENT, -ENOTDIR,
 * -ELOOP, or -EXDEV where the way leaves the prefix; what was passed until then stays added.
 */
int bfs_export_walk_name(struct bfs_export_walk *walk, const char *path, char **ret_real);

/* The same, and everything below where it leads to a directory. */
int bfs_export_walk_below(struct bfs_export_walk *walk, const char *path);

/*
 * With `closure`: adds what the links that bfs_export_walk_below() found lead to, until nothing is
 * new. Links on the way to a name lead to that.
 */
int bfs_export_walk_links(struct bfs_export_walk *walk);

/*
 * Where a path ends, as stat(2) would find it, without adding anything. Attributes of a regular
 * file or directory; -ENOENT for whatever is not there.
 */
int bfs_export_walk_stat(
	struct bfs_export_walk *walk, const char *path, struct bfs_attributes *ret_attributes);

/* The path without links of where it ends; allocated. -ENOENT likewise. */
int bfs_export_walk_real(struct bfs_export_walk *walk, const char *path, char **ret_real);

#endif
