/*
 * Where an export lies: DIR is a symlink to the tree beside it, DIR.GENERATION (DIR.GENERATION-2,
 *-3... where several exports of one generation differ), and is moved to the next tree by one
 *rename(2): who opens DIR/... sees the old or the new one.
 *
 *	DIR -> DIR.7
 *	DIR.7, DIR.6		trees, each with its manifest
 *	DIR.8.partial		a tree in the making; without the lock, garbage
 *	.DIR.lock		locked (OFD lock) by whoever exports to DIR
 *
 *	bfs_export_place_open()		waits for the lock, removes garbage
 *	bfs_export_place_begin()	an empty directory, or the oldest tree that is not wanted
 *any more, to be made into the next one bfs_export_place_finish()	names it, moves DIR, removes
 *the trees that are too old bfs_export_place_close()	without a finish DIR has not changed
 *
 * One thread at a time.
 */
#ifndef BFS_INSTALLER_EXPORT_PLACE_H
#define BFS_INSTALLER_EXPORT_PLACE_H

#include "installer/export_manifest.h"

#include <stdbool.h>
#include <stdint.h>

struct bfs_export_place;

/* Makes the directory above DIR. -EEXIST where DIR is anything but such a link. */
int bfs_export_place_open(
	const char *dir, struct bfs_export_place **ret_place, struct bfs_error *error);
void bfs_export_place_close(struct bfs_export_place *place);
BFS_DEFINE_CLEANUP(struct bfs_export_place *, bfs_cleanup_export_place, bfs_export_place_close)
#define _cleanup_export_place_ BFS_CLEANUP(bfs_cleanup_export_place)

/* DIR as an absolute path, and the path of the tree that it leads to, NULL for none. Borrowed. */
const char *bfs_export_place_path(const struct bfs_export_place *place);
const char *bfs_export_place_current(const struct bfs_export_place *place);

/* The directory that DIR lies in. */
int bfs_export_place_fd(const struct bfs_export_place *place);

/*
 * The directory to be filled, open. Where it was a tree, *ret_base is its manifest, which the
 * caller closes; else NULL. `keep` old trees are not touched.
 */
int bfs_export_place_begin(struct bfs_export_place *place, uint64_t generation, unsigned keep,
	int *ret_fd, struct bfs_export_manifest **ret_base, struct bfs_error *error);

/* A number greater than that of every tree there is, for the manifest. */
uint64_t bfs_export_place_sequence(const struct bfs_export_place *place);

/* Makes everything durable first. The number of trees removed is returned in `ret_removed`. */
int bfs_export_place_finish(struct bfs_export_place *place, unsigned keep, unsigned *ret_removed,
	struct bfs_error *error);

#endif
