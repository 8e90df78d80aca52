/*
 * Makes absolute symlinks of a keg relative when they lead into the prefix (Homebrew
 * keg_relocate.rb, fix_dynamic_linkage), so that a keg works wherever the prefix is.
 */
#ifndef BFS_INSTALLER_RELOCATE_LINK_H
#define BFS_INSTALLER_RELOCATE_LINK_H

/*
 * `directory` is the one the link is in, a clean path relative to the prefix. Sets *ret_text to
 * the relative text to use, allocated, or to NULL where the target stays as it is: a relative one,
 * and one that leaves the prefix. The target's "." and ".." are resolved as text, as Ruby's
 * Pathname does. -ENOMEM.
 */
int bfs_link_relocate(const char *prefix, const char *directory, const char *target,
	char **ret_text);

#endif
