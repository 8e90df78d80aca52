/*
 * The command of `brewfs shell`: its environment, its run, its end.
 */
#ifndef BFS_FS_SHELL_PROCESS_H
#define BFS_FS_SHELL_PROCESS_H

#include "lib/error.h"

#include <stdbool.h>

/* All is borrowed. */
struct bfs_shell_process {
	const char *prefix;
	const char *session;
	bool isolated; /* see fs/shell_namespace.h, and with an environment of almost nothing */
	char *const *arguments; /* ends with NULL; empty: the user's shell */
};

/*
 * Runs it to its end. Keyboard signals are its own affair; SIGTERM and SIGHUP to the caller are
 * passed on to it. `ret_status` is what a shell would make of its end: its exit status, 128 and the
 * signal that killed it, 127 where there is no such command, 126 where it cannot be run.
 */
int bfs_shell_process_run(
	const struct bfs_shell_process *process, int *ret_status, struct bfs_error *error);

#endif
