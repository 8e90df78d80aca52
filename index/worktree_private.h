/*
 * What the files of the worktree share; nobody else includes it but session.c, which opens one.
 *
 * Inodes are kept in memory, and what changes of them is written to their rows at the next commit
 *of the group: a directory into which a thousand files are unpacked is one UPDATE. Names are
 *changed in the file at once, by one statement each, so that a change that fails leaves nothing to
 *be undone.
 *
 *	index/worktree.c		opening, the lock, commits in groups, freezing
 *	index/worktree_background.c	the thread that commits and removes
 *	index/worktree_log.c		the write-ahead log: its size, its being durable
 *	index/worktree_recover.c	what is done at opening after a crash
 *	index/worktree_statement.c	the SQL
 *	index/worktree_inode.c		the inodes in memory, and their rows
 *	index/worktree_file.c		data files and their descriptors
 *	index/worktree_data.c		contents: data_open, copying up
 *	index/worktree_sync.c		fsync
 *	index/worktree_query.c		lookup, stat, read_directory...
 *	index/worktree_name.c		making, linking, unlinking, renaming
 *	index/worktree_attribute.c	set_attributes
 *	index/worktree_xattr.c
 *	index/worktree_host.c		names that the host made
 *	index/worktree_commit.c		visiting nodes, set_stored, counts
 *	index/worktree_check.c
 *
 * All members and all functions here need the worktree's lock unless they say otherwise.
 */
#ifndef BFS_INDEX_WORKTREE_PRIVATE_H
#define BFS_INDEX_WORKTREE_PRIVATE_H

#include "index/tree_private.h"
#include "index/worktree.h"

#include <pthread.h>
#include <sys/queue.h>

#define WORKTREE_BUCKETS 65536 /* of the hash of inodes; a power of two */
#define WORKTREE_INODES                                                                            \
	65536 /* that are kept in memory although nothing needs them; some 20 MB                   \
	       */

/* Changes after which a commit does not wait for its time; and after which a change does it itself.
 */
#define WORKTREE_GROUP	     4000
#define WORKTREE_GROUP_LIMIT 20000

/*
 * From this size on the write-ahead log is written back into the file. So much room is kept for it
 * (and for SQLite's shared memory, 32 KiB for 16 MiB of it) that what was begun can be committed
 * where the disk is full; then nothing more is begun that grows.
 */
#define WORKTREE_LOG_LIMIT   (24 << 20)
#define WORKTREE_LOG_RESERVE (64 << 20)
#define WORKTREE_SHM_RESERVE (256 << 10)

/* With more of them the whole filesystem is synced instead. */
#define WORKTREE_FRAGILE_FILES 256

/* ms that a freeze waits for those who are writing. */
#define WORKTREE_PATIENCE 3000

/* Of an inode that nobody chowned: the worktree's owner is shown. */
#define WORKTREE_NOBODY UINT32_MAX

enum worktree_statement {
	WORKTREE_BEGIN,
	WORKTREE_COMMIT,
	WORKTREE_SAVE_NEXT_INO,
	WORKTREE_SAVE_EPOCH,
	WORKTREE_FIND_NAME,
	WORKTREE_ANY_NAME,
	WORKTREE_INSERT_NAME,
	WORKTREE_DELETE_NAME,
	WORKTREE_SET_NAME,
	WORKTREE_LOAD,
	WORKTREE_READ_DIRECTORY,
	WORKTREE_TARGET,
	WORKTREE_CONTENT,
	WORKTREE_INSERT_INODE,
	WORKTREE_UPDATE_INODE,
	WORKTREE_DELETE_INODE,
	WORKTREE_WRITE_NODE,
	WORKTREE_DELETE_NODE,
	WORKTREE_GET_XATTR,
	WORKTREE_LIST_XATTRS,
	WORKTREE_WRITE_XATTR,
	WORKTREE_DELETE_XATTR,
	WORKTREE_DELETE_XATTRS,
	WORKTREE_STATEMENTS
};

struct worktree_inode;

/* An open data file. It outlives its inode's use for it while somebody reads from it. */
struct worktree_file {
	struct worktree_inode *inode; /* NULL once the inode has another content */
	int fd;
	unsigned users, writers;	 /* who hold it; of these, who may write */
	TAILQ_ENTRY(worktree_file) idle; /* among those without users, least recently used first */
};
TAILQ_HEAD(worktree_files, worktree_file);

