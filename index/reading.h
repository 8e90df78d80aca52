/*
 * What the commands that read a store have in common: their options, and the generation they look
 * at.
 */
#ifndef BFS_INDEX_READING_H
#define BFS_INDEX_READING_H

#include "index/ref.h"
#include "index/tree.h"
#include "lib/command.h"
#include "lib/json.h"

/* The first member of such a command's option struct. */
struct bfs_reading_options {
	const char *store; /* NULL: bfs_store_default_path() */
	const char *ref;   /* NULL: bfs_ref_default() */
	bool json;
};

/* Their entries in its table, but for the NULL at its end. */
/* clang-format off */
#define BFS_READING_OPTIONS \
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)", \
		offsetof(struct bfs_reading_options, store)}, \
	{"ref", 'r', "REF", "The prefix to look at (default: this host's bottle tag)", \
		offsetof(struct bfs_reading_options, ref)}, \
	{"json", 0, NULL, "Print JSON", offsetof(struct bfs_reading_options, json)}
/* clang-format on */

struct bfs_reading {
	struct bfs_store *store;
	const char *ref;
	struct bfs_generation generation;
	struct bfs_tree *tree; /* of the generation, to read */
	char *prefix;	       /* where it is mounted: "/home/linuxbrew/.linuxbrew" */
};

/* Opens the store alone; the rest of `ret_reading` stays zero but for `ref`. Errors as
 * bfs_store_open(). */
int bfs_reading_open_store(const struct bfs_reading_options *options,
	struct bfs_reading *ret_reading, struct bfs_error *error);

/* Opens store and tree. -ENOENT where nothing was installed under the ref yet; the error then names
 * the refs there are. */
int bfs_reading_open(const struct bfs_reading_options *options, struct bfs_reading *ret_reading,
	struct bfs_error *error);

void bfs_reading_close(struct bfs_reading *reading);
#define _cleanup_reading_ BFS_CLEANUP(bfs_reading_close)

/* No path on EFS has more components (EFS limits): where walks of a damaged tree end. */
#define BFS_READING_DEPTH_MAX 1000

/* Adds an item to an array. Either may be NULL when out of memory; then the array is dropped and
 * NULL. */
void bfs_reading_append(json_t **array, json_t *item);

/* Prints `document`, which may be NULL when out of memory, and drops it. Returns the exit status.
 */
int bfs_reading_print(json_t *document);

#endif
