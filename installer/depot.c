#include "installer/depot.h"

#include "lib/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#define DESCRIPTION	  "depot.json"
#define DESCRIPTION_LIMIT (64 * 1024 * 1024) /* bytes; a line for each bottle */

struct bfs_depot {
	char *path;
	int lock_fd; /* -1: open to be read */
	json_t *document;
};

void bfs_depot_close(struct bfs_depot *depot)
{
	if (!depot)
		return;
	if (depot->lock_fd >= 0)
		close(depot->lock_fd);
	if (depot->document)
		json_decref(depot->document);
	free(depot->path);
	free(depot);
}

static int new_depot(const char *path, struct bfs_depot **ret_depot)
{
	struct bfs_depot *depot = calloc(1, sizeof(*depot));

	if (!depot)
		return -ENOMEM;
	depot->lock_fd = -1;
	depot->path = strdup(path);
	if (!depot->path) {
		bfs_depot_close(depot);
		return -ENOMEM;
	}
	*ret_depot = depot;
	return 0;
}

/* -ENOENT, without a message, where there is no description. */
static int read_description(struct bfs_depot *depot, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/" DESCRIPTION, depot->path);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int64_t format;
	int r = path ? bfs_read_file(AT_FDCWD, path, DESCRIPTION_LIMIT, &text) : -ENOMEM;

	if (r == -ENOENT || r == -ENOMEM)
		return r;
	if (r < 0)
		return bfs_error_set(error, r, "opening the depot", path, NULL);
	r = bfs_json_parse(text.data, text.length, path, &depot->document, error);
	if (r < 0)
		return r;
	if (bfs_json_get_int(depot->document, "format", 1, INT64_MAX, &format) < 0)
		return bfs_error_set(
			error, -EBADMSG, "opening the depot", path, "it has no format number");
	if (format > BFS_DEPOT_FORMAT)
		return bfs_error_set(error, -EPROTONOSUPPORT, "opening the depot", path,
			"it has format %lld, this brewfs reads up to %d; a newer brewfs is needed",
			(long long)format, BFS_DEPOT_FORMAT);
	return 0;
}

int bfs_depot_open(const char *path, struct bfs_depot **ret_depot, struct bfs_error *error)
{
	_cleanup_depot_ struct bfs_depot *depot = NULL;
	int r = new_depot(path, &depot);

	if (r == 0)
		r = read_description(depot, error);
	if (r == -ENOENT)
		return bfs_error_set(error, r, "opening the depot", path,
			"nothing was fetched into it (" DESCRIPTION " is missing): "
			"brewfs fetch --to %s",
			path);
	if (r < 0)
		return r;
	*ret_depot = bfs_steal(&depot);
	return 0;
}

/* A directory with other things in it is not taken over. */
static int check_vacant(const char *path, struct bfs_error *error)
{
	_cleanup_closedir_ DIR *directory = opendir(path);
	struct dirent *entry;

	if (!directory)
		return bfs_error_set(error, -errno, "opening the depot", path, NULL);
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lock") != 0 &&
			strcmp(entry->d_name, "lost+found") != 0)
			return bfs_error_set(error, -ENOTEMPTY, "making the depot", path,
				"the directory is not empty and is no depot");
	return 0;
}