/* What fstat(2) says of a data file. */
struct worktree_data_stat {
	uint64_t size, blocks;
	int64_t atime, mtime, ctime;
};

struct worktree_inode {
	uint64_t ino;
	struct worktree_inode *next;	   /* in the same bucket */
	TAILQ_ENTRY(worktree_inode) used;  /* least recently used first */
	TAILQ_ENTRY(worktree_inode) dirty; /* if is_dirty */

	mode_t mode;
	uint32_t nlink;
	uint32_t uid, gid; /* WORKTREE_NOBODY: never chowned */
	dev_t rdev;
	uint64_t size;	      /* unless local */
	int64_t atime, mtime; /* unless local */
	int64_t ctime;
	uint64_t parent; /* of directories */
	int64_t object;	 /* of regular files with a stored content */
	char *target;	 /* of symlinks, once known */

	bool has_row;  /* in the file; not so what is new, and orphans */
	bool has_node; /* as far as the file knows */
	bool is_dirty;
	bool is_orphan;	   /* has no name; kept in memory alone until it is released */
	bool is_anonymous; /* made without a name, and may be given one */
	bool is_released;  /* an orphan that the kernel forgot, and something here still needs */
	bool is_local;
	bool is_copying;      /* its content is being copied to a data file, without the lock */
	bool has_xattrs;      /* it may have some */
	bool is_entry_synced; /* the name of its data file is durable */

	/*
	 * Of a local one: the ctime that the data file has by our own doing, which is no change of
	 * the inode. `mtime` is the one that it had then: both are the same until somebody writes.
	 */
	int64_t quiet;
	bool data_known;
	struct worktree_data_stat data; /* if data_known */
	struct worktree_file *file;	/* if its data file is open */
	unsigned pins;
	uint64_t changed; /* the transaction in which it, or a name of it, was last changed */
};
TAILQ_HEAD(worktree_inodes, worktree_inode);

/* Inodes whose data files are to be removed. */
struct worktree_inos {
	uint64_t *inos;
	size_t count, capacity;
};

struct bfs_worktree {
	struct bfs_store *store;
	char *directory; /* of the session; for its life */
	int directory_fd, data_fd;
	struct bfs_content_reader *reader;
	struct bfs_tree *tree;	   /* the connection that writes; a transaction is always open */
	sqlite3 *checkpointer;	   /* the background thread's alone */
	struct bfs_tree *snapshot; /* for who freezes */
	sqlite3_stmt *statements[WORKTREE_STATEMENTS];

	pthread_mutex_t lock;
	pthread_cond_t wake;   /* the background thread */
	pthread_cond_t thawed; /* frozen became false */
	pthread_cond_t copied; /* some inode's is_copying became false */
	pthread_cond_t idle;   /* writers or removing became 0, or is_writing_back false */
	pthread_t thread;
	bool has_thread, stop;

	bool is_frozen;
	unsigned writers; /* data handles that may write */
	int broken;	  /* a negative errno: a transaction was lost, nothing goes any more */

	uid_t uid;
	gid_t gid;

	struct worktree_inode **buckets;
	struct worktree_inodes used, dirty;
	size_t inode_count;

	struct worktree_files idle_files;
	unsigned open_files, open_limit;
	/* Directories of data/; up to the latter all are durable. The former is changed without the
	 * lock. */
	uint64_t directories_made, directories_synced;

	/*
	 * Inodes whose bytes must be durable before the log is: those whose former content would be
	 * lost with them, because they were copied up or took the place of another file.
	 */
	struct worktree_inos fragile;
	struct worktree_inos doomed;	/* once the transaction is committed */
	struct worktree_inos removable; /* now; by the background thread */
	unsigned removing;		/* threads that do */

