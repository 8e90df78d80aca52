#include "index/tree_path.h"

#include "lib/file.h"
#include "lib/path.h"

#include <string.h>
#include <time.h>

#define LINKS_MAX 40 /* Linux's MAXSYMLINKS */

/*
 * A walk: `done` is the path so far, without links; `rest` what is still to come. Links are resolved by putting their
 * text before the rest.
 */
struct walk {
	struct bfs_tree *tree;
	char *prefix;		/* absolute links below it stay in the tree */
	struct bfs_buffer done;
	char *rest;		/* allocated; `position` points into it */
	char *position;
	unsigned links;
	bool follow_last;
	struct bfs_attributes here;	/* of `done` */
	bool missing;		/* the last component does not exist */
};

static void walk_release(struct walk *walk)
{
	free(walk->prefix);
	free(walk->rest);
	bfs_buffer_release(&walk->done);
}

static int get_prefix(struct bfs_tree *tree, char **ret_prefix)
{
	int r = bfs_tree_get_value(tree, "prefix", ret_prefix);

	if (r != -ENOENT)
		return r;
	*ret_prefix = strdup(BFS_TREE_PREFIX_DEFAULT);
	return *ret_prefix ? 0 : -ENOMEM;
}

static int go_to_root(struct walk *walk)
{
	bfs_buffer_clear(&walk->done);
	return bfs_tree_stat(walk->tree, BFS_TREE_ROOT, &walk->here);
}

static int go_up(struct walk *walk)
{
	char *slash;

	if (walk->done.length == 0)
		return -EXDEV;
	slash = strrchr(walk->done.data, '/');
	walk->done.length = slash ? (size_t)(slash - walk->done.data) : 0;
	walk->done.data[walk->done.length] = '\0';
	return bfs_tree_stat(walk->tree, walk->here.parent, &walk->here);
}

/* Puts a link's text before what is left of the path. */
static int follow(struct walk *walk, const char *target)
{
	const char *below = target;
	char *rest;

	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	if (target[0] == '/') {
		int r;

		below = bfs_path_below(target, walk->prefix);
		if (!below)
			return -EXDEV;
		r = go_to_root(walk);
		if (r < 0)
			return r;
	}
	rest = bfs_path_join(below, walk->position);
	if (!rest)
		return -ENOMEM;
	free(walk->rest);
	walk->rest = walk->position = rest;
	return 0;
}

static int append_name(struct walk *walk, const char *name, size_t length)
{
	int r = walk->done.length ? bfs_buffer_append(&walk->done, "/", 1) : 0;

	return r < 0 ? r : bfs_buffer_append(&walk->done, name, length);
}

static int enter(struct walk *walk, const char *name, size_t length, bool last)
{
	_cleanup_free_ char *target = NULL;
	struct bfs_attributes child;
	int r = bfs_tree_lookup(walk->tree, walk->here.ino, name, length, &child);

	if (r == -ENOENT && last) {
		walk->missing = true;
		return append_name(walk, name, length);
	}
	if (r < 0)
		return r;
	if (S_ISLNK(child.mode) && (!last || walk->follow_last)) {
		r = bfs_tree_read_link(walk->tree, child.ino, &target);
		return r < 0 ? r : follow(walk, target);
	}
	walk->here = child;
	return append_name(walk, name, length);
}

/* One component: "" and "." stay, ".." goes up, a name is entered. */
static int step(struct walk *walk)
{
	char *name = walk->position;
	char *slash = strchrnul(name, '/');
	size_t length = (size_t)(slash - name);
	bool last = slash[strspn(slash, "/")] == '\0';

	walk->position = slash + (*slash ? 1 : 0);
	if (length == 0 || (length == 1 && name[0] == '.'))
		return 0;
	if (!S_ISDIR(walk->here.mode))
		return -ENOTDIR;
	if (length == 2 && name[0] == '.' && name[1] == '.')
		return go_up(walk);
	return enter(walk, name, length, last);
}

static int walk_path(struct walk *walk, struct bfs_tree *tree, const char *path, bool follow_last)
{
	int r = get_prefix(tree, &walk->prefix);

	walk->tree = tree;
	walk->follow_last = follow_last;
	walk->rest = walk->position = strdup(path);
	if (r == 0 && !walk->rest)
		r = -ENOMEM;
	if (r == 0)
		r = bfs_buffer_reserve(&walk->done, 0);
	if (r == 0)
		r = go_to_root(walk);
	while (r == 0 && !walk->missing && *walk->position)
		r = step(walk);
	return r;
}

#define _cleanup_walk_ BFS_CLEANUP(walk_release)

static int stat_path(struct bfs_tree *tree, const char *path, bool follow_last,
	struct bfs_attributes *ret_attributes)
{
	_cleanup_walk_ struct walk walk = {0};
	int r = walk_path(&walk, tree, path, follow_last);

	if (r < 0)
		return r;
	if (walk.missing)
		return -ENOENT;
	*ret_attributes = walk.here;
	return 0;
}

int bfs_tree_lstat_path(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes)
{
	return stat_path(tree, path, false, ret_attributes);
}

int bfs_tree_stat_path(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes)
{
	return stat_path(tree, path, true, ret_attributes);
}

