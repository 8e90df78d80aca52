/*
 * Downloads from a server that fails in every way a network does, on loopback.
 */
#include "installer/transport.h"
#include "installer/url.h"
#include "tests/installer/web.h"
#include "tests/tap.h"

#include <pthread.h>
#include <time.h>

#define MIB (1024 * 1024)

static struct web web;

static char *url_of(const char *server, const char *path)
{
	bool secure = strcmp(server, "secure") == 0 || strcmp(server, "http2") == 0;

	return bfs_format(
		"%s://127.0.0.1:%d%s", secure ? "https" : "http", web_port(&web, server), path);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The server's pattern. */
static bool is_pattern(const char *data, size_t length, uint64_t start)
{
	for (size_t i = 0; i < length; i++) {
		uint64_t at = start + i;

		if ((unsigned char)data[i] != (unsigned char)(7 * at + at / 251))
			return false;
	}
	return true;
}

/* What came of one download. */
struct outcome {
	int code;
	uint64_t bytes;
	bool right;    /* all of them were the pattern's */
	char *message; /* "" where it succeeded */
};

static struct bfs_downloader *new_downloader(void)
{
	struct bfs_downloader *downloader = NULL;

	if (bfs_downloader_new(NULL, &downloader, NULL) < 0)
		abort();
	return downloader;
}

static struct outcome read_all(struct bfs_download *download)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct outcome outcome = {0, 0, true, NULL};
	char block[10000];
	ssize_t n;

	while ((n = bfs_download_read(download, block, sizeof(block), &error)) > 0) {
		outcome.right &= is_pattern(block, (size_t)n, outcome.bytes);
		outcome.bytes += (uint64_t)n;
	}
	outcome.code = (int)n;
	outcome.message = strdup(n < 0 ? bfs_error_message(&error, (int)n) : "");
	return outcome;
}

static struct outcome run(struct bfs_download_request *request)
{
	struct bfs_downloader *downloader = new_downloader();
	struct bfs_download *download = NULL;
	struct outcome outcome = {0, 0, false, NULL};

	outcome.code = bfs_download_start(downloader, request, &download, NULL);
	if (outcome.code == 0)
		outcome = read_all(download);
	bfs_download_free(download);
	bfs_downloader_free(downloader);
	return outcome;
}

/* Downloads one path of a server as a blob. */
static struct outcome get_sized(
	const char *server, const char *path, int64_t expected, uint64_t limit)
{
	_cleanup_free_ char *url = url_of(server, path);
	struct bfs_download_source source = {url, NULL};
	struct bfs_download_request request = {
		.sources = &source,
		.source_count = 1,
		.kind = BFS_DOWNLOAD_BLOB,
		.expected_size = expected,
		.size_limit = limit,
	};

	return run(&request);
}

static struct outcome get(const char *path)
{
	return get_sized("plain", path, -1, 0);
}

static void succeeds(struct outcome outcome, uint64_t bytes, const char *what)
{
	ok(outcome.code == 0 && outcome.bytes == bytes && outcome.right,
		"%s: all %llu bytes come, in order", what, (unsigned long long)bytes);
	if (outcome.code != 0 || outcome.bytes != bytes || !outcome.right)
		printf("# code %d, %llu bytes, %s: %s\n", outcome.code,
			(unsigned long long)outcome.bytes, outcome.right ? "right" : "wrong",
			outcome.message);
	free(outcome.message);
}

static void fails(struct outcome outcome, int code, const char *text, const char *what)
{
	is_int(outcome.code, code, "%s: fails", what);
	ok(outcome.message && strstr(outcome.message, text), "%s: the message says \"%s\": %s",
		what, text, outcome.message ? outcome.message : "(none)");
	ok(outcome.message && strncmp(outcome.message, "downloading: http", 17) == 0,
		"%s: the message begins with step and URL", what);
	free(outcome.message);
}

/* A field of the n-th request since the log was last taken. */
static void is_logged(
	const json_t *log, size_t n, const char *field, const char *expected, const char *what)
{
	const char *value = bfs_json_string_or(json_array_get(log, n), field, "(none)");

	is_str(value, expected, "%s", what);
}

/* ---- what works ---- */

