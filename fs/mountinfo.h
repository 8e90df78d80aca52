/*
 * The mounts of this process's namespace, from /proc/self/mountinfo (proc(5)). Reading it never
 * touches a mounted filesystem, so it works whatever state those are in.
 */
#ifndef BFS_FS_MOUNTINFO_H
#define BFS_FS_MOUNTINFO_H

#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

#define BFS_MOUNT_TYPE "fuse.brewfs"

struct bfs_mount {
	unsigned major, minor; /* st_dev of its files */
	char *mountpoint;
	char *type;
	char *source;  /* of a brewfs mount, the store */
	char *options; /* the mount's, as in /proc/self/mounts: "ro,nosuid" */
	uid_t owner;   /* of a FUSE mount, who mounted it; else 0 */
};

struct bfs_mounts {
	struct bfs_mount
		*mounts; /* in the order in which they were made, so the last at a path is on top */
	size_t count;
};

int bfs_mounts_read(struct bfs_mounts *ret_mounts, struct bfs_error *error);

/* Parses the text of a mountinfo file, which is changed. Lines that are none are left out. */
int bfs_mounts_parse(char *text, struct bfs_mounts *ret_mounts);

void bfs_mounts_release(struct bfs_mounts *mounts);
#define _cleanup_mounts_ BFS_CLEANUP(bfs_mounts_release)

/* What is mounted on top at exactly that path; NULL where nothing is. */
const struct bfs_mount *bfs_mounts_find(const struct bfs_mounts *mounts, const char *mountpoint);

bool bfs_mount_is_brewfs(const struct bfs_mount *mount);

#endif
