#include "index/tree.h"

#include "index/schema.h"
#include "index/tree_private.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#define ATTRIBUTES "i.ino, i.mode, i.nlink, i.size, i.mtime, i.parent, i.object"
#define CONTENT	   "o.digest, o.size, o.executable, p.digest, o.offset"

static const char *const statement_texts[STMT_COUNT] = {
	[STMT_LOOKUP] = "SELECT d.name, d.cookie, " ATTRIBUTES
			" FROM dirent d JOIN inode i ON i.ino=d.ino"
			" WHERE d.parent=?1 AND d.cookie BETWEEN ?2 AND ?3",
	[STMT_STAT] = "SELECT " ATTRIBUTES " FROM inode i WHERE i.ino=?1",
	[STMT_READ_LINK] = "SELECT mode, target FROM inode WHERE ino=?1",
	[STMT_READ_DIRECTORY] = "SELECT d.name, d.cookie, " ATTRIBUTES
				" FROM dirent d JOIN inode i ON i.ino=d.ino"
				" WHERE d.parent=?1 AND d.cookie>?2 ORDER BY d.cookie",
	[STMT_LIST] = "SELECT name FROM dirent WHERE parent=?1 ORDER BY name",
	[STMT_CONTENT] = "SELECT i.mode, i.size, i.object, " CONTENT
			 " FROM inode i LEFT JOIN object o ON o.id=i.object"
			 " LEFT JOIN pack p ON p.id=o.pack WHERE i.ino=?1",
	[STMT_FIND_CONTENT] = "SELECT o.id, o.pack IS NOT NULL, " CONTENT
			      " FROM object o LEFT JOIN pack p ON p.id=o.pack"
			      " WHERE substr(o.digest, 1, 8)=substr(?1, 1, 8) AND o.digest=?1",
	[STMT_INSERT_INODE] = "INSERT INTO inode VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[STMT_INSERT_DIRENT] = "INSERT INTO dirent VALUES(?1, ?2, ?3, ?4)",
	[STMT_DELETE_DIRENT] = "DELETE FROM dirent WHERE parent=?1 AND cookie=?2",
	[STMT_DELETE_INODE] = "DELETE FROM inode WHERE ino=?1",
	[STMT_ADD_NLINK] = "UPDATE inode SET nlink=nlink+?2 WHERE ino=?1",
	[STMT_TOUCH_DIRECTORY] = "UPDATE inode SET nlink=nlink+?2, mtime=?3"
				 " WHERE ino=?1 AND parent IS NOT NULL",
	[STMT_PROBE] = "SELECT cookie, name FROM dirent"
		       " WHERE parent=?1 AND cookie BETWEEN ?2 AND ?3 ORDER BY cookie",
	[STMT_SET_MODE] = "UPDATE inode SET mode=?2 WHERE ino=?1",
	[STMT_SET_MTIME] = "UPDATE inode SET mtime=?2 WHERE ino=?1",
	[STMT_SET_PARENT] = "UPDATE inode SET parent=?2 WHERE ino=?1",
	[STMT_INSERT_OBJECT] = "INSERT INTO object(digest, size, executable, pack, offset)"
			       " VALUES(?1, ?2, ?3, ?4, ?5)",
	[STMT_FIND_PACK] = "SELECT id FROM pack WHERE digest=?1",
	[STMT_INSERT_PACK] = "INSERT INTO pack(digest) VALUES(?1)",
	[STMT_NOTE_DROPPED] = "INSERT OR IGNORE INTO temp.dropped VALUES(?1)",
};

int bfs_tree_statement(struct bfs_tree *tree, enum bfs_tree_statement which,
	sqlite3_stmt **ret_stmt)
{
	if (!tree->statements[which]) {
		int r = bfs_db_prepare(tree->db, statement_texts[which], &tree->statements[which]);

		if (r < 0)
			return r;
	}
	*ret_stmt = tree->statements[which];
	return 0;
}

