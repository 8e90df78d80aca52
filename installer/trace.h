/*
 * Which names below a directory a command and all its children use: what they open, execute, read
 * as links or look at, successfully.
 *
 * By ptrace(2) with a seccomp filter, so that only these system calls stop a process. That works
 * for every user, for statically linked programs and children of children, which LD_PRELOAD and
 * LD_AUDIT do not see; on any filesystem, while the FUSE driver never hears of a file that is
 * opened a second time; and without privileges, which fanotify(7) wants. Where the caller is not
 * privileged, setuid programs run without their privileges (PR_SET_NO_NEW_PRIVS).
 */
#ifndef BFS_INSTALLER_TRACE_H
#define BFS_INSTALLER_TRACE_H

#include "lib/error.h"

/*
 * Called with a path below the directory, relative to it, as the command gave it or as it was
 * resolved; the same may come often. "" is the directory itself. A negative errno ends the trace.
 */
typedef int bfs_trace_visitor(void *context, const char *name);

/*
 * Runs a command and waits for it and its children. `ret_status` is its exit status as a shell's:
 * 128 and the signal's number where one ended it. `directories` are names of the one directory,
 * absolute: as it is called and as it is resolved; they end with NULL. -EPERM where tracing is not
 * allowed here, -ENOSYS where the kernel cannot (Linux 5.3 is needed); errors of exec are the
 * command's: status 127 or 126.
 */
int bfs_trace_run(char **command, const char *const *directories, bfs_trace_visitor *visit,
	void *context, int *ret_status, struct bfs_error *error);

#endif
