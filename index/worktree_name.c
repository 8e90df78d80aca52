#include "index/worktree_private.h"

#include "lib/path.h"

#include <limits.h>
#include <string.h>

/* What a name leads to, or where it would be. */
struct place {
	struct worktree_inode *directory;
	const char *name;
	size_t length;
	uint64_t cookie;	      /* of the name, or for it; 0: it can have none */
	struct worktree_inode *inode; /* NULL where there is no such name */
};

/* Cookie and inode number of a name; or the first free cookie for it, and number 0. */
static int find_name(struct bfs_worktree *worktree, struct place *place, uint64_t *ret_ino)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	uint64_t first = bfs_tree_cookie(place->name, place->length), unused = first;
	int r = bfs_worktree_statement(worktree, WORKTREE_FIND_NAME, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)place->directory->ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)first);
	sqlite3_bind_int64(stmt, 3, (int64_t)first + BFS_TREE_COOKIE_PROBES - 1);
	while ((r = bfs_db_step(stmt)) > 0) {
		uint64_t cookie = (uint64_t)sqlite3_column_int64(stmt, 0);

		if ((size_t)sqlite3_column_bytes(stmt, 1) == place->length &&
			memcmp(sqlite3_column_blob(stmt, 1), place->name, place->length) == 0) {
			place->cookie = cookie;
			*ret_ino = (uint64_t)sqlite3_column_int64(stmt, 2);
			return 0;
		}
		if (cookie == unused)
			unused++;
	}
	place->cookie = unused - first < BFS_TREE_COOKIE_PROBES ? unused : 0;
	*ret_ino = 0;
	return r;
}

static int locate(struct bfs_worktree *worktree, uint64_t parent, const char *name, size_t length,
	struct place *ret_place)
{
	struct place place = {.name = name, .length = length};
	uint64_t ino;
	int r;

	if (length > BFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (!bfs_name_is_valid(name, length))
		return -EINVAL;
	r = bfs_inode_get_directory(worktree, parent, &place.directory);
	if (r == 0)
		r = find_name(worktree, &place, &ino);
	if (r == 0 && ino) {
		r = bfs_inode_get(worktree, ino, &place.inode);
		r = r == -ENOENT ? -EUCLEAN : r;
	}
	if (r == 0)
		*ret_place = place;
	return r;
}

static int locate_existing(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, struct place *ret_place)
{
	int r = locate(worktree, parent, name, length, ret_place);

	return r == 0 && !ret_place->inode ? -ENOENT : r;
}

/* For a name that is to be made: its directory must be there still, and have room. */
static int check_room(const struct place *place)
{
	if (place->directory->is_orphan)
		return -ENOENT;
	return place->cookie ? 0 : -ENOSPC;
}

static int locate_new(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, struct place *ret_place)
{
	int r = locate(worktree, parent, name, length, ret_place);

	if (r == 0 && ret_place->inode)
		return -EEXIST;
	return r < 0 ? r : check_room(ret_place);
}

static int insert_name(struct bfs_worktree *worktree, const struct place *place, uint64_t ino)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_INSERT_NAME, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)place->directory->ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)place->cookie);
	sqlite3_bind_blob(stmt, 3, place->name, (int)place->length, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, (int64_t)ino);
	r = bfs_db_run(stmt);
	if (r == 0 && worktree->names >= 0)
		worktree->names++;
	return r;
}

static int set_name(struct bfs_worktree *worktree, const struct place *place, uint64_t ino)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_SET_NAME, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)place->directory->ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)place->cookie);
	sqlite3_bind_int64(stmt, 3, (int64_t)ino);
	return bfs_db_run(stmt);
}

static int delete_name(struct bfs_worktree *worktree, const struct place *place)
{
	sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_DELETE_NAME, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)place->directory->ino);
	sqlite3_bind_int64(stmt, 2, (int64_t)place->cookie);
	r = bfs_db_run(stmt);
	if (r == 0 && worktree->names >= 0)
		worktree->names--;
	return r;
}

/* A name came, went, or leads elsewhere. */
static void touch_directory(struct bfs_worktree *worktree, struct worktree_inode *directory)
{
	directory->mtime = directory->ctime = bfs_worktree_now(worktree);
	bfs_inode_change(worktree, directory);
}

static void touch(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->ctime = bfs_worktree_now(worktree);
	bfs_inode_change(worktree, inode);
}

