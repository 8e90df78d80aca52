#include "tests/tap.h"
#undef ok
#undef is_int
#include "tests/posix/posix.h"

#include <ftw.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

__attribute__((format(printf, 4, 0))) static bool report(
	bool passed, const char *file, int line, const char *format, va_list args)
{
	char sentence[512];

	vsnprintf(sentence, sizeof(sentence), format, args);
	return tap_ok(passed, file, line, "%s", sentence);
}

bool posix_check(bool passed, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(passed, file, line, format, args);
	va_end(args);
	return passed;
}

static const char *error_name(int error)
{
	const char *name = strerrorname_np(error);

	return error == 0 ? "success" : name ? name : "an unknown error";
}

bool posix_result(int error, int wanted, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!report(error == wanted, file, line, format, args))
		printf("# got %s, expected %s\n", error_name(error), error_name(wanted));
	va_end(args);
	return error == wanted;
}

bool posix_result_either(
	int error, int wanted, int other, const char *file, int line, const char *format, ...)
{
	bool passed = error == wanted || error == other;
	va_list args;

	va_start(args, format);
	if (!report(passed, file, line, format, args))
		printf("# got %s, expected %s or %s\n", error_name(error), error_name(wanted),
			error_name(other));
	va_end(args);
	return passed;
}

bool posix_number(
	long long actual, long long expected, const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!report(actual == expected, file, line, format, args))
		printf("# got %lld (%#llo), expected %lld (%#llo)\n", actual, actual, expected,
			expected);
	va_end(args);
	return actual == expected;
}

int posix_done(void)
{
	return done();
}

/* --- identities --- */

struct posix_identity posix_identity_take(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
	if (setgroups(count, groups) < 0 || setresgid(gid, gid, 0) < 0 ||
		setresuid(uid, uid, 0) < 0) {
		fprintf(stderr, "taking the identity %u: %s\n", uid, strerror(errno));
		exit(1);
	}
	return (struct posix_identity){.taken = true};
}

void posix_identity_drop(struct posix_identity *identity)
{
	int saved = errno;

	if (setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0) {
		fprintf(stderr, "going back to root: %s\n", strerror(errno));
		exit(1);
	}
	identity->taken = false;
	errno = saved;
}

/* --- things to work on --- */

const char *posix_kind_name(enum posix_kind kind)
{
	static const char *const names[KINDS] = {"file", "directory", "symlink", "fifo", "socket",
		"character device", "block device"};

	return names[kind];
}

mode_t posix_kind_type(enum posix_kind kind)
{
	static const mode_t types[KINDS] = {
		S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};

	return types[kind];
}

int posix_make(enum posix_kind kind, const char *path)
{
	int fd;

	switch (kind) {
	case REGULAR:
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
		return fd < 0 ? -1 : close(fd);
	case DIRECTORY:
		return mkdir(path, 0755);
	case SYMLINK:
		return symlink("target", path);
	case FIFO:
		return mkfifo(path, 0644);
	case SOCKET:
		return mknod(path, S_IFSOCK | 0644, 0);
	case CHARACTER:
		return mknod(path, S_IFCHR | 0644, makedev(1, 3));
	case BLOCK:
		return mknod(path, S_IFBLK | 0644, makedev(7, 200));
	}
	errno = EINVAL;
	return -1;
}

int posix_make_owned(enum posix_kind kind, const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if (posix_make(kind, path) < 0 || lchown(path, uid, gid) < 0)
		return -1;
	return kind == SYMLINK ? 0 : chmod(path, mode);
}

int posix_remove(const char *path)
{
	if (unlink(path) == 0)
		return 0;
	return errno == EISDIR ? rmdir(path) : -1;
}

static int remove_visited(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return flag == FTW_DP || flag == FTW_D || flag == FTW_DNR ? rmdir(path) : unlink(path);
}

int posix_remove_tree(const char *path)
{
	return nftw(path, remove_visited, 16, FTW_DEPTH | FTW_PHYS);
}

int posix_write_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	size_t length = strlen(text);

	if (fd < 0)
		return -1;
	if (write(fd, text, length) != (ssize_t)length) {
		close(fd);
		return -1;
	}
	return close(fd);
}

bool posix_fd_is(int fd, const char *text)
{
	char buffer[4096];
	ssize_t n = pread(fd, buffer, sizeof(buffer), 0);

	return n == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)n) == 0;
}

bool posix_file_is(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY);
	bool same = fd >= 0 && posix_fd_is(fd, text);

	if (fd >= 0)
		close(fd);
	return same;
}

bool posix_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

struct stat posix_lstat(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	return st;
}

struct stat posix_fstat(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		memset(&st, 0, sizeof(st));
	return st;
}

mode_t posix_mode(const char *path)
{
	return posix_lstat(path).st_mode & 07777;
}

nlink_t posix_links(const char *path)
{
	return posix_lstat(path).st_nlink;
}

ino_t posix_ino(const char *path)
{
	return posix_lstat(path).st_ino;
}

off_t posix_size(const char *path)
{
	return posix_lstat(path).st_size;
}

/* --- times --- */

/* Kernels with 100 ticks a second move the coarse clock every 10 ms. */
void posix_tick(void)
{
	const struct timespec pause = {.tv_nsec = 12000000};

	nanosleep(&pause, NULL);
}

int posix_time_order(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec == b->tv_nsec ? 0 : a->tv_nsec < b->tv_nsec ? -1 : 1;
}

void posix_moved(const struct stat *before, const struct stat *after, int ask, int moved, int line,
	const char *format, ...)
{
	int order[] = {posix_time_order(&after->st_ctim, &before->st_ctim),
		posix_time_order(&after->st_mtim, &before->st_mtim),
		posix_time_order(&after->st_atim, &before->st_atim)};
	bool passed = true;
	char sentence[256];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	for (int i = 0; i < 3; i++)
		if (ask & 1 << i)
			passed = passed && order[i] == (moved & 1 << i ? 1 : 0);
	if (tap_ok(passed, __FILE__, line, "%s", sentence))
		return;
	for (int i = 0; i < 3; i++)
		if (ask & 1 << i)
			printf("# %s %s, expected it to %s\n",
				(const char *[]){"ctime", "mtime", "atime"}[i],
				order[i] > 0	? "moved on"
				: order[i] == 0 ? "stayed"
						: "went back",
				moved & 1 << i ? "move on" : "stay");
}

/* --- children --- */

static int wait_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int posix_child(int (*run)(void *argument), void *argument)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(run(argument));
	return pid < 0 ? 255 : wait_status(pid);
}

int posix_run(const char *path, const char *argument)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execl(path, path, argument, NULL);
		_exit(errno == ETXTBSY ? 126 : errno == EACCES ? 125 : 127);
	}
	return pid < 0 ? 255 : wait_status(pid);
}
