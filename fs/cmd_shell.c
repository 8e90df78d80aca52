/* brewfs shell: a command, or a shell, in which the prefix is mounted and writable. */
#include "fs/commands.h"
#include "fs/mountpoint.h"
#include "fs/session_access.h"
#include "fs/shell_daemon.h"
#include "fs/shell_namespace.h"
#include "fs/shell_process.h"
#include "index/ref.h"
#include "index/session.h"
#include "index/session_update.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

struct shell_options {
	const char *store, *ref, *session, *message;
	bool commit, discard, isolated;
};

static const struct bfs_option options_table[] = {
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)",
		offsetof(struct shell_options, store)},
	{"ref", 'r', "REF", "The prefix (default: the session's, else this host's bottle tag)",
		offsetof(struct shell_options, ref)},
	{"session", 0, "NAME", "The session; made if there is none (default: a new one)",
		offsetof(struct shell_options, session)},
	{"commit", 0, NULL, "Commit the session if the command succeeds",
		offsetof(struct shell_options, commit)},
	{"message", 'm', "TEXT", "What to say of the new generation",
		offsetof(struct shell_options, message)},
	{"discard", 0, NULL, "Discard the session in the end",
		offsetof(struct shell_options, discard)},
	{"isolated", 0, NULL, "No network, and all but the prefix and /tmp read-only",
		offsetof(struct shell_options, isolated)},
	{0},
};

/* A shell under way. */
struct shell {
	const struct shell_options *options;
	struct bfs_store *store;
	char *source; /* the store's path, resolved */
	char *ref, *session, *mountpoint;
	bool is_new; /* the session was made for this shell alone */
	bool exists; /* it was there before */
};

static void release_shell(struct shell *shell)
{
	bfs_store_close(shell->store);
	free(shell->source);
	free(shell->ref);
	free(shell->session);
	free(shell->mountpoint);
}

/* --- what is to be mounted where --- */

static int open_store(struct shell *shell, const char *recorded, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	const char *given = shell->options->store ? shell->options->store : recorded;
	int r = bfs_store_default_path(given, &path);

	if (r < 0)
		return r;
	shell->source = realpath(path, NULL);
	if (!shell->source)
		return bfs_error_set(error, -errno, "opening the store", path, NULL);
	return bfs_store_open(shell->source, &shell->store, error);
}

static char *new_name(void)
{
	time_t now = time(NULL);
	char text[32] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &tm);
	return bfs_format("shell-%s-%d", text, (int)getpid());
}

/* The session that was named; `ret_info` is empty where it does not exist yet. */
static int find_session(
	struct shell *shell, struct bfs_session_info *ret_info, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	int r;

	shell->is_new = !shell->options->session;
	shell->session = shell->is_new ? new_name() : strdup(shell->options->session);
	if (!shell->session)
		return -ENOMEM;
	if (!bfs_session_name_is_valid(shell->session))
		return bfs_error_set(error, -EINVAL, "starting a shell", shell->session,
			"not a name for a session: 1 to 64 of A-Z a-z 0-9 . _ -");
	if (shell->is_new)
		return 0;
	r = bfs_session_read_info(shell->session, ret_info, &missing);
	return r == -ENOENT ? 0
	       : r < 0	    ? bfs_error_set(error, r, "reading the session", shell->session, "%s",
				      bfs_error_message(&missing, r))
			    : 0;
}

static int plan(struct shell *shell, struct bfs_error *error)
{
	const struct shell_options *options = shell->options;
	_cleanup_session_info_ struct bfs_session_info info = {0};
	int r = find_session(shell, &info, error);

	if (r == 0)
		r = open_store(shell, info.store, error);
	if (r < 0)
		return r;
	if (info.ref && options->ref && strcmp(info.ref, options->ref) != 0)
		return bfs_error_set(error, -EINVAL, "starting a shell", shell->session,
			"the session is of %s, not of %s", info.ref, options->ref);
	shell->exists = info.name != NULL;
	shell->ref = strdup(info.ref ? info.ref : options->ref ? options->ref : bfs_ref_default());
	shell->mountpoint = strdup(bfs_store_prefix(shell->store));
	if (!shell->ref || !shell->mountpoint)
		return -ENOMEM;
	if (!bfs_ref_name_is_valid(shell->ref))
		return bfs_error_set(
			error, -EINVAL, "starting a shell", shell->ref, "not a name for a ref");
	return 0;
}

static int prepare_place(const struct shell *shell, struct bfs_error *error)
{
	_cleanup_free_ char *sessions = NULL;
	int r = bfs_session_directory(&sessions, error);

	if (r == 0)
		r = bfs_shell_namespace_enter(error);
	if (r == 0)
		r = bfs_shell_namespace_make_room(shell->mountpoint, error);
	if (r == 0)
		r = bfs_mountpoint_check_apart(
			shell->mountpoint, shell->source, "the store", error);
	if (r == 0)
		r = bfs_mountpoint_check_apart(
			shell->mountpoint, sessions, "the directory of sessions", error);
	return r;
}

/* --- what was changed in it --- */

struct counts {
	int64_t changed; /* paths that a commit would take */
	int64_t ignored;
	int64_t base, current; /* generations; 0: none */
};

