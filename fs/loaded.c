#include "fs/loaded.h"

#include "lib/buffer.h"
#include "lib/db.h"
#include "lib/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

/*
 * Free connections that are kept: requests spend some microseconds in the index, so more are rarely
 * used at once. Each has a cache of at most 2 MB, SQLite's default.
 */
#define FREE_MAX 8

/* Bytes of an index that are read ahead: of some 1.4 million names. */
#define READ_AHEAD (64 * 1024 * 1024)

#define ANSWERS_MAX (64 * 1024) /* bytes of noted names */

#define ENDS 256 /* of listings that are remembered */

struct listing_end {
	uint64_t directory, cookie;
};

struct bfs_loaded {
	struct bfs_generation generation;
	char *path; /* NULL: an empty prefix */
	struct bfs_host *host;
	pthread_mutex_t lock;	 /* protects what follows; never held during a query */
	pthread_cond_t released; /* a connection came back */
	struct bfs_tree *free[FREE_MAX];
	unsigned free_count;
	unsigned used_count;
	struct listing_end ends[ENDS];
	struct bfs_buffer answers;  /* directory, name and its NUL, directory... */
	pthread_mutex_t count_lock; /* protects the two below, and is held while they are made */
	bool counted;
	struct bfs_tree_counts counts;
};

int bfs_loaded_open_tree(
	const struct bfs_loaded *loaded, struct bfs_tree **ret_tree, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_tree_open(
		loaded->path, loaded->path ? BFS_TREE_READ : BFS_TREE_NEW, &tree, error);

	/* One transaction for good spares each query the beginning and the end of its own. */
	if (r == 0)
		r = bfs_db_exec(bfs_tree_db(tree), "BEGIN");
	if (r == 0)
		*ret_tree = bfs_steal(&tree);
	return r;
}

static struct bfs_loaded *allocate(const struct bfs_generation *generation, const char *path)
{
	struct bfs_loaded *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return NULL;
	pthread_mutex_init(&loaded->lock, NULL);
	pthread_mutex_init(&loaded->count_lock, NULL);
	pthread_cond_init(&loaded->released, NULL);
	loaded->generation = *generation;
	loaded->path = path ? strdup(path) : NULL;
	if (path && !loaded->path) {
		bfs_loaded_close(loaded);
		return NULL;
	}
	return loaded;
}

int bfs_loaded_open(const struct bfs_generation *generation, const char *path, const char *prefix,
	struct bfs_loaded **ret_loaded, struct bfs_error *error)
{
	_cleanup_loaded_ struct bfs_loaded *loaded = allocate(generation, path);
	int r;

	if (!loaded)
		return -ENOMEM;
	r = bfs_loaded_open_tree(loaded, &loaded->free[0], error);
	if (r < 0)
		return r;
	loaded->free_count = 1;
	r = bfs_host_new(loaded->free[0], prefix, &loaded->host);
	if (r < 0)
		return bfs_error_set(error, r, "computing the host's names", path, NULL);
	*ret_loaded = bfs_steal(&loaded);
	return 0;
}

void bfs_loaded_close(struct bfs_loaded *loaded)
{
	if (!loaded)
		return;
	for (unsigned i = 0; i < loaded->free_count; i++)
		bfs_tree_close(loaded->free[i]);
	bfs_host_free(loaded->host);
	bfs_buffer_release(&loaded->answers);
	free(loaded->path);
	pthread_mutex_destroy(&loaded->lock);
	pthread_mutex_destroy(&loaded->count_lock);
	pthread_cond_destroy(&loaded->released);
	free(loaded);
}

/* Takes a free connection, or counts one that is to be opened. */
static struct bfs_tree *take_free(struct bfs_loaded *loaded)
{
	struct bfs_tree *tree = NULL;

	pthread_mutex_lock(&loaded->lock);
	loaded->used_count++;
	if (loaded->free_count > 0)
		tree = loaded->free[--loaded->free_count];
	pthread_mutex_unlock(&loaded->lock);
	return tree;
}

/* When none could be opened. Returns NULL where nobody has one to give back. */
static struct bfs_tree *wait_for_free(struct bfs_loaded *loaded)
{
	struct bfs_tree *tree = NULL;

	pthread_mutex_lock(&loaded->lock);
	loaded->used_count--;
	while (loaded->free_count == 0 && loaded->used_count > 0)
		pthread_cond_wait(&loaded->released, &loaded->lock);
	if (loaded->free_count > 0) {
		tree = loaded->free[--loaded->free_count];
		loaded->used_count++;
	} else {
		pthread_cond_broadcast(&loaded->released);
	}
	pthread_mutex_unlock(&loaded->lock);
	return tree;
}

