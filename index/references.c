#include "index/references.h"

#include "index/rebuild.h"
#include "lib/db.h"

#include <string.h>

#define ENTRIES_STEP 4096 /* a pack of small files has some thousand contents */

struct bfs_references {
	sqlite3 *db;
	sqlite3_stmt *add, *add_content, *find;
};

char *bfs_file_name(const struct bfs_file *file, char ret_name[BFS_STORE_NAME_SIZE])
{
	struct bfs_content content = {
		.digest = file->digest, .executable = file->kind == BFS_FILE_EXECUTABLE};

	if (file->kind == BFS_FILE_PACK)
		return bfs_store_pack_name(&file->digest, ret_name);
	if (file->kind == BFS_FILE_DELTA)
		return bfs_store_delta_name(&file->digest, ret_name);
	if (file->kind == BFS_FILE_INDEX)
		return bfs_store_index_name(&file->digest, ret_name);
	return bfs_store_object_name(&content, ret_name);
}

static int prepare(struct bfs_references *references)
{
	sqlite3 *db = references->db;
	int r = bfs_db_exec(db,
		"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
		"CREATE TABLE file(kind INTEGER, digest BLOB, size INTEGER,"
		" PRIMARY KEY(kind, digest, size)) WITHOUT ROWID;"
		"CREATE TABLE content(pack BLOB, offset INTEGER, digest BLOB, size INTEGER,"
		" PRIMARY KEY(pack, offset, digest, size)) WITHOUT ROWID;"
		"CREATE TABLE damage(kind INTEGER, digest BLOB, content BLOB, number INTEGER);"
		"BEGIN");

	if (r == 0)
		r = bfs_db_prepare(
			db, "INSERT OR IGNORE INTO file VALUES(?1, ?2, ?3)", &references->add);
	if (r == 0)
		r = bfs_db_prepare(db, "INSERT OR IGNORE INTO content VALUES(?1, ?2, ?3, ?4)",
			&references->add_content);
	if (r == 0)
		r = bfs_db_prepare(db, "SELECT 1 FROM file WHERE kind=?1 AND digest=?2 LIMIT 1",
			&references->find);
	return r;
}

int bfs_references_new(struct bfs_references **ret_references)
{
	_cleanup_references_ struct bfs_references *references = calloc(1, sizeof(*references));
	int r = references ? bfs_db_open(NULL, BFS_DB_SCRATCH, &references->db, NULL) : -ENOMEM;

	if (r == 0)
		r = prepare(references);
	if (r == 0)
		*ret_references = bfs_steal(&references);
	return r;
}

void bfs_references_free(struct bfs_references *references)
{
	if (!references)
		return;
	sqlite3_finalize(references->add);
	sqlite3_finalize(references->add_content);
	sqlite3_finalize(references->find);
	bfs_db_close(references->db);
	free(references);
}

static void bind_digest(sqlite3_stmt *stmt, int column, const struct bfs_digest *digest)
{
	sqlite3_bind_blob(stmt, column, digest->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
}

/* Whether the column holds a digest. */
static bool digest_from_column(sqlite3_stmt *stmt, int column, struct bfs_digest *ret_digest)
{
	if (sqlite3_column_type(stmt, column) != SQLITE_BLOB ||
		sqlite3_column_bytes(stmt, column) != BFS_DIGEST_SIZE)
		return false;
	memcpy(ret_digest->bytes, sqlite3_column_blob(stmt, column), BFS_DIGEST_SIZE);
	return true;
}

int bfs_references_add(struct bfs_references *references, const struct bfs_file *file)
{
	sqlite3_bind_int(references->add, 1, (int)file->kind);
	bind_digest(references->add, 2, &file->digest);
	sqlite3_bind_int64(references->add, 3, (int64_t)file->size);
	return bfs_db_run(references->add);
}

int bfs_references_add_index(struct bfs_references *references, struct bfs_store *store,
	const struct bfs_generation *generation)
{
	struct bfs_file file = {BFS_FILE_INDEX, generation->index, generation->size};
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	int r = bfs_rebuild_read_delta(store, generation, &delta);

	if (r == -ENOENT)
		return bfs_references_add(references, &file);
	file.kind = BFS_FILE_DELTA;
	if (r == 0)
		r = bfs_references_add(references, &file);
	for (size_t i = 0; r == 0 && i < delta.chain_count; i++) {
		file = (struct bfs_file){BFS_FILE_DELTA, delta.chain[i].index, delta.chain[i].size};
		if (i + 1 == delta.chain_count)
			file.kind = BFS_FILE_INDEX;
		r = bfs_references_add(references, &file);
	}
	return r;
}

static int add_content(struct bfs_references *references, const struct bfs_digest *pack,
	const struct bfs_pack_entry *entry)
{
	sqlite3_stmt *stmt = references->add_content;

	bind_digest(stmt, 1, pack);
	sqlite3_bind_int64(stmt, 2, (int64_t)entry->offset);
	bind_digest(stmt, 3, &entry->digest);
	sqlite3_bind_int64(stmt, 4, (int64_t)entry->size);
	return bfs_db_run(stmt);
}

/* A row of digest, size, executable, pack's digest, offset; `packed` says which columns count. */
static int add_row(struct bfs_references *references, sqlite3_stmt *stmt, bool packed)
{
	struct bfs_file file = {.size = (uint64_t)sqlite3_column_int64(stmt, 1)};
	struct bfs_pack_entry entry = {.size = file.size};

	if (!digest_from_column(stmt, 0, &file.digest) || sqlite3_column_int64(stmt, 1) < 1)
		return 0;
	if (!packed) {
		file.kind = sqlite3_column_int(stmt, 2) ? BFS_FILE_EXECUTABLE : BFS_FILE_OBJECT;
		return bfs_references_add(references, &file);
	}
	entry.digest = file.digest;
	entry.offset = (uint64_t)sqlite3_column_int64(stmt, 4);
	if (!digest_from_column(stmt, 3, &file.digest) || sqlite3_column_int64(stmt, 4) < 0)
		return 0;
	return add_content(references, &file.digest, &entry);
}

static int add_rows(
	struct bfs_references *references, struct bfs_tree *tree, const char *sql, bool packed)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree), sql, &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0)
		r = add_row(references, stmt, packed);
	return r;
}

