#include "index/store.h"

#include "index/tree.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define STORE_JSON_LIMIT 65536 /* bytes; a few hundred are used */

struct bfs_store {
	char *path;
	char *uuid;
	char *prefix;
	int fd;
	int format;
	struct bfs_staging staging;
};

static const char *const directories[] = {
	"refs", "indexes", "objects", "packs", "kegs", "leases", "locks", "staging"};

void bfs_store_close(struct bfs_store *store)
{
	if (!store)
		return;
	if (store->fd >= 0)
		close(store->fd);
	free(store->path);
	free(store->uuid);
	free(store->prefix);
	pthread_mutex_destroy(&store->staging.lock);
	free(store);
}

static int check_format(
	const json_t *document, const char *path, int *ret_format, struct bfs_error *error)
{
	int64_t format;

	if (bfs_json_get_int(document, "format", 1, INT64_MAX, &format) < 0)
		return bfs_error_set(error, -EBADMSG, "opening the store", path,
			"store.json has no format number");
	if (format > BFS_STORE_FORMAT)
		return bfs_error_set(error, -EPROTONOSUPPORT, "opening the store", path,
			"it has format %" PRId64
			", this brewfs reads up to %d; a newer brewfs is needed",
			format, BFS_STORE_FORMAT);
	*ret_format = (int)format;
	return 0;
}

static int read_description(struct bfs_store *store, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	const char *uuid, *prefix;
	int r = bfs_read_file(store->fd, "store.json", STORE_JSON_LIMIT, &text);

	if (r == -ENOENT) {
		bfs_store_refresh(store->fd, "store.json");
		r = bfs_read_file(store->fd, "store.json", STORE_JSON_LIMIT, &text);
	}
	if (r == -ENOENT)
		return bfs_error_set(error, r, "opening the store", store->path,
			"it is no brewfs store (store.json is missing)");
	if (r < 0)
		return bfs_error_set(error, r, "reading store.json", store->path, NULL);
	r = bfs_json_parse(text.data, text.length, "store.json", &document, error);
	if (r == 0)
		r = check_format(document, store->path, &store->format, error);
	if (r < 0)
		return r;
	if (bfs_json_get_string(document, "uuid", &uuid) < 0 || strlen(uuid) != 36 ||
		bfs_json_get_string(document, "prefix", &prefix) < 0 || prefix[0] != '/')
		return bfs_error_set(error, -EBADMSG, "opening the store", store->path,
			"store.json has no uuid or no prefix");
	store->uuid = strdup(uuid);
	store->prefix = strdup(prefix);
	return store->uuid && store->prefix ? 0 : -ENOMEM;
}

static int open_directory(const char *path, struct bfs_store **ret_store, struct bfs_error *error)
{
	struct bfs_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	pthread_mutex_init(&store->staging.lock, NULL);
	store->staging.lock_fd = store->staging.gc_fd = -1;
	store->path = strdup(path);
	store->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->fd < 0 || !store->path) {
		int code = store->fd < 0 ? -errno : -ENOMEM;

		bfs_store_close(store);
		return bfs_error_set(error, code, "opening the store", path, NULL);
	}
	*ret_store = store;
	return 0;
}

int bfs_store_open(const char *path, struct bfs_store **ret_store, struct bfs_error *error)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	int r = open_directory(path, &store, error);

	if (r == 0)
		r = read_description(store, error);
	if (r == 0)
		*ret_store = bfs_steal(&store);
	return r;
}

/* A random UUID, RFC 4122 section 4.4. */
static int make_uuid(char ret_uuid[37])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return -EIO;
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret_uuid, 37,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
	return 0;
}

/* Two hosts may make one store at once: the first description counts for both, so it is never
 * replaced. */
