/*
 * How the names of an export are laid out, so that a program starts in few round trips on a network
 * filesystem, where each link on the way, each directory and each failing probe costs one.
 *
 * Always: absolute links into the prefix become relative ones, since the export is seen under
 * several paths.
 *
 * With hard names (`--links hard`):
 * - Links in lib and bin that lead to a regular file become further names of that file. In bin only
 *   those of ELF programs that do not look for files beside their own: to others the link tells
 *   where they are.
 * - A library that is needed by others and has no name in lib, because its keg is not linked, gets
 *   one, unless two different files would claim it.
 * - The RPATH of a file then begins with the prefix's lib, where the loader finds most of what it
 *   needs at the first try; directories where it finds nothing are dropped, unless the file may
 *   call dlopen(). It is only changed where the loader will take the very same files as before.
 *
 * With a brewed glibc (`glibc`, the directory of its libraries), the RPATH of programs begins with
 * that: else their loader, which is the brewed one, would meet the host's libc.so.6 by
 * LD_LIBRARY_PATH, which Lambda sets.
 */
#ifndef BFS_INSTALLER_EXPORT_NAMES_H
#define BFS_INSTALLER_EXPORT_NAMES_H

#include "installer/export_needs.h"

struct bfs_export_names {
	struct bfs_export_needs *needs;
	bool hard;
	const char *glibc; /* "Cellar/glibc/2.39/lib", or NULL */
};

/* Changes the plan's names, after its needs were added. */
int bfs_export_names_arrange(struct bfs_export_names *names);

/* Notes in the plan which contents get another RPATH (table variant), after the names. */
int bfs_export_names_choose_rpaths(struct bfs_export_names *names);

/* Whether the path is one of the brewed glibc, whose files are never edited. */
bool bfs_export_names_is_glibc(const char *path);

#endif
