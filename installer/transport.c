#include "installer/transport_private.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define POLL_INTERVAL	1000 /* ms; new work wakes the thread at once */
#define COLLECT_SIZE	65536
#define CONCURRENCY_MAX 64 /* more connections only slow each other down */

/* ---- the ring; under the lock ---- */

static void ring_append(struct bfs_download_ring *ring, const char *data, size_t length)
{
	size_t end = (ring->start + ring->length) % BFS_DOWNLOAD_BUFFER;
	size_t first = BFS_DOWNLOAD_BUFFER - end;

	if (first > length)
		first = length;
	memcpy(ring->data + end, data, first);
	memcpy(ring->data, data + first, length - first);
	ring->length += length;
}

static size_t ring_take(struct bfs_download_ring *ring, char *data, size_t length)
{
	size_t first;

	if (length > ring->length)
		length = ring->length;
	first = BFS_DOWNLOAD_BUFFER - ring->start;
	if (first > length)
		first = length;
	memcpy(data, ring->data + ring->start, first);
	memcpy(data + first, ring->data, length - first);
	ring->start = (ring->start + length) % BFS_DOWNLOAD_BUFFER;
	ring->length -= length;
	return length;
}

bool bfs_download_put(struct bfs_download *download, const char *data, size_t length)
{
	bool fits;

	pthread_mutex_lock(&download->downloader->lock);
	fits = length <= BFS_DOWNLOAD_BUFFER - download->ring.length;
	if (fits)
		ring_append(&download->ring, data, length);
	download->paused = !fits;
	pthread_cond_signal(&download->changed);
	pthread_mutex_unlock(&download->downloader->lock);
	return fits;
}

void bfs_download_restart(struct bfs_download *download)
{
	pthread_mutex_lock(&download->downloader->lock);
	download->ring.start = download->ring.length = 0;
	download->restarts++;
	pthread_mutex_unlock(&download->downloader->lock);
}

int64_t bfs_download_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- the engine ---- */

static void unlink_download(struct bfs_downloader *downloader, struct bfs_download *download)
{
	if (download->previous)
		download->previous->next = download->next;
	else
		downloader->first = download->next;
	if (download->next)
		download->next->previous = download->previous;
	else
		downloader->last = download->previous;
}

static void set_state(struct bfs_download *download, enum bfs_download_state state)
{
	struct bfs_downloader *downloader = download->downloader;

	downloader->running -= download->state == BFS_DOWNLOAD_RUNNING;
	downloader->running += state == BFS_DOWNLOAD_RUNNING;
	download->state = state;
	download->paused = download->resume = false;
}

static void finish(struct bfs_download *download, int result)
{
	bool not_modified = result == 0 && download->response.status == 304;

	bfs_progress_bar_finish(bfs_steal(&download->bar));
	curl_easy_cleanup(bfs_steal(&download->easy));
	pthread_mutex_lock(&download->downloader->lock);
	set_state(download, BFS_DOWNLOAD_DONE);
	download->not_modified = not_modified;
	download->result = result;
	if (result < 0) {
		download->error = download->failure_error;
		download->failure_error = (struct bfs_error)BFS_ERROR_INIT;
	}
	pthread_cond_signal(&download->changed);
	pthread_mutex_unlock(&download->downloader->lock);
}

/* Its state is RUNNING already. */
static void start(struct bfs_download *download)
{
	int r = bfs_download_prepare(download);

	if (r == 0 && curl_multi_add_handle(download->downloader->multi, download->easy))
		r = -ENOMEM;
	if (r < 0)
		finish(download, r);
}

static void end_transfer(struct bfs_download *download, CURLcode code)
{
	curl_multi_remove_handle(download->downloader->multi, download->easy);
	switch (bfs_download_judge(download, code)) {
	case BFS_DOWNLOAD_SUCCESS:
		finish(download, 0);
		break;
	case BFS_DOWNLOAD_FAILURE:
		finish(download, download->failure);
		break;
	case BFS_DOWNLOAD_AGAIN:
		start(download);
		break;
	case BFS_DOWNLOAD_RETRY:
		pthread_mutex_lock(&download->downloader->lock);
		set_state(download, BFS_DOWNLOAD_QUEUED);
		pthread_mutex_unlock(&download->downloader->lock);
		break;
	}
}

