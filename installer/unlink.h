/*
 * Taking a keg's links out of the prefix, and a keg out of it (Homebrew keg.rb#unlink, #uninstall).
 *
 * Only links that name exactly the keg's own file or directory go; everything else, and what was
 * copied to etc and var, stays. `aliases` are those of the keg's receipt, NULL-terminated, or NULL.
 * Each call is one transaction: after an error the tree is as it was. -EINVAL, -ENOENT: `keg` is no
 * path of a keg, or of none that exists.
 */
#ifndef BFS_INSTALLER_UNLINK_H
#define BFS_INSTALLER_UNLINK_H

#include "index/tree.h"

/*
 * Removes the links below bin etc include lib sbin share var Frameworks, then directories of the
 * prefix that this has emptied (never those of bfs_prefix_prepare()), alias links (see
 * bfs_opt_remove_aliases()) and the linked record if it names the keg. opt/NAME stays. Homebrew on
 * Linux leaves Frameworks alone, although it links there: then the next version would not link.
 * `ret_count`, which may be NULL: links removed, aliases and records not counted.
 */
int bfs_keg_unlink(struct bfs_tree *tree, const char *keg, char *const *aliases, size_t *ret_count,
	struct bfs_error *error);

/*
 * Unlinks the keg, removes its directory, the rack if it is empty then, opt and old-name links,
 * records and the pin that name the keg. The index's own record (bfs_keg_remove()) is the caller's.
 */
int bfs_keg_uninstall(
	struct bfs_tree *tree, const char *keg, char *const *aliases, struct bfs_error *error);

#endif
