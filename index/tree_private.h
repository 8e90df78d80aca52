/*
 * What tree.c, tree_change.c, tree_graft.c, check_tree.c and the worktree's files share of a tree; nobody else
 * includes it.
 */
#ifndef BFS_INDEX_TREE_PRIVATE_H
#define BFS_INDEX_TREE_PRIVATE_H

#include "index/tree.h"
#include "lib/db.h"

/* Statements are prepared when first used and kept. The texts are in tree.c, in this order. */
enum bfs_tree_statement {
	STMT_LOOKUP,
	STMT_STAT,
	STMT_READ_LINK,
	STMT_READ_DIRECTORY,
	STMT_LIST,
	STMT_CONTENT,
	STMT_FIND_CONTENT,
	STMT_INSERT_INODE,
	STMT_INSERT_DIRENT,
	STMT_DELETE_DIRENT,
	STMT_DELETE_INODE,
	STMT_ADD_NLINK,
	STMT_TOUCH_DIRECTORY,
	STMT_PROBE,
	STMT_SET_MODE,
	STMT_SET_MTIME,
	STMT_SET_PARENT,
	STMT_INSERT_OBJECT,
	STMT_FIND_PACK,
	STMT_INSERT_PACK,
	STMT_NOTE_DROPPED,
	STMT_COUNT
};

/* Nested transactions up to this depth have their statements kept; a change nests two deep. */
#define BFS_TREE_KEPT_LEVELS 4

struct bfs_tree {
	sqlite3 *db;
	bool writable;
	bool session;		/* fifos, sockets, devices, and inodes without a name are allowed */
	uint64_t next_ino;	/* the next number to give out; written back by commit */
	uint64_t saved_next_ino;/* as the file has it */
	unsigned depth;		/* of nested transactions */
	int64_t now;		/* when it was opened, ns since the epoch */
	sqlite3_stmt *statements[STMT_COUNT];
	sqlite3_stmt *savepoints[2][BFS_TREE_KEPT_LEVELS];	/* SAVEPOINT, RELEASE */
};

/* The statement, ready to bind; reset it with _reset_stmt_. */
int bfs_tree_statement(struct bfs_tree *tree, enum bfs_tree_statement which,
	sqlite3_stmt **ret_stmt);

/* Writes the counter back into the file; in a transaction the outermost commit does. */
int bfs_tree_save_next_ino(struct bfs_tree *tree);

/* The next inode number; -ENOSPC where they are used up. */
int bfs_tree_allocate_ino(struct bfs_tree *tree, uint64_t *ret_ino);

/* Cookie of a name, before collisions are resolved: see brewfs-format(5). */
uint64_t bfs_tree_cookie(const char *name, size_t length);

/* Finds the row of a content, adding it (and its pack) where the tree does not know it yet. 0 for the empty one. */
int bfs_tree_intern_content(struct bfs_tree *tree, const struct bfs_content *content,
	int64_t *ret_object);

/* Adds an inode row as given. `target` is NULL but for symlinks. */
int bfs_tree_insert_inode(struct bfs_tree *tree, const struct bfs_attributes *attributes,
	const void *target, size_t target_length);

/* Adds a name; -EEXIST where it is there. Counts no link and touches no directory. */
int bfs_tree_insert_dirent(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	uint64_t ino);

/* Notes that a name came or went: mtime, and `subdirectories` more links. -ENOENT where it is no directory. */
int bfs_tree_touch_directory(struct bfs_tree *tree, uint64_t ino, int subdirectories);

#define BFS_TREE_COOKIE_PROBES 16 /* neighbouring cookies that names of equal hash share; see tree.c */

/* Attributes from columns first..first+6: ino, mode, nlink, size, mtime, parent, object; all checked. */
int bfs_tree_attributes_from_row(const struct bfs_tree *tree, sqlite3_stmt *stmt, int first,
	struct bfs_attributes *ret_attributes);

/* Content from columns first..first+4: digest, size, executable, pack digest, offset; all checked. */
int bfs_tree_content_from_row(sqlite3_stmt *stmt, int first, struct bfs_content *ret_content);

#endif