static void discard(struct bfs_download *download)
{
	bool running = download->state == BFS_DOWNLOAD_RUNNING;

	if (running)
		curl_multi_remove_handle(download->downloader->multi, download->easy);
	pthread_mutex_lock(&download->downloader->lock);
	set_state(download, BFS_DOWNLOAD_DONE);
	unlink_download(download->downloader, download);
	pthread_mutex_unlock(&download->downloader->lock);
	bfs_download_destroy(download);
}

enum work { WORK_NONE, WORK_START, WORK_RESUME, WORK_STALL, WORK_DISCARD };

/* What the download needs now; under the lock. */
static enum work work_for(struct bfs_download *download, int64_t now)
{
	const struct bfs_downloader *downloader = download->downloader;

	if (download->orphaned)
		return WORK_DISCARD;
	if (download->state == BFS_DOWNLOAD_QUEUED && download->retry_at <= now &&
		(downloader->running < downloader->limit || download->waited_for)) {
		set_state(download, BFS_DOWNLOAD_RUNNING);
		return WORK_START;
	}
	if (download->state == BFS_DOWNLOAD_RUNNING && download->resume) {
		download->resume = download->paused = false;
		return WORK_RESUME;
	}
	/* One that waits for its reader is not to blame. */
	if (download->state == BFS_DOWNLOAD_RUNNING && !download->paused &&
		now - download->active_at > downloader->stall_timeout)
		return WORK_STALL;
	return WORK_NONE;
}

static enum work take_work(struct bfs_downloader *downloader, struct bfs_download **ret_download)
{
	enum work work = WORK_NONE;
	int64_t now = bfs_download_now();

	pthread_mutex_lock(&downloader->lock);
	for (struct bfs_download *d = downloader->first; d && work == WORK_NONE; d = d->next) {
		work = work_for(d, now);
		*ret_download = d;
	}
	pthread_mutex_unlock(&downloader->lock);
	return work;
}

static void resume(struct bfs_download *download)
{
	download->active_at = bfs_download_now();
	curl_easy_pause(download->easy, CURLPAUSE_CONT);
}

/* libcurl has a limit of its own, for an average over seconds, which takes longer to notice. */
static void end_stalled(struct bfs_download *download)
{
	snprintf(download->curl_text, sizeof(download->curl_text), "no data for %lld s",
		(long long)(download->downloader->stall_timeout / 1000000000));
	end_transfer(download, CURLE_OPERATION_TIMEDOUT);
}

static void do_work(struct bfs_downloader *downloader)
{
	struct bfs_download *download;
	enum work work;

	while ((work = take_work(downloader, &download)) != WORK_NONE) {
		if (work == WORK_START)
			start(download);
		else if (work == WORK_RESUME)
			resume(download);
		else if (work == WORK_STALL)
			end_stalled(download);
		else
			discard(download);
	}
}

static void end_transfers(struct bfs_downloader *downloader)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(downloader->multi, &left))) {
		CURLcode code = message->data.result; /* gone once the handle is removed */
		char *download = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &download);
		end_transfer((struct bfs_download *)(void *)download, code);
	}
}

/* ms until a retry is due or a second has passed; -1 when stopping. */
static int poll_timeout(struct bfs_downloader *downloader)
{
	int64_t now = bfs_download_now(), wait = (int64_t)POLL_INTERVAL * 1000000;
	bool stopping;

	pthread_mutex_lock(&downloader->lock);
	for (struct bfs_download *d = downloader->first; d; d = d->next)
		if (d->state == BFS_DOWNLOAD_QUEUED && d->retry_at > now &&
			d->retry_at - now < wait)
			wait = d->retry_at - now;
	stopping = downloader->stopping;
	pthread_mutex_unlock(&downloader->lock);
	return stopping ? -1 : (int)((wait + 999999) / 1000000);
}

/* The downloads that are left are those that were freed and not yet discarded. */
static void *run_engine(void *context)
{
	struct bfs_downloader *downloader = context;
	int timeout, running;

	while ((timeout = poll_timeout(downloader)) >= 0) {
		curl_multi_poll(downloader->multi, NULL, 0, timeout, NULL);
		do_work(downloader);
		curl_multi_perform(downloader->multi, &running);
		end_transfers(downloader);
		/* Those that ended made room for others, or are to be freed. */
		do_work(downloader);
	}
	while (downloader->first)
		discard(downloader->first);
	return NULL;
}

