/*
 * Configuration and data that a bottle brings for etc and var: they lie in the keg's .bottle/etc
 * and .bottle/var, and are copied, not linked, since they are the user's to change (Homebrew
 * formula.rb#install_etc_var and install_renamed.rb).
 *
 * Directories are made, empty ones too. A file that is not there yet is copied. One that is there
 * with the same content is left. One that differs is replaced if it is what another installed
 * version of the formula brought, that is, if nobody changed it; else it is left, and the new one
 * is written beside it as NAME.default, over an older one.
 *
 * As with cp symlinks are followed on both sides, in the tree: one of the bottle that leaves the
 * prefix cannot be, and is passed over with a warning. Nothing is ever written into a keg or
 * outside the prefix; where a link in etc or var leads there, the NAME.default is written.
 */
#ifndef BFS_INSTALLER_ETC_H
#define BFS_INSTALLER_ETC_H

#include "index/tree.h"

/*
 * Copies etc and var of the keg "Cellar/NAME/VERSION", which need not be linked. One transaction:
 * after an error the tree is as it was. -ENOENT: no such keg, or a link of the bottle leads
 * nowhere; -ENOTDIR: a file is where a directory should be; -EINVAL: `keg` is no path of a keg.
 */
int bfs_etc_install(struct bfs_tree *tree, const char *keg, struct bfs_error *error);

#endif