static void test_plain(void)
{
	json_t *log;

	json_decref(web_take_log(&web));
	succeeds(get("/file/3000000"), 3000000, "a file");
	log = web_take_log(&web);
	is_int(json_array_size(log), 1, "in one request");
	is_logged(log, 0, "authorization", "(none)", "without Authorization");
	is_logged(log, 0, "encoding", "(none)", "and without compression");
	ok(strncmp(bfs_json_string_or(json_array_get(log, 0), "agent", ""), "brewfs/", 7) == 0,
		"the user agent is brewfs");
	json_decref(log);
	succeeds(get("/file/0"), 0, "an empty file");
	succeeds(get_sized("plain", "/file/5000", 5000, 5000), 5000, "a file of the expected size");
	succeeds(get_sized("secure", "/file/100000", -1, 0), 100000, "a file over TLS");
}

/* ---- failures that pass ---- */

static void test_resume(void)
{
	json_t *log;

	json_decref(web_take_log(&web));
	succeeds(get("/fault/cut/500000/200000/1"), 500000, "a body cut short");
	log = web_take_log(&web);
	is_int(json_array_size(log), 2, "needs two requests");
	is_logged(log, 1, "range", "bytes=200000-", "the second from where the first ended");
	json_decref(log);
	succeeds(get("/fault/reset/500000/200000/3"), 500000, "a connection reset three times");
	succeeds(get("/fault/chunked/500000/200000/1"), 500000, "a chunked body cut short");
	succeeds(get("/fault/norange/500000/200000/1"), 500000, "a server that ignores Range");
	succeeds(get("/fault/stall/500000/200000/1"), 500000, "a connection that stalls");
	succeeds(get_sized("plain", "/fault/close/500000/200000/1", 500000, 0), 500000,
		"a short body whose end only the expected size tells");
	succeeds(get("/fault/shortrange/500000/200000/1"), 500000, "a part that ends early");
	succeeds(get("/fault/cut/9000000/1100000/7"), 9000000,
		"more failures than retries, each after a megabyte");
}

static void test_statuses(void)
{
	double start = now();

	succeeds(get("/status/503/3/4000"), 4000, "503 three times");
	succeeds(get("/status/500/1/4000"), 4000, "500 once");
	succeeds(get("/status/408/1/4000"), 4000, "408 once");
	ok(now() - start < 0.9, "retries follow the configured delay");
	start = now();
	succeeds(get("/status/429/1/4000"), 4000, "429 once");
	ok(now() - start >= 0.9, "and wait as long as Retry-After says");
}

/* ---- failures that stay ---- */

static void test_final_failures(void)
{
	json_t *log;

	json_decref(web_take_log(&web));
	fails(get("/status/404/9/1"), -ENOENT, "HTTP 404", "404");
	log = web_take_log(&web);
	is_int(json_array_size(log), 1, "404 is not retried");
	json_decref(log);
	fails(get("/status/410/9/1"), -ENOENT, "HTTP 410", "410");
	fails(get("/status/401/9/1"), -EACCES, "HTTP 401", "401");
	fails(get("/status/403/9/1"), -EACCES, "HTTP 403", "403");
	fails(get("/status/400/9/1"), -EREMOTEIO, "HTTP 400", "400");
	fails(get("/status/204/9/1"), -EREMOTEIO, "HTTP 204", "204");
	json_decref(web_take_log(&web));
	fails(get("/status/502/9/1"), -EREMOTEIO, "HTTP 502", "502 for ever");
	log = web_take_log(&web);
	is_int(json_array_size(log), 4, "three retries are made");
	json_decref(log);
	fails(get("/fault/cut/500000/2000/9"), -EPIPE, "", "a body cut short each time");
	fails(get("/fault/badrange/500000/2000/1"), -EREMOTEIO, "another part",
		"a part that was not asked for");
	setenv("HOMEBREW_CURL_RETRIES", "1", 1);
	fails(get("/fault/stall/500000/2000/9"), -ETIMEDOUT, "no data for 1 s",
		"a server that stalls each time");
	unsetenv("HOMEBREW_CURL_RETRIES");
	fails(get_sized("dead", "/x", -1, 0), -ECONNREFUSED, "", "nobody listens");
	fails(get("/endless/404"), -ENOENT, "HTTP 404", "an error page without end");
}

