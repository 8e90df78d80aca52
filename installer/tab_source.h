/*
 * What bottles say that they were built with, for a resolution (installer/resolve.h): a dependency
 * that is installed is upgraded only where the bottle needs a newer one. The registry is asked only
 * where that matters: where a dependency is installed and not the latest.
 */
#ifndef BFS_INSTALLER_TAB_SOURCE_H
#define BFS_INSTALLER_TAB_SOURCE_H

#include "index/tree.h"
#include "installer/finder.h"
#include "installer/registry.h"

/* All zero but for what is said to be the caller's; of one thread. */
struct bfs_tab_source {
	struct bfs_finder *finder; /* the caller's; borrowed */
	struct bfs_tree *tree;	   /* the caller's, what is installed; NULL: nothing */
	struct bfs_registry *registry;
	struct bfs_downloader *downloader;
	struct bfs_bottle_manifest *manifest; /* of the last formula asked for */
};

/* The order's tab function; `source` is a struct bfs_tab_source. */
const json_t *bfs_tab_source_get(void *source, const struct bfs_formula *formula);
void bfs_tab_source_release(struct bfs_tab_source *source);

#endif
