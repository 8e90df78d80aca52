#include "fs/features.h"

#include "config.h"

#include <limits.h>
#include <string.h>

/* What no kernel offers, where libfuse has no name for it. */
#ifdef HAVE_FUSE_PASSTHROUGH_OPEN
#define CAP_PASSTHROUGH FUSE_CAP_PASSTHROUGH
#else
#define CAP_PASSTHROUGH UINT_MAX
#endif

/* Every other capability here is in libfuse 3.10, the oldest we build with, so none needs a check of
 * its own. */
static const struct {
	const char *name;
	unsigned capability; /* FUSE_CAP_..., 0 where nothing need be offered */
	bool passive;	     /* the kernel has it or not; there is nothing to ask for */
	unsigned needs;	     /* BFS_FEATURE_BITs without which it means nothing */
} table[BFS_FEATURE_COUNT] = {
	[BFS_FEATURE_ZERO_OPEN] = {"zero_open", FUSE_CAP_NO_OPEN_SUPPORT, true, 0},
	/* An OPENDIR that is not answered lets the kernel keep listings, so both go together. */
	[BFS_FEATURE_ZERO_OPENDIR] = {"zero_opendir", FUSE_CAP_NO_OPENDIR_SUPPORT, true,
		BFS_FEATURE_BIT(BFS_FEATURE_CACHE_DIRS)},
	[BFS_FEATURE_READDIRPLUS] = {"readdirplus", FUSE_CAP_READDIRPLUS, false, 0},
	[BFS_FEATURE_READDIRPLUS_AUTO] = {"readdirplus_auto", FUSE_CAP_READDIRPLUS_AUTO, false,
		BFS_FEATURE_BIT(BFS_FEATURE_READDIRPLUS)},
	[BFS_FEATURE_CACHE_DIRS] = {"cache_dirs", 0, true, 0},
	[BFS_FEATURE_CACHE_SYMLINKS] = {"cache_symlinks", FUSE_CAP_CACHE_SYMLINKS, false, 0},
	[BFS_FEATURE_CACHE_NAMES] = {"cache_names", 0, true, 0},
	[BFS_FEATURE_PARALLEL_DIROPS] = {"parallel_dirops", FUSE_CAP_PARALLEL_DIROPS, false, 0},
	[BFS_FEATURE_ASYNC_READ] = {"async_read", FUSE_CAP_ASYNC_READ, false, 0},
	[BFS_FEATURE_SPLICE] = {"splice", FUSE_CAP_SPLICE_WRITE, false, 0},
	[BFS_FEATURE_SINGLE_CACHE] = {"single_cache", 0, true, 0},
	[BFS_FEATURE_FORESIGHT] = {"foresight", 0, true, 0},
	[BFS_FEATURE_PASSTHROUGH] = {"passthrough", CAP_PASSTHROUGH, false, 0},
	[BFS_FEATURE_WRITEBACK] = {"writeback", FUSE_CAP_WRITEBACK_CACHE, false, 0},
	[BFS_FEATURE_EXPORT] = {"export", FUSE_CAP_EXPORT_SUPPORT, false, 0},
};

const char *bfs_feature_name(enum bfs_feature feature)
{
	return table[feature].name;
}

enum bfs_feature bfs_feature_find(const char *name, size_t length)
{
	int i = 0;

	while (i < BFS_FEATURE_COUNT &&
		(strlen(table[i].name) != length || memcmp(table[i].name, name, length) != 0))
		i++;
	return (enum bfs_feature)i;
}

unsigned bfs_features_negotiate(unsigned wanted, struct fuse_conn_info *connection)
{
	unsigned in_force = 0;

	/* An OPEN that is not answered cannot be told of a backing file. */
	if ((wanted & BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH)) &&
		(connection->capable & CAP_PASSTHROUGH) == CAP_PASSTHROUGH)
		wanted &= ~BFS_FEATURE_BIT(BFS_FEATURE_ZERO_OPEN);

	/* Contents never change, so there is nothing for the kernel to find out by comparing times.
	 */
	connection->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
	for (int i = 0; i < BFS_FEATURE_COUNT; i++) {
		unsigned capability = table[i].capability;
		bool on = (wanted & BFS_FEATURE_BIT(i)) != 0 &&
			  (connection->capable & capability) == capability &&
			  (wanted & table[i].needs) == table[i].needs;

		if (on)
			in_force |= BFS_FEATURE_BIT(i);
		if (table[i].passive)
			continue;
		if (capability != UINT_MAX)
			connection->want &= ~capability;
		if (on)
			connection->want |= capability;
	}
#ifdef HAVE_FUSE_PASSTHROUGH_OPEN
	if (in_force & BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH))
		connection->max_backing_stack_depth = 1;
#endif
	return in_force;
}
