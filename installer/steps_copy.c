#include "installer/steps_private.h"

#include "installer/listing.h"
#include "lib/path.h"

#include <string.h>

/* What a new file gets of its source's mode: as if created with a umask of 022. */
#define COPIED_BITS 0755

static int copy_file(struct bfs_steps_runner *runner, const struct bfs_attributes *source,
	const char *destination)
{
	struct bfs_tree *tree = runner->order->tree;
	_cleanup_free_ char *resolved = NULL;
	struct bfs_attributes there;
	struct bfs_content content;
	mode_t mode = source->mode & COPIED_BITS;
	int r = bfs_steps_check_writable(runner, destination, true);

	if (r == 0)
		r = bfs_steps_find(runner, destination, &there);
	if (r < 0)
		return r;
	if (r == 1 && S_ISDIR(there.mode))
		return bfs_steps_fail(runner, -EISDIR, destination, NULL);
	/* An existing file is written to and keeps its mode. */
	if (r == 1)
		mode = there.mode & 07777;
	r = bfs_tree_content(tree, source->ino, &content);
	if (r == 0)
		r = bfs_tree_resolve_path(tree, destination, &resolved);
	if (r == 0)
		r = bfs_tree_write_path(tree, resolved, mode, runner->order->mtime, &content);
	return r < 0 ? bfs_steps_fail(runner, r, destination, NULL) : 0;
}

static int copy_link(struct bfs_steps_runner *runner, const struct bfs_attributes *source,
	const char *destination)
{
	_cleanup_free_ char *target = NULL;
	int r = bfs_steps_check_writable(runner, destination, false);

	if (r < 0)
		return r;
	r = bfs_tree_read_link(runner->order->tree, source->ino, &target);
	if (r == 0)
		r = bfs_tree_symlink_path(runner->order->tree, target, destination);
	return r < 0 ? bfs_steps_fail(runner, r, destination, NULL) : 0;
}

static int copy_entry(struct bfs_steps_runner *runner, const struct bfs_attributes *source,
	const char *destination, bool removes);

static int copy_directory(struct bfs_steps_runner *runner, const struct bfs_attributes *source,
	const char *destination, bool removes)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_steps_make_path(runner, destination);

	if (r == 0)
		r = bfs_listing_read(runner->order->tree, source->ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		_cleanup_free_ char *path = bfs_path_join(destination, listing.entries[i].name);

		r = path ? copy_entry(runner, &listing.entries[i].attributes, path, removes)
			 : -ENOMEM;
	}
	return r;
}

/*
 * FileUtils.cp_r with remove_destination as `removes`; a source that was a link has been followed.
 */
static int copy_entry(struct bfs_steps_runner *runner, const struct bfs_attributes *source,
	const char *destination, bool removes)
{
	int r = removes ? bfs_steps_clear_name(runner, destination) : 0;

	if (r < 0)
		return r;
	if (S_ISDIR(source->mode))
		return copy_directory(runner, source, destination, removes);
	if (S_ISLNK(source->mode))
		return copy_link(runner, source, destination);
	return copy_file(runner, source, destination);
}

static int copy(struct bfs_steps_runner *runner, const json_t *step, const char *source,
	const char *destination)
{
	bool recursive = json_is_true(json_object_get(step, "recursive"));
	bool overwrite = !json_is_false(json_object_get(step, "overwrite"));
	struct bfs_attributes attributes, there;
	int r = bfs_steps_find(runner, source, &attributes);

	if (r < 1)
		return r < 0 ? r : bfs_steps_fail(runner, -ENOENT, source, NULL);
	r = bfs_steps_find(runner, destination, &there);
	if (r == 1 && !overwrite)
		return bfs_steps_fail(runner, -EEXIST, destination, NULL);
	if (r < 0)
		return r;
	if (S_ISDIR(attributes.mode) && !recursive)
		return bfs_steps_fail(runner, -EISDIR, source, NULL);
	if (r == 1 && there.ino == attributes.ino)
		return bfs_steps_fail(runner, -EINVAL, source, "it would be copied onto itself");
	r = S_ISDIR(attributes.mode) ? bfs_steps_check_apart(runner, source, destination) : 0;
	if (r == 0 && !recursive && overwrite) {
		r = bfs_steps_find_name(runner, destination, &there);
		if (r == 1 && S_ISLNK(there.mode))
			r = bfs_steps_clear_name(runner, destination);
	}
	return r < 0 ? r : copy_entry(runner, &attributes, destination, recursive && overwrite);
}

int bfs_step_copy(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *source = NULL, *target = NULL, *destination = NULL;
	int r = bfs_steps_source(runner, step, &source);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "target", &target);
	if (r == 0)
		r = bfs_steps_make_parent(runner, target);
	if (r == 0)
		r = bfs_steps_destination(runner, source, target, &destination);
	return r != 0 ? r : copy(runner, step, source, destination);
}
