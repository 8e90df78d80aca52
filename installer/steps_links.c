#include "installer/steps_private.h"

#include "installer/listing.h"
#include "installer/tree_glob.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

/* A symlink with this text, in place of a file or link with `force`. */
static int make_link(
	struct bfs_steps_runner *runner, const char *text, const char *path, bool force)
{
	int r = bfs_steps_make_parent(runner, path);

	if (r == 0)
		r = bfs_steps_check_writable(runner, path, false);
	if (r == 0 && force)
		r = bfs_steps_clear_name(runner, path);
	if (r < 0)
		return r;
	if (!*text || strlen(text) > BFS_TARGET_MAX)
		return bfs_steps_fail(
			runner, -ENAMETOOLONG, path, "a link's text that cannot be one");
	r = bfs_tree_symlink_path(runner->order->tree, text, path);
	return r < 0 ? bfs_steps_fail(runner, r, path, NULL) : 0;
}

static bool forces(const json_t *step)
{
	return json_is_true(json_object_get(step, "force"));
}

/* Links to each of several sources, in a directory that is made where there is none. */
static int link_into(struct bfs_steps_runner *runner, const json_t *step, bfs_strings sources,
	const char *target)
{
	int r = bfs_steps_make_path(runner, target);

	for (size_t i = 0; r == 0 && sources[i]; i++) {
		_cleanup_free_ char *text = bfs_format("%s/%s", runner->order->prefix, sources[i]);
		_cleanup_free_ char *path = bfs_path_join(target, bfs_path_base(sources[i]));

		r = text && path ? make_link(runner, text, path, forces(step)) : -ENOMEM;
	}
	return r;
}

static int link_matches(struct bfs_steps_runner *runner, const json_t *step, const char *target)
{
	bfs_strings sources = NULL;
	int directory = bfs_steps_is_directory(runner, target);
	int r = directory < 0 ? directory
			      : bfs_steps_glob(runner, json_object_get(step, "source"), &sources);

	if (r == 0 && bfs_strings_count(sources) == 0)
		r = BFS_STEP_NOTHING;
	else if (r == 0 && (directory || bfs_strings_count(sources) > 1))
		r = link_into(runner, step, sources, target);
	else if (r == 0) {
		_cleanup_free_ char *text = bfs_format("%s/%s", runner->order->prefix, sources[0]);

		r = text ? make_link(runner, text, target, forces(step)) : -ENOMEM;
	}
	bfs_strings_free(sources);
	return r;
}

int bfs_step_symlink(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *target = NULL, *text = NULL;
	const json_t *source = json_object_get(step, "source");
	int r = bfs_steps_locate_key(runner, step, "target", &target);

	if (r != 0)
		return r;
	if (!source)
		return bfs_steps_fail(runner, -EBADMSG, "source", "the step has none");
	if (json_is_true(json_object_get(step, "source_glob")))
		return link_matches(runner, step, target);
	r = bfs_steps_absolute(runner, source, &text);
	return r != 0 ? r : make_link(runner, text, target, forces(step));
}

/*
 * Pathname#install_symlink: a relative link from one real directory to the other, in place of what
 * is no directory. A link that leads to a directory is replaced too, where ln would put the new one
 * into it.
 */
static int install_link(struct bfs_steps_runner *runner, const char *source, const char *path)
{
	struct bfs_tree *tree = runner->order->tree;
	_cleanup_free_ char *source_parent = bfs_path_parent(source),
			    *parent = bfs_path_parent(path);
	_cleanup_free_ char *real_source = NULL, *real_parent = NULL, *from = NULL, *to = NULL;
	_cleanup_free_ char *text = NULL;
	int r = source_parent && parent ? bfs_steps_make_path(runner, parent) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_resolve_path(tree, source_parent, &real_source);
	if (r == 0)
		r = bfs_tree_resolve_path(tree, parent, &real_parent);
	if (r < 0)
		return bfs_steps_fail(runner, r, path, NULL);
	from = bfs_path_join(real_parent, bfs_path_base(path));
	to = bfs_path_join(real_source, bfs_path_base(source));
	text = from && to ? bfs_path_relative(from, to) : NULL;
	return text ? make_link(runner, text, from, true) : -ENOMEM;
}

