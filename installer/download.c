#include "installer/transport_private.h"

#include "installer/url.h"
#include "lib/file.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#include <stdarg.h>
#include <string.h>

#define DISCARD_LIMIT	(256 * 1024) /* bytes of an error page; then the connection is cut */
#define CONNECT_TIMEOUT 15L	     /* s; as Homebrew's curl arguments */
#define RECEIVE_SIZE	65536L	     /* bytes; libcurl's default of 16 KiB costs system calls */
#define STEP		"downloading"

/* ---- failures ---- */

static const struct bfs_download_place *current_place(const struct bfs_download *download)
{
	return &download->places[download->place];
}

const char *bfs_download_url(const struct bfs_download *download)
{
	return download->redirect ? download->redirect : current_place(download)->url;
}

int bfs_download_fail(struct bfs_download *download, int code, const char *reason, ...)
{
	_cleanup_free_ char *text = NULL, *redirect = NULL;
	va_list args;

	if (download->failure)
		return code;
	va_start(args, reason);
	if (vasprintf(&text, reason, args) < 0)
		text = NULL;
	va_end(args);
	if (download->redirect)
		redirect = bfs_url_shown(download->redirect);
	download->failure = code;
	return bfs_error_set(&download->failure_error, code, STEP, current_place(download)->shown,
		"%s%s%s", text ? text : strerror(-code), redirect ? ", redirected to " : "",
		redirect ? redirect : "");
}

/* ---- a response's headers ---- */

static void forget_response(struct bfs_download *download)
{
	free(download->response.etag);
	free(download->response.last_modified);
	download->response = (struct bfs_download_response){.range_total = -1, .total = -1};
}

/* The value of a header line that begins with "NAME:", or NULL. Allocated. */
static char *header_value(const char *line, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	if (length <= name_length || strncasecmp(line, name, name_length) != 0)
		return NULL;
	line += name_length;
	length -= name_length;
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	while (length > 0 && strchr("\r\n \t", line[length - 1]))
		length--;
	return strndup(line, length);
}

static bool parse_number(const char **at, int64_t *ret_number)
{
	int64_t number = 0;
	const char *start = *at;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(number, **at - '0', &number))
			return false;
	*ret_number = number;
	return *at > start;
}

/* "bytes FIRST-LAST/TOTAL", where TOTAL may be an asterisk (RFC 9110 section 14.4). */
static void read_content_range(struct bfs_download_response *response, const char *value)
{
	int64_t first, last, total = -1;

	if (strncasecmp(value, "bytes ", 6) != 0)
		return;
	value += 6;
	if (!parse_number(&value, &first) || *value++ != '-' || !parse_number(&value, &last) ||
		*value++ != '/' || last < first)
		return;
	if (*value != '*' && !parse_number(&value, &total))
		return;
	response->has_range = true;
	response->range_start = first;
	response->range_total = total;
}

/* Of "HTTP/1.1 200 OK" or "HTTP/2 200"; the line is not terminated. */
static long read_status(const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	size_t left = space ? length - (size_t)(space - line) : 0;
	long status = 0;

	for (size_t i = 1; i < left && i <= 3 && space[i] >= '0' && space[i] <= '9'; i++)
		status = status * 10 + (space[i] - '0');
	return status;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct bfs_download *download = context;
	struct bfs_download_response *response = &download->response;
	_cleanup_free_ char *range = NULL;
	size_t length = size * count;
	char *value;

	download->active_at = bfs_download_now();
	/* The headers of an interim response (1xx) are not those of the answer. */
	if (length >= 5 && strncmp(line, "HTTP/", 5) == 0) {
		forget_response(download);
		response->status = read_status(line, length);
	}
	range = header_value(line, length, "Content-Range:");
	if (range)
		read_content_range(response, range);
	value = header_value(line, length, "ETag:");
	if (value) {
		free(response->etag);
		response->etag = value;
	}
	value = header_value(line, length, "Last-Modified:");
	if (value) {
		free(response->last_modified);
		response->last_modified = value;
	}
	return length;
}

bool bfs_download_status_has_body(long status)
{
	return status == 200 || status == 203 || status == 206;
}

/* ---- a response's body ---- */

/* Whether this try asked for a part: only a blob's bytes are the same as those of the last try. */
bool bfs_download_asked_for_range(const struct bfs_download *download)
{
	return download->try_position > 0 && !download->without_range;
}

