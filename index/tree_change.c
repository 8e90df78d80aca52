#include "index/tree_private.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

int bfs_tree_insert_inode(struct bfs_tree *tree, const struct bfs_attributes *attributes,
	const void *target, size_t target_length)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_INSERT_INODE, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)attributes->ino);
	sqlite3_bind_int64(stmt, 2, attributes->mode);
	sqlite3_bind_int64(stmt, 3, attributes->nlink);
	sqlite3_bind_int64(stmt, 4, (int64_t)attributes->size);
	sqlite3_bind_int64(stmt, 5, attributes->mtime);
	if (attributes->object)
		sqlite3_bind_int64(stmt, 6, attributes->object);
	if (target)
		sqlite3_bind_blob(stmt, 7, target, (int)target_length, SQLITE_STATIC);
	if (attributes->parent)
		sqlite3_bind_int64(stmt, 8, (int64_t)attributes->parent);
	return bfs_db_run(stmt);
}

/*
 * The cookie for a new name: its hash, or the next free one where other names have that. That takes 2^31 names in one
 * directory, or somebody who makes names up to collide: he gets -ENOSPC after 16.
 */
static int choose_cookie(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	uint64_t *ret_cookie)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	uint64_t first = bfs_tree_cookie(name, length), free_cookie = first;
	int r = bfs_tree_statement(tree, STMT_PROBE, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	sqlite3_bind_int64(stmt, 2, (int64_t)first);
	sqlite3_bind_int64(stmt, 3, (int64_t)first + BFS_TREE_COOKIE_PROBES - 1);
	while ((r = bfs_db_step(stmt)) > 0) {
		if ((size_t)sqlite3_column_bytes(stmt, 1) == length &&
			memcmp(sqlite3_column_blob(stmt, 1), name, length) == 0)
			return -EEXIST;
		if ((uint64_t)sqlite3_column_int64(stmt, 0) == free_cookie)
			free_cookie++;
	}
	if (r == 0 && free_cookie - first >= BFS_TREE_COOKIE_PROBES)
		return -ENOSPC;
	*ret_cookie = free_cookie;
	return r;
}

int bfs_tree_insert_dirent(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	uint64_t ino)
{
	sqlite3_stmt *stmt = NULL;
	uint64_t cookie = 0;
	int r;

	if (length > BFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!bfs_name_is_valid(name, length))
		return -EINVAL;
	r = choose_cookie(tree, parent, name, length, &cookie);
	if (r == 0)
		r = bfs_tree_statement(tree, STMT_INSERT_DIRENT, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	sqlite3_bind_int64(stmt, 2, (int64_t)cookie);
	sqlite3_bind_blob(stmt, 3, name, (int)length, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, (int64_t)ino);
	return bfs_db_run(stmt);
}

int bfs_tree_touch_directory(struct bfs_tree *tree, uint64_t ino, int subdirectories)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_TOUCH_DIRECTORY, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int(stmt, 2, subdirectories);
	sqlite3_bind_int64(stmt, 3, tree->now);
	r = bfs_db_run(stmt);
	if (r < 0)
		return r;
	return sqlite3_changes(tree->db) == 1 ? 0 : -ENOTDIR;
}

static int add_nlink(struct bfs_tree *tree, uint64_t ino, int delta)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_ADD_NLINK, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int(stmt, 2, delta);
	return bfs_db_run(stmt);
}

static int finish_change(struct bfs_tree *tree, int r)
{
	if (r == 0)
		r = bfs_tree_commit(tree);
	if (r < 0)
		bfs_tree_rollback(tree);
	return r;
}

/* A new inode and its first name, both or neither. */
static int make(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	struct bfs_attributes *attributes, const char *target, size_t target_length,
	uint64_t *ret_ino)
{
	bool directory = S_ISDIR(attributes->mode);
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_touch_directory(tree, parent, directory);
	if (r == 0)
		r = bfs_tree_allocate_ino(tree, &attributes->ino);
	if (r == 0)
		r = bfs_tree_insert_dirent(tree, parent, name, length, attributes->ino);
	if (r == 0)
		r = bfs_tree_insert_inode(tree, attributes, target, target_length);
	r = finish_change(tree, r);
	if (r == 0 && ret_ino)
		*ret_ino = attributes->ino;
	return r;
}

int bfs_tree_make_directory(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	mode_t mode, int64_t mtime, uint64_t *ret_ino)
{
	struct bfs_attributes attributes = {
		.mode = S_IFDIR | (mode & 07777), .nlink = 2, .mtime = mtime, .parent = parent};

	return make(tree, parent, name, length, &attributes, NULL, 0, ret_ino);
}

