#include "index/session_private.h"

#include "index/schema.h"
#include "index/worktree_private.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

struct bfs_session {
	struct bfs_store *store;
	struct session_record record;
	char *path;
	char *base_path; /* NULL for an empty prefix */
	int fd, lock_fd;
	struct bfs_worktree *worktree;
};

static int open_directory(const char *path, const char *name, int *ret_fd, struct bfs_error *error)
{
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	return bfs_error_set(error, -errno, "opening the session", name, "%s",
		errno == ENOENT ? "there is none of that name" : strerror(errno));
}

static int set_base_path(struct bfs_session *session)
{
	char *path = NULL;

	if (session->record.base) {
		path = bfs_format("%s/%s", session->path, session->record.base);
		if (!path)
			return -ENOMEM;
	}
	free(session->base_path);
	session->base_path = path;
	return 0;
}

/* Bases that a process made or replaced when it died. */
static void sweep_bases(struct bfs_session *session)
{
	_cleanup_closedir_ DIR *dir = opendir(session->path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "base.", 5) == 0 &&
			(!session->record.base || strcmp(entry->d_name, session->record.base) != 0))
			unlinkat(session->fd, entry->d_name, 0);
}

static int open_locked(struct bfs_session *session, const char *name, struct bfs_error *error)
{
	int r = session_record_read(session->fd, name, &session->record, error);

	if (r < 0)
		return r;
	if (strcmp(session->record.info.store_uuid, bfs_store_uuid(session->store)) != 0)
		return bfs_error_set(error, -EINVAL, "opening the session", name,
			"it belongs to another store, %s", session->record.info.store);
	r = set_base_path(session);
	if (r < 0)
		return r;
	sweep_bases(session);
	return bfs_worktree_open(session->store, session->path, &session->worktree, error);
}

int bfs_session_open(struct bfs_store *store, const char *name, const char *holder,
	struct bfs_session **ret_session, struct bfs_error *error)
{
	_cleanup_session_ struct bfs_session *session = calloc(1, sizeof(*session));
	_cleanup_free_ char *directory = NULL;
	int r;

	if (!session)
		return -ENOMEM;
	session->store = store;
	session->fd = session->lock_fd = -1;
	r = bfs_session_directory(&directory, error);
	if (r < 0)
		return r;
	session_sweep(directory);
	r = session_path(name, &session->path, error);
	if (r == 0)
		r = open_directory(session->path, name, &session->fd, error);
	if (r == 0)
		r = session_lock(session->fd, name, holder, &session->lock_fd, error);
	if (r == 0)
		r = open_locked(session, name, error);
	if (r == 0)
		*ret_session = bfs_steal(&session);
	return r;
}

void bfs_session_close(struct bfs_session *session)
{
	if (!session)
		return;
	bfs_worktree_close(session->worktree);
	session_record_release(&session->record);
	free(session->path);
	free(session->base_path);
	bfs_cleanup_close(&session->fd);
	bfs_cleanup_close(&session->lock_fd);
	free(session);
}

int session_keep_lock(const struct bfs_session *session, int *ret_fd)
{
	*ret_fd = fcntl(session->lock_fd, F_DUPFD_CLOEXEC, 0);
	return *ret_fd < 0 ? -errno : 0;
}

const struct bfs_session_info *bfs_session_info(const struct bfs_session *session)
{
	return &session->record.info;
}

struct bfs_store *bfs_session_store(const struct bfs_session *session)
{
	return session->store;
}

struct bfs_worktree *bfs_session_worktree(struct bfs_session *session)
{
	return session->worktree;
}

const char *bfs_session_base_path(const struct bfs_session *session)
{
	return session->base_path;
}

/* --- a new base --- */

/*
 * What no index can have is left out: files whose content is not in the store, because they are
 * not committed, and types that are made in sessions alone.
 */
