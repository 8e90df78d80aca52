/*
 * What a command line or a Brewfile asks for: `brewfs install` and `brewfs fetch` read it alike.
 */
#ifndef BFS_INSTALLER_WANTED_H
#define BFS_INSTALLER_WANTED_H

#include "installer/brewfile.h"
#include "installer/finder.h"
#include "installer/resolve.h"

/* Zero-initialise; all is owned. The requests and taps point into the bottles and the Brewfile. */
struct bfs_wanted {
	struct bfs_resolve_request *requests;
	size_t count;
	struct bfs_local_bottle *bottles;
	size_t bottle_count;
	struct bfs_finder_tap *taps;
	size_t tap_count;
	struct bfs_brewfile *brewfile; /* NULL where the command line asks */
	size_t refused;		       /* entries of it that cannot be done: exit status 1 */
};

void bfs_wanted_release(struct bfs_wanted *wanted);

/* "x86_64_linux" or "arm64_linux": what Linux bottles are named by. */
bool bfs_wanted_is_tag(const char *name);

/*
 * The names and bottle files of a command line; the strings must outlive it. -EINVAL for two
 * bottles of one formula; else the errors of installer/local_bottle.h.
 */
int bfs_wanted_from_operands(int count, char **operands, const char *tag, struct bfs_wanted *wanted,
	struct bfs_error *error);

/*
 * The Brewfile that `file` names, or the one that is read where it is NULL; entries that cannot be
 * done are reported.
 */
int bfs_wanted_from_brewfile(const char *file, struct bfs_wanted *wanted, struct bfs_error *error);

#endif
