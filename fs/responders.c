#include "fs/responders.h"

#include "lib/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* Makes a blocking read end with EINTR; it means nothing else to this process. */
#define WAKE_SIGNAL SIGUSR1

#define WAKE_INTERVAL                                                                              \
	10 /* ms: a signal that came just before the read began has to be sent again */

/* Threads that wait for a request at the same time: one takes it, another is there for the next. */
#define LISTENERS_MIN 2
#define LISTENERS_MAX 4

struct thread {
	struct bfs_responder responder;
	struct bfs_responders *responders;
	pthread_t id;
	bool started;
	atomic_bool ended;
};

struct bfs_responders {
	struct fuse_session *session;
	int ended_fd;
	bfs_request_filter *filter; /* NULL: none */
	void *filter_context;
	pthread_key_t self; /* the thread's struct bfs_responder */
	atomic_bool stop;   /* or the mount has gone */
	atomic_uint running;
	atomic_uint listening; /* wait for a request, or are about to */
	unsigned listeners;    /* so many suffice */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	unsigned parked; /* under `lock` */
	unsigned count;
	struct thread threads[];
};

int bfs_responders_new(unsigned count, struct bfs_responders **ret_responders)
{
	struct bfs_responders *responders =
		calloc(1, sizeof(*responders) + count * sizeof(responders->threads[0]));
	int r;

	if (!responders)
		return -ENOMEM;
	r = pthread_key_create(&responders->self, NULL);
	if (r) {
		free(responders);
		return -r;
	}
	responders->count = count;
	responders->listeners = sysconf(_SC_NPROCESSORS_ONLN) > 2 ? LISTENERS_MAX : LISTENERS_MIN;
	pthread_mutex_init(&responders->lock, NULL);
	pthread_cond_init(&responders->wake, NULL);
	for (unsigned i = 0; i < count; i++) {
		responders->threads[i].responder.index = i;
		responders->threads[i].responders = responders;
	}
	*ret_responders = responders;
	return 0;
}

void bfs_responders_set_filter(
	struct bfs_responders *responders, bfs_request_filter *filter, void *context)
{
	responders->filter = filter;
	responders->filter_context = context;
}

/*
 * Waits until the number of those that listen is short of one more. The kernel hands requests to
 * waiting threads in turn: with all of them waiting, each request would find a thread whose stack,
 * buffers and processor caches are cold. So a few listen, and the last of these that gets a request
 * calls another one.
 */
static void listen_or_park(struct bfs_responders *responders)
{
	if (atomic_fetch_add(&responders->listening, 1) < responders->listeners)
		return;
	atomic_fetch_sub(&responders->listening, 1);
	pthread_mutex_lock(&responders->lock);
	responders->parked++;
	/* Looked at with `parked` set, so that whoever takes the last one off sees it. */
	while (atomic_load(&responders->listening) > 0 && !atomic_load(&responders->stop))
		pthread_cond_wait(&responders->wake, &responders->lock);
	responders->parked--;
	atomic_fetch_add(&responders->listening, 1);
	pthread_mutex_unlock(&responders->lock);
}

static void leave_listening(struct bfs_responders *responders)
{
	if (atomic_fetch_sub(&responders->listening, 1) > 1)
		return;
	pthread_mutex_lock(&responders->lock);
	if (responders->parked > 0)
		pthread_cond_signal(&responders->wake);
	pthread_mutex_unlock(&responders->lock);
}

static void stop_listening(struct bfs_responders *responders)
{
	pthread_mutex_lock(&responders->lock);
	atomic_store(&responders->stop, true);
	pthread_cond_broadcast(&responders->wake);
	pthread_mutex_unlock(&responders->lock);
}

