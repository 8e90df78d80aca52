/*
 * The mounts of this process's namespace, from /proc/self/mountinfo (proc(5)). Reading it never
 * touches a mounted filesystem, so it works whatever state those are in.
 */
#ifndef BFS_LIB_MOUNTINFO_H
#define BFS_LIB_MOUNTINFO_H

#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct bfs_mount {
	unsigned major, minor; /* st_dev of its files */
	char *root; /* the directory of the filesystem that is at the mountpoint: "/", if not bound
		     */
	char *mountpoint;
	char *type;
	char *source;	     /* "HOST:/PATH" of NFS; of a brewfs mount, the store */
	char *options;	     /* the mount's, as in /proc/self/mounts: "ro,nosuid" */
	char *super_options; /* the filesystem's: "rw,vers=4.1,rsize=1048576,..." */
	uid_t owner;	     /* who mounted it, where its super options tell (FUSE); else 0 */
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

/* What a path lies in, which is absolute and without symlinks; NULL where nothing is mounted. */
const struct bfs_mount *bfs_mounts_find_around(const struct bfs_mounts *mounts, const char *path);

bool bfs_mount_is_nfs(const struct bfs_mount *mount);

/*
 * The value of an option of the filesystem or of the mount, "" for one without a value. Allocated.
 * -ENOENT where it has no such option.
 */
int bfs_mount_option(const struct bfs_mount *mount, const char *name, char **ret_value);

#endif
