#include "fs/session_service.h"

#include "fs/reply.h"
#include "fs/report.h"
#include "fs/session_driver.h"
#include "fs/session_host.h"
#include "fs/session_jobs.h"
#include "fs/session_lease.h"
#include "fs/session_parking.h"
#include "index/session.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/text.h"

#include <linux/fuse.h>
#include <string.h>
#include <time.h>

/*
 * A file handle could bring back an inode that is being forgotten. And who lists a directory of a
 * session mostly means to change what is in it, so that listings always carry attributes. Opens are
 * not answered, so there is nothing to pass through and to foresee.
 */
#define REFUSED_FEATURES                                                                           \
	(BFS_FEATURE_BIT(BFS_FEATURE_EXPORT) | BFS_FEATURE_BIT(BFS_FEATURE_READDIRPLUS_AUTO) |     \
		BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH) | BFS_FEATURE_BIT(BFS_FEATURE_FORESIGHT))

#define LEAVE_TIME     60000 /* ms that the daemon of the last mount has to write out and end */
#define LEAVE_INTERVAL 20    /* ms */

struct service {
	struct bfs_service_context context;
	struct bfs_session *session;
	struct bfs_lookups *lookups;
	struct bfs_reads *reads;
	struct bfs_parking *parking;
	struct bfs_session_jobs *jobs;
	struct bfs_session_lease *lease;
	struct bfs_session_driver driver;
	char *holder; /* what others are told of who has the session */
};

static void close_service(void *pointer)
{
	struct service *service = pointer;

	if (!service)
		return;
	bfs_session_jobs_free(service->jobs);
	bfs_session_lease_free(service->lease);
	bfs_parking_free(service->parking);
	bfs_reads_free(service->reads);
	bfs_lookups_free(service->lookups);
	bfs_session_close(service->session);
	free(service->holder);
	free(service);
}

/* Makes the session where there is none of the name. */
static int ensure_session(const struct bfs_service_context *context, struct bfs_error *error)
{
	const char *name = context->options->session;
	_cleanup_session_info_ struct bfs_session_info info = {0};
	int r = bfs_session_read_info(name, &info, error);

	if (r == -ENOENT) {
		bfs_error_clear(error);
		r = bfs_session_create(context->store, context->ref, name, error);
	}
	if (r == -EEXIST) { /* somebody else was quicker */
		bfs_error_clear(error);
		r = 0;
	}
	return r;
}

/*
 * Nothing is mounted where this session is to be: if another process has it for a mount there, that
 * one is about to end, and is waited for.
 */
static int open_session(struct service *service, struct bfs_error *error)
{
	const struct bfs_service_context *context = &service->context;
	const struct timespec interval = {.tv_nsec = LEAVE_INTERVAL * 1000000L};
	int r = ensure_session(context, error);

	service->holder = bfs_format("mounted at %s", context->mountpoint);
	if (r == 0 && !service->holder)
		r = -ENOMEM;
	for (unsigned waited = 0; r == 0; waited += LEAVE_INTERVAL) {
		r = bfs_session_open(context->store, context->options->session, service->holder,
			&service->session, error);
		if (r != -EBUSY || waited >= LEAVE_TIME ||
			!strstr(bfs_error_message(error, r), service->holder))
			return r;
		bfs_error_clear(error);
		nanosleep(&interval, NULL);
		r = 0;
	}
	return r;
}

static int check_ref(const struct service *service, struct bfs_error *error)
{
	const struct bfs_session_info *info = bfs_session_info(service->session);

	if (strcmp(info->ref, service->context.ref) == 0)
		return 0;
	return bfs_error_set(error, -EINVAL, "mounting the session", info->name,
		"it was made from the ref %s, not %s", info->ref, service->context.ref);
}

static int prepare_tree(struct service *service, struct bfs_error *error)
{
	const struct bfs_mount_options *options = service->context.options;
	const struct bfs_maker maker = {options->uid, options->gid};
	struct bfs_worktree *worktree = bfs_session_worktree(service->session);

	bfs_worktree_set_owner(worktree, options->uid, options->gid);
	return bfs_session_host_apply(
		worktree, bfs_store_prefix(service->context.store), &maker, error);
}

/* Contents that are copied because they are to change come through the cache as well. */
static void share_cache(struct service *service)
{
	struct bfs_worktree *worktree = bfs_session_worktree(service->session);
	int r = service->context.cache ? bfs_content_reader_use_cache(bfs_worktree_reader(worktree),
						 service->context.cache)
				       : 0;

	if (r < 0)
		bfs_log_warning(
			"copies are made from the store, not from the cache: %s", strerror(-r));
}

static bool filter(void *pointer, struct bfs_responder *responder, struct fuse_buf *request)
{
	struct service *service = pointer;

	bfs_session_driver_prepare(responder, request);
	return !bfs_parking_take(service->parking, request);
}

