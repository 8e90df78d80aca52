#include "lib/program.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#define SAID_LIMIT (64 * 1024) /* bytes; programs that fail say a few lines */

int bfs_program_find(const char *name, char **ret_path)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *places = bfs_format("%s:/sbin:/usr/sbin", path ? path : "");
	char *rest = places, *place;

	if (!places)
		return -ENOMEM;
	while ((place = strsep(&rest, ":"))) {
		_cleanup_free_ char *candidate = bfs_format("%s/%s", place, name);
		struct stat st;

		if (!candidate)
			return -ENOMEM;
		if (*place && stat(candidate, &st) == 0 && S_ISREG(st.st_mode) &&
			access(candidate, X_OK) == 0) {
			*ret_path = bfs_steal(&candidate);
			return 0;
		}
	}
	return -ENOENT;
}

/* In the child; tells an errno by the pipe that closes when the program starts. */
static void __attribute__((noreturn))
execute(const char *const *arguments, int output_fd, int failure_fd)
{
	int null = open("/dev/null", O_RDONLY), code;

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(output_fd, STDOUT_FILENO);
	dup2(output_fd, STDERR_FILENO);
	execvp(arguments[0], (char *const *)arguments);
	code = errno;
	if (write(failure_fd, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

/* Until the other end is closed; what is beyond the limit is read and dropped. */
static int drain(int fd, struct bfs_buffer *said)
{
	char block[4096];
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0) {
		n = read(fd, block, sizeof(block));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			r = -errno;
		else if (said->length < SAID_LIMIT)
			r = bfs_buffer_append(said, block, (size_t)n);
	}
	return r;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int bfs_program_run(const char *const *arguments, struct bfs_buffer *said)
{
	_cleanup_close_ int output_read = -1, output_write = -1, failure_read = -1,
			    failure_write = -1;
	int output[2], failure[2], code, r, status;
	pid_t pid;

	if (pipe2(output, O_CLOEXEC) < 0)
		return -errno;
	output_read = output[0];
	output_write = output[1];
	if (pipe2(failure, O_CLOEXEC) < 0)
		return -errno;
	failure_read = failure[0];
	failure_write = failure[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		execute(arguments, output_write, failure_write);
	close(bfs_steal_fd(&output_write));
	close(bfs_steal_fd(&failure_write));
	r = drain(output_read, said);
	if (read(failure_read, &code, sizeof(code)) == (ssize_t)sizeof(code))
		r = -code;
	status = wait_for(pid);
	return r < 0 ? r : status;
}
