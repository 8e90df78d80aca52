#include "index/check_tree.h"

#include "index/tree_private.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

#define DEPTH_MAX 1000 /* no path on EFS has more components (EFS limits) */

#define IS_DIRECTORY(inode) "(" inode ".mode & 61440)=16384"

struct tree_check {
	struct bfs_check *check;
	const struct bfs_check_origin *origin;
	struct bfs_tree *tree;
	sqlite3 *db;
};

/*
 * A query whose rows are what is wrong: an inode (or, where `find_inode` is given, an id from which
 * that query finds one), the name in it that is concerned or NULL, and what is to be said. ?1 is
 * the generation.
 */
struct rule {
	const char *what;
	const char *sql;
	const char *find_inode;
};

static const struct rule rules[] = {
	{"tree-root",
		"SELECT 1, NULL, 'the root is no directory that is its own parent' WHERE NOT EXISTS"
		" (SELECT 1 FROM inode i WHERE ino=1 AND " IS_DIRECTORY("i") " AND parent=1)",
		NULL},
	/* As bfs_tree_attributes_from_row() and bfs_tree_read_link() want them. */
	{"tree-inode",
		"SELECT ino, NULL, printf('inode %d cannot be: mode %s, links %s, size %s, time %s,"
		" object %s, parent %s, target %s', ino, quote(mode), quote(nlink), quote(size),"
		" quote(mtime), quote(object), quote(parent), typeof(target)) FROM inode"
		" WHERE NOT coalesce(ino BETWEEN 1 AND 4611686018427387903"
		" AND typeof(mode)='integer' AND typeof(nlink)='integer'"
		" AND typeof(size)='integer' AND typeof(mtime)='integer'"
		" AND typeof(object) IN ('integer', 'null') AND typeof(parent) IN ('integer', "
		"'null')"
		" AND nlink BETWEEN 1 AND 4294967295 AND mode & ~65535 = 0"
		" AND CASE mode & 61440"
		"  WHEN 16384 THEN size=0 AND object IS NULL AND target IS NULL AND parent>=1"
		"  WHEN 32768 THEN size BETWEEN 0 AND 51677046505472 AND target IS NULL"
		"   AND parent IS NULL AND (object IS NULL)=(size=0)"
		"  WHEN 40960 THEN object IS NULL AND parent IS NULL AND typeof(target)='blob'"
		"   AND length(target)=size AND size BETWEEN 1 AND 4080 AND instr(target, x'00')=0"
		"  ELSE 0 END, 0)",
		NULL},
	{"tree-name",
		"SELECT parent, name, printf('the name %s cannot be', quote(name)) FROM dirent"
		" WHERE typeof(name)<>'blob' OR length(name) NOT BETWEEN 1 AND 255"
		" OR instr(name, x'2f') OR instr(name, x'00') OR name IN (x'2e', x'2e2e')",
		NULL},
	{"tree-parent",
		"SELECT d.parent, d.name, printf('inode %d, in which it is named, is no directory',"
		" d.parent) FROM dirent d LEFT JOIN inode p ON p.ino=d.parent"
		" WHERE p.ino IS NULL OR NOT " IS_DIRECTORY("p"),
		NULL},
	{"tree-dangling",
		"SELECT d.parent, d.name, printf('it leads to inode %d, which is not there', d.ino)"
		" FROM dirent d LEFT JOIN inode i ON i.ino=d.ino WHERE i.ino IS NULL",
		NULL},
	{"tree-parent",
		"SELECT d.parent, d.name, printf('it is named in inode %d, but says that its "
		"parent is"
		" %d', d.parent, i.parent) FROM dirent d JOIN inode i ON i.ino=d.ino"
		" WHERE " IS_DIRECTORY("i") " AND (i.parent<>d.parent OR i.ino=1)",
		NULL},
	{"tree-names",
		"SELECT i.ino, NULL, printf('the directory has %d names', c.names)"
		" FROM temp.counted c JOIN inode i ON i.ino=c.ino"
		" WHERE " IS_DIRECTORY("i") " AND c.names<>1",
		NULL},
	{"tree-orphan",
		"SELECT i.ino, NULL, printf('no name leads to inode %d', i.ino)"
		" FROM inode i LEFT JOIN temp.counted c ON c.ino=i.ino"
		" WHERE c.ino IS NULL AND i.ino<>1",
		NULL},
	{"tree-unreachable",
		"SELECT i.ino, NULL, printf('the directory, inode %d, is not reachable from the "
		"root',"
		" i.ino) FROM inode i JOIN temp.counted c ON c.ino=i.ino WHERE " IS_DIRECTORY(
			"i") " AND i.ino NOT IN (SELECT ino FROM temp.reached)",
		NULL},
	{"tree-links",
		"SELECT i.ino, NULL, printf('it has %d names and the link count %d', c.names, "
		"i.nlink)"
		" FROM temp.counted c JOIN inode i ON i.ino=c.ino"
		" WHERE NOT " IS_DIRECTORY("i") " AND i.nlink<>c.names",
		NULL},
	{"tree-links",
		"SELECT i.ino, NULL, printf('it has %d sub-directories and the link count %d',"
		" coalesce(s.count, 0), i.nlink) FROM inode i"
		" LEFT JOIN temp.subdirectories s ON s.parent=i.ino"
		" WHERE " IS_DIRECTORY("i") " AND i.nlink<>2+coalesce(s.count, 0)",
		NULL},
	{"tree-content",
		"SELECT i.ino, NULL, printf('its content is row %d, which is not there', i.object)"
		" FROM inode i LEFT JOIN object o ON o.id=i.object"
		" WHERE i.object IS NOT NULL AND o.id IS NULL",
		NULL},
	{"tree-content",
		"SELECT i.ino, NULL, printf('it has %d bytes, its content %d', i.size, o.size)"
		" FROM inode i JOIN object o ON o.id=i.object WHERE o.size<>i.size",
		NULL},
	{"tree-object",
		"SELECT id, NULL, printf('content %d cannot be: digest %s, size %s, executable %s,"
		" pack %s, offset %s', id, quote(digest), quote(size), quote(executable),"
		" quote(pack), quote(offset)) FROM object WHERE NOT coalesce("
		" typeof(digest)='blob' AND length(digest)=32 AND typeof(size)='integer'"
		" AND size BETWEEN 1 AND 51677046505472 AND executable IN (0, 1)"
		" AND CASE WHEN pack IS NULL THEN offset IS NULL ELSE typeof(offset)='integer'"
		" AND offset BETWEEN 16 AND 51677046505472 AND size<65536 AND executable=0 END, 0)",
		"SELECT ino FROM inode WHERE object=?1 LIMIT 1"},
	{"tree-object",
		"SELECT o.id, NULL, printf('its content lies in pack %s, which is not there', "
		"o.pack)"
		" FROM object o LEFT JOIN pack p ON p.id=o.pack"
		" WHERE o.pack IS NOT NULL AND p.id IS NULL",
		"SELECT ino FROM inode WHERE object=?1 LIMIT 1"},
	{"tree-object",
		"SELECT id, NULL, printf('pack %d cannot be: digest %s', id, quote(digest)) FROM "
		"pack"
		" WHERE typeof(digest)<>'blob' OR length(digest)<>32",
		"SELECT ino FROM inode WHERE object IN (SELECT id FROM object WHERE pack=?1) LIMIT "
		"1"},
	{"tree-next-inode",
		"SELECT i.ino, NULL, printf('inode %d exists, but the next one to be made is %s', "
		"i.ino,"
		" v.value) FROM value v, (SELECT max(ino) AS ino FROM inode) i"
		" WHERE v.key='next_ino' AND i.ino>=v.value",
		NULL},
	{"index-log",
		"SELECT 1, NULL, printf('its log ends with generation %s, not %d',"
		" (SELECT max(number) FROM generation), ?1)"
		" WHERE ?1>0 AND ?1 IS NOT (SELECT max(number) FROM generation)",
		NULL},
	{"index-log",
		"SELECT 1, NULL, printf('the log of generation %d cannot be: index %s, size %s, "
		"time %s',"
		" number, quote(digest), quote(size), quote(time)) FROM generation"
		" WHERE number<1 OR typeof(time)<>'integer'"
		" OR (number<?1 AND (typeof(digest)<>'blob' OR length(digest)<>32"
		"  OR typeof(size)<>'integer' OR size<1))",
		NULL},
};