static void test_sizes(void)
{
	fails(get_sized("plain", "/file/5000", 4999, 0), -EBADMSG, "5000 bytes, where 4999 were",
		"longer than expected");
	fails(get_sized("plain", "/file/5000", 5001, 0), -EBADMSG, "5000 bytes, where 5001 were",
		"shorter than expected");
	fails(get_sized("plain", "/file/5000", -1, 4999), -EFBIG, "limit of 4999",
		"a Content-Length above the limit");
	fails(get_sized("plain", "/endless/200", -1, 3 * MIB), -EFBIG, "limit",
		"a body without end");
	fails(get_sized("plain", "/endless/200", 3 * MIB, 0), -EBADMSG, "more than the",
		"a body longer than expected");
	fails(get("/size/500000/2000"), -EPIPE, "", "a Content-Length that is a lie");
}

static void test_bad_urls(void)
{
	static const char *const urls[] = {
		"ftp://127.0.0.1/x", "file:///etc/passwd", "nonsense", ""};
	struct bfs_downloader *downloader = new_downloader();

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(urls); i++) {
		struct bfs_download_source source = {urls[i], NULL};
		struct bfs_download_request request = {
			.sources = &source, .source_count = 1, .expected_size = -1};
		struct bfs_download *download = NULL;

		is_int(bfs_download_start(downloader, &request, &download, NULL), -EPERM,
			"\"%s\" is no place to download from", urls[i]);
	}
	bfs_downloader_free(downloader);
	fails(get("/status/404/9/1?token=secret"), -ENOENT, "/status/404/9/1: HTTP",
		"a query that may be a secret is not shown");
}

static void test_unresolved(void)
{
	struct bfs_download_source source = {"http://no-such-host.invalid/x", NULL};
	struct bfs_download_request request = {
		.sources = &source, .source_count = 1, .expected_size = -1};

	fails(run(&request), -EHOSTUNREACH, "resolve", "a name that does not resolve");
}

static void test_untrusted(void)
{
	unsetenv("CURL_CA_BUNDLE");
	fails(get_sized("secure", "/file/10", -1, 0), -EPROTO, "certificate",
		"a certificate that nobody vouches for");
	setenv("SSL_CERT_FILE", web_file(&web, "cert"), 1);
	succeeds(get_sized("secure", "/file/10", -1, 0), 10, "SSL_CERT_FILE vouches for it");
	unsetenv("SSL_CERT_FILE");
	setenv("CURL_CA_BUNDLE", web_file(&web, "cert"), 1);
}

/* ---- redirects ---- */

static struct outcome get_redirect(
	const char *server, int code, int times, const char *target, const char *authorization)
{
	_cleanup_free_ char *escaped = bfs_url_escape(target);
	_cleanup_free_ char *path = bfs_format("/redirect/%d/%d/%s", code, times, escaped);
	_cleanup_free_ char *url = url_of(server, path);
	struct bfs_download_source source = {url, authorization};
	struct bfs_download_request request = {
		.sources = &source, .source_count = 1, .expected_size = -1};

	json_decref(web_take_log(&web));
	return run(&request);
}

static void test_redirects(void)
{
	static const int codes[] = {301, 302, 303, 307, 308};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(codes); i++) {
		_cleanup_free_ char *what = bfs_format("a redirect with %d", codes[i]);

		succeeds(get_redirect("plain", codes[i], 0, "/file/1000", NULL), 1000, what);
	}
	succeeds(get_redirect("plain", 302, 9, "/file/1000", NULL), 1000, "ten redirects");
	fails(get_redirect("plain", 302, 10, "/file/1000", NULL), -ELOOP, "10 redirects",
		"eleven redirects");
	fails(get_redirect("plain", 302, 0, "ftp://127.0.0.1/x", NULL), -EPERM, "redirect",
		"a redirect to ftp");
	fails(get_redirect("plain", 302, 0, "file:///etc/passwd", NULL), -EPERM, "redirect",
		"a redirect to a file");
}

/* Redirects from one server to another; the request that arrives must have the Authorization or
 * not. */
static void check_redirect(const char *from, const char *to, bool may_know, const char *what)
{
	_cleanup_free_ char *target = url_of(to, "/file/1000");
	json_t *log;

	succeeds(get_redirect(from, 307, 0, target, "Bearer QQ=="), 1000, what);
	log = web_take_log(&web);
	is_logged(log, 0, "authorization", "Bearer QQ==", "the source gets the Authorization");
	is_logged(log, 1, "authorization", may_know ? "Bearer QQ==" : "(none)", what);
	json_decref(log);
}

