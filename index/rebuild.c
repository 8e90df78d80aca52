#include "index/rebuild.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define STEP "fetching the index"

/* A delta to be applied. */
struct step {
	struct bfs_delta delta;
	char name[BFS_STORE_NAME_SIZE];
	int fd;
};

/* What an index is to be made from. */
struct plan {
	struct bfs_rebuild *rebuild;
	const char *cache;  /* as in `rebuild`, until it failed with it */
	struct step *steps; /* the newest first */
	size_t step_count;
	struct bfs_generation start;
	int start_fd;
	bool start_is_local;
};

static void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->step_count; i++) {
		bfs_delta_release(&plan->steps[i].delta);
		close(plan->steps[i].fd);
	}
	if (plan->start_fd >= 0)
		close(plan->start_fd);
	free(plan->steps);
}

static int open_file(struct bfs_store *store, const char *name, int *ret_fd)
{
	int fd = openat(bfs_store_fd(store), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	/* In as few and as large reads as there can be; all of it is needed. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	*ret_fd = fd;
	return 0;
}

/* Opens the generation's delta or its whole index, whichever is likelier first. 1 for a delta. */
static int open_index(struct bfs_store *store, const struct bfs_generation *generation,
	char ret_name[BFS_STORE_NAME_SIZE], int *ret_fd)
{
	bool whole = generation->form == BFS_INDEX_UNKNOWN ? generation->size <= BFS_REBUILD_WHOLE
							   : generation->form == BFS_INDEX_WHOLE;
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < 4; i++, whole = !whole) {
		if (i == 2) /* one of them should be there */
			bfs_store_refresh(bfs_store_fd(store), ret_name);
		if (whole)
			bfs_store_index_name(&generation->index, ret_name);
		else
			bfs_store_delta_name(&generation->index, ret_name);
		r = open_file(store, ret_name, ret_fd);
		if (r == 0)
			return !whole;
	}
	bfs_store_index_name(&generation->index, ret_name);
	return r;
}

/* The newest index on local disk that a delta can be applied to. */
static bool find_local(struct plan *plan, const struct bfs_delta *delta)
{
	for (size_t i = 0; plan->cache && i < delta->since_count; i++) {
		char name[BFS_STORE_NAME_SIZE];
		_cleanup_free_ char *path = bfs_format(
			"%s/%s", plan->cache, bfs_store_index_name(&delta->since[i].index, name));
		_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		struct stat st;

		if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != delta->since[i].size)
			continue;
		plan->start = delta->since[i];
		plan->start_fd = bfs_steal_fd(&fd);
		plan->start_is_local = true;
		return true;
	}
	return false;
}

static int fail(
	struct plan *plan, const char *name, int code, const char *reason, struct bfs_error *error)
{
	snprintf(plan->rebuild->file, sizeof(plan->rebuild->file), "%s", name);
	return bfs_error_set(error, code, STEP, name, reason ? "%s" : NULL, reason);
}

static int check_size(struct plan *plan, const char *name, struct bfs_error *error)
{
	struct stat st;

	if (fstat(plan->start_fd, &st) < 0)
		return fail(plan, name, -errno, NULL, error);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == plan->start.size)
		return 0;
	snprintf(plan->rebuild->file, sizeof(plan->rebuild->file), "%s", name);
	return bfs_error_set(error, -EBADMSG, STEP, name, "it has %lld bytes, the ref says %llu",
		(long long)st.st_size, (unsigned long long)plan->start.size);
}

static int report_damaged(struct plan *plan, const char *name, int code, struct bfs_error *error)
{
	return fail(plan, name, code,
		code == -EBADMSG ? "the store is damaged: it is not what it was" : NULL, error);
}

/* A file that is missing may be the fault of the delta that names it. */
static int report_missing(struct plan *plan, const char *name, int code, struct bfs_error *error)
{
	const struct step *step = &plan->steps[plan->step_count - 1];

	if (plan->step_count && bfs_delta_check(&step->delta, step->fd) == -EBADMSG)
		return report_damaged(plan, step->name, -EBADMSG, error);
	return fail(plan, name, code, NULL, error);
}

/* Opens the index, and the one that its delta is made for, and so on until one is whole. */
static int collect(
	struct plan *plan, const struct bfs_generation *generation, struct bfs_error *error)
{
	struct bfs_generation wanted = *generation;

