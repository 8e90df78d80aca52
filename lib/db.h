/*
 * SQLite, opened the way brewfs needs it and with its errors as negative errnos.
 *
 * Every connection is hardened against a hostile file: no trusted schema, no extension loading,
 * defensive mode, cell-size checks (sqlite.org/security.html). A connection and its statements belong
 * to one thread at a time.
 */
#ifndef BFS_LIB_DB_H
#define BFS_LIB_DB_H

#include "lib/cleanup.h"
#include "lib/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum bfs_db_mode {
	BFS_DB_IMMUTABLE,	/* read-only, no locks, nobody may change the file: published files */
	BFS_DB_WRITE,		/* an existing or new local file; never one on a network filesystem */
	BFS_DB_SCRATCH,		/* private and temporary; path is ignored; spills to disk past its cache */
};

int bfs_db_open(const char *path, enum bfs_db_mode mode, sqlite3 **ret_db, struct bfs_error *error);

/* Closes the connection; all its statements must have been finalised. NULL is allowed. */
void bfs_db_close(sqlite3 *db);
BFS_DEFINE_CLEANUP(sqlite3 *, bfs_cleanup_db, bfs_db_close)
#define _cleanup_db_ BFS_CLEANUP(bfs_cleanup_db)

static inline void bfs_cleanup_stmt(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}
#define _cleanup_stmt_ BFS_CLEANUP(bfs_cleanup_stmt)

/* Resets a statement that is kept for later when the scope ends. */
static inline void bfs_reset_stmt(sqlite3_stmt **stmt)
{
	if (*stmt) {
		sqlite3_reset(*stmt);
		sqlite3_clear_bindings(*stmt);
	}
}
#define _reset_stmt_ BFS_CLEANUP(bfs_reset_stmt)

/* Runs one or more statements without results. */
int bfs_db_exec(sqlite3 *db, const char *sql);

/* Prepares a statement that will be run many times. */
int bfs_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt);

/* sqlite3_step(): 1 for a row, 0 when done, else a negative errno. */
int bfs_db_step(sqlite3_stmt *stmt);

/* Runs a statement that yields no row and resets it: 0, or a negative errno. */
int bfs_db_run(sqlite3_stmt *stmt);

/* Runs a query for one integer; -ENOENT where it yields no row. */
int bfs_db_get_int64(sqlite3 *db, const char *sql, int64_t *ret_value);

/*
 * The negative errno for an SQLite result code: FULL -ENOSPC, CORRUPT and NOTADB -EUCLEAN, NOMEM -ENOMEM,
 * BUSY -EBUSY, READONLY -EROFS, CANTOPEN -EACCES, CONSTRAINT -EEXIST, TOOBIG -EFBIG, else -EIO.
 */
int bfs_db_errno(int sqlite_code);

#endif