static int load_next_ino(struct bfs_tree *tree)
{
	int64_t next;
	int r = bfs_db_get_int64(tree->db, "SELECT value FROM value WHERE key='next_ino'", &next);

	if (r < 0)
		return r == -ENOENT ? -EUCLEAN : r;
	if (next < 2 || (uint64_t)next >= BFS_TREE_INO_LIMIT)
		return -EUCLEAN;
	tree->next_ino = tree->saved_next_ino = (uint64_t)next;
	return 0;
}

/* A working copy is thrown away if its process dies, so it need not survive a crash by itself. */
static int prepare_writing(struct bfs_tree *tree, bool create)
{
	int r = bfs_db_exec(tree->db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY;"
				      "PRAGMA synchronous=OFF; PRAGMA temp_store=FILE");

	/* Objects that files lost: which of them no other file has is found out once, at the end. */
	if (r == 0)
		r = bfs_db_exec(tree->db, "CREATE TEMP TABLE dropped(object INTEGER PRIMARY KEY)");
	if (r == 0 && create)
		r = bfs_schema_create(tree->db);
	return r;
}

/*
 * NORMAL: only checkpoints wait for the disk, and in an order that leaves the file whole at any moment
 * (sqlite.org/pragma.html#pragma_synchronous); commits do not. 64 MiB hold the working set of a prefix.
 */
