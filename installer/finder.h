/*
 * Where an install gets its formulae from: the local bottles it was given, then the catalog, which is opened only
 * when it is needed: a local bottle without dependencies needs no API.
 */
#ifndef BFS_INSTALLER_FINDER_H
#define BFS_INSTALLER_FINDER_H

#include "installer/catalog.h"
#include "installer/local_bottle.h"

/* A tap that a Brewfile names. */
struct bfs_finder_tap {
	const char *name;	/* "user/repo" */
	const char *url;	/* of its API documents, or NULL */
};

struct bfs_finder {
	const char *tag;
	const struct bfs_local_bottle *bottles;
	size_t bottle_count;
	const struct bfs_finder_tap *taps;
	size_t tap_count;
	const struct bfs_depot *depot;	/* the catalog is that of a depot; NULL: the API's */
	struct bfs_catalog *catalog;	/* NULL until it is needed */
	struct bfs_error failure;	/* of opening it: it is tried once */
	struct bfs_tree *tree;		/* see bfs_finder_look_into() */
	struct bfs_formula **installed; /* found there */
	size_t installed_count;
};

/* A bfs_formula_finder (installer/resolve.h); the context is a struct bfs_finder. */
int bfs_finder_find(void *finder, const char *name, const struct bfs_formula **ret_formula,
	struct bfs_error *error);

/*
 * The same for what is installed in the tree that the finder looks into, and needs no catalog: see
 * installer/formula_installed.h.
 */
int bfs_finder_find_installed(void *finder, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error);

/*
 * Sets the tree, the caller's, or NULL. Forgets what was found in the one before, which no
 * resolution may use any more.
 */
void bfs_finder_look_into(struct bfs_finder *finder, struct bfs_tree *tree);

/* The local bottle of a formula that came from one; NULL for others. */
const struct bfs_local_bottle *bfs_finder_local(const struct bfs_finder *finder,
	const struct bfs_formula *formula);

void bfs_finder_release(struct bfs_finder *finder);

#endif
