/*
 * Which names of a prefix an export starts from:
 *
 *	nothing chosen	all of it
 *	formulae	their kegs and those of all their dependencies at run time; the names of opt
 *and of the prefix that lead into these kegs; and of etc what a keg brought
 *			(.bottle/etc) or what has a keg's name
 *	only		of these just the directories named (lib, bin, share...): the prefix's own
 *			names, and the kegs' where a keg is not linked or the prefix has no such
 *			directory
 *	trace		the names of a file that `brewfs trace` wrote, and nothing else
 *
 * What these need beside them (links' destinations, libraries, interpreters) is added by
 * installer/export_needs.h.
 */
#ifndef BFS_INSTALLER_EXPORT_SELECT_H
#define BFS_INSTALLER_EXPORT_SELECT_H

#include "installer/export_walk.h"

struct bfs_export_choice {
	const char *formulae; /* "proj,libexif"; NULL: all */
	const char *only;     /* "lib,bin"; NULL: everything */
	const char *trace;    /* path of the file, or NULL */
};

static inline bool bfs_export_choice_is_all(const struct bfs_export_choice *choice)
{
	return !choice->formulae && !choice->only && !choice->trace;
}

/*
 * Adds them to the walk's plan. -ENOENT for a formula or directory that is not there, -EINVAL for
 * what cannot be a directory's name or where nothing at all was chosen by a trace.
 */
int bfs_export_select(struct bfs_export_walk *walk, const struct bfs_export_choice *choice,
	struct bfs_error *error);

#endif
