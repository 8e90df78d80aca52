/*
 * A formula that was renamed: its kegs get the new name, and the old one goes on leading to them
 * (Homebrew migrator.rb). Nothing is changed in the kegs themselves: what names their old place
 * finds it through the link Cellar/OLD.
 */
#ifndef BFS_INSTALLER_MIGRATE_H
#define BFS_INSTALLER_MIGRATE_H

#include "index/tree.h"
#include "lib/error.h"

/*
 * Moves Cellar/OLD to Cellar/NEW, or into it where that exists already: a version that both have
 * stays as it is under the new name. Cellar/OLD becomes a link, opt/OLD and opt/NEW lead to the keg
 * that opt/OLD led to, pin and records go along. The kegs of the old name are unlinked; linking is
 * the caller's. In a transaction of the caller's.
 */
int bfs_migrate(
	struct bfs_tree *tree, const char *old_name, const char *new_name, struct bfs_error *error);

#endif
