/*
 * What step_script.c and step_script_runtimes.c share.
 */
#ifndef BFS_INSTALLER_STEP_SCRIPT_PRIVATE_H
#define BFS_INSTALLER_STEP_SCRIPT_PRIVATE_H

#include "installer/steps_private.h"

#include <stdarg.h>

/* Appends a word in single quotes, which the shell takes as it is. */
int bfs_script_quote(struct bfs_buffer *script, const char *text);

/* Appends quoted words, each with a space after it; the last argument is NULL. */
int bfs_script_words(struct bfs_buffer *script, ...) __attribute__((sentinel));

/*
 * In what follows, $P is the prefix and $K the keg below it.
 *
 * Locales of glibc, and its links to the host's time zone (Homebrew formula_actions.rb).
 */
int bfs_script_glibc_runtime(struct bfs_buffer *script);

/* The specs of gcc, by which it finds the prefix's headers, libraries and loader (the same). */
int bfs_script_gcc_runtime(struct bfs_steps_runner *runner, struct bfs_buffer *script);

#endif
