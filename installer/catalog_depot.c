#include "installer/catalog_private.h"

#include "lib/file.h"

#include <fcntl.h>
#include <string.h>

#define SOURCE_LIMIT 65536 /* bytes; two short lines are used */

/* ---- filling ---- */

/* What the server said of the document that the depot has. */
struct source {
	char *etag, *last_modified; /* NULL where not known; owned */
	int64_t checked;	    /* s since 1970; 0: there is no document */
};

static void release_source(struct source *source)
{
	free(source->etag);
	free(source->last_modified);
}

static char *take_line(char **text)
{
	char *line = strsep(text, "\n");

	return line && *line ? strdup(line) : NULL;
}

static int read_source(const struct bfs_catalog *catalog, struct source *source)
{
	_cleanup_free_ char *path = bfs_depot_source_path(catalog->depot, catalog->tag);
	_cleanup_free_ char *document = bfs_depot_packages_path(catalog->depot, catalog->tag);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct stat st;
	char *rest;
	int r = path && document ? 0 : -ENOMEM;

	if (r < 0 || access(document, F_OK) < 0)
		return r;
	r = bfs_read_file(AT_FDCWD, path, SOURCE_LIMIT, &text);
	if (r < 0 || stat(path, &st) < 0)
		return r == -ENOMEM ? r : 0;
	rest = text.data;
	source->etag = take_line(&rest);
	source->last_modified = take_line(&rest);
	source->checked = st.st_mtim.tv_sec;
	return 0;
}

static int write_source(const struct bfs_catalog *catalog, const struct bfs_download_reply *reply)
{
	_cleanup_free_ char *path = bfs_depot_source_path(catalog->depot, catalog->tag);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	bool known = reply->source == 0; /* the only one that is asked whether it changed */
	int r = bfs_buffer_append_format(&text, "%s\n%s\n", known && reply->etag ? reply->etag : "",
		known && reply->last_modified ? reply->last_modified : "");

	if (!path)
		return -ENOMEM;
	return r < 0 ? r : bfs_replace_file(AT_FDCWD, path, text.data, text.length, 0644);
}

/* Keeps a document as it came, once its signature was found right; that changes the buffer. */
static int keep_document(struct bfs_catalog *catalog, struct bfs_buffer *document,
	const struct bfs_download_reply *reply, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_depot_packages_path(catalog->depot, catalog->tag);
	_cleanup_free_ char *staged = path ? bfs_format("%s.new", path) : NULL;
	_cleanup_free_ char *url = bfs_catalog_packages_url(catalog, reply->source);
	char *payload;
	size_t length;
	int r = staged && url ? 0 : -ENOMEM;

	if (r == 0)
		r = bfs_replace_file(AT_FDCWD, staged, document->data, document->length, 0644);
	if (r < 0)
		return bfs_error_set(error, r, "keeping the packages document", path, NULL);
	r = bfs_jws_verify(catalog->key, document, url, &payload, &length, error);
	if (r < 0) {
		unlink(staged);
		return r;
	}
	if (rename(staged, path) < 0 || bfs_sync_directory(AT_FDCWD, path) < 0)
		return bfs_error_set(error, -errno, "keeping the packages document", path, NULL);
	r = write_source(catalog, reply);
	return r < 0 ? bfs_error_set(error, r, "keeping the packages document", path, NULL) : 0;
}

static int download(
	struct bfs_catalog *catalog, const struct source *source, struct bfs_error *error)
{
	_cleanup_download_ struct bfs_download *download = NULL;
	_cleanup_buffer_ struct bfs_buffer document = BFS_BUFFER_INIT;
	struct bfs_download_reply reply;
	int r = bfs_catalog_start_packages(
		catalog, source->etag, source->last_modified, &download, error);

	if (r == 0)
		r = bfs_download_collect(download, &document, error);
	if (r < 0)
		return r;
	bfs_download_get_reply(download, &reply);
	if (reply.not_modified) {
		_cleanup_free_ char *path = bfs_depot_source_path(catalog->depot, catalog->tag);

		if (path)
			utimensat(AT_FDCWD, path, NULL, 0);
		return 0;
	}
	return keep_document(catalog, &document, &reply, error);
}