/* Requests until the mount goes or stop is set. */
static void serve(struct bfs_responders *responders, struct bfs_responder *responder)
{
	struct fuse_buf request = {.mem = NULL};

	while (!atomic_load(&responders->stop) && !fuse_session_exited(responders->session)) {
		int r;

		listen_or_park(responders);
		r = atomic_load(&responders->stop)
			    ? -EINTR
			    : fuse_session_receive_buf(responders->session, &request);
		leave_listening(responders);
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			break;
		if (!responders->filter ||
			responders->filter(responders->filter_context, responder, &request))
			fuse_session_process_buf(responders->session, &request);
		else
			request = (struct fuse_buf){.mem = NULL};
	}
	/* The mount has gone, for all of them; any other failure is this thread's own. */
	if (fuse_session_exited(responders->session))
		stop_listening(responders);
	free(request.mem);
}

void bfs_responders_process(struct bfs_responders *responders, struct fuse_buf *request)
{
	struct bfs_responder responder = {.index = responders->count};

	pthread_setspecific(responders->self, &responder);
	fuse_session_process_buf(responders->session, request);
	pthread_setspecific(responders->self, NULL);
	bfs_buffer_release(&responder.scratch);
	free(bfs_steal(&request->mem));
}

static void *run_thread(void *context)
{
	struct thread *thread = context;
	struct bfs_responders *responders = thread->responders;
	uint64_t one = 1;

	pthread_setspecific(responders->self, &thread->responder);
	serve(responders, &thread->responder);
	bfs_buffer_release(&thread->responder.scratch);
	if (atomic_fetch_sub(&responders->running, 1) == 1 &&
		write(responders->ended_fd, &one, sizeof(one)) < 0)
		bfs_log_warning("telling of the end of the mount: %s", strerror(errno));
	atomic_store(&thread->ended, true);
	return NULL;
}

static void ignore_signal(int number)
{
	(void)number;
}

static int install_wake_signal(void)
{
	struct sigaction action = {.sa_handler = ignore_signal}; /* no SA_RESTART */

	return sigaction(WAKE_SIGNAL, &action, NULL) < 0 ? -errno : 0;
}

int bfs_responders_start(
	struct bfs_responders *responders, struct fuse_session *session, int ended_fd)
{
	int r = install_wake_signal();

	if (r < 0)
		return r;
	responders->session = session;
	responders->ended_fd = ended_fd;
	for (unsigned i = 0; i < responders->count; i++) {
		struct thread *thread = &responders->threads[i];

		atomic_fetch_add(&responders->running, 1);
		r = pthread_create(&thread->id, NULL, run_thread, thread);
		thread->started = r == 0;
		if (r == 0)
			continue;
		atomic_fetch_sub(&responders->running, 1);
		bfs_log_warning("only %u of %u threads could be started: %s", i, responders->count,
			strerror(r));
		return i > 0 ? 0 : -r;
	}
	return 0;
}

struct fuse_session *bfs_responders_session(const struct bfs_responders *responders)
{
	return responders->session;
}

struct bfs_responder *bfs_responders_self(struct bfs_responders *responders)
{
	return pthread_getspecific(responders->self);
}

/* Whether some thread still runs; those in a read are woken. */
static bool wake(struct bfs_responders *responders)
{
	bool running = false;

	for (unsigned i = 0; i < responders->count; i++) {
		struct thread *thread = &responders->threads[i];

		if (!thread->started || atomic_load(&thread->ended))
			continue;
		pthread_kill(thread->id, WAKE_SIGNAL);
		running = true;
	}
	return running;
}

bool bfs_responders_stop(struct bfs_responders *responders, unsigned timeout)
{
	const struct timespec interval = {.tv_nsec = WAKE_INTERVAL * 1000000L};

	stop_listening(responders);
	for (unsigned waited = 0; wake(responders); waited += WAKE_INTERVAL) {
		if (waited >= timeout)
			return false;
		nanosleep(&interval, NULL);
	}
	for (unsigned i = 0; i < responders->count; i++) {
		if (responders->threads[i].started)
			pthread_join(responders->threads[i].id, NULL);
		responders->threads[i].started = false;
	}
	return true;
}

void bfs_responders_free(struct bfs_responders *responders)
{
	if (!responders)
		return;
	pthread_key_delete(responders->self);
	pthread_mutex_destroy(&responders->lock);
	pthread_cond_destroy(&responders->wake);
	free(responders);
}