/* The directory and name of one of an inode's names. Names are found by directory; for a file all
 * are looked through. */
static int find_name(struct bfs_tree *tree, uint64_t ino, uint64_t *ret_parent, char **ret_name)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct bfs_attributes attributes = {0};
	const char *name;
	int r;

	if (bfs_tree_stat(tree, ino, &attributes) < 0)
		attributes.parent = 0;
	r = bfs_db_prepare(bfs_tree_db(tree),
		attributes.parent ? "SELECT parent, name FROM dirent WHERE ino=?1 AND parent=?2"
				  : "SELECT parent, name FROM dirent WHERE ino=?1 LIMIT 1",
		&stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	if (attributes.parent)
		sqlite3_bind_int64(stmt, 2, (int64_t)attributes.parent);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	*ret_parent = (uint64_t)sqlite3_column_int64(stmt, 0);
	name = sqlite3_column_blob(stmt, 1);
	*ret_name = strndup(name ? name : "", (size_t)sqlite3_column_bytes(stmt, 1));
	return *ret_name ? 0 : -ENOMEM;
}

int bfs_check_path_of(struct bfs_tree *tree, uint64_t ino, char **ret_path)
{
	_cleanup_free_ char *path = strdup("");
	uint64_t here = ino;
	unsigned depth = 0;

	while (path && here != BFS_TREE_ROOT && depth++ < DEPTH_MAX) {
		_cleanup_free_ char *name = NULL, *longer = NULL;
		int r = find_name(tree, here, &here, &name);

		if (r == -ENOENT)
			break;
		if (r < 0)
			return r;
		longer = *path ? bfs_path_join(name, path) : bfs_steal(&name);
		free(path);
		path = bfs_steal(&longer);
	}
	if (path && here != BFS_TREE_ROOT) {
		free(path);
		path = bfs_format("inode %llu", (unsigned long long)ino);
	}
	if (!path)
		return -ENOMEM;
	*ret_path = bfs_steal(&path);
	return 0;
}

