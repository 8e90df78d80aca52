/*
 * The prefix's own directories, and what can be read from it about kegs: which are there, which one
 *opt points to, which one is linked.
 *
 *	Cellar/NAME/			the rack of a formula
 *	Cellar/NAME/VERSION/		a keg: one version of it
 *	opt/NAME			link to the keg that dependents use
 *	var/homebrew/linked/NAME	link to the keg whose files are linked into bin, lib...
 *	var/homebrew/pinned/NAME	link to the keg that is not to be upgraded
 *
 * A keg is passed as its path relative to the prefix, "Cellar/NAME/VERSION". Records are links
 *relative to their place, as Homebrew writes them; absolute ones below the prefix are understood as
 *well. As in Homebrew (keg.rb) a record stands for the keg that its own text names, one step,
 *nothing resolved.
 *
 * All functions return 0 or a negative errno; strings they return are allocated.
 */
#ifndef BFS_INSTALLER_PREFIX_H
#define BFS_INSTALLER_PREFIX_H

#include "index/tree.h"
#include "installer/formula.h"

#define BFS_CELLAR	   "Cellar"
#define BFS_OPT		   "opt"
#define BFS_LINKED_RECORDS "var/homebrew/linked"
#define BFS_PINNED_RECORDS "var/homebrew/pinned"

/*
 * Makes the directories that Homebrew has in every prefix before and after the first pour: Cellar
 * bin etc include lib opt sbin share var var/homebrew/linked var/homebrew/tmp/.cellar. Existing
 * ones are left as they are. -ENOTDIR, naming it, where something else has the name of one.
 */
int bfs_prefix_prepare(struct bfs_tree *tree, struct bfs_error *error);

/* "/home/linuxbrew/.linuxbrew/PATH", for messages: where `path` is seen when the tree is mounted.
 */
int bfs_prefix_absolute(struct bfs_tree *tree, const char *path, char **ret_path);

/* "Cellar/NAME/VERSION"; NULL when out of memory. */
char *bfs_keg_path(const char *name, const char *version);

/* Splits it into its two names. -EINVAL for anything that is not exactly "Cellar/NAME/VERSION". */
int bfs_keg_split(const char *keg, char **ret_name, char **ret_version);

/*
 * The name of an existing keg's formula and the inode of its directory. -EINVAL as above, -ENOENT
 * where there is no such directory; `error` names the keg.
 */
int bfs_keg_open(struct bfs_tree *tree, const char *keg, char **ret_name, uint64_t *ret_ino,
	struct bfs_error *error);

/* The keg that a path lies in, "Cellar/NAME/VERSION" of "Cellar/NAME/VERSION/bin/x"; -ENOENT for
 * paths elsewhere. */
int bfs_keg_of(const char *path, char **ret_keg);

/*
 * The versions in a rack, smallest first, by version alone (bfs_pkg_version_compare()); in one
 * allocation freed by free(), NULL-terminated. A rack that does not exist has none; one that is a
 * link (a renamed formula's) is followed.
 */
int bfs_rack_versions(struct bfs_tree *tree, const char *name, char ***ret_versions);

/* The keg that opt/NAME names. -ENOENT where there is no such link, or it names no keg or one that
 * is gone. */
int bfs_opt_keg(struct bfs_tree *tree, const char *name, char **ret_keg);
/* Its version alone. */
int bfs_opt_version(struct bfs_tree *tree, const char *name, char **ret_version);

/* The keg that var/homebrew/linked/NAME names; -ENOENT as above. */
int bfs_linked_keg(struct bfs_tree *tree, const char *name, char **ret_keg);
int bfs_linked_version(struct bfs_tree *tree, const char *name, char **ret_version);

/* 1 where opt/NAME, or the linked record, names this very keg and it exists; 0 where not. */
int bfs_keg_is_optlinked(struct bfs_tree *tree, const char *keg);
int bfs_keg_is_linked(struct bfs_tree *tree, const char *keg);

/*
 * Points the record DIRECTORY/NAME (BFS_OPT, BFS_LINKED_RECORDS...) at a keg by a relative link.
 * What is there is replaced; a directory only if it is empty, else -ENOTEMPTY. -EINVAL for a name
 * that cannot be one.
 */
int bfs_record_write(
	struct bfs_tree *tree, const char *directory, const char *name, const char *keg);
/* Removes the record if it is a link that names this keg, whether or not that exists. */
int bfs_record_remove(
	struct bfs_tree *tree, const char *directory, const char *name, const char *keg);

/*
 * -EEXIST where a formula that this one conflicts with has both its linked record and its opt link
 * (Homebrew formula_installer.rb#check_conflicts), with a message that names all of them and why.
 */
int bfs_formula_check_conflicts(
	struct bfs_tree *tree, const struct bfs_formula *formula, struct bfs_error *error);

#endif
