/*
 * What a resolution is to pour and a depot (installer/depot.h) has not.
 */
#ifndef BFS_INSTALLER_MISSING_H
#define BFS_INSTALLER_MISSING_H

#include "installer/finder.h"
#include "installer/resolve.h"

/*
 * -ENOENT where the finder has a depot and that lacks bottles, with a message that names all of
 * them, since the next way to where there is a network may be a long one, and the command that
 * fetches them. 0 without a depot.
 */
int bfs_missing_check(const struct bfs_finder *finder, const struct bfs_resolution *resolution,
	struct bfs_error *error);

#endif
