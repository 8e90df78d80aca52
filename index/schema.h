/*
 * The one definition of the index's tables, read by everything that makes, opens or checks one.
 */
#ifndef BFS_INDEX_SCHEMA_H
#define BFS_INDEX_SCHEMA_H

#include "lib/error.h"

#include <sqlite3.h>
#include <stdbool.h>

/*
 * PRAGMA user_version of an index. Revisions are additive: a reader of a later revision reads every
 * earlier one, and one that would break earlier readers gets a new number here.
 *	1  2026-11-24  first
 */
#define BFS_SCHEMA_VERSION 1

/* PRAGMA application_id: "Bfs1", so that file(1) and we can tell an index from another database. */
#define BFS_SCHEMA_APPLICATION_ID 0x42667331

/* Creates the tables, with an empty root directory. */
int bfs_schema_create(sqlite3 *db);

/* Adds the tables that the working copy of a session has beside those of an index (index/worktree.h). */
int bfs_schema_add_session(sqlite3 *db);
/* Removes them again, from a copy that is to be an index. */
int bfs_schema_drop_session(sqlite3 *db);

/*
 * Whether the database is an index of a version we read (`session`: the working copy of one), with exactly our tables:
 * -EPROTONOSUPPORT for a newer one, -EUCLEAN for one that has other tables, views or triggers, or is no index at all.
 */
int bfs_schema_check(sqlite3 *db, bool session, const char *path, struct bfs_error *error);

#endif
