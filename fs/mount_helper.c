#include "fs/mount_helper.h"

#include "fs/commands.h"
#include "index/efs.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/path.h"

#include <getopt.h>
#include <string.h>

/* mount(8), "EXIT STATUS". */
#define EXIT_INVOCATION 1
#define EXIT_FAILURE_32 32

#define NAME "mount.brewfs"

struct call {
	struct bfs_buffer options; /* all that -o said */
	const char *source, *mountpoint;
	bool fake;
};

static void release_call(struct call *call)
{
	bfs_buffer_release(&call->options);
}

bool bfs_mount_helper_is_called(int argc, char **argv)
{
	if (argc > 0 && strcmp(bfs_path_base(argv[0]), NAME) == 0)
		return true;
	return argc >= 3 && argv[2][0] != '-' && (argv[1][0] == '/' || bfs_efs_is_name(argv[1]));
}

/* false where there is an option that no helper has. */
static bool read_options(int argc, char **argv, struct call *call)
{
	int letter;

	optind = 0;
	opterr = 0;
	while ((letter = getopt(argc, argv, "sfnvrwN:t:o:")) != -1) {
		if (letter == 'o') {
			if (bfs_buffer_append_format(&call->options, "%s%s",
				    call->options.length ? "," : "", optarg) < 0)
				return false;
		} else if (letter == 'f') {
			call->fake = true;
		} else if (letter == '?') {
			bfs_log_error(NAME ": %s: no such option", argv[optind - 1]);
			return false;
		}
	}
	if (argc - optind != 2) {
		bfs_log_error("Usage: " NAME " SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS]");
		return false;
	}
	call->source = argv[optind];
	call->mountpoint = argv[optind + 1];
	return true;
}

static bool has_session(const char *options)
{
	return strncmp(options, "session=", 8) == 0 || strstr(options, ",session=");
}

/* Takes the `rw` out that mount(8) put in. */
static void drop_writable(char *options)
{
	char *from = options, *to = options;

	while (*from) {
		size_t length = strcspn(from, ",");

		if (length != 2 || strncmp(from, "rw", 2) != 0) {
			if (to != options)
				*to++ = ',';
			memmove(to, from, length);
			to += length;
		}
		from += length + (from[length] == ',');
	}
	*to = '\0';
}

static int run_mount(const struct call *call)
{
	const char *options = call->options.data ? call->options.data : "";
	const char *arguments[] = {
		"mount", "-o", options, "--", call->source, call->mountpoint, NULL};

	return bfs_command_run(
		&bfs_cmd_mount, (int)BFS_ARRAY_LENGTH(arguments) - 1, (char **)arguments);
}

int bfs_mount_helper_run(int argc, char **argv)
{
	BFS_CLEANUP(release_call) struct call call = {.options = BFS_BUFFER_INIT};
	int status;

	if (!read_options(argc, argv, &call))
		return EXIT_INVOCATION;
	if (call.fake)
		return 0;
	if (call.options.data && !has_session(call.options.data))
		drop_writable(call.options.data);
	status = run_mount(&call);
	return status == 0 ? 0 : status == BFS_EXIT_USAGE ? EXIT_INVOCATION : EXIT_FAILURE_32;
}
