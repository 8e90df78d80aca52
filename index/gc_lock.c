#include "index/gc_lock.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <sys/stat.h>

static int lock(struct bfs_store *store, short type, const char *waiting_for, int *ret_fd)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = openat(
		bfs_store_fd(store), "locks/.gc", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		bfs_log_info("Waiting for %s", waiting_for);
		while (fcntl(fd, F_OFD_SETLKW, &lock) < 0)
			if (errno != EINTR)
				return -errno;
	}
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

int bfs_gc_lock_share(struct bfs_store *store, int *ret_fd)
{
	return lock(store, F_RDLCK, "a garbage collection of the store", ret_fd);
}

int bfs_gc_lock_take(struct bfs_store *store, int *ret_fd, int64_t *ret_now)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = lock(store, F_WRLCK, "those who write into the store", &fd);

	/* Whoever writes a file gives it the server's time. */
	if (r == 0)
		r = bfs_pwrite_all(fd, "\n", 1, 0);
	if (r == 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0))
		r = -errno;
	if (r < 0)
		return r;
	*ret_now = st.st_mtime;
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}
