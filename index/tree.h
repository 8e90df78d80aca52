/*
 * The index of a prefix: directories, names, links and what files hold, in one SQLite file.
 *
 * Inodes and names are two tables, so that a hardlink is a second name and a directory's rename is one row.
 * Names and link targets are bytes. An inode number is never given to other content: a changed file or
 * link is a new inode. Numbers come from a counter kept in the file, which never goes back.
 *
 * A tree is a connection and belongs to one thread at a time; threads that read the same published
 * file open one each. Every row is checked as it is read: -EUCLEAN for one that cannot be right.
 *
 * Functions return 0 or a negative errno as the system call of that name would: -ENOENT, -EEXIST, -ENOTDIR,
 * -EISDIR, -ENOTEMPTY, -ENAMETOOLONG, -EINVAL for a name that cannot be, -ELOOP; and -EROFS for a change of
 * a tree opened to read.
 */
#ifndef BFS_INDEX_TREE_H
#define BFS_INDEX_TREE_H

#include "index/content.h"

#include <sqlite3.h>
#include <sys/stat.h>

/* Where a prefix is mounted unless its "prefix" value says otherwise: Homebrew's own on Linux. */
#define BFS_TREE_PREFIX_DEFAULT "/home/linuxbrew/.linuxbrew"

#define BFS_TREE_ROOT 1 /* the inode of the prefix itself; FUSE's root as well */

/* Directory cookies: 0 starts; entries have cookies from BFS_TREE_COOKIE_FIRST, for "." and ".." to have some. */
#define BFS_TREE_COOKIE_FIRST 16

/* Inode numbers from here on are never in an index: the driver gives them to what it computes per mount. */
#define BFS_TREE_INO_LIMIT (UINT64_C(1) << 62)

struct bfs_attributes {
	uint64_t ino;
	mode_t mode;		/* type and permission bits */
	uint32_t nlink;		/* names of a file; 2 + sub-directories of a directory */
	uint64_t size;		/* bytes; of a symlink its target's length; of a directory 0 */
	int64_t mtime;		/* ns since the epoch */
	uint64_t parent;	/* of a directory (the root is its own), else 0 */
	int64_t object;		/* row of a regular file's content; 0 for an empty one, and for other types */
};

enum bfs_tree_mode {
	BFS_TREE_READ,		/* a published, immutable file */
	BFS_TREE_WRITE,		/* a working copy on local disk */
	BFS_TREE_NEW,		/* creates the file (or a private temporary one for a NULL path) with an empty root */
	/*
	 * A session's working copy (index/worktree.h): survives a crash, has tables and types of inodes that no
	 * published index has, and may be read by other connections, each of which sees what was last committed.
	 */
	BFS_TREE_SESSION,
	BFS_TREE_SESSION_READ,
};

struct bfs_tree;

int bfs_tree_open(const char *path, enum bfs_tree_mode mode, struct bfs_tree **ret_tree,
	struct bfs_error *error);
void bfs_tree_close(struct bfs_tree *tree);
BFS_DEFINE_CLEANUP(struct bfs_tree *, bfs_cleanup_tree, bfs_tree_close)
#define _cleanup_tree_ BFS_CLEANUP(bfs_cleanup_tree)

/* The connection, for the other files of index/ that keep tables of their own in it. */
sqlite3 *bfs_tree_db(struct bfs_tree *tree);

/*
 * Groups changes. Transactions nest: a rollback undoes what was changed since its own begin. Outside one,
 * each change is its own. -EIO or -ENOSPC where SQLite cannot.
 */
int bfs_tree_begin(struct bfs_tree *tree);
int bfs_tree_commit(struct bfs_tree *tree);
void bfs_tree_rollback(struct bfs_tree *tree);

/* Values that belong to the index as a whole ("prefix", "target_glibc"...). -ENOENT where unset. */
int bfs_tree_get_value(struct bfs_tree *tree, const char *key, char **ret_value);
int bfs_tree_set_value(struct bfs_tree *tree, const char *key, const char *value);

/* --- queries --- */

int bfs_tree_lookup(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	struct bfs_attributes *ret_attributes);
int bfs_tree_stat(struct bfs_tree *tree, uint64_t ino, struct bfs_attributes *ret_attributes);