static int prepare_session(struct bfs_tree *tree)
{
	int r = bfs_db_exec(tree->db, "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY");

	if (r == 0 && tree->writable)
		r = bfs_db_exec(tree->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
					  "PRAGMA wal_autocheckpoint=0");
	else if (r == 0)
		r = bfs_db_exec(tree->db, "PRAGMA query_only=ON");
	return r;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int bfs_tree_open(const char *path, enum bfs_tree_mode mode, struct bfs_tree **ret_tree,
	struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = calloc(1, sizeof(*tree));
	enum bfs_db_mode db_mode = mode == BFS_TREE_READ ? BFS_DB_IMMUTABLE :
		path					 ? BFS_DB_WRITE :
							   BFS_DB_SCRATCH;
	int r;

	if (!tree)
		return -ENOMEM;
	r = bfs_db_open(path, db_mode, &tree->db, error);
	if (r < 0)
		return r;
	tree->writable = mode != BFS_TREE_READ && mode != BFS_TREE_SESSION_READ;
	tree->session = mode == BFS_TREE_SESSION || mode == BFS_TREE_SESSION_READ;
	tree->now = now();
	if (tree->session)
		r = prepare_session(tree);
	else if (tree->writable)
		r = prepare_writing(tree, mode == BFS_TREE_NEW);
	if (r < 0)
		return bfs_error_set(error, r, "opening the index", path, "%s",
			sqlite3_errmsg(tree->db));
	if (mode != BFS_TREE_NEW)
		r = bfs_schema_check(tree->db, tree->session, path, error);
	if (r < 0)
		return r;
	r = load_next_ino(tree);
	if (r < 0)
		return bfs_error_set(error, r, "opening the index", path,
			"its inode counter is missing or out of range");
	*ret_tree = bfs_steal(&tree);
	return 0;
}

void bfs_tree_close(struct bfs_tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(tree->statements[i]);
	for (size_t i = 0; i < BFS_TREE_KEPT_LEVELS; i++) {
		sqlite3_finalize(tree->savepoints[0][i]);
		sqlite3_finalize(tree->savepoints[1][i]);
	}
	bfs_db_close(tree->db);
	free(tree);
}

sqlite3 *bfs_tree_db(struct bfs_tree *tree)
{
	return tree->db;
}

int bfs_tree_get_value(struct bfs_tree *tree, const char *key, char **ret_value)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *value;
	int r = bfs_db_prepare(tree->db, "SELECT value FROM value WHERE key=?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	value = (const char *)sqlite3_column_text(stmt, 0);
	if (!value)
		return -EUCLEAN;
	*ret_value = strdup(value);
	return *ret_value ? 0 : -ENOMEM;
}

int bfs_tree_set_value(struct bfs_tree *tree, const char *key, const char *value)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r;

	if (!tree->writable)
		return -EROFS;
	r = bfs_db_prepare(tree->db, "INSERT OR REPLACE INTO value VALUES(?1, ?2)", &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

/*
 * FNV-1a over the bytes, then a finaliser (MurmurHash3's fmix64) that spreads it, then cut to 62 bits: cookies stay
 * positive as an off_t, and leave room above for probes and below for "." and "..".
 */
uint64_t bfs_tree_cookie(const char *name, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	hash *= UINT64_C(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 33;
	return (hash >> 2) | BFS_TREE_COOKIE_FIRST;
}

static bool mode_is_valid(const struct bfs_tree *tree, int64_t mode)
{
	if (mode < 0 || (mode & ~(int64_t)(S_IFMT | 07777)) != 0)
		return false;
	switch ((mode_t)mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
		return true;
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return tree->session;
	default:
		return false;
	}
}

int bfs_tree_attributes_from_row(const struct bfs_tree *tree, sqlite3_stmt *stmt, int first,
	struct bfs_attributes *ret_attributes)
{
	int64_t ino = sqlite3_column_int64(stmt, first);
	int64_t mode = sqlite3_column_int64(stmt, first + 1);
	int64_t nlink = sqlite3_column_int64(stmt, first + 2);
	int64_t size = sqlite3_column_int64(stmt, first + 3);
	int64_t parent = sqlite3_column_int64(stmt, first + 5);
	int64_t object = sqlite3_column_int64(stmt, first + 6);

	if (ino < 1 || (uint64_t)ino >= BFS_TREE_INO_LIMIT || !mode_is_valid(tree, mode) ||
		nlink < (tree->session ? 0 : 1) ||
		nlink > UINT32_MAX || size < 0 || (uint64_t)size > BFS_CONTENT_SIZE_MAX ||
		parent < 0 || object < 0)
		return -EUCLEAN;
	if (S_ISDIR((mode_t)mode) ? parent < 1 : parent != 0)
		return -EUCLEAN;
	if (S_ISREG((mode_t)mode) ? (object == 0) != (size == 0) : object != 0)
		return -EUCLEAN;
	*ret_attributes = (struct bfs_attributes){
		.ino = (uint64_t)ino,
		.mode = (mode_t)mode,
		.nlink = (uint32_t)nlink,
		.size = (uint64_t)size,
		.mtime = sqlite3_column_int64(stmt, first + 4),
		.parent = (uint64_t)parent,
		.object = object,
	};
	return 0;
}

/* Name and cookie from columns 0 and 1. The name is borrowed until the next step. */
static int name_from_row(sqlite3_stmt *stmt, const char **ret_name, size_t *ret_length,
	uint64_t *ret_cookie)
{
	const char *name = sqlite3_column_blob(stmt, 0);
	size_t length = (size_t)sqlite3_column_bytes(stmt, 0);
	int64_t cookie = sqlite3_column_int64(stmt, 1);

	if (!name || !bfs_name_is_valid(name, length) || cookie < BFS_TREE_COOKIE_FIRST)
		return -EUCLEAN;
	*ret_name = name;
	*ret_length = length;
	*ret_cookie = (uint64_t)cookie;
	return 0;
}

int bfs_tree_lookup(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	struct bfs_attributes *ret_attributes)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	uint64_t cookie = bfs_tree_cookie(name, length);
	int r = bfs_tree_statement(tree, STMT_LOOKUP, &stmt);

	if (r < 0)
		return r;
	if (length > BFS_NAME_MAX)
		return -ENAMETOOLONG;
	sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	sqlite3_bind_int64(stmt, 2, (int64_t)cookie);
	sqlite3_bind_int64(stmt, 3, (int64_t)cookie + BFS_TREE_COOKIE_PROBES - 1);
	while ((r = bfs_db_step(stmt)) > 0) {
		const char *found;
		size_t found_length;
		uint64_t found_cookie;

		r = name_from_row(stmt, &found, &found_length, &found_cookie);
		if (r < 0)
			return r;
		if (found_length == length && memcmp(found, name, length) == 0)
			return bfs_tree_attributes_from_row(tree, stmt, 2, ret_attributes);
	}
	return r < 0 ? r : -ENOENT;
}

int bfs_tree_stat(struct bfs_tree *tree, uint64_t ino, struct bfs_attributes *ret_attributes)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_STAT, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return bfs_tree_attributes_from_row(tree, stmt, 0, ret_attributes);
}

int bfs_tree_read_link(struct bfs_tree *tree, uint64_t ino, char **ret_target)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	const char *target;
	size_t length;
	int r = bfs_tree_statement(tree, STMT_READ_LINK, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	if (!S_ISLNK((mode_t)sqlite3_column_int64(stmt, 0)))
		return -EINVAL;
	target = sqlite3_column_blob(stmt, 1);
	length = (size_t)sqlite3_column_bytes(stmt, 1);
	if (!target || length == 0 || length > (tree->session ? PATH_MAX - 1 : BFS_TARGET_MAX) ||
		memchr(target, '\0', length))
		return -EUCLEAN;
	*ret_target = strndup(target, length);
	return *ret_target ? 0 : -ENOMEM;
}

int bfs_tree_read_directory(struct bfs_tree *tree, uint64_t ino, uint64_t cookie,
	bfs_tree_visitor *visit, void *context)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_READ_DIRECTORY, &stmt);

	if (r < 0)
		return r;
	if (cookie > INT64_MAX)
		return -EINVAL;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)cookie);
	while ((r = bfs_db_step(stmt)) > 0) {
		struct bfs_attributes attributes;
		const char *name;
		size_t length;
		uint64_t entry_cookie;

		r = name_from_row(stmt, &name, &length, &entry_cookie);
		if (r == 0)
			r = bfs_tree_attributes_from_row(tree, stmt, 2, &attributes);
		if (r == 0)
			r = visit(context, name, length, entry_cookie, &attributes);
		if (r != 0)
			return r;
	}
	return r;
}

