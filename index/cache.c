#include "index/cache.h"

#include "index/cache_room.h"
#include "index/pack.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>

/* The default quota is a tenth of the disk, but no less than a compiler and its libraries need. */
#define QUOTA_SHARE   10
#define QUOTA_MINIMUM (UINT64_C(512) << 20)

/* One file may take this part of the quota, so that it does not drive out everything else. */
#define FILE_SHARE 4

/* This part of the disk stays free for others. */
#define FREE_SHARE 50

/* How old an access time may become before it is set again: a write for each use would be too many.
 */
#define USED_INTERVAL 600 /* seconds */

/* Where the times that follow from digests begin (2001), and how many there are (seconds). */
#define TIME_FIRST 1000000000
#define TIME_COUNT 500000000

struct bfs_cache {
	char *path;
	int fd;
	uint64_t quota;
	bool verify;
	_Atomic uint64_t added; /* bytes kept since room was last looked for */
	_Atomic uint64_t taken; /* bytes found then */
	atomic_bool looked;	/* whether it ever was */
	_Atomic uint64_t hits, misses, damaged, kept, evicted;
};

/* --- names and times --- */

static const struct bfs_digest *digest_of(const struct bfs_content *content)
{
	return content->packed ? &content->pack : &content->digest;
}

static void name_of(const struct bfs_content *content, char ret_name[BFS_CACHE_NAME_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	bfs_digest_to_hex(digest_of(content), hex);
	if (content->packed)
		snprintf(ret_name, BFS_CACHE_NAME_SIZE, "packs/%s.pack", hex);
	else
		snprintf(ret_name, BFS_CACHE_NAME_SIZE, "objects/%.2s/%s", hex, hex);
}

static struct timespec time_of(const struct bfs_digest *digest)
{
	uint32_t number;

	memcpy(&number, digest->bytes, sizeof(number));
	return (struct timespec){.tv_sec = TIME_FIRST + number % TIME_COUNT};
}

/* --- making one --- */

bool bfs_cache_suits(int store_fd)
{
	/* linux/magic.h has most of these; fs/smb/client/cifsfs.h, fs/ceph/super.h and Lustre the
	 * others. FUSE's is also that of virtiofs. */
	static const unsigned slow[] = {
		0x6969,	    /* NFS, and so EFS */
		0x65735546, /* FUSE */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB2 */
		0x517b,	    /* SMB */
		0x00c36400, /* Ceph */
		0x01021997, /* 9P */
		0x5346414f, /* AFS */
		0x6b414653, /* kAFS */
		0x0bd00bd0, /* Lustre */
		0x01161970, /* GFS2 */
		0x73757245, /* Coda */
	};
	struct statfs st;

	if (fstatfs(store_fd, &st) < 0)
		return false;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(slow); i++)
		if ((unsigned)st.f_type == slow[i])
			return true;
	return false;
}

static uint64_t default_quota(int fd)
{
	struct statvfs st;
	uint64_t quota = 0;

	if (fstatvfs(fd, &st) == 0)
		quota = (uint64_t)st.f_blocks * st.f_frsize / QUOTA_SHARE;
	return quota > QUOTA_MINIMUM ? quota : QUOTA_MINIMUM;
}

static int make_directories(struct bfs_cache *cache)
{
	static const char *const directories[] = {"packs", "objects", "incoming"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(directories); i++)
		r = bfs_make_directories(cache->fd, directories[i], 0755);
	return r;
}

int bfs_cache_new(const struct bfs_cache_config *config, struct bfs_cache **ret_cache)
{
	_cleanup_cache_ struct bfs_cache *cache = calloc(1, sizeof(*cache));
	int r;

	if (!cache)
		return -ENOMEM;
	cache->fd = open(config->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cache->fd < 0)
		return -errno;
	cache->path = strdup(config->directory);
	if (!cache->path)
		return -ENOMEM;
	r = make_directories(cache);
	if (r < 0)
		return r;
	cache->quota = config->quota ? config->quota : default_quota(cache->fd);
	cache->verify = config->verify;
	*ret_cache = bfs_steal(&cache);
	return 0;
}

void bfs_cache_free(struct bfs_cache *cache)
{
	if (!cache)
		return;
	if (cache->fd >= 0)
		close(cache->fd);
	free(cache->path);
	free(cache);
}

uint64_t bfs_cache_quota(const struct bfs_cache *cache)
{
	return cache->quota;
}

/* --- what is there --- */

/* Another user's file may change at any time. */
static bool is_trusted(const struct stat *st)
{
	return st->st_uid == geteuid() || st->st_uid == 0;
}

static bool has_its_digest(int fd, const struct bfs_content *content)
{
	struct bfs_digest digest;

	return bfs_digest_of_fd(fd, &digest, NULL) == 0 &&
	       bfs_digest_equal(&digest, digest_of(content));
}

/* The size of an object is known; a pack tells its own at its end. */
static bool has_its_size(int fd, const struct bfs_content *content, const struct stat *st)
{
	struct bfs_pack_entry *entries = NULL;
	size_t count;

	if (!content->packed)
		return (uint64_t)st->st_size == content->size;
	if (bfs_pack_read_footer(fd, (uint64_t)st->st_size, &entries, &count) < 0)
		return false;
	free(entries);
	return true;
}

