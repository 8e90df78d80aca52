#include "fs/session_lease.h"

#include "index/lease.h"
#include "lib/log.h"

#include <pthread.h>
#include <time.h>

struct bfs_session_lease {
	struct bfs_session *session;
	struct bfs_lease *lease;
	pthread_t thread;
	pthread_mutex_t lock;  /* protects what follows */
	pthread_cond_t change; /* of these */
	bool stop, ended;
};

/* A base of number 0 is in no store. */
static void renew(struct bfs_session_lease *lease)
{
	const struct bfs_generation base = bfs_session_info(lease->session)->base;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = base.number ? bfs_lease_renew(lease->lease, &base, 1, &error) : 0;

	if (r < 0)
		bfs_log_debug("no lease: %s", bfs_error_message(&error, r));
}

static struct timespec deadline(unsigned milliseconds)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += milliseconds / 1000;
	time.tv_nsec += milliseconds % 1000 * 1000000L;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	return time;
}

static void *run(void *context)
{
	struct bfs_session_lease *lease = context;

	pthread_mutex_lock(&lease->lock);
	while (!lease->stop) {
		struct timespec next = deadline(BFS_LEASE_INTERVAL * 1000);

		pthread_mutex_unlock(&lease->lock);
		renew(lease);
		pthread_mutex_lock(&lease->lock);
		while (!lease->stop &&
			pthread_cond_timedwait(&lease->change, &lease->lock, &next) == 0)
			;
	}
	pthread_mutex_unlock(&lease->lock);
	bfs_lease_free(bfs_steal(&lease->lease));
	pthread_mutex_lock(&lease->lock);
	lease->ended = true;
	pthread_cond_broadcast(&lease->change);
	pthread_mutex_unlock(&lease->lock);
	return NULL;
}

int bfs_session_lease_start(
	struct bfs_session *session, const char *mountpoint, struct bfs_session_lease **ret_lease)
{
	struct bfs_session_lease *lease = calloc(1, sizeof(*lease));
	pthread_condattr_t attributes;
	int r;

	if (!lease)
		return -ENOMEM;
	lease->session = session;
	pthread_mutex_init(&lease->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&lease->change, &attributes);
	pthread_condattr_destroy(&attributes);
	r = bfs_lease_new(bfs_session_store(session), bfs_session_info(session)->ref, mountpoint,
		&lease->lease);
	if (r == 0)
		r = -pthread_create(&lease->thread, NULL, run, lease);
	if (r < 0) {
		bfs_session_lease_free(lease);
		return r;
	}
	*ret_lease = lease;
	return 0;
}

bool bfs_session_lease_stop(struct bfs_session_lease *lease, unsigned timeout)
{
	struct timespec limit = deadline(timeout);
	bool ended;

	pthread_mutex_lock(&lease->lock);
	lease->stop = true;
	pthread_cond_broadcast(&lease->change);
	while (!lease->ended && pthread_cond_timedwait(&lease->change, &lease->lock, &limit) == 0)
		;
	ended = lease->ended;
	pthread_mutex_unlock(&lease->lock);
	if (ended)
		pthread_join(lease->thread, NULL);
	return ended;
}

void bfs_session_lease_free(struct bfs_session_lease *lease)
{
	if (!lease)
		return;
	bfs_lease_free(lease->lease);
	pthread_cond_destroy(&lease->change);
	pthread_mutex_destroy(&lease->lock);
	free(lease);
}
