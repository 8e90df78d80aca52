/*
 * The post-install steps that must run a program, as a script for sh(1) in a session in which the
 * prefix is mounted and writable (`brewfs shell --isolated`).
 *
 * Homebrew's install_steps.rb and formula_actions.rb say what each type runs; the script does the
 * same with the same arguments. It is plain POSIX shell: every value that comes from a document is
 * quoted. For each step it writes a line to BFS_STEP_SCRIPT_RESULT_FD:
 *
 *	FORMULA STEP STATUS	by number, from 0, in the order they were appended; 0 for success
 *
 * and it ends a formula's steps with the first that failed.
 */
#ifndef BFS_INSTALLER_STEP_SCRIPT_H
#define BFS_INSTALLER_STEP_SCRIPT_H

#include "installer/steps.h"

/* One digit, which is all that a POSIX shell takes. */
#define BFS_STEP_SCRIPT_RESULT_FD 9

/* Appends what comes before the first formula. */
int bfs_step_script_begin(struct bfs_buffer *script);

/*
 * Appends the programs that stand at the beginning of `steps`, an array as bfs_steps_run() hands
 * back, under number `which`; `order->formula` is theirs, and of the rest of the order only `tree`
 * and `prefix` are used. `ret_count`: how many of the steps those are; 0 where the first is one
 * that cannot be run (a post_install in Ruby, a data directory for a server when root runs it) or
 * is no program; `ret_reason`, which may be NULL, then says why, allocated.
 * -EBADMSG for a step that makes no sense, which the error names.
 */
int bfs_step_script_append(const struct bfs_steps_order *order, const json_t *steps, unsigned which,
	struct bfs_buffer *script, size_t *ret_count, char **ret_reason, struct bfs_error *error);

/*
 * What the script said of formula `which`: `ret_done` steps succeeded; true where the one after
 * them failed, with its status.
 */
bool bfs_step_script_read_result(
	const char *result, unsigned which, size_t *ret_done, int *ret_status);

#endif
