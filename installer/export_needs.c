#include "installer/export_needs.h"

#include "installer/export_contents.h"
#include "installer/prefix.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

/* A content whose facts are not known. */
struct unknown {
	int64_t id;
	struct bfs_digest digest;
	char *text; /* the facts, once found */
};

struct unknowns {
	struct bfs_export_needs *needs;
	struct unknown *items;
	size_t count;
};

static void unknowns_release(struct unknowns *unknowns)
{
	for (size_t i = 0; i < unknowns->count; i++)
		free(unknowns->items[i].text);
	free(unknowns->items);
}
#define _cleanup_unknowns_ BFS_CLEANUP(unknowns_release)

/* --- facts --- */

static int add_unknown(struct unknowns *unknowns, int64_t id, const struct bfs_digest *digest)
{
	struct unknown *grown;

	if (unknowns->count % 64 == 0) {
		grown = reallocarray(unknowns->items, unknowns->count + 64, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		unknowns->items = grown;
	}
	unknowns->items[unknowns->count++] = (struct unknown){.id = id, .digest = *digest};
	return 0;
}

/* In the order of the packs, so that reading goes forward. */
static int list_unknowns(struct unknowns *unknowns)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(unknowns->needs->walk->plan),
		"SELECT id, digest FROM content WHERE facts IS NULL ORDER BY pack, offset", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_digest digest;

		memcpy(digest.bytes, sqlite3_column_blob(stmt, 1), BFS_DIGEST_SIZE);
		r = add_unknown(unknowns, sqlite3_column_int64(stmt, 0), &digest);
	}
	return r;
}

/* Runs in any thread. */
static int find_facts(
	void *context, void *item, uint8_t *data, size_t length, struct bfs_error *error)
{
	struct unknowns *unknowns = context;
	struct unknown *unknown = item;
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	int r = bfs_export_facts_find(data, length, unknowns->needs->prefix, &facts);

	(void)error;
	if (r < 0)
		return r;
	unknown->text = bfs_export_facts_text(&facts);
	if (!unknown->text)
		return -ENOMEM;
	return bfs_export_cache_put_facts(unknowns->needs->cache, &unknown->digest, unknown->text);
}

static int submit(struct unknowns *unknowns, struct bfs_export_contents *contents)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < unknowns->count; i++) {
		struct unknown *unknown = &unknowns->items[i];
		enum bfs_export_store store;
		struct bfs_content content;

		r = bfs_export_cache_get_facts(
			unknowns->needs->cache, &unknown->digest, &unknown->text);
		if (r != -ENOENT)
			continue;
		r = bfs_export_plan_get_content(
			unknowns->needs->walk->plan, unknown->id, &content, &store);
		if (r == 0)
			r = bfs_export_contents_submit(contents, &content, unknown);
	}
	return r;
}

static int note_facts(const struct unknowns *unknowns)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(unknowns->needs->walk->plan),
		"UPDATE content SET facts=?2 WHERE id=?1", &stmt);

	for (size_t i = 0; r == 0 && i < unknowns->count; i++) {
		sqlite3_bind_int64(stmt, 1, unknowns->items[i].id);
		sqlite3_bind_text(stmt, 2, unknowns->items[i].text, -1, SQLITE_STATIC);
		r = bfs_db_run(stmt);
	}
	return r;
}

static int find_all_facts(struct bfs_export_needs *needs, struct bfs_error *error)
{
	_cleanup_unknowns_ struct unknowns unknowns = {.needs = needs};
	_cleanup_export_contents_ struct bfs_export_contents *contents = NULL;
	int r = list_unknowns(&unknowns), waited;

	if (r == 0)
		r = bfs_export_contents_new(needs->reader, find_facts, &unknowns, &contents);
	if (r < 0)
		return r;
	r = submit(&unknowns, contents);
	waited = bfs_export_contents_wait(contents, error);
	if (waited < 0 || r < 0)
		return waited < 0 ? waited : r;
	return note_facts(&unknowns);
}

int bfs_export_needs_facts(
	struct bfs_export_plan *plan, int64_t content, struct bfs_export_facts *ret_facts)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *text;
	int r = bfs_db_prepare(
		bfs_export_plan_db(plan), "SELECT facts FROM content WHERE id=?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, content);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	text = bfs_export_plan_text(stmt, 0);
	return text ? bfs_export_facts_parse(text, ret_facts) : -ENOENT;
}

