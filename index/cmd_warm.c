/* brewfs warm: brings contents into the local cache before anybody waits for them. */
#include "index/commands.h"

#include "index/cache.h"
#include "index/reading.h"
#include "index/selection.h"
#include "index/snapshot.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/progress.h"
#include "lib/text.h"
#include "lib/workers.h"

#include <pthread.h>
#include <string.h>

/* Files under way at once: small ones are bound by round trips. */
#define PARALLEL 16

#define STOP_TIME 5000 /* ms that reads under way may take at the end */

struct warm_options {
	struct bfs_reading_options common;
	const char *quota;
	bool verify;
};

static const struct bfs_option options_table[] = {
	{"quota", 0, "SIZE", "How much the cache may hold (default: a tenth of the disk)",
		offsetof(struct warm_options, quota)},
	{"verify", 0, NULL, "Hash what is in the cache already",
		offsetof(struct warm_options, verify)},
	BFS_READING_OPTIONS,
	{0},
};

struct warm {
	struct bfs_reading reading;
	struct bfs_selection selection;
	struct bfs_cache *cache;
	struct bfs_content_reader *reader;
	struct bfs_progress_bar *bar;
	uint64_t limit;				     /* bytes to bring at most */
	pthread_mutex_t lock;			     /* protects everything below */
	size_t next;				     /* of the selection */
	uint64_t fetched, present, left_out, failed; /* files */
	uint64_t bytes;				     /* fetched */
	struct bfs_error failure;		     /* the first */
	int failure_code;
};

/* --- what is to be brought --- */

/* A path relative to the prefix, where the operand is a path. */
static const char *as_path(const struct warm *warm, const char *operand)
{
	const char *below = bfs_path_below(operand, warm->reading.prefix);

	if (below)
		return below;
	return *operand != '/' && strchr(operand, '/') ? operand : NULL;
}

static int select_operand(struct warm *warm, const char *operand, struct bfs_error *error)
{
	struct bfs_tree *tree = warm->reading.tree;
	const char *path = as_path(warm, operand);
	int r = path ? bfs_selection_add_path(&warm->selection, tree, path)
		     : bfs_selection_add_formula(&warm->selection, tree, operand);

	/* "bin" is a path as well, and "user/tap/formula" a formula. */
	if (r == -ENOENT && path)
		r = bfs_selection_add_formula(&warm->selection, tree, operand);
	else if (r == -ENOENT && *operand != '/')
		r = bfs_selection_add_path(&warm->selection, tree, operand);
	if (r == -ENOENT)
		return bfs_error_set(
			error, r, "warming", operand, "neither a formula nor a path in the prefix");
	return r < 0 ? bfs_error_set(error, r, "warming", operand, NULL) : 0;
}

static int select_all(struct warm *warm, int count, char **operands, struct bfs_error *error)
{
	int r = 0;

	if (count == 0)
		r = bfs_selection_add_directory(
			&warm->selection, warm->reading.tree, BFS_TREE_ROOT);
	if (r < 0)
		return bfs_error_set(error, r, "reading the index", NULL, NULL);
	for (int i = 0; r == 0 && i < count; i++)
		r = select_operand(warm, operands[i], error);
	return r;
}

/* --- bringing it --- */

/* The next file; NULL at the end. What the quota has no room for is left out. */
static const struct bfs_content *take_next(struct warm *warm)
{
	const struct bfs_content *file = NULL;

	pthread_mutex_lock(&warm->lock);
	if (warm->bytes > warm->limit) {
		warm->left_out += warm->selection.count - warm->next;
		warm->next = warm->selection.count;
	}
	if (warm->next < warm->selection.count)
		file = &warm->selection.files[warm->next++];
	pthread_mutex_unlock(&warm->lock);
	return file;
}

static void note(struct warm *warm, const struct bfs_content *file, int result, uint64_t bytes)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	pthread_mutex_lock(&warm->lock);
	if (result > 0) {
		warm->fetched++;
		warm->bytes += bytes;
	} else if (result == 0) {
		warm->present++;
	} else if (result == -EFBIG) {
		warm->left_out++;
	} else {
		warm->failed++;
		if (warm->failure_code == 0)
			warm->failure_code = bfs_error_set(&warm->failure, result,
				file->packed ? "fetching the pack" : "fetching the object",
				bfs_digest_to_hex(file->packed ? &file->pack : &file->digest, hex),
				"%s",
				result == -EBADMSG
					? "its SHA-256 is another one: the store is damaged"
					: strerror(-result));
	}
	pthread_mutex_unlock(&warm->lock);
	bfs_progress_bar_advance(
		warm->bar, (int64_t)(file->size + (file->packed ? file->offset : 0)));
}

