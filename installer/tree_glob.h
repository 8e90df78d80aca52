/*
 * Ruby's Dir.glob (dir.c), with its default flags, on a tree: `*`, `?`, `[a-z]`, `[^a]`, `{a,b}`,
 * `**` as a whole component followed by another one, a backslash before a character that is meant.
 *
 * A leading dot is only matched by a dot. `**` goes into directories but not through symlinks;
 * other components follow them. Names are bytes; a character of `?` and `[]` is one of UTF-8 where
 * the name has such.
 */
#ifndef BFS_INSTALLER_TREE_GLOB_H
#define BFS_INSTALLER_TREE_GLOB_H

#include "index/tree.h"
#include "installer/formula.h"

/*
 * Alternatives that braces may multiply to, directories read, paths found: far beyond what a
 * formula needs.
 */
#define BFS_GLOB_ALTERNATIVES_MAX 256
#define BFS_GLOB_DIRECTORIES_MAX  1000000
#define BFS_GLOB_FOUND_MAX	  16384

/* Whether it has one of * ? [ {, which is what makes Homebrew look for matches. */
bool bfs_glob_is_pattern(const char *pattern);

/*
 * Adds the paths, relative to the prefix, that match the pattern, which is so too: each
 * alternative's in the order of bytes and once, one alternative after the other. -E2BIG beyond the
 * limits, -ENAMETOOLONG for a pattern longer than a path; errors of the tree.
 */
int bfs_tree_glob(struct bfs_tree *tree, const char *pattern, bfs_strings *paths);

/* Whether a name matches a component of a pattern without braces. */
bool bfs_glob_match(const char *pattern, const char *name);

#endif