/* --- the closure --- */

static bool is_missing(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -EXDEV || code == -ELOOP;
}

static int add_libraries(
	struct bfs_export_needs *needs, const char *path, const struct bfs_export_facts *facts)
{
	json_t *item;
	size_t i;

	json_array_foreach(facts->needed, i, item)
	{
		_cleanup_free_ char *library = NULL;
		struct bfs_attributes attributes;
		int r = bfs_export_libraries_find(needs->libraries, path, facts,
			json_string_value(item), &library, &attributes);

		if (r == 0)
			r = bfs_export_walk_name(needs->walk, library, NULL);
		if (r < 0 && !is_missing(r))
			return r;
	}
	return 0;
}

/* The interpreter needs its library of modules, which no link and no ELF file names. */
static int add_interpreter(struct bfs_export_needs *needs, const char *interpreter)
{
	_cleanup_free_ char *real = NULL, *keg = NULL;
	const char *below = bfs_path_below(interpreter, needs->prefix);
	int r = below ? bfs_export_walk_name(needs->walk, below, &real) : -ENOENT;

	if (r == 0)
		r = bfs_keg_of(real, &keg);
	if (r == 0)
		r = bfs_export_walk_below(needs->walk, keg);
	return r < 0 && !is_missing(r) ? r : 0;
}

static int add_needs_of(struct bfs_export_needs *needs, const char *path, const char *text)
{
	_cleanup_export_facts_ struct bfs_export_facts facts = {0};
	int r = bfs_export_facts_parse(text, &facts);

	if (r == 0 && facts.interpreter)
		r = add_interpreter(needs, facts.interpreter);
	if (r == 0 && facts.is_elf)
		r = add_libraries(needs, path, &facts);
	return r;
}

/* 1 and a file whose needs were not added yet; its facts, allocated. */
static int next_file(struct bfs_export_needs *needs, char **ret_path, char **ret_facts)
{
	_cleanup_stmt_ sqlite3_stmt *find = NULL, *done = NULL;
	sqlite3 *db = bfs_export_plan_db(needs->walk->plan);
	int r = bfs_db_prepare(db,
		"SELECT path, facts FROM entry JOIN content ON id=content"
		" WHERE NOT examined AND content NOT NULL AND facts NOT NULL LIMIT 1",
		&find);

	if (r == 0)
		r = bfs_db_prepare(db, "UPDATE entry SET examined=1 WHERE path=?1", &done);
	if (r == 0)
		r = bfs_db_step(find);
	if (r <= 0)
		return r;
	*ret_path = strdup(bfs_export_plan_text(find, 0));
	*ret_facts = strdup(bfs_export_plan_text(find, 1));
	if (!*ret_path || !*ret_facts)
		return -ENOMEM;
	sqlite3_reset(find);
	sqlite3_bind_blob(done, 1, *ret_path, (int)strlen(*ret_path), SQLITE_STATIC);
	r = bfs_db_run(done);
	return r < 0 ? r : 1;
}

static int examine(struct bfs_export_needs *needs)
{
	int r;

	for (;;) {
		_cleanup_free_ char *path = NULL, *facts = NULL;

		r = next_file(needs, &path, &facts);
		if (r <= 0)
			return r;
		r = add_needs_of(needs, path, facts);
		if (r < 0)
			return r;
	}
}

static int count_contents(struct bfs_export_needs *needs, int64_t *ret_count)
{
	return bfs_db_get_int64(bfs_export_plan_db(needs->walk->plan),
		"SELECT (SELECT count(*) FROM content WHERE facts IS NULL)"
		" + (SELECT count(*) FROM pending WHERE NOT done)",
		ret_count);
}

int bfs_export_needs_add(struct bfs_export_needs *needs, struct bfs_error *error)
{
	int64_t left = 1;
	int r = 0;

	while (r == 0 && left > 0) {
		if (needs->walk->closure)
			r = bfs_export_walk_links(needs->walk);
		if (r == 0)
			r = find_all_facts(needs, error);
		if (r < 0 || !needs->walk->closure)
			break;
		r = examine(needs);
		if (r == 0)
			r = count_contents(needs, &left);
	}
	return r < 0 ? bfs_error_set(error, r, "finding what the export needs", NULL, NULL) : 0;
}
