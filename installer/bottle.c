#include "installer/bottle.h"

#include "installer/bottle_unpack.h"
#include "lib/byte_queue.h"
#include "lib/file.h"
#include "lib/gunzip.h"

#include <pthread.h>
#include <signal.h>

/*
 * The tar on its way between the threads. Blocks of 256 KiB keep the switches between them rare,
 * and are a multiple of tar's 512 bytes, so that libarchive never has to join two.
 */
#define BLOCK_SIZE  (256 * 1024)
#define BLOCK_COUNT 8

struct bfs_bottle {
	const struct bfs_bottle_order *order;
	struct bfs_writer *writer;
	struct bfs_byte_queue *queue;
	bool running; /* the unpacking thread is */
	pthread_t thread;
	/* The caller's thread: */
	struct bfs_hasher *hasher;
	struct bfs_gunzip *gunzip;
	uint8_t *block; /* reserved in the queue, or NULL */
	size_t filled;	/* bytes of it */
	bool stopped;	/* the tar is not read on; the rest is only hashed */
	int gunzip_code;
	struct bfs_error gunzip_error;
	/* The unpacking thread's, until it is joined: */
	struct bfs_bottle_unpack *unpack;
	int unpack_code;
	struct bfs_error unpack_error;
};

static void *run_unpack(void *context)
{
	struct bfs_bottle *bottle = context;

	bottle->unpack_code =
		bfs_bottle_unpack_run(bottle->unpack, bottle->queue, &bottle->unpack_error);
	bfs_byte_queue_cancel(bottle->queue);
	return NULL;
}

/* Signals are for the other threads, which know what to do about them. */
static int start_thread(struct bfs_bottle *bottle)
{
	sigset_t all, old;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&bottle->thread, NULL, run_unpack, bottle);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	bottle->running = code == 0;
	return -code;
}

static void join_thread(struct bfs_bottle *bottle)
{
	if (bottle->running)
		pthread_join(bottle->thread, NULL);
	bottle->running = false;
}

int bfs_bottle_new(struct bfs_store *store, struct bfs_tree *base,
	const struct bfs_bottle_order *order, struct bfs_bottle **ret_bottle,
	struct bfs_error *error)
{
	_cleanup_bottle_ struct bfs_bottle *bottle = calloc(1, sizeof(*bottle));
	int r;

	if (!bottle)
		return -ENOMEM;
	bottle->order = order;
	r = bfs_hasher_new(&bottle->hasher);
	if (r == 0)
		r = bfs_gunzip_new(&bottle->gunzip);
	if (r == 0)
		r = bfs_byte_queue_new(BLOCK_SIZE, BLOCK_COUNT, &bottle->queue);
	if (r == 0)
		r = bfs_writer_new(store, base, &bottle->writer, error);
	if (r == 0)
		r = bfs_bottle_unpack_new(order, bottle->writer, &bottle->unpack, error);
	if (r == 0)
		r = start_thread(bottle);
	if (r < 0)
		return bfs_error_set(error, r, "preparing to unpack", order->name, NULL);
	*ret_bottle = bfs_steal(&bottle);
	return 0;
}

void bfs_bottle_free(struct bfs_bottle *bottle)
{
	if (!bottle)
		return;
	if (bottle->running) {
		bfs_byte_queue_end(bottle->queue, -ECANCELED);
		join_thread(bottle);
	}
	bfs_bottle_unpack_free(bottle->unpack);
	bfs_writer_free(bottle->writer);
	bfs_byte_queue_free(bottle->queue);
	bfs_gunzip_free(bottle->gunzip);
	bfs_hasher_free(bottle->hasher);
	bfs_error_clear(&bottle->gunzip_error);
	bfs_error_clear(&bottle->unpack_error);
	free(bottle);
}

static int pass_error(int code, const struct bfs_error *from, struct bfs_error *error)
{
	if (error && !error->message && from->message) {
		error->code = code;
		error->message = strdup(from->message);
	}
	return code;
}

/*
 * The unpacking thread gave up. What is wrong with the bottle is told at the end, when it is known
 * whether it is the right bottle at all; a store that fails is told at once.
 */
static int stop(struct bfs_bottle *bottle, struct bfs_error *error)
{
	bottle->stopped = true;
	bottle->block = NULL;
	bfs_byte_queue_end(bottle->queue, -ECANCELED);
	join_thread(bottle);
	if (bottle->unpack_code == 0 || bottle->unpack_code == -ECANCELED ||
		bottle->unpack_code == -EBADMSG)
		return 0;
	return pass_error(bottle->unpack_code, &bottle->unpack_error, error);
}

