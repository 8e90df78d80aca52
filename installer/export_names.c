#include "installer/export_names.h"

#include "lib/db.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

bool bfs_export_names_is_glibc(const char *path)
{
	return strncmp(path, "Cellar/glibc/", 13) == 0 || strncmp(path, "Cellar/glibc@", 13) == 0;
}

static struct bfs_export_plan *plan_of(const struct bfs_export_names *names)
{
	return names->needs->walk->plan;
}

/* Calls `use` for each path that the query gives; it may change the plan. */
static int each_path(struct bfs_export_names *names, const char *sql,
	int (*use)(struct bfs_export_names *names, const char *path))
{
	_cleanup_buffer_ struct bfs_buffer paths = BFS_BUFFER_INIT;
	sqlite3_stmt *stmt;
	int r = bfs_db_prepare(bfs_export_plan_db(plan_of(names)), sql, &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *path = bfs_export_plan_text(stmt, 0);

		r = path ? bfs_buffer_append(&paths, path, strlen(path) + 1) : -ENOMEM;
	}
	sqlite3_finalize(stmt);
	for (size_t at = 0; r == 0 && at < paths.length; at += strlen(paths.data + at) + 1)
		r = use(names, paths.data + at);
	return r;
}

/* --- links that are relative --- */

static int make_relative(struct bfs_export_names *names, const char *path)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL, *update = NULL;
	_cleanup_free_ char *target = NULL;
	const char *below;
	sqlite3 *db = bfs_export_plan_db(plan_of(names));
	int r = bfs_db_prepare(db, "SELECT target FROM entry WHERE path=?1", &stmt);

	if (r == 0)
		r = bfs_db_prepare(db, "UPDATE entry SET target=?2 WHERE path=?1", &update);
	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r;
	below = bfs_path_below(bfs_export_plan_text(stmt, 0), names->needs->prefix);
	if (!below)
		return 0;
	target = *below ? bfs_path_relative(path, below) : NULL;
	if (!*below) /* the prefix itself: "../.." with a name that is taken off again */
		target = bfs_path_relative(path, ".");
	if (!target)
		return -ENOMEM;
	sqlite3_bind_blob(update, 1, path, (int)strlen(path), SQLITE_STATIC);
	sqlite3_bind_blob(update, 2, target, (int)strlen(target), SQLITE_STATIC);
	return bfs_db_run(update);
}

/* --- hard names --- */

static int put_file(
	struct bfs_export_names *names, const char *path, const struct bfs_attributes *file)
{
	struct bfs_export_entry entry = {.path = path,
		.kind = BFS_EXPORT_FILE,
		.mode = file->mode & 0777,
		.mtime = file->mtime,
		.ino = file->ino};
	struct bfs_content content;
	int r = bfs_tree_content(names->needs->walk->tree, file->ino, &content);

	if (r == 0)
		r = bfs_export_plan_add_content(
			plan_of(names), &content, BFS_EXPORT_SOURCE, &entry.content);
	if (r == 0)
		r = bfs_export_plan_put(plan_of(names), &entry);
	return r < 0 ? r : 0;
}

static int content_of(struct bfs_export_names *names, const char *path, int64_t *ret_content)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(plan_of(names)),
		"SELECT coalesce(content, 0) FROM entry WHERE path=?1 AND kind=2", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r > 0)
		*ret_content = sqlite3_column_int64(stmt, 0);
	return r;
}

/* 1 where a program works under another name in another directory. */
static int is_portable(struct bfs_export_names *names, const struct bfs_attributes *file)
{
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	struct bfs_content content;
	int64_t id;
	int r = bfs_tree_content(names->needs->walk->tree, file->ino, &content);

	if (r == 0)
		r = bfs_export_plan_add_content(plan_of(names), &content, BFS_EXPORT_SOURCE, &id);
	if (r == 0)
		r = bfs_export_needs_facts(plan_of(names), id, &facts);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return facts.is_elf && !facts.finds_itself;
}

static int make_hard(struct bfs_export_names *names, const char *path)
{
	struct bfs_attributes file;
	int r = bfs_export_walk_stat(names->needs->walk, path, &file);

	if (r < 0 || !S_ISREG(file.mode))
		return r == -ENOENT || r == 0 ? 0 : r;
	if (strncmp(path, "bin/", 4) == 0) {
		r = is_portable(names, &file);
		if (r <= 0)
			return r;
	}
	return put_file(names, path, &file);
}

/* --- libraries that lib does not name --- */

