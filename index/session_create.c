#include "index/session_private.h"

#include "index/schema.h"
#include "index/snapshot.h"
#include "index/tree.h"
#include "lib/db.h"
#include "lib/file.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>

/* A session on its way: a hidden directory that gets its name when it is complete. */
struct draft {
	char *path; /* of the hidden directory */
	int fd;	    /* it */
	int lock_fd;
};

static void draft_release(struct draft *draft)
{
	if (draft->path)
		bfs_remove_tree(AT_FDCWD, draft->path);
	free(draft->path);
	bfs_cleanup_close(&draft->fd);
	bfs_cleanup_close(&draft->lock_fd);
}
#define _cleanup_draft_ BFS_CLEANUP(draft_release)

/* SQLite's log needs memory and locks that all who open it share (sqlite.org/wal.html). */
static int check_local(int fd, const char *path, struct bfs_error *error)
{
	static const unsigned network[] = {0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x5346414f,
		0x00c36400, 0x01021997}; /* NFS, CIFS, SMB2, SMB, AFS, Ceph, 9P: statfs(2) */
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return bfs_error_set(error, -errno, "making the session", path, NULL);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(network); i++)
		if ((unsigned)st.f_type == network[i])
			return bfs_error_set(error, -EOPNOTSUPP, "making the session", path,
				"this is a network filesystem, sessions need a local one: name one "
				"in $BREWFS_SESSIONS");
	return 0;
}

static int draft_begin(
	struct draft *draft, const char *directory, const char *name, struct bfs_error *error)
{
	_cleanup_free_ char *path = session_hidden_path(directory, name, ".new");
	int r;