int bfs_worktree_lookup(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, struct stat *ret_stat)
{
	struct place place;
	int r = bfs_worktree_enter(worktree);

	if (r < 0)
		return r;
	r = locate_existing(worktree, parent, name, length, &place);
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, place.inode, ret_stat);
	return bfs_worktree_leave(worktree, r);
}

/* --- making --- */

struct recipe {
	const struct bfs_maker *maker;
	mode_t mode;
	dev_t rdev;
	const char *target;
};

static int make_inode(struct bfs_worktree *worktree, const struct recipe *recipe,
	const struct worktree_inode *directory, struct worktree_inode **ret_inode)
{
	int r = bfs_inode_new(
		worktree, recipe->maker, directory, recipe->mode, recipe->target, ret_inode);

	if (r == 0)
		(*ret_inode)->rdev = recipe->rdev;
	return r;
}

/* What was just made, and has no name after all. */
static void unmake_inode(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	inode->is_released = true;
	bfs_inode_settle(worktree, inode);
}

static int give_first_name(
	struct bfs_worktree *worktree, const struct place *place, struct worktree_inode *inode)
{
	struct worktree_inode *directory = place->directory;
	int r = insert_name(worktree, place, inode->ino);

	if (r < 0)
		return r;
	inode->is_orphan = inode->is_anonymous = false;
	inode->nlink = 1;
	if (S_ISDIR(inode->mode)) {
		inode->nlink = 2;
		inode->parent = directory->ino;
		directory->nlink++;
	}
	touch_directory(worktree, directory);
	return 0;
}

static int make(struct bfs_worktree *worktree, const struct recipe *recipe, uint64_t parent,
	const char *name, size_t length, struct stat *ret_stat)
{
	struct worktree_inode *inode = NULL;
	struct place place;
	int r = bfs_worktree_enter_growth(worktree);

	if (r < 0)
		return r;
	r = locate_new(worktree, parent, name, length, &place);
	if (r == 0 && S_ISDIR(recipe->mode) && place.directory->nlink == UINT32_MAX)
		r = -EMLINK;
	if (r == 0)
		r = make_inode(worktree, recipe, place.directory, &inode);
	if (r == 0) {
		r = give_first_name(worktree, &place, inode);
		if (r < 0)
			unmake_inode(worktree, inode);
	}
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, inode, ret_stat);
	return bfs_worktree_leave_change(worktree, r);
}

int bfs_worktree_make_node(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, mode_t mode, dev_t rdev,
	struct stat *ret_stat)
{
	struct recipe recipe = {maker, mode & (S_IFMT | 07777), 0, NULL};

	switch (mode & S_IFMT) {
	case 0: /* mknod(2): a regular file */
		recipe.mode |= S_IFREG;
		break;
	case S_IFCHR:
	case S_IFBLK:
		recipe.rdev = rdev;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	default:
		return S_ISDIR(mode) ? -EPERM : -EINVAL;
	}
	return make(worktree, &recipe, parent, name, length, ret_stat);
}

int bfs_worktree_make_directory(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, mode_t mode, struct stat *ret_stat)
{
	struct recipe recipe = {maker, S_IFDIR | (mode & 07777), 0, NULL};

	return make(worktree, &recipe, parent, name, length, ret_stat);
}

int bfs_worktree_make_symlink(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, const char *target, struct stat *ret_stat)
{
	struct recipe recipe = {maker, S_IFLNK | 0777, 0, target};

	if (!*target)
		return -ENOENT;
	if (strlen(target) >= PATH_MAX)
		return -ENAMETOOLONG;
	return make(worktree, &recipe, parent, name, length, ret_stat);
}