static int add_packs(struct bfs_references *references, struct bfs_tree *tree)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree), "SELECT digest FROM pack", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_file file = {.kind = BFS_FILE_PACK};

		r = digest_from_column(stmt, 0, &file.digest)
			    ? bfs_references_add(references, &file)
			    : 0;
	}
	return r;
}

int bfs_references_add_files(struct bfs_references *references, struct bfs_tree *tree)
{
	int r = add_packs(references, tree);

	return r < 0 ? r
		     : add_rows(references, tree,
			       "SELECT digest, size, executable FROM object WHERE pack IS NULL",
			       false);
}

int bfs_references_add_tree(struct bfs_references *references, struct bfs_tree *tree)
{
	int r = bfs_references_add_files(references, tree);

	return r < 0 ? r
		     : add_rows(references, tree,
			       "SELECT o.digest, o.size, 0, p.digest, o.offset FROM object o"
			       " JOIN pack p ON p.id=o.pack",
			       true);
}

int bfs_references_has(
	struct bfs_references *references, enum bfs_file_kind kind, const struct bfs_digest *digest)
{
	_reset_stmt_ sqlite3_stmt *stmt = references->find;

	sqlite3_bind_int(stmt, 1, (int)kind);
	bind_digest(stmt, 2, digest);
	return bfs_db_step(stmt);
}

int bfs_references_count(struct bfs_references *references, enum bfs_file_kind kind,
	uint64_t *ret_files, uint64_t *ret_bytes)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(references->db,
		"SELECT count(*), CASE WHEN ?1=2 THEN (SELECT coalesce(sum(size), 0) FROM content)"
		" ELSE coalesce(sum(size), 0) END FROM file WHERE kind=?1",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int(stmt, 1, (int)kind);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EIO;
	*ret_files = (uint64_t)sqlite3_column_int64(stmt, 0);
	*ret_bytes = (uint64_t)sqlite3_column_int64(stmt, 1);
	return 0;
}

int bfs_references_visit(struct bfs_references *references, enum bfs_file_kind kind,
	bfs_references_visitor *visit, void *context)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(
		references->db, "SELECT digest, size FROM file WHERE kind=?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int(stmt, 1, (int)kind);
	while ((r = bfs_db_step(stmt)) > 0) {
		struct bfs_file file = {
			.kind = kind, .size = (uint64_t)sqlite3_column_int64(stmt, 1)};

		if (!digest_from_column(stmt, 0, &file.digest))
			return -EIO;
		r = visit(context, &file);
		if (r)
			break;
	}
	return r;
}