static int lock(struct bfs_depot *depot, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/lock", depot->path);

	if (!path)
		return -ENOMEM;
	depot->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (depot->lock_fd < 0)
		return bfs_error_set(error, -errno, "locking the depot", path, NULL);
	while (flock(depot->lock_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return bfs_error_set(error, -errno, "locking the depot", path, NULL);
	return 0;
}

static int write_description(const struct bfs_depot *depot, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/" DESCRIPTION, depot->path);
	_cleanup_free_ char *text = json_dumps(depot->document, JSON_INDENT(1) | JSON_SORT_KEYS);
	int r = path && text ? 0 : -ENOMEM;

	if (r == 0)
		r = bfs_replace_file(AT_FDCWD, path, text, strlen(text), 0644);
	return r < 0 ? bfs_error_set(error, r, "writing the depot", path, NULL) : 0;
}

static int make_directories(const struct bfs_depot *depot, struct bfs_error *error)
{
	static const char *const names[] = {"bottles", "manifests"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++) {
		_cleanup_free_ char *path = bfs_format("%s/%s", depot->path, names[i]);
		int r = path ? bfs_make_directories(AT_FDCWD, path, 0755) : -ENOMEM;

		if (r < 0)
			return bfs_error_set(error, r, "making the depot", path, NULL);
	}
	return 0;
}

static int make_depot(struct bfs_depot *depot, struct bfs_error *error)
{
	int r = check_vacant(depot->path, error);

	if (r < 0)
		return r;
	depot->document = json_pack("{s:i, s:{}}", "format", BFS_DEPOT_FORMAT, "tags");
	return depot->document ? write_description(depot, error) : -ENOMEM;
}

int bfs_depot_fill(const char *path, struct bfs_depot **ret_depot, struct bfs_error *error)
{
	_cleanup_depot_ struct bfs_depot *depot = NULL;
	int r = bfs_make_directories(AT_FDCWD, path, 0755);

	if (r < 0)
		return bfs_error_set(error, r, "making the depot", path, NULL);
	r = new_depot(path, &depot);
	if (r == 0)
		r = read_description(depot, error);
	/* Only what is or becomes a depot gets a lock in it. */
	if (r == -ENOENT)
		r = check_vacant(path, error);
	if (r == 0)
		r = lock(depot, error);
	if (r == 0 && depot->document)
		json_decref(bfs_steal(&depot->document));
	if (r == 0)
		r = read_description(depot, error);
	if (r == -ENOENT)
		r = make_depot(depot, error);
	if (r == 0)
		r = make_directories(depot, error);
	if (r < 0)
		return r;
	*ret_depot = bfs_steal(&depot);
	return 0;
}

bool bfs_depot_is_filling(const struct bfs_depot *depot)
{
	return depot->lock_fd >= 0;
}

const char *bfs_depot_path(const struct bfs_depot *depot)
{
	return depot->path;
}

char *bfs_depot_packages_path(const struct bfs_depot *depot, const char *tag)
{
	return bfs_format("%s/packages.%s.jws.json", depot->path, tag);
}

char *bfs_depot_source_path(const struct bfs_depot *depot, const char *tag)
{
	return bfs_format("%s/packages.%s.source", depot->path, tag);
}

char *bfs_depot_bottle_path(const struct bfs_depot *depot, const struct bfs_digest *digest)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	return bfs_format("%s/bottles/%s.tar.gz", depot->path, bfs_digest_to_hex(digest, hex));
}

char *bfs_depot_manifest_path(const struct bfs_depot *depot, const struct bfs_digest *digest)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	return bfs_format("%s/manifests/%s.json", depot->path, bfs_digest_to_hex(digest, hex));
}

bool bfs_depot_has_bottle(const struct bfs_depot *depot, const struct bfs_formula *formula)
{
	_cleanup_free_ char *path = bfs_depot_bottle_path(depot, &formula->bottle_digest);

	return path && access(path, F_OK) == 0;
}

int bfs_depot_read_manifest(const struct bfs_depot *depot, const struct bfs_formula *formula,
	struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_depot_manifest_path(depot, &formula->bottle_digest);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = path ? bfs_read_file(AT_FDCWD, path, BFS_BOTTLE_MANIFEST_LIMIT, &text) : -ENOMEM;

	if (r < 0)
		return bfs_error_set(error, r, "reading the bottle's manifest", path, NULL);
	return bfs_bottle_manifest_parse(
		text.data, text.length, path, formula, ret_manifest, error);
}

int bfs_depot_note(
	struct bfs_depot *depot, const char *tag, json_t *formulae, struct bfs_error *error)
{
	json_t *tags;

	if (bfs_json_get_object(depot->document, "tags", &tags) < 0) {
		tags = json_object();
		if (json_object_set_new(depot->document, "tags", tags) < 0)
			return -ENOMEM;
	}
	if (json_object_set(tags, tag, formulae) < 0)
		return -ENOMEM;
	return write_description(depot, error);
}

bool bfs_depot_knows_tag(const struct bfs_depot *depot, const char *tag)
{
	json_t *tags;

	return bfs_json_get_object(depot->document, "tags", &tags) == 0 &&
	       json_object_get(tags, tag);
}
