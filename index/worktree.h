/*
 * The tree of a session: POSIX semantics on a working copy of an index, and on local files for the
 * contents that were changed. What a filesystem driver calls, without knowing of SQLite.
 *
 * Metadata lie in the session's index.sqlite: the tables of index/schema.h, and
 *
 *	node	what a published index does not have (owner, device number, atime, ctime, whether
 *		the content is local), one row for each inode that was made or changed here
 *	xattr	user.* attributes
 *	host	names that the host made
 *
 * An inode without a node row is as the base generation has it: owned by the worktree's owner, with
 * atime and ctime equal to mtime. Times are ns since the epoch. An inode keeps its number when its
 * content changes. One that lost its last name (an orphan) has no rows: it lives in memory, with
 *its data file, until it is released; after a crash nobody can have it open.
 *
 * Of a file with local content, size, blocks, atime and mtime are those of its data file, and no
 * row is written when bytes are.
 *
 * Changes are grouped: a transaction stays open, at most BFS_WORKTREE_INTERVAL ms or some thousand
 * changes, and is committed to the write-ahead log without waiting for the disk. Only
 * bfs_worktree_fsync() and _sync() wait. A data file is removed only after the transaction that let
 * it go is committed, so a crash shows an earlier whole state: every row has its content. What
 *fsync returned for is never lost.
 *
 * All functions may be called by any thread, one after the other inside. A thread of the worktree's
 * own commits and cleans up: a process that forks opens the session afterwards. They return 0 or
 *the negative errno of the system call of that name; permissions are checked by the caller (the
 * kernel's default_permissions), all else here. Names: -ENAMETOOLONG past 255 bytes, -EINVAL for
 * what cannot be a name. -EIO for all of them once a transaction was lost (a full disk).
 */
#ifndef BFS_INDEX_WORKTREE_H
#define BFS_INDEX_WORKTREE_H

#include "index/content.h"
#include "index/tree.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BFS_WORKTREE_INTERVAL 500 /* ms that a change may wait to be committed (not synced) */

struct bfs_worktree;

/* Who owns what the published index knows, and what was never chowned. */
void bfs_worktree_set_owner(struct bfs_worktree *worktree, uid_t uid, gid_t gid);

/* What it reads stored contents with; others may use it as well, and give it a cache. */
struct bfs_content_reader *bfs_worktree_reader(struct bfs_worktree *worktree);

/* Who makes something new. `gid` gives way to the directory's where that is setgid. */
struct bfs_maker {
	uid_t uid;
	gid_t gid;
};

/* --- queries. `ret_stat`: st_ino, st_mode, st_nlink, st_uid, st_gid, st_rdev, st_size, st_blocks
 * (of 512 bytes), st_blksize, times. --- */

int bfs_worktree_lookup(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, struct stat *ret_stat);
int bfs_worktree_stat(struct bfs_worktree *worktree, uint64_t ino, struct stat *ret_stat);
/* Of a directory: the inode above it. */
int bfs_worktree_parent(struct bfs_worktree *worktree, uint64_t ino, uint64_t *ret_parent);
int bfs_worktree_read_link(struct bfs_worktree *worktree, uint64_t ino, char **ret_target);
/*
 * As bfs_tree_read_directory(): cookies depend on names alone, so entries may come and go between
 * two calls. `visit` must not call the worktree.
 */
typedef int bfs_worktree_visitor(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat);
int bfs_worktree_read_directory(struct bfs_worktree *worktree, uint64_t ino, uint64_t cookie,
	bfs_worktree_visitor *visit, void *context);
/* Space of the local filesystem, names of the tree. */
int bfs_worktree_statfs(struct bfs_worktree *worktree, struct statvfs *ret_statvfs);

/* --- names; each sets mtime and ctime of the directories and ctime of the inode as POSIX says ---
 */

/* A regular file (empty), fifo, socket or device; `mode` with its type and without the umask's
 * bits. */
