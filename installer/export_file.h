/*
 * Regular files of an export: names that are one file, or one object of the store, are made one
 *after the other, different ones at once. See installer/export_write.h for where they come from.
 *
 *	bfs_export_files_new()
 *	bfs_export_files_add()		any number of times, names of one file after each other
 *	bfs_export_files_finish()	waits until all are done
 *	bfs_export_files_free()		after the workers have ended
 *
 * One thread at a time.
 */
#ifndef BFS_INSTALLER_EXPORT_FILE_H
#define BFS_INSTALLER_EXPORT_FILE_H

#include "installer/export_write.h"
#include "lib/workers.h"

#include <fcntl.h>

enum bfs_export_state {
	BFS_EXPORT_MISSING,
	BFS_EXPORT_RIGHT,   /* it is there already */
	BFS_EXPORT_CURRENT, /* the current tree has the same under the same name */
};

struct bfs_export_file {
	const char *path;
	mode_t mode;
	int64_t mtime;
	uint64_t ino;	 /* 0: it is no other's name */
	int64_t content; /* row of the plan; 0: empty */
	enum bfs_export_state state;
	bool exact; /* mode and time have to be its own: never the store's object */
};

struct bfs_export_files;

int bfs_export_files_new(const struct bfs_export_write *write, struct bfs_workers *workers,
	struct bfs_export_files **ret_files);
void bfs_export_files_free(struct bfs_export_files *files);

/* The file's path is copied. */
int bfs_export_files_add(struct bfs_export_files *files, const struct bfs_export_file *file);

/* `code`, if negative, says that not all were added and is returned. Adds to the counts. */
int bfs_export_files_finish(struct bfs_export_files *files, int code,
	struct bfs_export_counts *counts, struct bfs_error *error);

#endif
