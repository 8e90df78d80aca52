#include "index/lease.h"

#include "lib/file.h"
#include "lib/json.h"
#include "lib/text.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define LEASE_LIMIT	  65536 /* bytes of a lease; some 130 a generation */
#define GENERATIONS_LIMIT 256	/* in one lease */
#define HOST_MAX	  63	/* bytes of a host name that go into the file name */

struct bfs_lease {
	struct bfs_store *store;
	char *path;   /* relative to the store */
	char *staged; /* beside it; its name begins with a dot */
	char *ref;
	char *mountpoint;
	char host[HOST_MAX + 1];
	bool written;
};

/* The host's name as far as it can be part of a file name. */
static void read_host_name(char ret_host[HOST_MAX + 1])
{
	if (gethostname(ret_host, HOST_MAX + 1) < 0 || !*ret_host)
		strcpy(ret_host, "localhost");
	ret_host[HOST_MAX] = '\0';
	for (char *c = ret_host; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			*c = '-';
}

int bfs_lease_new(struct bfs_store *store, const char *ref, const char *mountpoint,
	struct bfs_lease **ret_lease)
{
	struct bfs_lease *lease = calloc(1, sizeof(*lease));
	uint64_t random;

	if (!lease)
		return -ENOMEM;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		free(lease);
		return -EIO;
	}
	read_host_name(lease->host);
	lease->store = store;
	lease->path =
		bfs_format("leases/%s.%d.%016" PRIx64 ".json", lease->host, (int)getpid(), random);
	lease->staged =
		bfs_format("leases/.%s.%d.%016" PRIx64 ".new", lease->host, (int)getpid(), random);
	lease->ref = strdup(ref);
	lease->mountpoint = strdup(mountpoint);
	if (!lease->path || !lease->staged || !lease->ref || !lease->mountpoint) {
		bfs_lease_free(lease);
		return -ENOMEM;
	}
	*ret_lease = lease;
	return 0;
}

static int add_generation(json_t *array, const struct bfs_generation *generation)
{
	char hex[BFS_DIGEST_HEX_SIZE];
	json_t *item = json_pack("{s:I, s:s}", "generation", (json_int_t)generation->number,
		"index", bfs_digest_to_hex(&generation->index, hex));

	return json_array_append_new(array, item) < 0 ? -ENOMEM : 0;
}

static int format_lease(const struct bfs_lease *lease, const struct bfs_generation *generations,
	size_t count, char **ret_text)
{
	_cleanup_json_ json_t *array = json_array();
	_cleanup_json_ json_t *document = NULL;
	int r = array ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count && i < GENERATIONS_LIMIT; i++)
		r = add_generation(array, &generations[i]);
	if (r < 0)
		return r;
	document =
		json_pack("{s:s, s:s, s:I, s:o, s:I, s:O}", "ref", lease->ref, "host", lease->host,
			"pid", (json_int_t)getpid(), "mountpoint", bfs_text_json(lease->mountpoint),
			"time", (json_int_t)time(NULL), "generations", array);
	*ret_text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
	return *ret_text ? 0 : -ENOMEM;
}

/*
 * Never synced: after a power cut its holder is gone, and a heartbeat must not wait for a busy
 * disk.
 */
static int write_file(struct bfs_lease *lease, const char *path, int flags, const char *text)
{
	_cleanup_close_ int fd = openat(bfs_store_fd(lease->store), path,
		O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0644);

	return fd < 0 ? -errno : bfs_write_all(fd, text, strlen(text));
}

/*
 * The first time there is nothing to replace, so it is written under its own name: a mount that
 * begins waits for fewer round trips. Whoever reads it before it is complete finds no lease, as
 * until now.
 */
