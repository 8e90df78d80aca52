/*
 * brewfs under the names by which mount(8) and systemd.mount(5) call a file system's helper:
 *
 *	mount.brewfs SOURCE MOUNTPOINT [-sfnvrw] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]
 *	brewfs SOURCE MOUNTPOINT [-o OPTIONS]	by mount.fuse3(8), for the type fuse.brewfs
 *
 * mount(8) says `rw` where fstab says neither rw nor ro, so there it means nothing, unless
 *`session=` is among the options.
 */
#ifndef BFS_FS_MOUNT_HELPER_H
#define BFS_FS_MOUNT_HELPER_H

#include <stdbool.h>

/* Whether argv is such a call. The second form: the first argument is a path or an EFS id. */
bool bfs_mount_helper_is_called(int argc, char **argv);

/* Mounts as it says; the exit status, as mount(8) has them: 1 where the call makes no sense, 32
 * where the mount failed. */
int bfs_mount_helper_run(int argc, char **argv);

#endif