static int reserve(struct bfs_bottle *bottle)
{
	void *block;
	int r;

	if (bottle->block)
		return 0;
	r = bfs_byte_queue_reserve(bottle->queue, &block);
	if (r < 0)
		return r;
	bottle->block = block;
	bottle->filled = 0;
	return 0;
}

static void commit(struct bfs_bottle *bottle)
{
	if (bottle->block)
		bfs_byte_queue_commit(bottle->queue, bottle->filled);
	bottle->block = NULL;
}

/* Inflates into the queue until all input is used. -ECANCELED when the other thread takes no more.
 */
static int inflate_all(struct bfs_bottle *bottle, const void *data, size_t length)
{
	size_t produced = 0;
	bool full;

	do {
		int r = reserve(bottle);

		if (r < 0)
			return r;
		r = bfs_gunzip_run(bottle->gunzip, &data, &length, bottle->block + bottle->filled,
			BLOCK_SIZE - bottle->filled, &produced, &bottle->gunzip_error);
		if (r < 0) {
			bottle->gunzip_code = r;
			return -ECANCELED;
		}
		bottle->filled += produced;
		full = bottle->filled == BLOCK_SIZE;
		if (full)
			commit(bottle);
	} while (full);
	return 0;
}

int bfs_bottle_write(
	struct bfs_bottle *bottle, const void *data, size_t length, struct bfs_error *error)
{
	int r = bfs_hasher_update(bottle->hasher, data, length);

	if (r < 0)
		return bfs_error_set(error, r, "hashing", bottle->order->name, NULL);
	if (bottle->stopped)
		return 0;
	r = inflate_all(bottle, data, length);
	return r == -ECANCELED ? stop(bottle, error) : r;
}

/* Lets the other thread read to the end, and waits for it. */
static void end_stream(struct bfs_bottle *bottle)
{
	if (bottle->stopped)
		return;
	commit(bottle);
	bottle->gunzip_code = bfs_gunzip_finish(bottle->gunzip, &bottle->gunzip_error);
	bfs_byte_queue_end(bottle->queue, bottle->gunzip_code);
	join_thread(bottle);
	bottle->stopped = true;
}

static int check_digest(struct bfs_bottle *bottle, struct bfs_error *error)
{
	char actual[BFS_DIGEST_HEX_SIZE], expected[BFS_DIGEST_HEX_SIZE];
	struct bfs_digest digest;
	int r = bfs_hasher_finish(bottle->hasher, &digest);

	if (r < 0)
		return bfs_error_set(error, r, "hashing", bottle->order->name, NULL);
	if (bfs_digest_equal(&digest, &bottle->order->digest))
		return 0;
	return bfs_error_set(error, -EBADMSG, "checking the bottle", bottle->order->name,
		"the bottle's SHA-256 is %s, expected %s", bfs_digest_to_hex(&digest, actual),
		bfs_digest_to_hex(&bottle->order->digest, expected));
}

/* A store that fails, then a wrong bottle, then what is wrong with the right one. */
static int check(struct bfs_bottle *bottle, struct bfs_error *error)
{
	int r;

	if (bottle->unpack_code < 0 && bottle->unpack_code != -EBADMSG &&
		bottle->unpack_code != -ECANCELED)
		return pass_error(bottle->unpack_code, &bottle->unpack_error, error);
	r = check_digest(bottle, error);
	if (r < 0)
		return r;
	if (bottle->gunzip_code < 0) {
		pass_error(bottle->gunzip_code, &bottle->gunzip_error, error);
		bfs_error_prefix(error, bottle->order->name);
		return bottle->gunzip_code;
	}
	return pass_error(bottle->unpack_code, &bottle->unpack_error, error);
}

int bfs_bottle_finish(
	struct bfs_bottle *bottle, struct bfs_keg_tree *ret_keg, struct bfs_error *error)
{
	struct bfs_keg_tree keg;
	int r;

	end_stream(bottle);
	r = check(bottle, error);
	if (r == 0)
		r = bfs_bottle_unpack_finish(bottle->unpack, &keg, error);
	if (r < 0)
		return r;
	r = bfs_writer_commit(bottle->writer, &keg.tree, 1, error);
	if (r < 0) {
		bfs_tree_close(keg.tree);
		json_decref(keg.tab);
		return bfs_error_set(error, r, "storing", bottle->order->name, NULL);
	}
	*ret_keg = keg;
	return 0;
}
