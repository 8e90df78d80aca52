/*
 * Downloads over HTTP: one thread runs them all on one pool of connections (libcurl's multi
 * interface, HTTP/2 where the server offers it), and each is read by whoever wants its bytes, at
 * that reader's own pace.
 *
 *	bfs_downloader_new()
 *	bfs_download_start()	queues a download and returns at once; any number, from any thread
 *	bfs_download_read()	blocks until there are bytes; 0 at the end
 *	bfs_download_free()	at any time; cancels what is still running
 *	bfs_downloader_free()	after all its downloads were freed
 *
 * Back pressure: a download holds at most BFS_DOWNLOAD_BUFFER bytes that nobody has read yet;
 * then its connection is left unread until there is room, whatever the file's size. At most twice
 * as many downloads as there are cores run at once ($HOMEBREW_DOWNLOAD_CONCURRENCY), but one that
 * a reader waits for always runs, so that readers may come in any order.
 *
 * Failures to connect, timeouts, stalls, broken connections, short bodies, and the answers 408,
 * 429 and 5xx are retried $HOMEBREW_CURL_RETRIES (3) times, after 0.5 s and twice as long each
 * time (Retry-After is honoured up to a minute); a try that brought a megabyte does not count. A
 * retry goes on from the byte where the last try ended (Range), whatever was handed to the reader
 * already; a document begins anew. When a source has failed, the next one is used.
 *
 * Redirects: at most 10, to http and https only and never from https to http; the Authorization
 * of a source goes to its own scheme, host and port and nowhere else. Proxies: as libcurl takes
 * them from the environment. Certificates: $CURL_CA_BUNDLE, $SSL_CERT_FILE, $SSL_CERT_DIR or the
 * system's.
 *
 * For tests: $BREWFS_STALL_TIMEOUT (s, default 30), $BREWFS_RETRY_DELAY (ms, default 500).
 *
 * Errors, all with a message "downloading: URL: ...":
 *	-ENOENT		404 or 410
 *	-EACCES		401 or 403
 *	-EREMOTEIO	another status of 400 or more, or an answer that makes no sense
 *	-EHOSTUNREACH	the host's name does not resolve, or no route
 *	-ECONNREFUSED	no connection, or a proxy's refusal
 *	-ETIMEDOUT	no connection in time, or no byte for the stall timeout
 *	-EPIPE		the connection broke, or the body was cut short
 *	-EPROTO		TLS or HTTP went wrong; a certificate that is not trusted
 *	-ELOOP		too many redirects
 *	-EPERM		a redirect or URL that is not allowed
 *	-EBADMSG	another size than expected
 *	-EFBIG		more bytes than the limit
 */
#ifndef BFS_INSTALLER_TRANSPORT_H
#define BFS_INSTALLER_TRANSPORT_H

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/progress.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes a download may hold unread. At 1 ms a write into the store this keeps a gigabit busy. */
#define BFS_DOWNLOAD_BUFFER (1024 * 1024)

struct bfs_downloader;
struct bfs_download;

/*
 * `progress` gets a bar for each download with a label; NULL for none. It must outlive the
 * downloader.
 */
int bfs_downloader_new(struct bfs_progress *progress, struct bfs_downloader **ret_downloader,
	struct bfs_error *error);
void bfs_downloader_free(struct bfs_downloader *downloader);
BFS_DEFINE_CLEANUP(struct bfs_downloader *, bfs_cleanup_downloader, bfs_downloader_free)
#define _cleanup_downloader_ BFS_CLEANUP(bfs_cleanup_downloader)

/* One place to get it from. */
struct bfs_download_source {
	const char *url;	   /* http or https */
	const char *authorization; /* value of the Authorization header, or NULL */
};

enum bfs_download_kind {
	/* Named by its digest: the same bytes at the same offset from every source, so that a retry
	   resumes. */
	BFS_DOWNLOAD_BLOB,
	/* May change at any time, is compressed on its way, and starts anew after a failure. */
	BFS_DOWNLOAD_DOCUMENT,
};

/* All strings are copied by bfs_download_start(). */
struct bfs_download_request {
	const struct bfs_download_source *sources; /* in the order to try them; at least one */
	size_t source_count;
	enum bfs_download_kind kind;
	bool missing_is_final; /* 404 and 410 of one source are the answer; no other is asked */
	const char *accept;    /* value of the Accept header, or NULL */
	const char *label;     /* on the progress bar; NULL: no bar */
	int64_t expected_size; /* bytes; -1: not known */
	/* Of a blob: the bytes that the caller has already; they are not downloaded and not read. */
	int64_t start;
	uint64_t size_limit;   /* bytes, after decompression; 0: none */
	/* Of the copy at hand: 304 then ends the download with no bytes. Sent to the first source
	 * only. */
	const char *etag;	   /* NULL: none */
	const char *last_modified; /* as the server wrote it; NULL: none */
};

int bfs_download_start(struct bfs_downloader *downloader,
	const struct bfs_download_request *request, struct bfs_download **ret_download,
	struct bfs_error *error);

/*
 * Waits for bytes and takes up to `length` of them: their number, 0 when all have been read, or
 * an error, which it then returns every time. One thread at a time for one download. A document
 * is to be read by bfs_download_collect() instead.
 */
ssize_t bfs_download_read(
	struct bfs_download *download, void *buffer, size_t length, struct bfs_error *error);

/* Reads the rest into the buffer. */
int bfs_download_collect(
	struct bfs_download *download, struct bfs_buffer *buffer, struct bfs_error *error);

void bfs_download_free(struct bfs_download *download);
BFS_DEFINE_CLEANUP(struct bfs_download *, bfs_cleanup_download, bfs_download_free)
#define _cleanup_download_ BFS_CLEANUP(bfs_cleanup_download)

/* What was answered; to ask when all has been read. Borrowed from the download. */
struct bfs_download_reply {
	size_t source;	   /* which source of the request answered */
	bool not_modified; /* 304 */
	const char *etag;  /* NULL where the server sent none */
	const char *last_modified;
};
void bfs_download_get_reply(struct bfs_download *download, struct bfs_download_reply *ret_reply);

/* start, collect, free: a small document in one call. The limit must be given. */
int bfs_download_fetch(struct bfs_downloader *downloader,
	const struct bfs_download_request *request, struct bfs_buffer *buffer,
	struct bfs_error *error);

/* Whether the code means that no server could be asked, rather than what a server answered. */
bool bfs_download_is_unreachable(int code);

#endif