/* A fetch is for a network: where it fails, it fails, whatever was fetched before. */
static int fill(struct bfs_catalog *catalog, struct bfs_error *error)
{
	BFS_CLEANUP(release_source) struct source source = {0};
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	int r = read_source(catalog, &source);

	if (r < 0 || (source.checked && bfs_catalog_is_fresh(catalog, source.checked)))
		return r;
	r = download(catalog, &source, &failure);
	if (r == -ENOENT && !source.checked)
		return 0; /* the server has single documents only */
	if (r < 0 && error && !error->message) {
		*error = failure;
		failure = (struct bfs_error)BFS_ERROR_INIT;
	}
	return r;
}

/* ---- opening ---- */

/* Whether the packages file was made from the document of that digest. */
static int is_of(const struct bfs_catalog_file *file, const char *digest)
{
	_cleanup_free_ char *kept = NULL;
	int r = file->db ? bfs_catalog_get_meta(file->db, "etag", &kept) : 0;

	return r < 0 ? r : kept && strcmp(kept, digest) == 0;
}

static int convert(struct bfs_catalog *catalog, struct bfs_buffer *document, const char *name,
	const char *digest, const char *path, struct bfs_error *error)
{
	_cleanup_free_ char *staged = bfs_catalog_packages_path(catalog, "new");
	struct bfs_catalog_origin origin = {
		.tag = catalog->tag, .etag = digest, .key = bfs_jws_key_digest(catalog->key)};
	char *payload;
	size_t length;
	int r = staged ? 0 : -ENOMEM;

	if (r == 0)
		r = bfs_jws_verify(catalog->key, document, name, &payload, &length, error);
	if (r == 0)
		r = bfs_catalog_convert(payload, length, name, &origin, staged, error);
	if (r == 0 && rename(staged, path) < 0)
		r = bfs_error_set(error, -errno, "keeping the packages document", path, NULL);
	return r;
}

/* Opens the packages file of the document, which is made where there is none yet. */
static int open_document(struct bfs_catalog *catalog, struct bfs_buffer *document, const char *name,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_catalog_packages_path(catalog, "sqlite");
	struct bfs_catalog_file file = {NULL, 0};
	_cleanup_close_ int lock_fd = -1;
	char hex[BFS_DIGEST_HEX_SIZE];
	struct bfs_digest digest;
	int r = path ? bfs_digest_of(document->data, document->length, &digest) : -ENOMEM;

	if (r == 0)
		r = bfs_catalog_lock(catalog, &lock_fd, error);
	if (r == 0)
		r = bfs_catalog_open_file(catalog, path, &file);
	if (r == 0)
		r = is_of(&file, bfs_digest_to_hex(&digest, hex));
	if (r == 0) {
		bfs_db_close(bfs_steal(&file.db));
		r = convert(catalog, document, name, hex, path, error);
		if (r == 0)
			r = bfs_catalog_open_file(catalog, path, &file);
		if (r == 0 && !file.db)
			r = -EIO;
	}
	if (r < 0) {
		bfs_db_close(file.db);
		return bfs_error_set(error, r, "opening the formulae", name, NULL);
	}
	catalog->db = file.db;
	return 0;
}

static bool has_single_documents(const struct bfs_catalog *catalog)
{
	_cleanup_free_ char *core = bfs_format("%s/formula", bfs_depot_path(catalog->depot));
	_cleanup_free_ char *taps = bfs_format("%s/taps", bfs_depot_path(catalog->depot));

	return bfs_depot_is_filling(catalog->depot) || (core && access(core, F_OK) == 0) ||
	       (taps && access(taps, F_OK) == 0);
}

int bfs_catalog_open_deposited(struct bfs_catalog *catalog, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_depot_packages_path(catalog->depot, catalog->tag);
	_cleanup_buffer_ struct bfs_buffer document = BFS_BUFFER_INIT;
	int r = path ? 0 : -ENOMEM;

	if (r == 0 && bfs_depot_is_filling(catalog->depot))
		r = fill(catalog, error);
	if (r < 0)
		return r;
	r = bfs_read_file(AT_FDCWD, path, BFS_CATALOG_DOCUMENT_LIMIT, &document);
	if (r == -ENOENT && has_single_documents(catalog))
		return 0;
	if (r == -ENOENT)
		return bfs_error_set(error, r, "opening the formulae", path,
			"nothing was fetched for %s: brewfs fetch --tag %s --to %s", catalog->tag,
			catalog->tag, bfs_depot_path(catalog->depot));
	if (r == 0 && document.length == 0)
		r = -EBADMSG;
	if (r < 0)
		return bfs_error_set(error, r, "opening the formulae", path, NULL);
	return open_document(catalog, &document, path, error);
}