	uint64_t transaction;	      /* the open one's number */
	uint64_t pending;	      /* changes in it */
	uint64_t synced;	      /* all transactions up to this one are durable */
	int index_fd, log_fd, shm_fd; /* index.sqlite, -wal and -shm */
	bool is_writing_back;	      /* the log, without the lock */
	bool has_reserve;	      /* of WORKTREE_LOG_RESERVE */
	bool is_full;		      /* the disk, so far that nothing new is begun */
	uint64_t changes, transactions, syncs;
	int64_t names;	/* in the tree; -1: not counted yet */
	int64_t latest; /* ctime seen of a data file */
	uint64_t epoch; /* new bases so far; a node has that of its last change */
};

/* --- worktree.c --- */

/* `directory`: the session's. Recovers what a crash left. The store is borrowed. */
int bfs_worktree_open(struct bfs_store *store, const char *directory,
	struct bfs_worktree **ret_worktree, struct bfs_error *error);
/* Commits, and closes. NULL is allowed. */
void bfs_worktree_close(struct bfs_worktree *worktree);

/* While frozen, all stored: what is changed from now on is changed since the new base. No lock. */
int bfs_worktree_begin_epoch(struct bfs_worktree *worktree);

/* Takes the lock. -EIO where the worktree is broken; the lock is then not held. */
int bfs_worktree_enter(struct bfs_worktree *worktree);
/* Takes the lock for a change: waits while frozen. */
int bfs_worktree_enter_change(struct bfs_worktree *worktree);
/* The same for one that needs more room in the index: -ENOSPC. */
int bfs_worktree_enter_growth(struct bfs_worktree *worktree);
/* Gives the lock back; returns `r`. */
int bfs_worktree_leave(struct bfs_worktree *worktree, int r);
/* Counts a change where `r` is 0, gives the lock back; returns `r`. */
int bfs_worktree_leave_change(struct bfs_worktree *worktree, int r);

/* Commits what changed so far. The log is not synced. */
int bfs_worktree_commit(struct bfs_worktree *worktree);

/*
 * After a failure of SQLite: where it has rolled back by itself, names that callers were told of
 * are gone, and the worktree is broken. Returns `r`.
 */
int bfs_worktree_fail(struct bfs_worktree *worktree, int r);

/*
 * Now, by the clock that filesystems use for their times; ns since the epoch. Not before a time
 * that a data file was seen to have: those of Linux 6.13 and later may be ahead by a tick.
 */
int64_t bfs_worktree_now(const struct bfs_worktree *worktree);

/* --- worktree_background.c --- */

int bfs_worktree_start(struct bfs_worktree *worktree);
/* False where it was not started. No lock. */
bool bfs_worktree_stop(struct bfs_worktree *worktree);
void bfs_worktree_add_time(struct timespec *time, long milliseconds);

/* --- worktree_log.c --- */

/* Once something was committed. */
int bfs_log_open(struct bfs_worktree *worktree);
/* Makes what is committed durable. Gives the lock back meanwhile. */
int bfs_log_sync(struct bfs_worktree *worktree);
/* Writes it back into the file once it is long. Gives the lock back meanwhile. */
void bfs_log_limit(struct bfs_worktree *worktree);
/* Commits, writes all of the log back, and copies the file. -EBUSY where another process reads it.
 */
int bfs_log_copy_index(struct bfs_worktree *worktree, int to_fd);

/* --- worktree_sync.c --- */

void bfs_file_note_fragile(struct bfs_worktree *worktree, uint64_t ino);
/* Makes the bytes of those noted durable. Gives the lock back meanwhile. */
int bfs_file_sync_fragile(struct bfs_worktree *worktree);

/* --- worktree_recover.c --- */

/* Before anything else is done with it: removes what no row has, and rows whose data are lost. */
int bfs_worktree_recover(struct bfs_worktree *worktree, struct bfs_error *error);

/* --- worktree_statement.c --- */

/* The statement, ready to bind; reset it with _reset_stmt_, or by bfs_db_run(). */
int bfs_worktree_statement(
	struct bfs_worktree *worktree, enum worktree_statement which, sqlite3_stmt **ret_stmt);
/* Runs one whose parameter, if it has any, is a number. */
int bfs_worktree_run(struct bfs_worktree *worktree, enum worktree_statement which, uint64_t number);

/* --- worktree_inode.c --- */

/* Borrowed, while the lock is held or it is pinned. -ENOENT. */
int bfs_inode_get(struct bfs_worktree *worktree, uint64_t ino, struct worktree_inode **ret_inode);
/* As it, and -ENOTDIR. */
int bfs_inode_get_directory(
	struct bfs_worktree *worktree, uint64_t ino, struct worktree_inode **ret_inode);