int bfs_tree_make_symlink(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	const char *target, size_t target_length, int64_t mtime, uint64_t *ret_ino)
{
	struct bfs_attributes attributes = {
		.mode = S_IFLNK | 0777, .nlink = 1, .mtime = mtime, .size = target_length};

	if (target_length == 0)
		return -ENOENT;
	if (target_length > BFS_TARGET_MAX)
		return -ENAMETOOLONG;
	if (memchr(target, '\0', target_length))
		return -EINVAL;
	return make(tree, parent, name, length, &attributes, target, target_length, ret_ino);
}

static int intern_pack(struct bfs_tree *tree, const struct bfs_digest *pack, int64_t *ret_id)
{
	_reset_stmt_ sqlite3_stmt *find = NULL;
	sqlite3_stmt *insert = NULL;
	int r = bfs_tree_statement(tree, STMT_FIND_PACK, &find);

	if (r < 0)
		return r;
	sqlite3_bind_blob(find, 1, pack->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	r = bfs_db_step(find);
	if (r < 0)
		return r;
	if (r > 0) {
		*ret_id = sqlite3_column_int64(find, 0);
		return 0;
	}
	r = bfs_tree_statement(tree, STMT_INSERT_PACK, &insert);
	if (r < 0)
		return r;
	sqlite3_bind_blob(insert, 1, pack->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	r = bfs_db_run(insert);
	*ret_id = sqlite3_last_insert_rowid(tree->db);
	return r;
}

static int insert_object(struct bfs_tree *tree, const struct bfs_content *content,
	int64_t *ret_object)
{
	sqlite3_stmt *stmt = NULL;
	int64_t pack = 0;
	int r = 0;

	if (content->packed)
		r = intern_pack(tree, &content->pack, &pack);
	if (r == 0)
		r = bfs_tree_statement(tree, STMT_INSERT_OBJECT, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, content->digest.bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, (int64_t)content->size);
	sqlite3_bind_int(stmt, 3, !content->packed && content->executable);
	if (content->packed) {
		sqlite3_bind_int64(stmt, 4, pack);
		sqlite3_bind_int64(stmt, 5, (int64_t)content->offset);
	}
	r = bfs_db_run(stmt);
	*ret_object = sqlite3_last_insert_rowid(tree->db);
	return r;
}

/* 1 and the row's id if the tree knows the content, 0 if it does not. */
static int find_object(struct bfs_tree *tree, const struct bfs_content *content, int64_t *ret_object)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, STMT_FIND_CONTENT, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, content->digest.bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	while ((r = bfs_db_step(stmt)) > 0) {
		bool packed = sqlite3_column_int(stmt, 1) != 0;

		if (packed || (sqlite3_column_int(stmt, 4) != 0) == content->executable) {
			*ret_object = sqlite3_column_int64(stmt, 0);
			return 1;
		}
	}
	return r;
}

int bfs_tree_intern_content(struct bfs_tree *tree, const struct bfs_content *content,
	int64_t *ret_object)
{
	int r;

	if (content->size == 0) {
		*ret_object = 0;
		return 0;
	}
	r = find_object(tree, content, ret_object);
	if (r != 0)
		return r < 0 ? r : 0;
	return insert_object(tree, content, ret_object);
}

int bfs_tree_make_file(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	mode_t mode, int64_t mtime, const struct bfs_content *content, uint64_t *ret_ino)
{
	struct bfs_attributes attributes = {
		.mode = S_IFREG | (mode & 07777), .nlink = 1, .mtime = mtime, .size = content->size};
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_intern_content(tree, content, &attributes.object);
	if (r == 0)
		r = make(tree, parent, name, length, &attributes, NULL, 0, ret_ino);
	return finish_change(tree, r);
}

int bfs_tree_link(struct bfs_tree *tree, uint64_t ino, uint64_t parent, const char *name,
	size_t length)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_stat(tree, ino, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		r = -EPERM;
	if (r == 0)
		r = bfs_tree_touch_directory(tree, parent, 0);
	if (r == 0)
		r = bfs_tree_insert_dirent(tree, parent, name, length, ino);
	if (r == 0)
		r = add_nlink(tree, ino, 1);
	return finish_change(tree, r);
}

static int delete_dirent(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length)
{
	_reset_stmt_ sqlite3_stmt *probe = NULL;
	sqlite3_stmt *stmt = NULL;
	uint64_t first = bfs_tree_cookie(name, length);
	int64_t cookie = 0;
	int r = bfs_tree_statement(tree, STMT_PROBE, &probe);

	if (r == 0)
		r = bfs_tree_statement(tree, STMT_DELETE_DIRENT, &stmt);
	if (r < 0)
		return r;
	sqlite3_bind_int64(probe, 1, (int64_t)parent);
	sqlite3_bind_int64(probe, 2, (int64_t)first);
	sqlite3_bind_int64(probe, 3, (int64_t)first + BFS_TREE_COOKIE_PROBES - 1);
	while (!cookie && (r = bfs_db_step(probe)) > 0)
		if ((size_t)sqlite3_column_bytes(probe, 1) == length &&
			memcmp(sqlite3_column_blob(probe, 1), name, length) == 0)
			cookie = sqlite3_column_int64(probe, 0);
	if (!cookie)
		return r < 0 ? r : -ENOENT;
	sqlite3_reset(probe);
	sqlite3_bind_int64(stmt, 1, (int64_t)parent);
	sqlite3_bind_int64(stmt, 2, cookie);
	return bfs_db_run(stmt);
}

static int run_with(struct bfs_tree *tree, enum bfs_tree_statement which, int64_t value)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, which, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, value);
	return bfs_db_run(stmt);
}

