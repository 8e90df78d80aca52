#include "fs/holders.h"

#include "lib/file.h"
#include "lib/path.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define SHOWN	   3		      /* processes that are named */
#define MAPS_LIMIT (16 * 1024 * 1024) /* bytes of /proc/PID/maps */

static bool is_link_into(int dir_fd, const char *name, const char *mountpoint)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	return bfs_path_below(target, mountpoint) != NULL;
}

static bool has_open_file(int process_fd, const char *mountpoint)
{
	int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir)))
		if (is_link_into(dirfd(dir), entry->d_name, mountpoint))
			return true;
	return false;
}

/* Mapped files are told by their device number: "... 00:2d 1234 /path". */
static bool has_mapping(int process_fd, const struct bfs_mount *mount)
{
	_cleanup_buffer_ struct bfs_buffer maps = BFS_BUFFER_INIT;
	char device[32];

	snprintf(device, sizeof(device), " %02x:%02x ", mount->major, mount->minor);
	return bfs_read_file(process_fd, "maps", MAPS_LIMIT, &maps) == 0 && maps.data &&
	       strstr(maps.data, device);
}

static bool holds(int process_fd, const struct bfs_mount *mount)
{
	return is_link_into(process_fd, "cwd", mount->mountpoint) ||
	       is_link_into(process_fd, "root", mount->mountpoint) ||
	       is_link_into(process_fd, "exe", mount->mountpoint) ||
	       has_open_file(process_fd, mount->mountpoint) || has_mapping(process_fd, mount);
}

static int append_process(struct bfs_buffer *text, int process_fd, const char *pid)
{
	_cleanup_buffer_ struct bfs_buffer name = BFS_BUFFER_INIT;

	if (bfs_read_file(process_fd, "comm", 4096, &name) < 0 || !name.data)
		return 0;
	name.data[strcspn(name.data, "\n")] = '\0';
	return bfs_buffer_append_format(
		text, "%s%s (pid %s)", text->length ? ", " : "", name.data, pid);
}

char *bfs_holders_describe(const struct bfs_mount *mount)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct dirent *entry;
	int shown = 0, r = bfs_buffer_reserve(&text, 1);

	while (r == 0 && proc && shown < SHOWN && (entry = readdir(proc))) {
		_cleanup_close_ int fd = -1;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		fd = openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || !holds(fd, mount))
			continue;
		r = append_process(&text, fd, entry->d_name);
		shown++;
	}
	return r < 0 ? NULL : bfs_buffer_steal(&text);
}
