#include "installer/catalog_private.h"

#include "installer/url.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#define DOCUMENT_LIMIT (8 * 1024 * 1024) /* bytes; the biggest have some 100 kB */

/* A document with what the server said about it: two lines, then the document itself. */
struct document {
	struct bfs_buffer file;	    /* as it is in the cache */
	char *etag, *last_modified; /* into the file; "" where unknown */
	size_t start;		    /* of the document in the file */
	int64_t checked;	    /* s since 1970; 0: there is none */
};

static void release_document(struct document *document)
{
	bfs_buffer_release(&document->file);
}

/* Takes the line that begins at *at; false where it does not end. */
static bool take_line(struct bfs_buffer *file, size_t *at, char **ret_line)
{
	char *start = file->data + *at;
	char *end = memchr(start, '\n', file->length - *at);

	if (!end)
		return false;
	*end = '\0';
	*ret_line = start;
	*at = (size_t)(end + 1 - file->data);
	return true;
}

/* What cannot be read is as if it were not there: it will be downloaded. */
static int read_cached(const char *path, struct document *document)
{
	struct stat st;
	int r = bfs_read_file(AT_FDCWD, path, DOCUMENT_LIMIT + 8192, &document->file);

	document->checked = 0;
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	document->start = 0;
	if (stat(path, &st) < 0 || !document->file.data ||
		!take_line(&document->file, &document->start, &document->etag) ||
		!take_line(&document->file, &document->start, &document->last_modified))
		return 0;
	document->checked = st.st_mtim.tv_sec;
	return 0;
}

static int keep(
	const char *path, const struct bfs_download_reply *reply, const struct bfs_buffer *text)
{
	_cleanup_buffer_ struct bfs_buffer file = BFS_BUFFER_INIT;
	bool known = reply->source == 0; /* the only one that is asked whether it changed */
	int r = bfs_buffer_append_format(&file, "%s\n%s\n", known && reply->etag ? reply->etag : "",
		known && reply->last_modified ? reply->last_modified : "");

	if (r == 0)
		r = bfs_buffer_append(&file, text->data, text->length);
	return r < 0 ? r : bfs_replace_file(AT_FDCWD, path, file.data, file.length, 0644);
}

static const char *or_null(const char *string)
{
	return string && *string ? string : NULL;
}

/* Where the document is: below the tap's URL, or the root with the default one behind it. */
struct places {
	char *urls[2];
	struct bfs_download_source sources[2];
	size_t count;
};

static void release_places(struct places *places)
{
	free(places->urls[0]);
	free(places->urls[1]);
}

static int list_places(const char *root, bool with_default, const char *name, struct places *places)
{
	_cleanup_free_ char *escaped = bfs_url_escape(name);

	if (!escaped)
		return -ENOMEM;
	places->count = with_default ? 2 : 1;
	for (size_t i = 0; i < places->count; i++) {
		places->urls[i] = bfs_format(
			"%s/formula/%s.json", i == 0 ? root : BFS_CATALOG_DEFAULT_ROOT, escaped);
		if (!places->urls[i])
			return -ENOMEM;
		places->sources[i] = (struct bfs_download_source){places->urls[i], NULL};
	}
	return 0;
}

/* Downloads it into `text`, unless it is as cached: then the text stays empty. */
static int download(struct bfs_catalog *catalog, const struct places *places,
	const struct document *cached, const char *path, struct bfs_buffer *text,
	struct bfs_error *error)
{
	_cleanup_download_ struct bfs_download *download = NULL;
	struct bfs_download_request request = {
		.sources = places->sources,
		.source_count = places->count,
		.kind = BFS_DOWNLOAD_DOCUMENT,
		.missing_is_final = true,
		.expected_size = -1,
		.size_limit = DOCUMENT_LIMIT,
	};
	struct bfs_download_reply reply;
	int r = bfs_catalog_get_downloader(catalog, error);

	if (cached->checked) {
		request.etag = or_null(cached->etag);
		request.last_modified = or_null(cached->last_modified);
	}
	if (r == 0)
		r = bfs_download_start(catalog->downloader, &request, &download, error);
	if (r == 0)
		r = bfs_download_collect(download, text, error);
	if (r < 0)
		return r;
	bfs_download_get_reply(download, &reply);
	if (reply.not_modified) {
		utimensat(AT_FDCWD, path, NULL, 0);
		return 0;
	}
	r = keep(path, &reply, text);
	return r < 0 ? bfs_error_set(error, r, "keeping a formula document", path, NULL) : 0;
}

static int parse(const struct bfs_catalog *catalog, const char *text, size_t length,
	const char *url, struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_json_ json_t *json = NULL;
	int r = bfs_json_parse(text, length, url, &json, error);

	return r < 0 ? r : bfs_formula_from_public(json, catalog->tag, ret_formula, error);
}