/* Packs the names behind the pointers to them, so that one free() releases all. */
static int names_to_array(const struct bfs_buffer *names, size_t count, char ***ret_names)
{
	char **array = malloc((count + 1) * sizeof(*array) + names->length + 1);
	char *text = (char *)(array + count + 1);

	if (!array)
		return -ENOMEM;
	if (names->length)
		memcpy(text, names->data, names->length);
	for (size_t i = 0; i < count; i++) {
		array[i] = text;
		text += strlen(text) + 1;
	}
	array[count] = NULL;
	*ret_names = array;
	return 0;
}

int bfs_tree_list(struct bfs_tree *tree, uint64_t ino, char ***ret_names)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_buffer_ struct bfs_buffer names = BFS_BUFFER_INIT;
	size_t count = 0;
	int r = bfs_tree_statement(tree, STMT_LIST, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	while ((r = bfs_db_step(stmt)) > 0) {
		const char *name = sqlite3_column_blob(stmt, 0);
		size_t length = (size_t)sqlite3_column_bytes(stmt, 0);

		if (!name || !bfs_name_is_valid(name, length))
			return -EUCLEAN;
		r = bfs_buffer_append(&names, name, length);
		if (r == 0)
			r = bfs_buffer_append(&names, "", 1);
		if (r < 0)
			return r;
		count++;
	}
	return r < 0 ? r : names_to_array(&names, count, ret_names);
}