static int append_entry(sqlite3_stmt *stmt, struct bfs_pack_entry **entries, size_t count)
{
	if (count % ENTRIES_STEP == 0) {
		struct bfs_pack_entry *grown =
			reallocarray(*entries, count + ENTRIES_STEP, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		*entries = grown;
	}
	if (!digest_from_column(stmt, 1, &(*entries)[count].digest))
		return -EIO;
	(*entries)[count].offset = (uint64_t)sqlite3_column_int64(stmt, 0);
	(*entries)[count].size = (uint64_t)sqlite3_column_int64(stmt, 2);
	return 0;
}

int bfs_references_get_pack(struct bfs_references *references, const struct bfs_digest *pack,
	struct bfs_pack_entry **ret_entries, size_t *ret_count)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_free_ struct bfs_pack_entry *entries = NULL;
	size_t count = 0;
	int r = bfs_db_prepare(references->db,
		"SELECT offset, digest, size FROM content WHERE pack=?1 ORDER BY offset", &stmt);

	if (r < 0)
		return r;
	bind_digest(stmt, 1, pack);
	while ((r = bfs_db_step(stmt)) > 0) {
		r = append_entry(stmt, &entries, count);
		if (r < 0)
			return r;
		count++;
	}
	if (r < 0)
		return r;
	*ret_entries = bfs_steal(&entries);
	*ret_count = count;
	return 0;
}

int bfs_references_add_damage(struct bfs_references *references, const struct bfs_file *file,
	const struct bfs_digest *content, size_t number)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(references->db, "INSERT INTO damage VALUES(?1, ?2, ?3, ?4)", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int(stmt, 1, (int)file->kind);
	bind_digest(stmt, 2, &file->digest);
	if (content)
		bind_digest(stmt, 3, content);
	sqlite3_bind_int64(stmt, 4, (int64_t)number);
	return bfs_db_run(stmt);
}

/* Notes in the tree's connection which of its contents one damage concerns. */
static int mark_objects(struct bfs_tree *tree, sqlite3_stmt *damage)
{
	static const char *const queries[] = {
		/* an object */
		"INSERT OR IGNORE INTO temp.damaged_object SELECT id, ?4 FROM object"
		" WHERE substr(digest, 1, 8)=substr(?1, 1, 8) AND digest=?1 AND pack IS NULL"
		" AND executable=?3 AND ?2 IS NULL",
		/* a whole pack */
		"INSERT OR IGNORE INTO temp.damaged_object SELECT o.id, ?4 FROM pack p"
		" JOIN object o ON o.pack=p.id WHERE p.digest=?1 AND ?2 IS NULL AND ?3=2",
		/* a content in a pack */
		"INSERT OR IGNORE INTO temp.damaged_object SELECT o.id, ?4 FROM object o"
		" JOIN pack p ON p.id=o.pack WHERE substr(o.digest, 1, 8)=substr(?2, 1, 8)"
		" AND o.digest=?2 AND p.digest=?1 AND ?3=2",
	};
	int kind = sqlite3_column_int(damage, 0);
	bool content = sqlite3_column_type(damage, 2) != SQLITE_NULL;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		queries[kind != BFS_FILE_PACK ? 0
			: content	      ? 2
					      : 1],
		&stmt);

	if (r < 0)
		return r;
	for (int i = 0; i < 4; i++) {
		static const int columns[] = {1, 2, 0, 3}; /* digest, content, kind, number */

		sqlite3_bind_value(stmt, i + 1, sqlite3_column_value(damage, columns[i]));
	}
	return bfs_db_run(stmt);
}

static int mark_all(struct bfs_references *references, struct bfs_tree *tree)
{
	_cleanup_stmt_ sqlite3_stmt *damage = NULL;
	int r = bfs_db_exec(bfs_tree_db(tree),
		"PRAGMA temp_store=FILE;"
		"CREATE TEMP TABLE damaged_object(object INTEGER, number INTEGER,"
		" PRIMARY KEY(object, number)) WITHOUT ROWID;"
		"CREATE TEMP TABLE damaged_inode(ino INTEGER, number INTEGER,"
		" PRIMARY KEY(ino, number)) WITHOUT ROWID");

	if (r == 0)
		r = bfs_db_prepare(references->db,
			"SELECT kind, digest, content, number FROM damage", &damage);
	while (r >= 0 && (r = bfs_db_step(damage)) > 0)
		r = mark_objects(tree, damage);
	if (r == 0)
		r = bfs_db_exec(bfs_tree_db(tree),
			"INSERT INTO temp.damaged_inode SELECT i.ino, x.number FROM inode i"
			" CROSS JOIN temp.damaged_object x ON x.object=i.object");
	return r;
}

int bfs_references_visit_damage(struct bfs_references *references, struct bfs_tree *tree,
	bfs_damage_visitor *visit, void *context)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = mark_all(references, tree);

	if (r == 0)
		r = bfs_db_prepare(bfs_tree_db(tree),
			"SELECT d.parent, d.name, x.number FROM dirent d"
			" CROSS JOIN temp.damaged_inode x ON x.ino=d.ino",
			&stmt);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *name = sqlite3_column_blob(stmt, 1);

		r = visit(context, (uint64_t)sqlite3_column_int64(stmt, 0), name ? name : "",
			(size_t)sqlite3_column_bytes(stmt, 1),
			(size_t)sqlite3_column_int64(stmt, 2));
		if (r)
			break;
	}
	return r;
}
