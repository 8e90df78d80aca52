/*
 * What an exported tree consists of, written into it as the last of its files, so that the next
 * export knows what is there without looking: TREE/.brewfs-export, an SQLite file.
 *
 *	value	key, value
 *		"recipe" (everything that decides what the tree has, JSON), "sequence" (counts the
 *		exports of one directory), "generation", "ref", "prefix", "loader" ("brewed" or
 *"host") name	path, kind, mode, mtime, content As in the plan (installer/export_plan.h); `content`
 *is the digest of a file, the target of a link, NULL for what is empty.
 *
 * A tree without a manifest that can be read is no export of ours, or not a whole one.
 */
#ifndef BFS_INSTALLER_EXPORT_MANIFEST_H
#define BFS_INSTALLER_EXPORT_MANIFEST_H

#include "installer/export_plan.h"

#define BFS_EXPORT_MANIFEST ".brewfs-export"

struct bfs_export_manifest;

/* Opens the manifest of the tree at that path. -ENOENT, -EUCLEAN. */
int bfs_export_manifest_open(const char *tree, struct bfs_export_manifest **ret_manifest);
void bfs_export_manifest_close(struct bfs_export_manifest *manifest);
BFS_DEFINE_CLEANUP(
	struct bfs_export_manifest *, bfs_cleanup_export_manifest, bfs_export_manifest_close)
#define _cleanup_export_manifest_ BFS_CLEANUP(bfs_cleanup_export_manifest)

/* Allocated. -ENOENT where it has none. */
int bfs_export_manifest_get(
	struct bfs_export_manifest *manifest, const char *key, char **ret_value);
/* 0 where it has none. */
uint64_t bfs_export_manifest_sequence(struct bfs_export_manifest *manifest);

/*
 * Copies the names into the plan's table of that name ("base" or "current", with the columns of
 * `name`). -EUCLEAN where a path is not one that can be below the tree.
 */
int bfs_export_manifest_load(
	struct bfs_export_manifest *manifest, struct bfs_export_plan *plan, const char *table);

/*
 * Writes the manifest of a plan, whose results are final, into the tree. `values` are keys and
 * values in turn and end with NULL.
 */
int bfs_export_manifest_write(int tree_fd, struct bfs_export_plan *plan, const char *const *values,
	struct bfs_error *error);

#endif
