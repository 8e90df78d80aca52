/*
 * Mounting an EFS file system: by the efs helper where amazon-efs-utils is installed, else by NFS
 * 4.1 with the options that AWS recommends (EFS User Guide, "Recommended NFS mount options").
 */
#ifndef BFS_INDEX_EFS_MOUNT_H
#define BFS_INDEX_EFS_MOUNT_H

#include "index/efs.h"

#define BFS_EFS_NFS_OPTIONS                                                                        \
	"nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"

/* What efs-utils sets and the kernel's NFS no longer does: 15 times rsize, in KiB. */
#define BFS_EFS_READAHEAD 15360

/*
 * Mounts it below /run/brewfs/efs and says how. Errors as bfs_efs_attach(). The kernel's read-ahead
 * is set where the helper does not do it.
 */
int bfs_efs_mount(const struct bfs_efs *efs, struct bfs_error *error);

#endif
