/*
 * The names in a directory on disk as a tree, with what is needed to read the files later. For
 * index/import*.c.
 */
#ifndef BFS_INDEX_IMPORT_SCAN_H
#define BFS_INDEX_IMPORT_SCAN_H

#include "index/ignore.h"
#include "index/merge_side.h"
#include "index/put_files.h"

#include <sys/stat.h>

/* A regular file, once for all its names. */
struct bfs_import_file {
	char *path;   /* below the directory */
	uint64_t ino; /* in the tree */
	struct stat stat;
};

struct bfs_import_scan {
	const char *path; /* of the directory, for messages; the caller's */
	int fd;		  /* it; the caller's */
	const struct bfs_ignore *ignore;
	/* Where the directory comes to be in a tree that is there: directories keep its
	 * permissions. */
	struct bfs_tree *theirs;

	struct bfs_tree *tree;
	struct bfs_merge_nodes nodes; /* of its files: all are local */
	struct bfs_merge_nodes links; /* by numbers on disk: `published` is the one in the tree */
	struct bfs_import_file *files;
	size_t count, capacity;
	uint64_t directories, names, symlinks, ignored, skipped;
};

/*
 * Reads the directory into the tree, at `parent`, an empty directory of it that gets its time and
 * permissions. `place` is where that is below the prefix: "" or "Cellar/NAME/VERSION". Warns of
 * what is left out as it can be no part of a tree.
 */
int bfs_import_scan_run(
	struct bfs_import_scan *scan, uint64_t parent, const char *place, struct bfs_error *error);
void bfs_import_scan_release(struct bfs_import_scan *scan);

/* Opens a file of the directory to read, following no symlink on the way. */
int bfs_import_open(const struct bfs_import_scan *scan, const char *path, int *ret_fd);

#endif
