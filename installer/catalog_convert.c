#include "installer/catalog_private.h"

#include "lib/file.h"
#include "lib/json_walk.h"

#include <fcntl.h>
#include <string.h>

#define STEP "reading the packages document"

/*
 * Names are found through an index of their own, so that a search for similar names does not read
 * the documents.
 */
static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
	"CREATE TABLE formula(name TEXT PRIMARY KEY, json TEXT NOT NULL);"
	"CREATE TABLE alias(name TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE rename(name TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE migration(name TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID;";

/*
 * The members of the payload that are kept, under their names in packages.TAG.jws.json (Homebrew
 * generate-internal-api.rb) and in the older formula.TAG.jws.json.
 */
static const struct section {
	const char *name, *old_name;
	const char *insert;
	bool strings; /* values are strings, not documents */
} sections[] = {
	{"formulae", "formulae", "INSERT INTO formula VALUES(?1, ?2)", false},
	{"formula_aliases", "aliases", "INSERT INTO alias VALUES(?1, ?2)", true},
	{"formula_renames", "renames", "INSERT INTO rename VALUES(?1, ?2)", true},
	{"formula_tap_migrations", "tap_migrations", "INSERT INTO migration VALUES(?1, ?2)", true},
};

static int fail(struct bfs_error *error, const char *name, const char *reason)
{
	return bfs_error_set(error, -EBADMSG, STEP, name, "%s", reason);
}

/* The slice of a key, with what is escaped in it undone. Its quotes are beside it in the text. */
static int unescape_key(struct bfs_slice *key)
{
	if (!memchr(key->data, '\\', key->length))
		return 0;
	*key = (struct bfs_slice){key->data - 1, key->length + 2};
	return bfs_json_unescape(key);
}

static int insert_member(
	sqlite3_stmt *insert, struct bfs_slice *key, struct bfs_slice *value, bool is_string)
{
	int r = unescape_key(key);

	if (r == 0 && is_string)
		r = bfs_json_unescape(value);
	if (r < 0)
		return r;
	sqlite3_bind_text64(insert, 1, key->data, key->length, SQLITE_STATIC, SQLITE_UTF8);
	sqlite3_bind_text64(insert, 2, value->data, value->length, SQLITE_STATIC, SQLITE_UTF8);
	return bfs_db_run(insert);
}

static int insert_section(sqlite3 *db, const struct section *section, struct bfs_slice *object)
{
	_cleanup_stmt_ sqlite3_stmt *insert = NULL;
	struct bfs_json_walk walk;
	struct bfs_slice key, value;
	int r = bfs_db_prepare(db, section->insert, &insert);

	if (r == 0)
		r = bfs_json_walk_begin(&walk, object->data, object->length);
	while (r == 0 && (r = bfs_json_walk_next(&walk, &key, &value)) > 0)
		r = insert_member(insert, &key, &value, section->strings);
	/* A name that is there twice. */
	return r == -EEXIST ? -EBADMSG : r;
}

static const struct section *find_section(const struct bfs_slice *key)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(sections); i++)
		if (bfs_slice_equals(key, sections[i].name) ||
			bfs_slice_equals(key, sections[i].old_name))
			return &sections[i];
	return NULL;
}

static int insert_payload(
	sqlite3 *db, char *payload, size_t length, const char *name, struct bfs_error *error)
{
	struct bfs_json_walk walk;
	struct bfs_slice key, value;
	bool has_formulae = false;
	int r = bfs_json_walk_begin(&walk, payload, length);

	while (r == 0 && (r = bfs_json_walk_next(&walk, &key, &value)) > 0) {
		const struct section *section = find_section(&key);

		has_formulae |= section == &sections[0];
		r = section ? insert_section(db, section, &value) : 0;
		if (r == -EBADMSG)
			return bfs_error_set(error, r, STEP, name,
				"\"%s\" is not an object of distinct names", section->name);
	}
	if (r == -EBADMSG)
		return fail(error, name, "its payload is not a JSON object");
	if (r == 0 && !has_formulae)
		return fail(error, name, "it has no formulae");
	return r;
}

static int insert_meta(sqlite3 *db, const char *key, const char *value)
{
	_cleanup_stmt_ sqlite3_stmt *insert = NULL;
	int r = bfs_db_prepare(db, "INSERT INTO meta VALUES(?1, ?2)", &insert);

	if (r < 0)
		return r;
	sqlite3_bind_text(insert, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(insert, 2, value, -1, SQLITE_STATIC);
	return bfs_db_run(insert);
}

static int insert_origin(sqlite3 *db, const struct bfs_catalog_origin *origin)
{
	char key[BFS_DIGEST_HEX_SIZE];
	int r = insert_meta(db, "tag", origin->tag);

	if (r == 0)
		r = insert_meta(db, "etag", origin->etag);
	if (r == 0)
		r = insert_meta(db, "last_modified", origin->last_modified);
	if (r == 0)
		r = insert_meta(db, "key", bfs_digest_to_hex(origin->key, key));
	return r;
}

static int fill(sqlite3 *db, char *payload, size_t length, const char *name,
	const struct bfs_catalog_origin *origin, struct bfs_error *error)
{
	_cleanup_free_ char *version = bfs_format("PRAGMA user_version=%d", BFS_CATALOG_FORMAT);
	int r = version ? 0 : -ENOMEM;

	/* Nobody else has the file yet: a crash leaves one that is overwritten, not one to repair.
	 */
	if (r == 0)
		r = bfs_db_exec(db, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN");
	if (r == 0)
		r = bfs_db_exec(db, schema);
	if (r == 0)
		r = insert_payload(db, payload, length, name, error);
	if (r == 0)
		r = insert_origin(db, origin);
	if (r == 0)
		r = bfs_db_exec(db, version);
	return r < 0 ? r : bfs_db_exec(db, "COMMIT");
}

static int sync_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int bfs_catalog_convert(char *payload, size_t length, const char *name,
	const struct bfs_catalog_origin *origin, const char *path, struct bfs_error *error)
{
	sqlite3 *db = NULL;
	int r;

	if (unlink(path) < 0 && errno != ENOENT)
		return bfs_error_set(error, -errno, STEP, path, NULL);
	r = bfs_db_open(path, BFS_DB_WRITE, &db, error);
	if (r < 0)
		return r;
	r = fill(db, payload, length, name, origin, error);
	bfs_db_close(db);
	if (r == 0)
		r = sync_file(path);
	if (r < 0)
		unlink(path);
	return r < 0 ? bfs_error_set(error, r, "keeping the packages document", path, NULL) : 0;
}
