/*
 * Makes a directory into what the plan of an export says. It may be empty, or be an older tree, of
 * which everything that is right stays; many operations are under way at once, since each waits for
 * a network filesystem.
 *
 * A regular file comes, in this order, from
 *
 *	the tree there is	a hardlink, where that has the same file under the same name
 *	another name of it	a hardlink, where the plan says that both are one file
 *	the store		a hardlink, where it is an object of a store on the same filesystem;
 *such a file has the object's mode (0444 or 0555) and time
 *	the store		a copy, with mode and time of the plan
 *
 * No file gets more than `link_limit` links; then a copy of it is made, which takes the next ones.
 * Copied and not linked to the store's object are files whose mode does not let everybody read, and
 * Python's sources, whose time is checked against that of their compiled form.
 */
#ifndef BFS_INSTALLER_EXPORT_WRITE_H
#define BFS_INSTALLER_EXPORT_WRITE_H

#include "installer/export_plan.h"
#include "index/store.h"

/* EFS allows 177 hardlinks of a file (EFS limits); some are left for others. */
#define BFS_EXPORT_LINK_LIMIT 170

struct bfs_export_counts {
	uint64_t directories, links, files; /* of the whole tree; files are names */
	uint64_t kept;			    /* names that were right already */
	uint64_t reused;		    /* files linked from the tree there is */
	uint64_t stored;		    /* files linked from the store */
	uint64_t again;			    /* further names of files */
	uint64_t copied;		    /* files written */
	uint64_t copied_bytes;
	uint64_t made;	  /* directories and links made */
	uint64_t removed; /* names */
};

struct bfs_export_write {
	struct bfs_export_plan
		*plan;		     /* with its tables base and current, if there are such trees */
	struct bfs_store *stores[2]; /* by enum bfs_export_store */
	struct bfs_content_reader *readers[2];
	int fd;		     /* the directory */
	int current_fd;	     /* the tree there is, or -1 */
	unsigned link_limit; /* at least 1 */
};

/* On a failure the directory is neither the old nor the new tree. The error names the path. */
int bfs_export_write(const struct bfs_export_write *write, struct bfs_export_counts *ret_counts,
	struct bfs_error *error);

#endif