static void pass_on(struct bfs_error *failure, struct bfs_error *error)
{
	if (!error || error->message)
		return;
	*error = *failure;
	*failure = (struct bfs_error)BFS_ERROR_INIT;
}

static int load(struct bfs_catalog *catalog, const struct places *places, const char *path,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	BFS_CLEANUP(release_document) struct document cached = {.file = BFS_BUFFER_INIT};
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	int r = read_cached(path, &cached);

	if (r == 0 && !cached.checked && bfs_catalog_is_offline(catalog))
		return -ENOENT;
	if (r == 0 && (!cached.checked || !bfs_catalog_is_fresh(catalog, cached.checked))) {
		r = download(catalog, places, &cached, path, &text, &failure);
		if (r < 0 && r != -ENOENT && r != -ENOMEM && cached.checked) {
			bfs_log_warning("%s; using what was downloaded before",
				bfs_error_message(&failure, r));
			r = 0;
		}
	}
	if (r == -ENOENT)
		unlink(path);
	if (r < 0) {
		pass_on(&failure, error);
		return r;
	}
	if (text.length > 0)
		return parse(catalog, text.data, text.length, places->urls[0], ret_formula, error);
	return parse(catalog, cached.file.data + cached.start, cached.file.length - cached.start,
		places->urls[0], ret_formula, error);
}

/* A server may answer for an alias or an old name; anything else is another formula. */
static int check_name(const struct bfs_formula *formula, const char *name, const char *url,
	struct bfs_error *error)
{
	if (strcmp(formula->name, name) == 0 || bfs_strings_contains(formula->aliases, name) ||
		bfs_strings_contains(formula->old_names, name))
		return 0;
	return bfs_error_set(error, -EBADMSG, "reading a formula document", url, "it describes %s",
		formula->name);
}

static int set_tap(struct bfs_formula *formula, const char *tap)
{
	char *copy = strdup(tap);

	if (!copy)
		return -ENOMEM;
	free(formula->tap);
	formula->tap = copy;
	return 0;
}

static void warn_unsigned(bool *warned, const char *root)
{
	_cleanup_free_ char *shown = *warned ? NULL : bfs_url_shown(root);

	if (!*warned)
		bfs_log_warning("the formulae of %s are not signed: what they say is as "
				"trustworthy as the connection",
			shown ? shown : "this API");
	*warned = true;
}

static int document_path(const struct bfs_catalog *catalog, const char *directory,
	const char *name, char **ret_path, struct bfs_error *error)
{
	_cleanup_free_ char *parent = bfs_format("%s/formula", directory);
	int r;

	/* A valid name has no slash and does not begin with a dot. */
	*ret_path = bfs_format("%s/formula/%s.json", directory, name);
	if (!parent || !*ret_path)
		return -ENOMEM;
	if (bfs_catalog_is_offline(catalog))
		return 0;
	r = bfs_make_directories(AT_FDCWD, parent, 0755);
	return r < 0 ? bfs_error_set(error, r, "making the cache", parent, NULL) : 0;
}

/* The directory of a tap's documents: in the depot, by its name, or in the cache, by its URL. */
static int set_tap_directory(
	const struct bfs_catalog *catalog, struct bfs_catalog_tap *tap, struct bfs_error *error)
{
	if (tap->directory)
		return 0;
	if (!catalog->depot)
		return bfs_catalog_make_directory(tap->url, &tap->directory, error);
	tap->directory = bfs_format("%s/taps/%s", bfs_depot_path(catalog->depot), tap->name);
	return tap->directory ? 0 : -ENOMEM;
}

int bfs_catalog_find_single(struct bfs_catalog *catalog, struct bfs_catalog_tap *tap,
	const char *name, struct bfs_formula **ret_formula, struct bfs_error *error)
{
	BFS_CLEANUP(release_places) struct places places = {.count = 0};
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	_cleanup_free_ char *path = NULL;
	/* Without a network, what lies in the depot is named by where it lies. */
	const char *root = bfs_catalog_is_offline(catalog) ? bfs_depot_path(catalog->depot)
			   : tap			   ? tap->url
							   : catalog->root;
	int r = tap ? set_tap_directory(catalog, tap, error) : 0;

	if (r == 0)
		r = document_path(catalog, tap ? tap->directory : catalog->single_directory, name,
			&path, error);
	if (r == 0)
		r = list_places(root, !tap && bfs_catalog_has_fallback(catalog), name, &places);
	if (r == 0)
		r = load(catalog, &places, path, &formula, error);
	if (r == 0)
		r = check_name(formula, name, places.urls[0], error);
	if (r == 0)
		r = set_tap(formula, tap ? tap->name : "homebrew/core");
	if (r < 0)
		return r;
	warn_unsigned(tap ? &tap->warned : &catalog->warned, root);
	*ret_formula = bfs_steal(&formula);
	return 0;
}
