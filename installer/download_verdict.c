#include "installer/transport_private.h"

#include "installer/url.h"
#include "lib/log.h"

#include <string.h>

#define MAX_REDIRECTS	10		     /* as Homebrew's curl arguments and most browsers */
#define PROGRESS_MADE	(1024 * 1024)	     /* bytes: a try that brought as many was no failure */
#define BACKOFF_LIMIT	INT64_C(10000000000) /* ns */
#define RETRY_AFTER_MAX 60 /* s; a server may not keep an install waiting longer */

static const struct {
	CURLcode curl;
	int code;
	bool retry;
} curl_errors[] = {
	{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, true},
	{CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, true},
	{CURLE_COULDNT_CONNECT, -ECONNREFUSED, true},
	{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, true},
	{CURLE_PARTIAL_FILE, -EPIPE, true},
	{CURLE_RECV_ERROR, -EPIPE, true},
	{CURLE_SEND_ERROR, -EPIPE, true},
	{CURLE_GOT_NOTHING, -EPIPE, true},
	{CURLE_HTTP2, -EPIPE, true},
	{CURLE_HTTP2_STREAM, -EPIPE, true},
	{CURLE_BAD_CONTENT_ENCODING, -EPIPE, true},
	{CURLE_SSL_CONNECT_ERROR, -EPROTO, true},
	{CURLE_OUT_OF_MEMORY, -ENOMEM, false},
	{CURLE_URL_MALFORMAT, -EPERM, false},
	{CURLE_UNSUPPORTED_PROTOCOL, -EPERM, false},
};

static bool judge_curl_error(struct bfs_download *download, CURLcode code)
{
	const char *text = download->curl_text;

	if (!*text)
		text = curl_easy_strerror(code);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(curl_errors); i++) {
		if (curl_errors[i].curl == code) {
			bfs_download_fail(download, curl_errors[i].code, "%s", text);
			return curl_errors[i].retry;
		}
	}
	bfs_download_fail(download, -EPROTO, "%s", text);
	return false;
}

/* Returns whether another try may help. */
static bool judge_status(struct bfs_download *download, long status)
{
	if (status == 416 && bfs_download_asked_for_range(download)) {
		download->without_range = true;
		bfs_download_fail(download, -EREMOTEIO, "HTTP 416: no part of it can be had");
		return true;
	}
	if (status == 404 || status == 410)
		bfs_download_fail(download, -ENOENT, "HTTP %ld", status);
	else if (status == 401 || status == 403)
		bfs_download_fail(download, -EACCES, "HTTP %ld", status);
	else
		bfs_download_fail(download, -EREMOTEIO, "HTTP %ld", status);
	return status == 408 || status == 429 || status >= 500;
}

/* The body came to its end: is it all of it? */
static bool judge_end(struct bfs_download *download)
{
	int64_t total = download->response.total;

	if (bfs_download_check_response(download) < 0)
		return false;
	if (total < 0 || download->kind == BFS_DOWNLOAD_DOCUMENT)
		total = download->expected_size;
	if (total >= 0 && download->position < total) {
		bfs_download_fail(download, -EPIPE, "ended after %lld of %lld bytes",
			(long long)download->position, (long long)total);
		return true;
	}
	return false;
}

static enum bfs_download_verdict follow_redirect(struct bfs_download *download)
{
	char *to = NULL; /* belongs to the easy handle */
	bool secure = bfs_url_has_scheme(bfs_download_url(download), "https");

