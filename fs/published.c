#include "fs/published.h"

#include "fs/driver.h"
#include "fs/follow.h"
#include "fs/report.h"
#include "index/snapshot.h"

struct published {
	struct bfs_service_context context;
	struct bfs_lineage *lineage;
	struct bfs_reads *reads;
	struct bfs_foresight *foresight;
	struct bfs_passthrough *passthrough;
	struct bfs_driver driver;
	struct bfs_follow *follow;
};

static void close_published(void *service)
{
	struct published *published = service;

	if (!published)
		return;
	bfs_follow_free(published->follow);
	bfs_reads_free(published->reads);
	bfs_foresight_free(published->foresight);
	bfs_passthrough_free(published->passthrough);
	bfs_lineage_free(published->lineage);
	free(published);
}

static int load_first(const struct bfs_service_context *context, struct bfs_loaded **ret_loaded,
	struct bfs_error *error)
{
	struct bfs_store *store = context->store;
	struct bfs_generation generation = {0};
	_cleanup_free_ char *path = NULL;
	int r = bfs_ref_read(store, context->ref, &generation, error);

	if (r == 0) {
		r = bfs_snapshot_fetch(store, &generation, &path, error);
	} else if (r == -ENOENT) { /* nothing yet: an empty prefix, which follows the ref */
		bfs_error_clear(error);
		r = 0;
	}
	if (r < 0)
		return r;
	return bfs_loaded_open(&generation, path, bfs_store_prefix(store), ret_loaded, error);
}

static int make_lineage(struct published *published, struct bfs_error *error)
{
	_cleanup_loaded_ struct bfs_loaded *loaded = NULL;
	int r = load_first(&published->context, &loaded, error);

	if (r == 0)
		r = bfs_lineage_new(loaded, &published->lineage);
	if (r == 0)
		bfs_steal(&loaded);
	return r;
}

static int make_parts(struct published *published)
{
	const struct bfs_service_context *context = &published->context;
	const struct bfs_mount_options *options = context->options;
	/* The kernel takes backing files from the administrator only. */
	unsigned wanted = options->features & ~BFS_FEATURE_BIT(BFS_FEATURE_WRITEBACK) &
			  ~(geteuid() == 0 ? 0 : BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH));
	int r = bfs_reads_new(
		context->reader, context->stats, options->threads, &published->reads);

	if (r == 0 && options->features & BFS_FEATURE_BIT(BFS_FEATURE_FORESIGHT))
		r = bfs_foresight_new(published->lineage, context->reader,
			bfs_store_prefix(context->store), &published->foresight);
	if (r == 0 && wanted & BFS_FEATURE_BIT(BFS_FEATURE_PASSTHROUGH))
		r = bfs_passthrough_new(context->reader, &published->passthrough);
	if (r < 0)
		return r;
	bfs_reads_set_foresight(published->reads, published->foresight);
	published->driver = (struct bfs_driver){
		.lineage = published->lineage,
		.responders = context->responders,
		.reads = published->reads,
		.passthrough = published->passthrough,
		.stats = context->stats,
		.look = {options->uid, options->gid, BFS_REPLY_FOREVER},
		.background = 2 * options->threads,
		.wanted = wanted,
		.initialised_fd = context->initialised_fd,
	};
	return 0;
}

static int open_published(
	const struct bfs_service_context *context, void **ret_service, struct bfs_error *error)
{
	struct published *published = calloc(1, sizeof(*published));
	int r;

	if (!published)
		return -ENOMEM;
	published->context = *context;
	r = make_lineage(published, error);
	if (r == 0)
		r = make_parts(published);
	if (r < 0)
		close_published(published);
	else
		*ret_service = published;
	return r;
}

static void *get_driver(void *service)
{
	struct published *published = service;

	return &published->driver;
}

static int start(void *service, struct fuse_session *session, struct bfs_error *error)
{
	struct published *published = service;
	const struct bfs_service_context *context = &published->context;
	const struct bfs_follow_config config = {
		.store = context->store,
		.ref = context->ref,
		.mountpoint = context->mountpoint,
		.lineage = published->lineage,
		.stats = context->stats,
		.session = session,
		.interval = context->options->interval,
	};
	int r = bfs_follow_start(&config, &published->follow);

	return r < 0 ? bfs_error_set(error, r, "following the ref", context->ref, NULL) : 0;
}

static int describe(void *service, json_t *document)
{
	struct published *published = service;

	return bfs_report_add_published(document, published->lineage, published->follow,
		atomic_load(&published->driver.in_force));
}

/* To be called before the responders are stopped: the kernel may hold up the thread that follows
 * until a request is answered. */
static bool stop(void *service, unsigned timeout)
{
	struct published *published = service;
	bool stopped = !published->follow || bfs_follow_stop(published->follow, timeout);

	return bfs_foresight_stop(published->foresight, timeout) && stopped;
}

const struct bfs_service_kind *bfs_published_kind(void)
{
	static const struct bfs_service_kind kind = {
		.mount_options = "ro,noatime",
		.open = open_published,
		.operations = bfs_driver_operations,
		.driver = get_driver,
		.start = start,
		.describe = describe,
		.stop = stop,
		.close = close_published,
	};

	return &kind;
}
