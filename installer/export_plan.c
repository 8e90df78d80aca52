#include "installer/export_plan.h"

#include "lib/db.h"
#include "lib/path.h"

#include <string.h>

struct bfs_export_plan {
	sqlite3 *db;
	sqlite3_stmt *find_content, *add_content, *get_content, *add, *has;
};

static const char schema[] =
	"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
	"CREATE TABLE content(id INTEGER PRIMARY KEY, digest BLOB NOT NULL, executable, size, pack,"
	" offset, which, facts, UNIQUE(digest, executable, which));"
	"CREATE TABLE entry(path BLOB PRIMARY KEY, kind, mode, mtime, ino, target, content, result,"
	" examined DEFAULT 0, state DEFAULT 0) WITHOUT ROWID;"
	"CREATE TABLE base(path BLOB PRIMARY KEY, kind, mode, mtime, content) WITHOUT ROWID;"
	"CREATE TABLE current(path BLOB PRIMARY KEY, kind, mode, mtime, content) WITHOUT ROWID;"
	"CREATE TABLE variant(content INTEGER, executable INTEGER, rpath, key, result,"
	" PRIMARY KEY(content, executable)) WITHOUT ROWID;"
	"CREATE INDEX entry_content ON entry(content);"
	"CREATE INDEX entry_examined ON entry(examined) WHERE NOT examined AND content NOT NULL;"
	"CREATE TABLE pending(path BLOB PRIMARY KEY, done) WITHOUT ROWID;"
	"CREATE INDEX pending_done ON pending(done) WHERE NOT done;"
	"BEGIN";

void bfs_export_plan_free(struct bfs_export_plan *plan)
{
	if (!plan)
		return;
	sqlite3_finalize(plan->find_content);
	sqlite3_finalize(plan->add_content);
	sqlite3_finalize(plan->get_content);
	sqlite3_finalize(plan->add);
	sqlite3_finalize(plan->has);
	bfs_db_close(plan->db);
	free(plan);
}

static int prepare(struct bfs_export_plan *plan)
{
	sqlite3 *db = plan->db;
	int r = bfs_db_prepare(db,
		"SELECT id FROM content WHERE digest=?1 AND executable=?2 AND which=?3",
		&plan->find_content);

	if (r == 0)
		r = bfs_db_prepare(db,
			"INSERT INTO content VALUES(NULL, ?1, ?2, ?4, ?5, ?6, ?3, NULL)",
			&plan->add_content);
	if (r == 0)
		r = bfs_db_prepare(db,
			"SELECT digest, executable, size, pack, offset, which FROM content"
			" WHERE id=?1",
			&plan->get_content);
	if (r == 0)
		r = bfs_db_prepare(db,
			"INSERT OR IGNORE INTO entry VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 0, 0)",
			&plan->add);
	return r < 0 ? r : bfs_db_prepare(db, "SELECT kind FROM entry WHERE path=?1", &plan->has);
}

int bfs_export_plan_new(struct bfs_export_plan **ret_plan)
{
	_cleanup_export_plan_ struct bfs_export_plan *plan = calloc(1, sizeof(*plan));
	int r = plan ? bfs_db_open(NULL, BFS_DB_SCRATCH, &plan->db, NULL) : -ENOMEM;

	if (r == 0)
		r = bfs_db_exec(plan->db, schema);
	if (r == 0)
		r = prepare(plan);
	if (r == 0)
		*ret_plan = bfs_steal(&plan);
	return r;
}

sqlite3 *bfs_export_plan_db(struct bfs_export_plan *plan)
{
	return plan->db;
}

