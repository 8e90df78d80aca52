/*
 * The process in which the programs of post-install steps run: `brewfs shell --isolated`, this
 * program's own, since the installer knows nothing of FUSE.
 */
#ifndef BFS_INSTALLER_PROGRAM_PROCESS_H
#define BFS_INSTALLER_PROGRAM_PROCESS_H

#include "lib/buffer.h"
#include "lib/error.h"

/* All is borrowed. */
struct bfs_program_process {
	const char *store_path, *ref;
	const char *session; /* its name; nobody has it open */
	const char *script;  /* for sh(1); see installer/step_script.h */
};

/*
 * Runs the script to its end, whatever its status is. `ret_said`: what it wrote to
 * BFS_STEP_SCRIPT_RESULT_FD, at most 1 MiB. What programs print goes to standard error. -ENOEXEC
 * where the shell could not even be started (it has said why).
 */
int bfs_program_process_run(const struct bfs_program_process *process, struct bfs_buffer *ret_said,
	struct bfs_error *error);

#endif