static int write_lease(struct bfs_lease *lease, const char *text)
{
	int store_fd = bfs_store_fd(lease->store);
	const char *written = lease->written ? lease->staged : lease->path;
	int r = write_file(lease, written, lease->written ? O_TRUNC : O_EXCL, text);

	if (r == 0 && lease->written && renameat(store_fd, lease->staged, store_fd, lease->path) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(store_fd, written, 0);
	return r;
}

int bfs_lease_renew(struct bfs_lease *lease, const struct bfs_generation *generations, size_t count,
	struct bfs_error *error)
{
	_cleanup_free_ char *text = NULL;
	int r = format_lease(lease, generations, count, &text);

	if (r < 0)
		return r;
	r = write_lease(lease, text);
	if (r < 0)
		return bfs_error_set(error, r, "writing the lease", lease->path, NULL);
	lease->written = true;
	return 0;
}

void bfs_lease_free(struct bfs_lease *lease)
{
	if (!lease)
		return;
	if (lease->written)
		unlinkat(bfs_store_fd(lease->store), lease->path, 0);
	free(lease->path);
	free(lease->staged);
	free(lease->ref);
	free(lease->mountpoint);
	free(lease);
}

static void release_record(struct bfs_lease_record *record)
{
	free(record->name);
	free(record->ref);
	free(record->host);
	free(record->mountpoint);
	free(record->generations);
	*record = (struct bfs_lease_record){0};
}

void bfs_lease_records_free(struct bfs_lease_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		release_record(&records[i]);
	free(records);
}

static int parse_generation(const json_t *item, struct bfs_generation *ret_generation)
{
	int64_t number;
	const char *index;

	if (bfs_json_get_int(item, "generation", 0, INT64_MAX, &number) < 0 ||
		bfs_json_get_string(item, "index", &index) < 0 ||
		bfs_digest_from_hex(index, &ret_generation->index) < 0)
		return -EBADMSG;
	ret_generation->number = (uint64_t)number;
	return 0;
}

static int parse_generations(const json_t *document, struct bfs_lease_record *record)
{
	json_t *array;
	size_t count;
	int r = 0;

	if (bfs_json_get_array(document, "generations", &array) < 0)
		return -EBADMSG;
	count = json_array_size(array);
	if (count < 1 || count > GENERATIONS_LIMIT)
		return -EBADMSG;
	record->generations = calloc(count, sizeof(*record->generations));
	if (!record->generations)
		return -ENOMEM;
	record->count = count;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = parse_generation(json_array_get(array, i), &record->generations[i]);
	return r;
}

static int copy_string(const json_t *document, const char *key, char **ret_value)
{
	const char *value;
	int r = bfs_json_get_string(document, key, &value);

	if (r < 0)
		return -EBADMSG;
	*ret_value = strdup(value);
	return *ret_value ? 0 : -ENOMEM;
}

static int parse_record(const json_t *document, struct bfs_lease_record *record)
{
	int r = copy_string(document, "ref", &record->ref);

	if (r == 0)
		r = copy_string(document, "host", &record->host);
	if (r == 0)
		r = copy_string(document, "mountpoint", &record->mountpoint);
	if (r == 0 && (bfs_json_get_int(document, "pid", 1, INT64_MAX, &record->pid) < 0 ||
			      bfs_json_get_int(document, "time", 0, INT64_MAX, &record->time) < 0))
		r = -EBADMSG;
	return r < 0 ? r : parse_generations(document, record);
}

static int read_record(int dir_fd, const char *name, struct bfs_lease_record *record)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	struct stat st;
	int64_t latest;
	int r = bfs_read_file(dir_fd, name, LEASE_LIMIT, &text);

	if (r == 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0)
		r = bfs_json_parse(text.data, text.length, name, &document, NULL);
	if (r == 0)
		r = parse_record(document, record);
	if (r < 0)
		return r;
	latest = st.st_mtime > record->time ? st.st_mtime : record->time;
	record->stale = latest < time(NULL) - BFS_LEASE_STALE;
	record->name = strdup(name);
	return record->name ? 0 : -ENOMEM;
}

static bool is_lease_name(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static int append_record(
	DIR *dir, const char *name, struct bfs_lease_record **records, size_t *count)
{
	struct bfs_lease_record record = {0}, *grown;
	int r = read_record(dirfd(dir), name, &record);

	if (r < 0) {
		release_record(&record);
		return r == -ENOMEM ? r : 0;
	}
	grown = reallocarray(*records, *count + 1, sizeof(*grown));
	if (!grown) {
		release_record(&record);
		return -ENOMEM;
	}
	*records = grown;
	grown[(*count)++] = record;
	return 0;
}

static int compare_records(const void *a, const void *b)
{
	const struct bfs_lease_record *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static DIR *open_leases(struct bfs_store *store)
{
	int fd = openat(bfs_store_fd(store), "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

int bfs_lease_list(struct bfs_store *store, struct bfs_lease_record **ret_records,
	size_t *ret_count, struct bfs_error *error)
{
	_cleanup_closedir_ DIR *dir = open_leases(store);
	struct bfs_lease_record *records = NULL;
	struct dirent *entry;
	size_t count = 0;
	int r = 0;

	if (!dir)
		return bfs_error_set(error, errno ? -errno : -ENOMEM, "listing the leases",
			bfs_store_path(store), NULL);
	while (r == 0 && (entry = readdir(dir)))
		if (is_lease_name(entry->d_name))
			r = append_record(dir, entry->d_name, &records, &count);
	if (r < 0) {
		bfs_lease_records_free(records, count);
		return r;
	}
	if (count)
		qsort(records, count, sizeof(*records), compare_records);
	*ret_records = records;
	*ret_count = count;
	return 0;
}
