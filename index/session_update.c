#include "index/session_update.h"

#include "index/commit_view.h"
#include "index/diff.h"
#include "index/session_private.h"
#include "index/worktree_private.h"
#include "lib/db.h"
#include "lib/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

/* The old session, and the new one that will take its place. */
struct update {
	struct bfs_store *store;
	const char *name;
	struct bfs_update_result *result;
	char *path;  /* of the session */
	char *draft; /* of the new one, hidden; NULL: there is none */
	int draft_fd, lock_fd, draft_lock_fd;
	struct bfs_session *session;
	struct bfs_commit_view view;
	struct session_record record; /* of the new one */
	struct bfs_tree *base, *tree; /* its base (NULL: an empty prefix) and its working copy */
	struct bfs_merge_result merged;
};

void bfs_update_result_release(struct bfs_update_result *result)
{
	bfs_commit_conflicts_free(result->conflicts, result->conflict_count);
	*result = (struct bfs_update_result){0};
}

static void release(struct update *update)
{
	bfs_tree_close(update->base);
	bfs_tree_close(update->tree);
	bfs_commit_view_close(&update->view);
	bfs_session_close(update->session);
	bfs_merge_result_release(&update->merged);
	session_record_release(&update->record);
	if (update->draft)
		bfs_remove_tree(AT_FDCWD, update->draft);
	bfs_cleanup_close(&update->draft_fd);
	bfs_cleanup_close(&update->lock_fd);
	bfs_cleanup_close(&update->draft_lock_fd);
	free(update->draft);
	free(update->path);
}

/* --- the new session --- */

static int open_directory(const char *path, int *ret_fd)
{
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

/*
 * A session made as any other, under a name that nobody has, and then hidden: if this process dies,
 * the next one removes it.
 */
static int make_draft(struct update *update, const char *ref, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL, *name = NULL, *made = NULL, *hidden = NULL;
	uint64_t random;
	int r = bfs_session_directory(&directory, error);

	if (r < 0)
		return r;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	name = bfs_format("update-%016llx", (unsigned long long)random);
	hidden = session_hidden_path(directory, update->name, ".new");
	made = name ? bfs_format("%s/%s", directory, name) : NULL;
	if (!made || !hidden)
		return -ENOMEM;
	r = bfs_session_create(update->store, ref, name, error);
	if (r == 0 && rename(made, hidden) < 0)
		r = -errno;
	if (r < 0)
		return r;
	update->draft = bfs_steal(&hidden);
	r = open_directory(update->draft, &update->draft_fd);
	if (r == 0)
		r = session_lock(update->draft_fd, update->name, "being updated",
			&update->draft_lock_fd, error);
	return r == 0 ? session_record_read(update->draft_fd, update->name, &update->record, error)
		      : r;
}

static int open_trees(struct update *update, struct bfs_error *error)
{
	_cleanup_free_ char *index = bfs_format("%s/" SESSION_INDEX, update->draft);
	_cleanup_free_ char *base =
		bfs_format("%s/%s", update->draft, update->record.base ? update->record.base : "");
	int r = index && base ? 0 : -ENOMEM;

	if (r == 0 && update->record.base)
		r = bfs_tree_open(base, BFS_TREE_READ, &update->base, error);
	return r == 0 ? bfs_tree_open(index, BFS_TREE_SESSION, &update->tree, error) : r;
}

/* --- merging --- */

static int merge(struct update *update, enum bfs_commit_side side, struct bfs_error *error)
{
	const struct bfs_merge_order order = {.base = update->view.base,
		.ours = update->view.ours,
		.theirs = update->tree,
		.keep_local = true,
		.side = side};
	struct bfs_update_result *result = update->result;
	int r = bfs_merge_run(&order, &update->merged, error);

	result->conflicts = bfs_steal(&update->merged.conflicts);
	result->conflict_count = update->merged.conflict_count;
	update->merged.conflict_count = 0;
	if (r == -ENOTUNIQ)
		bfs_error_set(error, r, "updating", update->name,
			"%zu %s changed here and in the store, the first is %s (here: %s; there: "
			"%s)",
			result->conflict_count,
			result->conflict_count == 1 ? "path was" : "paths were",
			result->conflicts[0].path, result->conflicts[0].ours,
			result->conflicts[0].theirs);
	return r;
}

/* --- what the index of a session has beside --- */

/* Notes in the working copy what was changed in it: a commit looks at nothing else. */
static int note_change(void *context, const struct bfs_diff_change *change)
{
	struct bfs_merge_nodes *changed = context;
	struct bfs_merge_node *node;

	return bfs_merge_nodes_add(changed, change->ino, &node);
}

static int note_new(struct update *update, struct bfs_merge_nodes *changed)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(
		bfs_tree_db(update->tree), "SELECT ino FROM inode WHERE ino>=?1", &stmt);

	if (r == 0)
		sqlite3_bind_int64(stmt, 1, update->base ? (int64_t)update->base->next_ino : 1);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_merge_node *node;

		r = bfs_merge_nodes_add(changed, (uint64_t)sqlite3_column_int64(stmt, 0), &node);
	}
	return r;
}

