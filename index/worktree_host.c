#include "index/worktree_private.h"

#include "lib/path.h"

#include <string.h>

static int run_with_path(
	struct bfs_worktree *worktree, const char *sql, const char *path, uint64_t ino)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(worktree->tree->db, sql, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		sqlite3_bind_int64(stmt, 2, (int64_t)ino);
	return bfs_db_run(stmt);
}

int bfs_worktree_set_host_name(struct bfs_worktree *worktree, const char *path, uint64_t ino)
{
	int r;

	if (!bfs_path_is_clean(path))
		return -EINVAL;
	if (ino >= BFS_TREE_INO_LIMIT && ino != UINT64_MAX)
		return -EINVAL;
	r = bfs_worktree_enter_change(worktree);
	if (r < 0)
		return r;
	r = ino == UINT64_MAX ? run_with_path(worktree, "DELETE FROM host WHERE path=?1", path, 0)
			      : run_with_path(worktree,
					"INSERT OR REPLACE INTO host VALUES(?1, ?2)", path, ino);
	return bfs_worktree_leave_change(worktree, r);
}

/* One row at a time, so that the visitor may change them. */
static int next_path(
	struct bfs_worktree *worktree, const char *after, char **ret_path, uint64_t *ret_ino)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const char *path;
	int r = bfs_db_prepare(worktree->tree->db,
		"SELECT path, ino FROM host WHERE path>?1 ORDER BY path LIMIT 1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, after, (int)strlen(after), SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	path = sqlite3_column_blob(stmt, 0);
	*ret_ino = (uint64_t)sqlite3_column_int64(stmt, 1);
	*ret_path = strndup(path ? path : "", (size_t)sqlite3_column_bytes(stmt, 0));
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_worktree_visit_host_names(
	struct bfs_worktree *worktree, bfs_worktree_host_visitor *visit, void *context)
{
	_cleanup_free_ char *after = strdup("");
	int r = after ? 0 : -ENOMEM;

	while (r == 0) {
		char *path = NULL;
		uint64_t ino;

		r = bfs_worktree_enter(worktree);
		if (r < 0)
			return r;
		r = next_path(worktree, after, &path, &ino);
		bfs_worktree_leave(worktree, r);
		if (r < 0)
			break;
		r = visit(context, path, ino);
		free(after);
		after = path;
	}
	return r == -ENOENT ? 0 : r;
}