int bfs_loaded_acquire(struct bfs_loaded *loaded, struct bfs_tree **ret_tree)
{
	struct bfs_tree *tree = take_free(loaded);
	int r = 0;

	if (!tree)
		r = bfs_loaded_open_tree(loaded, &tree, NULL);
	if (r < 0)
		tree = wait_for_free(loaded);
	if (!tree)
		return r;
	*ret_tree = tree;
	return 0;
}

void bfs_loaded_release(struct bfs_loaded *loaded, struct bfs_tree *tree)
{
	pthread_mutex_lock(&loaded->lock);
	loaded->used_count--;
	if (loaded->free_count < FREE_MAX) {
		loaded->free[loaded->free_count++] = tree;
		tree = NULL;
	}
	pthread_cond_signal(&loaded->released);
	pthread_mutex_unlock(&loaded->lock);
	bfs_tree_close(tree);
}

void bfs_loaded_read_ahead(const struct bfs_loaded *loaded)
{
	_cleanup_close_ int fd = loaded->path ? open(loaded->path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
		bfs_read_ahead(fd, 0, READ_AHEAD);
}

void bfs_loaded_shrink(struct bfs_loaded *loaded)
{
	struct bfs_tree *trees[FREE_MAX];
	unsigned count = 0;

	pthread_mutex_lock(&loaded->lock);
	while (loaded->free_count > 1)
		trees[count++] = loaded->free[--loaded->free_count];
	pthread_mutex_unlock(&loaded->lock);
	while (count > 0)
		bfs_tree_close(trees[--count]);
}

void bfs_loaded_note_end(struct bfs_loaded *loaded, uint64_t directory, uint64_t cookie)
{
	pthread_mutex_lock(&loaded->lock);
	loaded->ends[directory % ENDS] = (struct listing_end){directory, cookie};
	pthread_mutex_unlock(&loaded->lock);
}

bool bfs_loaded_is_end(struct bfs_loaded *loaded, uint64_t directory, uint64_t cookie)
{
	const struct listing_end *end = &loaded->ends[directory % ENDS];
	bool is_end;

	pthread_mutex_lock(&loaded->lock);
	is_end = end->directory == directory && end->cookie == cookie;
	pthread_mutex_unlock(&loaded->lock);
	return is_end;
}

void bfs_loaded_note_answer(struct bfs_loaded *loaded, uint64_t directory, const char *name)
{
	size_t length = strlen(name) + 1;

	pthread_mutex_lock(&loaded->lock);
	/* Without room, and without memory, the kernel forgets it when it needs the memory itself.
	 */
	if (loaded->answers.length < ANSWERS_MAX &&
		bfs_buffer_reserve(&loaded->answers, sizeof(directory) + length) == 0) {
		bfs_buffer_append(&loaded->answers, &directory, sizeof(directory));
		bfs_buffer_append(&loaded->answers, name, length);
	}
	pthread_mutex_unlock(&loaded->lock);
}

bool bfs_loaded_take_answers(struct bfs_loaded *loaded, bfs_answer_visitor *visit, void *context)
{
	_cleanup_buffer_ struct bfs_buffer answers = BFS_BUFFER_INIT;
	size_t at = 0;

	pthread_mutex_lock(&loaded->lock);
	answers = loaded->answers;
	loaded->answers = (struct bfs_buffer)BFS_BUFFER_INIT;
	pthread_mutex_unlock(&loaded->lock);
	while (at < answers.length) {
		const char *name = answers.data + at + sizeof(uint64_t);
		uint64_t directory;

		memcpy(&directory, answers.data + at, sizeof(directory));
		visit(context, directory, name, strlen(name));
		at += sizeof(directory) + strlen(name) + 1;
	}
	return at > 0;
}

const struct bfs_generation *bfs_loaded_generation(const struct bfs_loaded *loaded)
{
	return &loaded->generation;
}

const struct bfs_host *bfs_loaded_host(const struct bfs_loaded *loaded)
{
	return loaded->host;
}

static int count(struct bfs_loaded *loaded)
{
	struct bfs_tree *tree;
	int r = bfs_loaded_acquire(loaded, &tree);

	if (r < 0)
		return r;
	r = bfs_tree_count(tree, &loaded->counts);
	bfs_loaded_release(loaded, tree);
	return r;
}

int bfs_loaded_count(struct bfs_loaded *loaded, struct bfs_tree_counts *ret_counts)
{
	int r = 0;

	pthread_mutex_lock(&loaded->count_lock);
	if (!loaded->counted)
		r = count(loaded);
	if (r == 0) {
		loaded->counted = true;
		*ret_counts = loaded->counts;
	}
	pthread_mutex_unlock(&loaded->count_lock);
	return r;
}