int bfs_worktree_make_node(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, mode_t mode, dev_t rdev,
	struct stat *ret_stat);
/* A regular file without a name (O_TMPFILE): an orphan until bfs_worktree_link() gives it one. */
int bfs_worktree_make_anonymous(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t directory, mode_t mode, struct stat *ret_stat);
int bfs_worktree_make_directory(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, mode_t mode, struct stat *ret_stat);
int bfs_worktree_make_symlink(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	uint64_t parent, const char *name, size_t length, const char *target,
	struct stat *ret_stat);
int bfs_worktree_link(struct bfs_worktree *worktree, uint64_t ino, uint64_t parent,
	const char *name, size_t length, struct stat *ret_stat);
/* What loses its last name becomes an orphan, until bfs_worktree_release(). `ret_ino` may be NULL.
 */
int bfs_worktree_unlink(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t *ret_ino);
int bfs_worktree_remove_directory(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t *ret_ino);
/* `flags`: 0, RENAME_NOREPLACE or RENAME_EXCHANGE (renameat2(2)); -EINVAL for others.
 * `ret_replaced`: what lost a name, 0 for nothing; may be NULL. */
int bfs_worktree_rename(struct bfs_worktree *worktree, uint64_t parent, const char *name,
	size_t length, uint64_t new_parent, const char *new_name, size_t new_length, unsigned flags,
	uint64_t *ret_replaced);
/* The kernel has forgotten the inode: an orphan goes, with its content. For others nothing happens.
 */
void bfs_worktree_release(struct bfs_worktree *worktree, uint64_t ino);

/* --- attributes --- */

enum bfs_worktree_set {
	BFS_SET_MODE = 1 << 0,
	BFS_SET_UID = 1 << 1,
	BFS_SET_GID = 1 << 2,
	BFS_SET_SIZE = 1 << 3,
	BFS_SET_ATIME = 1 << 4,
	BFS_SET_MTIME = 1 << 5,
	BFS_SET_ATIME_NOW = 1 << 6,
	BFS_SET_MTIME_NOW = 1 << 7,
	BFS_SET_CTIME = 1 << 8, /* else now */
};
/*
 * Those of `set` (bfs_worktree_set bits) from `stat`. Of a stored file only a new size copies
 * anything, and no more than it keeps. A new owner without BFS_SET_MODE takes S_ISUID, and S_ISGID
 * where S_IXGRP is set, from what is no directory (chown(2)).
 */
int bfs_worktree_set_attributes(struct bfs_worktree *worktree, uint64_t ino, unsigned set,
	const struct stat *stat, struct stat *ret_stat);

/* user.* only, else -EOPNOTSUPP; flags as setxattr(2). Sizes and errors as getxattr(2): `size` 0
 * asks for the length. */
int bfs_worktree_set_xattr(struct bfs_worktree *worktree, uint64_t ino, const char *name,
	const void *value, size_t size, int flags);
ssize_t bfs_worktree_get_xattr(struct bfs_worktree *worktree, uint64_t ino, const char *name,
	void *ret_value, size_t size);
ssize_t bfs_worktree_list_xattrs(
	struct bfs_worktree *worktree, uint64_t ino, char *ret_names, size_t size);
int bfs_worktree_remove_xattr(struct bfs_worktree *worktree, uint64_t ino, const char *name);

/* --- contents of regular files --- */

/* Where the bytes are now. Given back by bfs_worktree_data_close(). */
struct bfs_worktree_data {
	int fd; /* the local data file, open for reading and writing; -1 where the content is a
		   stored one (or empty) */
	struct bfs_content content; /* where fd is -1; size 0: no bytes */
	void *handle;
};

/*
 * `write`: copies a stored content to a local file first (reflink or copy_file_range where it
 * works; not under the worktree's lock, other files go on meanwhile), so `fd` is never -1; what has
 * the inode open sees the same bytes throughout. Descriptors are kept open, a bounded number of
 * them. Any number of threads may hold one, for the time of one read or write: a freeze waits for
 * those who write, and who reads sees what was there when he opened it.
 */
