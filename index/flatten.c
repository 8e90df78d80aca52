#include "index/flatten.h"

#include "index/reading.h"
#include "index/tree_path.h"
#include "lib/db.h"
#include "lib/path.h"

#include <string.h>

#define BLOCK 4096 /* bytes: ext4's, XFS's and EFS's (EFS metering) */
#define VISITS_MAX                                                                                 \
	20000000 /* directories; the whole of homebrew-core has fewer, each link followed */

struct flatten {
	struct bfs_tree *tree;
	sqlite3 *scratch; /* of directories without a circle below them: their counts; and contents
			     met */
	sqlite3_stmt *find, *note, *meet;
	uint64_t visits;
};

/* A directory on the way from the top to the one that is being measured. */
struct ancestor {
	uint64_t ino;
	const char *path;
	const struct ancestor *parent;
	unsigned depth;
};

static void flatten_release(struct flatten *flatten)
{
	sqlite3_finalize(flatten->find);
	sqlite3_finalize(flatten->note);
	sqlite3_finalize(flatten->meet);
	bfs_db_close(flatten->scratch);
}
#define _cleanup_flatten_ BFS_CLEANUP(flatten_release)

static int prepare(struct flatten *flatten)
{
	int r = bfs_db_open(NULL, BFS_DB_SCRATCH, &flatten->scratch, NULL);

	if (r == 0)
		r = bfs_db_exec(flatten->scratch,
			"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
			"CREATE TABLE measured(ino INTEGER PRIMARY KEY, files, directories, bytes,"
			" allocated, outside, dangling);"
			"CREATE TABLE content(object INTEGER PRIMARY KEY, size);"
			"BEGIN");
	if (r == 0)
		r = bfs_db_prepare(flatten->scratch,
			"SELECT files, directories, bytes, allocated, outside, dangling"
			" FROM measured WHERE ino=?1",
			&flatten->find);
	if (r == 0)
		r = bfs_db_prepare(flatten->scratch,
			"INSERT INTO measured VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", &flatten->note);
	if (r == 0)
		r = bfs_db_prepare(flatten->scratch, "INSERT OR IGNORE INTO content VALUES(?1, ?2)",
			&flatten->meet);
	return r;
}

static void add_counts(struct bfs_flatten_counts *sum, const struct bfs_flatten_counts *counts)
{
	sum->files += counts->files;
	sum->directories += counts->directories;
	sum->bytes += counts->bytes;
	sum->allocated += counts->allocated;
	sum->outside += counts->outside;
	sum->dangling += counts->dangling;
	sum->circular += counts->circular;
}

/* 1 and the counts of a directory measured before, else 0. */
static int find_measured(
	struct flatten *flatten, uint64_t ino, struct bfs_flatten_counts *ret_counts)
{
	_reset_stmt_ sqlite3_stmt *stmt = flatten->find;
	int r;

	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r;
	*ret_counts = (struct bfs_flatten_counts){
		.files = (uint64_t)sqlite3_column_int64(stmt, 0),
		.directories = (uint64_t)sqlite3_column_int64(stmt, 1),
		.bytes = (uint64_t)sqlite3_column_int64(stmt, 2),
		.allocated = (uint64_t)sqlite3_column_int64(stmt, 3),
		.outside = (uint64_t)sqlite3_column_int64(stmt, 4),
		.dangling = (uint64_t)sqlite3_column_int64(stmt, 5),
	};
	return 1;
}

/*
 * Keeps the counts of a directory. Where a circle was cut off below it they depend on where one
 * came from, and cannot be used again.
 */
static int note_measured(
	struct flatten *flatten, uint64_t ino, const struct bfs_flatten_counts *counts)
{
	sqlite3_stmt *stmt = flatten->note;

	if (counts->circular)
		return 0;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)counts->files);
	sqlite3_bind_int64(stmt, 3, (int64_t)counts->directories);
	sqlite3_bind_int64(stmt, 4, (int64_t)counts->bytes);
	sqlite3_bind_int64(stmt, 5, (int64_t)counts->allocated);
	sqlite3_bind_int64(stmt, 6, (int64_t)counts->outside);
	sqlite3_bind_int64(stmt, 7, (int64_t)counts->dangling);
	return bfs_db_run(stmt);
}