static int digest_from_column(sqlite3_stmt *stmt, int column, struct bfs_digest *ret_digest)
{
	const void *blob = sqlite3_column_blob(stmt, column);

	if (!blob || sqlite3_column_bytes(stmt, column) != BFS_DIGEST_SIZE)
		return -EUCLEAN;
	memcpy(ret_digest->bytes, blob, BFS_DIGEST_SIZE);
	return 0;
}

int bfs_tree_content_from_row(sqlite3_stmt *stmt, int first, struct bfs_content *ret_content)
{
	struct bfs_content content = {0};
	int64_t size = sqlite3_column_int64(stmt, first + 1);
	int64_t offset = sqlite3_column_int64(stmt, first + 4);
	int r = digest_from_column(stmt, first, &content.digest);

	if (r < 0)
		return r;
	if (size < 1 || (uint64_t)size > BFS_CONTENT_SIZE_MAX || offset < 0 ||
		(uint64_t)offset > BFS_CONTENT_SIZE_MAX)
		return -EUCLEAN;
	content.size = (uint64_t)size;
	content.executable = sqlite3_column_int(stmt, first + 2) != 0;
	content.packed = sqlite3_column_type(stmt, first + 4) != SQLITE_NULL;
	content.offset = (uint64_t)offset;
	if (content.packed)
		r = digest_from_column(stmt, first + 3, &content.pack);
	if (r < 0)
		return r;
	*ret_content = content;
	return 0;
}

int bfs_tree_content(struct bfs_tree *tree, uint64_t ino, struct bfs_content *ret_content)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	struct bfs_content content;
	int64_t size;
	mode_t mode;
	int r = bfs_tree_statement(tree, STMT_CONTENT, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	mode = (mode_t)sqlite3_column_int64(stmt, 0);
	size = sqlite3_column_int64(stmt, 1);
	if (!S_ISREG(mode))
		return S_ISDIR(mode) ? -EISDIR : -EINVAL;
	if (sqlite3_column_type(stmt, 2) == SQLITE_NULL && size == 0) {
		*ret_content = (struct bfs_content){0};
		return bfs_digest_of("", 0, &ret_content->digest);
	}
	r = bfs_tree_content_from_row(stmt, 3, &content);
	if (r < 0)
		return r;
	if (content.size != (uint64_t)size)
		return -EUCLEAN;
	*ret_content = content;
	return 0;
}

int bfs_tree_find_content(struct bfs_tree *tree, const struct bfs_digest *digest, bool executable,
	struct bfs_content *ret_content)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_FIND_CONTENT, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, digest->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	while ((r = bfs_db_step(stmt)) > 0) {
		struct bfs_content content;

		r = bfs_tree_content_from_row(stmt, 2, &content);
		if (r < 0)
			return r;
		if (content.packed || content.executable == executable) {
			*ret_content = content;
			return 0;
		}
	}
	return r < 0 ? r : -ENOENT;
}

int bfs_tree_count(struct bfs_tree *tree, struct bfs_tree_counts *ret_counts)
{
	static const char *const queries[] = {
		"SELECT count(*) FROM inode WHERE (mode & 61440) = 16384",
		"SELECT count(*) FROM inode WHERE (mode & 61440) = 32768",
		"SELECT count(*) FROM inode WHERE (mode & 61440) = 40960",
		"SELECT count(*) FROM dirent",
		"SELECT count(*) FROM object",
		"SELECT count(*) FROM pack",
		"SELECT coalesce(sum(size), 0) FROM object",
		"SELECT coalesce(sum(size), 0) FROM inode WHERE (mode & 61440) = 32768",
	};
	int64_t values[BFS_ARRAY_LENGTH(queries)];

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(queries); i++) {
		int r = bfs_db_get_int64(tree->db, queries[i], &values[i]);

		if (r < 0)
			return r;
	}
	*ret_counts = (struct bfs_tree_counts){.directories = values[0],
		.files = values[1],
		.symlinks = values[2],
		.names = values[3],
		.objects = values[4],
		.packs = values[5],
		.content_bytes = values[6],
		.file_bytes = values[7]};
	return 0;
}
