/*
 * Links in opt: opt/NAME, by which dependents find a formula, and the same under its aliases and
 * old names (Homebrew keg.rb#optlink, #remove_old_aliases). They are relative:
 * "../Cellar/NAME/VERSION".
 *
 * Aliases come from receipts and metadata: one that cannot be a file name is refused with -EINVAL.
 * Arrays are NULL-terminated, or NULL.
 */
#ifndef BFS_INSTALLER_OPT_H
#define BFS_INSTALLER_OPT_H

#include "index/tree.h"

/*
 * Points opt/NAME, opt/ALIAS for each alias, and every link in opt that names a keg of the same
 * rack already (old names of the formula) at the keg, replacing what is there; only a directory
 * with something in it is not replaced: -ENOTEMPTY.
 */
int bfs_keg_optlink(
	struct bfs_tree *tree, const char *keg, char *const *aliases, struct bfs_error *error);

/*
 * Removes the alias links of a keg from opt and from the linked records: aliases without an @ in
 * them that lead to the same place as the formula's own link, links NAME@* that are no alias but
 * lead to the rack, and those of both kinds that lead nowhere. Files and directories of these names
 * are left.
 */
int bfs_opt_remove_aliases(struct bfs_tree *tree, const char *keg, char *const *aliases);

/* Removes all links in opt that name this keg. */
int bfs_opt_remove_keg(struct bfs_tree *tree, const char *keg);

#endif
