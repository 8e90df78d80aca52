#include "installer/steps_private.h"

#include "installer/file_mode.h"
#include "installer/listing.h"
#include "lib/path.h"

#include <string.h>

int bfs_steps_clear_name(struct bfs_steps_runner *runner, const char *path)
{
	struct bfs_attributes attributes;
	int r = bfs_steps_find_name(runner, path, &attributes);

	if (r < 1 || S_ISDIR(attributes.mode))
		return r < 0 ? r : 0;
	r = bfs_steps_check_writable(runner, path, false);
	return r < 0 ? r : bfs_tree_remove_path(runner->order->tree, path);
}

int bfs_step_mkdir(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *path = NULL, *parent = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_locate_key(runner, step, "path", &path);

	if (r == 0)
		r = bfs_steps_find_name(runner, path, &attributes);
	if (r == 1)
		return bfs_steps_fail(runner, -EEXIST, path, NULL);
	if (r != 0)
		return r;
	parent = bfs_path_parent(path);
	if (!parent)
		return -ENOMEM;
	r = bfs_steps_is_directory(runner, parent);
	if (r == 0)
		return bfs_steps_fail(runner, -ENOENT, parent, NULL);
	return r < 0 ? r : bfs_steps_make_path(runner, path);
}

int bfs_step_mkdir_p(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_steps_locate_key(runner, step, "path", &path);

	return r == 0 ? bfs_steps_make_path(runner, path) : r;
}

/* Makes an empty file where a path leads, through a dangling link if that is there. */
static int make_empty(struct bfs_steps_runner *runner, const char *path)
{
	_cleanup_free_ char *resolved = NULL;
	int r = bfs_tree_resolve_path(runner->order->tree, path, &resolved);

	return r < 0 ? bfs_steps_fail(runner, r, path, NULL)
		     : bfs_steps_write(runner, resolved, "", 0, 0644);
}

int bfs_step_touch(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_locate_key(runner, step, "path", &path);

	if (r == 0)
		r = bfs_steps_make_parent(runner, path);
	if (r == 0)
		r = bfs_steps_check_writable(runner, path, true);
	if (r != 0)
		return r;
	r = bfs_steps_find(runner, path, &attributes);
	if (r < 1)
		return r < 0 ? r : make_empty(runner, path);
	return bfs_tree_set_mtime(runner->order->tree, attributes.ino, runner->order->mtime);
}

/* FileUtils.mv of one name to another: a directory is never replaced. */
static int move(struct bfs_steps_runner *runner, const char *source, const char *destination)
{
	struct bfs_attributes attributes;
	int r = bfs_steps_check_writable(runner, source, false);

	if (r == 0)
		r = bfs_steps_check_writable(runner, destination, false);
	if (r == 0)
		r = bfs_steps_find_name(runner, destination, &attributes);
	if (r < 0)
		return r;
	if (r == 1 && S_ISDIR(attributes.mode))
		return bfs_steps_fail(runner, -EEXIST, destination, NULL);
	r = bfs_tree_rename_path(runner->order->tree, source, destination);
	return r < 0 ? bfs_steps_fail(runner, r, source, NULL) : 0;
}

/* What the key `overwrite` asks to be done with what is at the destination. */
static int make_way(struct bfs_steps_runner *runner, const json_t *step, const char *source,
	const char *destination)
{
	bool overwrite = json_is_true(json_object_get(step, "overwrite")) ||
			 json_is_true(json_object_get(step, "force"));
	struct bfs_attributes attributes;
	int r = bfs_steps_find(runner, destination, &attributes);

	if (r == 1 && !overwrite)
		return bfs_steps_fail(runner, -EEXIST, destination, NULL);
	if (r >= 0 && overwrite && strcmp(source, destination) != 0)
		r = bfs_steps_find_name(runner, source, &attributes);
	if (r < 1 || !overwrite || strcmp(source, destination) == 0)
		return r < 0 ? r : 0;
	r = bfs_steps_check_writable(runner, destination, false);
	return r < 0 ? r : bfs_tree_remove_path(runner->order->tree, destination);
}

int bfs_step_move(struct bfs_steps_runner *runner, const json_t *step)
{
	const json_t *overwrite = json_object_get(step, "overwrite");
	_cleanup_free_ char *source = NULL, *target = NULL, *destination = NULL;
	int r = bfs_steps_source(runner, step, &source);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "target", &target);
	if (r == 0)
		r = bfs_steps_make_parent(runner, target);
	if (r == 0)
		r = bfs_steps_destination(runner, source, target, &destination);
	if (r == 0 && overwrite && !json_is_null(overwrite))
		r = make_way(runner, step, source, destination);
	if (r != 0)
		return r;
	r = move(runner, source, destination);
	/* FileUtils.mv with force ignores the errors of the system. */
	if ((!overwrite || json_is_null(overwrite)) &&
		json_is_true(json_object_get(step, "force")) && (r == -ENOENT || r == -EEXIST)) {
		bfs_error_clear(runner->error);
		return r == -ENOENT ? BFS_STEP_NOTHING : 0;
	}
	return r;
}