int bfs_worktree_make_anonymous(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t directory, mode_t mode, struct stat *ret_stat)
{
	struct recipe recipe = {maker, S_IFREG | (mode & 07777), 0, NULL};
	struct worktree_inode *parent, *inode;
	int r = bfs_worktree_enter_growth(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get_directory(worktree, directory, &parent);
	if (r == 0 && parent->is_orphan)
		r = -ENOENT;
	if (r == 0)
		r = make_inode(worktree, &recipe, parent, &inode);
	if (r == 0) {
		inode->is_anonymous = true;
		r = bfs_inode_fill_stat(worktree, inode, ret_stat);
	}
	return bfs_worktree_leave_change(worktree, r);
}

/* --- linking and unlinking --- */

static int check_linkable(const struct worktree_inode *inode)
{
	if (S_ISDIR(inode->mode))
		return -EPERM;
	if (inode->is_orphan && !inode->is_anonymous)
		return -ENOENT;
	return inode->nlink == UINT32_MAX ? -EMLINK : 0;
}

static int link_inode(
	struct bfs_worktree *worktree, const struct place *place, struct worktree_inode *inode)
{
	int r;

	if (inode->is_orphan) {
		r = give_first_name(worktree, place, inode);
	} else {
		r = insert_name(worktree, place, inode->ino);
		if (r == 0) {
			inode->nlink++;
			touch_directory(worktree, place->directory);
		}
	}
	if (r == 0)
		touch(worktree, inode);
	return r;
}

int bfs_worktree_link(struct bfs_worktree *worktree, uint64_t ino, uint64_t parent,
	const char *name, size_t length, struct stat *ret_stat)
{
	struct worktree_inode *inode;
	struct place place;
	int r = bfs_worktree_enter_growth(worktree);

	if (r < 0)
		return r;
	r = bfs_inode_get(worktree, ino, &inode);
	if (r == 0)
		r = locate_new(worktree, parent, name, length, &place);
	if (r == 0)
		r = check_linkable(inode);
	if (r == 0)
		r = link_inode(worktree, &place, inode);
	if (r == 0)
		r = bfs_inode_fill_stat(worktree, inode, ret_stat);
	return bfs_worktree_leave_change(worktree, r);
}

/* One name fewer; the name itself is gone already. */
static void lose_name(struct bfs_worktree *worktree, struct worktree_inode *directory,
	struct worktree_inode *inode)
{
	if (S_ISDIR(inode->mode)) {
		directory->nlink--;
		bfs_inode_orphan(worktree, inode);
	} else if (inode->nlink <= 1) {
		bfs_inode_orphan(worktree, inode);
	} else {
		inode->nlink--;
	}
	touch(worktree, inode);
}

int bfs_worktree_unlink(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t *ret_ino)
{
	struct place place;
	int r = bfs_worktree_enter_change(worktree);

	if (r < 0)
		return r;
	r = locate_existing(worktree, parent, name, length, &place);
	if (r == 0 && S_ISDIR(place.inode->mode))
		r = -EISDIR;
	if (r == 0)
		r = delete_name(worktree, &place);
	if (r == 0) {
		touch_directory(worktree, place.directory);
		lose_name(worktree, place.directory, place.inode);
		if (ret_ino)
			*ret_ino = place.inode->ino;
	}
	return bfs_worktree_leave_change(worktree, r);
}

static int check_empty(struct bfs_worktree *worktree, const struct worktree_inode *directory)
{
	_reset_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_worktree_statement(worktree, WORKTREE_ANY_NAME, &stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)directory->ino);
	r = bfs_db_step(stmt);
	return r > 0 ? -ENOTEMPTY : r;
}

int bfs_worktree_remove_directory(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t *ret_ino)
{
	struct place place;
	int r = bfs_worktree_enter_change(worktree);

	if (r < 0)
		return r;
	r = locate_existing(worktree, parent, name, length, &place);
	if (r == 0)
		r = S_ISDIR(place.inode->mode) ? check_empty(worktree, place.inode) : -ENOTDIR;
	if (r == 0)
		r = delete_name(worktree, &place);
	if (r == 0) {
		touch_directory(worktree, place.directory);
		lose_name(worktree, place.directory, place.inode);
		if (ret_ino)
			*ret_ino = place.inode->ino;
	}
	return bfs_worktree_leave_change(worktree, r);
}

void bfs_worktree_release(struct bfs_worktree *worktree, uint64_t ino)
{
	struct worktree_inode *inode;

	pthread_mutex_lock(&worktree->lock);
	inode = bfs_inode_find(worktree, ino); /* an orphan is in memory */
	if (inode && inode->is_orphan) {
		inode->is_released = true;
		bfs_inode_settle(worktree, inode);
		if (worktree->doomed.count && worktree->pending++ == 0)
			pthread_cond_signal(&worktree->wake);
	}
	pthread_mutex_unlock(&worktree->lock);
}

/* --- renaming --- */

