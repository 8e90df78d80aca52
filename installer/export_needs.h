/*
 * What the chosen names need beside them. Of every regular file in the plan the facts are found
 * (installer/export_facts.h); in a closure the plan then gets
 *
 *	- what links lead to,
 *	- the libraries that ELF files need, by DT_NEEDED and RPATH,
 *	- the interpreters of scripts, and with one the keg that it is in,
 *
 * until nothing is new.
 */
#ifndef BFS_INSTALLER_EXPORT_NEEDS_H
#define BFS_INSTALLER_EXPORT_NEEDS_H

#include "installer/export_cache.h"
#include "installer/export_libraries.h"

struct bfs_export_needs {
	struct bfs_export_walk *walk;
	struct bfs_export_cache *cache;
	struct bfs_content_reader *reader; /* of the exported store */
	struct bfs_export_libraries *libraries;
	const char *prefix; /* absolute */
};

/* Fills the plan's facts, and completes the plan if `walk->closure`. */
int bfs_export_needs_add(struct bfs_export_needs *needs, struct bfs_error *error);

/* The facts of a content of the plan. -ENOENT where they were not found yet. */
int bfs_export_needs_facts(
	struct bfs_export_plan *plan, int64_t content, struct bfs_export_facts *ret_facts);

#endif
