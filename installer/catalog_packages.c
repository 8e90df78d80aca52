#include "installer/catalog_private.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#define UPDATE_SECONDS 450		   /* Homebrew's HOMEBREW_API_AUTO_UPDATE_SECS */

/* ---- freshness ---- */

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static int64_t update_seconds(void)
{
	const char *text = getenv("HOMEBREW_API_AUTO_UPDATE_SECS");
	char *end;
	long seconds;

	if (!text || !*text)
		return UPDATE_SECONDS;
	errno = 0;
	seconds = strtol(text, &end, 10);
	return errno || *end || seconds < 0 ? UPDATE_SECONDS : seconds;
}

bool bfs_catalog_is_fresh(const struct bfs_catalog *catalog, int64_t checked)
{
	int64_t age = (int64_t)time(NULL) - checked;

	if (catalog->freshness == BFS_CATALOG_CACHED || is_set("HOMEBREW_NO_AUTO_UPDATE"))
		return true;
	if (bfs_catalog_is_offline(catalog))
		return true;
	/* A time in the future is a clock that was wrong. */
	return age >= 0 && age < update_seconds();
}

/* ---- the cached file ---- */

char *bfs_catalog_packages_path(const struct bfs_catalog *catalog, const char *suffix)
{
	return bfs_format("%s/packages.%s.%s", catalog->directory, catalog->tag, suffix);
}

int bfs_catalog_get_meta(sqlite3 *db, const char *key, char **ret_value)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db, "SELECT value FROM meta WHERE key=?1", &stmt);
	const char *value;

	*ret_value = NULL;
	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r;
	value = (const char *)sqlite3_column_text(stmt, 0);
	*ret_value = value ? strdup(value) : NULL;
	return value && !*ret_value ? -ENOMEM : 0;
}

/* Whether the file is of our format, for the tag, and verified with the key that counts today. */
static int check_file(const struct bfs_catalog *catalog, sqlite3 *db)
{
	_cleanup_free_ char *tag = NULL, *key = NULL;
	char expected[BFS_DIGEST_HEX_SIZE];
	int64_t format;
	int r = bfs_db_get_int64(db, "PRAGMA user_version", &format);

	if (r < 0 || format != BFS_CATALOG_FORMAT)
		return r < 0 ? r : -ESTALE;
	r = bfs_catalog_get_meta(db, "tag", &tag);
	if (r == 0)
		r = bfs_catalog_get_meta(db, "key", &key);
	if (r < 0)
		return r;
	bfs_digest_to_hex(bfs_jws_key_digest(catalog->key), expected);
	if (!tag || !key || strcmp(tag, catalog->tag) != 0 || strcmp(key, expected) != 0)
		return -ESTALE;
	return 0;
}

/* What is damaged or no longer of use is as if it were not there: it will be made anew. */
int bfs_catalog_open_file(
	const struct bfs_catalog *catalog, const char *path, struct bfs_catalog_file *ret_cached)
{
	_cleanup_db_ sqlite3 *db = NULL;
	struct stat st;
	int r;

	*ret_cached = (struct bfs_catalog_file){NULL, 0};
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = bfs_db_open(path, BFS_DB_IMMUTABLE, &db, NULL);
	if (r == 0)
		r = check_file(catalog, db);
	if (r < 0) {
		bfs_log_debug("%s: not used: %s", path, strerror(-r));
		return r == -ENOMEM ? r : 0;
	}
	*ret_cached = (struct bfs_catalog_file){bfs_steal(&db), st.st_mtim.tv_sec};
	return 0;
}

static bool can_be_used(const struct bfs_catalog *catalog, const struct bfs_catalog_file *cached)
{
	return cached->db && bfs_catalog_is_fresh(catalog, cached->checked);
}

/* ---- the document ---- */

static int convert(struct bfs_catalog *catalog, struct bfs_download *download,
	struct bfs_buffer *document, const char *url, const char *path, struct bfs_error *error)
{
	_cleanup_free_ char *staged = bfs_catalog_packages_path(catalog, "new");
	struct bfs_catalog_origin origin = {.tag = catalog->tag};
	struct bfs_download_reply reply;
	char *payload;
	size_t length;
	int r;

	if (!staged)
		return -ENOMEM;
	bfs_download_get_reply(download, &reply);
	/* The first source alone is asked whether it changed, so only its marks are kept. */
	if (reply.source == 0) {
		origin.etag = reply.etag;
		origin.last_modified = reply.last_modified;
	}
	origin.key = bfs_jws_key_digest(catalog->key);
	r = bfs_jws_verify(catalog->key, document, url, &payload, &length, error);
	if (r == 0)
		r = bfs_catalog_convert(payload, length, url, &origin, staged, error);
	if (r < 0)
		return r;
	if (rename(staged, path) < 0 || bfs_sync_directory(AT_FDCWD, path) < 0)
		return bfs_error_set(error, -errno, "keeping the packages document", path, NULL);
	return 0;
}

char *bfs_catalog_packages_url(const struct bfs_catalog *catalog, size_t source)
{
	return bfs_format("%s/internal/packages.%s.jws.json",
		source == 0 ? catalog->root : BFS_CATALOG_DEFAULT_ROOT, catalog->tag);
}

