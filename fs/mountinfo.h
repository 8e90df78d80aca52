/*
 * What a mount of ours looks like among all mounts (lib/mountinfo.h).
 */
#ifndef BFS_FS_MOUNTINFO_H
#define BFS_FS_MOUNTINFO_H

#include "lib/mountinfo.h"

#include <string.h>

#define BFS_MOUNT_TYPE "fuse.brewfs"

static inline bool bfs_mount_is_brewfs(const struct bfs_mount *mount)
{
	return strcmp(mount->type, BFS_MOUNT_TYPE) == 0;
}

#endif