/* Where the body begins, compared with what was handed over, and how long the whole is. */
static int check_range(struct bfs_download *download, long status)
{
	struct bfs_download_response *response = &download->response;
	curl_off_t length = -1;

	curl_easy_getinfo(download->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (status != 206) {
		response->skip = download->try_position;
		response->total = length;
		return 0;
	}
	if (!bfs_download_asked_for_range(download) || !response->has_range ||
		response->range_start != download->try_position)
		return bfs_download_fail(
			download, -EREMOTEIO, "the server sent another part than it was asked for");
	response->total = response->range_total;
	return 0;
}

int bfs_download_check_response(struct bfs_download *download)
{
	struct bfs_download_response *response = &download->response;
	int64_t expected = download->expected_size;
	int r;

	if (response->checked)
		return 0;
	response->checked = true;
	r = check_range(download, download->response.status);
	if (r < 0)
		return r;
	if (download->kind == BFS_DOWNLOAD_DOCUMENT) /* the length is that of the compressed form */
		response->total = -1;
	if (expected >= 0 && response->total >= 0 && response->total != expected)
		return bfs_download_fail(download, -EBADMSG, "%lld bytes, where %lld were expected",
			(long long)response->total, (long long)expected);
	if (download->size_limit && response->total >= 0 &&
		(uint64_t)response->total > download->size_limit)
		return bfs_download_fail(download, -EFBIG,
			"%lld bytes, more than the limit of %llu", (long long)response->total,
			(unsigned long long)download->size_limit);
	if (expected < 0)
		bfs_progress_bar_set_total(download->bar, response->total);
	return 0;
}

static int check_sizes(struct bfs_download *download, size_t length)
{
	uint64_t position = (uint64_t)download->position + length;

	if (download->expected_size >= 0 && position > (uint64_t)download->expected_size)
		return bfs_download_fail(download, -EBADMSG,
			"more than the %lld bytes that were expected",
			(long long)download->expected_size);
	if (download->size_limit && position > download->size_limit)
		return bfs_download_fail(download, -EFBIG, "more bytes than the limit of %llu",
			(unsigned long long)download->size_limit);
	return 0;
}

static size_t discard(struct bfs_download *download, size_t length)
{
	download->response.discarded += length;
	return download->response.discarded > DISCARD_LIMIT ? 0 : length;
}

/* Returns less than it was given to end the transfer: the failure says why. */
static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct bfs_download *download = context;
	size_t length = size * count, skip;

	download->active_at = bfs_download_now();
	if (!bfs_download_status_has_body(download->response.status))
		return discard(download, length);
	if (bfs_download_check_response(download) < 0)
		return 0;
	skip = length;
	if (download->response.skip < (int64_t)length)
		skip = (size_t)download->response.skip;
	if (check_sizes(download, length - skip) < 0)
		return 0;
	/* A paused transfer is given the same bytes again. */
	if (!bfs_download_put(download, data + skip, length - skip))
		return CURL_WRITEFUNC_PAUSE;
	download->response.skip -= (int64_t)skip;
	download->position += (int64_t)(length - skip);
	bfs_progress_bar_advance(download->bar, (int64_t)(length - skip));
	return length;
}

/* ---- preparing a try ---- */

static int add_header(struct bfs_download *download, const char *name, const char *value)
{
	_cleanup_free_ char *line = NULL;
	struct curl_slist *headers;

	if (!value)
		return 0;
	line = bfs_format("%s: %s", name, value);
	headers = line ? curl_slist_append(download->headers, line) : NULL;
	if (!headers)
		return -ENOMEM;
	download->headers = headers;
	return 0;
}

static int set_headers(struct bfs_download *download)
{
	const struct bfs_download_place *place = current_place(download);
	bool first = download->place == 0;
	int r = 0;

	curl_slist_free_all(bfs_steal(&download->headers));
	if (bfs_url_same_origin(place->url, bfs_download_url(download)))
		r = add_header(download, "Authorization", place->authorization);
	if (r == 0)
		r = add_header(download, "Accept", download->accept);
	if (r == 0 && first)
		r = add_header(download, "If-None-Match", download->if_etag);
	if (r == 0 && first)
		r = add_header(download, "If-Modified-Since", download->if_last_modified);
	if (r == 0)
		curl_easy_setopt(download->easy, CURLOPT_HTTPHEADER, download->headers);
	return r;
}

static void set_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

