#include "lib/help.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/suggest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

const struct bfs_command *bfs_help_find(const struct bfs_command *const *commands, const char *name)
{
	while (*commands && strcmp((*commands)->name, name) != 0)
		commands++;
	return *commands;
}

void bfs_help_overview(const struct bfs_command *const *commands, FILE *stream)
{
	fputs("Usage: brewfs COMMAND [OPTION]... [ARGUMENT]...\n"
	      "       brewfs --help | --version\n\nCommands:\n",
		stream);
	for (; *commands; commands++)
		fprintf(stream, "  %-10s  %s\n", (*commands)->name, (*commands)->summary);
	fputs("\n'brewfs help COMMAND' tells more. Manual: brewfs(1)\n", stream);
}

/* Runs man(1) and tells whether it succeeded; `quiet` hides what it prints. */
static bool run_man(const char *option, const char *page, bool quiet)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		int null = quiet ? open("/dev/null", O_WRONLY) : -1;

		if (null >= 0 && dup2(null, STDOUT_FILENO) >= 0)
			dup2(null, STDERR_FILENO);
		execlp("man", "man", option, page, (char *)NULL);
		_exit(127);
	}
	if (child < 0)
		return false;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Asked first where the page is (-w), since man's own complaint about a missing one would only
 * confuse. */
static bool show_manual(const char *page)
{
	return run_man("-w", page, true) && run_man("--", page, false);
}

int bfs_help_show(const struct bfs_command *command)
{
	_cleanup_free_ char *page = bfs_format("brewfs-%s", command->name);

	if (!page || !isatty(STDOUT_FILENO) || !show_manual(page))
		bfs_command_usage(command);
	return 0;
}

/* Appends what the word may have been meant to be: commands that begin with it, else near ones. */
static int suggest(
	const struct bfs_command *const *commands, const char *word, struct bfs_buffer *text)
{
	struct bfs_suggestions suggestions;
	int r = 0;

	for (const struct bfs_command *const *command = commands; *command; command++)
		if (word[0] && strncmp((*command)->name, word, strlen(word)) == 0)
			return bfs_buffer_append_format(
				text, " Did you mean %s?", (*command)->name);
	bfs_suggest_begin(&suggestions, word);
	for (; r == 0 && *commands; commands++)
		r = bfs_suggest_offer(&suggestions, (*commands)->name);
	if (r == 0)
		r = bfs_suggest_append(&suggestions, text);
	bfs_suggest_release(&suggestions);
	return r;
}

int bfs_help_unknown(const struct bfs_command *const *commands, const char *word)
{
	_cleanup_buffer_ struct bfs_buffer hint = BFS_BUFFER_INIT;

	suggest(commands, word, &hint);
	bfs_log_error("unknown %s: %s", word[0] == '-' ? "option" : "command", word);
	fprintf(stderr, "See 'brewfs help'.%s\n", hint.data ? hint.data : "");
	return BFS_EXIT_USAGE;
}

static void complete_command(const struct bfs_command *const *commands, const char *word)
{
	for (; *commands; commands++)
		if (strncmp((*commands)->name, word, strlen(word)) == 0)
			puts((*commands)->name);
	if (word[0] == '-')
		puts("--help\n--version");
}

static const struct bfs_option *find_option(const struct bfs_command *command, const char *word)
{
	const struct bfs_option *option = command->options;

	for (; option && option->name; option++) {
		if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0)
			return option;
		if (option->letter && word[0] == '-' && word[1] == option->letter && !word[2])
			return option;
	}
	return NULL;
}

void bfs_help_complete(const struct bfs_command *const *commands, int count, char *const *words)
{
	const struct bfs_command *command;
	const struct bfs_option *previous;
	const char *word;

	if (count < 2) {
		complete_command(commands, count ? words[0] : "");
		return;
	}
	command = bfs_help_find(commands, words[0]);
	word = words[count - 1];
	if (!command || word[0] != '-')
		return;
	previous = find_option(command, words[count - 2]);
	if (count > 2 && previous && previous->argument)
		return;
	for (const struct bfs_option *option = command->options; option && option->name; option++)
		if (strncmp(word, "--", strlen(word) < 2 ? strlen(word) : 2) == 0 &&
			(strlen(word) < 3 ||
				strncmp(option->name, word + 2, strlen(word) - 2) == 0))
			printf("--%s%s\n", option->name, option->argument ? "=" : "");
	if (strncmp("--help", word, strlen(word)) == 0)
		puts("--help");
}
