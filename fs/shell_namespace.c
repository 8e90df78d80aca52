#include "fs/shell_namespace.h"

#include "lib/file.h"
#include "lib/path.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/*
 * glibc has these from 2.36 on; the constants are the kernel's (linux/mount.h), which cannot be
 * included beside <sys/mount.h>.
 */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
#endif
#define TREE_RECURSIVE 0x8000 /* AT_RECURSIVE */

struct attributes { /* struct mount_attr */
	uint64_t set, clear, propagation, userns_fd;
};

/* --- entering --- */

static int write_map(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : bfs_write_all(fd, text, strlen(text));
}

/* The user stays who he is, and so does what he makes. */
static int map_user(uid_t uid, gid_t gid)
{
	_cleanup_free_ char *users = bfs_format("%u %u 1\n", (unsigned)uid, (unsigned)uid);
	_cleanup_free_ char *groups = bfs_format("%u %u 1\n", (unsigned)gid, (unsigned)gid);
	int r = users && groups ? write_map("/proc/self/setgroups", "deny") : -ENOMEM;

	if (r == 0)
		r = write_map("/proc/self/uid_map", users);
	return r < 0 ? r : write_map("/proc/self/gid_map", groups);
}

static int enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (errno != EPERM || uid == 0)
		return -errno;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -errno;
	return map_user(uid, gid);
}

static const char *explain(int code)
{
	if (code != -EPERM && code != -EACCES && code != -ENOSPC)
		return strerror(-code);
	return geteuid() == 0
		       ? "this container does not have CAP_SYS_ADMIN: it must be a privileged one"
		       : "this kernel does not let ordinary users make one; root can, or see "
			 "sysctl "
			 "user.max_user_namespaces, kernel.unprivileged_userns_clone and "
			 "kernel.apparmor_restrict_unprivileged_userns";
}

int bfs_shell_namespace_enter(struct bfs_error *error)
{
	int r = enter();

	if (r == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = -errno;
	if (r < 0)
		return bfs_error_set(error, r, "making a mount namespace", NULL, "%s", explain(r));
	return 0;
}

/* --- room for the mountpoint --- */

/* The deepest directory of the path that there is. */
static char *find_existing(const char *path)
{
	char *existing = strdup(path);

	while (existing && access(existing, F_OK) < 0) {
		char *parent = bfs_path_parent(existing);

		free(existing);
		existing = parent && *parent ? parent : strdup("/");
		if (existing != parent)
			free(parent);
	}
	return existing;
}

/* A mount of what `name` is in `directory`, with all that is mounted below. */
static int clone_tree(int directory, const char *name, bool recursive)
{
	int fd = (int)syscall(SYS_open_tree, directory, name,
		OPEN_TREE_CLONE | O_CLOEXEC | AT_SYMLINK_NOFOLLOW |
			(recursive ? TREE_RECURSIVE : 0));

	return fd < 0 ? -errno : fd;
}

static int attach_tree(int tree, int directory, const char *name)
{
	return syscall(SYS_move_mount, tree, "", directory, name, MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

static int copy_link(int from, int to, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to, name) < 0 ? -errno : 0;
}

/* Makes an entry of one directory show up in the other. */
static int show_entry(int from, int to, const char *name)
{
	_cleanup_close_ int tree = -1, file = -1;
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name);
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(to, name, 0755) < 0)
			return -errno;
	} else {
		file = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (file < 0)
			return -errno;
	}
	tree = clone_tree(from, name, true);
	return tree < 0 ? tree : attach_tree(tree, to, name);
}

static int show_entries(int from, int to)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = show_entry(from, to, entry->d_name);
	return r;
}

/* A tmpfs over a directory, with the directory's entries in it. */
static int cover(const char *path)
{
	_cleanup_close_ int old = clone_tree(AT_FDCWD, path, true), new = -1;

	if (old < 0)
		return old;
	if (mount("brewfs-shell", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return -errno;
	new = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return new < 0 ? -errno : show_entries(old, new);
}

int bfs_shell_namespace_make_room(const char *path, struct bfs_error *error)
{
	_cleanup_free_ char *existing = NULL;
	int r = bfs_make_directories(AT_FDCWD, path, 0755);

	if (r == 0 || (r != -EACCES && r != -EROFS && r != -EPERM))
		return r < 0 ? bfs_error_set(error, r, "making the mountpoint", path, NULL) : 0;
	existing = find_existing(path);
	if (!existing)
		return -ENOMEM;
	if (strcmp(existing, "/") == 0)
		return bfs_error_set(error, r, "making the mountpoint", path,
			"there is no directory for it, and only root can make one");
	r = cover(existing);
	if (r < 0)
		return bfs_error_set(error, r, "making room for the mountpoint", existing, NULL);
	r = bfs_make_directories(AT_FDCWD, path, 0755);
	return r < 0 ? bfs_error_set(error, r, "making the mountpoint", path, NULL) : 0;
}

/* --- isolation --- */

static int set_attributes(
	int directory, const char *path, unsigned flags, const struct attributes *attributes)
{
#ifdef SYS_mount_setattr
	return syscall(SYS_mount_setattr, directory, path, flags, attributes, sizeof(*attributes)) <
			       0
		       ? -errno
		       : 0;
#else
	(void)directory, (void)path, (void)flags, (void)attributes;
	return -ENOSYS;
#endif
}

/* A fresh /tmp; the prefix stays, even where it is below. */
static int mount_tmp(const char *prefix)
{
	_cleanup_close_ int tree = -1;
	bool below = bfs_path_below(prefix, "/tmp") != NULL;
	int r = 0;

	if (below) {
		tree = clone_tree(AT_FDCWD, prefix, false);
		r = tree < 0 ? tree : 0;
	}
	if (r == 0 && mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
		r = -errno;
	if (r == 0 && below)
		r = bfs_make_directories(AT_FDCWD, prefix, 0755);
	return r == 0 && below ? attach_tree(tree, AT_FDCWD, prefix) : r;
}

static int isolate(const char *prefix)
{
	const struct attributes protect = {.set = MOUNT_ATTR_RDONLY};
	const struct attributes release = {.clear = MOUNT_ATTR_RDONLY};
	int r;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return -errno;
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = set_attributes(AT_FDCWD, "/", TREE_RECURSIVE, &protect);
	if (r == 0)
		r = set_attributes(AT_FDCWD, prefix, 0, &release);
	return r == 0 ? mount_tmp(prefix) : r;
}

int bfs_shell_namespace_isolate(const char *prefix, struct bfs_error *error)
{
	int r = isolate(prefix);

	return r < 0 ? bfs_error_set(error, r, "isolating the command", prefix, "%s",
			       r == -ENOSYS ? "it takes Linux 5.12" : strerror(-r))
		     : 0;
}
