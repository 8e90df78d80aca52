#include "index/snapshot.h"

#include "index/put.h"
#include "index/rebuild.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

int bfs_cache_directory(char **ret_path, struct bfs_error *error)
{
	const char *given = getenv("BREWFS_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");
	_cleanup_free_ char *path = NULL;
	int r;

	if (given && *given)
		path = strdup(given);
	else if (geteuid() == 0)
		path = strdup("/var/cache/brewfs");
	else if (xdg && xdg[0] == '/')
		path = bfs_format("%s/brewfs", xdg);
	else
		path = bfs_format("%s/.cache/brewfs", home && *home ? home : "/tmp");
	if (!path)
		return -ENOMEM;
	r = bfs_make_directories(AT_FDCWD, path, 0755);
	if (r < 0)
		return bfs_error_set(error, r, "making the cache directory", path, NULL);
	*ret_path = bfs_steal(&path);
	return 0;
}

char *bfs_cache_work_path(const char *cache, const char *suffix)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	return bfs_format("%s/work.%s.%d.sqlite%s", cache, host, (int)getpid(), suffix);
}

/* The cached file as it is, if it has the size: it was checked when it got its name. */
static bool is_cached(const char *path, uint64_t size)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

/* What is checked is what will be read: the copy. */
static int copy_checked(struct bfs_store *store, const struct bfs_generation *generation,
	const char *cache, const char *staged, struct bfs_error *error)
{
	struct bfs_rebuild rebuild = {.store = store, .cache = cache};
	_cleanup_close_ int to = open(staged, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0444);

	if (to < 0)
		return bfs_error_set(error, -errno, "fetching the index", staged, NULL);
	return bfs_rebuild_index(&rebuild, generation, to, error);
}

/* Beside the file that it becomes; other processes, threads and hosts may fetch the same one. */
static char *staged_path(const char *path)
{
	uint64_t random = 0;

	if (!path || getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	return bfs_format("%s.%016llx.new", path, (unsigned long long)random);
}

int bfs_snapshot_fetch(struct bfs_store *store, const struct bfs_generation *generation,
	char **ret_path, struct bfs_error *error)
{
	char name[BFS_STORE_NAME_SIZE];
	_cleanup_free_ char *cache = NULL, *path = NULL, *staged = NULL, *directory = NULL;
	int r = bfs_cache_directory(&cache, error);

	if (r < 0)
		return r;
	bfs_store_index_name(&generation->index, name);
	directory = bfs_format("%s/indexes", cache);
	path = bfs_format("%s/%s", cache, name);
	staged = staged_path(path);
	if (!directory || !path || !staged)
		return -ENOMEM;
	if (!is_cached(path, generation->size)) {
		bfs_log_debug("fetching index %s of generation %llu", name,
			(unsigned long long)generation->number);
		r = bfs_make_directories(AT_FDCWD, directory, 0755);
		if (r < 0)
			return bfs_error_set(
				error, r, "making the cache directory", directory, NULL);
		unlink(staged);
		r = copy_checked(store, generation, cache, staged, error);
		if (r == 0 && rename(staged, path) < 0)
			r = bfs_error_set(error, -errno, "fetching the index", path, NULL);
		if (r < 0) {
			unlink(staged);
			return r;
		}
	}
	*ret_path = bfs_steal(&path);
	return 0;
}

int bfs_snapshot_open(struct bfs_store *store, const char *ref,
	struct bfs_generation *ret_generation, struct bfs_tree **ret_tree, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_generation generation;
	int r = bfs_ref_read(store, ref, &generation, error);

	if (r == 0)
		r = bfs_snapshot_fetch(store, &generation, &path, error);
	if (r == 0)
		r = bfs_tree_open(path, BFS_TREE_READ, ret_tree, error);
	if (r == 0 && ret_generation)
		*ret_generation = generation;
	return r;
}

void bfs_snapshot_keep(const struct bfs_generation *generation, const char *path)
{
	_cleanup_free_ char *cache = NULL, *cached = NULL, *directory = NULL;
	char name[BFS_STORE_NAME_SIZE];

	if (bfs_cache_directory(&cache, NULL) < 0)
		return;
	cached = bfs_format("%s/%s", cache, bfs_store_index_name(&generation->index, name));
	directory = bfs_format("%s/indexes", cache);
	if (!cached || !directory)
		return;
	if (bfs_make_directories(AT_FDCWD, directory, 0755) < 0 || chmod(path, 0444) < 0 ||
		rename(path, cached) < 0)
		bfs_log_debug("keeping the index in the cache: %s: %s", cached, strerror(errno));
}

int bfs_snapshot_put(struct bfs_store *store, const char *path,
	struct bfs_generation *ret_generation, struct bfs_error *error)
{
	char name[BFS_STORE_NAME_SIZE];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno
		       : bfs_digest_of_fd(fd, &ret_generation->index, &ret_generation->size);

	if (r < 0)
		return bfs_error_set(error, r, "reading the index", path, NULL);
	bfs_store_index_name(&ret_generation->index, name);
	r = bfs_put_file(store, fd, ret_generation->size, name, error);
	if (r == 0)
		bfs_snapshot_keep(ret_generation, path);
	return r;
}