static int count_changes(
	const struct shell *shell, struct counts *ret_counts, struct bfs_error *error)
{
	static const char *const kinds[] = {"added", "removed", "modified"};
	_cleanup_json_ json_t *request = json_pack("{s:s}", "request", "status"), *answer = NULL;
	int r = request ? bfs_session_ask(shell->session, shell->source, "being looked at", request,
				  &answer, error)
			: -ENOMEM;

	if (r < 0)
		return r;
	*ret_counts = (struct counts){0};
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kinds); i++) {
		int64_t count = 0;

		if (bfs_json_get_int(answer, kinds[i], 0, INT64_MAX, &count) < 0)
			return bfs_error_set(error, -EBADMSG, "looking at the session",
				shell->session, "%s",
				bfs_json_string_or(answer, "error", "no answer"));
		ret_counts->changed += count;
	}
	bfs_json_get_int(answer, "ignored", 0, INT64_MAX, &ret_counts->ignored);
	bfs_json_get_int(answer, "base", 0, INT64_MAX, &ret_counts->base);
	bfs_json_get_int(answer, "current", 0, INT64_MAX, &ret_counts->current);
	return 0;
}

/*
 * A session that is gone on with, and has nothing to commit, begins with the generation that is
 * current now; one that has is left as it is.
 */
static int bring_forward(const struct shell *shell, struct bfs_error *error)
{
	_cleanup_update_result_ struct bfs_update_result result = {0};
	struct counts counts;
	int r = count_changes(shell, &counts, error);

	if (r < 0 || counts.current <= counts.base)
		return r;
	if (counts.changed > 0) {
		bfs_log_info("Session %s has changes on generation %" PRId64 "; generation %" PRId64
			     " is current (brewfs session update %s)",
			shell->session, counts.base, counts.current, shell->session);
		return 0;
	}
	r = bfs_session_update(shell->store, shell->session, BFS_COMMIT_THEIRS, &result, error);
	if (r == 0)
		bfs_log_info("Session %s is based on generation %" PRIu64 " now", shell->session,
			result.generation.number);
	return r;
}

/* --- running --- */

static int run_mounted(
	const struct shell *shell, char *const *arguments, int *ret_status, struct bfs_error *error)
{
	const struct bfs_shell_mount mount = {
		shell->store, shell->source, shell->ref, shell->session, shell->mountpoint};
	const struct bfs_shell_process process = {
		shell->mountpoint, shell->session, shell->options->isolated, arguments};
	pid_t daemon;
	int r = bfs_shell_daemon_start(&mount, &daemon, error);

	if (r < 0)
		return r;
	*ret_status = 1;
	if (daemon == 0)
		return 0;
	if (!arguments[0])
		bfs_log_info("Session %s is at %s; the shell's end ends it", shell->session,
			shell->mountpoint);
	r = bfs_shell_process_run(&process, ret_status, error);
	bfs_shell_daemon_stop(daemon);
	return r;
}

/* --- the end --- */

/* Runs `brewfs session VERB NAME`, which says what it does. Returns its exit status. */
static int run_verb(const struct shell *shell, const char *verb, const char *message)
{
	extern char **environ;
	const char *const arguments[] = {"brewfs", "session", verb, shell->session, "--store",
		shell->source, message ? "--message" : NULL, message, NULL};
	int status;
	pid_t pid;

	fflush(NULL);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, (char *const *)arguments, environ) != 0)
		return 1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int discard(const struct shell *shell)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_session_discard(shell->session, &error);

	return r < 0 && r != -ENOENT ? bfs_error_report(&error, r) : 0;
}

static void say_kept(const struct shell *shell)
{
	bfs_log_info(
		"Session %s is kept. To go on: brewfs session diff %s, brewfs session commit %s, "
		"brewfs session discard %s, brewfs shell --session %s",
		shell->session, shell->session, shell->session, shell->session, shell->session);
}

/* What becomes of the session. Returns the exit status. */
static int finish(const struct shell *shell, int status)
{
	const struct shell_options *options = shell->options;
	_cleanup_error_ struct bfs_error ignored = BFS_ERROR_INIT;
	struct counts counts;

	if (options->discard)
		return discard(shell) != 0 ? 1 : status;
	if (options->commit && status == 0) {
		if (run_verb(shell, "commit", options->message) != 0) {
			say_kept(shell);
			return 1;
		}
		return shell->is_new ? discard(shell) : 0;
	}
	if (shell->is_new && count_changes(shell, &counts, &ignored) == 0 && counts.changed == 0 &&
		counts.ignored == 0)
		return discard(shell) != 0 ? 1 : status;
	if (options->commit)
		bfs_log_warning("the command ended with status %d: nothing is committed", status);
	if (!options->isolated || options->commit)
		say_kept(shell);
	return status;
}

static int check_usage(const struct shell_options *options)
{
	if (options->commit && options->discard) {
		bfs_log_error("shell: either --commit or --discard");
		return BFS_EXIT_USAGE;
	}
	if (options->message && !options->commit) {
		bfs_log_error("shell: --message is for --commit");
		return BFS_EXIT_USAGE;
	}
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct shell_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct shell shell = {.options = options};
	int status = check_usage(options), r;

	(void)count;
	if (status != 0)
		return status;
	r = plan(&shell, &error);
	if (r == 0 && shell.exists && !options->isolated)
		r = bring_forward(&shell, &error);
	if (r == 0)
		r = prepare_place(&shell, &error);
	if (r == 0)
		r = run_mounted(&shell, operands, &status, &error);
	if (r == 0)
		status = finish(&shell, status);
	release_shell(&shell);
	return r < 0 ? bfs_error_report(&error, r) : status;
}

const struct bfs_command bfs_cmd_shell = {
	.name = "shell",
	.synopsis = "[-- COMMAND [ARGUMENT]...]",
	.summary = "Run a command, or a shell, in a writable prefix of its own",
	.options = options_table,
	.options_size = sizeof(struct shell_options),
	.maximum_operands = -1,
	.run = run,
};
