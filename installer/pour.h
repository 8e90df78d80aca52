/*
 * Pours bottles, several at once: each is fetched from its registry or read from a local file or a
 *depot, checked and turned into a keg's tree by a thread of its own, local files the largest first,
 *others in the order of the requests; the trees are taken in whatever order the caller wants, one
 *after the other.
 *
 *	bfs_pour_set_new()	starts the threads
 *	bfs_pour_set_take()	waits for one keg and hands it over, once
 *	bfs_pour_set_free()	stops what still runs; kegs that are complete stay remembered in the
 *store, but for those of the first second
 *
 * Memory: for each thread a bottle's buffers (installer/bottle.h), a download's
 *(installer/transport.h) and a writer's (index/writer.h): about 32 MiB, whatever the size of the
 *bottles.
 */
#ifndef BFS_INSTALLER_POUR_H
#define BFS_INSTALLER_POUR_H

#include "installer/bottle.h"
#include "installer/depot.h"
#include "installer/registry.h"

/* Where they are poured into and fetched from. All is borrowed, and must outlive the set. */
struct bfs_pour_target {
	struct bfs_store *store;
	const char *base_path; /* index whose contents need not be put again; NULL for none */
	const struct bfs_depot *depot; /* has the bottles; NULL: the registry */
	const struct bfs_registry
		*registry; /* NULL if there is a depot, or every request has a path */
	struct bfs_downloader *downloader;
};

struct bfs_pour_request {
	const struct bfs_formula *formula;
	const char *path;	     /* a local bottle file; NULL: the registry */
	const json_t *tab;	     /* of a local bottle, if known */
	const char *java_dependency; /* as in struct bfs_bottle_order */
};

struct bfs_pour_set;

/* `requests` is copied; what it points to must outlive the set. */
int bfs_pour_set_new(const struct bfs_pour_target *target, const struct bfs_pour_request *requests,
	size_t count, struct bfs_pour_set **ret_set, struct bfs_error *error);

struct bfs_poured {
	struct bfs_keg_tree keg; /* to be released by bfs_poured_release() */
	bool remembered;	 /* taken from an earlier pour: nothing was downloaded */
};
void bfs_poured_release(struct bfs_poured *poured);

int bfs_pour_set_take(struct bfs_pour_set *set, size_t which, struct bfs_poured *ret_poured,
	struct bfs_error *error);
void bfs_pour_set_free(struct bfs_pour_set *set);
BFS_DEFINE_CLEANUP(struct bfs_pour_set *, bfs_cleanup_pour_set, bfs_pour_set_free)
#define _cleanup_pour_set_ BFS_CLEANUP(bfs_cleanup_pour_set)

#endif
