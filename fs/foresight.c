#include "fs/foresight.h"

#include "fs/elf_needs.h"
#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/path.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define THREADS 8 /* each waits for a file's beginning, then for its table of names */

/* Contents that wait to be looked at; a program has some hundred libraries at most. */
#define QUEUE_MAX 512

/* Contents that were looked at; a power of two. When half of it is in use it is forgotten. */
#define SEEN_MAX 8192

/* Of one segment. More is not touched by loading alone. */
#define SEGMENT_MAX (4 * 1024 * 1024)

struct bfs_foresight {
	struct bfs_lineage *lineage;
	struct bfs_content_reader *reader;
	const char *prefix;
	pthread_mutex_t lock; /* protects everything below */
	pthread_cond_t work;
	struct bfs_content queue[QUEUE_MAX]; /* a ring */
	size_t first, count;
	uint64_t seen[SEEN_MAX]; /* first bytes of digests, a hash table; 0: free */
	size_t seen_count;
	uint64_t files; /* looked at */
	unsigned started, idle;
	bool stop;
	pthread_t threads[THREADS];
};

int bfs_foresight_new(struct bfs_lineage *lineage, struct bfs_content_reader *reader,
	const char *prefix, struct bfs_foresight **ret_foresight)
{
	struct bfs_foresight *foresight = calloc(1, sizeof(*foresight));

	if (!foresight)
		return -ENOMEM;
	foresight->lineage = lineage;
	foresight->reader = reader;
	foresight->prefix = prefix;
	pthread_mutex_init(&foresight->lock, NULL);
	pthread_cond_init(&foresight->work, NULL);
	*ret_foresight = foresight;
	return 0;
}

/* With the lock held: whether it is the first time. */
static bool see(struct bfs_foresight *foresight, const struct bfs_content *content)
{
	uint64_t key;
	size_t i;

	memcpy(&key, content->digest.bytes, sizeof(key));
	key = key ? key : 1;
	for (i = key % SEEN_MAX; foresight->seen[i]; i = (i + 1) % SEEN_MAX)
		if (foresight->seen[i] == key)
			return false;
	if (++foresight->seen_count > SEEN_MAX / 2) {
		memset(foresight->seen, 0, sizeof(foresight->seen));
		foresight->seen_count = 1;
		i = key % SEEN_MAX;
	}
	foresight->seen[i] = key;
	return true;
}

/* --- one file --- */

struct look {
	struct bfs_foresight *foresight;
	const struct bfs_content *content;
};

static ssize_t read_bytes(void *context, void *ret_data, size_t length, uint64_t offset)
{
	const struct look *look = context;

	return bfs_content_read(look->foresight->reader, look->content, ret_data, length, offset);
}

static void want_ranges(void *context, const struct bfs_elf_needs *needs)
{
	const struct look *look = context;

	for (size_t i = 0; i < needs->range_count; i++) {
		uint64_t length = needs->ranges[i].length;

		if (needs->ranges[i].offset < look->content->size)
			bfs_content_want(look->foresight->reader, look->content,
				needs->ranges[i].offset,
				length < SEGMENT_MAX ? length : SEGMENT_MAX);
	}
}

/* The content of a regular file at a path in the prefix. */
static int find_content(
	struct bfs_foresight *foresight, const char *path, struct bfs_content *ret_content)
{
	struct bfs_loaded *loaded;
	struct bfs_attributes attributes;
	struct bfs_tree *tree;
	int r;

	bfs_lineage_enter(foresight->lineage);
	loaded = bfs_lineage_at(foresight->lineage, 0);
	r = bfs_loaded_acquire(loaded, &tree);
	if (r == 0) {
		r = bfs_tree_stat_path(tree, path, &attributes);
		if (r == 0)
			r = S_ISREG(attributes.mode) && attributes.object
				    ? bfs_tree_content(tree, attributes.ino, ret_content)
				    : -ENOENT;
		bfs_loaded_release(loaded, tree);
	}
	bfs_lineage_leave(foresight->lineage);
	return r;
}

static int find_in(struct bfs_foresight *foresight, const char *directory, const char *name,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *path = bfs_path_join(directory, name);

	return path ? find_content(foresight, path, ret_content) : -ENOMEM;
}

