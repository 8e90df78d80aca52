#include "lib/byte_queue.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bfs_byte_queue {
	size_t block_size;
	size_t block_count;
	uint8_t *memory; /* block_count blocks, used in turn */
	size_t *lengths; /* of the committed blocks; under `lock` */
	pthread_mutex_t lock;
	pthread_cond_t filled;	/* a block was committed, or the end or a cancellation came */
	pthread_cond_t emptied; /* a block was read, or a cancellation came */
	size_t first;		/* the oldest committed block; under `lock` */
	size_t used;		/* committed blocks, the one being read counted; under `lock` */
	bool reading;		/* the consumer holds block `first`; under `lock` */
	bool ended, canceled;	/* under `lock` */
	int code;		/* given with the end; under `lock` */
};

static int initialise_lock(struct bfs_byte_queue *queue)
{
	int r = pthread_mutex_init(&queue->lock, NULL);

	if (r)
		return -r;
	r = pthread_cond_init(&queue->filled, NULL);
	if (r) {
		pthread_mutex_destroy(&queue->lock);
		return -r;
	}
	r = pthread_cond_init(&queue->emptied, NULL);
	if (r) {
		pthread_cond_destroy(&queue->filled);
		pthread_mutex_destroy(&queue->lock);
	}
	return -r;
}

int bfs_byte_queue_new(size_t block_size, size_t block_count, struct bfs_byte_queue **ret_queue)
{
	_cleanup_free_ struct bfs_byte_queue *queue = calloc(1, sizeof(*queue));
	_cleanup_free_ uint8_t *memory = NULL;
	_cleanup_free_ size_t *lengths = NULL;
	size_t size;
	int r;

	if (block_size == 0 || block_count < 2)
		return -EINVAL;
	if (!queue || __builtin_mul_overflow(block_size, block_count, &size))
		return -ENOMEM;
	memory = malloc(size);
	lengths = calloc(block_count, sizeof(*lengths));
	if (!memory || !lengths)
		return -ENOMEM;
	r = initialise_lock(queue);
	if (r < 0)
		return r;
	queue->block_size = block_size;
	queue->block_count = block_count;
	queue->memory = bfs_steal(&memory);
	queue->lengths = bfs_steal(&lengths);
	*ret_queue = bfs_steal(&queue);
	return 0;
}

void bfs_byte_queue_free(struct bfs_byte_queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->emptied);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
	free(queue->memory);
	free(queue->lengths);
	free(queue);
}

size_t bfs_byte_queue_block_size(const struct bfs_byte_queue *queue)
{
	return queue->block_size;
}

static size_t next_empty(const struct bfs_byte_queue *queue)
{
	return (queue->first + queue->used) % queue->block_count;
}

int bfs_byte_queue_reserve(struct bfs_byte_queue *queue, void **ret_block)
{
	int r = 0;

	pthread_mutex_lock(&queue->lock);
	while (!queue->canceled && queue->used == queue->block_count)
		pthread_cond_wait(&queue->emptied, &queue->lock);
	if (queue->canceled)
		r = -ECANCELED;
	else
		*ret_block = queue->memory + next_empty(queue) * queue->block_size;
	pthread_mutex_unlock(&queue->lock);
	return r;
}

void bfs_byte_queue_commit(struct bfs_byte_queue *queue, size_t length)
{
	if (length == 0)
		return;
	pthread_mutex_lock(&queue->lock);
	queue->lengths[next_empty(queue)] = length;
	queue->used++;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

void bfs_byte_queue_end(struct bfs_byte_queue *queue, int code)
{
	pthread_mutex_lock(&queue->lock);
	if (!queue->ended) {
		queue->ended = true;
		queue->code = code;
		pthread_cond_signal(&queue->filled);
	}
	pthread_mutex_unlock(&queue->lock);
}

/* Gives back the block that the consumer has read. */
static void release_block(struct bfs_byte_queue *queue)
{
	if (!queue->reading)
		return;
	queue->reading = false;
	queue->first = (queue->first + 1) % queue->block_count;
	queue->used--;
	pthread_cond_signal(&queue->emptied);
}

ssize_t bfs_byte_queue_take(struct bfs_byte_queue *queue, const void **ret_data)
{
	ssize_t r = 0;

	pthread_mutex_lock(&queue->lock);
	release_block(queue);
	while (!queue->canceled && !queue->ended && queue->used == 0)
		pthread_cond_wait(&queue->filled, &queue->lock);
	if (queue->canceled) {
		r = -ECANCELED;
	} else if (queue->ended && queue->code < 0) {
		r = queue->code;
	} else if (queue->used > 0) {
		queue->reading = true;
		*ret_data = queue->memory + queue->first * queue->block_size;
		r = (ssize_t)queue->lengths[queue->first];
	}
	pthread_mutex_unlock(&queue->lock);
	return r;
}

void bfs_byte_queue_cancel(struct bfs_byte_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->canceled = true;
	pthread_cond_signal(&queue->filled);
	pthread_cond_signal(&queue->emptied);
	pthread_mutex_unlock(&queue->lock);
}
