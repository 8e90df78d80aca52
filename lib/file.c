#include "lib/file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

int bfs_write_all(int fd, const void *data, size_t length)
{
	const char *position = data;

	while (length > 0) {
		ssize_t n = write(fd, position, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		position += n;
		length -= (size_t)n;
	}
	return 0;
}

int bfs_pwrite_all(int fd, const void *data, size_t length, uint64_t offset)
{
	const char *position = data;

	while (length > 0) {
		ssize_t n = pwrite(fd, position, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		position += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int bfs_pread_all(int fd, void *ret_data, size_t length, uint64_t offset)
{
	char *position = ret_data;

	while (length > 0) {
		ssize_t n = pread(fd, position, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		position += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int bfs_read_file(int dir_fd, const char *path, size_t limit, struct bfs_buffer *buffer)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t start = buffer->length;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;
		int r = bfs_buffer_reserve(buffer, 16384);

		if (r < 0)
			return r;
		n = read(fd, buffer->data + buffer->length, 16384);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || buffer->length - start + (size_t)n > limit) {
			int code = n < 0 ? -errno : -EFBIG;

			buffer->length = start;
			buffer->data[start] = '\0';
			return code;
		}
		buffer->length += (size_t)n;
		buffer->data[buffer->length] = '\0';
		if (n == 0)
			return 0;
	}
}

int bfs_write_new_file(int dir_fd, const char *path, const void *data, size_t length, mode_t mode)
{
	_cleanup_close_ int fd =
		openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int r;

	if (fd < 0)
		return -errno;
	r = bfs_write_all(fd, data, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	/* NFS reports a failed write at close. */
	if (close(bfs_steal_fd(&fd)) < 0 && r == 0)
		r = -errno;
	return r;
}

int bfs_replace_file(int dir_fd, const char *path, const void *data, size_t length, mode_t mode)
{
	_cleanup_free_ char *staged = NULL;
	char hostname[HOST_NAME_MAX + 1] = "";
	int r;

	/* Two hosts may write beside each other on a network filesystem, with equal process ids. */
	gethostname(hostname, sizeof(hostname) - 1);
	staged = bfs_format("%s.%s.%d.new", path, hostname, (int)getpid());
	if (!staged)
		return -ENOMEM;
	r = bfs_write_new_file(dir_fd, staged, data, length, mode);
	if (r == -EEXIST) { /* of a process that was killed; asking first would cost a round trip */
		unlinkat(dir_fd, staged, 0);
		r = bfs_write_new_file(dir_fd, staged, data, length, mode);
	}
	if (r == 0 && renameat(dir_fd, staged, dir_fd, path) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(dir_fd, staged, 0);
		return r;
	}
	return bfs_sync_directory(dir_fd, path);
}

int bfs_rename_new(int dir_fd, const char *from, const char *to)
{
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(dir_fd, from, dir_fd, to, 0) < 0)
		return -errno;
	return unlinkat(dir_fd, from, 0) < 0 ? -errno : 0;
}

static int copy_by_reading(int from_fd, int to_fd, uint64_t offset, uint64_t length)
{
	const size_t block_size = 1024 * 1024;
	_cleanup_free_ char *block = malloc(block_size);

	if (!block)
		return -ENOMEM;
	while (length > 0) {
		size_t want = length < block_size ? (size_t)length : block_size;
		int r = bfs_pread_all(from_fd, block, want, offset);

		if (r == 0)
			r = bfs_pwrite_all(to_fd, block, want, offset);
		if (r < 0)
			return r;
		offset += want;
		length -= want;
	}
	return 0;
}

int bfs_copy_range(int from_fd, int to_fd, uint64_t length)
{
	off_t from = 0, to = 0;

	while ((uint64_t)from < length) {
		ssize_t n = copy_file_range(from_fd, &from, to_fd, &to, length - (uint64_t)from, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* another filesystem, an old kernel, or the end of a shrunken file */
			return copy_by_reading(from_fd, to_fd, (uint64_t)from,
				length - (uint64_t)from);
	}
	return 0;
}

void bfs_read_ahead(int fd, uint64_t offset, uint64_t length)
{
	/* One call reads no more than one read-ahead of the disk, 128 KiB unless told otherwise. */
	const uint64_t step = 128 * 1024;

	for (uint64_t end = offset + length; offset < end; offset += step)
		if (posix_fadvise(fd, (off_t)offset,
			    (off_t)(step < end - offset ? step : end - offset),
			    POSIX_FADV_WILLNEED) != 0)
			return;
}

static int make_directory(int dir_fd, const char *path, mode_t mode)
{
	struct stat st;

	if (mkdirat(dir_fd, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(dir_fd, path, &st, 0) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int bfs_make_directories(int dir_fd, const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = strdup(path);
	int denied = 0, r;
	char *slash;

	if (!copy)
		return -ENOMEM;
	for (slash = copy + 1; *copy && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		r = make_directory(dir_fd, copy, mode);
		*slash = '/';
		/* A parent that we may not make but that is there may be on a read-only filesystem. */
		if (r < 0 && r != -EROFS && r != -EACCES)
			return r;
		denied = denied ? denied : r;
	}
	r = make_directory(dir_fd, path, mode);
	return r == -ENOENT && denied ? denied : r;
}

int bfs_sync_directory(int dir_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_cleanup_close_ int fd = -1;

	if (!parent)
		return -ENOMEM;
	fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

static int remove_directory(int dir_fd, const char *path)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = bfs_remove_tree(dirfd(dir), entry->d_name);
		if (r < 0)
			return r;
	}
	return unlinkat(dir_fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int bfs_remove_tree(int dir_fd, const char *path)
{
	if (unlinkat(dir_fd, path, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	return remove_directory(dir_fd, path);
}

char *bfs_format(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	return length < 0 ? NULL : text;
}
