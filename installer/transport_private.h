/*
 * The halves of transport.h: the downloader, which is a thread and a queue (transport.c), and one
 * download, which is a row of tries over HTTP (download.c, download_verdict.c). For these files
 * only.
 *
 * The engine thread alone touches libcurl. What it shares with readers is under the downloader's
 * lock, which is never held while libcurl runs, since libcurl calls back.
 */
#ifndef BFS_INSTALLER_TRANSPORT_PRIVATE_H
#define BFS_INSTALLER_TRANSPORT_PRIVATE_H

#include "installer/transport.h"

#include <curl/curl.h>
#include <pthread.h>

enum bfs_download_state {
	BFS_DOWNLOAD_QUEUED,  /* not started, or to be tried again at retry_at */
	BFS_DOWNLOAD_RUNNING, /* its easy handle is in the multi handle */
	BFS_DOWNLOAD_DONE,    /* result and error are set */
};

struct bfs_download_place {
	char *url;
	char *shown;	     /* the URL for messages: without user, password and query */
	char *authorization; /* or NULL */
};

/* What a server said about the body, from its last response. */
struct bfs_download_response {
	long status;  /* 0: there was none */
	bool checked; /* status and sizes were looked at; skip and total are set */
	bool has_range;
	int64_t range_start; /* of Content-Range */
	int64_t range_total; /* -1: not told */
	int64_t skip;	     /* bytes of the body that were handed over before and still come */
	int64_t total;	     /* bytes of the whole; -1: not known */
	uint64_t discarded;  /* bytes of a body that nobody wants (redirects, errors) */
	char *etag;
	char *last_modified;
};

/* A bounded queue of bytes. */
struct bfs_download_ring {
	char *data; /* BFS_DOWNLOAD_BUFFER bytes */
	size_t start, length;
};

struct bfs_download {
	struct bfs_downloader *downloader;

	/* The request; does not change. */
	struct bfs_download_place *places;
	size_t place_count;
	enum bfs_download_kind kind;
	bool missing_is_final;
	char *accept, *label, *if_etag, *if_last_modified;
	int64_t expected_size;
	uint64_t size_limit;

	/* Of the engine thread. */
	CURL *easy;
	struct curl_slist *headers;
	char curl_text[CURL_ERROR_SIZE];
	size_t place;		/* which one is being tried */
	unsigned int tries;	/* failed ones at this place that count */
	unsigned int redirects; /* of this try */
	char *redirect;		/* where this try was sent; NULL: the place's URL */
	bool without_range;	/* the server refused one */
	int64_t position;	/* bytes handed over, from the start of the body */
	int64_t try_position;	/* of them, before this try */
	int64_t active_at; /* ns, monotonic: when the last byte came, or it was started or resumed
			    */
	int64_t retry_at;  /* ns, monotonic; 0: at once */
	struct bfs_download_response response;
	int failure; /* found by a callback, with failure_error; 0: none */
	struct bfs_error failure_error;
	struct bfs_progress_bar *bar;

	/* Under the downloader's lock. */
	struct bfs_download *previous, *next;
	enum bfs_download_state state;
	bool orphaned;	       /* bfs_download_free() was called: the engine frees it */
	bool waited_for;       /* a reader is blocked on it */
	bool paused;	       /* the ring was full */
	bool resume;	       /* there is room again */
	unsigned int restarts; /* times a document began anew, and what had been read was void */
	struct bfs_download_ring ring;
	bool not_modified;
	int result; /* 0 or a negative errno */
	struct bfs_error error;
	pthread_cond_t changed;
};

struct bfs_downloader {
	CURLM *multi;
	struct bfs_progress *progress;
	size_t limit; /* downloads running at once */
	unsigned int retries;
	long stall_timeout;  /* s */
	int64_t retry_delay; /* ns */
	pthread_t thread;

	pthread_mutex_t lock;
	struct bfs_download *first, *last;
	size_t running;
	bool stopping;
};

/* ---- download.c: called by the engine thread, without the lock ---- */

int bfs_download_new(struct bfs_downloader *downloader, const struct bfs_download_request *request,
	struct bfs_download **ret_download, struct bfs_error *error);

/* Frees everything; the easy handle must not be in a multi handle. */
void bfs_download_destroy(struct bfs_download *download);

/*
 * Prepares the easy handle for a try: from the place's URL, or where the last response
 * redirected.
 */
int bfs_download_prepare(struct bfs_download *download);

/* Where this try goes: the place's URL, or where it was redirected to. */
const char *bfs_download_url(const struct bfs_download *download);

/* Whether this try asked for a part: it does where a blob's bytes were handed over before. */
bool bfs_download_asked_for_range(const struct bfs_download *download);

/* 200, 203, 206: what comes is the thing asked for. */
bool bfs_download_status_has_body(long status);

/*
 * Checks, once a response, that the body is the part asked for and of the size expected; notes how
 * much of it to skip.
 */
int bfs_download_check_response(struct bfs_download *download);

/* Records why this try failed, once, and returns the code. */
int bfs_download_fail(struct bfs_download *download, int code, const char *reason, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- download_verdict.c ---- */

/* What is to be done after libcurl ended a transfer. */
enum bfs_download_verdict {
	BFS_DOWNLOAD_SUCCESS,
	BFS_DOWNLOAD_AGAIN,   /* prepare again and go on: a redirect */
	BFS_DOWNLOAD_RETRY,   /* prepare again after retry_at */
	BFS_DOWNLOAD_FAILURE, /* failure and failure_error say why */
};
enum bfs_download_verdict bfs_download_judge(struct bfs_download *download, CURLcode code);

/* ---- transport.c: called by download.c's callbacks ---- */

/*
 * Puts bytes into the ring; false, and the download is noted as paused, where they do not all
 * fit.
 */
bool bfs_download_put(struct bfs_download *download, const char *data, size_t length);

/* Forgets what was put: a document begins anew. */
void bfs_download_restart(struct bfs_download *download);

int64_t bfs_download_now(void);

#endif
