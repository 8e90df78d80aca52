/*
 * Which files and directories of a keg get a link in the prefix, a real directory there, or
 * neither: Homebrew's keg.rb#link and #link_dir as a table. Pure functions on text; paths are
 * bytes, no encoding is assumed.
 *
 * Homebrew matches a path relative to the top directory ("man/man1" in share). Its regular
 * expressions are quoted in the table, and matched by hand: they run for every entry of a keg, on
 * names that need not be text in any encoding. As in Ruby ^ and $ match at line ends as well.
 *
 * Not done here, because no program runs while a bottle is poured: Homebrew calls install-info for
 * info files where that exists, which keeps the index share/info/dir. Nor is a keg's own
 * share/info/dir linked.
 */
#ifndef BFS_INSTALLER_LINK_RULES_H
#define BFS_INSTALLER_LINK_RULES_H

#include <stdbool.h>
#include <sys/stat.h>

enum bfs_link_action {
	BFS_LINK_LINK,	 /* a symlink to the file, or to the directory as a whole */
	BFS_LINK_MKPATH, /* a real directory; what is in it is looked at one by one */
	BFS_LINK_SKIP,	 /* nothing; neither what is in it */
	BFS_LINK_INFO,	 /* as LINK; a file that install-info would index */
};

/* The directories of a keg that are linked, in Homebrew's order; NULL-terminated. */
extern const char *const bfs_link_directories[];

/*
 * What is done with `path`, relative to directory `top` of a keg ("share"), where the prefix has no
 * real directory of that name (it is descended into without asking). `mode` is the type of the
 * entry; a symlink counts as a file, also one to a directory. A `top` that is not one of
 * bfs_link_directories is not linked: SKIP.
 */
enum bfs_link_action bfs_link_rule(const char *top, const char *path, mode_t mode);

/*
 * Whether an entry is left out by its name, whatever the rule says, also below a directory that is
 * split: .DS_Store; .pyc and .pyo files below site-packages, which Python rewrites; directories
 * named *.app. `path` has the top directory in it ("lib/python3.13/site-packages/x.pyc").
 */
bool bfs_link_is_ignored(const char *path, mode_t mode);

/*
 * Whether `path`, relative to the prefix, is one of a formula's link_overwrite paths
 * (formula.rb#link_overwrite?): equal to one, below one, or matching one in which * stands for any
 * characters. `patterns` is NULL-terminated, or NULL.
 */
bool bfs_link_may_overwrite(const char *path, char *const *patterns);

#endif
