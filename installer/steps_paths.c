#include "installer/steps_private.h"

#include "installer/prefix.h"
#include "installer/tree_glob.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

/* Where Homebrew's sandbox lets steps write, besides the formula's own keg. */
static const char *const writable_directories[] = {
	"bin", "etc", "include", "lib", "sbin", "share", "var"};
/* And where not: the records that say what is installed. */
#define RECORDS "var/homebrew"

int bfs_steps_glob(struct bfs_steps_runner *runner, const json_t *value, bfs_strings *ret_paths)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_steps_locate(runner, value, &path);

	if (r != 0)
		return r;
	if (!bfs_glob_is_pattern(path))
		return bfs_strings_add(ret_paths, path);
	r = bfs_tree_glob(runner->order->tree, path, ret_paths);
	return r < 0 ? bfs_steps_fail(runner, r, path, NULL) : 0;
}

int bfs_steps_glob_paths(
	struct bfs_steps_runner *runner, const json_t *step, bfs_strings *ret_paths)
{
	const json_t *values = json_object_get(step, "paths"), *value;
	size_t i;
	int r = 0;

	if (json_is_string(values) || json_is_object(values))
		return bfs_steps_glob(runner, values, ret_paths);
	if (!json_is_array(values))
		return bfs_steps_fail(runner, -EBADMSG, "paths", "the step has none");
	json_array_foreach(values, i, value)
	{
		r = bfs_steps_glob(runner, value, ret_paths);
		if (r != 0)
			break;
	}
	return r;
}

/* A missing name, one below something that is no directory, and a circle of links are nothing. */
static int found(struct bfs_steps_runner *runner, const char *path, int r)
{
	if (r == 0)
		return 1;
	if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
		return 0;
	return bfs_steps_fail(
		runner, r, path, r == -EXDEV ? "a symlink leads out of the prefix" : NULL);
}

int bfs_steps_find(
	struct bfs_steps_runner *runner, const char *path, struct bfs_attributes *ret_attributes)
{
	return found(runner, path, bfs_tree_stat_path(runner->order->tree, path, ret_attributes));
}

int bfs_steps_find_name(
	struct bfs_steps_runner *runner, const char *path, struct bfs_attributes *ret_attributes)
{
	return found(runner, path, bfs_tree_lstat_path(runner->order->tree, path, ret_attributes));
}

int bfs_steps_is_directory(struct bfs_steps_runner *runner, const char *path)
{
	struct bfs_attributes attributes;
	int r = bfs_steps_find(runner, path, &attributes);

	return r == 1 ? S_ISDIR(attributes.mode) : r;
}

static bool is_writable(const char *keg, const char *path)
{
	const char *below = bfs_path_below(path, keg);

	if (below)
		return *below != '\0';
	if (bfs_path_below(path, RECORDS))
		return false;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(writable_directories); i++) {
		below = bfs_path_below(path, writable_directories[i]);
		if (below)
			return *below != '\0';
	}
	return false;
}

bool bfs_steps_may_change(const char *name, const char *version, const char *path)
{
	_cleanup_free_ char *keg = bfs_keg_path(name, version);

	return keg && is_writable(keg, path);
}

int bfs_steps_check_writable(struct bfs_steps_runner *runner, const char *path, bool follow)
{
	_cleanup_free_ char *parent = bfs_path_parent(path), *resolved = NULL, *whole = NULL;
	int r = parent ? bfs_tree_resolve_path(
				 runner->order->tree, follow ? path : parent, &resolved)
		       : -ENOMEM;

	if (r < 0)
		return bfs_steps_fail(
			runner, r, path, r == -EXDEV ? "a symlink leads out of the prefix" : NULL);
	whole = follow ? bfs_steal(&resolved) : bfs_path_join(resolved, bfs_path_base(path));
	if (!whole)
		return -ENOMEM;
	if (!is_writable(runner->keg, whole))
		return bfs_steps_fail(
			runner, -EACCES, whole, "Homebrew's sandbox keeps it from steps");
	return 0;
}

