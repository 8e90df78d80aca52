#include "installer/export_manifest.h"

#include "index/snapshot.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/path.h"

#include <fcntl.h>
#include <string.h>

struct bfs_export_manifest {
	sqlite3 *db;
};

int bfs_export_manifest_open(const char *tree, struct bfs_export_manifest **ret_manifest)
{
	_cleanup_free_ char *path = bfs_path_join(tree, BFS_EXPORT_MANIFEST);
	struct bfs_export_manifest *manifest;
	int64_t format;
	int r;

	if (!path)
		return -ENOMEM;
	if (access(path, R_OK) < 0)
		return -errno;
	manifest = calloc(1, sizeof(*manifest));
	if (!manifest)
		return -ENOMEM;
	r = bfs_db_open(path, BFS_DB_IMMUTABLE, &manifest->db, NULL);
	if (r == 0)
		r = bfs_db_get_int64(manifest->db, "PRAGMA user_version", &format);
	if (r == 0 && format != 1)
		r = -EUCLEAN;
	if (r < 0)
		bfs_export_manifest_close(manifest);
	else
		*ret_manifest = manifest;
	return r;
}

void bfs_export_manifest_close(struct bfs_export_manifest *manifest)
{
	if (!manifest)
		return;
	bfs_db_close(manifest->db);
	free(manifest);
}

int bfs_export_manifest_get(struct bfs_export_manifest *manifest, const char *key, char **ret_value)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *value;
	int r = bfs_db_prepare(manifest->db, "SELECT value FROM value WHERE key=?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	value = (const char *)sqlite3_column_text(stmt, 0);
	if (!value)
		return -ENOENT;
	*ret_value = strdup(value);
	return *ret_value ? 0 : -ENOMEM;
}

uint64_t bfs_export_manifest_sequence(struct bfs_export_manifest *manifest)
{
	_cleanup_free_ char *value = NULL;

	if (bfs_export_manifest_get(manifest, "sequence", &value) < 0)
		return 0;
	return strtoull(value, NULL, 10);
}

static int copy_row(sqlite3_stmt *from, sqlite3_stmt *to)
{
	const char *path = bfs_export_plan_text(from, 0);

	if (!path || !bfs_path_is_clean(path))
		return -EUCLEAN;
	/* As bytes: the value itself has become text by being looked at. */
	sqlite3_bind_blob(to, 1, path, (int)strlen(path), SQLITE_STATIC);
	for (int i = 1; i < 5; i++)
		sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
	return bfs_db_run(to);
}

int bfs_export_manifest_load(
	struct bfs_export_manifest *manifest, struct bfs_export_plan *plan, const char *table)
{
	_cleanup_stmt_ sqlite3_stmt *from = NULL, *to = NULL;
	_cleanup_free_ char *sql = bfs_format("INSERT INTO %s VALUES(?1, ?2, ?3, ?4, ?5)", table);
	int r = sql ? bfs_db_prepare(bfs_export_plan_db(plan), sql, &to) : -ENOMEM;

	if (r == 0)
		r = bfs_db_prepare(manifest->db,
			"SELECT CAST(path AS BLOB), CAST(kind AS INTEGER), mode, mtime, content"
			" FROM name",
			&from);
	while (r >= 0 && (r = bfs_db_step(from)) > 0)
		r = copy_row(from, to);
	return r;
}

static int write_values(sqlite3 *db, const char *const *values)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db, "INSERT INTO value VALUES(?1, ?2)", &stmt);

	for (; r == 0 && *values; values += 2) {
		sqlite3_bind_text(stmt, 1, values[0], -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, values[1], -1, SQLITE_STATIC);
		r = bfs_db_run(stmt);
	}
	return r;
}

static int write_names(sqlite3 *db, struct bfs_export_plan *plan)
{
	_cleanup_stmt_ sqlite3_stmt *from = NULL, *to = NULL;
	int r = bfs_db_prepare(db, "INSERT INTO name VALUES(?1, ?2, ?3, ?4, ?5)", &to);

	if (r == 0)
		r = bfs_db_prepare(bfs_export_plan_db(plan),
			"SELECT path, kind, mode, mtime, " BFS_EXPORT_PLAN_VALUE
			" FROM entry e LEFT JOIN content c ON c.id=e.result ORDER BY path",
			&from);
	while (r >= 0 && (r = bfs_db_step(from)) > 0)
		r = copy_row(from, to);
	return r;
}

static int build(const char *path, struct bfs_export_plan *plan, const char *const *values,
	struct bfs_error *error)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int r;

	unlink(path);
	r = bfs_db_open(path, BFS_DB_WRITE, &db, error);
	if (r == 0)
		r = bfs_db_exec(db,
			"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA user_version=1;"
			"CREATE TABLE value(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
			"CREATE TABLE name(path BLOB PRIMARY KEY, kind, mode, mtime, content)"
			" WITHOUT ROWID;"
			"BEGIN");
	if (r == 0)
		r = write_values(db, values);
	if (r == 0)
		r = write_names(db, plan);
	return r == 0 ? bfs_db_exec(db, "COMMIT") : r;
}

static int copy_into(int tree_fd, const char *path)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (unlinkat(tree_fd, BFS_EXPORT_MANIFEST, 0) < 0 && errno != ENOENT)
		return -errno;
	to = openat(tree_fd, BFS_EXPORT_MANIFEST, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0)
		return -errno;
	r = bfs_copy_range(from, to, (uint64_t)st.st_size);
	if (close(bfs_steal_fd(&to)) < 0 && r == 0) /* NFS reports failed writes here */
		r = -errno;
	return r;
}

int bfs_export_manifest_write(int tree_fd, struct bfs_export_plan *plan, const char *const *values,
	struct bfs_error *error)
{
	_cleanup_free_ char *cache = NULL, *path = NULL;
	int r = bfs_cache_directory(&cache, error);

	if (r < 0)
		return r;
	path = bfs_cache_work_path(cache, ".export");
	if (!path)
		return -ENOMEM;
	r = build(path, plan, values, error);
	if (r == 0)
		r = copy_into(tree_fd, path);
	unlink(path);
	return r < 0 ? bfs_error_set(error, r, "writing the manifest of the export",
			       BFS_EXPORT_MANIFEST, NULL)
		     : 0;
}