	if (!path)
		return -ENOMEM;
	if (mkdir(path, 0700) < 0)
		return bfs_error_set(error, -errno, "making the session", path, NULL);
	draft->path = bfs_steal(&path);
	draft->fd = open(draft->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (draft->fd < 0 || mkdirat(draft->fd, "data", 0700) < 0)
		return bfs_error_set(error, -errno, "making the session", draft->path, NULL);
	r = check_local(draft->fd, draft->path, error);
	return r < 0 ? r : session_lock(draft->fd, name, "being made", &draft->lock_fd, error);
}

/* By reference where the filesystem can. */
static int copy_file(const char *from_path, int dir_fd, const char *name, mode_t mode)
{
	_cleanup_close_ int from = open(from_path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	struct stat st;
	int r = 0;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	to = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (to < 0)
		return -errno;
	if (ioctl(to, FICLONE, from) < 0)
		r = bfs_copy_range(from, to, (uint64_t)st.st_size);
	if (r == 0 && fsync(to) < 0)
		r = -errno;
	return r;
}

/* Nobody changes a file in the cache, so a second name for it does; it is made durable all the
 * same. */
static int link_base(const char *from_path, int dir_fd)
{
	_cleanup_close_ int fd = open(from_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (linkat(AT_FDCWD, from_path, dir_fd, SESSION_BASE, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

static int add_base(struct draft *draft, const char *base, bool may_link, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_tree_open(base, BFS_TREE_READ, &tree, error);

	if (r < 0)
		return r;
	if (!may_link || link_base(base, draft->fd) < 0) {
		unlinkat(draft->fd, SESSION_BASE, 0);
		r = copy_file(base, draft->fd, SESSION_BASE, 0444);
	}
	if (r == 0)
		r = copy_file(base, draft->fd, SESSION_INDEX, 0600);
	return r < 0 ? bfs_error_set(error, r, "copying the index", base, NULL) : 0;
}

static int make_empty_index(struct bfs_store *store, const char *path, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_tree_open(path, BFS_TREE_NEW, &tree, error);

	return r < 0 ? r : bfs_tree_set_value(tree, "prefix", bfs_store_prefix(store));
}

static int sync_file(int dir_fd, const char *name)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Nothing is lost with what is half done here, so it needs no journal. */
static int add_tables(struct draft *draft, const char *path, struct bfs_error *error)
{
	_cleanup_db_ sqlite3 *db = NULL;
	int r = bfs_db_open(path, BFS_DB_WRITE, &db, error);

	if (r == 0)
		r = bfs_db_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY;"
				    "PRAGMA synchronous=OFF; BEGIN");
	if (r == 0)
		r = bfs_schema_add_session(db);
	if (r == 0)
		r = bfs_db_exec(db, "COMMIT");
	if (r < 0)
		return bfs_error_set(
			error, r, "making the session", path, "%s", sqlite3_errmsg(db));
	bfs_db_close(bfs_steal(&db));
	r = sync_file(draft->fd, SESSION_INDEX);
	return r < 0 ? bfs_error_set(error, r, "making the session", path, NULL) : 0;
}

static int draft_fill(struct draft *draft, struct bfs_store *store, const char *base, bool may_link,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s/" SESSION_INDEX, draft->path);
	int r = -ENOMEM;

	if (path)
		r = base ? add_base(draft, base, may_link, error)
			 : make_empty_index(store, path, error);
	return r < 0 ? r : add_tables(draft, path, error);
}

static int describe(struct bfs_store *store, const char *ref, const char *name, const char *base,
	const struct bfs_generation *generation, struct session_record *record)
{
	char absolute[PATH_MAX];

	if (!realpath(bfs_store_path(store), absolute))
		return -errno;
	record->info = (struct bfs_session_info){
		.name = strdup(name),
		.store = strdup(absolute),
		.store_uuid = strdup(bfs_store_uuid(store)),
		.ref = strdup(ref),
		.base = *generation,
		.created = time(NULL),
	};
	record->base = base ? strdup(SESSION_BASE) : NULL;
	if (!record->info.name || !record->info.store || !record->info.store_uuid ||
		!record->info.ref || (base && !record->base))
		return -ENOMEM;
	return 0;
}

static int draft_finish(struct draft *draft, const char *path, struct bfs_error *error)
{
	int r = 0;

	if (fsync(draft->fd) < 0)
		r = -errno;
	if (r == 0 && rename(draft->path, path) < 0)
		r = errno == ENOTEMPTY ? -EEXIST : -errno;
	if (r < 0)
		return bfs_error_set(error, r, "making the session", path, NULL);
	free(bfs_steal(&draft->path));
	r = bfs_sync_directory(AT_FDCWD, path);
	return r < 0 ? bfs_error_set(error, r, "making the session", path, NULL) : 0;
}

static int create(struct bfs_store *store, const char *ref, const char *name, const char *base,
	const struct bfs_generation *generation, struct bfs_error *error)
{
	_cleanup_draft_ struct draft draft = {.fd = -1, .lock_fd = -1};
	_cleanup_record_ struct session_record record = {0};
	_cleanup_free_ char *directory = NULL, *path = NULL;
	int r = session_path(name, &path, error);

	if (r == 0)
		r = bfs_session_directory(&directory, error);
	if (r < 0)
		return r;
	session_sweep(directory);
	if (access(path, F_OK) == 0)
		return bfs_error_set(error, -EEXIST, "making the session", name,
			"there is one of that name already");
	r = draft_begin(&draft, directory, name, error);
	if (r == 0) /* an index that has a number is in the cache */
		r = draft_fill(&draft, store, base, generation->number != 0, error);
	if (r < 0)
		return r;
	r = describe(store, ref, name, base, generation, &record);
	if (r < 0)
		return bfs_error_set(error, r, "making the session", name, NULL);
	r = session_record_write(draft.fd, &record, error);
	return r < 0 ? r : draft_finish(&draft, path, error);
}

static int check_ref(const char *ref, struct bfs_error *error)
{
	if (bfs_ref_name_is_valid(ref))
		return 0;
	return bfs_error_set(error, -EINVAL, "making the session", ref,
		"not a name for a ref: 1 to 64 of A-Z a-z 0-9 . _ -");
}

int bfs_session_create(
	struct bfs_store *store, const char *ref, const char *name, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	_cleanup_free_ char *base = NULL;
	struct bfs_generation generation = {0};
	int r = check_ref(ref, error);

	if (r < 0)
		return r;
	r = bfs_ref_read(store, ref, &generation, &missing);
	if (r == 0)
		r = bfs_snapshot_fetch(store, &generation, &base, error);
	else if (r == -ENOENT)
		r = 0;
	else
		return bfs_error_set(
			error, r, "making the session", ref, "%s", bfs_error_message(&missing, r));
	return r < 0 ? r : create(store, ref, name, base, &generation, error);
}

int bfs_session_create_from(struct bfs_store *store, const char *ref, const char *name,
	const char *index_path, struct bfs_error *error)
{
	const struct bfs_generation none = {0};
	int r = check_ref(ref, error);

	return r < 0 ? r : create(store, ref, name, index_path, &none, error);
}