static int run_worker(void *context)
{
	struct warm *warm = context;
	const struct bfs_content *file;

	while ((file = take_next(warm))) {
		uint64_t bytes = 0;
		int r = bfs_content_bring(warm->reader, file, &bytes);

		note(warm, file, r, bytes);
	}
	return 0;
}

static int bring_all(struct warm *warm, bool quiet)
{
	_cleanup_progress_ struct bfs_progress *progress = NULL;
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	int r = bfs_progress_new("Warming", quiet, &progress);

	if (r == 0)
		r = bfs_workers_new(PARALLEL, &workers);
	if (r == 0)
		warm->bar = bfs_progress_add(progress, warm->reading.ref,
			(int64_t)bfs_selection_bytes(&warm->selection));
	for (int i = 0; r == 0 && i < PARALLEL; i++)
		r = bfs_workers_submit(workers, run_worker, warm);
	if (workers && bfs_workers_wait(workers) < 0 && r == 0)
		r = -EIO;
	bfs_progress_bar_finish(warm->bar);
	return r;
}

/* --- the command --- */

static int open_cache(
	struct warm *warm, const struct warm_options *options, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL;
	struct bfs_cache_config config = {.verify = options->verify};
	int r = bfs_cache_directory(&directory, error);

	if (r < 0)
		return r;
	if (options->quota && bfs_size_parse(options->quota, &config.quota) < 0)
		return bfs_error_set(error, -EINVAL, "reading the quota", options->quota,
			"a size such as 512M or 20G is needed");
	config.directory = directory;
	r = bfs_cache_new(&config, &warm->cache);
	if (r == 0)
		r = bfs_content_reader_new(warm->reading.store, &warm->reader);
	if (r == 0)
		r = bfs_content_reader_use_cache(warm->reader, warm->cache);
	if (r < 0)
		return bfs_error_set(error, r, "opening the cache", directory, NULL);
	/* More would drive out what was brought first. */
	warm->limit = bfs_cache_quota(warm->cache) / 10 * 9;
	return 0;
}

static json_t *to_json(const struct warm *warm)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files",
		(json_int_t)warm->selection.count, "fetched", (json_int_t)warm->fetched, "bytes",
		(json_int_t)warm->bytes, "present", (json_int_t)warm->present, "left_out",
		(json_int_t)warm->left_out, "failed", (json_int_t)warm->failed, "quota",
		(json_int_t)bfs_cache_quota(warm->cache));
}

static void print(const struct warm *warm)
{
	char bytes[BFS_SIZE_TEXT_SIZE], quota[BFS_SIZE_TEXT_SIZE];

	bfs_log_info("%zu packs and objects: %llu were in the cache, %llu fetched (%s)",
		warm->selection.count, (unsigned long long)warm->present,
		(unsigned long long)warm->fetched, bfs_size_text(warm->bytes, bytes));
	if (warm->left_out)
		bfs_log_warning("%llu have no room in the cache, which may hold %s (--quota)",
			(unsigned long long)warm->left_out,
			bfs_size_text(bfs_cache_quota(warm->cache), quota));
}

static int warm_up(struct warm *warm, const struct warm_options *options, int count,
	char **operands, struct bfs_error *error)
{
	int r = bfs_reading_open(&options->common, &warm->reading, error);

	if (r == 0)
		r = open_cache(warm, options, error);
	if (r == 0)
		r = select_all(warm, count, operands, error);
	if (r == 0)
		r = bring_all(warm, options->common.json);
	if (r < 0)
		return r;
	if (!options->common.json)
		print(warm);
	else if (bfs_reading_print(to_json(warm)) != 0)
		return -EIO;
	if (warm->failed) {
		*error = warm->failure;
		warm->failure = (struct bfs_error)BFS_ERROR_INIT;
	}
	return warm->failure_code;
}

static void release(struct warm *warm)
{
	/* A thread that is stuck in the store still uses what is freed here; the process ends. */
	if (!bfs_content_reader_stop(warm->reader, STOP_TIME))
		return;
	bfs_content_reader_free(warm->reader);
	bfs_cache_free(warm->cache);
	bfs_selection_release(&warm->selection);
	bfs_reading_close(&warm->reading);
	bfs_error_clear(&warm->failure);
	pthread_mutex_destroy(&warm->lock);
}

static int run(const void *fields, int count, char **operands)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct warm warm = {.lock = PTHREAD_MUTEX_INITIALIZER};
	int r = warm_up(&warm, fields, count, operands, &error);

	release(&warm);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_warm = {
	.name = "warm",
	.synopsis = "[FORMULA|PATH]...",
	.summary = "Bring contents into the local cache",
	.options = options_table,
	.options_size = sizeof(struct warm_options),
	.maximum_operands = -1,
	.run = run,
};