static int make_index(sqlite3 *db)
{
	int r = bfs_db_exec(db, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN;"
				"CREATE TEMP TABLE dropped(ino INTEGER PRIMARY KEY);"
				"INSERT INTO temp.dropped SELECT ino FROM node WHERE local<>0;"
				"INSERT OR IGNORE INTO temp.dropped SELECT ino FROM inode"
				" WHERE (mode & 61440) NOT IN (16384, 32768, 40960)"
				" OR ((mode & 61440)=40960 AND size>4080);"
				"DELETE FROM dirent WHERE ino IN (SELECT ino FROM temp.dropped);"
				"DELETE FROM inode WHERE ino IN (SELECT ino FROM temp.dropped);"
				"DROP TABLE temp.dropped");

	if (r == 0)
		r = bfs_schema_drop_session(db);
	return r < 0 ? r : bfs_db_exec(db, "COMMIT");
}

static int sync_path(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int copy_index(struct bfs_session *session, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : bfs_worktree_enter(session->worktree);

	if (r < 0)
		return r;
	return bfs_worktree_leave(session->worktree, bfs_log_copy_index(session->worktree, fd));
}

/* The index of the working copy as a file of its own. */
static int write_base(struct bfs_session *session, const char *path, struct bfs_error *error)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int r = copy_index(session, path);

	if (r < 0)
		return bfs_error_set(error, r, "copying the index", path, NULL);
	r = bfs_db_open(path, BFS_DB_WRITE, &db, error);
	if (r == 0)
		r = make_index(db);
	if (r < 0)
		return bfs_error_set(error, r, "copying the index", path, "%s", sqlite3_errmsg(db));
	bfs_db_close(bfs_steal(&db));
	r = sync_path(path);
	return r < 0 ? bfs_error_set(error, r, "copying the index", path, NULL) : 0;
}

/* session.json names the new base: that is when it changes. */
static int switch_base(struct bfs_session *session, const struct bfs_generation *generation,
	char *name, struct bfs_error *error)
{
	struct session_record changed = session->record;
	_cleanup_free_ char *old = NULL;
	int r;

	changed.info.base = *generation;
	changed.base = name;
	r = session_record_write(session->fd, &changed, error);
	if (r < 0) {
		free(name);
		return r;
	}
	old = session->record.base;
	session->record = changed;
	if (old)
		unlinkat(session->fd, old, 0);
	return set_base_path(session);
}

int bfs_session_set_base(struct bfs_session *session, const struct bfs_generation *generation,
	struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	uint64_t random;
	int r;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	name = bfs_format("base.%016llx.sqlite", (unsigned long long)random);
	path = name ? bfs_format("%s/%s", session->path, name) : NULL;
	if (!path)
		return -ENOMEM;
	r = write_base(session, path, error);
	if (r < 0) {
		unlink(path);
		return r;
	}
	r = switch_base(session, generation, bfs_steal(&name), error);
	if (r == 0)
		r = bfs_worktree_begin_epoch(session->worktree);
	return r < 0 ? bfs_error_set(error, r, "replacing the base", session->path, NULL) : 0;
}

/* --- the end of a session --- */

int bfs_session_discard(const char *name, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL, *path = NULL, *hidden = NULL;
	_cleanup_close_ int fd = -1, lock_fd = -1;
	int r = session_path(name, &path, error);

	if (r == 0)
		r = bfs_session_directory(&directory, error);
	if (r < 0)
		return r;
	session_sweep(directory);
	hidden = session_hidden_path(directory, name, ".gone");
	if (!hidden)
		return -ENOMEM;
	r = open_directory(path, name, &fd, error);
	if (r == 0)
		r = session_lock(fd, name, "being discarded", &lock_fd, error);
	if (r < 0)
		return r;
	if (rename(path, hidden) < 0)
		return bfs_error_set(error, -errno, "discarding the session", path, NULL);
	r = bfs_sync_directory(AT_FDCWD, path);
	if (r == 0)
		r = bfs_remove_tree(AT_FDCWD, hidden);
	return r < 0 ? bfs_error_set(error, r, "discarding the session", path, NULL) : 0;
}
