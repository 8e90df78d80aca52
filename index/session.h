/*
 * A session: a writable prefix on local disk, made from one generation, that becomes a generation
 * by a commit or vanishes by a discard.
 *
 * The directory of sessions is $BREWFS_SESSIONS, else /var/lib/brewfs-sessions for root, else
 * $XDG_STATE_HOME/brewfs/sessions. A session is a directory in it, NAME/, with
 *
 * - session.json: format, store (path and uuid), ref, the base generation, which file is the base,
 *   time of creation;
 * - lock: held (OFD lock) by the one process that has the session open to write;
 * - base.sqlite: the index it began with, or that of its last commit (base.*.sqlite); never changed
 *   in place;
 * - index.sqlite: the working copy, the index's tables and those of index/worktree.h;
 * - data/xx/INO: contents that were changed, by inode number (hexadecimal; xx are the two digits
 *   before its last two);
 * - commit.json: while a commit is under way, or was interrupted (index/commit_mark.h).
 *
 * Nothing of a session touches the store before its commit. What a process that died left half done
 * (hidden directories of sessions that it made or discarded, bases that no session.json names, data
 * that no row refers to) is removed at the next opening.
 */
#ifndef BFS_INDEX_SESSION_H
#define BFS_INDEX_SESSION_H

#include "index/publish.h"
#include "index/store.h"

#include <stdbool.h>

/* 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot. */
bool bfs_session_name_is_valid(const char *name);

/* The name that commands use where none is given. */
#define BFS_SESSION_DEFAULT_NAME "default"

/* What session.json says. Strings are owned; bfs_session_info_release(). */
struct bfs_session_info {
	char *name;
	char *store; /* path, as it was given, made absolute */
	char *store_uuid;
	char *ref;
	struct bfs_generation base; /* number 0: it began with an empty prefix */
	int64_t created;	    /* seconds since the epoch */
};
void bfs_session_info_release(struct bfs_session_info *info);
#define _cleanup_session_info_ BFS_CLEANUP(bfs_session_info_release)

/* The directory of all sessions, made if need be. Allocated. */
int bfs_session_directory(char **ret_path, struct bfs_error *error);

/*
 * Makes a session from the ref's current generation (an empty prefix for a ref that was never
 * published). -EEXIST where there is one of that name, -EOPNOTSUPP where its directory is on a
 * network filesystem. All of it or nothing appears.
 */
int bfs_session_create(
	struct bfs_store *store, const char *ref, const char *name, struct bfs_error *error);

/*
 * The same from an index that was never published, a local file (bfs_tree_write_copy()): it is the
 * base, with generation number 0.
 */
int bfs_session_create_from(struct bfs_store *store, const char *ref, const char *name,
	const char *index_path, struct bfs_error *error);

/* Reads session.json without a lock. -ENOENT where there is no such session. */
int bfs_session_read_info(
	const char *name, struct bfs_session_info *ret_info, struct bfs_error *error);

/* All sessions by name; what is damaged is left out with a warning. bfs_session_infos_free(). */
int bfs_session_list(
	struct bfs_session_info **ret_infos, size_t *ret_count, struct bfs_error *error);
void bfs_session_infos_free(struct bfs_session_info *infos, size_t count);

/*
 * Who has the session open: "process 12, mounted at /x"; NULL where nobody has. Allocated. -ENOENT
 * where there is no such session.
 */
int bfs_session_read_holder(const char *name, char **ret_holder);

/*
 * --- an open session: the lock is held until bfs_session_close() ---
 */
struct bfs_session;
struct bfs_worktree;

/*
 * Opens it to write. -EBUSY where another process has it, which the error names (pid and what it
 * does: "mounted at /x", "being committed"); `holder` is what others are to be told of this one.
 * -EINVAL where `store` is not the session's (uuid). The store is borrowed and must outlive the
 * session.
 */
int bfs_session_open(struct bfs_store *store, const char *name, const char *holder,
	struct bfs_session **ret_session, struct bfs_error *error);
/* Writes out what is pending. */
void bfs_session_close(struct bfs_session *session);
BFS_DEFINE_CLEANUP(struct bfs_session *, bfs_cleanup_session, bfs_session_close)
#define _cleanup_session_ BFS_CLEANUP(bfs_cleanup_session)

const struct bfs_session_info *bfs_session_info(const struct bfs_session *session);
struct bfs_store *bfs_session_store(const struct bfs_session *session);
struct bfs_worktree *bfs_session_worktree(struct bfs_session *session);
/* Path of base.sqlite, for bfs_tree_open(BFS_TREE_READ); NULL where it began with an empty prefix.
 */
const char *bfs_session_base_path(const struct bfs_session *session);

/*
 * After a commit: the working copy as it now is becomes the base of what changes later, with
 * `generation` as the one it came from. The worktree must be frozen, and all its local contents be
 * stored (no local data).
 */
int bfs_session_set_base(struct bfs_session *session, const struct bfs_generation *generation,
	struct bfs_error *error);

/* Removes the session and all its data: renamed away first, so that it is gone at once. Needs the
 * lock: -EBUSY. */
int bfs_session_discard(const char *name, struct bfs_error *error);

#endif
