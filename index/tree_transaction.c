#include "index/tree_private.h"

#include <stdio.h>

int bfs_tree_save_next_ino(struct bfs_tree *tree)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r;

	if (tree->next_ino == tree->saved_next_ino)
		return 0;
	r = bfs_db_prepare(tree->db, "UPDATE value SET value=?1 WHERE key='next_ino'", &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)tree->next_ino);
	r = bfs_db_run(stmt);
	if (r == 0)
		tree->saved_next_ino = tree->next_ino;
	return r;
}

static int run_savepoint(struct bfs_tree *tree, const char *verb, unsigned level)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "%s level%u", verb, level);
	return bfs_db_exec(tree->db, sql);
}

/* The same for the frequent ones, with statements that are kept. `which`: 0 SAVEPOINT, 1 RELEASE. */
static int run_kept(struct bfs_tree *tree, int which, unsigned level)
{
	static const char *const verbs[] = {"SAVEPOINT", "RELEASE"};
	char sql[64];

	if (level >= BFS_TREE_KEPT_LEVELS)
		return run_savepoint(tree, verbs[which], level);
	if (!tree->savepoints[which][level]) {
		int r;

		snprintf(sql, sizeof(sql), "%s level%u", verbs[which], level);
		r = bfs_db_prepare(tree->db, sql, &tree->savepoints[which][level]);
		if (r < 0)
			return r;
	}
	return bfs_db_run(tree->savepoints[which][level]);
}

int bfs_tree_begin(struct bfs_tree *tree)
{
	int r = tree->writable ? run_kept(tree, 0, tree->depth) : -EROFS;

	if (r == 0)
		tree->depth++;
	return r;
}

int bfs_tree_commit(struct bfs_tree *tree)
{
	int r = 0;

	if (tree->depth == 1)
		r = bfs_tree_save_next_ino(tree);
	if (r == 0)
		r = run_kept(tree, 1, tree->depth - 1);
	if (r == 0)
		tree->depth--;
	return r;
}

void bfs_tree_rollback(struct bfs_tree *tree)
{
	if (tree->depth == 0)
		return;
	tree->depth--;
	run_savepoint(tree, "ROLLBACK TO", tree->depth);
	run_savepoint(tree, "RELEASE", tree->depth);
	/* What was saved inside is undone, but numbers that were seen must not come again. */
	tree->saved_next_ino = 0;
}

int bfs_tree_allocate_ino(struct bfs_tree *tree, uint64_t *ret_ino)
{
	if (tree->next_ino >= BFS_TREE_INO_LIMIT)
		return -ENOSPC;
	*ret_ino = tree->next_ino++;
	return tree->depth ? 0 : bfs_tree_save_next_ino(tree);
}
