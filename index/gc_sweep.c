/* The second half of a garbage collection: removes what does not stay. */
#include "index/gc.h"
#include "index/put.h"
#include "index/rebuild.h"
#include "lib/file.h"
#include "lib/path.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#define STEP "removing a file of the store"

/* Directories under way at once: listing and removing wait for the server. */
#define THREADS 32

struct sweep {
	struct bfs_gc *gc;
	pthread_mutex_t lock; /* protects what follows, and the results in `gc` */
	struct bfs_references *references;
	struct bfs_error failure;
};

/* A directory of the store, a worker's job. */
struct place {
	struct sweep *sweep;
	char name[16]; /* "objects/ab" */
};

/* An index or a delta that is not needed. */
struct victim {
	char name[BFS_STORE_NAME_SIZE];
	uint64_t size;
	size_t depth; /* what is built on others goes before them */
};

static int fail(struct sweep *sweep, int code, const char *name)
{
	pthread_mutex_lock(&sweep->lock);
	bfs_error_set(&sweep->failure, code, STEP, name, NULL);
	pthread_mutex_unlock(&sweep->lock);
	return code;
}

/* The kind and digest that a name tells. */
static bool parse_name(const char *directory, const char *name, struct bfs_file *ret_file)
{
	static const struct {
		const char *directory, *ending;
		enum bfs_file_kind kind;
	} kinds[] = {
		{"objects", "", BFS_FILE_OBJECT},
		{"objects", ".x", BFS_FILE_EXECUTABLE},
		{"packs", ".pack", BFS_FILE_PACK},
		{"indexes", ".sqlite", BFS_FILE_INDEX},
		{"indexes", ".delta", BFS_FILE_DELTA},
	};
	char hex[BFS_DIGEST_HEX_SIZE];

	if (strlen(name) < BFS_DIGEST_HEX_SIZE - 1)
		return false;
	memcpy(hex, name, BFS_DIGEST_HEX_SIZE - 1);
	hex[BFS_DIGEST_HEX_SIZE - 1] = '\0';
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kinds); i++)
		if (strncmp(directory, kinds[i].directory, strlen(kinds[i].directory)) == 0 &&
			strcmp(name + BFS_DIGEST_HEX_SIZE - 1, kinds[i].ending) == 0) {
			ret_file->kind = kinds[i].kind;
			return bfs_digest_from_hex(hex, &ret_file->digest) == 0;
		}
	return false;
}

static bool is_used(struct sweep *sweep, const struct bfs_file *file)
{
	int r;

	pthread_mutex_lock(&sweep->lock);
	r = bfs_references_has(sweep->references, file->kind, &file->digest);
	pthread_mutex_unlock(&sweep->lock);
	return r != 0; /* when in doubt it is */
}