static void bind_digest(sqlite3_stmt *stmt, int column, const struct bfs_digest *digest)
{
	sqlite3_bind_blob(stmt, column, digest->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
}

/* 1 and the row where the content is known. */
static int find_content(struct bfs_export_plan *plan, const struct bfs_content *content,
	enum bfs_export_store store, int64_t *ret_id)
{
	_reset_stmt_ sqlite3_stmt *stmt = plan->find_content;
	int r;

	bind_digest(stmt, 1, &content->digest);
	sqlite3_bind_int(stmt, 2, content->executable);
	sqlite3_bind_int(stmt, 3, store);
	r = bfs_db_step(stmt);
	if (r > 0)
		*ret_id = sqlite3_column_int64(stmt, 0);
	return r;
}

int bfs_export_plan_add_content(struct bfs_export_plan *plan, const struct bfs_content *content,
	enum bfs_export_store store, int64_t *ret_id)
{
	sqlite3_stmt *stmt = plan->add_content;
	int r;

	if (content->size == 0) {
		*ret_id = 0;
		return 0;
	}
	r = find_content(plan, content, store, ret_id);
	if (r != 0)
		return r < 0 ? r : 0;
	bind_digest(stmt, 1, &content->digest);
	sqlite3_bind_int(stmt, 2, content->executable);
	sqlite3_bind_int(stmt, 3, store);
	sqlite3_bind_int64(stmt, 4, (int64_t)content->size);
	if (content->packed)
		bind_digest(stmt, 5, &content->pack);
	sqlite3_bind_int64(stmt, 6, (int64_t)content->offset);
	r = bfs_db_run(stmt);
	sqlite3_clear_bindings(stmt);
	*ret_id = sqlite3_last_insert_rowid(plan->db);
	return r;
}

int bfs_export_plan_get_content(struct bfs_export_plan *plan, int64_t id,
	struct bfs_content *ret_content, enum bfs_export_store *ret_store)
{
	_reset_stmt_ sqlite3_stmt *stmt = plan->get_content;
	struct bfs_content content = {0};
	int r;

	sqlite3_bind_int64(stmt, 1, id);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	memcpy(content.digest.bytes, sqlite3_column_blob(stmt, 0), BFS_DIGEST_SIZE);
	content.executable = sqlite3_column_int(stmt, 1);
	content.size = (uint64_t)sqlite3_column_int64(stmt, 2);
	content.packed = sqlite3_column_type(stmt, 3) == SQLITE_BLOB;
	if (content.packed)
		memcpy(content.pack.bytes, sqlite3_column_blob(stmt, 3), BFS_DIGEST_SIZE);
	content.offset = (uint64_t)sqlite3_column_int64(stmt, 4);
	*ret_store = (enum bfs_export_store)sqlite3_column_int(stmt, 5);
	*ret_content = content;
	return 0;
}

static int add_row(struct bfs_export_plan *plan, const struct bfs_export_entry *entry)
{
	sqlite3_stmt *stmt = plan->add;
	int r;

	sqlite3_bind_blob(stmt, 1, entry->path, (int)strlen(entry->path), SQLITE_STATIC);
	sqlite3_bind_int(stmt, 2, entry->kind);
	sqlite3_bind_int(stmt, 3, (int)entry->mode);
	sqlite3_bind_int64(stmt, 4, entry->mtime);
	sqlite3_bind_int64(stmt, 5, (int64_t)entry->ino);
	if (entry->target)
		sqlite3_bind_blob(
			stmt, 6, entry->target, (int)strlen(entry->target), SQLITE_STATIC);
	if (entry->content)
		sqlite3_bind_int64(stmt, 7, entry->content);
	r = bfs_db_run(stmt);
	sqlite3_clear_bindings(stmt);
	return r < 0 ? r : sqlite3_changes(plan->db) > 0;
}

/* From the top down; the first that is there already ends the way up. */
static int add_parents(struct bfs_export_plan *plan, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	struct bfs_export_entry entry = {
		.path = parent, .kind = BFS_EXPORT_DIRECTORY, .mode = 0755};
	int r;

	if (!parent)
		return -ENOMEM;
	if (!*parent)
		return 0;
	r = add_row(plan, &entry);
	return r <= 0 ? r : add_parents(plan, parent);
}

int bfs_export_plan_add(struct bfs_export_plan *plan, const struct bfs_export_entry *entry)
{
	int r = add_row(plan, entry);
	int above = r > 0 ? add_parents(plan, entry->path) : 0;

	return above < 0 ? above : r;
}

int bfs_export_plan_put(struct bfs_export_plan *plan, const struct bfs_export_entry *entry)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	enum bfs_export_kind kind;
	int r = bfs_export_plan_has(plan, entry->path, &kind);

	if (r > 0 && kind == BFS_EXPORT_DIRECTORY)
		return -EISDIR;
	if (r > 0) {
		r = bfs_db_prepare(plan->db, "DELETE FROM entry WHERE path=?1", &stmt);
		if (r < 0)
			return r;
		sqlite3_bind_blob(stmt, 1, entry->path, (int)strlen(entry->path), SQLITE_STATIC);
		r = bfs_db_run(stmt);
	}
	return r < 0 ? r : bfs_export_plan_add(plan, entry);
}

int bfs_export_plan_has(
	struct bfs_export_plan *plan, const char *path, enum bfs_export_kind *ret_kind)
{
	_reset_stmt_ sqlite3_stmt *stmt = plan->has;
	int r;

	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r > 0)
		*ret_kind = (enum bfs_export_kind)sqlite3_column_int(stmt, 0);
	return r;
}

const char *bfs_export_plan_text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}
