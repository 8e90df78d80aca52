#include "index/reading.h"

#include "index/snapshot.h"

#include <string.h>

int bfs_reading_open_store(const struct bfs_reading_options *options,
	struct bfs_reading *ret_reading, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_store_default_path(options->store, &path);

	*ret_reading = (struct bfs_reading){.ref = options->ref ? options->ref : bfs_ref_default()};
	return r < 0 ? r : bfs_store_open(path, &ret_reading->store, error);
}

/* "nothing was installed under REF yet; the store has A B". */
static int report_missing_ref(const struct bfs_reading *reading, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_free_ char **names = NULL;
	int r = bfs_ref_list(reading->store, &names, NULL);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = bfs_buffer_append_format(&text, "%s %s", i ? "" : "; the store has", names[i]);
	bfs_error_clear(error);
	return bfs_error_set(error, -ENOENT, "reading the ref", reading->ref,
		"nothing was installed there yet%s", text.data ? text.data : "");
}

static int get_prefix(struct bfs_reading *reading)
{
	int r = bfs_tree_get_value(reading->tree, "prefix", &reading->prefix);

	if (r != -ENOENT)
		return r;
	reading->prefix = strdup(bfs_store_prefix(reading->store));
	return reading->prefix ? 0 : -ENOMEM;
}

int bfs_reading_open(const struct bfs_reading_options *options, struct bfs_reading *ret_reading,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_reading reading;
	int r = bfs_reading_open_store(options, &reading, error);

	if (r == 0) {
		r = bfs_ref_read(reading.store, reading.ref, &reading.generation, error);
		if (r == -ENOENT)
			report_missing_ref(&reading, error);
	}
	if (r == 0)
		r = bfs_snapshot_fetch(reading.store, &reading.generation, &path, error);
	if (r == 0)
		r = bfs_tree_open(path, BFS_TREE_READ, &reading.tree, error);
	if (r == 0)
		r = get_prefix(&reading);
	if (r < 0)
		bfs_reading_close(&reading);
	else
		*ret_reading = reading;
	return r;
}

void bfs_reading_close(struct bfs_reading *reading)
{
	bfs_tree_close(reading->tree);
	bfs_store_close(reading->store);
	free(reading->prefix);
	*reading = (struct bfs_reading){0};
}

void bfs_reading_append(json_t **array, json_t *item)
{
	if (json_array_append_new(*array, item) == 0)
		return;
	json_decref(*array);
	*array = NULL;
}

int bfs_reading_print(json_t *document)
{
	struct bfs_error error = BFS_ERROR_INIT;
	int r = document ? bfs_json_print(document) : -ENOMEM;

	json_decref(document);
	if (r < 0) {
		bfs_error_set(&error, r, "printing JSON", NULL, NULL);
		return bfs_error_report(&error, r);
	}
	return 0;
}