static int make_parts(struct service *service)
{
	const struct bfs_service_context *context = &service->context;
	const struct bfs_mount_options *options = context->options;
	int r = bfs_reads_new(context->reader, context->stats, options->threads, &service->reads);

	if (r == 0)
		r = bfs_lookups_new(&service->lookups);
	if (r == 0)
		r = bfs_parking_new(context->responders, &service->parking);
	if (r == 0)
		r = bfs_session_jobs_new(service->session, service->parking, &service->jobs);
	if (r < 0)
		return r;
	bfs_responders_set_filter(context->responders, filter, service);
	service->driver = (struct bfs_session_driver){
		.worktree = bfs_session_worktree(service->session),
		.lookups = service->lookups,
		.reader = context->reader,
		.reads = service->reads,
		.responders = context->responders,
		.stats = context->stats,
		.timeout = BFS_REPLY_FOREVER,
		.background = 2 * options->threads,
		.wanted = options->features & ~REFUSED_FEATURES,
		.initialised_fd = context->initialised_fd,
	};
	return 0;
}

static int open_service(
	const struct bfs_service_context *context, void **ret_service, struct bfs_error *error)
{
	struct service *service = calloc(1, sizeof(*service));
	int r;

	if (!service)
		return -ENOMEM;
	service->context = *context;
	r = open_session(service, error);
	if (r == 0)
		r = check_ref(service, error);
	if (r == 0) {
		share_cache(service);
		r = prepare_tree(service, error);
	}
	if (r == 0)
		r = make_parts(service);
	if (r < 0)
		close_service(service);
	else
		*ret_service = service;
	return r;
}

static void *get_driver(void *pointer)
{
	struct service *service = pointer;

	return &service->driver;
}

static int start(void *pointer, struct fuse_session *session, struct bfs_error *error)
{
	struct service *service = pointer;
	int r = bfs_session_lease_start(
		service->session, service->context.mountpoint, &service->lease);

	(void)session;
	return r < 0 ? bfs_error_set(error, r, "keeping a lease", NULL, NULL) : 0;
}

static json_t *session_to_json(struct service *service)
{
	const struct bfs_session_info *info = bfs_session_info(service->session);
	struct bfs_worktree_counts counts = {0};
	_cleanup_free_ char *directory = NULL;
	_cleanup_free_ char *path = NULL;
	int r = bfs_worktree_count(bfs_session_worktree(service->session), &counts);

	if (r == 0)
		r = bfs_session_directory(&directory, NULL);
	if (r == 0)
		path = bfs_format("%s/%s", directory, info->name);
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "name",
		info->name, "directory", bfs_text_json(path), "created", (json_int_t)info->created,
		"base", (json_int_t)info->base.number, "inodes", (json_int_t)counts.nodes, "files",
		(json_int_t)counts.local, "local_bytes", (json_int_t)counts.local_bytes, "changes",
		(json_int_t)counts.changes, "syncs", (json_int_t)counts.syncs, "known",
		(json_int_t)bfs_lookups_count(service->lookups), "busy",
		bfs_session_jobs_busy(service->jobs));
}

static int describe(void *pointer, json_t *document)
{
	struct service *service = pointer;
	_cleanup_json_ json_t *own = json_pack("{s:I, s:o, s:o}", "generation",
		(json_int_t)bfs_session_info(service->session)->base.number, "session",
		session_to_json(service), "features",
		bfs_report_features(atomic_load(&service->driver.in_force)));

	return own && json_object_update(document, own) == 0 ? 0 : -ENOMEM;
}

static void take_request(void *pointer, struct bfs_control_peer *peer)
{
	struct service *service = pointer;

	bfs_session_jobs_start(service->jobs, peer);
}

static bool stop(void *pointer, unsigned timeout)
{
	struct service *service = pointer;

	return bfs_session_jobs_stop(service->jobs, timeout) &&
	       (!service->lease || bfs_session_lease_stop(service->lease, timeout));
}

static bool stop_reading(void *pointer, unsigned timeout)
{
	struct service *service = pointer;

	return bfs_content_reader_stop(
		bfs_worktree_reader(bfs_session_worktree(service->session)), timeout);
}

const struct bfs_service_kind *bfs_session_service_kind(void)
{
	static const struct bfs_service_kind kind = {
		.mount_options = "rw",
		.kernel_flags = FUSE_HANDLE_KILLPRIV_V2,
		.writable = true,
		.open = open_service,
		.operations = bfs_session_driver_operations,
		.driver = get_driver,
		.start = start,
		.describe = describe,
		.request = take_request,
		.stop = stop,
		.stop_reading = stop_reading,
		.close = close_service,
	};

	return &kind;
}
