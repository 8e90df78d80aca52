#include "installer/program_process.h"

#include "installer/step_script.h"
#include "lib/file.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SCRIPT_FD   8
#define SCRIPT_PATH "/proc/self/fd/8"
#define SAID_LIMIT  (1024 * 1024) /* bytes */

extern char **environ;

static int make_script(const char *text, int *ret_fd)
{
	_cleanup_close_ int fd = memfd_create("post-install", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : bfs_write_all(fd, text, strlen(text));

	if (r == 0)
		*ret_fd = bfs_steal_fd(&fd);
	return r;
}

/* The first command of the script says that it ran at all. */
static char *complete(const char *script)
{
	return bfs_format("printf 'begun\\n' >&%d\n%s", BFS_STEP_SCRIPT_RESULT_FD, script);
}

static int spawn(
	const struct bfs_program_process *process, int script_fd, int said_fd, pid_t *ret_pid)
{
	const char *const arguments[] = {"brewfs", "shell", "--isolated", "--store",
		process->store_path, "--ref", process->ref, "--session", process->session, "--",
		"/bin/sh", SCRIPT_PATH, NULL};
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, 2, 1);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, script_fd, SCRIPT_FD);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, said_fd, BFS_STEP_SCRIPT_RESULT_FD);
	if (r == 0)
		r = posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL, (char *const *)arguments,
			environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Above the descriptors that it is copied to, so that neither copy takes the other's place. */
static int move_up(int *fd)
{
	int higher = fcntl(*fd, F_DUPFD_CLOEXEC, BFS_STEP_SCRIPT_RESULT_FD + 1);

	if (higher < 0)
		return -errno;
	close(*fd);
	*fd = higher;
	return 0;
}

static int read_said(int fd, struct bfs_buffer *said)
{
	off_t length = lseek(fd, 0, SEEK_END);
	int r = length < 0 ? -errno : length > SAID_LIMIT ? -EFBIG : 0;

	if (r == 0)
		r = bfs_buffer_reserve(said, (size_t)length);
	if (r == 0 && length > 0)
		r = bfs_pread_all(fd, said->data, (size_t)length, 0);
	if (r < 0)
		return r;
	said->length = (size_t)length;
	said->data[length] = '\0';
	return length > 0 ? 0 : -ENOEXEC;
}

int bfs_program_process_run(const struct bfs_program_process *process, struct bfs_buffer *ret_said,
	struct bfs_error *error)
{
	_cleanup_free_ char *script = complete(process->script);
	_cleanup_close_ int script_fd = -1, said_fd = memfd_create("said", MFD_CLOEXEC);
	pid_t pid;
	int r = !script ? -ENOMEM : said_fd < 0 ? -errno : make_script(script, &script_fd);

	if (r == 0)
		r = move_up(&script_fd);
	if (r == 0)
		r = move_up(&said_fd);
	if (r == 0)
		r = spawn(process, script_fd, said_fd, &pid);
	if (r == 0)
		r = wait_for(pid);
	if (r == 0)
		r = read_said(said_fd, ret_said);
	if (r < 0 && r != -ENOEXEC)
		return bfs_error_set(
			error, r, "running post-install steps", process->session, NULL);
	return r;
}