/* The target of a symlink, NUL-terminated, allocated. -EINVAL for anything else. */
int bfs_tree_read_link(struct bfs_tree *tree, uint64_t ino, char **ret_target);

/*
 * Calls `visit` for the entries of a directory whose cookie is greater than `cookie`, in cookie order,
 * until it returns non-zero (which is returned) or they end (0). A cookie depends on the name alone, so a
 * listing can go on from one although entries came or went. `name` is not NUL-terminated. `visit` may
 * look things up, but neither change the tree nor read another directory of it.
 */
typedef int bfs_tree_visitor(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes);
int bfs_tree_read_directory(struct bfs_tree *tree, uint64_t ino, uint64_t cookie,
	bfs_tree_visitor *visit, void *context);

/*
 * The names in a directory sorted by bytes, in one allocation freed by free(): a NULL-terminated
 * array. For callers that change the tree while they go through them.
 */
int bfs_tree_list(struct bfs_tree *tree, uint64_t ino, char ***ret_names);

/* Where the bytes of a regular file lie. -EISDIR or -EINVAL for other types. */
int bfs_tree_content(struct bfs_tree *tree, uint64_t ino, struct bfs_content *ret_content);

/* The place of a content that the index knows already, by digest. -ENOENT where it does not. */
int bfs_tree_find_content(struct bfs_tree *tree, const struct bfs_digest *digest, bool executable,
	struct bfs_content *ret_content);

struct bfs_tree_counts {
	int64_t directories, files, symlinks;	/* inodes of each type */
	int64_t names;
	int64_t objects, packs;			/* distinct contents; packs they lie in */
	int64_t content_bytes;			/* of distinct contents */
	int64_t file_bytes;			/* of regular files, each inode once */
};
int bfs_tree_count(struct bfs_tree *tree, struct bfs_tree_counts *ret_counts);

/*
 * --- changes; `mtime` in ns since the epoch ---
 *
 * As on any filesystem, a name that comes or goes sets the mtime of its directory: to the time the tree was
 * opened. Who wants another one sets it afterwards with bfs_tree_set_mtime().
 */

int bfs_tree_make_directory(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	mode_t mode, int64_t mtime, uint64_t *ret_ino);
int bfs_tree_make_symlink(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	const char *target, size_t target_length, int64_t mtime, uint64_t *ret_ino);
/* `mode` are permission bits. A content of size 0 needs no place. */
int bfs_tree_make_file(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	mode_t mode, int64_t mtime, const struct bfs_content *content, uint64_t *ret_ino);
int bfs_tree_link(struct bfs_tree *tree, uint64_t ino, uint64_t parent, const char *name,
	size_t length);
int bfs_tree_unlink(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length);
int bfs_tree_remove_directory(struct bfs_tree *tree, uint64_t parent, const char *name,
	size_t length);
/* As rename(2): replaces a file, a link or an empty directory that has the new name. */
int bfs_tree_rename(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	uint64_t new_parent, const char *new_name, size_t new_length);
/* Permission bits; the inode stays. */
int bfs_tree_set_mode(struct bfs_tree *tree, uint64_t ino, mode_t mode);
int bfs_tree_set_mtime(struct bfs_tree *tree, uint64_t ino, int64_t mtime);
/* rm -r of one name; a missing one is success. */
int bfs_tree_remove(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length);

/*
 * Copies the whole of another tree to a new directory `name`, which gets its root's attributes, with new inode
 * numbers; hardlinks stay hardlinks. Contents that this tree knows already keep the place they have here.
 */
int bfs_tree_graft(struct bfs_tree *tree, uint64_t parent, const char *name, size_t length,
	struct bfs_tree *source);

/* Gives the pack that was noted under a provisional name the one it has now that it is complete. */
int bfs_tree_rename_pack(struct bfs_tree *tree, const struct bfs_digest *provisional,
	const struct bfs_digest *final_name);

/*
 * Finishes a working copy as it is: forgets the contents that lost their last file since it was opened, and
 * the packs that went with them. The file is then complete; no transaction may be open.
 */
int bfs_tree_settle(struct bfs_tree *tree, struct bfs_error *error);

/* Writes a compact copy of the whole tree to a new file: what gets published. */
int bfs_tree_write_copy(struct bfs_tree *tree, const char *path, struct bfs_error *error);

#endif