static void test_authorization(void)
{
	_cleanup_free_ char *plain = url_of("plain", "/file/1000");
	_cleanup_free_ char *local =
		bfs_format("http://localhost:%d/file/1000", web_port(&web, "plain"));
	json_t *log;

	check_redirect("plain", "plain", true, "the same origin gets it again");
	check_redirect("plain", "other", false, "another port does not get it");
	check_redirect("plain", "secure", false, "another scheme does not get it");
	succeeds(get_redirect("plain", 302, 0, local, "Bearer QQ=="), 1000, "another host");
	log = web_take_log(&web);
	is_logged(log, 1, "authorization", "(none)", "another host does not get it");
	json_decref(log);
	fails(get_redirect("secure", 302, 0, plain, "Bearer QQ=="), -EPERM, "from https",
		"a redirect from https to http");
}

/* After a failure the source is asked again, for what comes behind a redirect may have expired. */
static void test_resume_behind_redirect(void)
{
	_cleanup_free_ char *target = url_of("other", "/fault/cut/600000/200000/1");
	json_t *log;

	succeeds(get_redirect("plain", 307, 0, target, "Bearer QQ=="), 600000,
		"a body cut short behind a redirect");
	log = web_take_log(&web);
	is_int(json_array_size(log), 4, "both servers are asked twice");
	is_logged(log, 2, "server", "plain", "the source first");
	is_logged(log, 3, "range", "bytes=200000-", "and the rest is asked for");
	json_decref(log);
}

/* ---- several sources ---- */

static void test_fallback(void)
{
	_cleanup_free_ char *dead = url_of("dead", "/x"),
			    *missing = url_of("plain", "/status/404/9/1");
	_cleanup_free_ char *good = url_of("other", "/file/700000");
	_cleanup_free_ char *half = url_of("plain", "/fault/chunked/700000/300000/99");
	struct bfs_download_source sources[] = {{dead, "Bearer dead"}, {missing, "Bearer first"},
		{half, NULL}, {good, "Basic second"}};
	struct bfs_download_request request = {
		.sources = sources, .source_count = 4, .expected_size = 700000};
	json_t *log;

	json_decref(web_take_log(&web));
	succeeds(run(&request), 700000, "from one source to the next");
	log = web_take_log(&web);
	is_logged(log, 0, "authorization", "Bearer first", "each source has its own Authorization");
	is_logged(log, json_array_size(log) - 1, "authorization", "Basic second", "the last too");
	is_logged(log, json_array_size(log) - 1, "range", "bytes=300000-",
		"which goes on where the one before ended");
	json_decref(log);
	request.missing_is_final = true;
	fails(run(&request), -ENOENT, "HTTP 404", "404 where that is final");
}

/* ---- documents ---- */

static int fetch(const char *path, uint64_t limit, struct bfs_buffer *buffer,
	struct bfs_download_reply *reply, const char *etag, const char *last_modified)
{
	struct bfs_downloader *downloader = new_downloader();
	_cleanup_free_ char *url = url_of("plain", path);
	struct bfs_download_source source = {url, NULL};
	struct bfs_download_request request = {
		.sources = &source,
		.source_count = 1,
		.kind = BFS_DOWNLOAD_DOCUMENT,
		.accept = "application/x-test",
		.expected_size = -1,
		.size_limit = limit,
		.etag = etag,
		.last_modified = last_modified,
	};
	struct bfs_download *download = NULL;
	int r = bfs_download_start(downloader, &request, &download, NULL);

	json_decref(web_take_log(&web));
	if (r == 0)
		r = bfs_download_collect(download, buffer, NULL);
	if (r == 0 && reply) {
		bfs_download_get_reply(download, reply);
		reply->etag = reply->etag && strcmp(reply->etag, "\"v1\"") == 0 ? "v1" : NULL;
		reply->last_modified = reply->last_modified ? "yes" : NULL;
	}
	bfs_download_free(download);
	bfs_downloader_free(downloader);
	return r;
}

