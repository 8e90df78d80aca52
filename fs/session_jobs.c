#include "fs/session_jobs.h"

#include "fs/session_request.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct bfs_session_jobs {
	struct bfs_session *session;
	struct bfs_parking *parking;
	struct bfs_control_peer peer; /* the thread's, while it runs */
	pthread_t thread;
	bool started;	   /* a thread that was not joined */
	atomic_bool ended; /* of that one */
};

int bfs_session_jobs_new(struct bfs_session *session, struct bfs_parking *parking,
	struct bfs_session_jobs **ret_jobs)
{
	struct bfs_session_jobs *jobs = calloc(1, sizeof(*jobs));

	if (!jobs)
		return -ENOMEM;
	jobs->session = session;
	jobs->parking = parking;
	*ret_jobs = jobs;
	return 0;
}

void bfs_session_jobs_free(struct bfs_session_jobs *jobs)
{
	free(jobs);
}

static void *run(void *context)
{
	struct bfs_session_jobs *jobs = context;
	json_t *answer = NULL;

	bfs_parking_begin(jobs->parking);
	if (bfs_session_request(jobs->session, jobs->peer.request, &answer) < 0)
		answer = NULL;
	bfs_parking_end(jobs->parking);
	if (answer)
		bfs_control_answer(&jobs->peer, answer);
	else
		bfs_control_refuse(&jobs->peer, strerror(ENOMEM));
	atomic_store(&jobs->ended, true);
	return NULL;
}

/* Whether there is no thread, or there is none any more. */
static bool reap(struct bfs_session_jobs *jobs)
{
	if (jobs->started && !atomic_load(&jobs->ended))
		return false;
	if (jobs->started)
		pthread_join(jobs->thread, NULL);
	jobs->started = false;
	return true;
}

void bfs_session_jobs_start(struct bfs_session_jobs *jobs, struct bfs_control_peer *peer)
{
	int r;

	if (!reap(jobs)) {
		bfs_control_refuse(peer, "the session is busy with another request");
		return;
	}
	jobs->peer = *peer;
	atomic_store(&jobs->ended, false);
	r = pthread_create(&jobs->thread, NULL, run, jobs);
	jobs->started = r == 0;
	if (r != 0)
		bfs_control_refuse(peer, strerror(r));
}

bool bfs_session_jobs_busy(struct bfs_session_jobs *jobs)
{
	return !reap(jobs);
}

bool bfs_session_jobs_stop(struct bfs_session_jobs *jobs, unsigned timeout)
{
	const struct timespec interval = {.tv_nsec = 10 * 1000000L};

	for (unsigned waited = 0; !reap(jobs); waited += 10) {
		if (waited >= timeout)
			return false;
		nanosleep(&interval, NULL);
	}
	return true;
}