static int note_library(
	struct bfs_export_names *names, const char *needed, const char *path, uint64_t ino)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(plan_of(names)),
		"INSERT INTO library VALUES(?1, ?2, ?3, 0) ON CONFLICT(name) DO"
		" UPDATE SET ambiguous = ambiguous OR ino <> excluded.ino",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, needed, (int)strlen(needed), SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, path, (int)strlen(path), SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, (int64_t)ino);
	return bfs_db_run(stmt);
}

static int facts_of(
	struct bfs_export_names *names, const char *path, struct bfs_export_facts *ret_facts)
{
	int64_t content;
	int r = content_of(names, path, &content);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return bfs_export_needs_facts(plan_of(names), content, ret_facts);
}

static int note_libraries_of(struct bfs_export_names *names, const char *path)
{
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	json_t *item;
	size_t i;
	int r = facts_of(names, path, &facts);

	json_array_foreach(facts.needed, i, item)
	{
		_cleanup_free_ char *library = NULL;
		const char *needed = json_string_value(item);
		struct bfs_attributes file;

		r = bfs_export_libraries_find(
			names->needs->libraries, path, &facts, needed, &library, &file);
		if (r == 0)
			r = note_library(names, needed, library, file.ino);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static int name_library(struct bfs_export_names *names, const char *needed)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_free_ char *path = bfs_path_join("lib", needed), *real = NULL;
	enum bfs_export_kind kind;
	struct bfs_attributes file;
	int r = path ? bfs_export_plan_has(plan_of(names), path, &kind) : -ENOMEM;

	if (r != 0)
		return r < 0 ? r : 0;
	r = bfs_db_prepare(bfs_export_plan_db(plan_of(names)),
		"SELECT path FROM library WHERE name=?1", &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, needed, (int)strlen(needed), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r;
	r = bfs_export_walk_name(names->needs->walk, bfs_export_plan_text(stmt, 0), &real);
	if (r == 0 && bfs_export_names_is_glibc(real))
		return 0;
	if (r == 0)
		r = bfs_export_walk_stat(names->needs->walk, real, &file);
	if (r == 0)
		r = put_file(names, path, &file);
	return r == -ENOENT ? 0 : r;
}

#define ELF_FILES                                                                                  \
	"SELECT path FROM entry JOIN content ON id=content WHERE kind=2 AND facts LIKE "           \
	"'%\"elf\":%'"

static int name_libraries(struct bfs_export_names *names)
{
	int r = bfs_db_exec(bfs_export_plan_db(plan_of(names)),
		"CREATE TABLE library(name BLOB PRIMARY KEY, path, ino, ambiguous) WITHOUT ROWID");

	if (r == 0)
		r = each_path(names, ELF_FILES, note_libraries_of);
	return r == 0 ? each_path(
				names, "SELECT name FROM library WHERE NOT ambiguous", name_library)
		      : r;
}

int bfs_export_names_arrange(struct bfs_export_names *names)
{
	int r = each_path(names,
		"SELECT path FROM entry WHERE kind=1 AND substr(target, 1, 1)=x'2f'",
		make_relative);

	if (r < 0 || !names->hard)
		return r;
	r = each_path(names,
		"SELECT path FROM entry WHERE kind=1 AND substr(path, 1, 4)"
		" IN (CAST('lib/' AS BLOB), CAST('bin/' AS BLOB))",
		make_hard);
	return r == 0 ? name_libraries(names) : r;
}

/* --- RPATH --- */

/* What an ELF file's loader finds for each library it needs, before and after. */
struct search {
	struct bfs_export_names *names;
	const char *path; /* of the file */
	const struct bfs_export_facts *facts;
	struct bfs_buffer kept; /* directories that have to stay, ":" before each */
};

/* 1 where lib has that very file, 0 where it has none of that name, -EEXIST where another. */
static int is_in_lib(struct search *search, const char *needed, uint64_t ino)
{
	_cleanup_free_ char *path = bfs_path_join("lib", needed);
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = path ? bfs_db_prepare(bfs_export_plan_db(plan_of(search->names)),
			       "SELECT kind, ino FROM entry WHERE path=?1", &stmt)
		     : -ENOMEM;

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r;
	return sqlite3_column_int(stmt, 0) == BFS_EXPORT_FILE &&
			       sqlite3_column_int64(stmt, 1) == (int64_t)ino
		       ? 1
		       : -EEXIST;
}

static bool has_directory(const char *rpath, const char *directory)
{
	size_t length = strlen(directory);

	for (const char *at = rpath; at && *at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL)
		if (strncmp(at, directory, length) == 0 && (at[length] == ':' || !at[length]))
			return true;
	return false;
}

/* Keeps the directory of the RPATH that a library not in lib was found in. */
static int keep_directory_of(struct search *search, const char *library)
{
	_cleanup_free_ char *place = bfs_path_parent(library);
	_cleanup_free_ char *directory =
		place ? bfs_path_join(search->names->needs->prefix, place) : NULL;

	if (!directory)
		return -ENOMEM;
	if (has_directory(search->kept.data ? search->kept.data + 1 : "", directory))
		return 0;
	return bfs_buffer_append_format(&search->kept, ":%s", directory);
}

/* 1 where lib may come first. */
static int look_up_needed(struct search *search)
{
	json_t *item;
	size_t i;

	json_array_foreach(search->facts->needed, i, item)
	{
		_cleanup_free_ char *library = NULL;
		const char *needed = json_string_value(item);
		struct bfs_attributes file = {0};
		int found = bfs_export_libraries_find(search->names->needs->libraries, search->path,
			search->facts, needed, &library, &file);
		int r = found < 0 && found != -ENOENT ? found : is_in_lib(search, needed, file.ino);

		if (r < 0)
			return r == -EEXIST ? 0 : r;
		if (r == 0 && found == 0 && keep_directory_of(search, library) < 0)
			return -ENOMEM;
	}
	return 1;
}

/* The directories of an RPATH but for one. */
static int append_others(struct bfs_buffer *out, const char *rpath, const char *first)
{
	int r = 0;

	for (const char *at = rpath, *end; r == 0 && *at; at = *end ? end + 1 : end) {
		size_t length;

		end = strchrnul(at, ':');
		length = (size_t)(end - at);
		if (length && (length != strlen(first) || strncmp(at, first, length) != 0))
			r = bfs_buffer_append_format(out, ":%.*s", (int)length, at);
	}
	return r;
}

/* The RPATH with lib first, or the old one where that would change anything. */
static int put_lib_first(struct search *search, struct bfs_buffer *out)
{
	const char *rpath = search->facts->rpath;
	_cleanup_free_ char *lib = bfs_path_join(search->names->needs->prefix, "lib");
	int r;

	if (!lib)
		return -ENOMEM;
	if (!search->names->hard || strstr(rpath, "ORIGIN") || !has_directory(rpath, lib))
		return bfs_buffer_append_string(out, rpath);
	r = look_up_needed(search);
	if (r <= 0)
		return r < 0 ? r : bfs_buffer_append_string(out, rpath);
	r = bfs_buffer_append_string(out, lib);
	if (r == 0 && search->facts->opens_libraries)
		return append_others(out, rpath, lib);
	if (r == 0 && search->kept.length)
		r = bfs_buffer_append(out, search->kept.data, search->kept.length);
	return r;
}

static int note_rpath(struct search *search, int64_t content, const char *rpath)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(plan_of(search->names)),
		"INSERT OR IGNORE INTO variant SELECT DISTINCT content, mode & 73 <> 0, ?2, NULL,"
		" NULL FROM entry WHERE kind=2 AND content=?1",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, content);
	sqlite3_bind_text(stmt, 2, rpath, -1, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int choose_rpath(struct bfs_export_names *names, const char *path)
{
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	_cleanup_buffer_ struct bfs_buffer rpath = BFS_BUFFER_INIT;
	struct search search = {.names = names, .path = path, .facts = &facts};
	int64_t content;
	int r = content_of(names, path, &content);

	if (r > 0)
		r = bfs_export_needs_facts(plan_of(names), content, &facts);
	if (r < 0 || !facts.is_elf || !facts.rpath || !*facts.rpath)
		return r;
	if (names->glibc && facts.is_program)
		r = bfs_buffer_append_format(&rpath, "%s/%s:", names->needs->prefix, names->glibc);
	if (r == 0)
		r = put_lib_first(&search, &rpath);
	if (r == 0 && strcmp(rpath.data, facts.rpath) != 0)
		r = note_rpath(&search, content, rpath.data);
	bfs_buffer_release(&search.kept);
	return r;
}

int bfs_export_names_choose_rpaths(struct bfs_export_names *names)
{
	if (!names->hard && !names->glibc)
		return 0;
	/* One path of each content will do: $ORIGIN, which depends on it, is left alone. */
	return each_path(names,
		"SELECT min(path) FROM entry JOIN content ON id=content WHERE kind=2 AND facts LIKE"
		" '%\"elf\":%' AND substr(path, 1, 13) <> CAST('Cellar/glibc/' AS BLOB)"
		" AND substr(path, 1, 13) <> CAST('Cellar/glibc@' AS BLOB) GROUP BY content",
		choose_rpath);
}