/* -EINVAL where directory `inode` is `below` or lies above it: it cannot move into itself. */
static int check_no_loop(struct bfs_worktree *worktree, const struct worktree_inode *inode,
	const struct worktree_inode *below)
{
	struct worktree_inode *here;
	uint64_t ino = below->ino;

	if (!S_ISDIR(inode->mode))
		return 0;
	while (ino != BFS_TREE_ROOT) {
		int r;

		if (ino == inode->ino)
			return -EINVAL;
		r = bfs_inode_get_directory(worktree, ino, &here);
		if (r < 0)
			return r;
		ino = here->parent;
	}
	return inode->ino == BFS_TREE_ROOT ? -EINVAL : 0;
}

/* Whether what `from` leads to may take the place of what `to` leads to. */
static int check_replace(
	struct bfs_worktree *worktree, const struct place *from, const struct place *to)
{
	if (!to->inode)
		return 0;
	if (S_ISDIR(from->inode->mode) && !S_ISDIR(to->inode->mode))
		return -ENOTDIR;
	if (!S_ISDIR(from->inode->mode) && S_ISDIR(to->inode->mode))
		return -EISDIR;
	return S_ISDIR(to->inode->mode) ? check_empty(worktree, to->inode) : 0;
}

/* Both names or none; where even that fails, nobody can tell any more what is true. */
static int change_names(struct bfs_worktree *worktree, const struct place *from,
	const struct place *to, bool exchange)
{
	uint64_t moved = from->inode->ino;
	int r = to->inode ? set_name(worktree, to, moved) : insert_name(worktree, to, moved);
	int undone;

	if (r < 0)
		return r;
	r = exchange ? set_name(worktree, from, to->inode->ino) : delete_name(worktree, from);
	if (r == 0)
		return 0;
	undone = to->inode ? set_name(worktree, to, to->inode->ino) : delete_name(worktree, to);
	if (undone < 0)
		worktree->broken = -EIO;
	return r;
}

/* A directory that has another one above it now. */
static void set_parent(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct worktree_inode *old_parent, struct worktree_inode *new_parent)
{
	if (S_ISDIR(inode->mode) && old_parent != new_parent) {
		inode->parent = new_parent->ino;
		old_parent->nlink--;
		new_parent->nlink++;
	}
	touch(worktree, inode);
}

/* Who writes a file anew and renames it over the old one wants one of both after a power cut. */
static void replace(struct bfs_worktree *worktree, const struct place *from, const struct place *to)
{
	if (from->inode->is_local)
		bfs_file_note_fragile(worktree, from->inode->ino);
	lose_name(worktree, to->directory, to->inode);
}

static int move(struct bfs_worktree *worktree, const struct place *from, const struct place *to,
	bool exchange)
{
	int r = check_no_loop(worktree, from->inode, to->directory);

	if (r == 0)
		r = exchange ? check_no_loop(worktree, to->inode, from->directory)
			     : check_replace(worktree, from, to);
	if (r == 0)
		r = change_names(worktree, from, to, exchange);
	if (r < 0)
		return r;
	touch_directory(worktree, from->directory);
	touch_directory(worktree, to->directory);
	set_parent(worktree, from->inode, from->directory, to->directory);
	if (exchange)
		set_parent(worktree, to->inode, to->directory, from->directory);
	else if (to->inode)
		replace(worktree, from, to);
	return 0;
}

static int check_flags(const struct place *to, unsigned flags)
{
	if (flags == RENAME_NOREPLACE && to->inode)
		return -EEXIST;
	if (flags == RENAME_EXCHANGE && !to->inode)
		return -ENOENT;
	return check_room(to);
}

int bfs_worktree_rename(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t new_parent, const char *new_name, size_t new_length, unsigned flags,
	uint64_t *ret_replaced)
{
	struct place from, to;
	uint64_t replaced = 0;
	int r;

	if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
		return -EINVAL;
	r = bfs_worktree_enter_change(worktree);
	if (r < 0)
		return r;
	r = locate_existing(worktree, parent, name, length, &from);
	if (r == 0)
		r = locate(worktree, new_parent, new_name, new_length, &to);
	if (r == 0)
		r = check_flags(&to, flags);
	if (r == 0 && from.inode != to.inode) { /* two names of one file: rename(2) does nothing */
		if (to.inode && flags != RENAME_EXCHANGE)
			replaced = to.inode->ino;
		r = move(worktree, &from, &to, flags == RENAME_EXCHANGE);
	}
	if (r == 0 && ret_replaced)
		*ret_replaced = replaced;
	return bfs_worktree_leave_change(worktree, r);
}