static int add_file(struct flatten *flatten, const struct bfs_attributes *file,
	struct bfs_flatten_counts *counts)
{
	counts->files++;
	counts->bytes += file->size;
	counts->allocated += (file->size + BLOCK - 1) / BLOCK * BLOCK;
	if (!file->object)
		return 0;
	sqlite3_bind_int64(flatten->meet, 1, file->object);
	sqlite3_bind_int64(flatten->meet, 2, (int64_t)file->size);
	return bfs_db_run(flatten->meet);
}

static int add_directory(struct flatten *flatten, uint64_t ino, const char *path,
	const struct ancestor *parent, struct bfs_flatten_counts *counts);

static bool is_dangling(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG;
}

/* What a symlink leads to, as the kernel would find it. */
static int add_link(struct flatten *flatten, const char *path, const struct ancestor *parent,
	struct bfs_flatten_counts *counts)
{
	_cleanup_free_ char *real_path = NULL;
	struct bfs_attributes found;
	int r = bfs_tree_stat_path(flatten->tree, path, &found);

	counts->outside += r == -EXDEV;
	if (r == -EXDEV)
		return 0;
	counts->dangling += is_dangling(r);
	if (is_dangling(r))
		return 0;
	if (r < 0 || !S_ISDIR(found.mode))
		return r < 0 ? r : add_file(flatten, &found, counts);
	r = bfs_tree_resolve_path(flatten->tree, path, &real_path);
	return r < 0 ? r : add_directory(flatten, found.ino, real_path, parent, counts);
}

static int add_entry(struct flatten *flatten, const struct ancestor *directory, const char *name,
	struct bfs_flatten_counts *counts)
{
	_cleanup_free_ char *path = bfs_path_join(directory->path, name);
	struct bfs_attributes entry;
	int r = path ? bfs_tree_lookup(flatten->tree, directory->ino, name, strlen(name), &entry)
		     : -ENOMEM;

	if (r < 0)
		return r;
	if (S_ISLNK(entry.mode))
		return add_link(flatten, path, directory, counts);
	if (S_ISDIR(entry.mode))
		return add_directory(flatten, entry.ino, path, directory, counts);
	return add_file(flatten, &entry, counts);
}

static int measure_entries(struct flatten *flatten, const struct ancestor *directory,
	struct bfs_flatten_counts *counts)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(flatten->tree, directory->ino, &names);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = add_entry(flatten, directory, names[i], counts);
	return r;
}

static int add_directory(struct flatten *flatten, uint64_t ino, const char *path,
	const struct ancestor *parent, struct bfs_flatten_counts *counts)
{
	struct ancestor here = {ino, path, parent, parent ? parent->depth + 1 : 0};
	struct bfs_flatten_counts inside = {.directories = 1, .allocated = BLOCK};
	int r;

	for (const struct ancestor *above = parent; above; above = above->parent) {
		if (above->ino == ino) {
			counts->circular++;
			return 0;
		}
	}
	r = find_measured(flatten, ino, &inside);
	if (r == 0) {
		if (here.depth > BFS_READING_DEPTH_MAX || ++flatten->visits > VISITS_MAX)
			return -ELOOP;
		r = measure_entries(flatten, &here, &inside);
		if (r == 0)
			r = note_measured(flatten, ino, &inside);
	}
	if (r < 0)
		return r;
	add_counts(counts, &inside);
	return 0;
}

int bfs_flatten_measure(
	struct bfs_tree *tree, const char *path, struct bfs_flatten_counts *ret_counts)
{
	_cleanup_flatten_ struct flatten flatten = {.tree = tree};
	struct bfs_flatten_counts counts = {0};
	struct bfs_attributes top;
	int64_t content_bytes = 0;
	int r = bfs_tree_stat_path(tree, path, &top);

	if (r == -ENOENT || (r == 0 && !S_ISDIR(top.mode))) {
		*ret_counts = counts;
		return 0;
	}
	if (r == 0)
		r = prepare(&flatten);
	if (r == 0)
		r = add_directory(&flatten, top.ino, path, NULL, &counts);
	if (r == 0)
		r = bfs_db_get_int64(flatten.scratch, "SELECT coalesce(sum(size), 0) FROM content",
			&content_bytes);
	if (r < 0)
		return r;
	counts.content_bytes = (uint64_t)content_bytes;
	*ret_counts = counts;
	return 0;
}