/* Adds the path of an inode, or of a name in it, to a finding. */
static int affect(
	struct tree_check *tree_check, struct bfs_finding *finding, uint64_t ino, const char *name)
{
	_cleanup_free_ char *directory = NULL, *path = NULL;
	int r;

	if (!finding)
		return 0;
	r = bfs_check_path_of(tree_check->tree, ino, &directory);
	if (r < 0)
		return r;
	path = name ? bfs_path_join(directory, name) : bfs_steal(&directory);
	if (!path)
		return -ENOMEM;
	bfs_check_affect(tree_check->check, finding, tree_check->origin, path);
	return 0;
}

/* From the id of a content or pack to an inode that uses it; the root where none does. */
static int find_inode(struct tree_check *tree_check, const char *sql, int64_t id, int64_t *ret_ino)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(tree_check->db, sql, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, id);
	r = bfs_db_step(stmt);
	*ret_ino = r > 0 ? sqlite3_column_int64(stmt, 0) : BFS_TREE_ROOT;
	return r < 0 ? r : 0;
}

static int report_row(struct tree_check *tree_check, const struct rule *rule, sqlite3_stmt *stmt)
{
	int64_t ino = sqlite3_column_int64(stmt, 0);
	const char *detail = (const char *)sqlite3_column_text(stmt, 2);
	_cleanup_free_ char *name = NULL;
	struct bfs_finding *finding = bfs_check_add(tree_check->check, BFS_CHECK_PROBLEM,
		rule->what, tree_check->origin->index, "%s", detail ? detail : "");
	int r = 0;

	if (sqlite3_column_type(stmt, 1) != SQLITE_NULL) {
		const char *bytes = sqlite3_column_blob(stmt, 1);

		name = strndup(bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, 1));
		if (!name)
			return -ENOMEM;
	}
	if (finding && rule->find_inode)
		r = find_inode(tree_check, rule->find_inode, ino, &ino);
	return r < 0 ? r : affect(tree_check, finding, (uint64_t)ino, name);
}

