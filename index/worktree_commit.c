#include "index/worktree_private.h"

#include <fcntl.h>
#include <sys/stat.h>

int bfs_worktree_visit_nodes(
	struct bfs_worktree *worktree, bfs_worktree_node_visitor *visit, void *context)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r;

	if (!worktree->snapshot)
		return -EINVAL;
	r = bfs_db_prepare(worktree->snapshot->db,
		"SELECT ino, local FROM node WHERE epoch>=?1 OR local<>0 ORDER BY ino", &stmt);
	if (r == 0)
		sqlite3_bind_int64(stmt, 1, (int64_t)worktree->epoch);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		int64_t ino = sqlite3_column_int64(stmt, 0);

		if (ino < 1 || (uint64_t)ino >= BFS_TREE_INO_LIMIT)
			return -EUCLEAN;
		r = visit(context, (uint64_t)ino, sqlite3_column_int(stmt, 1) != 0, false);
	}
	return r;
}

/* What stat(2) says of it stays as it is. */
static int become_stored(struct bfs_worktree *worktree, struct worktree_inode *inode,
	const struct bfs_content *content, int64_t object)
{
	struct stat stat;
	int r = bfs_inode_fill_stat(worktree, inode, &stat);

	if (r < 0)
		return r;
	if ((uint64_t)stat.st_size != content->size || (inode->file && inode->file->writers))
		return -ESTALE;
	inode->size = content->size;
	inode->object = object;
	inode->atime = bfs_file_time(&stat.st_atim);
	inode->mtime = bfs_file_time(&stat.st_mtim);
	inode->ctime = bfs_file_time(&stat.st_ctim);
	inode->quiet = 0;
	inode->is_local = false;
	inode->data_known = false;
	bfs_file_detach(worktree, inode);
	bfs_file_doom(worktree, inode->ino);
	bfs_inode_change(worktree, inode);
	return 0;
}

int bfs_worktree_set_stored(
	struct bfs_worktree *worktree, uint64_t ino, const struct bfs_content *content)
{
	struct worktree_inode *inode;
	int64_t object;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0 && !inode->is_local)
		r = -EINVAL;
	if (r == 0)
		r = bfs_tree_intern_content(worktree->tree, content, &object);
	if (r == 0)
		r = become_stored(worktree, inode, content, object);
	return bfs_worktree_leave_change(worktree, r);
}

static int count_bytes(struct bfs_worktree *worktree, uint64_t *ret_bytes)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	uint64_t blocks = 0;
	int r = bfs_db_prepare(worktree->tree->db, "SELECT ino FROM node WHERE local<>0", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		char name[WORKTREE_DATA_NAME_SIZE];
		struct stat st;

		bfs_file_local_name((uint64_t)sqlite3_column_int64(stmt, 0), name);
		if (fstatat(worktree->data_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			blocks += (uint64_t)st.st_blocks;
	}
	*ret_bytes = blocks * 512;
	return r;
}

int bfs_worktree_count(struct bfs_worktree *worktree, struct bfs_worktree_counts *ret_counts)
{
	struct bfs_worktree_counts counts;
	int64_t nodes, local;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = bfs_worktree_commit(worktree);
	if (r == 0)
		r = bfs_db_get_int64(worktree->tree->db, "SELECT count(*) FROM node", &nodes);
	if (r == 0)
		r = bfs_db_get_int64(
			worktree->tree->db, "SELECT count(*) FROM node WHERE local<>0", &local);
	if (r == 0)
		r = count_bytes(worktree, &counts.local_bytes);
	if (r == 0) {
		counts.nodes = (uint64_t)nodes;
		counts.local = (uint64_t)local;
		counts.changes = worktree->changes;
		counts.transactions = worktree->transactions;
		counts.syncs = worktree->syncs;
		*ret_counts = counts;
	}
	return bfs_worktree_leave(worktree, r);
}
