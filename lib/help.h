/*
 * What a program tells about its table of commands (lib/command.h): the overview, one command's
 * help, what a mistyped name may have meant, and what a shell may complete. A table ends with NULL.
 */
#ifndef BFS_LIB_HELP_H
#define BFS_LIB_HELP_H

#include "lib/command.h"

#include <stdio.h>

/* The command of that name, or NULL. */
const struct bfs_command *bfs_help_find(
	const struct bfs_command *const *commands, const char *name);

/* Usage lines and one line a command. */
void bfs_help_overview(const struct bfs_command *const *commands, FILE *stream);

/*
 * Shows a command's manual page by man(1) where standard output is a terminal and man(1) has the
 * page, else its usage text. Returns the exit status.
 */
int bfs_help_show(const struct bfs_command *command);

/* Says that there is no such command, with a hint, on standard error. Returns BFS_EXIT_USAGE. */
int bfs_help_unknown(const struct bfs_command *const *commands, const char *word);

/*
 * Prints what the last of the `count` words of a command line (the program's name left out) may be,
 * one candidate a line: names of commands, or the options of the command that the first word names.
 * Nothing for operands and options' arguments.
 */
void bfs_help_complete(const struct bfs_command *const *commands, int count, char *const *words);

#endif