int bfs_catalog_start_packages(struct bfs_catalog *catalog, const char *etag,
	const char *last_modified, struct bfs_download **ret_download, struct bfs_error *error)
{
	_cleanup_free_ char *url = bfs_catalog_packages_url(catalog, 0);
	_cleanup_free_ char *fallback_url = bfs_catalog_packages_url(catalog, 1);
	struct bfs_download_source sources[] = {{url, NULL}, {fallback_url, NULL}};
	struct bfs_download_request request = {
		.sources = sources,
		.source_count = bfs_catalog_has_fallback(catalog) ? 2 : 1,
		.kind = BFS_DOWNLOAD_DOCUMENT,
		.missing_is_final = true,
		.label = "Homebrew API",
		.expected_size = -1,
		.size_limit = BFS_CATALOG_DOCUMENT_LIMIT,
		.etag = etag,
		.last_modified = last_modified,
	};
	int r = url && fallback_url ? 0 : -ENOMEM;

	if (r == 0)
		r = bfs_catalog_get_downloader(catalog, error);
	return r < 0 ? r : bfs_download_start(catalog->downloader, &request, ret_download, error);
}

static int start_download(struct bfs_catalog *catalog, const struct bfs_catalog_file *cached,
	struct bfs_download **ret_download, struct bfs_error *error)
{
	_cleanup_free_ char *etag = NULL, *last_modified = NULL;
	int r = 0;

	if (cached->db)
		r = bfs_catalog_get_meta(cached->db, "etag", &etag);
	if (r == 0 && cached->db)
		r = bfs_catalog_get_meta(cached->db, "last_modified", &last_modified);
	return r < 0 ? r
		     : bfs_catalog_start_packages(
			       catalog, etag, last_modified, ret_download, error);
}

/* Downloads the document and replaces the file; one that did not change is only noted as checked.
 */
static int update(struct bfs_catalog *catalog, const struct bfs_catalog_file *cached,
	const char *path, struct bfs_error *error)
{
	_cleanup_download_ struct bfs_download *download = NULL;
	_cleanup_buffer_ struct bfs_buffer document = BFS_BUFFER_INIT;
	_cleanup_free_ char *url = NULL;
	struct bfs_download_reply reply;
	int r = start_download(catalog, cached, &download, error);

	if (r == 0)
		r = bfs_download_collect(download, &document, error);
	if (r < 0)
		return r;
	bfs_download_get_reply(download, &reply);
	if (reply.not_modified) {
		utimensat(AT_FDCWD, path, NULL, 0);
		return 0;
	}
	url = bfs_catalog_packages_url(catalog, reply.source);
	return url ? convert(catalog, download, &document, url, path, error) : -ENOMEM;
}

/* ---- opening ---- */

/* What an update that failed means for the catalog. */
static int judge_failure(const struct bfs_catalog_file *cached, int code, struct bfs_error *error)
{
	if (code == -EKEYREJECTED || code == -ENOMEM)
		return code;
	if (cached->db) {
		bfs_log_warning("%s; using the formulae that were downloaded before",
			bfs_error_message(error, code));
		bfs_error_clear(error);
		return 0;
	}
	if (code == -ENOENT) {
		bfs_error_clear(error); /* the server has single documents only */
		return 0;
	}
	return code;
}

static int refresh(struct bfs_catalog *catalog, const char *path, struct bfs_catalog_file *cached,
	struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	int r = update(catalog, cached, path, &failure);

	if (r < 0) {
		r = judge_failure(cached, r, &failure);
		if (r < 0 && error && !error->message) {
			*error = failure;
			failure = (struct bfs_error)BFS_ERROR_INIT;
		}
		return r;
	}
	bfs_db_close(bfs_steal(&cached->db));
	r = bfs_catalog_open_file(catalog, path, cached);
	if (r == 0 && !cached->db)
		r = -EIO;
	return r < 0 ? bfs_error_set(error, r, "opening the formulae", path, NULL) : 0;
}

/* Waits until no other process is downloading the document. */
int bfs_catalog_lock(const struct bfs_catalog *catalog, int *ret_fd, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_catalog_packages_path(catalog, "lock");
	_cleanup_close_ int fd = -1;

	if (!path)
		return -ENOMEM;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return bfs_error_set(error, -errno, "locking the cache", path, NULL);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return bfs_error_set(error, -errno, "locking the cache", path, NULL);
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

static int open_or_refresh(struct bfs_catalog *catalog, const char *path, struct bfs_catalog_file *cached,
	struct bfs_error *error)
{
	_cleanup_close_ int lock_fd = -1;
	int r = bfs_catalog_open_file(catalog, path, cached);

	if (r < 0 || can_be_used(catalog, cached))
		return r;
	r = bfs_catalog_lock(catalog, &lock_fd, error);
	if (r < 0)
		return r;
	/* Another process may have downloaded it meanwhile. */
	bfs_db_close(bfs_steal(&cached->db));
	r = bfs_catalog_open_file(catalog, path, cached);
	if (r < 0 || can_be_used(catalog, cached))
		return r;
	return refresh(catalog, path, cached, error);
}

int bfs_catalog_open_packages(struct bfs_catalog *catalog, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_catalog_packages_path(catalog, "sqlite");
	struct bfs_catalog_file cached = {NULL, 0};
	int r;

	if (catalog->depot)
		return bfs_catalog_open_deposited(catalog, error);
	if (!path)
		return -ENOMEM;
	r = open_or_refresh(catalog, path, &cached, error);
	if (r < 0) {
		bfs_db_close(cached.db);
		return bfs_error_set(error, r, "opening the formulae", path, NULL);
	}
	catalog->db = cached.db;
	return 0;
}