/* The curl program reads these; the library does not. */
static void set_certificates(CURL *easy)
{
	const char *bundle = getenv("CURL_CA_BUNDLE");
	const char *directory = getenv("SSL_CERT_DIR");

	if (!bundle || !*bundle)
		bundle = getenv("SSL_CERT_FILE");
	if (bundle && *bundle)
		curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
	if (directory && *directory)
		curl_easy_setopt(easy, CURLOPT_CAPATH, directory);
}

static CURL *new_easy(struct bfs_download *download)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	set_protocols(easy);
	set_certificates(easy);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, download);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, download->curl_text);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, download);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, download);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "brewfs/" PACKAGE_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_SIZE);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT);
	if (download->kind == BFS_DOWNLOAD_DOCUMENT)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
	return easy;
}

int bfs_download_prepare(struct bfs_download *download)
{
	_cleanup_free_ char *range = NULL;
	int r;

	if (!download->easy)
		download->easy = new_easy(download);
	if (!download->easy)
		return -ENOMEM;
	forget_response(download);
	download->curl_text[0] = '\0';
	download->active_at = bfs_download_now();
	download->try_position = download->position;
	curl_easy_setopt(download->easy, CURLOPT_URL, bfs_download_url(download));
	r = set_headers(download);
	if (r < 0)
		return r;
	if (bfs_download_asked_for_range(download)) {
		range = bfs_format("%lld-", (long long)download->position);
		if (!range)
			return -ENOMEM;
	}
	curl_easy_setopt(download->easy, CURLOPT_RANGE, range);
	return 0;
}

/* ---- making and freeing ---- */

static int copy_string(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_places(struct bfs_download *download, const struct bfs_download_request *request,
	struct bfs_error *error)
{
	download->places = calloc(request->source_count, sizeof(*download->places));
	if (!download->places)
		return -ENOMEM;
	download->place_count = request->source_count;
	for (size_t i = 0; i < request->source_count; i++) {
		const struct bfs_download_source *source = &request->sources[i];
		struct bfs_download_place *place = &download->places[i];

		place->shown = bfs_url_shown(source->url);
		if (!place->shown || copy_string(source->url, &place->url) < 0 ||
			copy_string(source->authorization, &place->authorization) < 0)
			return -ENOMEM;
		if (!bfs_url_is_http(source->url))
			return bfs_error_set(
				error, -EPERM, STEP, place->shown, "not an http or https URL");
	}
	return 0;
}

static int copy_request(struct bfs_download *download, const struct bfs_download_request *request,
	struct bfs_error *error)
{
	download->kind = request->kind;
	download->missing_is_final = request->missing_is_final;
	download->expected_size = request->expected_size;
	download->position = request->start;
	download->size_limit = request->size_limit;
	if (copy_string(request->accept, &download->accept) < 0 ||
		copy_string(request->label, &download->label) < 0 ||
		copy_string(request->etag, &download->if_etag) < 0 ||
		copy_string(request->last_modified, &download->if_last_modified) < 0)
		return -ENOMEM;
	return copy_places(download, request, error);
}

int bfs_download_new(struct bfs_downloader *downloader, const struct bfs_download_request *request,
	struct bfs_download **ret_download, struct bfs_error *error)
{
	struct bfs_download *download = calloc(1, sizeof(*download));
	int r;

	if (!download)
		return -ENOMEM;
	download->downloader = downloader;
	pthread_cond_init(&download->changed, NULL);
	r = copy_request(download, request, error);
	if (r == 0) {
		download->ring.data = malloc(BFS_DOWNLOAD_BUFFER);
		r = download->ring.data ? 0 : -ENOMEM;
	}
	if (r < 0) {
		bfs_download_destroy(download);
		return r;
	}
	forget_response(download);
	*ret_download = download;
	return 0;
}

void bfs_download_destroy(struct bfs_download *download)
{
	forget_response(download);
	bfs_progress_bar_finish(download->bar);
	curl_easy_cleanup(download->easy);
	curl_slist_free_all(download->headers);
	for (size_t i = 0; i < download->place_count; i++) {
		free(download->places[i].url);
		free(download->places[i].shown);
		free(download->places[i].authorization);
	}
	free(download->places);
	free(download->accept);
	free(download->label);
	free(download->if_etag);
	free(download->if_last_modified);
	free(download->redirect);
	free(download->ring.data);
	bfs_error_release(&download->failure_error);
	bfs_error_release(&download->error);
	pthread_cond_destroy(&download->changed);
	free(download);
}
