#include "lib/db.h"

#include "lib/buffer.h"

#include <ctype.h>
#include <string.h>

int bfs_db_errno(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:
	case SQLITE_SCHEMA:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_INTERRUPT:
		return -EINTR;
	default:
		return -EIO;
	}
}

/* "file:" URI of a path, with everything but the plainest characters escaped. */
static int file_uri(const char *path, const char *query, struct bfs_buffer *uri)
{
	int r = bfs_buffer_append_string(uri, "file:");

	for (const char *c = path; r == 0 && *c; c++) {
		if (isalnum((unsigned char)*c) || strchr("/._-+", *c))
			r = bfs_buffer_append(uri, c, 1);
		else
			r = bfs_buffer_append_format(uri, "%%%02x", (unsigned char)*c);
	}
	return r < 0 ? r : bfs_buffer_append_string(uri, query);
}

static int harden(sqlite3 *db)
{
	int code = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	if (code != SQLITE_OK)
		return bfs_db_errno(code);
	return bfs_db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0");
}

int bfs_db_open(const char *path, enum bfs_db_mode mode, sqlite3 **ret_db, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer uri = BFS_BUFFER_INIT;
	_cleanup_db_ sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
	int r = 0, code;

	if (mode == BFS_DB_IMMUTABLE)
		flags |= SQLITE_OPEN_READONLY;
	else
		flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	if (mode == BFS_DB_SCRATCH)
		r = bfs_buffer_append_string(&uri, "");
	else
		r = file_uri(path, mode == BFS_DB_IMMUTABLE ? "?immutable=1" : "", &uri);
	if (r < 0)
		return bfs_error_set(error, r, "opening a database", path, NULL);
	code = sqlite3_open_v2(uri.data ? uri.data : "", &db, flags, NULL);
	if (code != SQLITE_OK)
		return bfs_error_set(error, bfs_db_errno(code), "opening a database", path, "%s",
			db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
	sqlite3_extended_result_codes(db, 1);
	r = harden(db);
	if (r < 0)
		return bfs_error_set(error, r, "opening a database", path, "%s",
			sqlite3_errmsg(db));
	*ret_db = bfs_steal(&db);
	return 0;
}

void bfs_db_close(sqlite3 *db)
{
	sqlite3_close(db);
}

int bfs_db_exec(sqlite3 *db, const char *sql)
{
	return bfs_db_errno(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int bfs_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt)
{
	return bfs_db_errno(
		sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL));
}

int bfs_db_step(sqlite3_stmt *stmt)
{
	int code = sqlite3_step(stmt);

	return code == SQLITE_ROW ? 1 : bfs_db_errno(code);
}

int bfs_db_run(sqlite3_stmt *stmt)
{
	int r = bfs_db_step(stmt);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r < 0 ? r : 0;
}

int bfs_db_get_int64(sqlite3 *db, const char *sql, int64_t *ret_value)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db, sql, &stmt);

	if (r < 0)
		return r;
	r = bfs_db_step(stmt);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret_value = sqlite3_column_int64(stmt, 0);
	return 0;
}