static int apply(struct tree_check *tree_check, const struct rule *rule)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(tree_check->db, rule->sql, &stmt);

	if (r < 0)
		return r;
	if (sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, (int64_t)tree_check->origin->generation);
	while ((r = bfs_db_step(stmt)) > 0) {
		r = report_row(tree_check, rule, stmt);
		if (r < 0)
			break;
	}
	return r;
}

/* What several rules need: names by inode, sub-directories by directory, directories that the root
 * leads to. */
static int prepare_counts(sqlite3 *db)
{
	return bfs_db_exec(db,
		"PRAGMA temp_store=FILE;"
		"CREATE TEMP TABLE counted(ino INTEGER PRIMARY KEY, names INTEGER);"
		"INSERT INTO temp.counted SELECT ino, count(*) FROM dirent GROUP BY ino;"
		"CREATE TEMP TABLE subdirectories(parent INTEGER PRIMARY KEY, count INTEGER);"
		"INSERT INTO temp.subdirectories SELECT parent, count(*) FROM inode i"
		" WHERE ino<>1 AND parent IS NOT NULL AND " IS_DIRECTORY(
			"i") " GROUP BY parent;"
			     "CREATE TEMP TABLE reached(ino INTEGER PRIMARY KEY);"
			     "WITH RECURSIVE walk(ino) AS (SELECT 1 UNION SELECT d.ino FROM walk"
			     " JOIN dirent d ON d.parent=walk.ino"
			     " JOIN inode i ON i.ino=d.ino AND " IS_DIRECTORY(
				     "i") ")"
					  " INSERT INTO temp.reached SELECT ino FROM walk");
}

static int drop_counts(sqlite3 *db)
{
	return bfs_db_exec(db, "DROP TABLE temp.counted; DROP TABLE temp.subdirectories;"
			       "DROP TABLE temp.reached");
}

/* The names with the last cookies of one directory: equal names have equal hashes, and so near
 * cookies. */
struct window {
	uint64_t parent;
	size_t next;
	struct {
		size_t length;
		char name[BFS_NAME_MAX];
	} names[BFS_TREE_COOKIE_PROBES];
};

static bool is_repeated(struct window *window, uint64_t parent, const char *name, size_t length)
{
	size_t slot = window->next++ % BFS_TREE_COOKIE_PROBES;
	bool found = false;

	if (window->parent != parent)
		for (size_t i = 0; i < BFS_TREE_COOKIE_PROBES; i++)
			window->names[i].length = 0;
	window->parent = parent;
	for (size_t i = 0; i < BFS_TREE_COOKIE_PROBES; i++)
		found = found || (window->names[i].length == length &&
					 memcmp(window->names[i].name, name, length) == 0);
	window->names[slot].length = length;
	memcpy(window->names[slot].name, name, length);
	return found;
}

static int check_cookie(struct tree_check *tree_check, struct window *window, sqlite3_stmt *stmt)
{
	uint64_t parent = (uint64_t)sqlite3_column_int64(stmt, 0);
	uint64_t cookie = (uint64_t)sqlite3_column_int64(stmt, 1), hash;
	const char *bytes = sqlite3_column_blob(stmt, 2);
	size_t length = (size_t)sqlite3_column_bytes(stmt, 2);
	struct bfs_finding *finding = NULL;
	_cleanup_free_ char *name = NULL;

	if (!bytes || length > BFS_NAME_MAX) /* reported as a name that cannot be */
		return 0;
	hash = bfs_tree_cookie(bytes, length);
	name = strndup(bytes, length);
	if (!name)
		return -ENOMEM;
	if (cookie < hash || cookie - hash >= BFS_TREE_COOKIE_PROBES) {
		finding = bfs_check_add(tree_check->check, BFS_CHECK_PROBLEM, "tree-cookie",
			tree_check->origin->index,
			"its cookie is %llu, which is not among the %d from %llu on, so it is not "
			"found",
			(unsigned long long)cookie, BFS_TREE_COOKIE_PROBES,
			(unsigned long long)hash);
	} else if (is_repeated(window, parent, bytes, length)) {
		finding = bfs_check_add(tree_check->check, BFS_CHECK_PROBLEM, "tree-name",
			tree_check->origin->index, "the name is there twice");
	}
	return affect(tree_check, finding, parent, name);
}

