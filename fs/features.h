/*
 * What makes a mount fast, each thing by a name: offered by libfuse and the kernel or not, wanted
 * by the user or not, and so in force or not. Known once the kernel has sent its INIT request.
 */
#ifndef BFS_FS_FEATURES_H
#define BFS_FS_FEATURES_H

#define FUSE_USE_VERSION 312

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>

enum bfs_feature {
	BFS_FEATURE_ZERO_OPEN,	      /* the first OPEN is answered ENOSYS; no other is sent */
	BFS_FEATURE_ZERO_OPENDIR,     /* the same for OPENDIR */
	BFS_FEATURE_READDIRPLUS,      /* listings carry attributes */
	BFS_FEATURE_READDIRPLUS_AUTO, /* but for those that look like a plain ls */
	BFS_FEATURE_CACHE_DIRS,	      /* the kernel keeps listings */
	BFS_FEATURE_CACHE_SYMLINKS,   /* the kernel keeps targets */
	BFS_FEATURE_CACHE_NAMES, /* names, absent names and attributes hold until told otherwise */
	BFS_FEATURE_PARALLEL_DIROPS, /* several lookups in one directory at once */
	BFS_FEATURE_ASYNC_READ,	     /* several reads of one file at once */
	BFS_FEATURE_SPLICE,	     /* big reads go from file to kernel without a copy of ours */
	BFS_FEATURE_SINGLE_CACHE, /* what was handed over goes from the page cache of the store */
	BFS_FEATURE_FORESIGHT,	  /* what a program needs is read before it asks */
	BFS_FEATURE_PASSTHROUGH,  /* big files are read by the kernel alone; opens are answered */
	BFS_FEATURE_WRITEBACK,	  /* of a session: writes are gathered by the kernel until a close */
	BFS_FEATURE_EXPORT,	  /* file handles, so that NFS can serve the mount on */
	BFS_FEATURE_COUNT
};

#define BFS_FEATURE_BIT(feature) (1u << (feature))
#define BFS_FEATURES_ALL	 (BFS_FEATURE_BIT(BFS_FEATURE_COUNT) - 1)

/*
 * Passthrough is not among them: it needs the kernel to ask at every open, for all files of the
 * mount, and programs open more small files than they read big ones (brewfs-mount(1)). Nor is
 * writeback, which is quicker for small writes and less exact (fs/session_driver.h).
 */
#define BFS_FEATURES_DEFAULT                                                                       \
	(BFS_FEATURES_ALL & ~BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH) &                            \
		~BFS_FEATURE_BIT(BFS_FEATURE_WRITEBACK))

/* The name that `-o no_NAME` and `status` use: "zero_open". */
const char *bfs_feature_name(enum bfs_feature feature);

/* The feature of that name; BFS_FEATURE_COUNT where there is none. `name` need not be
 * NUL-terminated. */
enum bfs_feature bfs_feature_find(const char *name, size_t length);

/*
 * Called from INIT: asks libfuse for those of the `wanted` features that it and the kernel have,
 * and against what would cost requests here. Returns the set in force.
 */
unsigned bfs_features_negotiate(unsigned wanted, struct fuse_conn_info *connection);

#endif
