/* The queue between two threads: order, bounds, and each side stopping first. */
#include "lib/byte_queue.h"
#include "tests/tap.h"

#include <pthread.h>
#include <stdint.h>

#define BLOCK  64
#define BLOCKS 3
#define TOTAL  200000

/* The n-th byte of the stream. */
static uint8_t stream_byte(uint64_t n)
{
	return (uint8_t)(n * 2654435761u >> 13);
}

static void *produce_stream(void *context)
{
	struct bfs_byte_queue *queue = context;
	uint64_t position = 0;

	while (position < TOTAL) {
		/* Blocks of every length, an unused one now and then. */
		size_t length = position * 7 % (BLOCK + 1);
		void *block;

		if (length > TOTAL - position)
			length = TOTAL - position;
		if (bfs_byte_queue_reserve(queue, &block) < 0)
			return NULL;
		for (size_t i = 0; i < length; i++)
			((uint8_t *)block)[i] = stream_byte(position + i);
		bfs_byte_queue_commit(queue, length);
		position += length;
		if (length == 0) { /* the same block comes again */
			void *again;

			if (bfs_byte_queue_reserve(queue, &again) < 0 || again != block)
				return NULL;
			*(uint8_t *)again = stream_byte(position++);
			bfs_byte_queue_commit(queue, 1);
		}
	}
	bfs_byte_queue_end(queue, 0);
	return NULL;
}

static void test_stream(void)
{
	_cleanup_byte_queue_ struct bfs_byte_queue *queue = NULL;
	uint64_t position = 0, wrong = 0;
	const void *data;
	pthread_t thread;
	ssize_t n;

	is_int(bfs_byte_queue_new(BLOCK, BLOCKS, &queue), 0, "a queue is made");
	is_int(bfs_byte_queue_block_size(queue), BLOCK, "it knows the size of its blocks");
	pthread_create(&thread, NULL, produce_stream, queue);
	while ((n = bfs_byte_queue_take(queue, &data)) > 0)
		for (ssize_t i = 0; i < n; i++)
			wrong += ((const uint8_t *)data)[i] != stream_byte(position++);
	pthread_join(thread, NULL);
	is_int(n, 0, "the consumer sees the end");
	is_int(position, TOTAL, "every byte arrives");
	is_int(wrong, 0, "in the order in which it was put in");
	is_int(bfs_byte_queue_take(queue, &data), 0, "the end stays the end");
}

static void *produce_for_ever(void *context)
{
	struct bfs_byte_queue *queue = context;
	void *block;
	int r;

	while ((r = bfs_byte_queue_reserve(queue, &block)) == 0) {
		memset(block, 'x', BLOCK);
		bfs_byte_queue_commit(queue, BLOCK);
	}
	return (void *)(intptr_t)r;
}

static void test_cancel(void)
{
	_cleanup_byte_queue_ struct bfs_byte_queue *queue = NULL;
	const void *data;
	pthread_t thread;
	void *result;

	bfs_byte_queue_new(BLOCK, BLOCKS, &queue);
	pthread_create(&thread, NULL, produce_for_ever, queue);
	for (int i = 0; i < 100; i++)
		bfs_byte_queue_take(queue, &data);
	bfs_byte_queue_cancel(queue);
	pthread_join(thread, &result);
	is_int((intptr_t)result, -ECANCELED, "a producer learns that the consumer gave up");
	is_int(bfs_byte_queue_take(queue, &data), -ECANCELED, "and so does the consumer itself");
}

static void test_bound(void)
{
	_cleanup_byte_queue_ struct bfs_byte_queue *queue = NULL;
	void *blocks[BLOCKS], *block;
	const void *data;
	int distinct = 0;

	bfs_byte_queue_new(BLOCK, BLOCKS, &queue);
	for (int i = 0; i < BLOCKS; i++) {
		bfs_byte_queue_reserve(queue, &blocks[i]);
		bfs_byte_queue_commit(queue, 1);
		distinct += i == 0 || blocks[i] != blocks[i - 1];
	}
	is_int(distinct, BLOCKS, "every block can be filled before one is read");
	bfs_byte_queue_take(queue, &data);
	ok(data == blocks[0], "the first block is read in place");
	bfs_byte_queue_take(queue, &data);
	is_int(bfs_byte_queue_reserve(queue, &block), 0, "a block that was read is empty again");
	ok(block == blocks[0], "it is the one that was read first");
}

static void test_failure(void)
{
	_cleanup_byte_queue_ struct bfs_byte_queue *queue = NULL;
	const void *data;
	void *block;

	bfs_byte_queue_new(BLOCK, BLOCKS, &queue);
	bfs_byte_queue_reserve(queue, &block);
	bfs_byte_queue_commit(queue, 5);
	bfs_byte_queue_end(queue, -EIO);
	bfs_byte_queue_end(queue, 0);
	is_int(bfs_byte_queue_take(queue, &data), -EIO,
		"the producer's error comes before what is queued, and the first end counts");
}

static void test_arguments(void)
{
	struct bfs_byte_queue *queue = NULL;

	is_int(bfs_byte_queue_new(0, 2, &queue), -EINVAL, "blocks without a size are refused");
	is_int(bfs_byte_queue_new(1, 1, &queue), -EINVAL, "a single block is refused");
	is_int(bfs_byte_queue_new(SIZE_MAX / 2, 3, &queue), -ENOMEM,
		"a size that overflows is refused");
	ok(!queue, "nothing is returned on failure");
}

int main(void)
{
	test_stream();
	test_cancel();
	test_bound();
	test_failure();
	test_arguments();
	return done();
}
