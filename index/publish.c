#include "index/publish.h"

#include "index/publish_delta.h"
#include "index/put.h"
#include "index/snapshot.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct bfs_publication {
	struct bfs_store *store;
	char *ref;
	int lock_fd;
	struct bfs_generation base;
	char *base_path; /* local copy of the base index; NULL for a new ref */
	char *cache;
	char *work_path; /* the working copy */
	struct bfs_tree *tree;
	bool staging; /* the store's staging directory is held */
};

/* Who holds the lock writes himself into it, for those who wait. */
static void describe_holder(int fd, const char *ref)
{
	char holder[256] = "";
	ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

	if (n > 0)
		holder[strcspn(holder, "\n")] = '\0';
	bfs_log_info(
		"Waiting for another brewfs that changes %s%s%s", ref, *holder ? ": " : "", holder);
}

static int take_lock(struct bfs_publication *publication)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_free_ char *path = bfs_format("locks/%s", publication->ref);
	char host[HOST_NAME_MAX + 1] = "", holder[HOST_NAME_MAX + 64];
	struct stat st;
	int fd, length;

	if (!path)
		return -ENOMEM;
	fd = openat(bfs_store_fd(publication->store), path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	publication->lock_fd = fd;
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		describe_holder(fd, publication->ref);
		while (fcntl(fd, F_OFD_SETLKW, &lock) < 0)
			if (errno != EINTR)
				return -errno;
	}
	gethostname(host, sizeof(host) - 1);
	length = snprintf(holder, sizeof(holder), "%s, process %d\n", host, (int)getpid());
	if (fstat(fd, &st) < 0 || (st.st_size > length && ftruncate(fd, 0) < 0))
		return -errno;
	return bfs_pwrite_all(fd, holder, (size_t)length, 0);
}

/*
 * Working copies are named work.HOST.PID.sqlite; those of this host's dead processes are garbage.
 * Other hosts may share the cache directory: a home on a network filesystem, containers.
 */
