/*
 * brewfs: the command table, and nothing else.
 */
#include "config.h"

#define FUSE_USE_VERSION 312

#include "fs/commands.h"
#include "fs/mount_helper.h"
#include "index/commands.h"
#include "installer/commands.h"
#include "lib/cleanup.h"
#include "lib/command.h"
#include "lib/gunzip.h"
#include "lib/help.h"
#include "lib/log.h"

#include <archive.h>
#include <curl/curl.h>
#include <fuse_lowlevel.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>

static const struct bfs_command help_command;

static const struct bfs_command *const commands[] = {
	&bfs_cmd_install,
	&bfs_cmd_fetch,
	&bfs_cmd_import,
	&bfs_cmd_postinstall,
	&bfs_cmd_export,
	&bfs_cmd_env,
	&bfs_cmd_trace,
	&bfs_cmd_mount,
	&bfs_cmd_umount,
	&bfs_cmd_session,
	&bfs_cmd_shell,
	&bfs_cmd_warm,
	&bfs_cmd_list,
	&bfs_cmd_info,
	&bfs_cmd_deps,
	&bfs_cmd_log,
	&bfs_cmd_rollback,
	&bfs_cmd_status,
	&bfs_cmd_du,
	&bfs_cmd_doctor,
	&bfs_cmd_fsck,
	&bfs_cmd_gc,
	&help_command,
	NULL,
};

struct help_options {
	bool complete;
};

static const struct bfs_option help_options[] = {
	{"complete", 0, NULL, "Print what may follow the WORDs of a command line, for shells",
		offsetof(struct help_options, complete)},
	{0},
};

static int run_help(const void *fields, int count, char **operands)
{
	const struct help_options *options = fields;
	const struct bfs_command *command;

	if (options->complete) {
		bfs_help_complete(commands, count, operands);
		return 0;
	}
	if (count == 0) {
		bfs_help_overview(commands, stdout);
		return 0;
	}
	if (count > 1) {
		bfs_log_error("help: too many arguments");
		return BFS_EXIT_USAGE;
	}
	command = bfs_help_find(commands, operands[0]);
	return command ? bfs_help_show(command) : bfs_help_unknown(commands, operands[0]);
}

static const struct bfs_command help_command = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "Show the manual page of a command, or all commands",
	.options = help_options,
	.options_size = sizeof(struct help_options),
	.maximum_operands = -1,
	.run = run_help,
};

static int print_version(void)
{
	printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION);
	printf("libfuse %s\nsqlite %s\n%s\n%s\n%s\n", fuse_pkgversion(), sqlite3_libversion(),
		curl_version(), OpenSSL_version(OPENSSL_VERSION), archive_version_string());
	printf("gunzip by %s\n", bfs_gunzip_backend());
	return 0;
}

static int run(int argc, char **argv)
{
	const struct bfs_command *command;

	if (bfs_mount_helper_is_called(argc, argv))
		return bfs_mount_helper_run(argc, argv);
	if (argc < 2) {
		bfs_help_overview(commands, stderr);
		return BFS_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0)
		return print_version();
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		bfs_help_overview(commands, stdout);
		return 0;
	}
	command = bfs_help_find(commands, argv[1]);
	if (!command)
		return bfs_help_unknown(commands, argv[1]);
	return bfs_command_run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status = run(argc, argv);

	/* What did not reach its file, as on a full disk, must not look like success. */
	if ((fflush(stdout) == EOF || ferror(stdout)) && status == 0) {
		bfs_log_error("writing standard output: %s", strerror(errno));
		status = 1;
	}
	return status;
}
