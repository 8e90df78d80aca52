/*
 * The file that `brewfs trace` writes and `brewfs export --trace` reads: which names of the prefix
 * a command used. Text, one name a line, relative to the prefix, as the command gave it; a
 * backslash, a newline and bytes below 32 are written as \ and three octal digits. Lines that begin
 * with # say something about the file. Names may have links and ".." in them; the reader goes the
 * same way as the kernel did.
 */
#ifndef BFS_INSTALLER_EXPORT_TRACE_H
#define BFS_INSTALLER_EXPORT_TRACE_H

#include "installer/export_walk.h"

#include <stdio.h>

/* No trace is longer: a program that opens every file of a large prefix. */
#define BFS_EXPORT_TRACE_MAX (64 * 1024 * 1024)

/* Writes one name as a line. -EIO where the stream fails. */
int bfs_export_trace_write(FILE *stream, const char *name);

/*
 * Adds the names of a file to the walk's plan. Names that are not there (any more) are passed over.
 * -EBADMSG where it is no such file, -EINVAL where it has no name that is there; errors of reading.
 */
int bfs_export_trace_select(
	struct bfs_export_walk *walk, const char *path, struct bfs_error *error);

#endif
