/*
 * What a prefix has of one formula, and whether that is enough: for whoever asked for it, or for a
 * bottle that was built against some version of it (Homebrew dependency.rb#installed?).
 */
#ifndef BFS_INSTALLER_INSTALLED_H
#define BFS_INSTALLER_INSTALLED_H

#include "index/tree.h"
#include "installer/formula.h"

struct bfs_installed {
	char *rack;    /* what its kegs are called: the formula's name, or an old one where that has
			  them still; NULL: there are none */
	char *version; /* the keg that opt leads to, else the newest in the rack; NULL: none is
			  there */
	bool opt;      /* opt leads to a keg: without, brew takes the formula for half installed */
	bool latest;   /* a keg of the formula's version is in the rack */
	bool current;  /* opt, and no older than the formula: nothing to do */
	bool linked;   /* the linked record names a keg */
	bool pinned;
	json_t *record; /* the receipt of `version` without changed_files; NULL where it is not
			   recorded */
};

/*
 * `tree` may be NULL: an empty prefix. Errors of the tree; -EUCLEAN for a record that is no JSON
 * object.
 */
int bfs_installed_read(struct bfs_tree *tree, const struct bfs_formula *formula,
	struct bfs_installed *ret_installed, struct bfs_error *error);
void bfs_installed_release(struct bfs_installed *installed);

/* Whether its kegs are still called by an old name of the formula. */
bool bfs_installed_has_old_name(
	const struct bfs_installed *installed, const struct bfs_formula *formula);

/*
 * The entry for that formula, under its name, an alias or an old name, in a tab's
 * runtime_dependencies; NULL where there is none. Borrowed from the tab, which may be NULL.
 */
const json_t *bfs_tab_dependency(const json_t *tab, const struct bfs_formula *formula);

/*
 * Whether what is installed will do for a bottle whose tab names it with `minimum`, an entry of its
 * runtime_dependencies; NULL, where that is not known, asks for the formula's own version.
 */
bool bfs_installed_satisfies(const struct bfs_installed *installed,
	const struct bfs_formula *formula, const json_t *minimum);

#endif