	plan->steps = calloc(BFS_DELTA_CHAIN_MAX, sizeof(*plan->steps));
	if (!plan->steps)
		return -ENOMEM;
	for (;;) {
		struct step *step = &plan->steps[plan->step_count];
		char name[BFS_STORE_NAME_SIZE];
		int fd, r = open_index(plan->rebuild->store, &wanted, name, &fd);

		if (r < 0)
			return report_missing(plan, name, r, error);
		if (r == 0) {
			plan->start = wanted;
			plan->start_fd = fd;
			return check_size(plan, name, error);
		}
		step->fd = fd;
		memcpy(step->name, name, sizeof(name));
		plan->step_count++;
		r = bfs_delta_read(fd, &wanted, &step->delta);
		if (r == 0 && plan->step_count + 1 > BFS_DELTA_CHAIN_MAX)
			r = -EBADMSG;
		if (r < 0)
			return report_damaged(plan, name, r, error);
		if (find_local(plan, &step->delta))
			return 0;
		wanted = step->delta.chain[0];
	}
}

static int carry_out(struct plan *plan, int to_fd, struct bfs_error *error)
{
	char name[BFS_STORE_NAME_SIZE];
	int r = bfs_copy_range(plan->start_fd, to_fd, plan->start.size);

	if (r < 0)
		return fail(plan, bfs_store_index_name(&plan->start.index, name), r, NULL, error);
	for (size_t i = plan->step_count; r == 0 && i-- > 0;) {
		const struct step *step = &plan->steps[i];

		r = bfs_delta_apply(&step->delta, step->fd, to_fd);
		if (r < 0)
			return report_damaged(plan, step->name, r, error);
	}
	return 0;
}

static int check_digest(struct plan *plan, const struct bfs_generation *generation, int to_fd,
	struct bfs_error *error)
{
	char name[BFS_STORE_NAME_SIZE];
	struct bfs_digest digest;
	int r = bfs_digest_of_fd(to_fd, &digest, NULL);

	if (r < 0)
		return bfs_error_set(error, r, STEP, NULL, NULL);
	if (bfs_digest_equal(&digest, &generation->index))
		return 0;
	/* Deltas have digests of their own, which were right: it is what they were applied to. */
	return fail(plan, bfs_store_index_name(&plan->start.index, name), -EBADMSG,
		"its SHA-256 is not its name: the store is damaged", error);
}

static int try(struct bfs_rebuild *rebuild, const struct bfs_generation *generation,
	const char *cache, int to_fd, bool *ret_used_local, struct bfs_error *error)
{
	BFS_CLEANUP(plan_release)
	struct plan plan = {.rebuild = rebuild, .cache = cache, .start_fd = -1};
	int r = ftruncate(to_fd, 0) < 0 ? bfs_error_set(error, -errno, STEP, NULL, NULL) : 0;

	if (r == 0)
		r = collect(&plan, generation, error);
	*ret_used_local = plan.start_is_local;
	if (r == 0)
		r = carry_out(&plan, to_fd, error);
	return r < 0 ? r : check_digest(&plan, generation, to_fd, error);
}

int bfs_rebuild_index(struct bfs_rebuild *rebuild, const struct bfs_generation *generation,
	int to_fd, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error local = BFS_ERROR_INIT;
	bool used_local = false;
	int r;

	rebuild->file[0] = '\0';
	r = try(rebuild, generation, rebuild->cache, to_fd, &used_local, &local);
	if (r == -EBADMSG && used_local) {
		bfs_log_debug("a cached index is no good to start from: %s",
			bfs_error_message(&local, r));
		return try(rebuild, generation, NULL, to_fd, &used_local, error);
	}
	if (r < 0 && error && !error->message) {
		*error = local;
		local = (struct bfs_error)BFS_ERROR_INIT;
	}
	return r;
}

int bfs_rebuild_read_delta(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_delta *ret_delta)
{
	char name[BFS_STORE_NAME_SIZE], whole[BFS_STORE_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	int r = open_file(store, bfs_store_delta_name(&generation->index, name), &fd);

	/* That there is none is only believed where there is the index itself. */
	bfs_store_index_name(&generation->index, whole);
	if (r == -ENOENT && faccessat(bfs_store_fd(store), whole, F_OK, 0) < 0) {
		bfs_store_refresh(bfs_store_fd(store), name);
		r = open_file(store, name, &fd);
	}
	return r < 0 ? r : bfs_delta_read(fd, generation, ret_delta);
}