static int delete_inode(struct bfs_tree *tree, const struct bfs_attributes *attributes)
{
	int r = run_with(tree, STMT_DELETE_INODE, (int64_t)attributes->ino);

	if (r == 0 && attributes->object && !tree->session) /* which is never published itself */
		r = run_with(tree, STMT_NOTE_DROPPED, attributes->object);
	return r;
}

int bfs_tree_unlink(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_lookup(tree, parent, name, length, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		r = -EISDIR;
	if (r == 0)
		r = delete_dirent(tree, parent, name, length);
	if (r == 0)
		r = bfs_tree_touch_directory(tree, parent, 0);
	if (r == 0)
		r = attributes.nlink > 1 ? add_nlink(tree, attributes.ino, -1) :
					   delete_inode(tree, &attributes);
	return finish_change(tree, r);
}

static int refuse_entry(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	(void)context, (void)name, (void)length, (void)cookie, (void)attributes;
	return -ENOTEMPTY;
}

int bfs_tree_remove_directory(struct bfs_tree *tree, uint64_t parent, const char *name,
	size_t length)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_lookup(tree, parent, name, length, &attributes);
	if (r == 0 && !S_ISDIR(attributes.mode))
		r = -ENOTDIR;
	if (r == 0)
		r = bfs_tree_read_directory(tree, attributes.ino, 0, refuse_entry, NULL);
	if (r == 0)
		r = delete_dirent(tree, parent, name, length);
	if (r == 0)
		r = bfs_tree_touch_directory(tree, parent, -1);
	if (r == 0)
		r = delete_inode(tree, &attributes);
	return finish_change(tree, r);
}

/* -EINVAL where directory `ino` is `below` or one of its ancestors: it cannot move into itself. */
static int check_no_loop(struct bfs_tree *tree, uint64_t ino, uint64_t below)
{
	struct bfs_attributes attributes;

	for (;;) {
		int r;

		if (below == ino)
			return -EINVAL;
		if (below == BFS_TREE_ROOT)
			return 0;
		r = bfs_tree_stat(tree, below, &attributes);
		if (r < 0)
			return r;
		below = attributes.parent;
	}
}

/* Makes room for a rename onto an existing name. */
static int remove_for_rename(struct bfs_tree *tree, const struct bfs_attributes *moved,
	const struct bfs_attributes *there, uint64_t parent, const char *name, size_t length)
{
	if (S_ISDIR(moved->mode) && !S_ISDIR(there->mode))
		return -ENOTDIR;
	if (S_ISDIR(moved->mode))
		return bfs_tree_remove_directory(tree, parent, name, length);
	return bfs_tree_unlink(tree, parent, name, length);
}

static int set_column(struct bfs_tree *tree, enum bfs_tree_statement which, uint64_t ino,
	int64_t value)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_tree_statement(tree, which, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)ino);
	sqlite3_bind_int64(stmt, 2, value);
	r = bfs_db_run(stmt);
	if (r < 0)
		return r;
	return sqlite3_changes(tree->db) == 1 ? 0 : -ENOENT;
}

static int move(struct bfs_tree *tree, const struct bfs_attributes *moved, uint64_t parent,
	const char *name, size_t length, uint64_t new_parent, const char *new_name,
	size_t new_length)
{
	bool directory = S_ISDIR(moved->mode);
	int r = delete_dirent(tree, parent, name, length);

	if (r == 0)
		r = bfs_tree_insert_dirent(tree, new_parent, new_name, new_length, moved->ino);
	if (r == 0)
		r = bfs_tree_touch_directory(tree, parent, directory ? -1 : 0);
	if (r == 0)
		r = bfs_tree_touch_directory(tree, new_parent, directory ? 1 : 0);
	if (r == 0 && directory)
		r = set_column(tree, STMT_SET_PARENT, moved->ino, (int64_t)new_parent);
	return r;
}

