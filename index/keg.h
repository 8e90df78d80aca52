/*
 * What the index knows of each keg beside its files: the receipt, without the long list of changed files, so that
 * `list`, `info` and `deps` answer without reading the store. The receipt in the keg
 * (Cellar/NAME/VERSION/INSTALL_RECEIPT.json) stays the truth; this is its copy.
 */
#ifndef BFS_INDEX_KEG_H
#define BFS_INDEX_KEG_H

#include "index/tree.h"

struct bfs_keg {
	char *name;	/* of the rack: "openssl@3" */
	char *version;	/* of the keg: "3.5.0_1" */
	char *record;	/* JSON text of the receipt, without changed_files */
	char *pending;	/* JSON array of the post_install steps not yet run; NULL for none */
};

void bfs_keg_release(struct bfs_keg *keg);
void bfs_kegs_free(struct bfs_keg *kegs, size_t count);

/* Replaces the record of that name and version. `pending` may be NULL. */
int bfs_keg_put(struct bfs_tree *tree, const struct bfs_keg *keg);
int bfs_keg_remove(struct bfs_tree *tree, const char *name, const char *version);
/* -ENOENT where it is not recorded. */
int bfs_keg_get(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_keg *ret_keg);
/* All kegs, by name, then version as bytes. */
int bfs_keg_list(struct bfs_tree *tree, struct bfs_keg **ret_kegs, size_t *ret_count);

#endif
