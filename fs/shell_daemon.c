#include "fs/shell_daemon.h"

#include "fs/background.h"
#include "fs/daemon.h"
#include "fs/session_service.h"
#include "lib/log.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int set_options(struct bfs_mount_options *options, const char *session)
{
	bfs_mount_options_init(options);
	options->writable = true;
	options->session = strdup(session);
	/* In the namespace there is nobody else; root's commands may become other users. */
	options->allow_other = geteuid() == 0;
	return options->session ? 0 : -ENOMEM;
}

static int serve(const struct bfs_shell_mount *mount, int ready_fd, struct bfs_error *error)
{
	struct bfs_mount_options options;
	const struct bfs_daemon_config config = {mount->store, mount->source, mount->mountpoint,
		mount->ref, &options, bfs_session_service_kind()};
	struct bfs_daemon *daemon = NULL;
	int r = set_options(&options, mount->session);

	if (r == 0)
		r = bfs_daemon_new(&config, &daemon, error);
	if (r == 0)
		r = bfs_daemon_mount(daemon, error);
	if (r == 0) {
		bfs_background_ready(ready_fd);
		bfs_daemon_serve(daemon);
	}
	/* Threads that are stuck in the store may still use the options. */
	if (!bfs_daemon_free(daemon))
		return -ETIMEDOUT;
	bfs_mount_options_release(&options);
	return r;
}

static void run_daemon(const struct bfs_shell_mount *mount, int ready_fd)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	r = serve(mount, ready_fd, &error);
	_exit(r < 0 ? bfs_error_report(&error, r) : 0);
}

int bfs_shell_daemon_start(
	const struct bfs_shell_mount *mount, pid_t *ret_pid, struct bfs_error *error)
{
	int ready_fd, status;
	pid_t pid = 0;
	int r = bfs_background_start(&ready_fd, &pid, &status, error);

	if (r < 0)
		return r;
	if (r == 0)
		run_daemon(mount, ready_fd);
	*ret_pid = status == 0 ? pid : 0;
	return 0;
}

void bfs_shell_daemon_stop(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		bfs_log_warning("the daemon of the session did not end as it should: see the "
				"system's log");
}