int bfs_tree_rename(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	uint64_t new_parent, const char *new_name, size_t new_length)
{
	struct bfs_attributes moved, there;
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_lookup(tree, parent, name, length, &moved);
	if (r == 0 && S_ISDIR(moved.mode))
		r = check_no_loop(tree, moved.ino, new_parent);
	if (r < 0)
		return finish_change(tree, r);
	r = bfs_tree_lookup(tree, new_parent, new_name, new_length, &there);
	if (r == 0 && there.ino == moved.ino) /* two names of one file: rename(2) does nothing */
		return finish_change(tree, 0);
	if (r == 0)
		r = remove_for_rename(tree, &moved, &there, new_parent, new_name, new_length);
	else if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = move(tree, &moved, parent, name, length, new_parent, new_name, new_length);
	return finish_change(tree, r);
}

int bfs_tree_set_mode(struct bfs_tree *tree, uint64_t ino, mode_t mode)
{
	struct bfs_attributes attributes;
	int r = tree->writable ? bfs_tree_stat(tree, ino, &attributes) : -EROFS;

	if (r < 0)
		return r;
	return set_column(tree, STMT_SET_MODE, ino, (attributes.mode & S_IFMT) | (mode & 07777));
}

int bfs_tree_set_mtime(struct bfs_tree *tree, uint64_t ino, int64_t mtime)
{
	return tree->writable ? set_column(tree, STMT_SET_MTIME, ino, mtime) : -EROFS;
}

/* Empties a directory, depth first; deep trees recurse once a level, at most EFS's 1,000. */
static int remove_entries(struct bfs_tree *tree, uint64_t ino)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(tree, ino, &names);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = bfs_tree_remove(tree, ino, names[i], strlen(names[i]));
	return r;
}

int bfs_tree_remove(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_begin(tree);

	if (r < 0)
		return r;
	r = bfs_tree_lookup(tree, parent, name, length, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode)) {
		r = remove_entries(tree, attributes.ino);
		if (r == 0)
			r = bfs_tree_remove_directory(tree, parent, name, length);
	} else if (r == 0) {
		r = bfs_tree_unlink(tree, parent, name, length);
	} else if (r == -ENOENT) {
		r = 0;
	}
	return finish_change(tree, r);
}

int bfs_tree_rename_pack(struct bfs_tree *tree, const struct bfs_digest *provisional,
	const struct bfs_digest *final_name)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(tree->db, "UPDATE pack SET digest=?2 WHERE digest=?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_blob(stmt, 1, provisional->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, final_name->bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int vacuum_into(struct bfs_tree *tree, const char *path)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(tree->db, "VACUUM INTO ?1", &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
	return bfs_db_run(stmt);
}

static int forget_dropped(struct bfs_tree *tree)
{
	int64_t count;
	int r = bfs_db_get_int64(tree->db, "SELECT count(*) FROM temp.dropped", &count);

	if (r < 0 || count == 0)
		return r;
	r = bfs_db_exec(tree->db,
		"DELETE FROM temp.dropped WHERE object IN"
		" (SELECT object FROM inode WHERE object IN (SELECT object FROM temp.dropped));"
		"DELETE FROM object WHERE id IN (SELECT object FROM temp.dropped)");
	if (r == 0 && sqlite3_changes(tree->db))
		r = bfs_db_exec(tree->db, "DELETE FROM pack WHERE id NOT IN"
					  " (SELECT pack FROM object WHERE pack IS NOT NULL)");
	return r < 0 ? r : bfs_db_exec(tree->db, "DELETE FROM temp.dropped");
}

int bfs_tree_settle(struct bfs_tree *tree, struct bfs_error *error)
{
	int r = bfs_tree_save_next_ino(tree);

	if (r == 0)
		r = forget_dropped(tree);
	return r < 0 ? bfs_error_set(error, r, "finishing the index", NULL, "%s",
			       sqlite3_errmsg(tree->db)) :
		       0;
}

int bfs_tree_write_copy(struct bfs_tree *tree, const char *path, struct bfs_error *error)
{
	int r = tree->writable ? bfs_tree_save_next_ino(tree) : 0;

	if (r == 0 && tree->writable)
		r = bfs_db_exec(tree->db,
			"DELETE FROM object WHERE id NOT IN"
			" (SELECT object FROM inode WHERE object IS NOT NULL);"
			"DELETE FROM pack WHERE id NOT IN"
			" (SELECT pack FROM object WHERE pack IS NOT NULL)");
	if (r == 0)
		r = vacuum_into(tree, path);
	if (r < 0)
		return bfs_error_set(error, r, "writing the index", path, "%s",
			sqlite3_errmsg(tree->db));
	return 0;
}
