#include "index/publish_delta.h"

#include "index/put.h"
#include "index/rebuild.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <inttypes.h>

/* With its head the smallest is read at once, and the middle one in 8 reads of NFS's largest size.
 */
#define SMALL_BLOCKS  240
#define MEDIUM_BLOCKS 2000

static int size_class(size_t blocks)
{
	if (blocks <= SMALL_BLOCKS)
		return 0;
	return blocks <= MEDIUM_BLOCKS ? 1 : 2;
}

/* Takes up the deltas before, as far as they are of no greater size class than the new one. */
static int take_up(struct bfs_store *store, struct bfs_delta *delta)
{
	for (;;) {
		_cleanup_delta_ struct bfs_delta base = BFS_DELTA_INIT;
		int r = bfs_rebuild_read_delta(store, &delta->chain[0], &base);

		if (r < 0) /* it is there whole */
			return r == -ENOENT ? 0 : r;
		if (size_class(base.block_count) > size_class(delta->block_count))
			return bfs_delta_chain(delta, &base);
		r = bfs_delta_absorb(delta, &base);
		if (r < 0)
			return r;
	}
}

static bool is_too_big(const struct bfs_delta *delta)
{
	return delta->block_count > delta->result.size / BFS_DELTA_BLOCK / 4;
}

static int put(struct bfs_store *store, struct bfs_delta *delta, int work_fd, const char *name)
{
	_cleanup_free_ char *staged = NULL;
	_cleanup_close_ int fd = -1;
	uint64_t size;
	int r = bfs_put_stage(store, name, 0444, &fd, &staged);

	if (r == 0)
		r = bfs_delta_write(delta, work_fd, fd, &size);
	if (fd >= 0 && close(bfs_steal_fd(&fd)) < 0 && r == 0) /* NFS reports failed writes here */
		r = -errno;
	if (r == 0)
		r = bfs_put_name(store, staged, name, size);
	return r < 0 ? r : bfs_sync_directory(bfs_store_fd(store), name);
}

static int put_delta(
	struct bfs_store *store, struct bfs_delta *delta, int work_fd, struct bfs_error *error)
{
	char name[BFS_STORE_NAME_SIZE];
	int r = bfs_store_require_format(store, BFS_STORE_FORMAT_DELTAS, error);

	if (r < 0)
		return r;
	bfs_store_delta_name(&delta->result.index, name);
	bfs_log_debug("%s has %zu of %" PRIu64 " blocks, and %zu before it", name,
		delta->block_count, delta->result.size / BFS_DELTA_BLOCK, delta->chain_count);
	r = bfs_put_begin(store);
	if (r == 0) {
		r = put(store, delta, work_fd, name);
		bfs_put_end(store);
	}
	return r < 0 ? bfs_error_set(error, r, "writing into the store", name, NULL) : 0;
}

/* The base was checked when it came; but what is left out now, all who have the right one rely on.
 */
struct base_check {
	const struct bfs_generation *base;
	int fd;
};

static int check_base(void *context)
{
	const struct base_check *check = context;
	struct bfs_digest digest;
	int r = bfs_digest_of_fd(check->fd, &digest, NULL);

	if (r == 0 && !bfs_digest_equal(&digest, &check->base->index))
		return -EBADMSG;
	return r;
}

/* Both files are read once, and at the same time. */
static int compare(
	const struct bfs_generation *base, int base_fd, int work_fd, struct bfs_delta *ret_delta)
{
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	struct base_check check = {base, base_fd};
	int r = bfs_workers_new(1, &workers), checked;

	if (r == 0)
		r = bfs_workers_submit(workers, check_base, &check);
	if (r < 0)
		return r;
	r = bfs_delta_compare(base, base_fd, work_fd, ret_delta);
	checked = bfs_workers_wait(workers);
	return checked < 0 ? checked : r;
}

/* 1 where a delta is worth it. */
static int choose(struct bfs_store *store, struct bfs_delta *delta)
{
	int r = is_too_big(delta) ? 0 : take_up(store, delta);

	if (r == -EBADMSG || r == -E2BIG) /* what is damaged already is no base for more */
		return 0;
	return r < 0 ? r : !is_too_big(delta);
}

int bfs_publish_delta(struct bfs_store *store, const struct bfs_generation *base,
	const char *base_path, const char *work_path, struct bfs_generation *ret_generation,
	struct bfs_error *error)
{
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	_cleanup_close_ int base_fd = open(base_path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int work_fd = open(work_path, O_RDONLY | O_CLOEXEC);
	int r;

	if (base->size <= BFS_REBUILD_WHOLE)
		return 0;
	if (base_fd < 0 || work_fd < 0)
		return bfs_error_set(error, -errno, "comparing the indexes", work_path, NULL);
	r = compare(base, base_fd, work_fd, &delta);
	if (r == -EBADMSG) {
		unlink(base_path);
		return bfs_error_set(error, r, "comparing the indexes", base_path,
			"the local copy was damaged and is removed: try again");
	}
	if (r == 0)
		r = choose(store, &delta);
	if (r < 0)
		return bfs_error_set(error, r, "comparing the indexes", work_path, NULL);
	if (r == 0)
		return 0;
	r = put_delta(store, &delta, work_fd, error);
	if (r < 0)
		return r;
	ret_generation->index = delta.result.index;
	ret_generation->size = delta.result.size;
	ret_generation->form = BFS_INDEX_DELTA;
	return 1;
}
