#include "installer/export_walk.h"

#include "index/reading.h"
#include "index/tree_path.h"
#include "lib/db.h"
#include "lib/path.h"

#include <string.h>

#define LINKS_MAX 40 /* Linux's MAXSYMLINKS */

/* A link that was found below a directory: where it leads nobody has gone yet. Once is enough. */
static int note_link(struct bfs_export_walk *walk, const char *path)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(walk->plan),
		"INSERT OR IGNORE INTO pending VALUES(?1, 0)", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int add_link(
	struct bfs_export_walk *walk, const char *path, const struct bfs_attributes *attributes)
{
	_cleanup_free_ char *target = NULL;
	struct bfs_export_entry entry = {
		.path = path, .kind = BFS_EXPORT_LINK, .mode = 0777, .mtime = attributes->mtime};
	int r = bfs_tree_read_link(walk->tree, attributes->ino, &target);

	entry.target = target;
	if (r == 0)
		r = bfs_export_plan_add(walk->plan, &entry);
	return r < 0 ? r : 0;
}

static int add_file(
	struct bfs_export_walk *walk, const char *path, const struct bfs_attributes *attributes)
{
	struct bfs_export_entry entry = {.path = path,
		.kind = BFS_EXPORT_FILE,
		.mode = attributes->mode & 0777,
		.mtime = attributes->mtime,
		.ino = attributes->ino};
	struct bfs_content content;
	int r = bfs_tree_content(walk->tree, attributes->ino, &content);

	if (r == 0)
		r = bfs_export_plan_add_content(
			walk->plan, &content, BFS_EXPORT_SOURCE, &entry.content);
	if (r == 0)
		r = bfs_export_plan_add(walk->plan, &entry);
	return r < 0 ? r : 0;
}

/* The name itself, whatever it is. The prefix itself has no name. */
static int add(
	struct bfs_export_walk *walk, const char *path, const struct bfs_attributes *attributes)
{
	struct bfs_export_entry entry = {.path = path,
		.kind = BFS_EXPORT_DIRECTORY,
		.mode = attributes->mode & 0777,
		.mtime = attributes->mtime};
	int r;

	if (S_ISLNK(attributes->mode))
		return add_link(walk, path, attributes);
	if (S_ISREG(attributes->mode))
		return add_file(walk, path, attributes);
	if (!*path)
		return 0;
	r = bfs_export_plan_add(walk->plan, &entry);
	return r < 0 ? r : 0;
}

/* A way through the tree: `done` has no links, `rest` is still to come. */
struct way {
	char *done, *rest;
	struct bfs_attributes here;
	unsigned links;
};

static void way_release(struct way *way)
{
	free(way->done);
	free(way->rest);
}
#define _cleanup_way_ BFS_CLEANUP(way_release)

/* Puts where a link leads before the rest, and starts from the top again. */
static int follow(struct bfs_export_walk *walk, struct way *way, const char *link, const char *rest)
{
	_cleanup_free_ char *destination = NULL;
	char *joined, *top;
	int r;

	if (++way->links > LINKS_MAX)
		return -ELOOP;
	r = bfs_tree_link_destination(walk->tree, link, &destination);
	if (r < 0)
		return r;
	joined = *rest ? bfs_path_join(destination, rest) : strdup(destination);
	top = strdup("");
	free(way->rest);
	free(way->done);
	way->rest = joined;
	way->done = top;
	return joined && top ? bfs_tree_stat(walk->tree, BFS_TREE_ROOT, &way->here) : -ENOMEM;
}

/* Replaces the rest by its part from `position` on. */
static int advance(struct way *way, const char *position)
{
	char *rest = strdup(position);

	free(way->rest);
	way->rest = rest;
	return rest ? 0 : -ENOMEM;
}

static int go_up(struct bfs_export_walk *walk, struct way *way)
{
	char *parent;

	if (!*way->done)
		return -EXDEV;
	parent = bfs_path_parent(way->done);
	free(way->done);
	way->done = parent;
	return parent ? bfs_tree_stat(walk->tree, way->here.parent, &way->here) : -ENOMEM;
}

/* Enters `name`, whose path is `path`. Takes `path` over where it is no link. */
static int enter(struct bfs_export_walk *walk, struct way *way, const char *name, size_t length,
	const char *rest, bool adds)
{
	_cleanup_free_ char *component = strndup(name, length);
	_cleanup_free_ char *path = component ? bfs_path_join(way->done, component) : NULL;
	struct bfs_attributes child;
	int r = path ? bfs_tree_lookup(walk->tree, way->here.ino, name, length, &child) : -ENOMEM;

	if (r == 0 && adds)
		r = add(walk, path, &child);
	if (r < 0)
		return r;
	if (S_ISLNK(child.mode))
		return follow(walk, way, path, rest);
	way->here = child;
	free(way->done);
	way->done = bfs_steal(&path);
	return advance(way, rest);
}

