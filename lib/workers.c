#include "lib/workers.h"

#include <pthread.h>
#include <stdbool.h>

struct job {
	int (*run)(void *context);
	void *context;
	struct job *next;
};

struct bfs_workers {
	pthread_mutex_t lock; /* protects everything below */
	pthread_cond_t changed;
	struct job *first, **last;
	unsigned limit, started, idle, pending; /* pending: queued and running jobs */
	int failure;
	bool ending;
	pthread_t threads[];
};

int bfs_workers_new(unsigned limit, struct bfs_workers **ret_workers)
{
	struct bfs_workers *workers;

	if (limit < 1 || limit > 64)
		return -EINVAL;
	workers = calloc(1, sizeof(*workers) + limit * sizeof(workers->threads[0]));
	if (!workers)
		return -ENOMEM;
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->changed, NULL);
	workers->limit = limit;
	workers->last = &workers->first;
	*ret_workers = workers;
	return 0;
}

/* Called and returns with the lock held. */
static void run_first(struct bfs_workers *workers)
{
	struct job *job = workers->first;
	int r;

	workers->first = job->next;
	if (!workers->first)
		workers->last = &workers->first;
	pthread_mutex_unlock(&workers->lock);
	r = job->run(job->context);
	free(job);
	pthread_mutex_lock(&workers->lock);
	if (r < 0 && workers->failure == 0)
		workers->failure = r;
	if (--workers->pending == 0)
		pthread_cond_broadcast(&workers->changed);
}

static void *work(void *argument)
{
	struct bfs_workers *workers = argument;

	pthread_mutex_lock(&workers->lock);
	while (workers->first || !workers->ending) {
		if (workers->first) {
			run_first(workers);
			continue;
		}
		workers->idle++;
		pthread_cond_wait(&workers->changed, &workers->lock);
		workers->idle--;
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

/* With the lock held: one thread more, if there is not an idle one for each queued job. */
static int ensure_thread(struct bfs_workers *workers)
{
	int code;

	if (workers->started == workers->limit || workers->pending < workers->started)
		return 0;
	code = pthread_create(&workers->threads[workers->started], NULL, work, workers);
	if (code == 0)
		workers->started++;
	return workers->started ? 0 : -code;
}

int bfs_workers_submit(struct bfs_workers *workers, int (*run)(void *context), void *context)
{
	struct job *job = malloc(sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){run, context, NULL};
	pthread_mutex_lock(&workers->lock);
	r = ensure_thread(workers);
	if (r == 0) {
		*workers->last = job;
		workers->last = &job->next;
		workers->pending++;
		pthread_cond_broadcast(&workers->changed);
	}
	pthread_mutex_unlock(&workers->lock);
	if (r < 0)
		free(job);
	return r;
}

int bfs_workers_wait(struct bfs_workers *workers)
{
	int failure;

	pthread_mutex_lock(&workers->lock);
	while (workers->pending)
		pthread_cond_wait(&workers->changed, &workers->lock);
	failure = workers->failure;
	workers->failure = 0;
	pthread_mutex_unlock(&workers->lock);
	return failure;
}

void bfs_workers_free(struct bfs_workers *workers)
{
	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->ending = true;
	pthread_cond_broadcast(&workers->changed);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->started; i++)
		pthread_join(workers->threads[i], NULL);
	pthread_cond_destroy(&workers->changed);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}
