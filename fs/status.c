#include "fs/status.h"

#include "fs/control.h"
#include "index/lease.h"
#include "index/publish.h"
#include "index/snapshot.h"
#include "lib/json.h"
#include "lib/text.h"

#include <gnu/libc-version.h>
#include <string.h>

static const char *explain(int result)
{
	switch (result) {
	case 0:
		return NULL;
	case -ECONNREFUSED:
		return "its daemon has died; 'brewfs umount' clears it away";
	case -ETIMEDOUT:
		return "its daemon does not answer";
	case -ENOENT:
		return "its daemon cannot be reached from here";
	default:
		return strerror(-result);
	}
}

static json_t *mount_to_json(const struct bfs_mount *mount)
{
	_cleanup_json_ json_t *daemon = NULL;
	pid_t pid;
	int r = bfs_control_ask(mount, &pid, &daemon);

	return json_pack("{s:o, s:o, s:s, s:I, s:b, s:s?, s:O?}", "mountpoint",
		bfs_text_json(mount->mountpoint), "source", bfs_text_json(mount->source), "options",
		mount->options, "owner", (json_int_t)mount->owner, "running", r == 0, "problem",
		explain(r), "daemon", daemon);
}

int bfs_status_mounts(const struct bfs_mounts *mounts, const char *mountpoint, json_t **ret_array)
{
	_cleanup_json_ json_t *array = json_array();

	for (size_t i = 0; array && i < mounts->count; i++) {
		const struct bfs_mount *mount = &mounts->mounts[i];

		if (!bfs_mount_is_brewfs(mount) ||
			(mountpoint && mount != bfs_mounts_find(mounts, mountpoint)))
			continue;
		if (json_array_append_new(array, mount_to_json(mount)) < 0)
			return -ENOMEM;
	}
	if (!array)
		return -ENOMEM;
	*ret_array = bfs_steal(&array);
	return 0;
}

/* When the generation was published: the newest entry of the log that it carries. */
static void add_time(json_t *object, struct bfs_tree *tree, const struct bfs_generation *generation)
{
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;

	if (bfs_publication_log(tree, generation, &entries, &count, NULL) < 0)
		return;
	if (count > 0) {
		json_object_set_new(object, "published", json_integer(entries[0].time));
		json_object_set_new(object, "message", bfs_text_json(entries[0].message));
	}
	bfs_log_entries_free(entries, count);
}

/* The glibc that bottles are poured for: the one that was chosen, else that of whichever host installs, here this one. */
static void add_target(json_t *object, struct bfs_tree *tree)
{
	_cleanup_free_ char *chosen = NULL;
	bool is_chosen = bfs_tree_get_value(tree, "target_glibc", &chosen) == 0;

	json_object_set_new(object, "target_glibc",
		is_chosen ? bfs_text_json(chosen) : json_string(gnu_get_libc_version()));
	json_object_set_new(object, "target_glibc_chosen", json_boolean(is_chosen));
}

static json_t *ref_to_json(struct bfs_store *store, const char *name)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_generation generation = {0};
	char hex[BFS_DIGEST_HEX_SIZE];
	json_t *object;
	int r = bfs_snapshot_open(store, name, &generation, &tree, &error);

	if (r < 0)
		return json_pack("{s:s, s:o}", "ref", name, "problem",
			bfs_text_json(bfs_error_message(&error, r)));
	object = json_pack("{s:s, s:I, s:s, s:I}", "ref", name, "generation",
		(json_int_t)generation.number, "index", bfs_digest_to_hex(&generation.index, hex),
		"index_bytes", (json_int_t)generation.size);
	if (object) {
		add_time(object, tree, &generation);
		add_target(object, tree);
	}
	return object;
}

static int add_refs(json_t *object, struct bfs_store *store, struct bfs_error *error)
{
	_cleanup_free_ char **names = NULL;
	_cleanup_json_ json_t *array = json_array();
	int r = array ? bfs_ref_list(store, &names, error) : -ENOMEM;

	for (size_t i = 0; r == 0 && names[i]; i++)
		if (json_array_append_new(array, ref_to_json(store, names[i])) < 0)
			r = -ENOMEM;
	if (r == 0 && json_object_set(object, "refs", array) < 0)
		r = -ENOMEM;
	return r;
}

static json_t *lease_to_json(const struct bfs_lease_record *lease)
{
	json_t *generations = json_array();

	for (size_t i = 0; generations && i < lease->count; i++)
		json_array_append_new(
			generations, json_integer((json_int_t)lease->generations[i].number));
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:o}", "ref", lease->ref, "host",
		lease->host, "mountpoint", lease->mountpoint, "pid", (json_int_t)lease->pid, "time",
		(json_int_t)lease->time, "stale", lease->stale, "generations", generations);
}

static int add_leases(json_t *object, struct bfs_store *store, struct bfs_error *error)
{
	struct bfs_lease_record *leases = NULL;
	_cleanup_json_ json_t *array = json_array();
	size_t count = 0;
	int r = array ? bfs_lease_list(store, &leases, &count, error) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (json_array_append_new(array, lease_to_json(&leases[i])) < 0)
			r = -ENOMEM;
	bfs_lease_records_free(leases, count);
	if (r == 0 && json_object_set(object, "leases", array) < 0)
		r = -ENOMEM;
	return r;
}

int bfs_status_store(const char *path, json_t **ret_object, struct bfs_error *error)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_json_ json_t *object = NULL;
	int r = bfs_store_open(path, &store, error);

	if (r < 0)
		return r;
	object = json_pack("{s:o, s:s, s:o}", "path", bfs_text_json(path), "uuid",
		bfs_store_uuid(store), "prefix", bfs_text_json(bfs_store_prefix(store)));
	r = object ? add_refs(object, store, error) : -ENOMEM;
	if (r == 0)
		r = add_leases(object, store, error);
	if (r == 0)
		*ret_object = bfs_steal(&object);
	return r;
}
