#include "fs/mountpoint.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

/* A copy without slashes at its end: they would make realpath(3) look into what is mounted there.
 */
static char *strip_slashes(const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	return strndup(path, length);
}

static int resolve_parent(const char *path, char **ret_path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	_cleanup_free_ char *real = NULL;
	const char *base = bfs_path_base(path);

	if (!parent)
		return -ENOMEM;
	if (!bfs_name_is_valid(base, strlen(base)))
		return -EINVAL;
	real = realpath(*parent ? parent : path[0] == '/' ? "/" : ".", NULL);
	if (!real)
		return -errno;
	*ret_path = bfs_format("%s/%s", strcmp(real, "/") == 0 ? "" : real, base);
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_mountpoint_resolve(const char *path, char **ret_path, struct bfs_error *error)
{
	_cleanup_free_ char *stripped = strip_slashes(path);
	int r = stripped ? 0 : -ENOMEM;

	if (r == 0) {
		*ret_path = realpath(stripped, NULL);
		if (!*ret_path)
			r = resolve_parent(stripped, ret_path);
	}
	return r < 0 ? bfs_error_set(error, r, "finding the mountpoint", path, NULL) : 0;
}

int bfs_mountpoint_make(const char *path, char **ret_path, struct bfs_error *error)
{
	_cleanup_free_ char *stripped = strip_slashes(path);
	int r;

	if (!stripped)
		return -ENOMEM;
	*ret_path = realpath(stripped, NULL);
	if (*ret_path)
		return 0;
	/* Anything but a missing directory may be a mount whose daemon has died. */
	if (errno == ENOENT) {
		r = bfs_make_directories(AT_FDCWD, stripped, 0755);
		if (r < 0)
			return bfs_error_set(error, r, "making the mountpoint", path, NULL);
	}
	return bfs_mountpoint_resolve(stripped, ret_path, error);
}

static bool is_empty(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	return true;
}

int bfs_mountpoint_check(const char *path, struct bfs_error *error)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return bfs_error_set(error, -errno, "looking at the mountpoint", path, NULL);
	if (!S_ISDIR(st.st_mode))
		return bfs_error_set(error, -ENOTDIR, "looking at the mountpoint", path, NULL);
	if (!is_empty(path))
		bfs_log_warning("%s is not empty; what it holds is hidden while the prefix is "
				"mounted",
			path);
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether `path` is the directory `top` or lies below it: 1, 0, or an error. Goes up by "..", so no
 * name misleads it. */
static int is_below(const char *path, const struct stat *top)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat here, above;

	if (fd < 0 || fstat(fd, &here) < 0)
		return -errno;
	for (;;) {
		int up;

		if (is_same(&here, top))
			return 1;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		close(fd);
		fd = up;
		if (fstat(fd, &above) < 0)
			return -errno;
		if (is_same(&above, &here))
			return 0;
		here = above;
	}
}

int bfs_mountpoint_check_apart(
	const char *mountpoint, const char *path, const char *what, struct bfs_error *error)
{
	struct stat mountpoint_stat, path_stat;
	int below = 0, above = 0;

	if (stat(path, &path_stat) < 0)
		return errno == ENOENT ? 0 : bfs_error_set(error, -errno, "looking at", path, NULL);
	if (stat(mountpoint, &mountpoint_stat) < 0)
		return bfs_error_set(error, -errno, "looking at the mountpoint", mountpoint, NULL);
	below = is_below(path, &mountpoint_stat);
	if (below == 0)
		above = is_below(mountpoint, &path_stat);
	if (below < 0 || above < 0)
		return bfs_error_set(error, below < 0 ? below : above, "looking at", path, NULL);
	if (below || above)
		return bfs_error_set(error, -EDEADLK, "mounting", mountpoint,
			"%s (%s) must lie neither in the mountpoint nor around it", what, path);
	return 0;
}

static int run_fusermount(const char *path, bool lazy, int error_fd)
{
	const char *arguments[] = {"fusermount3", "-u", lazy ? "-z" : "--", path, NULL};
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		dup2(error_fd, STDERR_FILENO);
		execvp(arguments[0], (char *const *)arguments);
		dprintf(STDERR_FILENO, "fusermount3: %s", strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

/* fusermount3 says why it failed in words only; they fit into a pipe. */
static int unmount_as_user(const char *path, bool lazy, struct bfs_error *error)
{
	_cleanup_close_ int read_fd = -1, write_fd = -1;
	char said[512];
	int pipe_fds[2];
	ssize_t n;
	int r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return bfs_error_set(error, -errno, "unmounting", path, NULL);
	read_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	r = run_fusermount(path, lazy, write_fd);
	if (r == 0)
		return 0;
	close(bfs_steal_fd(&write_fd));
	n = read(read_fd, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (strstr(said, strerror(EBUSY)) || strstr(said, "busy"))
		r = -EBUSY;
	return bfs_error_set(error, r, "unmounting", path, "%s", *said ? said : strerror(-r));
}

int bfs_mountpoint_unmount(const char *path, bool lazy, struct bfs_error *error)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	/* An ordinary user can do it himself in a user namespace of his own only. */
	if (errno == EPERM && geteuid() != 0)
		return unmount_as_user(path, lazy, error);
	return bfs_error_set(error, -errno, "unmounting", path, NULL);
}