static int put_description(int fd, const char *uuid, const char *text)
{
	_cleanup_free_ char *staged = bfs_format("store.json.%s.new", uuid);
	int r = staged ? bfs_write_new_file(fd, staged, text, strlen(text), 0644) : -ENOMEM;

	if (r == 0)
		r = bfs_rename_new(fd, staged, "store.json");
	if (r < 0 && staged)
		unlinkat(fd, staged, 0);
	return r == 0 || r == -EEXIST ? bfs_sync_directory(fd, "store.json") : r;
}

static int write_description(int fd)
{
	char uuid[37], created[32];
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *text = NULL;
	time_t now = time(NULL);
	struct tm tm;
	int r = make_uuid(uuid);

	if (r < 0)
		return r;
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	document = json_pack("{s:i, s:s, s:s, s:s}", "format", BFS_STORE_FORMAT_FIRST, "uuid", uuid,
		"prefix", BFS_TREE_PREFIX_DEFAULT, "created", created);
	text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	if (!text)
		return -ENOMEM;
	return put_description(fd, uuid, text);
}

/* Only our own half-made directories may lie there: a directory with other things is not taken
 * over. */
static int check_vacant(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy < 0)
		return -errno;
	dir = fdopendir(copy);
	if (!dir) {
		close(copy);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		bool ours = entry->d_name[0] == '.' || strcmp(entry->d_name, "lost+found") == 0 ||
			    strncmp(entry->d_name, "store.json", 10) == 0;

		for (size_t i = 0; i < BFS_ARRAY_LENGTH(directories); i++)
			ours = ours || strcmp(entry->d_name, directories[i]) == 0;
		if (!ours)
			return -ENOTEMPTY;
	}
	return 0;
}

struct new_directory {
	int fd;
	const char *name;
};

static int make_directory(void *context)
{
	const struct new_directory *directory = context;

	return bfs_make_directories(directory->fd, directory->name, 0755);
}

/* All at once: on a network filesystem each takes its time. */
static int make_directories(struct bfs_store *store)
{
	struct new_directory jobs[BFS_ARRAY_LENGTH(directories)];
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	int waited, r = bfs_workers_new(BFS_ARRAY_LENGTH(directories), &workers);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(directories); i++) {
		jobs[i] = (struct new_directory){store->fd, directories[i]};
		r = bfs_workers_submit(workers, make_directory, &jobs[i]);
	}
	waited = bfs_workers_wait(workers);
	return r < 0 ? r : waited;
}

static int make_store(struct bfs_store *store)
{
	int r = check_vacant(store->fd);

	if (r == 0)
		r = make_directories(store);
	if (r == 0) /* last: with it the store is there */
		r = write_description(store->fd);
	return r;
}

int bfs_store_create(const char *path, struct bfs_store **ret_store, struct bfs_error *error)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	int r = bfs_make_directories(AT_FDCWD, path, 0755);

	if (r < 0)
		return bfs_error_set(error, r, "making the store", path, NULL);
	r = open_directory(path, &store, error);
	if (r < 0)
		return r;
	if (faccessat(store->fd, "store.json", F_OK, 0) < 0) {
		if (errno != ENOENT)
			return bfs_error_set(error, -errno, "opening the store", path, NULL);
		r = make_store(store);
		if (r == -ENOTEMPTY)
			return bfs_error_set(error, r, "making the store", path,
				"the directory is not empty and is no brewfs store");
		if (r < 0)
			return bfs_error_set(error, r, "making the store", path, NULL);
	}
	r = read_description(store, error);
	if (r == 0)
		*ret_store = bfs_steal(&store);
	return r;
}

