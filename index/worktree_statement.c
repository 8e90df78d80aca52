#include "index/worktree_private.h"

#define INODE "i.ino, i.mode, i.nlink, i.size, i.mtime, i.parent, i.object"
#define NODE  "n.ino, n.uid, n.gid, n.rdev, n.atime, n.ctime, n.local, n.quiet"

static const char *const texts[WORKTREE_STATEMENTS] = {
	[WORKTREE_BEGIN] = "BEGIN IMMEDIATE",
	[WORKTREE_COMMIT] = "COMMIT",
	[WORKTREE_SAVE_NEXT_INO] = "UPDATE value SET value=?1 WHERE key='next_ino'",
	[WORKTREE_SAVE_EPOCH] = "INSERT OR REPLACE INTO value VALUES('session_epoch', ?1)",
	[WORKTREE_FIND_NAME] = "SELECT cookie, name, ino FROM dirent"
			       " WHERE parent=?1 AND cookie BETWEEN ?2 AND ?3 ORDER BY cookie",
	[WORKTREE_ANY_NAME] = "SELECT 1 FROM dirent WHERE parent=?1 LIMIT 1",
	[WORKTREE_INSERT_NAME] = "INSERT INTO dirent VALUES(?1, ?2, ?3, ?4)",
	[WORKTREE_DELETE_NAME] = "DELETE FROM dirent WHERE parent=?1 AND cookie=?2",
	[WORKTREE_SET_NAME] = "UPDATE dirent SET ino=?3 WHERE parent=?1 AND cookie=?2",
	[WORKTREE_LOAD] = "SELECT " INODE ", " NODE
			  " FROM inode i LEFT JOIN node n ON n.ino=i.ino WHERE i.ino=?1",
	[WORKTREE_READ_DIRECTORY] = "SELECT d.name, d.cookie, d.ino, " INODE ", " NODE
				    " FROM dirent d LEFT JOIN inode i ON i.ino=d.ino"
				    " LEFT JOIN node n ON n.ino=d.ino"
				    " WHERE d.parent=?1 AND d.cookie>?2 ORDER BY d.cookie",
	[WORKTREE_TARGET] = "SELECT target FROM inode WHERE ino=?1",
	[WORKTREE_CONTENT] = "SELECT o.digest, o.size, o.executable, p.digest, o.offset"
			     " FROM object o LEFT JOIN pack p ON p.id=o.pack WHERE o.id=?1",
	[WORKTREE_INSERT_INODE] =
		"INSERT OR REPLACE INTO inode VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?8, ?7)",
	[WORKTREE_UPDATE_INODE] = "UPDATE inode SET mode=?2, nlink=?3, size=?4, mtime=?5,"
				  " object=?6, parent=?7 WHERE ino=?1",
	[WORKTREE_DELETE_INODE] = "DELETE FROM inode WHERE ino=?1",
	[WORKTREE_WRITE_NODE] =
		"INSERT OR REPLACE INTO node VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[WORKTREE_DELETE_NODE] = "DELETE FROM node WHERE ino=?1",
	[WORKTREE_GET_XATTR] = "SELECT value FROM xattr WHERE ino=?1 AND name=?2",
	[WORKTREE_LIST_XATTRS] = "SELECT name FROM xattr WHERE ino=?1 ORDER BY name",
	[WORKTREE_WRITE_XATTR] = "INSERT OR REPLACE INTO xattr VALUES(?1, ?2, ?3)",
	[WORKTREE_DELETE_XATTR] = "DELETE FROM xattr WHERE ino=?1 AND name=?2",
	[WORKTREE_DELETE_XATTRS] = "DELETE FROM xattr WHERE ino=?1",
};

int bfs_worktree_statement(
	struct bfs_worktree *worktree, enum worktree_statement which, sqlite3_stmt **ret_stmt)
{
	if (!worktree->statements[which]) {
		int r = bfs_db_prepare(
			worktree->tree->db, texts[which], &worktree->statements[which]);

		if (r < 0)
			return r;
	}
	*ret_stmt = worktree->statements[which];
	return 0;
}

int bfs_worktree_run(struct bfs_worktree *worktree, enum worktree_statement which, uint64_t number)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, which, &stmt);

	if (r < 0)
		return r;
	if (sqlite3_bind_parameter_count(stmt))
		sqlite3_bind_int64(stmt, 1, (int64_t)number);
	return bfs_db_run(stmt);
}