static int insert_nodes(struct update *update, const struct bfs_merge_nodes *changed)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(update->tree),
		"INSERT OR IGNORE INTO node SELECT ino, NULL, NULL, 0, mtime, mtime, 0, 0, 0"
		" FROM inode WHERE ino=?1",
		&stmt);

	for (size_t i = 0; r == 0 && i < changed->count; i++) {
		sqlite3_bind_int64(stmt, 1, (int64_t)changed->nodes[i].ino);
		r = bfs_db_run(stmt);
	}
	return r;
}

static int mark_changed(struct update *update)
{
	_cleanup_merge_nodes_ struct bfs_merge_nodes changed = BFS_MERGE_NODES_INIT;
	int r = 0;

	if (update->base)
		r = bfs_diff_trees(update->base, update->tree, note_change, &changed);
	if (r == 0)
		r = note_new(update, &changed);
	return r == 0 ? insert_nodes(update, &changed) : r;
}

/* The data file of an inode of the old session becomes that of one of the new. */
static int link_data(struct update *update, uint64_t from, uint64_t to)
{
	char name[WORKTREE_DATA_NAME_SIZE], old_name[WORKTREE_DATA_NAME_SIZE];
	_cleanup_free_ char *old_path = NULL, *path = NULL;
	char *slash;

	old_path = bfs_format("%s/data/%s", update->path, bfs_file_local_name(from, old_name));
	path = bfs_format("%s/data/%s", update->draft, bfs_file_local_name(to, name));
	if (!old_path || !path)
		return -ENOMEM;
	slash = strrchr(path, '/');
	*slash = '\0';
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	*slash = '/';
	return link(old_path, path) < 0 ? -errno : 0;
}

/* Owner, device number, times and xattrs of a file that was changed here come along. */
static int copy_node(struct update *update, sqlite3_stmt *node_from, sqlite3_stmt *node_to,
	const struct bfs_merge_node *placed)
{
	int r;

	sqlite3_bind_int64(node_from, 1, (int64_t)placed->ino);
	r = bfs_db_step(node_from);
	if (r > 0) {
		sqlite3_bind_int64(node_to, 1, (int64_t)placed->published);
		for (int i = 0; i < 5; i++)
			sqlite3_bind_value(node_to, i + 2, sqlite3_column_value(node_from, i));
		sqlite3_bind_int(node_to, 7, placed->local);
		r = bfs_db_run(node_to);
	}
	sqlite3_reset(node_from);
	if (r == 0 && placed->local)
		r = link_data(update, placed->ino, placed->published);
	return r;
}

static int copy_xattrs(sqlite3_stmt *from, sqlite3_stmt *to, const struct bfs_merge_node *placed)
{
	int r;

	sqlite3_bind_int64(from, 1, (int64_t)placed->ino);
	while ((r = bfs_db_step(from)) > 0) {
		sqlite3_bind_int64(to, 1, (int64_t)placed->published);
		sqlite3_bind_value(to, 2, sqlite3_column_value(from, 0));
		sqlite3_bind_value(to, 3, sqlite3_column_value(from, 1));
		r = bfs_db_run(to);
		if (r < 0)
			break;
	}
	sqlite3_reset(from);
	return r;
}

static int copy_rows(struct update *update)
{
	sqlite3 *old = bfs_tree_db(update->view.ours.tree), *new_db = bfs_tree_db(update->tree);
	_cleanup_stmt_ sqlite3_stmt *node_from = NULL, *node_to = NULL;
	_cleanup_stmt_ sqlite3_stmt *xattr_from = NULL, *xattr_to = NULL;
	const struct bfs_merge_nodes *placed = &update->merged.placed;
	int r = bfs_db_prepare(
		old, "SELECT uid, gid, rdev, atime, ctime FROM node WHERE ino=?1", &node_from);

	if (r == 0)
		r = bfs_db_prepare(new_db,
			"INSERT OR REPLACE INTO node VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)",
			&node_to);
	if (r == 0)
		r = bfs_db_prepare(old, "SELECT name, value FROM xattr WHERE ino=?1", &xattr_from);
	if (r == 0)
		r = bfs_db_prepare(
			new_db, "INSERT OR REPLACE INTO xattr VALUES(?1, ?2, ?3)", &xattr_to);
	for (size_t i = 0; r == 0 && i < placed->count; i++) {
		r = copy_node(update, node_from, node_to, &placed->nodes[i]);
		if (r == 0)
			r = copy_xattrs(xattr_from, xattr_to, &placed->nodes[i]);
	}
	return r;
}

