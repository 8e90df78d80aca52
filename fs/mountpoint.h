/*
 * The place of a mount: finding its name, making it, keeping it apart from the store, and
 * unmounting it.
 */
#ifndef BFS_FS_MOUNTPOINT_H
#define BFS_FS_MOUNTPOINT_H

#include "lib/error.h"

#include <stdbool.h>

/*
 * The path as mountinfo has it: absolute, without symlinks. Works for a missing last component, and
 * for a mount whose daemon is dead or stuck, since what is mounted there is not asked. Allocated.
 */
int bfs_mountpoint_resolve(const char *path, char **ret_path, struct bfs_error *error);

/* The same, after making the directory and its parents where they are missing. */
int bfs_mountpoint_make(const char *path, char **ret_path, struct bfs_error *error);

/* Whether it is a directory: -ENOTDIR. Warns where it is not empty. */
int bfs_mountpoint_check(const char *path, struct bfs_error *error);

/*
 * -EDEADLK where `path` (which is `what`: "the store") lies in the mountpoint or the mountpoint in
 * it: the daemon would wait for itself. A path that does not exist is apart.
 */
int bfs_mountpoint_check_apart(
	const char *mountpoint, const char *path, const char *what, struct bfs_error *error);

/*
 * Unmounts what is on top at the path, by umount2(2) where this user may, else by fusermount3. `lazy`: at once,
 * even if it is in use. -EBUSY where it is, -EPERM where this user may not.
 */
int bfs_mountpoint_unmount(const char *path, bool lazy, struct bfs_error *error);

#endif
