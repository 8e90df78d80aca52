#include "index/cache_room.h"

#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define INCOMING_AGE 3600	 /* seconds since the last change */
#define INDEX_AGE    (24 * 3600) /* seconds: access times of what SQLite reads are a day late */

struct entry {
	char name[BFS_CACHE_NAME_SIZE];
	uint64_t size; /* on the disk */
	int64_t used;  /* seconds since the epoch */
};

struct entries {
	int cache_fd;
	struct entry *entries;
	size_t count, capacity;
	uint64_t taken;
};

typedef int entry_visitor(struct entries *entries, int fd, const char *name, const char *directory);

static int append(struct entries *entries, const struct entry *entry)
{
	if (entries->count == entries->capacity) {
		size_t capacity = entries->capacity ? 2 * entries->capacity : 256;
		struct entry *grown = reallocarray(entries->entries, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		entries->entries = grown;
		entries->capacity = capacity;
	}
	entries->entries[entries->count++] = *entry;
	entries->taken += entry->size;
	return 0;
}

/* A file that another process removed meanwhile, or that has no name of ours, is none. */
static int add(struct entries *entries, int fd, const char *name, const char *directory)
{
	struct entry entry;
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
		snprintf(entry.name, sizeof(entry.name), "%s/%s", directory, name) >=
			(int)sizeof(entry.name))
		return 0;
	entry.size = (uint64_t)st.st_blocks * 512;
	entry.used = st.st_atim.tv_sec;
	return append(entries, &entry);
}

static int add_index(struct entries *entries, int fd, const char *name, const char *directory)
{
	size_t count = entries->count;
	int r = add(entries, fd, name, directory);

	/* One that is in use is kept: as if it were the last one used. */
	if (r == 0 && entries->count > count &&
		time(NULL) - entries->entries[count].used < INDEX_AGE)
		entries->entries[count].used = INT64_MAX;
	return r;
}

/* By the time of the last change: that of the last write is set to another one at the end. */
static int remove_old(struct entries *entries, int fd, const char *name, const char *directory)
{
	struct stat st;

	(void)entries;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		st.st_ctim.tv_sec < time(NULL) - INCOMING_AGE && unlinkat(fd, name, 0) == 0)
		bfs_log_debug("removed %s/%s, which nobody finished", directory, name);
	return 0;
}

static int visit(struct entries *entries, const char *directory, entry_visitor *visitor)
{
	int fd = openat(
		entries->cache_fd, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fd < 0 && errno == ENOENT ? 0 : -errno;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = visitor(entries, fd, entry->d_name, directory);
	return r;
}

static int add_objects(struct entries *entries, int fd, const char *name, const char *directory)
{
	char path[BFS_CACHE_NAME_SIZE];

	(void)fd;
	if (strlen(name) != 2)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return visit(entries, path, add);
}

static int collect(struct entries *entries)
{
	int r = visit(entries, "packs", add);

	if (r == 0)
		r = visit(entries, "objects", add_objects);
	if (r == 0)
		r = visit(entries, "indexes", add_index);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

static uint64_t evict(struct entries *entries, uint64_t limit)
{
	uint64_t evicted = 0;

	qsort(entries->entries, entries->count, sizeof(*entries->entries), compare);
	for (size_t i = 0; i < entries->count && entries->taken > limit; i++) {
		const struct entry *entry = &entries->entries[i];

		if (entry->used == INT64_MAX)
			break;
		if (unlinkat(entries->cache_fd, entry->name, 0) < 0)
			continue;
		entries->taken -= entry->size;
		evicted++;
	}
	return evicted;
}

int bfs_cache_room_make(int cache_fd, uint64_t quota, uint64_t *ret_taken, uint64_t *ret_evicted)
{
	_cleanup_close_ int lock =
		openat(cache_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	struct entries entries = {.cache_fd = cache_fd};
	int r;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	visit(&entries, "incoming", remove_old);
	*ret_evicted = 0;
	r = collect(&entries);
	if (r == 0 && entries.taken > quota)
		*ret_evicted = evict(&entries, quota - quota / 10);
	if (r == 0)
		*ret_taken = entries.taken;
	free(entries.entries);
	return r;
}