/* Names that the host made, where they still are what it made. */
static int copy_host_name(void *context, const char *path, uint64_t ino)
{
	struct update *update = context;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	const struct bfs_merge_node *placed =
		ino ? bfs_merge_nodes_find(&update->merged.placed, ino) : NULL;
	int r;

	if (ino && !placed)
		return 0;
	r = bfs_db_prepare(
		bfs_tree_db(update->tree), "INSERT OR REPLACE INTO host VALUES(?1, ?2)", &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, path, (int)strlen(path), SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, placed ? (int64_t)placed->published : 0);
	return bfs_db_run(stmt);
}

static int fill_tables(struct update *update, struct bfs_error *error)
{
	int r = bfs_tree_begin(update->tree);

	if (r < 0)
		return bfs_error_set(error, r, "updating", update->name, NULL);
	r = mark_changed(update);
	if (r == 0)
		r = copy_rows(update);
	if (r == 0)
		r = bfs_worktree_visit_host_names(update->view.worktree, copy_host_name, update);
	if (r == 0)
		r = bfs_tree_commit(update->tree);
	else
		bfs_tree_rollback(update->tree);
	return r < 0 ? bfs_error_set(error, r, "updating", update->name, NULL) : 0;
}

/* --- in its place --- */

static int sync_all(struct update *update)
{
	return syncfs(update->draft_fd) < 0 ? -errno : 0;
}

/* Where two directories cannot change places at once, one goes before the other comes. */
static int exchange(struct update *update)
{
	_cleanup_free_ char *directory = NULL, *gone = NULL;

	if (renameat2(AT_FDCWD, update->draft, AT_FDCWD, update->path, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (bfs_session_directory(&directory, NULL) < 0)
		return -ENOMEM;
	gone = session_hidden_path(directory, update->name, ".gone");
	if (!gone)
		return -ENOMEM;
	if (rename(update->path, gone) < 0 || rename(update->draft, update->path) < 0)
		return -errno;
	free(update->draft);
	update->draft = bfs_steal(&gone);
	return 0;
}

/* The draft gets the session's name, and is then the old one, to be removed. */
static int replace(struct update *update, struct bfs_error *error)
{
	int r;

	update->record.info.created = bfs_session_info(update->session)->created;
	r = session_record_write(update->draft_fd, &update->record, error);
	if (r == 0)
		r = session_keep_lock(update->session, &update->lock_fd);
	if (r < 0)
		return r;
	bfs_tree_close(bfs_steal(&update->base));
	bfs_tree_close(bfs_steal(&update->tree));
	bfs_commit_view_close(&update->view);
	bfs_worktree_thaw(bfs_session_worktree(update->session));
	bfs_session_close(bfs_steal(&update->session));
	r = sync_all(update);
	if (r == 0)
		r = exchange(update);
	if (r == 0)
		r = bfs_sync_directory(AT_FDCWD, update->path);
	return r < 0 ? bfs_error_set(error, r, "replacing the session", update->path, NULL) : 0;
}

static int run(struct update *update, enum bfs_commit_side side, struct bfs_error *error)
{
	const struct bfs_session_info *info = bfs_session_info(update->session);
	int r = bfs_commit_view_open(update->session, &update->view, error);

	if (r == 0)
		r = make_draft(update, info->ref, error);
	if (r < 0)
		return r;
	update->result->generation = update->record.info.base;
	r = open_trees(update, error);
	if (r == 0)
		r = merge(update, side, error);
	if (r == 0)
		r = fill_tables(update, error);
	return r == 0 ? replace(update, error) : r;
}

int bfs_session_update(struct bfs_store *store, const char *name, enum bfs_commit_side side,
	struct bfs_update_result *ret_result, struct bfs_error *error)
{
	struct update update = {.store = store,
		.name = name,
		.result = ret_result,
		.draft_fd = -1,
		.lock_fd = -1,
		.draft_lock_fd = -1};
	int r = session_path(name, &update.path, error);

	*ret_result = (struct bfs_update_result){0};
	if (r == 0)
		r = bfs_session_open(store, name, "being updated", &update.session, error);
	if (r == 0)
		r = bfs_worktree_freeze(bfs_session_worktree(update.session));
	if (r == 0)
		r = run(&update, side, error);
	if (update.session)
		bfs_worktree_thaw(bfs_session_worktree(update.session));
	release(&update);
	return r < 0 ? bfs_error_set(error, r, "updating", name, NULL) : 0;
}