/* The topmost of the directories that mkdir -p would make. */
static int find_first_missing(struct bfs_steps_runner *runner, const char *path, char **ret_path)
{
	_cleanup_free_ char *missing = strdup(path);
	struct bfs_attributes attributes;
	int r = 0;

	while (missing && *missing) {
		char *parent = bfs_path_parent(missing);

		r = parent ? bfs_steps_find_name(runner, parent, &attributes) : -ENOMEM;
		if (r != 0) {
			free(parent);
			break;
		}
		free(missing);
		missing = parent;
	}
	if (r < 0)
		return r;
	*ret_path = bfs_steal(&missing);
	return *ret_path ? 0 : -ENOMEM;
}

/* Where a path leads, or would if what is missing of it were made. */
static int resolve_future(struct bfs_steps_runner *runner, const char *path, char **ret_path)
{
	_cleanup_free_ char *missing = NULL, *parent = NULL, *resolved = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_find(runner, path, &attributes);

	if (r == 1)
		return bfs_tree_resolve_path(runner->order->tree, path, ret_path);
	if (r == 0)
		r = find_first_missing(runner, path, &missing);
	if (r < 0)
		return r;
	parent = bfs_path_parent(missing);
	r = parent ? bfs_tree_resolve_path(runner->order->tree, parent, &resolved) : -ENOMEM;
	if (r < 0)
		return r;
	*ret_path = bfs_path_join(resolved, path + strlen(parent) + (*parent != '\0'));
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_steps_check_apart(
	struct bfs_steps_runner *runner, const char *source, const char *destination)
{
	_cleanup_free_ char *from = NULL, *to = NULL;
	int r = bfs_tree_resolve_path(runner->order->tree, source, &from);

	if (r == 0)
		r = resolve_future(runner, destination, &to);
	if (r < 0)
		return bfs_steps_fail(runner, r, source, NULL);
	if (!*from || bfs_path_below(to, from))
		return bfs_steps_fail(runner, -EINVAL, source, "it would go into itself");
	return 0;
}

int bfs_steps_make_path(struct bfs_steps_runner *runner, const char *path)
{
	_cleanup_free_ char *missing = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_is_directory(runner, path);

	if (r != 0)
		return r < 0 ? r : 0;
	r = find_first_missing(runner, path, &missing);
	if (r == 0)
		r = bfs_steps_check_writable(runner, missing, false);
	if (r < 0)
		return r;
	r = bfs_tree_make_directories(runner->order->tree, path, &attributes);
	return r < 0 ? bfs_steps_fail(runner, r, path, NULL) : 0;
}

int bfs_steps_make_parent(struct bfs_steps_runner *runner, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);

	return parent ? bfs_steps_make_path(runner, parent) : -ENOMEM;
}

int bfs_steps_source(struct bfs_steps_runner *runner, const json_t *step, char **ret_path)
{
	const json_t *value = json_object_get(step, "source");
	bfs_strings paths = NULL;
	int r;

	if (!json_is_true(json_object_get(step, "source_glob")))
		return bfs_steps_locate_key(runner, step, "source", ret_path);
	if (!value)
		return bfs_steps_fail(runner, -EBADMSG, "source", "the step has none");
	r = bfs_steps_glob(runner, value, &paths);
	if (r == 0 && bfs_strings_count(paths) == 0)
		r = bfs_steps_fail(runner, -ENOENT, bfs_json_string_or(value, "path", NULL),
			"nothing matches it");
	else if (r == 0 && bfs_strings_count(paths) > 1)
		r = bfs_steps_fail(runner, -EINVAL, bfs_json_string_or(value, "path", NULL),
			"it must match exactly one path");
	if (r == 0) {
		*ret_path = strdup(paths[0]);
		r = *ret_path ? 0 : -ENOMEM;
	}
	bfs_strings_free(paths);
	return r;
}

int bfs_steps_destination(
	struct bfs_steps_runner *runner, const char *source, const char *target, char **ret_path)
{
	int r = bfs_steps_is_directory(runner, target);

	if (r < 0)
		return r;
	*ret_path = r == 1 ? bfs_path_join(target, bfs_path_base(source)) : strdup(target);
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_steps_string(struct bfs_steps_runner *runner, const json_t *step, const char *key,
	const char **ret_string)
{
	if (bfs_json_get_string(step, key, ret_string) < 0)
		return bfs_steps_fail(runner, -EBADMSG, key, "the step needs it, as a string");
	return 0;
}
