/*
 * Where an EFS file system is mounted on this host already.
 *
 * An NFS mount is one of it where its source is named after the file system (DNS names of EFS:
 * "fs-ID.efs.REGION.amazonaws.com", an availability zone's with "AZ." before), where it goes to the
 * loopback address and the port of a tunnel for which efs-utils keeps a state file
 * ("/var/run/efs/fs-ID.MOUNTPOINT.PORT", with dots for slashes: efs_utils_common/proxy.py), or
 * where it goes to an address that the DNS name has. A name that only contains the id is none.
 *
 * An access point is another directory with other rights: a mount counts only if it goes through
 * the one that is asked for, or through none where none is.
 */
#ifndef BFS_INDEX_EFS_MOUNTED_H
#define BFS_INDEX_EFS_MOUNTED_H

#include "index/efs.h"

struct bfs_efs_place {
	char *mountpoint;
	char *shown; /* the directory of the file system that is at the mountpoint: "/" */
	char *how;   /* for messages: "fs-....efs.eu-west-1.amazonaws.com:/, NFS" */
};

struct bfs_efs_places {
	struct bfs_efs_place *places; /* the last mounted first */
	size_t count;
};

/* No place is no error. Release with bfs_efs_places_release(). */
int bfs_efs_find_mounted(
	const struct bfs_efs *efs, struct bfs_efs_places *ret_places, struct bfs_error *error);
void bfs_efs_places_release(struct bfs_efs_places *places);

/*
 * The id of the file system that an NFS mount is one of, as far as its name or a state file tells;
 * -ENOENT where nothing does. Allocated. `struct bfs_mount` is lib/mountinfo.h's.
 */
struct bfs_mount;
int bfs_efs_id_of_mount(const struct bfs_mount *mount, char **ret_id);

#endif