/* ---- the downloader ---- */

static void initialise_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* A whole number from the environment, or the fallback where it is unset or makes no sense. */
static long read_number(const char *name, long minimum, long maximum, long fallback)
{
	const char *text = getenv(name);
	char *end;
	long number;

	if (!text || !*text)
		return fallback;
	errno = 0;
	number = strtol(text, &end, 10);
	return *end || errno || number < minimum || number > maximum ? fallback : number;
}

static void configure(struct bfs_downloader *downloader)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long concurrency = cores < 1 ? 2 : 2 * cores;

	if (concurrency > CONCURRENCY_MAX)
		concurrency = CONCURRENCY_MAX;
	downloader->limit = (size_t)read_number(
		"HOMEBREW_DOWNLOAD_CONCURRENCY", 1, CONCURRENCY_MAX, concurrency);
	downloader->retries = (unsigned int)read_number("HOMEBREW_CURL_RETRIES", 0, 100, 3);
	downloader->stall_timeout =
		read_number("BREWFS_STALL_TIMEOUT", 1, 3600, 30) * INT64_C(1000000000);
	downloader->retry_delay =
		read_number("BREWFS_RETRY_DELAY", 0, 60000, 500) * INT64_C(1000000);
}

/* Signals are for the main thread; and a write to a closed connection must not raise SIGPIPE here.
 */
static int start_thread(struct bfs_downloader *downloader)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&downloader->thread, NULL, run_engine, downloader);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int bfs_downloader_new(struct bfs_progress *progress, struct bfs_downloader **ret_downloader,
	struct bfs_error *error)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct bfs_downloader *downloader;
	int r;

	pthread_once(&once, initialise_curl);
	downloader = calloc(1, sizeof(*downloader));
	if (!downloader)
		return -ENOMEM;
	configure(downloader);
	downloader->progress = progress;
	pthread_mutex_init(&downloader->lock, NULL);
	downloader->multi = curl_multi_init();
	r = downloader->multi ? start_thread(downloader) : -ENOMEM;
	if (r < 0) {
		curl_multi_cleanup(downloader->multi);
		pthread_mutex_destroy(&downloader->lock);
		free(downloader);
		return bfs_error_set(error, r, "starting the downloader", NULL, NULL);
	}
	/*
	 * One transfer at a time on a connection, also with HTTP/2: eight streams of one connection
	 * that wait for their readers held 238 MiB in libcurl (its window is 32 MiB a stream),
	 * eight connections 9 MiB, since TCP then holds the sender back.
	 */
	curl_multi_setopt(downloader->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
	*ret_downloader = downloader;
	return 0;
}

void bfs_downloader_free(struct bfs_downloader *downloader)
{
	if (!downloader)
		return;
	pthread_mutex_lock(&downloader->lock);
	downloader->stopping = true;
	pthread_mutex_unlock(&downloader->lock);
	curl_multi_wakeup(downloader->multi);
	pthread_join(downloader->thread, NULL);
	curl_multi_cleanup(downloader->multi);
	pthread_mutex_destroy(&downloader->lock);
	free(downloader);
}

/* ---- downloads, for everybody ---- */

int bfs_download_start(struct bfs_downloader *downloader,
	const struct bfs_download_request *request, struct bfs_download **ret_download,
	struct bfs_error *error)
{
	struct bfs_download *download;
	int r = bfs_download_new(downloader, request, &download, error);

	if (r < 0)
		return bfs_error_set(error, r, "downloading", request->label, NULL);
	if (download->label)
		download->bar = bfs_progress_add(
			downloader->progress, download->label, download->expected_size);
	bfs_progress_bar_advance(download->bar, download->position);
	pthread_mutex_lock(&downloader->lock);
	download->previous = downloader->last;
	if (downloader->last)
		downloader->last->next = download;
	else
		downloader->first = download;
	downloader->last = download;
	pthread_mutex_unlock(&downloader->lock);
	curl_multi_wakeup(downloader->multi);
	*ret_download = download;
	return 0;
}

