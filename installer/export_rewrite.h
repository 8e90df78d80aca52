/*
 * Contents for another prefix: every occurrence of the prefix they were poured for is replaced by
 * the path that the export is seen under, padded with slashes to the same length. No length and no
 * offset changes, so it is right in text, in scripts, in the strings of ELF files and in data
 * alike, whatever stands around it.
 *
 * Of ELF files whose RPATH the plan changes (installer/export_names.h) that is done first. What
 * comes out is put into the store by installer/export_cache.h.
 */
#ifndef BFS_INSTALLER_EXPORT_REWRITE_H
#define BFS_INSTALLER_EXPORT_REWRITE_H

#include "installer/export_cache.h"
#include "installer/export_plan.h"

/*
 * `to` padded to the length of `from`, allocated. -EINVAL where it is not an absolute path as one
 * can stand in an RPATH (no colon, no "..", no blank), -ENAMETOOLONG where it is longer.
 */
int bfs_export_rewrite_pad(
	const char *from, const char *to, char **ret_padded, struct bfs_error *error);

/* Replaces in place; `from` and `padded` have the same length. Returns how often. */
size_t bfs_export_rewrite_bytes(uint8_t *data, size_t length, const char *from, const char *padded);

struct bfs_export_rewrite_counts {
	uint64_t files; /* contents that differ from the prefix's */
	uint64_t made;	/* of them, made now */
};

/*
 * Gives every entry of the plan its `result`. `reader` reads the exported store. Commits the cache.
 */
int bfs_export_rewrite(struct bfs_export_plan *plan, struct bfs_export_cache *cache,
	struct bfs_content_reader *reader, const char *from, const char *padded,
	struct bfs_export_rewrite_counts *ret_counts, struct bfs_error *error);

#endif