/* 1 where the file may go: a regular one, and not too young. */
static int is_removable(struct sweep *sweep, const char *path, uint64_t *ret_size)
{
	struct bfs_gc *gc = sweep->gc;
	struct stat st;

	if (fstatat(bfs_store_fd(gc->store), path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(sweep, -errno, path);
	*ret_size = (uint64_t)st.st_size;
	return S_ISREG(st.st_mode) && st.st_mtime <= gc->now - gc->grace;
}

static int remove_file(struct sweep *sweep, const char *path, uint64_t size, uint64_t *count)
{
	struct bfs_gc *gc = sweep->gc;

	if (!gc->dry_run && unlinkat(bfs_store_fd(gc->store), path, 0) < 0)
		return errno == ENOENT ? 0 : fail(sweep, -errno, path);
	pthread_mutex_lock(&sweep->lock);
	(*count)++;
	gc->bytes += size;
	pthread_mutex_unlock(&sweep->lock);
	return 0;
}

static int sweep_entry(struct place *place, const char *name)
{
	struct sweep *sweep = place->sweep;
	struct bfs_gc *gc = sweep->gc;
	_cleanup_free_ char *path = bfs_path_join(place->name, name);
	struct bfs_file file;
	uint64_t size, *count = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	if (bfs_put_is_garbage(gc->store, name) == 1)
		count = &gc->staged;
	else if (parse_name(place->name, name, &file) && !is_used(sweep, &file))
		count = file.kind == BFS_FILE_PACK ? &gc->packs : &gc->objects;
	if (!count)
		return 0;
	r = is_removable(sweep, path, &size);
	return r > 0 ? remove_file(sweep, path, size, count) : r;
}

static DIR *open_directory(struct sweep *sweep, const char *name)
{
	int fd = openat(bfs_store_fd(sweep->gc->store), name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static int sweep_place(void *context)
{
	struct place *place = context;
	_cleanup_closedir_ DIR *dir = open_directory(place->sweep, place->name);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : fail(place->sweep, -errno, place->name);
	while (r == 0 && (entry = readdir(dir)))
		r = sweep_entry(place, entry->d_name);
	return r;
}

/* packs/ and objects/00 to objects/ff. */
static int sweep_contents(struct sweep *sweep)
{
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	_cleanup_free_ struct place *places = calloc(257, sizeof(*places));
	int waited, r = places ? bfs_workers_new(THREADS, &workers) : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < 257; i++) {
		places[i].sweep = sweep;
		if (i == 256)
			snprintf(places[i].name, sizeof(places[i].name), "packs");
		else
			snprintf(places[i].name, sizeof(places[i].name), "objects/%02x", i);
		r = bfs_workers_submit(workers, sweep_place, &places[i]);
	}
	waited = workers ? bfs_workers_wait(workers) : 0;
	return r < 0 ? r : waited;
}

/* How many indexes a delta is above one that is whole; 1 for what cannot be read. */
static size_t find_depth(struct sweep *sweep, const char *path)
{
	_cleanup_close_ int fd =
		openat(bfs_store_fd(sweep->gc->store), path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;

	return fd >= 0 && bfs_delta_read(fd, NULL, &delta) == 0 ? delta.chain_count : 1;
}

static int add_victim(struct sweep *sweep, const char *name, struct bfs_buffer *victims)
{
	struct bfs_gc *gc = sweep->gc;
	struct victim victim = {.depth = 0};
	struct bfs_file file;
	int r;

	if (bfs_put_is_garbage(gc->store, name) == 1) {
		file.kind = BFS_FILE_INDEX;
	} else if (!parse_name("indexes", name, &file) || is_used(sweep, &file)) {
		return 0;
	}
	if (snprintf(victim.name, sizeof(victim.name), "indexes/%s", name) >=
		(int)sizeof(victim.name))
		return 0;
	r = is_removable(sweep, victim.name, &victim.size);
	if (r <= 0)
		return r;
	if (file.kind == BFS_FILE_DELTA)
		victim.depth = find_depth(sweep, victim.name);
	return bfs_buffer_append(victims, &victim, sizeof(victim));
}

static int compare_victims(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int sweep_indexes(struct sweep *sweep)
{
	_cleanup_closedir_ DIR *dir = open_directory(sweep, "indexes");
	_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
	struct dirent *entry;
	struct victim *victims;
	int r = dir ? 0 : fail(sweep, errno ? -errno : -ENOMEM, "indexes");
	size_t count;

	while (r == 0 && (entry = readdir(dir)))
		r = add_victim(sweep, entry->d_name, &buffer);
	victims = (struct victim *)(void *)buffer.data;
	count = buffer.length / sizeof(*victims);
	if (count)
		qsort(victims, count, sizeof(*victims), compare_victims);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = remove_file(sweep, victims[i].name, victims[i].size, &sweep->gc->indexes);
	return r;
}

/* Names that are gone have to be so before what they used goes. */
static int sync_names(struct sweep *sweep)
{
	int fd = bfs_store_fd(sweep->gc->store), r;

	if (sweep->gc->dry_run)
		return 0;
	r = bfs_sync_directory(fd, "kegs/");
	if (r == 0)
		r = bfs_sync_directory(fd, "indexes/");
	return r < 0 ? fail(sweep, r, "indexes") : 0;
}

int bfs_gc_sweep(struct bfs_gc *gc, struct bfs_references *references, struct bfs_error *error)
{
	struct sweep sweep = {.gc = gc, .references = references, .failure = BFS_ERROR_INIT};
	int r;

	pthread_mutex_init(&sweep.lock, NULL);
	r = sweep_indexes(&sweep);
	if (r == 0)
		r = sync_names(&sweep);
	if (r == 0)
		r = sweep_contents(&sweep);
	if (r < 0 && error && !error->message) {
		*error = sweep.failure;
		sweep.failure = (struct bfs_error)BFS_ERROR_INIT;
	}
	bfs_error_clear(&sweep.failure);
	pthread_mutex_destroy(&sweep.lock);
	return r < 0 ? bfs_error_set(error, r, STEP, bfs_store_path(gc->store), NULL) : 0;
}