static void test_documents(void)
{
	_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
	json_t *log;

	bfs_buffer_append_string(&buffer, "before");
	is_int(fetch("/zip/3000000/2", 3000000, &buffer, NULL, NULL, NULL), 0,
		"a compressed document that is cut twice");
	log = web_take_log(&web);
	is_int(json_array_size(log), 3, "is asked for three times");
	is_logged(log, 2, "range", "(none)", "anew");
	is_logged(log, 2, "accept", "application/x-test", "with its Accept header");
	json_decref(log);
	is_int(buffer.length, 3000006, "it is there once");
	ok(strncmp(buffer.data, "before", 6) == 0 && is_pattern(buffer.data + 6, 3000000, 0),
		"behind what was in the buffer, whole");
	bfs_buffer_clear(&buffer);
	is_int(fetch("/zip/3000000/0", 2999999, &buffer, NULL, NULL, NULL), -EFBIG,
		"the limit counts what comes out of compression");
}

static void test_conditions(void)
{
	_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
	struct bfs_download_reply reply;

	is_int(fetch("/modified", 100, &buffer, &reply, NULL, NULL), 0, "a document with an ETag");
	is_str(buffer.data, "hello", "is read");
	ok(!reply.not_modified && reply.etag && reply.last_modified,
		"its ETag and Last-Modified are known");
	bfs_buffer_clear(&buffer);
	is_int(fetch("/modified", 100, &buffer, &reply, "\"v1\"", NULL), 0,
		"asked for by its ETag");
	ok(reply.not_modified && buffer.length == 0, "it is not sent again");
	is_int(fetch("/modified", 100, &buffer, &reply, NULL, "Wed, 21 Oct 2015 07:28:00 GMT"), 0,
		"asked for by its date");
	ok(reply.not_modified && buffer.length == 0, "nor then");
	is_int(fetch("/modified", 100, &buffer, &reply, "\"v0\"", NULL), 0, "by an old ETag");
	ok(!reply.not_modified && buffer.length == 5, "it is");
}

/* ---- many at once ---- */

#define MANY 24

struct reader {
	pthread_t thread;
	struct bfs_download **downloads; /* in the order to read them */
	size_t count;
	size_t good;
};

static void *read_many(void *context)
{
	struct reader *reader = context;

	for (size_t i = 0; i < reader->count; i++) {
		struct outcome outcome = read_all(reader->downloads[i]);

		reader->good += outcome.code == 0 && outcome.right && outcome.bytes == 2500000 + i;
		free(outcome.message);
		bfs_download_free(reader->downloads[i]);
	}
	return NULL;
}

/* Two at once, twenty-four started, read last first by four threads: whoever waits is served. */
static void test_many(void)
{
	struct bfs_downloader *downloader;
	struct bfs_download *downloads[MANY];
	struct reader readers[4];
	size_t good = 0;

	setenv("HOMEBREW_DOWNLOAD_CONCURRENCY", "2", 1);
	downloader = new_downloader();
	unsetenv("HOMEBREW_DOWNLOAD_CONCURRENCY");
	for (size_t i = 0; i < MANY; i++) {
		_cleanup_free_ char *path =
			bfs_format("/fault/cut/%zu/%d/1", 2500000 + i % 6, 1000000 + (int)i);
		_cleanup_free_ char *url = url_of(i % 3 ? "plain" : "secure", path);
		struct bfs_download_source source = {url, NULL};
		struct bfs_download_request request = {
			.sources = &source, .source_count = 1, .expected_size = -1};

		if (bfs_download_start(downloader, &request, &downloads[MANY - 1 - i], NULL) < 0)
			abort();
	}
	/* Reader r has downloads r * 6 ... r * 6 + 5 of the reversed list, whose sizes fall. */
	for (size_t r = 0; r < 4; r++) {
		for (size_t i = 0; i < 3; i++) {
			struct bfs_download *swap = downloads[r * 6 + i];

			downloads[r * 6 + i] = downloads[r * 6 + 5 - i];
			downloads[r * 6 + 5 - i] = swap;
		}
		readers[r] = (struct reader){.downloads = downloads + r * 6, .count = 6};
		pthread_create(&readers[r].thread, NULL, read_many, &readers[r]);
	}
	for (size_t r = 0; r < 4; r++) {
		pthread_join(readers[r].thread, NULL);
		good += readers[r].good;
	}
	is_int(good, MANY, "24 interrupted downloads by 4 threads, two at once: all are right");
	bfs_downloader_free(downloader);
}