	curl_easy_getinfo(download->easy, CURLINFO_REDIRECT_URL, &to);
	if (!to)
		bfs_download_fail(download, -EREMOTEIO, "HTTP %ld without a place to go",
			download->response.status);
	else if (++download->redirects > MAX_REDIRECTS)
		bfs_download_fail(download, -ELOOP, "more than %d redirects", MAX_REDIRECTS);
	else if (secure ? !bfs_url_has_scheme(to, "https") : !bfs_url_is_http(to))
		bfs_download_fail(download, -EPERM, "refused to follow a redirect %s",
			secure ? "from https to something else" : "that is not http or https");
	if (download->failure)
		return BFS_DOWNLOAD_FAILURE;
	to = strdup(to);
	if (!to) {
		bfs_download_fail(download, -ENOMEM, "out of memory");
		return BFS_DOWNLOAD_FAILURE;
	}
	free(download->redirect);
	download->redirect = to;
	return BFS_DOWNLOAD_AGAIN;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* How long to wait before the next try, in ns. */
static int64_t backoff(const struct bfs_download *download)
{
	int64_t delay = download->downloader->retry_delay;
	curl_off_t retry_after = 0;

	for (unsigned int i = 1; i < download->tries && delay < BACKOFF_LIMIT; i++)
		delay *= 2;
	if (delay > BACKOFF_LIMIT)
		delay = BACKOFF_LIMIT;
	curl_easy_getinfo(download->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > RETRY_AFTER_MAX)
		retry_after = RETRY_AFTER_MAX;
	return retry_after * 1000000000 > delay ? retry_after * 1000000000 : delay;
}

static void begin_anew(struct bfs_download *download)
{
	free(bfs_steal(&download->redirect));
	download->redirects = 0;
	download->failure = 0;
	bfs_error_clear(&download->failure_error);
	if (download->kind == BFS_DOWNLOAD_DOCUMENT && download->position > 0) {
		bfs_progress_bar_advance(download->bar, -download->position);
		download->position = 0;
		bfs_download_restart(download);
	}
}

static enum bfs_download_verdict try_again(struct bfs_download *download)
{
	if (download->kind == BFS_DOWNLOAD_BLOB &&
		download->position - download->try_position >= PROGRESS_MADE)
		download->tries = 0;
	if (download->tries >= download->downloader->retries)
		return BFS_DOWNLOAD_FAILURE;
	download->tries++;
	download->retry_at = bfs_download_now() + backoff(download);
	bfs_log_debug("%s; trying again", bfs_error_message(&download->failure_error, 0));
	begin_anew(download);
	return BFS_DOWNLOAD_RETRY;
}

static enum bfs_download_verdict try_next_place(struct bfs_download *download)
{
	if (download->place + 1 >= download->place_count ||
		(download->failure == -ENOENT && download->missing_is_final) ||
		download->failure == -ENOMEM)
		return BFS_DOWNLOAD_FAILURE;
	bfs_log_warning("%s; trying %s", bfs_error_message(&download->failure_error, 0),
		download->places[download->place + 1].shown);
	download->place++;
	download->tries = 0;
	download->without_range = false;
	download->retry_at = 0;
	begin_anew(download);
	return BFS_DOWNLOAD_RETRY;
}

enum bfs_download_verdict bfs_download_judge(struct bfs_download *download, CURLcode code)
{
	enum bfs_download_verdict verdict = BFS_DOWNLOAD_FAILURE;
	long status = download->response.status;
	bool retry = false;

	if (download->failure)
		retry = false; /* a callback found what is wrong */
	else if (is_redirect(status))
		verdict = follow_redirect(download);
	else if (status >= 400)
		retry = judge_status(download, status);
	else if (code != CURLE_OK)
		retry = judge_curl_error(download, code);
	else if (status == 304 && (download->if_etag || download->if_last_modified))
		return BFS_DOWNLOAD_SUCCESS;
	else if (!bfs_download_status_has_body(status))
		bfs_download_fail(download, -EREMOTEIO, "HTTP %ld", status);
	else
		retry = judge_end(download);
	if (!download->failure)
		return verdict == BFS_DOWNLOAD_AGAIN ? verdict : BFS_DOWNLOAD_SUCCESS;
	verdict = retry ? try_again(download) : BFS_DOWNLOAD_FAILURE;
	return verdict == BFS_DOWNLOAD_RETRY ? verdict : try_next_place(download);
}