/* The description as it is now, but for the format; another host may have raised it already. */
static int raise_format(struct bfs_store *store, int format, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *raised = NULL;
	int r = bfs_read_file(store->fd, "store.json", STORE_JSON_LIMIT, &text);

	if (r == -ENOENT) {
		bfs_store_refresh(store->fd, "store.json");
		r = bfs_read_file(store->fd, "store.json", STORE_JSON_LIMIT, &text);
	}
	if (r < 0)
		return bfs_error_set(error, r, "reading store.json", store->path, NULL);
	r = bfs_json_parse(text.data, text.length, "store.json", &document, error);
	if (r == 0)
		r = check_format(document, store->path, &store->format, error);
	if (r < 0 || store->format >= format)
		return r;
	if (json_object_set_new(document, "format", json_integer(format)) < 0)
		return -ENOMEM;
	raised = json_dumps(document, JSON_INDENT(2));
	r = raised ? bfs_replace_file(store->fd, "store.json", raised, strlen(raised), 0644)
		   : -ENOMEM;
	if (r < 0)
		return bfs_error_set(error, r, "writing store.json", store->path, NULL);
	store->format = format;
	return 0;
}

int bfs_store_require_format(struct bfs_store *store, int format, struct bfs_error *error)
{
	return store->format >= format ? 0 : raise_format(store, format, error);
}

struct bfs_staging *bfs_store_staging(struct bfs_store *store)
{
	return &store->staging;
}

int bfs_store_default_path(const char *given, char **ret_path)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");

	if (!given || !*given)
		given = getenv("BREWFS_STORE");
	if (given && *given)
		*ret_path = strdup(given);
	else if (geteuid() == 0)
		*ret_path = strdup("/var/lib/brewfs");
	else if (data && data[0] == '/')
		*ret_path = bfs_format("%s/brewfs", data);
	else
		*ret_path = bfs_format("%s/.local/share/brewfs", home && *home ? home : "/");
	return *ret_path ? 0 : -ENOMEM;
}

const char *bfs_store_path(const struct bfs_store *store)
{
	return store->path;
}

const char *bfs_store_uuid(const struct bfs_store *store)
{
	return store->uuid;
}

const char *bfs_store_prefix(const struct bfs_store *store)
{
	return store->prefix;
}

int bfs_store_fd(const struct bfs_store *store)
{
	return store->fd;
}

/* The directory alone: what is at `path` may be the very name that is taken for absent. */
static void refresh_directory(int directory_fd, const char *path)
{
	struct statx ignored;

	statx(directory_fd, path, AT_EMPTY_PATH | AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW,
		STATX_CTIME, &ignored);
}

void bfs_store_refresh(int directory_fd, const char *name)
{
	_cleanup_free_ char *path = strdup(name);

	refresh_directory(directory_fd, "");
	for (char *slash = path ? strchr(path, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		refresh_directory(directory_fd, path);
		*slash = '/';
	}
}

int bfs_store_open_file(const struct bfs_store *store, const char *name, int flags)
{
	int fd = openat(store->fd, name, flags | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ESTALE)) {
		bfs_store_refresh(store->fd, name);
		fd = openat(store->fd, name, flags | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

char *bfs_store_object_name(const struct bfs_content *content, char ret_name[BFS_STORE_NAME_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	bfs_digest_to_hex(&content->digest, hex);
	snprintf(ret_name, BFS_STORE_NAME_SIZE, "objects/%.2s/%s%s", hex, hex,
		content->executable ? ".x" : "");
	return ret_name;
}

char *bfs_store_pack_name(const struct bfs_digest *pack, char ret_name[BFS_STORE_NAME_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	snprintf(ret_name, BFS_STORE_NAME_SIZE, "packs/%s.pack", bfs_digest_to_hex(pack, hex));
	return ret_name;
}

char *bfs_store_index_name(const struct bfs_digest *index, char ret_name[BFS_STORE_NAME_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	snprintf(ret_name, BFS_STORE_NAME_SIZE, "indexes/%s.sqlite", bfs_digest_to_hex(index, hex));
	return ret_name;
}

char *bfs_store_delta_name(const struct bfs_digest *index, char ret_name[BFS_STORE_NAME_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	snprintf(ret_name, BFS_STORE_NAME_SIZE, "indexes/%s.delta", bfs_digest_to_hex(index, hex));
	return ret_name;
}
