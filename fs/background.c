#include "fs/background.h"

#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

void bfs_background_begin(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && fd != dirfd(dir))
			close(fd);
	}
}

/* Until the child is ready or gone. */
static int wait_for_child(pid_t pid, int ready_fd, int *ret_status)
{
	char byte;
	ssize_t n;
	int status;

	do
		n = read(ready_fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1) {
		*ret_status = 0;
		return 1;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (WIFSIGNALED(status))
		bfs_log_error("the daemon was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return 1;
}

int bfs_background_start(
	int *ret_ready_fd, pid_t *ret_pid, int *ret_status, struct bfs_error *error)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return bfs_error_set(error, -errno, "starting the daemon", NULL, NULL);
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(fds[0]);
		close(fds[1]);
		return bfs_error_set(error, r, "starting the daemon", NULL, NULL);
	}
	if (pid == 0) {
		close(fds[0]);
		*ret_ready_fd = fds[1];
		return 0;
	}
	close(fds[1]);
	r = wait_for_child(pid, fds[0], ret_status);
	close(fds[0]);
	if (r == 1 && ret_pid)
		*ret_pid = pid;
	return r;
}

void bfs_background_ready(int ready_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0)
		bfs_log_warning("leaving the working directory: %s", strerror(errno));
	bfs_log_use_syslog("brewfs");
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	if (write(ready_fd, "", 1) < 0)
		bfs_log_warning("telling that the mount is ready: %s", strerror(errno));
	close(ready_fd);
}
