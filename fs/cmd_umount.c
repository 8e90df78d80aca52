#include "fs/commands.h"
#include "fs/control.h"
#include "fs/holders.h"
#include "fs/mountpoint.h"
#include "index/tree.h"
#include "lib/json.h"
#include "lib/log.h"

#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

/* ms that the daemon has to end after the kernel let go of it: more than it gives threads that are
 * stuck. */
#define END_TIME      10000
#define LAZY_END_TIME 1000   /* it may go on for as long as the mount is in use */
#define SYNC_TIME     120000 /* ms for a session to be written to a disk that is busy */

struct umount_arguments {
	bool lazy;
};

static const struct bfs_option options_table[] = {
	{"lazy", 'l', NULL,
		"Unmount at once, even if it is in use; it goes when the last user has gone",
		offsetof(struct umount_arguments, lazy)},
	{0},
};

static int find_mount(const struct bfs_mounts *mounts, const char *mountpoint,
	const struct bfs_mount **ret_mount, struct bfs_error *error)
{
	const struct bfs_mount *mount = bfs_mounts_find(mounts, mountpoint);

	if (!mount)
		return bfs_error_set(
			error, -EINVAL, "unmounting", mountpoint, "nothing is mounted there");
	if (!bfs_mount_is_brewfs(mount))
		return bfs_error_set(error, -EINVAL, "unmounting", mountpoint,
			"what is mounted there is no brewfs, but %s (%s)", mount->source,
			mount->type);
	*ret_mount = mount;
	return 0;
}

/* A descriptor that tells when the daemon has ended, and how long that may take; -1 where none
 * runs, or it cannot be found. */
static int open_daemon(const struct bfs_mount *mount, int *ret_time)
{
	_cleanup_json_ json_t *daemon = NULL;
	pid_t pid;

	if (bfs_control_ask(mount, &pid, &daemon) < 0 || pid <= 0)
		return -1;
	*ret_time = json_object_get(daemon, "session") ? SYNC_TIME : END_TIME;
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool wait_for_daemon(int daemon_fd, int timeout)
{
	struct pollfd polled = {.fd = daemon_fd, .events = POLLIN};

	return poll(&polled, 1, timeout) != 0;
}

static int unmount(const struct bfs_mount *mount, bool lazy, struct bfs_error *error)
{
	_cleanup_free_ char *holders = NULL;
	int r = bfs_mountpoint_unmount(mount->mountpoint, lazy, error);

	if (r != -EBUSY)
		return r;
	holders = bfs_holders_describe(mount);
	bfs_error_clear(error);
	return bfs_error_set(error, r, "unmounting", mount->mountpoint,
		"it is in use%s%s; --lazy unmounts it all the same",
		holders && *holders ? " by " : "", holders ? holders : "");
}

static int unmount_and_wait(const char *mountpoint, bool lazy, struct bfs_error *error)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	_cleanup_close_ int daemon_fd = -1;
	const struct bfs_mount *mount = NULL;
	int end_time = END_TIME, r = bfs_mounts_read(&mounts, error);

	if (r == 0)
		r = find_mount(&mounts, mountpoint, &mount, error);
	if (r < 0)
		return r;
	daemon_fd = open_daemon(mount, &end_time);
	r = unmount(mount, lazy, error);
	if (r == 0 && daemon_fd >= 0 &&
		!wait_for_daemon(daemon_fd, lazy ? LAZY_END_TIME : end_time) && !lazy)
		bfs_log_warning(
			"%s is unmounted, but its daemon still runs: the store does not "
			"answer, or another mount namespace (a container) has the mount too",
			mountpoint);
	return r;
}

static int run(const void *options, int count, char **operands)
{
	const struct umount_arguments *arguments = options;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *mountpoint = NULL;
	int r = bfs_mountpoint_resolve(
		count > 0 ? operands[0] : BFS_TREE_PREFIX_DEFAULT, &mountpoint, &error);

	if (r == 0)
		r = unmount_and_wait(mountpoint, arguments->lazy, &error);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_umount = {
	.name = "umount",
	.synopsis = "[MOUNTPOINT]",
	.summary = "Unmount a prefix and wait until its daemon has ended",
	.options = options_table,
	.options_size = sizeof(struct umount_arguments),
	.maximum_operands = 1,
	.run = run,
};