/* If it is in memory; else NULL. */
struct worktree_inode *bfs_inode_find(struct bfs_worktree *worktree, uint64_t ino);
/* From the columns of WORKTREE_LOAD, beginning with `first`. */
int bfs_inode_from_row(struct bfs_worktree *worktree, sqlite3_stmt *stmt, int first,
	struct worktree_inode *ret_inode);
/* A new one with a number of its own and no names, dirty; times are now. `target` is copied. */
int bfs_inode_new(struct bfs_worktree *worktree, const struct bfs_maker *maker,
	const struct worktree_inode *directory, mode_t mode, const char *target,
	struct worktree_inode **ret_inode);
/* Notes that its row is to be written. */
void bfs_inode_change(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* Has lost its last name. */
void bfs_inode_orphan(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* While it is pinned it stays in memory. */
void bfs_inode_pin(struct worktree_inode *inode);
void bfs_inode_unpin(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* Forgets an orphan that was released, once nothing needs it any more. */
void bfs_inode_settle(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* Writes the rows of all that are dirty. */
int bfs_inode_flush(struct bfs_worktree *worktree);
/* Forgets what is not needed, down to WORKTREE_INODES. */
void bfs_inode_evict(struct bfs_worktree *worktree);
void bfs_inode_free_all(struct bfs_worktree *worktree);
int bfs_inode_fill_stat(
	struct bfs_worktree *worktree, struct worktree_inode *inode, struct stat *ret_stat);
/* Reads the target of a symlink into memory. */
int bfs_inode_load_target(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* Where its stored content lies. */
int bfs_inode_content(struct bfs_worktree *worktree, const struct worktree_inode *inode,
	struct bfs_content *ret_content);

/* --- worktree_file.c --- */

#define WORKTREE_DATA_NAME_SIZE 32
/* Of the data file of an inode, relative to data/. Returns `ret_name`. No lock. */
char *bfs_file_local_name(uint64_t ino, char ret_name[WORKTREE_DATA_NAME_SIZE]);
/* Makes an empty data file, whatever was there. No lock. */
int bfs_file_create(struct bfs_worktree *worktree, uint64_t ino, int *ret_fd);
/* The open data file of a local inode, with one user more. */
int bfs_file_get(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct worktree_file **ret_file);
void bfs_file_put(struct bfs_worktree *worktree, struct worktree_file *file);
/* Gives a local inode the descriptor of its data file, which now belongs to it. -ENOMEM: closed. */
int bfs_file_adopt(struct bfs_worktree *worktree, struct worktree_inode *inode, int fd);
/* The inode has nothing to do any more with the file it has open, if any. */
void bfs_file_detach(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* Closes the file that was longest without a user; false where there is none. */
bool bfs_file_evict(struct bfs_worktree *worktree);
int bfs_file_stat(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct worktree_data_stat *ret_stat);
/* After something that is no change of the inode was done to its data file. */
int bfs_file_quieten(struct bfs_worktree *worktree, struct worktree_inode *inode);
/* utimensat(2) of the data file. */
int bfs_file_set_times(struct bfs_worktree *worktree, struct worktree_inode *inode,
	const struct timespec times[2]);
int64_t bfs_file_time(const struct timespec *time);
struct timespec bfs_file_timespec(int64_t time);
/* False without memory. */
bool bfs_inos_add(struct worktree_inos *inos, uint64_t ino);
/* The data file is to be removed once the transaction is committed. */
void bfs_file_doom(struct bfs_worktree *worktree, uint64_t ino);
/* Removes what is removable: some of it, which there is, or all. Gives the lock back meanwhile. */
void bfs_file_remove_some(struct bfs_worktree *worktree);
void bfs_file_remove_doomed(struct bfs_worktree *worktree);

/* --- worktree_data.c --- */

/*
 * Makes the content of a regular file local, with the first `keep` bytes of what it has. Gives the
 * lock back meanwhile, and waits while frozen.
 */
int bfs_worktree_make_local(
	struct bfs_worktree *worktree, struct worktree_inode *inode, uint64_t keep);

#endif