static void remove_dead_work(const char *cache)
{
	_cleanup_closedir_ DIR *dir = opendir(cache);
	char host[HOST_NAME_MAX + 1] = "";
	struct dirent *entry;
	size_t length;

	gethostname(host, sizeof(host) - 1);
	length = strlen(host);
	while (dir && (entry = readdir(dir))) {
		int pid, end = 0;

		if (strncmp(entry->d_name, "work.", 5) != 0 ||
			strncmp(entry->d_name + 5, host, length) != 0 ||
			sscanf(entry->d_name + 5 + length, ".%d.sqlite%n", &pid, &end) != 1 ||
			end == 0 || pid <= 0)
			continue;
		if (kill(pid, 0) < 0 && errno == ESRCH)
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

/* The working copy anew, from an index on local disk. */
static int copy_index(struct bfs_publication *publication, const char *path, uint64_t size,
	struct bfs_error *error)
{
	_cleanup_close_ int from = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int to = -1;
	int r = from < 0 ? -errno : 0;

	unlink(publication->work_path);
	if (r == 0)
		to = open(publication->work_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (r == 0 && to < 0)
		r = -errno;
	if (r == 0)
		r = bfs_copy_range(from, to, size);
	return r < 0 ? bfs_error_set(error, r, "copying the index", publication->work_path, NULL)
		     : 0;
}

static int open_work(struct bfs_publication *publication, struct bfs_error *error)
{
	int r;

	if (publication->base_path) {
		r = copy_index(publication, publication->base_path, publication->base.size, error);
		return r < 0 ? r
			     : bfs_tree_open(publication->work_path, BFS_TREE_WRITE,
				       &publication->tree, error);
	}
	unlink(publication->work_path);
	r = bfs_tree_open(publication->work_path, BFS_TREE_NEW, &publication->tree, error);
	if (r == 0)
		r = bfs_tree_set_value(
			publication->tree, "prefix", bfs_store_prefix(publication->store));
	return r < 0 ? bfs_error_set(error, r, "making the index", publication->work_path, NULL)
		     : 0;
}

static int load_base(struct bfs_publication *publication, struct bfs_error *error)
{
	struct bfs_error ignored = BFS_ERROR_INIT;
	int r = bfs_ref_read(publication->store, publication->ref, &publication->base, &ignored);

	if (r < 0 && r != -ENOENT && error) {
		*error = ignored;
		return r;
	}
	bfs_error_clear(&ignored);
	if (r == -ENOENT) {
		publication->base = (struct bfs_generation){0};
		return 0;
	}
	return r < 0 ? r
		     : bfs_snapshot_fetch(publication->store, &publication->base,
			       &publication->base_path, error);
}

int bfs_publication_begin(struct bfs_store *store, const char *ref,
	struct bfs_publication **ret_publication, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = calloc(1, sizeof(*publication));
	int r;

	if (!publication)
		return -ENOMEM;
	publication->lock_fd = -1;
	publication->store = store;
	if (!bfs_ref_name_is_valid(ref))
		return bfs_error_set(error, -EINVAL, "locking the ref", ref,
			"not a name for a ref: 1 to 64 of A-Z a-z 0-9 . _ -");
	publication->ref = strdup(ref);
	r = bfs_cache_directory(&publication->cache, error);
	if (r < 0)
		return r;
	publication->work_path = bfs_cache_work_path(publication->cache, "");
	if (!publication->ref || !publication->work_path)
		return -ENOMEM;
	r = take_lock(publication);
	if (r < 0)
		return bfs_error_set(error, r, "locking the ref", ref, NULL);
	r = bfs_put_begin(store);
	if (r < 0)
		return bfs_error_set(
			error, r, "preparing to write into the store", bfs_store_path(store), NULL);
	publication->staging = true;
	bfs_put_clean_staging(store);
	remove_dead_work(publication->cache);
	r = load_base(publication, error);
	if (r == 0)
		r = open_work(publication, error);
	if (r == 0)
		*ret_publication = bfs_steal(&publication);
	return r;
}

struct bfs_tree *bfs_publication_tree(struct bfs_publication *publication)
{
	return publication->tree;
}

const struct bfs_generation *bfs_publication_base(const struct bfs_publication *publication)
{
	return &publication->base;
}

const char *bfs_publication_base_path(const struct bfs_publication *publication)
{
	return publication->base_path;
}

void bfs_publication_end(struct bfs_publication *publication)
{
	if (!publication)
		return;
	bfs_tree_close(publication->tree);
	if (publication->work_path)
		unlink(publication->work_path);
	if (publication->staging)
		bfs_put_end(publication->store);
	if (publication->lock_fd >= 0)
		close(publication->lock_fd);
	free(publication->work_path);
	free(publication->base_path);
	free(publication->cache);
	free(publication->ref);
	free(publication);
}

/* --- an earlier generation again --- */

static int find_generation(struct bfs_publication *publication, uint64_t number,
	struct bfs_generation *ret_generation, struct bfs_error *error)
{
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = bfs_publication_log(publication->tree, &publication->base, &entries, &count, error);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; r < 0 && i < count; i++)
		if (entries[i].generation.number == number) {
			*ret_generation = entries[i].generation;
			r = 0;
		}
	bfs_log_entries_free(entries, count);
	return r < 0 ? bfs_error_set(error, r, "looking for the generation", publication->ref,
			       "it has no generation %llu", (unsigned long long)number)
		     : 0;
}

static int copy_log(sqlite3 *from, sqlite3 *to)
{
	_cleanup_stmt_ sqlite3_stmt *rows = NULL, *insert = NULL;
	int r = bfs_db_exec(to, "DELETE FROM generation");

	if (r == 0)
		r = bfs_db_prepare(from,
			"SELECT number, digest, size, time, host, message FROM generation", &rows);
	if (r == 0)
		r = bfs_db_prepare(
			to, "INSERT INTO generation VALUES(?1, ?2, ?3, ?4, ?5, ?6)", &insert);
	while (r >= 0 && (r = bfs_db_step(rows)) > 0) {
		for (int i = 0; i < 6; i++)
			sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
		r = bfs_db_run(insert);
	}
	return r;
}

/* What goes on from the base, in a working copy that no tree is open on. */
static int carry_over(struct bfs_publication *publication, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *base = NULL;
	_cleanup_db_ sqlite3 *work = NULL;
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int64_t next_ino;
	int r = bfs_tree_open(publication->base_path, BFS_TREE_READ, &base, error);

	if (r == 0)
		r = bfs_db_open(publication->work_path, BFS_DB_WRITE, &work, error);
	if (r < 0)
		return r;
	r = bfs_db_exec(work, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; BEGIN");
	if (r == 0)
		r = copy_log(bfs_tree_db(base), work);
	if (r == 0)
		r = bfs_db_get_int64(bfs_tree_db(base),
			"SELECT value FROM value WHERE key='next_ino'", &next_ino);
	if (r == 0)
		r = bfs_db_prepare(
			work, "UPDATE value SET value=?1 WHERE key='next_ino' AND value<?1", &stmt);
	if (r == 0) {
		sqlite3_bind_int64(stmt, 1, next_ino);
		r = bfs_db_run(stmt);
	}
	if (r == 0)
		r = bfs_db_exec(work, "COMMIT");
	return r < 0 ? bfs_error_set(error, r, "preparing the index", publication->work_path, NULL)
		     : 0;
}

/* A local copy of its index says nothing of its contents: what was removed is gone from the store.
 */
static bool is_in_store(struct bfs_store *store, const struct bfs_generation *generation)
{
	char name[BFS_STORE_NAME_SIZE];
	int fd = bfs_store_fd(store);

	for (int i = 0; i < 2; i++) {
		bfs_store_delta_name(&generation->index, name);
		if (faccessat(fd, name, F_OK, 0) == 0)
			return true;
		bfs_store_index_name(&generation->index, name);
		if (faccessat(fd, name, F_OK, 0) == 0)
			return true;
		bfs_store_refresh(fd, name);
	}
	return false;
}

int bfs_publication_restore(
	struct bfs_publication *publication, uint64_t number, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	_cleanup_free_ char *path = NULL;
	struct bfs_generation generation;
	int r = find_generation(publication, number, &generation, error);

	if (r < 0)
		return r;
	if (!is_in_store(publication->store, &generation))
		return bfs_error_set(error, -ENOENT, "fetching the index", publication->ref,
			"generation %llu was removed from the store", (unsigned long long)number);
	r = bfs_snapshot_fetch(publication->store, &generation, &path, &missing);
	if (r < 0)
		return bfs_error_set(error, r, "fetching the index", publication->ref, "%s",
			bfs_error_message(&missing, r));
	bfs_tree_close(bfs_steal(&publication->tree));
	r = copy_index(publication, path, generation.size, error);
	if (r == 0)
		r = carry_over(publication, error);
	return r < 0 ? r
		     : bfs_tree_open(
			       publication->work_path, BFS_TREE_WRITE, &publication->tree, error);
}

/* The generation that ends gets its index noted, the new one its line; its own digest it cannot
 * hold. */
static int write_log(struct bfs_publication *publication, const char *message)
{
	_cleanup_stmt_ sqlite3_stmt *previous = NULL, *next = NULL;
	const struct bfs_generation *base = &publication->base;
	sqlite3 *db = bfs_tree_db(publication->tree);
	char host[HOST_NAME_MAX + 1] = "";
	int r = bfs_db_prepare(
		db, "UPDATE generation SET digest=?2, size=?3 WHERE number=?1", &previous);

	if (r == 0)
		r = bfs_db_prepare(
			db, "INSERT INTO generation VALUES(?1, NULL, NULL, ?2, ?3, ?4)", &next);
	if (r < 0)
		return r;
	gethostname(host, sizeof(host) - 1);
	sqlite3_bind_int64(previous, 1, (int64_t)base->number);
	sqlite3_bind_blob(previous, 2, base->index.bytes, BFS_DIGEST_SIZE, SQLITE_STATIC);
	sqlite3_bind_int64(previous, 3, (int64_t)base->size);
	r = bfs_db_run(previous);
	if (r < 0)
		return r;
	sqlite3_bind_int64(next, 1, (int64_t)base->number + 1);
	sqlite3_bind_int64(next, 2, (int64_t)time(NULL));
	sqlite3_bind_text(next, 3, host, -1, SQLITE_STATIC);
	sqlite3_bind_text(next, 4, message, -1, SQLITE_STATIC);
	return bfs_db_run(next);
}

/* Whether much of the file is free: SQLite does not shrink it, but a compact copy is smaller. */
static bool is_loose(struct bfs_publication *publication)
{
	sqlite3 *db = bfs_tree_db(publication->tree);
	int64_t pages, free_pages;

	return bfs_db_get_int64(db, "PRAGMA page_count", &pages) == 0 &&
	       bfs_db_get_int64(db, "PRAGMA freelist_count", &free_pages) == 0 &&
	       free_pages > pages / 4;
}

/* As what has changed since the base. 1 where that is done, 0 where the whole is to be put. */
static int put_changes(struct bfs_publication *publication, struct bfs_generation *ret_generation,
	struct bfs_error *error)
{
	int r = publication->base_path ? bfs_tree_settle(publication->tree, error) : 0;

	if (r == 0 && publication->base_path && !is_loose(publication))
		r = bfs_publish_delta(publication->store, &publication->base,
			publication->base_path, publication->work_path, ret_generation, error);
	return r;
}

static int put_whole(struct bfs_publication *publication, struct bfs_generation *ret_generation,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_format("%s.new", publication->work_path);
	int r;

	if (!path)
		return -ENOMEM;
	unlink(path);
	r = bfs_tree_write_copy(publication->tree, path, error);
	if (r == 0)
		r = bfs_snapshot_put(publication->store, path, ret_generation, error);
	ret_generation->form = BFS_INDEX_WHOLE;
	unlink(path);
	return r;
}

int bfs_publication_commit(struct bfs_publication *publication, const char *message,
	struct bfs_generation *ret_generation, struct bfs_error *error)
{
	struct bfs_generation generation = {.number = publication->base.number + 1};
	int r = write_log(publication, message);
	bool changes;

	if (r < 0)
		return bfs_error_set(error, r, "writing the log", publication->work_path, NULL);
	r = put_changes(publication, &generation, error);
	changes = r > 0;
	if (r == 0)
		r = put_whole(publication, &generation, error);
	if (r < 0)
		return r;
	r = bfs_ref_write(publication->store, publication->ref, &generation, error);
	if (changes && r == 0)
		bfs_snapshot_keep(&generation, publication->work_path);
	if (r == 0 && ret_generation)
		*ret_generation = generation;
	return r;
}

void bfs_log_entries_free(struct bfs_log_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(entries[i].message);
		free(entries[i].host);
	}
	free(entries);
}

static int entry_from_row(
	sqlite3_stmt *stmt, const struct bfs_generation *current, struct bfs_log_entry *ret_entry)
{
	const void *digest = sqlite3_column_blob(stmt, 1);
	const char *host = (const char *)sqlite3_column_text(stmt, 4);
	const char *message = (const char *)sqlite3_column_text(stmt, 5);

	if (!host || !message || sqlite3_column_int64(stmt, 0) < 1)
		return -EUCLEAN;
	*ret_entry = (struct bfs_log_entry){.time = sqlite3_column_int64(stmt, 3)};
	ret_entry->generation.number = (uint64_t)sqlite3_column_int64(stmt, 0);
	if (ret_entry->generation.number == current->number) {
		ret_entry->generation = *current;
	} else {
		if (!digest || sqlite3_column_bytes(stmt, 1) != BFS_DIGEST_SIZE)
			return -EUCLEAN;
		memcpy(ret_entry->generation.index.bytes, digest, BFS_DIGEST_SIZE);
		ret_entry->generation.size = (uint64_t)sqlite3_column_int64(stmt, 2);
	}
	ret_entry->host = strdup(host);
	ret_entry->message = strdup(message);
	return ret_entry->host && ret_entry->message ? 0 : -ENOMEM;
}

int bfs_publication_log(struct bfs_tree *tree, const struct bfs_generation *current,
	struct bfs_log_entry **ret_entries, size_t *ret_count, struct bfs_error *error)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"SELECT number, digest, size, time, host, message FROM generation"
		" ORDER BY number DESC",
		&stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_log_entry *grown = reallocarray(entries, count + 1, sizeof(*entries));

		if (!grown) {
			r = -ENOMEM;
			break;
		}
		entries = grown;
		r = entry_from_row(stmt, current, &entries[count]);
		count += r != -EUCLEAN;
	}
	if (r < 0) {
		bfs_log_entries_free(entries, count);
		return bfs_error_set(error, r, "reading the log", NULL, NULL);
	}
	*ret_entries = entries;
	*ret_count = count;
	return 0;
}
