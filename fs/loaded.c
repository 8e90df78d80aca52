#include "fs/loaded.h"

#include "lib/buffer.h"
#include "lib/db.h"

#include <pthread.h>
#include <string.h>

#define ANSWERS_MAX (64 * 1024) /* bytes of noted names */

struct bfs_loaded {
	struct bfs_generation generation;
	char *path; /* NULL: an empty prefix */
	struct bfs_host *host;
	unsigned responders;
	/* One for each responder, which alone touches it until retirement. */
	struct bfs_tree **trees;
	bool retired;		   /* changes only while no responder has a tree */
	pthread_mutex_t turn;	   /* once retired: held by the responder that has the tree */
	pthread_mutex_t lock;	   /* protects what follows */
	struct bfs_buffer answers; /* directory, name and its NUL, directory... */
	bool counted;
	struct bfs_tree_counts counts;
};

/*
 * A page cache of half a megabyte a connection: a few dozen connections stay small, and what it
 * does not hold the kernel's page cache does.
 */
#define CONNECTION_CACHE "PRAGMA cache_size=-512"

int bfs_loaded_open_tree(
	const struct bfs_loaded *loaded, struct bfs_tree **ret_tree, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_tree_open(
		loaded->path, loaded->path ? BFS_TREE_READ : BFS_TREE_NEW, &tree, error);

	if (r == 0)
		r = bfs_db_exec(bfs_tree_db(tree), CONNECTION_CACHE);
	if (r == 0)
		*ret_tree = bfs_steal(&tree);
	return r;
}

static struct bfs_loaded *allocate(
	const struct bfs_generation *generation, const char *path, unsigned responders)
{
	struct bfs_loaded *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return NULL;
	pthread_mutex_init(&loaded->turn, NULL);
	pthread_mutex_init(&loaded->lock, NULL);
	loaded->generation = *generation;
	loaded->responders = responders;
	loaded->trees = calloc(responders, sizeof(*loaded->trees));
	loaded->path = path ? strdup(path) : NULL;
	if (!loaded->trees || (path && !loaded->path)) {
		bfs_loaded_close(loaded);
		return NULL;
	}
	return loaded;
}

int bfs_loaded_open(const struct bfs_generation *generation, const char *path, const char *prefix,
	unsigned responders, struct bfs_loaded **ret_loaded, struct bfs_error *error)
{
	_cleanup_loaded_ struct bfs_loaded *loaded = allocate(generation, path, responders);
	int r;

	if (!loaded)
		return -ENOMEM;
	r = bfs_loaded_open_tree(loaded, &loaded->trees[responders - 1], error);
	if (r < 0)
		return r;
	r = bfs_host_new(loaded->trees[responders - 1], prefix, &loaded->host);
	if (r < 0)
		return bfs_error_set(error, r, "computing the host's names", path, NULL);
	*ret_loaded = bfs_steal(&loaded);
	return 0;
}

void bfs_loaded_close(struct bfs_loaded *loaded)
{
	if (!loaded)
		return;
	for (unsigned i = 0; loaded->trees && i < loaded->responders; i++)
		bfs_tree_close(loaded->trees[i]);
	free(loaded->trees);
	bfs_host_free(loaded->host);
	bfs_buffer_release(&loaded->answers);
	free(loaded->path);
	pthread_mutex_destroy(&loaded->turn);
	pthread_mutex_destroy(&loaded->lock);
	free(loaded);
}

int bfs_loaded_acquire(struct bfs_loaded *loaded, unsigned responder, struct bfs_tree **ret_tree)
{
	int r = 0;

	if (loaded->retired) {
		pthread_mutex_lock(&loaded->turn);
		*ret_tree = loaded->trees[loaded->responders - 1];
		return 0;
	}
	if (!loaded->trees[responder])
		r = bfs_loaded_open_tree(loaded, &loaded->trees[responder], NULL);
	if (r == 0)
		*ret_tree = loaded->trees[responder];
	return r;
}

void bfs_loaded_release(struct bfs_loaded *loaded)
{
	if (loaded->retired)
		pthread_mutex_unlock(&loaded->turn);
}

int bfs_loaded_prepare(struct bfs_loaded *loaded)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < loaded->responders; i++)
		if (!loaded->trees[i])
			r = bfs_loaded_open_tree(loaded, &loaded->trees[i], NULL);
	return r;
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

void bfs_loaded_retire(struct bfs_loaded *loaded)
{
	loaded->retired = true;
	for (unsigned i = 0; i + 1 < loaded->responders; i++) {
		bfs_tree_close(loaded->trees[i]);
		loaded->trees[i] = NULL;
	}
}

const struct bfs_generation *bfs_loaded_generation(const struct bfs_loaded *loaded)
{
	return &loaded->generation;
}

const struct bfs_host *bfs_loaded_host(const struct bfs_loaded *loaded)
{
	return loaded->host;
}

int bfs_loaded_count(
	struct bfs_loaded *loaded, struct bfs_tree *tree, struct bfs_tree_counts *ret_counts)
{
	int r = 0;

	pthread_mutex_lock(&loaded->lock);
	if (!loaded->counted)
		r = bfs_tree_count(tree, &loaded->counts);
	if (r == 0) {
		loaded->counted = true;
		*ret_counts = loaded->counts;
	}
	pthread_mutex_unlock(&loaded->lock);
	return r;
}
