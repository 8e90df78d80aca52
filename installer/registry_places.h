/*
 * The rules that say where the environment and a formula place a bottle (registry.h): URLs and what
 * authorises for each. No I/O. For registry*.c only.
 */
#ifndef BFS_INSTALLER_REGISTRY_PLACES_H
#define BFS_INSTALLER_REGISTRY_PLACES_H

#include "installer/registry.h"

struct bfs_registry {
	char *artifact_domain; /* without a slash at its end; NULL: none */
	char *bottle_domain;   /* as above */
	bool no_fallback;
	char *token;	       /* the Authorization header's value; NULL: none */
	bool no_authorization; /* asked for by the word "none" */
};

/* What is asked about: the bottle, or its image index. */
enum bfs_registry_item { BFS_REGISTRY_BLOB, BFS_REGISTRY_MANIFEST };

/* Adds the places of the item, in order; none is no error. */
int bfs_registry_list_places(const struct bfs_registry *registry, const struct bfs_formula *formula,
	enum bfs_registry_item item, struct bfs_registry_sources *sources);

#endif
