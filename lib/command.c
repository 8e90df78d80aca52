#include "lib/command.h"

#include "lib/buffer.h"
#include "lib/log.h"

#include <getopt.h>
#include <string.h>

#define FIRST_VALUE 256 /* getopt values of options without a letter start past every character */
#define HELP_VALUE  255

static size_t count_options(const struct bfs_command *command)
{
	size_t count = 0;

	while (command->options && command->options[count].name)
		count++;
	return count;
}

void bfs_command_usage(const struct bfs_command *command)
{
	printf("Usage: brewfs %s [OPTION]...%s%s\n%s.\n\n", command->name,
		*command->synopsis ? " " : "", command->synopsis, command->summary);
	for (size_t i = 0; i < count_options(command); i++) {
		const struct bfs_option *option = &command->options[i];
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
			option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
			option->name, option->argument ? "=" : "",
			option->argument ? option->argument : "");
		printf("  %-26s  %s\n", left, option->help);
	}
	printf("      --help                  Show this text\n");
	printf("\nManual: brewfs-%s(1)\n", command->name);
}

static int usage_error(const struct bfs_command *command)
{
	fprintf(stderr, "See 'brewfs help %s'.\n", command->name);
	return BFS_EXIT_USAGE;
}

/* `joined` holds what the joined option says, and lives as long as the fields. */
static int set_field(const struct bfs_command *command, const struct bfs_option *option,
	void *fields, struct bfs_buffer *joined)
{
	const char **text = (const char **)((char *)fields + option->offset);
	int r;

	if (!option->argument) {
		*(bool *)((char *)fields + option->offset) = true;
		return 0;
	}
	*text = optarg;
	if (!option->letter || option->letter != command->joined)
		return 0;
	r = bfs_buffer_append_format(joined, "%s%s", joined->length ? "," : "", optarg);
	*text = joined->data;
	return r;
}

/* The forms getopt_long(3) wants; `ret_long` has room for one option more than the table and the end. */
static int build_getopt(const struct bfs_command *command, struct option *ret_long,
	struct bfs_buffer *letters)
{
	size_t count = count_options(command);
	int r = bfs_buffer_append_string(letters, ":");

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct bfs_option *option = &command->options[i];

		ret_long[i] = (struct option){option->name,
			option->argument ? required_argument : no_argument, NULL,
			FIRST_VALUE + (int)i};
		if (option->letter)
			r = bfs_buffer_append_format(letters, "%c%s", option->letter,
				option->argument ? ":" : "");
	}
	ret_long[count] = (struct option){"help", no_argument, NULL, HELP_VALUE};
	return r;
}

static const struct bfs_option *find_option(const struct bfs_command *command, int value)
{
	if (value >= FIRST_VALUE)
		return &command->options[value - FIRST_VALUE];
	for (size_t i = 0; i < count_options(command); i++)
		if (command->options[i].letter && command->options[i].letter == value)
			return &command->options[i];
	return NULL;
}

/* 0 to go on, else the exit status plus one. */
static int parse(const struct bfs_command *command, int argc, char **argv, void *fields,
	struct bfs_buffer *joined)
{
	_cleanup_buffer_ struct bfs_buffer letters = BFS_BUFFER_INIT;
	_cleanup_free_ struct option *longs = calloc(count_options(command) + 2, sizeof(*longs));
	int value;

	if (!longs || build_getopt(command, longs, &letters) < 0) {
		bfs_log_error("out of memory");
		return 2;
	}
	optind = 0;
	opterr = 0;
	while ((value = getopt_long(argc, argv, letters.data, longs, NULL)) != -1) {
		const struct bfs_option *option = find_option(command, value);

		if (value == HELP_VALUE) {
			bfs_command_usage(command);
			return 1;
		}
		if (!option) {
			bfs_log_error("%s: %s: %s", command->name, argv[optind - 1],
				value == ':' ? "an argument is missing" : "no such option");
			return usage_error(command) + 1;
		}
		if (set_field(command, option, fields, joined) < 0) {
			bfs_log_error("out of memory");
			return 2;
		}
	}
	return 0;
}

int bfs_command_run(const struct bfs_command *command, int argc, char **argv)
{
	_cleanup_free_ void *fields = calloc(1, command->options_size ? command->options_size : 1);
	_cleanup_buffer_ struct bfs_buffer joined = BFS_BUFFER_INIT;
	int status, count;

	if (!fields) {
		bfs_log_error("out of memory");
		return 1;
	}
	status = parse(command, argc, argv, fields, &joined);
	if (status)
		return status - 1;
	count = argc - optind;
	if (count < command->minimum_operands ||
		(command->maximum_operands >= 0 && count > command->maximum_operands)) {
		bfs_log_error("%s: too %s arguments", command->name,
			count < command->minimum_operands ? "few" : "many");
		return usage_error(command);
	}
	return command->run(fields, count, argv + optind);
}
