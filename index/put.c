#include "index/put.h"

#include "index/gc_lock.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* A staging directory without a lock file may be one that is just being made. */
#define UNLOCKED_GRACE 3600 /* seconds */

/*
 * The server is asked: an NFS client may believe for a minute that a file is there which another
 * host's garbage collection has removed, and what is published on that belief would have a hole.
 */
bool bfs_put_exists(struct bfs_store *store, const char *name, uint64_t size)
{
	struct statx st;

	return statx(bfs_store_fd(store), name, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC,
		       STATX_TYPE | STATX_SIZE, &st) == 0 &&
	       S_ISREG(st.stx_mode) && st.stx_size == size;
}

static int make_parent(int dir_fd, const char *name)
{
	const char *slash = strrchr(name, '/');
	_cleanup_free_ char *parent = slash ? strndup(name, (size_t)(slash - name)) : NULL;

	if (!parent)
		return -ENOMEM;
	if (mkdirat(dir_fd, parent, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return bfs_sync_directory(dir_fd, parent);
}

int bfs_put_name(struct bfs_store *store, const char *staged, const char *name, uint64_t size)
{
	int fd = bfs_store_fd(store);
	int r = bfs_rename_new(fd, staged, name);

	if (r == -ENOENT && make_parent(fd, name) == 0) /* it was staged elsewhere */
		r = bfs_rename_new(fd, staged, name);
	if (r != -EEXIST)
		return r;
	if (!bfs_put_exists(store, name, size)) {
		bfs_log_warning("replacing a damaged file of the store: %s", name);
		return renameat(fd, staged, fd, name) < 0 ? -errno : 0;
	}
	return unlinkat(fd, staged, 0) < 0 ? -errno : 0;
}

static int copy_synced(int from, int to, uint64_t size)
{
	int r = bfs_copy_range(from, to, size);

	return r == 0 && fsync(to) < 0 ? -errno : r;
}

static int put_copy(struct bfs_store *store, int from, uint64_t size, const char *name)
{
	_cleanup_free_ char *staged = NULL;
	_cleanup_close_ int to = -1;
	int r = bfs_put_stage(store, name, 0444, &to, &staged);

	if (r == 0)
		r = copy_synced(from, to, size);
	if (to >= 0 && close(bfs_steal_fd(&to)) < 0 && r == 0) /* NFS reports failed writes here */
		r = -errno;
	if (r == 0)
		r = bfs_put_name(store, staged, name, size);
	return r < 0 ? r : bfs_sync_directory(bfs_store_fd(store), name);
}

int bfs_put_file(
	struct bfs_store *store, int fd, uint64_t size, const char *name, struct bfs_error *error)
{
	int r;

	if (bfs_put_exists(store, name, size))
		return 0;
	r = bfs_put_begin(store);
	if (r == 0) {
		r = put_copy(store, fd, size, name);
		bfs_put_end(store);
	}
	return r < 0 ? bfs_error_set(error, r, "writing into the store", name, NULL) : 0;
}

static int lock_file(int dir_fd, const char *path, int flags, int *ret_fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDWR | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		return -errno;
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

static int make_staging(struct bfs_store *store, struct bfs_staging *staging)
{
	_cleanup_free_ char *name = NULL, *lock = NULL;
	char host[HOST_NAME_MAX + 1] = "";
	uint64_t random;
	int r;

	gethostname(host, sizeof(host) - 1);
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	name = bfs_format("staging/%s.%d.%016llx", host, (int)getpid(), (unsigned long long)random);
	lock = name ? bfs_format("%s/lock", name) : NULL;
	if (!lock)
		return -ENOMEM;
	if (mkdirat(bfs_store_fd(store), name, 0755) < 0)
		return -errno;
	r = lock_file(bfs_store_fd(store), lock, O_CREAT | O_EXCL, &staging->lock_fd);
	if (r == 0)
		staging->name = bfs_steal(&name);
	else
		bfs_remove_tree(bfs_store_fd(store), name);
	return r;
}

int bfs_put_begin(struct bfs_store *store)
{
	struct bfs_staging *staging = bfs_store_staging(store);
	int r = 0;

	pthread_mutex_lock(&staging->lock);
	if (!staging->name)
		r = bfs_gc_lock_share(store, &staging->gc_fd);
	if (r == 0 && !staging->name)
		r = make_staging(store, staging);
	if (r == 0)
		staging->holders++;
	else if (staging->gc_fd >= 0)
		close(bfs_steal_fd(&staging->gc_fd));
	pthread_mutex_unlock(&staging->lock);
	return r;
}

/* There is nothing in it but the lock, unless a writer failed. */
static void remove_staging(struct bfs_store *store, const char *name)
{
	_cleanup_free_ char *lock = bfs_format("%s/lock", name);
	int fd = bfs_store_fd(store);

	if (lock)
		unlinkat(fd, lock, 0);
	if (unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		bfs_remove_tree(fd, name);
}

void bfs_put_end(struct bfs_store *store)
{
	struct bfs_staging *staging = bfs_store_staging(store);

	pthread_mutex_lock(&staging->lock);
	if (--staging->holders == 0) {
		remove_staging(store, staging->name);
		free(bfs_steal(&staging->name));
		close(bfs_steal_fd(&staging->lock_fd));
		close(bfs_steal_fd(&staging->gc_fd));
	}
	pthread_mutex_unlock(&staging->lock);
}

/* "objects/ab/.HOST.PID.RANDOM.7" for "objects/ab/SHA256", "staging/HOST.PID.RANDOM/7" for
 * "staging/". */
static char *new_name(struct bfs_staging *staging, const char *name)
{
	const char *slash = strrchr(name, '/'), *own = strrchr(staging->name, '/') + 1;
	char *staged;

	pthread_mutex_lock(&staging->lock);
	if (strcmp(name, "staging/") == 0)
		staged = bfs_format("%s/%u", staging->name, staging->counter++);
	else
		staged = bfs_format("%.*s/.%s.%u", (int)(slash ? slash - name : 0), name, own,
			staging->counter++);
	pthread_mutex_unlock(&staging->lock);
	return staged;
}

static int create_staged(struct bfs_store *store, const char *name, mode_t mode, char **ret_staged)
{
	_cleanup_free_ char *staged = new_name(bfs_store_staging(store), name);
	int fd;

	if (!staged)
		return -ENOMEM;
	fd = openat(bfs_store_fd(store), staged, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	*ret_staged = bfs_steal(&staged);
	return fd;
}

int bfs_put_stage(
	struct bfs_store *store, const char *name, mode_t mode, int *ret_fd, char **ret_name)
{
	_cleanup_free_ char *staged = NULL;
	_cleanup_close_ int fd = create_staged(store, name, mode, &staged);
	struct stat st;

	/* Most directories are there: who would ask first waits for nothing. */
	if (fd == -ENOENT && make_parent(bfs_store_fd(store), name) == 0)
		fd = create_staged(store, name, mode, &staged);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0) /* the umask */
		return -errno;
	*ret_fd = bfs_steal_fd(&fd);
	*ret_name = bfs_steal(&staged);
	return 0;
}

static bool is_abandoned(int staging_fd, const char *name)
{
	_cleanup_free_ char *path = bfs_format("%s/lock", name);
	_cleanup_close_ int lock = -1;
	struct stat st;
	int r;

	if (!path)
		return false;
	r = lock_file(staging_fd, path, 0, &lock);
	if (r == -ENOENT)
		return fstatat(staging_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		       st.st_mtime < time(NULL) - UNLOCKED_GRACE;
	return r == 0;
}

int bfs_put_is_garbage(struct bfs_store *store, const char *entry)
{
	const char *end = strrchr(entry, '.');
	_cleanup_free_ char *directory = NULL;
	struct stat st;
	_cleanup_close_ int fd = -1;

	if (entry[0] != '.' || end == entry || strspn(end + 1, "0123456789") != strlen(end + 1))
		return -ENOENT;
	directory = strndup(entry + 1, (size_t)(end - entry) - 1);
	if (!directory)
		return -ENOMEM;
	fd = openat(bfs_store_fd(store), "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstatat(fd, directory, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : -errno;
	return is_abandoned(fd, directory);
}

int bfs_put_clean_staging(struct bfs_store *store)
{
	const char *own = bfs_store_staging(store)->name;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(bfs_store_fd(store), "staging", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || (own && strcmp(own + 8, entry->d_name) == 0) ||
			!is_abandoned(fd, entry->d_name))
			continue;
		bfs_log_debug("removing the abandoned staging directory %s", entry->d_name);
		bfs_remove_tree(fd, entry->d_name);
	}
	return 0;
}