/* One name below the source of a link_dir step. */
static int link_entry(struct bfs_steps_runner *runner, const char *source,
	const struct bfs_attributes *attributes, const char *target);

static int link_below(
	struct bfs_steps_runner *runner, const char *source, uint64_t ino, const char *target)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_listing_read(runner->order->tree, ino, &listing);

	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		const char *name = listing.entries[i].name;
		_cleanup_free_ char *from = bfs_path_join(source, name);
		_cleanup_free_ char *to = bfs_path_join(target, name);

		if (!from || !to)
			return -ENOMEM;
		if (strcmp(name, ".DS_Store") != 0)
			r = link_entry(runner, from, &listing.entries[i].attributes, to);
	}
	return r;
}

static int link_entry(struct bfs_steps_runner *runner, const char *source,
	const struct bfs_attributes *attributes, const char *target)
{
	struct bfs_attributes there;
	int r = bfs_steps_find_name(runner, target, &there);

	if (r < 0)
		return r;
	if (r == 0 || !S_ISDIR(there.mode)) {
		if (!S_ISDIR(attributes->mode))
			return install_link(runner, source, target);
		r = bfs_steps_clear_name(runner, target);
		if (r == 0)
			r = bfs_steps_make_path(runner, target);
	} else {
		r = 0;
	}
	return r == 0 && S_ISDIR(attributes->mode)
		       ? link_below(runner, source, attributes->ino, target)
		       : r;
}

/* The directory that a link_dir or link_children step is about, and where its links go. */
static int find_directories(struct bfs_steps_runner *runner, const json_t *step, char **ret_source,
	struct bfs_attributes *ret_attributes, char **ret_target)
{
	_cleanup_free_ char *source = NULL, *target = NULL;
	int r = bfs_steps_locate_key(runner, step, "source", &source);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "target", &target);
	if (r != 0)
		return r;
	r = bfs_steps_find(runner, source, ret_attributes);
	if (r < 1)
		return r < 0 ? r : bfs_steps_fail(runner, -ENOENT, source, NULL);
	*ret_source = bfs_steal(&source);
	*ret_target = bfs_steal(&target);
	return 0;
}

int bfs_step_link_dir(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *source = NULL, *target = NULL;
	struct bfs_attributes attributes;
	int r = find_directories(runner, step, &source, &attributes, &target);

	if (r == 0 && S_ISDIR(attributes.mode))
		r = bfs_steps_check_apart(runner, source, target);
	return r != 0 ? r : link_entry(runner, source, &attributes, target);
}

int bfs_step_link_children(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *source = NULL, *target = NULL, *prefix = NULL, *suffix = NULL;
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	struct bfs_attributes attributes;
	int r = find_directories(runner, step, &source, &attributes, &target);

	if (r == 0)
		r = bfs_steps_expand(runner, bfs_json_string_or(step, "prefix", ""), &prefix);
	if (r == 0)
		r = bfs_steps_expand(runner, bfs_json_string_or(step, "suffix", ""), &suffix);
	if (r != 0)
		return r;
	if (!S_ISDIR(attributes.mode))
		return bfs_steps_fail(runner, -ENOTDIR, source, NULL);
	r = bfs_steps_make_path(runner, target);
	if (r == 0)
		r = bfs_listing_read(runner->order->tree, attributes.ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		const char *name = listing.entries[i].name;
		_cleanup_free_ char *from = bfs_path_join(source, name);
		_cleanup_free_ char *link = bfs_format("%s%s%s", prefix, name, suffix);
		_cleanup_free_ char *to = link ? bfs_path_join(target, link) : NULL;

		if (!from || !to)
			return -ENOMEM;
		if (!bfs_name_is_valid(link, strlen(link)))
			return bfs_steps_fail(runner, -EINVAL, link, "not a name");
		r = install_link(runner, from, to);
	}
	return r;
}

int bfs_steps_link_certificates(struct bfs_steps_runner *runner)
{
	_cleanup_free_ char *path = bfs_format("etc/%s/cert.pem", runner->order->formula->name);
	_cleanup_free_ char *text =
		bfs_format("%s/etc/ca-certificates/cert.pem", runner->order->prefix);

	return path && text ? make_link(runner, text, path, true) : -ENOMEM;
}
