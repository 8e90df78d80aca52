#include "installer/export_contents.h"

#include "lib/workers.h"

#include <pthread.h>

#define THREADS 16 /* reads under way: EFS answers each after a millisecond or so */

struct bfs_export_contents {
	struct bfs_content_reader *reader;
	bfs_export_contents_user *use;
	void *context;
	struct bfs_digest last_pack;
	struct bfs_workers *workers;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t room;
	uint64_t in_flight; /* bytes */
	struct bfs_error failure;
};

struct job {
	struct bfs_export_contents *contents;
	struct bfs_content content;
	void *item;
};

int bfs_export_contents_new(struct bfs_content_reader *reader, bfs_export_contents_user *use,
	void *context, struct bfs_export_contents **ret_contents)
{
	struct bfs_export_contents *contents = calloc(1, sizeof(*contents));
	int r = contents ? bfs_workers_new(THREADS, &contents->workers) : -ENOMEM;

	if (r < 0) {
		free(contents);
		return r;
	}
	contents->reader = reader;
	contents->use = use;
	contents->context = context;
	pthread_mutex_init(&contents->lock, NULL);
	pthread_cond_init(&contents->room, NULL);
	*ret_contents = contents;
	return 0;
}

void bfs_export_contents_free(struct bfs_export_contents *contents)
{
	if (!contents)
		return;
	bfs_workers_free(contents->workers);
	bfs_error_clear(&contents->failure);
	pthread_cond_destroy(&contents->room);
	pthread_mutex_destroy(&contents->lock);
	free(contents);
}

static void job_done(struct job *job, int code, struct bfs_error *error)
{
	struct bfs_export_contents *contents = job->contents;

	pthread_mutex_lock(&contents->lock);
	contents->in_flight -= job->content.size;
	if (code < 0 && contents->failure.code == 0) {
		contents->failure = *error;
		contents->failure.code = code;
		*error = (struct bfs_error)BFS_ERROR_INIT;
	}
	pthread_cond_broadcast(&contents->room);
	pthread_mutex_unlock(&contents->lock);
	free(job);
}

static int run(void *argument)
{
	struct job *job = argument;
	_cleanup_buffer_ struct bfs_buffer data = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = bfs_content_load(
		job->contents->reader, &job->content, job->content.size, &data, &error);

	if (r == 0)
		r = job->contents->use(job->contents->context, job->item, (uint8_t *)data.data,
			data.length, &error);
	job_done(job, r, &error);
	return r;
}

void bfs_export_contents_open_pack(struct bfs_content_reader *reader,
	const struct bfs_content *content, struct bfs_digest *last)
{
	uint64_t position;
	void *handle;
	int fd;

	if (!content->packed || bfs_digest_equal(&content->pack, last))
		return;
	*last = content->pack;
	/* Who reads it will find out what is wrong with it. */
	if (bfs_content_open(reader, content, 0, content->size, &fd, &position, &handle) == 0)
		bfs_content_close(reader, handle);
}

int bfs_export_contents_submit(
	struct bfs_export_contents *contents, const struct bfs_content *content, void *item)
{
	struct job *job = malloc(sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	*job = (struct job){contents, *content, item};
	bfs_export_contents_open_pack(contents->reader, content, &contents->last_pack);
	pthread_mutex_lock(&contents->lock);
	while (contents->in_flight &&
		contents->in_flight + content->size > BFS_EXPORT_CONTENTS_MEMORY)
		pthread_cond_wait(&contents->room, &contents->lock);
	contents->in_flight += content->size;
	r = contents->failure.code;
	pthread_mutex_unlock(&contents->lock);
	if (r == 0)
		r = bfs_workers_submit(contents->workers, run, job);
	if (r < 0) {
		pthread_mutex_lock(&contents->lock);
		contents->in_flight -= content->size;
		pthread_mutex_unlock(&contents->lock);
		free(job);
	}
	return r;
}

int bfs_export_contents_wait(struct bfs_export_contents *contents, struct bfs_error *error)
{
	int r = bfs_workers_wait(contents->workers);

	if (contents->failure.code == 0)
		return r;
	r = contents->failure.code;
	if (error && !error->message) {
		*error = contents->failure;
		contents->failure = (struct bfs_error)BFS_ERROR_INIT;
	}
	return r;
}
