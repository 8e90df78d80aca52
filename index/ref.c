#include "index/ref.h"

#include "lib/file.h"
#include "lib/json.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

#define REF_LIMIT 65536 /* bytes; a ref has 150 */

bool bfs_ref_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > 64 || name[0] == '.')
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

const char *bfs_ref_default(void)
{
	struct utsname host;

	if (uname(&host) == 0 && strcmp(host.machine, "aarch64") == 0)
		return "arm64_linux";
	return "x86_64_linux";
}

static int ref_path(const char *name, char **ret_path, struct bfs_error *error)
{
	if (!bfs_ref_name_is_valid(name))
		return bfs_error_set(error, -EINVAL, "reading the ref", name,
			"not a name for a ref: 1 to 64 of A-Z a-z 0-9 . _ -");
	*ret_path = bfs_format("refs/%s", name);
	return *ret_path ? 0 : -ENOMEM;
}

static enum bfs_index_form read_form(const json_t *document)
{
	const json_t *delta = json_object_get(document, "delta");

	if (!json_is_boolean(delta))
		return BFS_INDEX_UNKNOWN;
	return json_is_true(delta) ? BFS_INDEX_DELTA : BFS_INDEX_WHOLE;
}

int bfs_ref_read(struct bfs_store *store, const char *name, struct bfs_generation *ret_generation,
	struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	_cleanup_free_ char *path = NULL;
	struct bfs_generation generation;
	int64_t number, size;
	const char *index;
	int r = ref_path(name, &path, error);

	if (r < 0)
		return r;
	r = bfs_read_file(bfs_store_fd(store), path, REF_LIMIT, &text);
	if (r == -ENOENT) { /* another host may have published it first */
		bfs_store_refresh(bfs_store_fd(store), path);
		r = bfs_read_file(bfs_store_fd(store), path, REF_LIMIT, &text);
	}
	if (r == -ENOENT)
		return bfs_error_set(
			error, r, "reading the ref", path, "nothing was installed there yet");
	if (r < 0)
		return bfs_error_set(error, r, "reading the ref", path, NULL);
	r = bfs_json_parse(text.data, text.length, path, &document, error);
	if (r < 0)
		return r;
	if (bfs_json_get_int(document, "generation", 1, INT64_MAX, &number) < 0 ||
		bfs_json_get_int(document, "size", 1, (int64_t)BFS_INDEX_SIZE_MAX, &size) < 0 ||
		bfs_json_get_string(document, "index", &index) < 0 ||
		bfs_digest_from_hex(index, &generation.index) < 0)
		return bfs_error_set(error, -EBADMSG, "reading the ref", path,
			"generation, index or size is missing or out of range");
	generation.number = (uint64_t)number;
	generation.size = (uint64_t)size;
	generation.form = read_form(document);
	*ret_generation = generation;
	return 0;
}

int bfs_ref_read_keg(
	struct bfs_store *store, const char *file, struct bfs_generation *ret_generation)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	struct bfs_generation generation = {0};
	const char *index;
	int64_t size;
	int r = bfs_read_file(bfs_store_fd(store), file, REF_LIMIT, &text);

	if (r == 0)
		r = bfs_json_parse(text.data, text.length, file, &document, NULL);
	if (r < 0)
		return r;
	if (bfs_json_get_string(document, "index", &index) < 0 ||
		bfs_json_get_int(document, "size", 1, (int64_t)BFS_INDEX_SIZE_MAX, &size) < 0 ||
		bfs_digest_from_hex(index, &generation.index) < 0)
		return -EBADMSG;
	generation.size = (uint64_t)size;
	*ret_generation = generation;
	return 0;
}

int bfs_ref_write(struct bfs_store *store, const char *name,
	const struct bfs_generation *generation, struct bfs_error *error)
{
	static const char *const forms[] = {"", ",\n  \"delta\": false", ",\n  \"delta\": true"};
	char hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_free_ char *path = NULL, *text = NULL;
	int r = ref_path(name, &path, error);

	if (r < 0)
		return r;
	text = bfs_format("{\n  \"generation\": %" PRIu64
			  ",\n  \"index\": \"%s\",\n  \"size\": %" PRIu64 "%s\n}\n",
		generation->number, bfs_digest_to_hex(&generation->index, hex), generation->size,
		forms[generation->form]);
	if (!text)
		return -ENOMEM;
	r = bfs_replace_file(bfs_store_fd(store), path, text, strlen(text), 0644);
	return r < 0 ? bfs_error_set(error, r, "moving the ref", path, NULL) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int bfs_ref_list(struct bfs_store *store, char ***ret_names, struct bfs_error *error)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_buffer_ struct bfs_buffer names = BFS_BUFFER_INIT;
	struct dirent *entry;
	size_t count = 0;
	char **array, *text;
	int fd = openat(bfs_store_fd(store), "refs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || !(dir = fdopendir(fd))) {
		int code = -errno;

		if (fd >= 0)
			close(fd);
		return bfs_error_set(error, code, "listing the refs", bfs_store_path(store), NULL);
	}
	while ((entry = readdir(dir))) {
		/* What a writer that died left beside a ref ends in .new. */
		if (!bfs_ref_name_is_valid(entry->d_name) ||
			(strlen(entry->d_name) > 4 &&
				strcmp(entry->d_name + strlen(entry->d_name) - 4, ".new") == 0))
			continue;
		if (bfs_buffer_append(&names, entry->d_name, strlen(entry->d_name) + 1) < 0)
			return -ENOMEM;
		count++;
	}
	array = malloc((count + 1) * sizeof(*array) + names.length + 1);
	if (!array)
		return -ENOMEM;
	text = (char *)(array + count + 1);
	if (names.length)
		memcpy(text, names.data, names.length);
	for (size_t i = 0; i < count; i++, text += strlen(text) + 1)
		array[i] = text;
	array[count] = NULL;
	qsort(array, count, sizeof(*array), compare_names);
	*ret_names = array;
	return 0;
}
