#include "index/schema.h"

#include "lib/db.h"
#include "lib/file.h"

#include <string.h>

struct object {
	const char *name;
	const char *sql;
};

static const struct object objects[] = {
	{"value", "CREATE TABLE value(key TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID"},
	/* One row a file, directory or symlink. `object` is NULL but for non-empty regular files, `target`
	 * but for symlinks, `parent` but for directories. Times are ns since the epoch. */
	{"inode",
		"CREATE TABLE inode(ino INTEGER PRIMARY KEY, mode INTEGER NOT NULL,"
		" nlink INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
		" object INTEGER, target BLOB, parent INTEGER)"},
	/* `cookie` is the hash of the name (index/tree.c), so that a directory is read in an order that
	 * depends on nothing but its names. */
	{"dirent",
		"CREATE TABLE dirent(parent INTEGER NOT NULL, cookie INTEGER NOT NULL,"
		" name BLOB NOT NULL, ino INTEGER NOT NULL, PRIMARY KEY(parent, cookie)) WITHOUT ROWID"},
	{"object",
		"CREATE TABLE object(id INTEGER PRIMARY KEY, digest BLOB NOT NULL,"
		" size INTEGER NOT NULL, executable INTEGER NOT NULL, pack INTEGER, offset INTEGER)"},
	/* The first eight bytes tell objects apart; indexing whole digests would double the table. */
	{"object_by_digest", "CREATE INDEX object_by_digest ON object(substr(digest, 1, 8))"},
	{"pack", "CREATE TABLE pack(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE)"},
	{"keg",
		"CREATE TABLE keg(name TEXT NOT NULL, version TEXT NOT NULL, record TEXT NOT NULL,"
		" pending TEXT, PRIMARY KEY(name, version)) WITHOUT ROWID"},
	{"generation",
		"CREATE TABLE generation(number INTEGER PRIMARY KEY, digest BLOB, size INTEGER,"
		" time INTEGER NOT NULL, host TEXT NOT NULL, message TEXT NOT NULL)"},
};

/* What index/worktree.h says of each. */
static const struct object session_objects[] = {
	{"node",
		"CREATE TABLE node(ino INTEGER PRIMARY KEY, uid INTEGER, gid INTEGER,"
		" rdev INTEGER NOT NULL, atime INTEGER NOT NULL, ctime INTEGER NOT NULL,"
		" local INTEGER NOT NULL, quiet INTEGER NOT NULL, epoch INTEGER NOT NULL)"},
	{"xattr",
		"CREATE TABLE xattr(ino INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL,"
		" PRIMARY KEY(ino, name)) WITHOUT ROWID"},
	{"orphan", "CREATE TABLE orphan(ino INTEGER PRIMARY KEY)"},
	{"host", "CREATE TABLE host(path BLOB PRIMARY KEY NOT NULL, ino INTEGER NOT NULL) WITHOUT ROWID"},
};

int bfs_schema_add_session(sqlite3 *db)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(session_objects); i++)
		r = bfs_db_exec(db, session_objects[i].sql);
	return r;
}

int bfs_schema_drop_session(sqlite3 *db)
{
	char sql[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(session_objects); i++) {
		snprintf(sql, sizeof(sql), "DROP TABLE %s", session_objects[i].name);
		r = bfs_db_exec(db, sql);
	}
	return r;
}

int bfs_schema_create(sqlite3 *db)
{
	_cleanup_free_ char *pragmas = bfs_format("PRAGMA application_id=%d; PRAGMA user_version=%d",
		BFS_SCHEMA_APPLICATION_ID, BFS_SCHEMA_VERSION);
	int r = pragmas ? bfs_db_exec(db, pragmas) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(objects); i++)
		r = bfs_db_exec(db, objects[i].sql);
	if (r == 0) /* the root: a directory (040755) that is its own parent */
		r = bfs_db_exec(db, "INSERT INTO inode VALUES(1, 16877, 2, 0, 0, NULL, NULL, 1);"
				    "INSERT INTO value VALUES('next_ino', 2)");
	return r;
}

static int check_object(sqlite3 *db, const char *name, const char *sql)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *found;
	int r = bfs_db_prepare(db, "SELECT sql FROM sqlite_schema WHERE name=?", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	found = (const char *)sqlite3_column_text(stmt, 0);
	return found && strcmp(found, sql) == 0 ? 0 : -EUCLEAN;
}

/* Nothing but our tables, and the index that SQLite makes for a UNIQUE column. */
static int check_objects(sqlite3 *db, bool session)
{
	size_t expected = BFS_ARRAY_LENGTH(objects) +
			  (session ? BFS_ARRAY_LENGTH(session_objects) : 0);
	int64_t count;
	int r = bfs_db_get_int64(db,
		"SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex_%'",
		&count);

	if (r < 0)
		return r;
	if (count != (int64_t)expected)
		return -EUCLEAN;
	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(objects); i++)
		r = check_object(db, objects[i].name, objects[i].sql);
	for (size_t i = 0; session && r == 0 && i < BFS_ARRAY_LENGTH(session_objects); i++)
		r = check_object(db, session_objects[i].name, session_objects[i].sql);
	return r;
}

int bfs_schema_check(sqlite3 *db, bool session, const char *path, struct bfs_error *error)
{
	int64_t application, version;
	int r = bfs_db_get_int64(db, "PRAGMA application_id", &application);

	if (r == 0)
		r = bfs_db_get_int64(db, "PRAGMA user_version", &version);
	if (r < 0)
		return bfs_error_set(error, r, "opening the index", path, "%s", sqlite3_errmsg(db));
	if (application != BFS_SCHEMA_APPLICATION_ID)
		return bfs_error_set(error, -EUCLEAN, "opening the index", path,
			"it is not a brewfs index");
	if (version > BFS_SCHEMA_VERSION)
		return bfs_error_set(error, -EPROTONOSUPPORT, "opening the index", path,
			"it has version %lld, this brewfs reads up to %d; a newer brewfs is needed",
			(long long)version, BFS_SCHEMA_VERSION);
	r = check_objects(db, session);
	if (r < 0)
		return bfs_error_set(error, r, "opening the index", path,
			"its tables are not those of version %lld", (long long)version);
	return 0;
}
