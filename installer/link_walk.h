/*
 * The walk through one directory of a keg that makes its links; see installer/link.h, for whose use
 * it is.
 */
#ifndef BFS_INSTALLER_LINK_WALK_H
#define BFS_INSTALLER_LINK_WALK_H

#include "installer/link.h"

struct bfs_link_walk {
	struct bfs_tree *tree;
	const char *keg; /* "Cellar/NAME/VERSION" */
	const struct bfs_link_options *options;
	struct bfs_link_report *report;
	bool collect;  /* go on after a conflict, so that the report lists all */
	int64_t mtime; /* of new links and directories, ns since the epoch */
};

/*
 * Links what is in directory `top` ("share") of the keg, whose inode is `keg_ino`; a keg without it
 * is success. -EEXIST and one more conflict in the report, where something is in the way and
 * `collect` is off.
 */
int bfs_link_walk_top(const struct bfs_link_walk *walk, uint64_t keg_ino, const char *top,
	struct bfs_error *error);

#endif