int bfs_worktree_data_open(struct bfs_worktree *worktree, uint64_t ino, bool write,
	struct bfs_worktree_data *ret_data);
/* `wrote`: bytes or size were changed through `fd`. */
void bfs_worktree_data_close(
	struct bfs_worktree *worktree, struct bfs_worktree_data *data, bool wrote);

/*
 * Where the disk is full: removes what was let go of and not removed yet, and tells whether there
 * was any, so that what failed with -ENOSPC can be tried again.
 */
bool bfs_worktree_reclaim(struct bfs_worktree *worktree);

/* What fsync(2) promises of a file or directory: its bytes (unless `ino` has none), its attributes
 * and the names that it has or that are in it, and every change before those. */
int bfs_worktree_fsync(struct bfs_worktree *worktree, uint64_t ino, bool data_only);
/* Everything. */
int bfs_worktree_sync(struct bfs_worktree *worktree);

/* --- for a commit and for looking at the session --- */

/*
 * Stops all changes (their callers wait) until bfs_worktree_thaw(), with everything so far
 * committed, so that bfs_worktree_tree() and the data files can be read. Waits for those who hold
 * data open to write, but not for ever: a file that somebody still writes cannot be set stored.
 */
int bfs_worktree_freeze(struct bfs_worktree *worktree);
void bfs_worktree_thaw(struct bfs_worktree *worktree);

/*
 * The index, as a tree for the freezing thread to read while frozen, by a connection of its own.
 * Sizes and mtimes of local files are not in it (object and size are 0): bfs_worktree_stat().
 */
struct bfs_tree *bfs_worktree_tree(struct bfs_worktree *worktree);

/*
 * Calls `visit` for each inode that was made or changed since the base was made, and for all with
 * local content, in order of their numbers, while frozen; a negative errno ends it. `visit` may
 * open data and stat. `orphan` is false: orphans have no rows.
 */
typedef int bfs_worktree_node_visitor(void *context, uint64_t ino, bool local, bool orphan);
int bfs_worktree_visit_nodes(
	struct bfs_worktree *worktree, bfs_worktree_node_visitor *visit, void *context);

/*
 * While frozen: the local content of `ino` is in the store now. The data file goes once that is
 * committed; `ino` and what has it open are not disturbed. -ESTALE where its size is not the
 * content's, or somebody holds it open to write; -EINVAL where it is not local.
 */
int bfs_worktree_set_stored(
	struct bfs_worktree *worktree, uint64_t ino, const struct bfs_content *content);

/*
 * A name that the host made: what `path` (below the prefix) leads to now, or that there is no such
 * name (`ino` 0), is no change of the session, as long as it stays so. UINT64_MAX forgets it.
 */
int bfs_worktree_set_host_name(struct bfs_worktree *worktree, const char *path, uint64_t ino);
/* In order of paths; anything but 0 ends it and is returned. `visit` may change them. */
typedef int bfs_worktree_host_visitor(void *context, const char *path, uint64_t ino);
int bfs_worktree_visit_host_names(
	struct bfs_worktree *worktree, bfs_worktree_host_visitor *visit, void *context);

struct bfs_worktree_counts {
	uint64_t nodes, local;	      /* inodes changed here; of them with local content */
	uint64_t local_bytes;	      /* on disk, of data files */
	uint64_t changes;	      /* since it was opened */
	uint64_t transactions, syncs; /* since it was opened */
};
int bfs_worktree_count(struct bfs_worktree *worktree, struct bfs_worktree_counts *ret_counts);

/*
 * Checks that every row is right and has its content: the rules of check_tree.h, link counts, data
 * files. Frozen or not mounted. -EUCLEAN with the first finding in `error`.
 */
int bfs_worktree_check(struct bfs_worktree *worktree, struct bfs_error *error);

#endif
