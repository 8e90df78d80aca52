#include "fs/shell_process.h"

#include "fs/shell_namespace.h"
#include "lib/file.h"
#include "lib/log.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define SYSTEM_PATH    "/usr/bin:/bin:/usr/sbin:/sbin"
#define NOT_FOUND      127 /* as sh(1) has them */
#define NOT_EXECUTABLE 126

extern char **environ;

/* --- environment --- */

static int set(const char *name, const char *text, const char *end)
{
	_cleanup_free_ char *value = bfs_format("%s%s", text, end);

	return value && setenv(name, value, 1) == 0 ? 0 : -ENOMEM;
}

/* Puts the prefix's directories before what a variable has. */
static int prepend(const char *name, const char *directories, const char *otherwise)
{
	const char *now = getenv(name);
	_cleanup_free_ char *value = NULL;

	if (!now || !*now)
		now = otherwise;
	value = bfs_format("%s:%s", directories, now);
	return value && setenv(name, value, 1) == 0 ? 0 : -ENOMEM;
}

static bool is_locale(const char *variable)
{
	return strncmp(variable, "LANG=", 5) == 0 || strncmp(variable, "LC_", 3) == 0;
}

/* Leaves the locale and nothing else. */
static int clear_environment(void)
{
	size_t kept = 0;

	for (char **variable = environ; *variable; variable++)
		if (is_locale(*variable))
			environ[kept++] = *variable;
	environ[kept] = NULL;
	if (setenv("HOME", "/tmp", 1) < 0 || setenv("TMPDIR", "/tmp", 1) < 0)
		return -ENOMEM;
	return 0;
}

/* What `brew shellenv` sets. */
static int set_environment(const struct bfs_shell_process *process)
{
	const char *prefix = process->prefix;
	_cleanup_free_ char *path = bfs_format("%s/bin:%s/sbin", prefix, prefix);
	_cleanup_free_ char *info = bfs_format("%s/share/info", prefix);
	int r = path && info ? 0 : -ENOMEM;

	if (r == 0 && process->isolated)
		r = clear_environment();
	if (r == 0)
		r = prepend("PATH", path, SYSTEM_PATH);
	if (r == 0)
		r = set("HOMEBREW_PREFIX", prefix, "");
	if (r == 0)
		r = set("HOMEBREW_CELLAR", prefix, "/Cellar");
	if (r == 0)
		r = set("HOMEBREW_REPOSITORY", prefix, "/Homebrew");
	if (r == 0 && !process->isolated)
		r = prepend("INFOPATH", info, "");
	if (r == 0 && !process->isolated)
		r = set("BREWFS_SESSION", process->session, "");
	return r;
}

/* --- the child --- */

static void run_child(const struct bfs_shell_process *process, const sigset_t *signals)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const char *shell = getenv("SHELL");
	char *const shell_arguments[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};
	char *const *arguments = process->arguments[0] ? process->arguments : shell_arguments;
	int r = process->isolated ? bfs_shell_namespace_isolate(process->prefix, &error) : 0;

	if (r == 0)
		r = set_environment(process);
	/* The directory where it was called, if that can be reached: it may be the prefix. */
	if (r == 0 && process->isolated && chdir("/tmp") < 0)
		r = -errno;
	if (r < 0)
		_exit(bfs_error_report(&error, r));
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, signals, NULL);
	execvp(arguments[0], arguments);
	r = errno;
	bfs_log_error("%s: %s", arguments[0], strerror(r));
	_exit(r == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

/* --- the parent --- */

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until the child has ended; the signals are blocked. */
static int wait_for_end(pid_t child, const sigset_t *signals)
{
	for (;;) {
		int status, number = sigwaitinfo(signals, NULL);
		pid_t ended;

		if (number == SIGTERM || number == SIGHUP)
			kill(child, number);
		if (number != SIGCHLD)
			continue;
		ended = waitpid(child, &status, WNOHANG);
		if (ended == child)
			return status_of(status);
	}
}

int bfs_shell_process_run(
	const struct bfs_shell_process *process, int *ret_status, struct bfs_error *error)
{
	sigset_t waited, before;
	pid_t child;

	sigemptyset(&waited);
	sigaddset(&waited, SIGTERM);
	sigaddset(&waited, SIGHUP);
	sigaddset(&waited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &waited, &before);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	fflush(NULL);
	child = fork();
	if (child == 0)
		run_child(process, &before);
	if (child > 0)
		*ret_status = wait_for_end(child, &waited);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return child < 0 ? bfs_error_set(error, -errno, "starting the command", NULL, NULL) : 0;
}
