#include "index/keg.h"

#include "lib/db.h"

#include <string.h>

void bfs_keg_release(struct bfs_keg *keg)
{
	free(keg->name);
	free(keg->version);
	free(keg->record);
	free(keg->pending);
	*keg = (struct bfs_keg){0};
}

void bfs_kegs_free(struct bfs_keg *kegs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bfs_keg_release(&kegs[i]);
	free(kegs);
}

int bfs_keg_put(struct bfs_tree *tree, const struct bfs_keg *keg)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"INSERT OR REPLACE INTO keg VALUES(?1, ?2, ?3, ?4)", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, keg->name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, keg->version, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, keg->record, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 4, keg->pending, -1, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

int bfs_keg_remove(struct bfs_tree *tree, const char *name, const char *version)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree), "DELETE FROM keg WHERE name=?1 AND version=?2",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, version, -1, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int copy_column(sqlite3_stmt *stmt, int column, char **ret_text)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	*ret_text = text ? strdup(text) : NULL;
	return text && !*ret_text ? -ENOMEM : 0;
}

static int keg_from_row(sqlite3_stmt *stmt, struct bfs_keg *ret_keg)
{
	struct bfs_keg keg = {0};
	int r = copy_column(stmt, 0, &keg.name);

	if (r == 0)
		r = copy_column(stmt, 1, &keg.version);
	if (r == 0)
		r = copy_column(stmt, 2, &keg.record);
	if (r == 0)
		r = copy_column(stmt, 3, &keg.pending);
	if (r == 0 && (!keg.name || !keg.version || !keg.record))
		r = -EUCLEAN;
	if (r < 0)
		bfs_keg_release(&keg);
	else
		*ret_keg = keg;
	return r;
}

int bfs_keg_get(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_keg *ret_keg)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"SELECT name, version, record, pending FROM keg WHERE name=?1 AND version=?2",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, version, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return keg_from_row(stmt, ret_keg);
}

int bfs_keg_list(struct bfs_tree *tree, struct bfs_keg **ret_kegs, size_t *ret_count)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct bfs_keg *kegs = NULL;
	size_t count = 0;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"SELECT name, version, record, pending FROM keg ORDER BY name, version", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_keg *grown = reallocarray(kegs, count + 1, sizeof(*kegs));

		if (!grown) {
			r = -ENOMEM;
			break;
		}
		kegs = grown;
		r = keg_from_row(stmt, &kegs[count]);
		if (r == 0)
			count++;
	}
	if (r < 0) {
		bfs_kegs_free(kegs, count);
		return r;
	}
	*ret_kegs = kegs;
	*ret_count = count;
	return 0;
}
