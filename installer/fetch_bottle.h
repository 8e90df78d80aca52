/*
 * One bottle of a fetch: its manifest and its bytes, downloaded into a depot unless they are there.
 */
#ifndef BFS_INSTALLER_FETCH_BOTTLE_H
#define BFS_INSTALLER_FETCH_BOTTLE_H

#include "installer/depot.h"
#include "installer/registry.h"

/* All is borrowed but the error, which the caller clears. */
struct bfs_fetch_bottle {
	const struct bfs_depot *depot;
	const struct bfs_registry *registry;
	struct bfs_downloader *downloader;
	const struct bfs_formula *formula;
	/* Set by bfs_fetch_bottle_run(). */
	uint64_t size;	     /* bytes of the bottle */
	uint64_t downloaded; /* of them, by this run */
	int result;	     /* for the caller's use */
	struct bfs_error error;
};

/*
 * Blocks; several may run at once. -EBADMSG where what comes has another digest than the formula
 * says; -ENOENT where the formula has no bottle; else the errors of installer/transport.h.
 */
int bfs_fetch_bottle_run(struct bfs_fetch_bottle *bottle);

#endif
