#include "tests/posix/paths.h"

#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

/* Second names, in the directory of the first: of a link, and of what a rename moved. */
#define SECOND	    "second-name"
#define LINK_SOURCE "link-source"
#define MOVE_SOURCE "move-source"

static int close_opened(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

/* The second name beside a path; the path itself may be no string at all. */
static const char *beside(const char *path, char second[2 * PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(second, 2 * PATH_MAX, "%.*s" SECOND, slash ? (int)(slash + 1 - path) : 0, path);
	return second;
}

static bool is_string(const char *path)
{
	return path != (const char *)1 && path != (const char *)-1;
}

/* Of long paths only the last directory is meant. */
static const char *second_name(const char *path, char second[2 * PATH_MAX])
{
	if (!is_string(path) || strlen(path) > 1000)
		return SECOND;
	return beside(path, second);
}

static int run_open_read(const char *path)
{
	return close_opened(open(path, O_RDONLY));
}

static int run_open_write(const char *path)
{
	return close_opened(open(path, O_WRONLY));
}

static int run_open_truncate(const char *path)
{
	return close_opened(open(path, O_RDWR | O_TRUNC));
}

static int run_open_append(const char *path)
{
	return close_opened(open(path, O_WRONLY | O_APPEND));
}

static int run_open_directory(const char *path)
{
	return close_opened(open(path, O_RDONLY | O_DIRECTORY));
}

static int run_open_path(const char *path)
{
	return close_opened(open(path, O_PATH));
}

static int run_open_create(const char *path)
{
	return close_opened(open(path, O_WRONLY | O_CREAT, 0644));
}

static int run_open_exclusive(const char *path)
{
	return close_opened(open(path, O_RDWR | O_CREAT | O_EXCL, 0644));
}

static int run_stat(const char *path)
{
	struct stat st;

	return stat(path, &st);
}

static int run_lstat(const char *path)
{
	struct stat st;

	return lstat(path, &st);
}

static int run_access(const char *path)
{
	return access(path, F_OK);
}

static int run_chmod(const char *path)
{
	return chmod(path, 0600);
}

static int run_chown(const char *path)
{
	return chown(path, (uid_t)-1, (gid_t)-1);
}

static int run_lchown(const char *path)
{
	return lchown(path, (uid_t)-1, (gid_t)-1);
}

static int run_truncate(const char *path)
{
	return truncate(path, 100);
}

static int run_utimens(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, 0);
}

static int run_utimens_nofollow(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

static int run_readlink(const char *path)
{
	char target[100];

	return (int)readlink(path, target, sizeof(target));
}

static int run_statfs(const char *path)
{
	struct statfs st;

	return statfs(path, &st);
}

static int run_unlink(const char *path)
{
	return unlink(path);
}

static int run_rmdir(const char *path)
{
	return rmdir(path);
}

static int run_mkdir(const char *path)
{
	return mkdir(path, 0755);
}

static int run_mkfifo(const char *path)
{
	return mkfifo(path, 0644);
}

static int run_mknod(const char *path)
{
	return mknod(path, S_IFREG | 0644, 0);
}

static int run_mknod_socket(const char *path)
{
	return mknod(path, S_IFSOCK | 0644, 0);
}

static int run_symlink(const char *path)
{
	return symlink("target", path);
}

static int run_link_from(const char *path)
{
	char second[2 * PATH_MAX];

	return link(path, second_name(path, second));
}

/* Sources that posix_call_prepare() puts into the working directory. */
static int run_link_to(const char *path)
{
	return link(LINK_SOURCE, path);
}

static int run_rename_from(const char *path)
{
	char second[2 * PATH_MAX];

	return rename(path, second_name(path, second));
}

static int run_rename_to(const char *path)
{
	int r = rename(MOVE_SOURCE, path);

	if (r < 0 && errno == EBUSY) /* what rename says to . and .. */
		errno = EEXIST;
	return r;
}

static int run_setxattr(const char *path)
{
	return setxattr(path, "user.key", "value", 5, 0);
}

static int run_getxattr(const char *path)
{
	char value[100];
	ssize_t n = getxattr(path, "user.key", value, sizeof(value));

	return n < 0 && errno == ENODATA ? 0 : (int)n;
}

static int run_listxattr(const char *path)
{
	char value[1000];

	return (int)listxattr(path, value, sizeof(value));
}

static int run_removexattr(const char *path)
{
	int r = removexattr(path, "user.key");

	return r < 0 && errno == ENODATA ? 0 : r;
}

static int run_chdir(const char *path)
{
	int before = open(".", O_PATH), r = chdir(path), error = errno;

	if (r == 0 && fchdir(before) < 0)
		r = -1;
	close(before);
	errno = error;
	return r;
}

static int run_bind(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), r;

	if (strlen(path) >= sizeof(address.sun_path)) {
		close(fd);
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	r = *path ? bind(fd, (struct sockaddr *)&address, sizeof(address)) : (errno = ENOENT, -1);
	if (r < 0 && errno == EADDRINUSE)
		errno = EEXIST;
	close_opened(fd);
	return r;
}

const struct posix_call posix_calls[] = {
	{"open to read", run_open_read, REGULAR, FOLLOWS},
	{"open to write", run_open_write, REGULAR, FOLLOWS | CHANGES},
	{"open with O_TRUNC", run_open_truncate, REGULAR, FOLLOWS | CHANGES},
	{"open with O_APPEND", run_open_append, REGULAR, FOLLOWS | CHANGES},
	{"open with O_DIRECTORY", run_open_directory, DIRECTORY, FOLLOWS},
	{"open with O_PATH", run_open_path, REGULAR, FOLLOWS},
	{"open with O_CREAT", run_open_create, REGULAR,
		CREATES | CREATES_FILE | CHANGES | CHANGES_PARENT},
	{"open with O_CREAT and O_EXCL", run_open_exclusive, REGULAR,
		CREATES | CREATES_FILE | CHANGES | CHANGES_PARENT},
	{"stat", run_stat, REGULAR, FOLLOWS},
	{"lstat", run_lstat, REGULAR, 0},
	{"access", run_access, REGULAR, FOLLOWS},
	{"chmod", run_chmod, REGULAR, FOLLOWS | CHANGES},
	{"chown", run_chown, REGULAR, FOLLOWS | CHANGES},
	{"lchown", run_lchown, SYMLINK, CHANGES},
	{"truncate", run_truncate, REGULAR, FOLLOWS | CHANGES},
	{"utimensat", run_utimens, REGULAR, FOLLOWS | CHANGES},
	{"utimensat without following", run_utimens_nofollow, SYMLINK, CHANGES},
	{"readlink", run_readlink, SYMLINK, 0},
	{"statfs", run_statfs, REGULAR, FOLLOWS},
	{"unlink", run_unlink, REGULAR, REMOVES | CHANGES | CHANGES_PARENT},
	{"unlink of a symlink", run_unlink, SYMLINK, REMOVES | CHANGES | CHANGES_PARENT},
	{"rmdir", run_rmdir, DIRECTORY, REMOVES | CHANGES | CHANGES_PARENT},
	{"mkdir", run_mkdir, DIRECTORY, CREATES | CHANGES | CHANGES_PARENT},
	{"mkfifo", run_mkfifo, FIFO, CREATES | CHANGES | CHANGES_PARENT},
	{"mknod", run_mknod, REGULAR, CREATES | CHANGES | CHANGES_PARENT},
	{"mknod of a socket", run_mknod_socket, SOCKET, CREATES | CHANGES | CHANGES_PARENT},
	{"symlink", run_symlink, SYMLINK, CREATES | CHANGES | CHANGES_PARENT},
	{"link from", run_link_from, REGULAR, CHANGES},
	{"link to", run_link_to, REGULAR, CREATES | CHANGES | CHANGES_PARENT},
	{"rename from", run_rename_from, REGULAR, REMOVES | CHANGES | CHANGES_PARENT},
	{"rename from a directory", run_rename_from, DIRECTORY, REMOVES | CHANGES | CHANGES_PARENT},
	{"rename to", run_rename_to, REGULAR, CREATES | CHANGES | CHANGES_PARENT},
	{"setxattr", run_setxattr, REGULAR, FOLLOWS | CHANGES},
	{"getxattr", run_getxattr, REGULAR, FOLLOWS},
	{"listxattr", run_listxattr, REGULAR, FOLLOWS},
	{"removexattr", run_removexattr, REGULAR, FOLLOWS | CHANGES},
	{"chdir", run_chdir, DIRECTORY, FOLLOWS},
	{"bind", run_bind, SOCKET, CREATES | CHANGES | CHANGES_PARENT | SHORT_ONLY},
	{NULL, NULL, REGULAR, 0},
};

void posix_call_prepare(const struct posix_call *call, const char *path)
{
	if (!posix_exists(LINK_SOURCE))
		posix_make_owned(REGULAR, LINK_SOURCE, 0666, 0, 0);
	if (!posix_exists(MOVE_SOURCE))
		posix_make(REGULAR, MOVE_SOURCE);
	if (!(call->flags & CREATES))
		posix_make(call->needs, path);
}

void posix_call_own(const struct posix_call *call, const char *path, uid_t uid, gid_t gid)
{
	if (!(call->flags & CREATES) && lchown(path, uid, gid) < 0)
		perror(path);
}

void posix_call_undo(const struct posix_call *call, const char *path)
{
	char second[2 * PATH_MAX];

	(void)call;
	posix_remove(path);
	posix_remove(second_name(path, second));
}
