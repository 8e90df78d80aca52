/*
 * An installed formula as its keg's receipt has it, for where no API knows it: poured from a bottle
 * file, gone from the API since, or the API out of reach. It has no bottle: it can be depended
 * upon, and not be poured.
 */
#ifndef BFS_INSTALLER_FORMULA_INSTALLED_H
#define BFS_INSTALLER_FORMULA_INSTALLED_H

#include "index/tree.h"
#include "installer/formula.h"

/*
 * The formula whose keg opt/NAME leads to; `name` may be an alias, or "user/repo/name" of the tap
 * that it was poured from. -ENOENT where there is none or nothing was recorded of it.
 */
int bfs_formula_from_installed(struct bfs_tree *tree, const char *name,
	struct bfs_formula **ret_formula, struct bfs_error *error);

#endif