static bool is_right(const struct bfs_cache *cache, int fd, const struct bfs_content *content,
	struct stat *ret_st)
{
	struct timespec time = time_of(digest_of(content));

	return fstat(fd, ret_st) == 0 && S_ISREG(ret_st->st_mode) && is_trusted(ret_st) &&
	       ret_st->st_mtim.tv_sec == time.tv_sec && ret_st->st_mtim.tv_nsec == 0 &&
	       has_its_size(fd, content, ret_st) && (!cache->verify || has_its_digest(fd, content));
}

static void note_use(int fd, const struct stat *st)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - st->st_atim.tv_sec > USED_INTERVAL && futimens(fd, times) < 0)
		return; /* of root's cache, read by a user */
}

int bfs_cache_open(struct bfs_cache *cache, const struct bfs_content *content, int *ret_fd)
{
	char name[BFS_CACHE_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	struct stat st;

	name_of(content, name);
	fd = openat(cache->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		atomic_fetch_add(&cache->misses, 1);
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	}
	if (!is_right(cache, fd, content, &st)) {
		bfs_log_warning("%s/%s is damaged, and fetched again", cache->path, name);
		unlinkat(cache->fd, name, 0);
		atomic_fetch_add(&cache->misses, 1);
		atomic_fetch_add(&cache->damaged, 1);
		return -ENOENT;
	}
	note_use(fd, &st);
	atomic_fetch_add(&cache->hits, 1);
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

/* --- what is to come --- */

static int check_room(const struct bfs_cache *cache, uint64_t size)
{
	struct statvfs st;

	if (size > cache->quota / FILE_SHARE)
		return -EFBIG;
	if (fstatvfs(cache->fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.f_bavail * st.f_frsize <
		size + (uint64_t)st.f_blocks * st.f_frsize / FREE_SHARE)
		return -ENOSPC;
	return 0;
}

int bfs_cache_stage(struct bfs_cache *cache, uint64_t size, int *ret_fd, char **ret_name)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t random;
	int r = check_room(cache, size);

	if (r < 0)
		return r;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	name = bfs_format("incoming/%d.%016" PRIx64, (int)getpid(), random);
	if (!name)
		return -ENOMEM;
	fd = openat(cache->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		r = -errno;
		unlinkat(cache->fd, name, 0);
		return r;
	}
	*ret_fd = bfs_steal_fd(&fd);
	*ret_name = bfs_steal(&name);
	return 0;
}

void bfs_cache_discard(struct bfs_cache *cache, const char *name)
{
	unlinkat(cache->fd, name, 0);
}

static int give_name(struct bfs_cache *cache, const struct bfs_content *content, const char *staged)
{
	char name[BFS_CACHE_NAME_SIZE];
	int r = 0;

	name_of(content, name);
	if (renameat(cache->fd, staged, cache->fd, name) == 0)
		return 0;
	if (errno != ENOENT || content->packed)
		return -errno;
	name[strlen("objects/ab")] = '\0';
	r = bfs_make_directories(cache->fd, name, 0755);
	name_of(content, name);
	if (r == 0 && renameat(cache->fd, staged, cache->fd, name) < 0)
		r = -errno;
	return r;
}

/* Others put files in as well, so what is there is counted anew now and then. */
static void make_room(struct bfs_cache *cache, uint64_t size)
{
	uint64_t added = atomic_fetch_add(&cache->added, size) + size, taken;
	uint64_t evicted = 0;

	if (atomic_load(&cache->looked) && atomic_load(&cache->taken) + added < cache->quota &&
		added < cache->quota / QUOTA_SHARE)
		return;
	if (bfs_cache_room_make(cache->fd, cache->quota, &taken, &evicted) < 0)
		return;
	atomic_store(&cache->taken, taken);
	atomic_store(&cache->added, 0);
	atomic_store(&cache->looked, true);
	atomic_fetch_add(&cache->evicted, evicted);
}

static int keep(
	struct bfs_cache *cache, const struct bfs_content *content, int fd, const char *staged)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, time_of(digest_of(content))};

	if (!has_its_digest(fd, content))
		return -EBADMSG;
	/* The size was there before the bytes were, so only a sync makes sure of them. */
	if (fdatasync(fd) < 0 || futimens(fd, times) < 0)
		return -errno;
	return give_name(cache, content, staged);
}

int bfs_cache_keep(struct bfs_cache *cache, const struct bfs_content *content, int fd,
	const char *name, uint64_t size)
{
	int r = keep(cache, content, fd, name);

	if (r < 0) {
		bfs_cache_discard(cache, name);
		return r;
	}
	atomic_fetch_add(&cache->kept, 1);
	make_room(cache, size);
	return 0;
}

void bfs_cache_get_counts(const struct bfs_cache *cache, struct bfs_cache_counts *ret_counts)
{
	*ret_counts = (struct bfs_cache_counts){
		.hits = atomic_load(&cache->hits),
		.misses = atomic_load(&cache->misses),
		.damaged = atomic_load(&cache->damaged),
		.kept = atomic_load(&cache->kept),
		.evicted = atomic_load(&cache->evicted),
	};
}
