/*
 * Fetching: all bottles that an empty prefix would need for what is asked for, with the metadata,
 * into a depot (installer/depot.h).
 *
 * What the depot has already is checked and not downloaded again; a bottle of which an interrupted
 * fetch left a part is resumed. A bottle counts only once its digest has matched.
 */
#ifndef BFS_INSTALLER_FETCH_H
#define BFS_INSTALLER_FETCH_H

#include "installer/finder.h"
#include "installer/resolve.h"

struct bfs_fetch_order {
	struct bfs_depot *depot; /* being filled */
	const char *tag;
	const char *target_glibc; /* --target-glibc, or NULL */
	const struct bfs_resolve_request *requests;
	size_t count;
	struct bfs_finder *finder; /* with the depot */
	bool prune;		   /* bottles that this fetch does not need are removed */
	bool quiet;		   /* no progress display */
};

struct bfs_fetch_report {
	/* Objects with name, version, digest, size, requested and fetched: whether anything was
	 * downloaded for it. */
	json_t *formulae;
	size_t fetched;	     /* how many of them were */
	uint64_t downloaded; /* bytes of bottles */
	size_t pruned;	     /* files removed */
};
void bfs_fetch_report_release(struct bfs_fetch_report *report);

/* The errors of resolve.h, transport.h; -EBADMSG for a bottle of another digest. */
int bfs_fetch(const struct bfs_fetch_order *order, struct bfs_fetch_report *ret_report,
	struct bfs_error *error);

#endif