static void test_cancel(void)
{
	static const char *const paths[] = {"/endless/200", "/slow/9000000", "/file/5000000",
		"/fault/stall/500000/20/9", "/status/503/9/1"};
	struct bfs_downloader *downloader = new_downloader();
	struct bfs_download *downloads[20];
	double start = now();
	char byte;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(downloads); i++) {
		_cleanup_free_ char *url = url_of("plain", paths[i % 5]);
		struct bfs_download_source source = {url, NULL};
		struct bfs_download_request request = {
			.sources = &source, .source_count = 1, .expected_size = -1};

		if (bfs_download_start(downloader, &request, &downloads[i], NULL) < 0)
			abort();
	}
	for (size_t i = 0; i < 3; i++)
		is_int(bfs_download_read(downloads[i], &byte, 1, NULL), 1, "a byte is read");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(downloads); i++)
		bfs_download_free(downloads[i]);
	bfs_downloader_free(downloader);
	ok(now() - start < 3, "twenty downloads that are freed in the middle end at once");
}

/* ---- back pressure ---- */

static long resident_kib(void)
{
	long pages = 0, ignored;
	FILE *file = fopen("/proc/self/statm", "r");

	if (!file || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Eight downloads of 64 MiB that nobody reads, then all of them read. */
static void check_pressure(const char *server, const char *path, uint64_t size, long limit_mib)
{
	struct bfs_downloader *downloader;
	struct bfs_download *downloads[8];
	struct timespec pause = {.tv_nsec = 500000000};
	long before = resident_kib(), used;
	size_t good = 0;

	setenv("HOMEBREW_DOWNLOAD_CONCURRENCY", "8", 1);
	downloader = new_downloader();
	unsetenv("HOMEBREW_DOWNLOAD_CONCURRENCY");
	for (size_t i = 0; i < 8; i++) {
		_cleanup_free_ char *url = url_of(server, path);
		struct bfs_download_source source = {url, NULL};
		struct bfs_download_request request = {
			.sources = &source, .source_count = 1, .expected_size = (int64_t)size};

		if (bfs_download_start(downloader, &request, &downloads[i], NULL) < 0)
			abort();
	}
	nanosleep(&pause, NULL);
	used = (resident_kib() - before) / 1024;
	ok(used <= limit_mib, "%s: eight unread downloads hold %ld MiB, at most %ld", server, used,
		limit_mib);
	for (size_t i = 0; i < 8; i++) {
		struct outcome outcome = read_all(downloads[7 - i]);

		good += outcome.code == 0 && outcome.right && outcome.bytes == size;
		if (outcome.code < 0)
			printf("# %s\n", outcome.message);
		free(outcome.message);
		bfs_download_free(downloads[7 - i]);
	}
	is_int(good, 8, "%s: all of them are right in the end", server);
	bfs_downloader_free(downloader);
}

static void test_pressure(void)
{
	_cleanup_buffer_ struct bfs_buffer protocols = BFS_BUFFER_INIT;

	check_pressure("plain", "/file/20000000", 20000000, 64);
	if (!web_port(&web, "http2")) {
		ok(true, "# SKIP HTTP/2: there is no nginx");
		return;
	}
	check_pressure("http2", "/big", 64 * MIB, 64);
	if (bfs_read_file(AT_FDCWD, web_file(&web, "http2_log"), 4096, &protocols) < 0)
		abort();
	ok(protocols.data && strncmp(protocols.data, "HTTP/2.0", 8) == 0,
		"HTTP/2 is used where it is offered");
}

int main(void)
{
	setenv("BREWFS_RETRY_DELAY", "20", 1);
	setenv("BREWFS_STALL_TIMEOUT", "1", 1);
	setenv("no_proxy", "*", 1);
	if (!web_start(&web, "nginx")) {
		printf("1..0 # SKIP python3 or openssl is missing\n");
		return 0;
	}
	setenv("CURL_CA_BUNDLE", web_file(&web, "cert"), 1);
	test_pressure(); /* before others leave memory behind that would hide what it takes */
	test_plain();
	test_resume();
	test_statuses();
	test_final_failures();
	test_sizes();
	test_bad_urls();
	test_unresolved();
	test_untrusted();
	test_redirects();
	test_authorization();
	test_resume_behind_redirect();
	test_fallback();
	test_documents();
	test_conditions();
	test_many();
	test_cancel();
	web_stop(&web);
	return done();
}
