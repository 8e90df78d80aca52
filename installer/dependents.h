/*
 * Installed formulae that depend on what is about to be upgraded and are not the latest themselves:
 * `brew install` upgrades them too (Homebrew upgrade.rb#dependants), since a library's new version
 * may not be what their old ones were linked with.
 */
#ifndef BFS_INSTALLER_DEPENDENTS_H
#define BFS_INSTALLER_DEPENDENTS_H

#include "installer/finder.h"
#include "installer/resolve.h"

/*
 * Adds the names of those that the resolution does not pour already, in the Cellar's order, but for
 * pinned ones and those that cannot be poured: of these one of its warnings tells. `tree` is what
 * is installed.
 */
int bfs_dependents_list(struct bfs_tree *tree, struct bfs_finder *finder,
	struct bfs_resolution *resolution, bfs_strings *names, struct bfs_error *error);

#endif
