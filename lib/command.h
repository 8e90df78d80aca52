/*
 * One table per command, from which follow its parser, its usage text, `brewfs help`, the check of
 * its man page and shell completion.
 */
#ifndef BFS_LIB_COMMAND_H
#define BFS_LIB_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Exit status for a command line that makes no sense, as Homebrew's and most programs'. */
#define BFS_EXIT_USAGE 2

/*
 * The field an option sets is a `const char *` where it takes an argument (the last given counts), a
 * `bool` where it is a flag.
 */
struct bfs_option {
	const char *name;	/* "store": --store */
	char letter;		/* 's': -s; 0 for none */
	const char *argument;	/* "DIR" where it takes one, NULL for a flag */
	const char *help;	/* one line, no full stop */
	size_t offset;		/* of the field in the command's option struct */
};

struct bfs_command {
	const char *name;
	const char *synopsis;	/* what follows the options: "[FORMULA...]" */
	const char *summary;	/* one line for `brewfs help` */
	const struct bfs_option *options; /* ends with a NULL name */
	size_t options_size;	/* sizeof the option struct, zeroed before parsing */
	int minimum_operands;
	int maximum_operands;	/* -1: any number */
	char joined; /* letter of an option of which several are one, with commas between; 0: none */
	/* Runs it; returns the exit status. `options` is the parsed struct; operands[count] is NULL. */
	int (*run)(const void *options, int count, char **operands);
};

/*
 * Parses the arguments (argv[0] is the command's name) and runs the command. --help prints the usage to
 * standard output and returns 0; an error prints one line and a hint to standard error and returns 2.
 */
int bfs_command_run(const struct bfs_command *command, int argc, char **argv);

/* Prints "Usage: ..." with one line an option. */
void bfs_command_usage(const struct bfs_command *command);

#endif
