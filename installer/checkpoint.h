/*
 * Poured kegs that a store remembers, so that an install that was interrupted, or another prefix in
 * the same store, takes them as they are instead of downloading and pouring again.
 *
 * kegs/KEY.json names an index whose root is the keg. KEY is the SHA-256 of what the pour depends
 * on: the bottle's digest, the tab, the prefix, and the version of the pouring rules.
 */
#ifndef BFS_INSTALLER_CHECKPOINT_H
#define BFS_INSTALLER_CHECKPOINT_H

#include "installer/bottle.h"

/* `tab` and `java_dependency` may be NULL, as in the order. */
int bfs_checkpoint_key(const struct bfs_bottle_order *order, struct bfs_digest *ret_key);

/* -ENOENT where the store does not know it, or knows something it cannot read: it is then poured
 * again. */
int bfs_checkpoint_load(
	struct bfs_store *store, const struct bfs_digest *key, struct bfs_keg_tree *ret_keg);

/* To be called after the keg's contents were committed. */
int bfs_checkpoint_save(struct bfs_store *store, const struct bfs_digest *key,
	struct bfs_keg_tree *keg, struct bfs_error *error);

#endif
