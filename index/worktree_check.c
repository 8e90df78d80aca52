#include "index/worktree_private.h"

#include "index/check_tree.h"
#include "lib/file.h"

#include <fcntl.h>

/* Rows whose first column is an inode number that should not be there. */
static const struct {
	const char *sql;
	const char *what;
} rules[] = {
	{"SELECT ino FROM node WHERE ino NOT IN (SELECT ino FROM inode)",
		"has a node and no inode row"},
	{"SELECT ino FROM xattr WHERE ino NOT IN (SELECT ino FROM inode)",
		"has extended attributes and no inode row"},
	{"SELECT i.ino FROM node n JOIN inode i ON i.ino=n.ino WHERE n.local<>0"
	 " AND ((i.mode & 61440)<>32768 OR i.object IS NOT NULL OR i.size<>0)",
		"has local content and another one"},
	{"SELECT i.ino FROM inode i LEFT JOIN node n ON n.ino=i.ino"
	 " WHERE (i.mode & 61440) IN (4096, 8192, 24576, 49152) AND n.ino IS NULL",
		"is of a type that is only made in sessions, and has no node"},
};

static int report(struct bfs_error *error, const char *path, uint64_t ino, const char *what)
{
	return bfs_error_set(error, -EUCLEAN, "checking the session", path, "inode %llu %s",
		(unsigned long long)ino, what);
}

static int check_rules(sqlite3 *db, const char *path, struct bfs_error *error)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(rules); i++) {
		int64_t ino;
		int r = bfs_db_get_int64(db, rules[i].sql, &ino);

		if (r == 0)
			return report(error, path, (uint64_t)ino, rules[i].what);
		if (r != -ENOENT)
			return bfs_error_set(
				error, r, "checking the session", path, "%s", sqlite3_errmsg(db));
	}
	return 0;
}

/* Every local content is there. */
static int check_data(struct bfs_worktree *worktree, sqlite3 *db, struct bfs_error *error)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db, "SELECT ino FROM node WHERE local<>0", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		uint64_t ino = (uint64_t)sqlite3_column_int64(stmt, 0);
		char name[WORKTREE_DATA_NAME_SIZE];
		struct stat st;

		if (fstatat(worktree->data_fd, bfs_file_local_name(ino, name), &st,
			    AT_SYMLINK_NOFOLLOW) < 0)
			return report(
				error, worktree->directory, ino, "has lost its local content");
		if (!S_ISREG(st.st_mode))
			return report(error, worktree->directory, ino,
				"has a local content that is no file");
	}
	return r < 0 ? bfs_error_set(error, r, "checking the session", worktree->directory, NULL)
		     : 0;
}

static int check_tree(struct bfs_tree *tree, const char *path, struct bfs_error *error)
{
	const struct bfs_check_origin origin = {.index = path};
	_cleanup_check_ struct bfs_check *check = NULL;
	const struct bfs_finding *finding;
	int r = bfs_check_new(&check);

	if (r == 0)
		r = bfs_check_session_tree(check, &origin, tree);
	if (r == 0)
		r = bfs_check_error(check);
	if (r < 0)
		return bfs_error_set(
			error, r, "checking the session", path, "%s", sqlite3_errmsg(tree->db));
	finding = bfs_check_findings(check);
	if (!finding)
		return 0;
	return bfs_error_set(error, -EUCLEAN, "checking the session",
		finding->affected ? finding->affected->path : path, "%s (%s)", finding->detail,
		finding->what);
}

int bfs_worktree_check(struct bfs_worktree *worktree, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/index.sqlite", worktree->directory);
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = path ? bfs_worktree_enter(worktree) : -ENOMEM;

	if (r == 0)
		r = bfs_worktree_leave(worktree, bfs_worktree_commit(worktree));
	if (r < 0)
		return bfs_error_set(error, r, "checking the session", path, NULL);
	r = bfs_tree_open(path, BFS_TREE_SESSION_READ, &tree, error);
	if (r == 0)
		r = check_rules(tree->db, path, error);
	if (r == 0)
		r = check_data(worktree, tree->db, error);
	return r < 0 ? r : check_tree(tree, path, error);
}
