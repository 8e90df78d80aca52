/*
 * The inodes of a source directory that the kernel knows, each by its file handle: no descriptor is
 * kept for any of them, so that trees larger than the limit of open files can be served.
 *
 * A node is found by device and inode number, counts the kernel's references and goes with the last
 * one. The table has one lock; nodes_open() needs none, since what it reads of a node is constant.
 * Functions return 0, a descriptor, or a negative errno.
 */
#ifndef SLOWFS_NODE_H
#define SLOWFS_NODE_H

#include <fuse_lowlevel.h>
#include <sys/stat.h>

/* How long a client believes attributes, seconds: nfs(5). */
struct node_timeouts {
	unsigned file_min, file_max, directory_min, directory_max;
};

extern struct node_timeouts node_timeouts;

/* Opens the source. Needs CAP_DAC_READ_SEARCH, and a filesystem with file handles. */
int nodes_start(const char *source);

/* A descriptor of the inode, for the caller to close. `flags` as of open(2). */
int nodes_open(fuse_ino_t ino, int flags);

/* The entry `name` of the open directory; takes a reference, to be given back with nodes_forget().
 */
int nodes_find(int directory, const char *name, struct fuse_entry_param *ret_entry);

void nodes_forget(fuse_ino_t ino, uint64_t references);

/* How long these attributes hold: doubled at each look that finds them unchanged. */
double nodes_attr_timeout(fuse_ino_t ino, const struct stat *st);

#endif
