#include "index/check_files.h"

#include "index/check_file.h"
#include "lib/workers.h"

#include <pthread.h>
#include <string.h>

/* EFS reads fast only with many requests under way; a worker hashes some 100 MB/s or more. */
#define THREADS	  16
#define UNDER_WAY 64 /* files; a pack's list of contents is what takes memory, some 100 KB */

struct job {
	struct bfs_check_file file;
	struct pool *pool;
	struct job *next;
};

struct pool {
	struct bfs_check_files *files;
	struct bfs_workers *workers;
	size_t under_way;     /* submitted and not yet taken back */
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t changed;
	struct job *done;
	int failure;
};

static int run_job(void *context)
{
	struct job *job = context;
	struct pool *pool = job->pool;
	int r = bfs_check_file_run(&job->file);

	pthread_mutex_lock(&pool->lock);
	if (r < 0)
		pool->failure = r;
	job->next = pool->done;
	pool->done = job;
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
	return r;
}

static int note_damage(struct bfs_check_files *files, const struct bfs_check_file *file,
	enum bfs_check_scope scope, size_t number)
{
	int r = 0;

	if (scope == BFS_CHECK_ALL_CONTENT)
		return bfs_references_add_damage(files->references, &file->file, NULL, number);
	if (scope == BFS_CHECK_NO_CONTENT || !file->damaged)
		return 0;
	for (size_t i = 0; r == 0 && i < file->count; i++)
		if (file->damaged[i])
			r = bfs_references_add_damage(
				files->references, &file->file, &file->entries[i].digest, number);
	return r;
}

static int report(struct bfs_check_files *files, const struct bfs_check_file *file,
	const struct bfs_check_problem *problem)
{
	char name[BFS_STORE_NAME_SIZE];
	struct bfs_finding **grown,
		*finding = bfs_check_add(files->check, BFS_CHECK_PROBLEM, problem->what,
			bfs_file_name(&file->file, name), "%s", problem->detail);

	if (!finding)
		return 0;
	grown = reallocarray(files->findings, files->finding_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	files->findings = grown;
	grown[files->finding_count] = finding;
	return note_damage(files, file, problem->scope, files->finding_count++);
}

static int finish(struct bfs_check_files *files, struct bfs_check_file *file)
{
	int r = 0;

	files->bytes += file->bytes;
	bfs_progress_bar_advance(files->bar, (int64_t)file->bytes);
	for (size_t i = 0; r == 0 && i < file->problem_count; i++)
		r = report(files, file, &file->problems[i]);
	bfs_check_file_release(file);
	return r;
}

/* Waits until at most `limit` files are under way, and takes the results of the others. */
static int drain(struct pool *pool, size_t limit)
{
	int r = 0;

	while (pool->under_way > limit) {
		struct job *job;
		int failed;

		pthread_mutex_lock(&pool->lock);
		while (!pool->done)
			pthread_cond_wait(&pool->changed, &pool->lock);
		job = pool->done;
		pool->done = job->next;
		r = r < 0 ? r : pool->failure;
		pthread_mutex_unlock(&pool->lock);
		pool->under_way--;
		failed = finish(pool->files, &job->file);
		r = r < 0 ? r : failed;
		free(job);
	}
	return r;
}

static int submit(void *context, const struct bfs_file *file)
{
	struct pool *pool = context;
	struct job *job;
	int r = drain(pool, UNDER_WAY - 1);

	if (r < 0)
		return r;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->pool = pool;
	job->file.store = pool->files->store;
	job->file.file = *file;
	job->file.quick = pool->files->quick;
	if (file->kind == BFS_FILE_PACK)
		r = bfs_references_get_pack(pool->files->references, &file->digest,
			&job->file.entries, &job->file.count);
	if (r == 0)
		r = bfs_workers_submit(pool->workers, run_job, job);
	if (r < 0) {
		bfs_check_file_release(&job->file);
		free(job);
		return r;
	}
	pool->under_way++;
	return 0;
}

int bfs_check_files(struct bfs_check_files *files)
{
	static const enum bfs_file_kind kinds[] = {
		BFS_FILE_PACK, BFS_FILE_OBJECT, BFS_FILE_EXECUTABLE};
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	struct pool pool = {.files = files,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER};
	int r = bfs_workers_new(THREADS, &workers), drained;

	if (r < 0)
		return r;
	pool.workers = workers;
	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(kinds); i++)
		r = bfs_references_visit(files->references, kinds[i], submit, &pool);
	drained = drain(&pool, 0);
	return r < 0 ? r : drained;
}
