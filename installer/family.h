/*
 * A formula and its relatives: its versions and -full variants (foo, foo@1, foo-full, foo@1-full),
 * which take the same places in the prefix (Homebrew formula.rb#link_overwrite_formulae). Homebrew
 * finds them by asking the tap for each such name; only installed ones ever matter, so here the
 * Cellar is asked.
 */
#ifndef BFS_INSTALLER_FAMILY_H
#define BFS_INSTALLER_FAMILY_H

#include "index/tree.h"
#include "installer/formula.h"

/* "foo" of "foo", "foo@1.2", "foo-full" and "foo@1-full". NULL when out of memory. */
char *bfs_family_base(const char *name);

/* Adds the names of the relatives that have a keg, in the Cellar's order; the formula itself is
 * none of them. */
int bfs_family_list(struct bfs_tree *tree, const char *name, bfs_strings *names);

#endif
