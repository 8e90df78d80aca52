#include "index/diff.h"

#include "lib/db.h"
#include "lib/path.h"

#include <string.h>

/* One of the two sorted tables that are read side by side. */
struct side {
	struct bfs_tree *tree;
	sqlite3_stmt *stmt;
	bool on_row; /* false once its rows have ended */
};

struct comparison {
	struct side old_side, new_side;
	int keys; /* the first columns, integers by which both are sorted */
	bfs_diff_visitor *visit;
	void *context;
	/* What to say of a row that only one side has, and of two rows with equal keys. */
	int (*only)(struct comparison *comparison, struct side *side);
	int (*both)(struct comparison *comparison);
};

static int open_side(struct side *side, const char *sql)
{
	return bfs_db_prepare(bfs_tree_db(side->tree), sql, &side->stmt);
}

static void close_side(struct side *side)
{
	sqlite3_finalize(side->stmt);
	side->stmt = NULL;
}

static int advance(struct side *side)
{
	int r = bfs_db_step(side->stmt);

	side->on_row = r > 0;
	return r < 0 ? r : 0;
}

/* Negative where the old side's row comes first, 0 where the keys are equal. A side that has ended
 * comes last. */
static int compare_keys(const struct comparison *comparison)
{
	const struct side *a = &comparison->old_side, *b = &comparison->new_side;

	if (!a->on_row || !b->on_row)
		return b->on_row ? 1 : -1;
	for (int i = 0; i < comparison->keys; i++) {
		int64_t x = sqlite3_column_int64(a->stmt, i), y = sqlite3_column_int64(b->stmt, i);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return 0;
}

static int compare_row(struct comparison *comparison)
{
	struct side *old_side = &comparison->old_side, *new_side = &comparison->new_side;
	int order = compare_keys(comparison);
	int r;

	if (order == 0)
		r = comparison->both(comparison);
	else
		r = comparison->only(comparison, order < 0 ? old_side : new_side);
	if (r == 0 && order <= 0)
		r = advance(old_side);
	if (r == 0 && order >= 0)
		r = advance(new_side);
	return r;
}

static int compare_tables(struct comparison *comparison, const char *sql)
{
	int r = open_side(&comparison->old_side, sql);

	if (r == 0)
		r = open_side(&comparison->new_side, sql);
	if (r == 0)
		r = advance(&comparison->old_side);
	if (r == 0)
		r = advance(&comparison->new_side);
	while (r == 0 && (comparison->old_side.on_row || comparison->new_side.on_row))
		r = compare_row(comparison);
	close_side(&comparison->old_side);
	close_side(&comparison->new_side);
	return r;
}

/* --- names: parent, cookie, name, ino --- */

static int report_name(
	struct comparison *comparison, enum bfs_diff_kind kind, const struct side *side)
{
	struct bfs_diff_change change = {
		.kind = kind,
		.ino = (uint64_t)sqlite3_column_int64(side->stmt, 0),
		.name = sqlite3_column_blob(side->stmt, 2),
		.length = (size_t)sqlite3_column_bytes(side->stmt, 2),
	};

	if (change.ino < 1 || change.ino >= BFS_TREE_INO_LIMIT || !change.name ||
		!bfs_name_is_valid(change.name, change.length))
		return -EUCLEAN;
	return comparison->visit(comparison->context, &change);
}

static int only_name(struct comparison *comparison, struct side *side)
{
	return report_name(comparison,
		side == &comparison->old_side ? BFS_DIFF_NAME_REMOVED : BFS_DIFF_NAME_ADDED, side);
}

static bool columns_are_equal(const struct comparison *comparison, int column)
{
	sqlite3_stmt *a = comparison->old_side.stmt, *b = comparison->new_side.stmt;
	const void *x = sqlite3_column_blob(a, column), *y = sqlite3_column_blob(b, column);
	int length = sqlite3_column_bytes(a, column);

	if (length != sqlite3_column_bytes(b, column))
		return false;
	return length == 0 || (x && y && memcmp(x, y, (size_t)length) == 0);
}

static int both_names(struct comparison *comparison)
{
	int r;

	if (!columns_are_equal(comparison, 2)) {
		/* Two names whose hashes collide took each other's cookie. */
		r = report_name(comparison, BFS_DIFF_NAME_REMOVED, &comparison->old_side);
		return r ? r : report_name(comparison, BFS_DIFF_NAME_ADDED, &comparison->new_side);
	}
	if (sqlite3_column_int64(comparison->old_side.stmt, 3) ==
		sqlite3_column_int64(comparison->new_side.stmt, 3))
		return 0;
	return report_name(comparison, BFS_DIFF_NAME_CHANGED, &comparison->new_side);
}

/* --- inodes: ino, mode, size, object, target, nlink, mtime, parent --- */

static int report_inode(struct comparison *comparison, enum bfs_diff_kind kind)
{
	struct bfs_diff_change change = {
		.kind = kind,
		.ino = (uint64_t)sqlite3_column_int64(comparison->old_side.stmt, 0),
	};

	if (change.ino < 1 || change.ino >= BFS_TREE_INO_LIMIT)
		return -EUCLEAN;
	return comparison->visit(comparison->context, &change);
}

static int only_inode(struct comparison *comparison, struct side *side)
{
	if (side == &comparison->new_side)
		return 0;
	return report_inode(comparison, BFS_DIFF_INODE_REMOVED);
}

static bool integers_are_equal(const struct comparison *comparison, int column)
{
	return sqlite3_column_int64(comparison->old_side.stmt, column) ==
	       sqlite3_column_int64(comparison->new_side.stmt, column);
}

/* Whether two regular files hold the same bytes although the trees number their contents
 * differently. */
static int compare_contents(struct comparison *comparison, bool *ret_equal)
{
	uint64_t ino = (uint64_t)sqlite3_column_int64(comparison->old_side.stmt, 0);
	struct bfs_content old_content, new_content;
	int r = bfs_tree_content(comparison->old_side.tree, ino, &old_content);

	if (r == 0)
		r = bfs_tree_content(comparison->new_side.tree, ino, &new_content);
	if (r == 0)
		*ret_equal = bfs_digest_equal(&old_content.digest, &new_content.digest);
	return r;
}

static int compare_data(struct comparison *comparison, bool *ret_equal)
{
	mode_t old_mode = (mode_t)sqlite3_column_int64(comparison->old_side.stmt, 1);
	mode_t new_mode = (mode_t)sqlite3_column_int64(comparison->new_side.stmt, 1);

	*ret_equal = (old_mode & S_IFMT) == (new_mode & S_IFMT) &&
		     integers_are_equal(comparison, 2) && columns_are_equal(comparison, 4);
	if (!*ret_equal || integers_are_equal(comparison, 3))
		return 0;
	return S_ISREG(old_mode) ? compare_contents(comparison, ret_equal) : -EUCLEAN;
}

static int both_inodes(struct comparison *comparison)
{
	bool equal;
	int r = compare_data(comparison, &equal);

	if (r < 0)
		return r;
	if (!equal)
		return report_inode(comparison, BFS_DIFF_CONTENT_CHANGED);
	if (integers_are_equal(comparison, 1) && integers_are_equal(comparison, 5) &&
		integers_are_equal(comparison, 6) && integers_are_equal(comparison, 7))
		return 0;
	return report_inode(comparison, BFS_DIFF_INODE_CHANGED);
}

int bfs_diff_trees(struct bfs_tree *old_tree, struct bfs_tree *new_tree, bfs_diff_visitor *visit,
	void *context)
{
	struct comparison comparison = {
		.old_side.tree = old_tree,
		.new_side.tree = new_tree,
		.keys = 2,
		.visit = visit,
		.context = context,
		.only = only_name,
		.both = both_names,
	};
	int r = compare_tables(&comparison,
		"SELECT parent, cookie, name, ino FROM dirent ORDER BY parent, cookie");

	if (r != 0)
		return r;
	comparison.keys = 1;
	comparison.only = only_inode;
	comparison.both = both_inodes;
	return compare_tables(&comparison,
		"SELECT ino, mode, size, object, target, nlink, mtime, parent FROM inode"
		" ORDER BY ino");
}