static int move_children(
	struct bfs_steps_runner *runner, const char *source, uint64_t ino, const char *target)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_listing_read(runner->order->tree, ino, &listing);

	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		const char *name = listing.entries[i].name;
		_cleanup_free_ char *child = bfs_path_join(source, name);
		_cleanup_free_ char *destination = bfs_path_join(target, name);

		if (!child || !destination)
			return -ENOMEM;
		if (strcmp(child, target) != 0)
			r = move(runner, child, destination);
	}
	return r;
}

int bfs_step_move_contents(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *source = NULL, *target = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_locate_key(runner, step, "source", &source);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "target", &target);
	if (r != 0)
		return r;
	r = bfs_steps_find(runner, source, &attributes);
	if (r < 1)
		return r < 0 ? r : bfs_steps_fail(runner, -ENOENT, source, NULL);
	if (!S_ISDIR(attributes.mode))
		return bfs_steps_fail(runner, -ENOTDIR, source, NULL);
	r = bfs_steps_make_path(runner, target);
	return r < 0 ? r : move_children(runner, source, attributes.ino, target);
}

/* Whether the name is one that a remove step with conditions is for: 1 or 0. */
static int is_meant(struct bfs_steps_runner *runner, const json_t *step, const char *path)
{
	const char *part = bfs_json_string_or(step, "symlink_target_contains", NULL);
	_cleanup_free_ char *text = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_find_name(runner, path, &attributes);

	if (r == 1 && part) {
		if (!S_ISLNK(attributes.mode))
			return 0;
		r = bfs_tree_read_link(runner->order->tree, attributes.ino, &text);
		if (r < 0)
			return r;
		r = strstr(text, part) != NULL;
	}
	part = bfs_json_string_or(step, "content_contains", NULL);
	if (r == 1 && part) {
		_cleanup_buffer_ struct bfs_buffer bytes = BFS_BUFFER_INIT;

		/* What a link out of the prefix leads to is not searched. */
		r = bfs_steps_find(runner, path, &attributes);
		if (r == -EXDEV)
			bfs_error_clear(runner->error);
		if (r < 1 || !S_ISREG(attributes.mode))
			return r < 0 && r != -EXDEV ? r : 0;
		r = bfs_steps_read(runner, &attributes, path, &bytes);
		if (r == 0)
			r = bytes.length && memmem(bytes.data, bytes.length, part, strlen(part));
	}
	return r;
}

/* rm -f, or rm -rf: a directory only goes with the latter, and the former says nothing. */
static int remove_one(struct bfs_steps_runner *runner, const char *path, bool recursive)
{
	struct bfs_attributes attributes;
	int r = bfs_steps_find_name(runner, path, &attributes);

	if (r < 1 || (S_ISDIR(attributes.mode) && !recursive))
		return r < 0 ? r : 0;
	r = bfs_steps_check_writable(runner, path, false);
	return r < 0 ? r : bfs_tree_remove_path(runner->order->tree, path);
}

int bfs_step_remove(struct bfs_steps_runner *runner, const json_t *step)
{
	bool recursive = json_is_true(json_object_get(step, "recursive"));
	bfs_strings paths = NULL;
	size_t removed = 0;
	int r = bfs_steps_glob_paths(runner, step, &paths);

	for (size_t i = 0; r == 0 && paths && paths[i]; i++) {
		r = is_meant(runner, step, paths[i]);
		if (r == 1) {
			removed++;
			r = remove_one(runner, paths[i], recursive);
		}
	}
	bfs_strings_free(paths);
	return r == 0 && removed == 0 ? BFS_STEP_NOTHING : r;
}

/* chmod -R: what is below, symlinks passed over. */
static int change_below(struct bfs_steps_runner *runner, const struct bfs_attributes *attributes,
	const char *change, bool recursive)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	struct bfs_tree *tree = runner->order->tree;
	mode_t mode = bfs_file_mode_apply(change, attributes->mode);
	int r = bfs_tree_set_mode(tree, attributes->ino, mode);

	if (r == 0 && recursive && S_ISDIR(attributes->mode))
		r = bfs_listing_read(tree, attributes->ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++)
		if (!S_ISLNK(listing.entries[i].attributes.mode))
			r = change_below(runner, &listing.entries[i].attributes, change, true);
	return r;
}

int bfs_step_set_permissions(struct bfs_steps_runner *runner, const json_t *step)
{
	bool recursive = !json_is_true(json_object_get(step, "non_recursive"));
	bfs_strings paths = NULL;
	const char *change;
	size_t changed = 0;
	int r = bfs_steps_string(runner, step, "permissions", &change);

	if (r == 0 && bfs_file_mode_check(change) < 0)
		r = bfs_steps_fail(runner, -EINVAL, change, "not a mode");
	if (r == 0)
		r = bfs_steps_glob_paths(runner, step, &paths);
	for (size_t i = 0; r == 0 && paths && paths[i]; i++) {
		struct bfs_attributes attributes;

		r = bfs_steps_find(runner, paths[i], &attributes);
		if (r < 1)
			continue;
		changed++;
		r = bfs_steps_check_writable(runner, paths[i], true);
		if (r == 0)
			r = change_below(runner, &attributes, change, recursive);
	}
	bfs_strings_free(paths);
	return r == 0 && changed == 0 ? BFS_STEP_NOTHING : r;
}