/* Blocks until there are bytes or the end; under the lock. */
static void wait_for_bytes(struct bfs_download *download)
{
	struct bfs_downloader *downloader = download->downloader;

	download->waited_for = true;
	if (download->state == BFS_DOWNLOAD_QUEUED)
		curl_multi_wakeup(downloader->multi);
	while (download->ring.length == 0 && download->state != BFS_DOWNLOAD_DONE)
		pthread_cond_wait(&download->changed, &downloader->lock);
	download->waited_for = false;
}

/* Half a ring at least is refilled at once: each resumption wakes a thread. */
static bool wants_resumption(struct bfs_download *download)
{
	if (!download->paused || download->resume ||
		download->ring.length > BFS_DOWNLOAD_BUFFER / 2)
		return false;
	download->resume = true;
	return true;
}

/* The download keeps its error, for it is told every time it is asked. */
static int copy_error(const struct bfs_download *download, struct bfs_error *error)
{
	if (error && !error->message && download->error.message) {
		error->code = download->result;
		error->message = strdup(download->error.message);
	}
	return download->result;
}

static ssize_t read_some(struct bfs_download *download, char *data, size_t length,
	unsigned int *ret_restarts, struct bfs_error *error)
{
	struct bfs_downloader *downloader = download->downloader;
	bool wake;
	ssize_t n;

	if (length > SSIZE_MAX)
		length = SSIZE_MAX;
	pthread_mutex_lock(&downloader->lock);
	wait_for_bytes(download);
	n = (ssize_t)ring_take(&download->ring, data, length);
	wake = wants_resumption(download);
	*ret_restarts = download->restarts;
	if (n == 0 && download->result < 0)
		n = copy_error(download, error);
	pthread_mutex_unlock(&downloader->lock);
	if (wake)
		curl_multi_wakeup(downloader->multi);
	return n;
}

ssize_t bfs_download_read(
	struct bfs_download *download, void *buffer, size_t length, struct bfs_error *error)
{
	unsigned int restarts;

	return read_some(download, buffer, length, &restarts, error);
}

int bfs_download_collect(
	struct bfs_download *download, struct bfs_buffer *buffer, struct bfs_error *error)
{
	_cleanup_free_ char *block = malloc(COLLECT_SIZE);
	size_t start_length = buffer->length;
	unsigned int restarts = 0, restarts_now = 0;
	ssize_t n;

	if (!block || bfs_buffer_reserve(buffer, 0) < 0)
		return -ENOMEM;
	do {
		n = read_some(download, block, COLLECT_SIZE, &restarts_now, error);
		if (restarts_now != restarts) {
			buffer->length = start_length;
			buffer->data[start_length] = '\0';
			restarts = restarts_now;
		}
		if (n > 0 && bfs_buffer_append(buffer, block, (size_t)n) < 0)
			return -ENOMEM;
	} while (n > 0);
	return (int)n;
}

void bfs_download_free(struct bfs_download *download)
{
	struct bfs_downloader *downloader;

	if (!download)
		return;
	downloader = download->downloader;
	pthread_mutex_lock(&downloader->lock);
	download->orphaned = true;
	pthread_mutex_unlock(&downloader->lock);
	curl_multi_wakeup(downloader->multi);
}

void bfs_download_get_reply(struct bfs_download *download, struct bfs_download_reply *ret_reply)
{
	pthread_mutex_lock(&download->downloader->lock);
	*ret_reply = (struct bfs_download_reply){download->place, download->not_modified,
		download->response.etag, download->response.last_modified};
	pthread_mutex_unlock(&download->downloader->lock);
}

int bfs_download_fetch(struct bfs_downloader *downloader,
	const struct bfs_download_request *request, struct bfs_buffer *buffer,
	struct bfs_error *error)
{
	_cleanup_download_ struct bfs_download *download = NULL;
	int r = bfs_download_start(downloader, request, &download, error);

	return r < 0 ? r : bfs_download_collect(download, buffer, error);
}

bool bfs_download_is_unreachable(int code)
{
	return code == -EHOSTUNREACH || code == -ECONNREFUSED || code == -ETIMEDOUT ||
	       code == -EPIPE;
}