static int step(struct bfs_export_walk *walk, struct way *way, bool adds)
{
	const char *name = way->rest, *end = strchrnul(name, '/');
	const char *rest = *end ? end + 1 : end;
	size_t length = (size_t)(end - name);

	if (length == 0 || (length == 1 && name[0] == '.'))
		return advance(way, rest);
	if (length == 2 && name[0] == '.' && name[1] == '.') {
		_cleanup_free_ char *kept = strdup(rest);
		int r = kept ? go_up(walk, way) : -ENOMEM;

		return r < 0 ? r : advance(way, kept);
	}
	if (!S_ISDIR(way->here.mode))
		return -ENOTDIR;
	return enter(walk, way, name, length, rest, adds);
}

static int go(struct bfs_export_walk *walk, const char *path, bool adds, struct way *way)
{
	int r;

	way->done = strdup("");
	way->rest = strdup(path);
	r = way->done && way->rest ? bfs_tree_stat(walk->tree, BFS_TREE_ROOT, &way->here) : -ENOMEM;
	while (r == 0 && *way->rest)
		r = step(walk, way, adds);
	return r;
}

int bfs_export_walk_name(struct bfs_export_walk *walk, const char *path, char **ret_real)
{
	_cleanup_way_ struct way way = {0};
	int r = go(walk, path, true, &way);

	if (r == 0 && ret_real)
		*ret_real = bfs_steal(&way.done);
	return r;
}

/* Whatever keeps one from getting there: it is not there. */
static int look(struct bfs_export_walk *walk, const char *path, struct way *way)
{
	int r = go(walk, path, false, way);

	return r == -ENOTDIR || r == -ELOOP || r == -EXDEV || r == -ENAMETOOLONG || r == -EINVAL
		       ? -ENOENT
		       : r;
}

int bfs_export_walk_stat(
	struct bfs_export_walk *walk, const char *path, struct bfs_attributes *ret_attributes)
{
	_cleanup_way_ struct way way = {0};
	int r = look(walk, path, &way);

	if (r == 0)
		*ret_attributes = way.here;
	return r;
}

int bfs_export_walk_real(struct bfs_export_walk *walk, const char *path, char **ret_real)
{
	_cleanup_way_ struct way way = {0};
	int r = look(walk, path, &way);

	if (r == 0)
		*ret_real = bfs_steal(&way.done);
	return r;
}

static int add_below(
	struct bfs_export_walk *walk, const char *directory, uint64_t ino, unsigned depth)
{
	_cleanup_free_ char **names = NULL;
	int r = depth > BFS_READING_DEPTH_MAX ? -ELOOP : bfs_tree_list(walk->tree, ino, &names);

	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_free_ char *path = bfs_path_join(directory, names[i]);
		struct bfs_attributes child;

		r = path ? bfs_tree_lookup(walk->tree, ino, names[i], strlen(names[i]), &child)
			 : -ENOMEM;
		if (r == 0)
			r = add(walk, path, &child);
		if (r == 0 && walk->closure && S_ISLNK(child.mode))
			r = note_link(walk, path);
		if (r == 0 && S_ISDIR(child.mode))
			r = add_below(walk, path, child.ino, depth + 1);
	}
	return r;
}

int bfs_export_walk_below(struct bfs_export_walk *walk, const char *path)
{
	_cleanup_way_ struct way way = {0};
	int r = go(walk, path, true, &way);

	if (r == 0 && S_ISDIR(way.here.mode))
		r = add_below(walk, way.done, way.here.ino, 0);
	return r;
}

static bool leads_nowhere(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -EXDEV || code == -ELOOP;
}

/* 1 and a link that was not followed yet. */
static int next_link(struct bfs_export_walk *walk, char **ret_path)
{
	_cleanup_stmt_ sqlite3_stmt *find = NULL, *done = NULL;
	sqlite3 *db = bfs_export_plan_db(walk->plan);
	int r = bfs_db_prepare(db, "SELECT path FROM pending WHERE NOT done LIMIT 1", &find);

	if (r == 0)
		r = bfs_db_prepare(db, "UPDATE pending SET done=1 WHERE path=?1", &done);
	if (r == 0)
		r = bfs_db_step(find);
	if (r <= 0)
		return r;
	*ret_path = strdup(bfs_export_plan_text(find, 0));
	if (!*ret_path)
		return -ENOMEM;
	sqlite3_reset(find);
	sqlite3_bind_blob(done, 1, *ret_path, (int)strlen(*ret_path), SQLITE_STATIC);
	r = bfs_db_run(done);
	return r < 0 ? r : 1;
}

int bfs_export_walk_links(struct bfs_export_walk *walk)
{
	int r;

	for (;;) {
		_cleanup_free_ char *path = NULL;

		r = next_link(walk, &path);
		if (r <= 0)
			return r;
		r = bfs_export_walk_below(walk, path);
		if (r < 0 && !leads_nowhere(r))
			return r;
	}
}