static int check_cookies(struct tree_check *tree_check)
{
	_cleanup_free_ struct window *window = calloc(1, sizeof(*window));
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = window ? bfs_db_prepare(tree_check->db,
				 "SELECT parent, cookie, name FROM dirent ORDER BY parent, cookie",
				 &stmt)
		       : -ENOMEM;

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0)
		r = check_cookie(tree_check, window, stmt);
	return r;
}

/* SQLite's own check of pages, records and indexes. */
static int check_integrity(struct tree_check *tree_check, bool *ret_sound)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(tree_check->db, "PRAGMA integrity_check(20)", &stmt);

	*ret_sound = true;
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		if (!text || strcmp(text, "ok") == 0)
			continue;
		*ret_sound = false;
		bfs_check_add(tree_check->check, BFS_CHECK_PROBLEM, "index-corrupt",
			tree_check->origin->index, "%s", text);
	}
	return r;
}

static int run_rules(struct tree_check *tree_check)
{
	int r = prepare_counts(tree_check->db);

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(rules); i++)
		r = apply(tree_check, &rules[i]);
	if (r == 0)
		r = drop_counts(tree_check->db);
	return r == 0 ? check_cookies(tree_check) : r;
}

/*
 * The rules see, by the name of inode, a temporary table in which types that no published index has are
 * regular files, and symlinks as long as a published index may have.
 */
static int shadow_inodes(sqlite3 *db)
{
	return bfs_db_exec(db,
		"PRAGMA query_only=OFF; PRAGMA temp_store=FILE;"
		"CREATE TEMP TABLE inode(ino INTEGER PRIMARY KEY, mode INTEGER, nlink INTEGER,"
		" size INTEGER, mtime INTEGER, object INTEGER, target BLOB, parent INTEGER);"
		"INSERT INTO temp.inode SELECT ino,"
		" CASE WHEN mode & 61440 IN (4096, 8192, 24576, 49152)"
		"  THEN (mode & 4095) | 32768 ELSE mode END, nlink,"
		" CASE WHEN size BETWEEN 4081 AND 4095 AND target IS NOT NULL THEN 4080 ELSE size END,"
		" mtime, object,"
		" CASE WHEN size=length(target) AND size BETWEEN 4081 AND 4095"
		"  THEN substr(target, 1, 4080) ELSE target END, parent FROM main.inode");
}

int bfs_check_session_tree(
	struct bfs_check *check, const struct bfs_check_origin *origin, struct bfs_tree *tree)
{
	struct tree_check tree_check = {check, origin, tree, bfs_tree_db(tree)};
	bool sound = true;
	int r = check_integrity(&tree_check, &sound);

	if (r == 0 && sound)
		r = shadow_inodes(tree_check.db);
	if (r == 0 && sound)
		r = run_rules(&tree_check);
	return r;
}

int bfs_check_tree(struct bfs_check *check, const struct bfs_check_origin *origin, const char *path,
	bool quick, struct bfs_tree **ret_tree)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct tree_check tree_check = {check, origin, NULL, NULL};
	bool sound = true;
	int r = bfs_tree_open(path, BFS_TREE_READ, &tree, &error);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		bfs_check_add(check, BFS_CHECK_PROBLEM, "index-corrupt", origin->index, "%s",
			bfs_error_message(&error, r));
		return 0;
	}
	tree_check.tree = tree;
	tree_check.db = bfs_tree_db(tree);
	if (!quick)
		r = check_integrity(&tree_check, &sound);
	if (r == 0 && sound)
		r = run_rules(&tree_check);
	if (r == -EUCLEAN) {
		bfs_check_add(check, BFS_CHECK_PROBLEM, "index-corrupt", origin->index, "%s",
			sqlite3_errmsg(tree_check.db));
		return 0;
	}
	if (r == 0 && sound)
		*ret_tree = bfs_steal(&tree);
	return r;
}