/* Below the prefix, relative to it; NULL for a directory elsewhere. */
static const char *as_directory(const struct bfs_foresight *foresight, char *directory)
{
	size_t length = strlen(directory);
	const char *below;

	while (length > 1 && directory[length - 1] == '/')
		directory[--length] = '\0';
	below = bfs_path_below(directory, foresight->prefix);
	return below && *below && bfs_path_is_clean(below) ? below : NULL;
}

static int find_library(struct bfs_foresight *foresight, const char *search, const char *name,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *copy = strdup(search ? search : "");
	char *directory, *position = NULL;
	int r = -ENOENT;

	if (!copy || !bfs_name_is_valid(name, strlen(name)))
		return copy ? -EINVAL : -ENOMEM;
	for (directory = strtok_r(copy, ":", &position); directory && r < 0;
		directory = strtok_r(NULL, ":", &position)) {
		const char *below = as_directory(foresight, directory);

		if (below)
			r = find_in(foresight, below, name, ret_content);
	}
	return r < 0 ? find_in(foresight, "lib", name, ret_content) : 0;
}

static void look_at(struct bfs_foresight *foresight, const struct bfs_content *content)
{
	_cleanup_elf_needs_ struct bfs_elf_needs needs = {0};
	struct look look = {foresight, content};
	const char *name;

	if (bfs_elf_needs_read(read_bytes, want_ranges, &look, &needs) < 0)
		return;
	name = needs.names.data;
	for (size_t i = 0; i < needs.count; i++, name += strlen(name) + 1) {
		struct bfs_content library;

		if (find_library(foresight, needs.search, name, &library) == 0)
			bfs_foresight_note(foresight, &library);
	}
}

/* --- the threads --- */

static void *run_thread(void *context)
{
	struct bfs_foresight *foresight = context;

	pthread_mutex_lock(&foresight->lock);
	while (!foresight->stop) {
		struct bfs_content content;

		if (foresight->count == 0) {
			foresight->idle++;
			pthread_cond_wait(&foresight->work, &foresight->lock);
			foresight->idle--;
			continue;
		}
		content = foresight->queue[foresight->first];
		foresight->first = (foresight->first + 1) % QUEUE_MAX;
		foresight->count--;
		pthread_mutex_unlock(&foresight->lock);
		look_at(foresight, &content);
		pthread_mutex_lock(&foresight->lock);
	}
	pthread_mutex_unlock(&foresight->lock);
	return NULL;
}

/* With the lock held. */
static void start_thread(struct bfs_foresight *foresight)
{
	if (foresight->idle < foresight->count && foresight->started < THREADS &&
		pthread_create(
			&foresight->threads[foresight->started], NULL, run_thread, foresight) == 0)
		foresight->started++;
}

void bfs_foresight_note(struct bfs_foresight *foresight, const struct bfs_content *content)
{
	bool is_new;

	pthread_mutex_lock(&foresight->lock);
	is_new = !foresight->stop && foresight->count < QUEUE_MAX && see(foresight, content);
	if (is_new) {
		foresight->queue[(foresight->first + foresight->count++) % QUEUE_MAX] = *content;
		foresight->files++;
		start_thread(foresight);
		pthread_cond_signal(&foresight->work);
	}
	pthread_mutex_unlock(&foresight->lock);
}

bool bfs_foresight_stop(struct bfs_foresight *foresight, unsigned timeout)
{
	struct timespec until;

	if (!foresight)
		return true;
	pthread_mutex_lock(&foresight->lock);
	foresight->stop = true;
	pthread_cond_broadcast(&foresight->work);
	pthread_mutex_unlock(&foresight->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout / 1000 + 1;
	while (foresight->started > 0) {
		if (pthread_timedjoin_np(
			    foresight->threads[foresight->started - 1], NULL, &until) != 0)
			return false;
		foresight->started--;
	}
	return true;
}

void bfs_foresight_free(struct bfs_foresight *foresight)
{
	if (!foresight)
		return;
	pthread_mutex_destroy(&foresight->lock);
	pthread_cond_destroy(&foresight->work);
	free(foresight);
}

void bfs_foresight_get_counts(struct bfs_foresight *foresight, uint64_t *ret_files)
{
	pthread_mutex_lock(&foresight->lock);
	*ret_files = foresight->files;
	pthread_mutex_unlock(&foresight->lock);
}
