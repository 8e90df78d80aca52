/* What the parts of slowfs share. */
#ifndef SLOWFS_H
#define SLOWFS_H

/* libfuse 3.12 wants to be told how many threads to use at most; an older one uses what it needs.
 */
#if __has_include(<libfuse_config.h>)
#define FUSE_USE_VERSION 312
#else
#define FUSE_USE_VERSION 32
#endif

#include <fuse_lowlevel.h>

#include <errno.h>

#include "tests/bench/slowfs_delay.h"
#include "tests/bench/slowfs_node.h"

#define SLOWFS_THREADS 64

extern unsigned slowfs_dirents; /* names in one READDIR; set before the mount */

/* Each fills in the requests that its file answers. */
void slowfs_tree_operations(struct fuse_lowlevel_ops *operations);
void slowfs_list_operations(struct fuse_lowlevel_ops *operations);
void slowfs_file_operations(struct fuse_lowlevel_ops *operations);

static inline pid_t slowfs_caller(fuse_req_t req)
{
	return fuse_req_ctx(req)->pid;
}

/* What a system call returned, or the negative errno. */
static inline int slowfs_result(int r)
{
	return r < 0 ? -errno : r;
}

/* The errno that FUSE wants for a negative one. */
static inline int slowfs_errno(int r)
{
	return r < 0 ? -r : 0;
}

#endif
