/*
 * Other programs: finding and running them, without a shell.
 */
#ifndef BFS_LIB_PROGRAM_H
#define BFS_LIB_PROGRAM_H

#include "lib/buffer.h"

/*
 * The path of a program of $PATH, or of /sbin and /usr/sbin, which the PATH of an ordinary user
 * lacks. Allocated. -ENOENT where there is none.
 */
int bfs_program_find(const char *name, char **ret_path);

/*
 * Runs a program (found as execvp(3) finds it) and waits for its end. What it says on either stream
 * is appended to `said`, at most 64 KiB of it. Its exit status, 128 + N where signal N ended it, or
 * a negative errno where it could not be run at all.
 */
int bfs_program_run(const char *const *arguments, struct bfs_buffer *said);

#endif