int bfs_tree_resolve_path(struct bfs_tree *tree, const char *path, char **ret_path)
{
	_cleanup_walk_ struct walk walk = {0};
	int r = walk_path(&walk, tree, path, true);

	if (r < 0)
		return r;
	*ret_path = bfs_buffer_steal(&walk.done);
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_tree_read_link_path(struct bfs_tree *tree, const char *path, char **ret_target)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(tree, path, &attributes);

	return r < 0 ? r : bfs_tree_read_link(tree, attributes.ino, ret_target);
}

/* Appends the components of `text` to a clean path, taking ".." and "." by their names alone. */
static int append_components(struct bfs_buffer *path, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "/");
		int r = 0;

		if (length == 2 && text[0] == '.' && text[1] == '.') {
			char *slash;

			if (path->length == 0)
				return -EXDEV;
			slash = strrchr(path->data, '/');
			path->length = slash ? (size_t)(slash - path->data) : 0;
			path->data[path->length] = '\0';
		} else if (length > 0 && !(length == 1 && text[0] == '.')) {
			if (path->length)
				r = bfs_buffer_append(path, "/", 1);
			if (r == 0)
				r = bfs_buffer_append(path, text, length);
		}
		if (r < 0)
			return r;
		text += length;
		text += *text == '/';
	}
	return 0;
}

int bfs_tree_link_destination(struct bfs_tree *tree, const char *path, char **ret_path)
{
	_cleanup_free_ char *target = NULL, *prefix = NULL, *parent = NULL;
	_cleanup_buffer_ struct bfs_buffer destination = BFS_BUFFER_INIT;
	const char *text;
	int r = bfs_tree_read_link_path(tree, path, &target);

	if (r == 0)
		r = get_prefix(tree, &prefix);
	if (r == 0)
		r = bfs_buffer_reserve(&destination, 0);
	if (r < 0)
		return r;
	text = target;
	if (target[0] == '/') {
		text = bfs_path_below(target, prefix);
		if (!text)
			return -EXDEV;
	} else {
		parent = bfs_path_parent(path);
		r = parent ? append_components(&destination, parent) : -ENOMEM;
	}
	if (r == 0)
		r = append_components(&destination, text);
	if (r < 0)
		return r;
	*ret_path = bfs_buffer_steal(&destination);
	return *ret_path ? 0 : -ENOMEM;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The directory of a path, links followed, and the last name (borrowed from `path`). */
static int find_parent(struct bfs_tree *tree, const char *path, struct bfs_attributes *ret_parent,
	const char **ret_name)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	int r;

	if (!parent)
		return -ENOMEM;
	r = bfs_tree_stat_path(tree, parent, ret_parent);
	if (r < 0)
		return r;
	if (!S_ISDIR(ret_parent->mode))
		return -ENOTDIR;
	*ret_name = bfs_path_base(path);
	return 0;
}

int bfs_tree_make_directories(struct bfs_tree *tree, const char *path,
	struct bfs_attributes *ret_attributes)
{
	struct bfs_attributes parent;
	const char *name;
	int r = bfs_tree_stat_path(tree, path, ret_attributes);

	if (r == 0)
		return S_ISDIR(ret_attributes->mode) ? 0 : -ENOTDIR;
	if (r != -ENOENT || !*path)
		return r;
	{
		_cleanup_free_ char *parent_path = bfs_path_parent(path);

		if (!parent_path)
			return -ENOMEM;
		r = bfs_tree_make_directories(tree, parent_path, &parent);
	}
	if (r < 0)
		return r;
	name = bfs_path_base(path);
	r = bfs_tree_make_directory(tree, parent.ino, name, strlen(name), 0755, now(), NULL);
	if (r == -EEXIST) /* a symlink that leads nowhere */
		return -ENOTDIR;
	return r < 0 ? r : bfs_tree_stat_path(tree, path, ret_attributes);
}

int bfs_tree_symlink_path(struct bfs_tree *tree, const char *target, const char *path)
{
	struct bfs_attributes parent;
	const char *name;
	int r = find_parent(tree, path, &parent, &name);

	if (r < 0)
		return r;
	return bfs_tree_make_symlink(tree, parent.ino, name, strlen(name), target, strlen(target),
		now(), NULL);
}

int bfs_tree_write_path(struct bfs_tree *tree, const char *path, mode_t mode, int64_t mtime,
	const struct bfs_content *content)
{
	struct bfs_attributes parent;
	const char *name;
	int r = find_parent(tree, path, &parent, &name);

	if (r == 0)
		r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	r = bfs_tree_unlink(tree, parent.ino, name, strlen(name));
	if (r == 0 || r == -ENOENT)
		r = bfs_tree_make_file(tree, parent.ino, name, strlen(name), mode, mtime, content,
			NULL);
	if (r == 0)
		r = bfs_tree_commit(tree);
	if (r < 0)
		bfs_tree_rollback(tree);
	return r;
}

int bfs_tree_remove_path(struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes parent;
	const char *name;
	int r = find_parent(tree, path, &parent, &name);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return bfs_tree_remove(tree, parent.ino, name, strlen(name));
}

int bfs_tree_rename_path(struct bfs_tree *tree, const char *path, const char *new_path)
{
	struct bfs_attributes parent, new_parent;
	const char *name, *new_name;
	int r = find_parent(tree, path, &parent, &name);

	if (r == 0)
		r = find_parent(tree, new_path, &new_parent, &new_name);
	if (r < 0)
		return r;
	return bfs_tree_rename(tree, parent.ino, name, strlen(name), new_parent.ino, new_name,
		strlen(new_name));
}
