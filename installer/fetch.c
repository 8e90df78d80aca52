#include "installer/fetch.h"

#include "installer/fetch_bottle.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <string.h>
#include <sys/sysinfo.h>

#define WORKERS_MIN 4 /* as many bottles are waited for at once; the downloader bounds the rest */
#define WORKERS_MAX 16

struct fetch {
	const struct bfs_fetch_order *order;
	struct bfs_fetch_report *report;
	struct bfs_resolution *resolution;
	struct bfs_registry *registry;
	struct bfs_progress *progress;
	struct bfs_downloader *downloader;
	struct bfs_fetch_bottle *bottles; /* one for each item of the resolution */
};

static void fetch_release(struct fetch *fetch)
{
	for (size_t i = 0; fetch->bottles && i < fetch->resolution->count; i++)
		bfs_error_clear(&fetch->bottles[i].error);
	free(fetch->bottles);
	bfs_downloader_free(fetch->downloader);
	bfs_progress_free(fetch->progress);
	bfs_registry_free(fetch->registry);
	bfs_resolution_free(fetch->resolution);
}

void bfs_fetch_report_release(struct bfs_fetch_report *report)
{
	if (report->formulae)
		json_decref(report->formulae);
	*report = (struct bfs_fetch_report){0};
}

/* What an empty prefix needs. Conflicts are the install's to find: it knows what is linked. */
static int resolve(struct fetch *fetch, struct bfs_error *error)
{
	const struct bfs_fetch_order *order = fetch->order;
	struct bfs_target target;
	struct bfs_resolve_order resolve_order = {
		.requests = order->requests,
		.count = order->count,
		.find = bfs_finder_find,
		.find_context = order->finder,
		.tag = order->tag,
		.force = true,
	};
	int r = bfs_target_find(order->target_glibc, NULL, &target, error);

	resolve_order.runtime = target.runtime;
	if (r == 0)
		r = bfs_resolve(&resolve_order, &fetch->resolution, NULL, error);
	for (size_t i = 0; r == 0 && fetch->resolution->warnings[i]; i++)
		bfs_log_warning("%s", fetch->resolution->warnings[i]);
	return r;
}

static int prepare(struct fetch *fetch, struct bfs_error *error)
{
	const struct bfs_resolution *resolution = fetch->resolution;
	int r = bfs_registry_new(&fetch->registry, error);

	if (r == 0)
		r = bfs_progress_new("Fetching", fetch->order->quiet, &fetch->progress);
	if (r == 0)
		r = bfs_downloader_new(fetch->progress, &fetch->downloader, error);
	if (r < 0)
		return r;
	fetch->bottles = calloc(resolution->count + 1, sizeof(*fetch->bottles));
	if (!fetch->bottles)
		return -ENOMEM;
	for (size_t i = 0; i < resolution->count; i++)
		fetch->bottles[i] = (struct bfs_fetch_bottle){
			.depot = fetch->order->depot,
			.registry = fetch->registry,
			.downloader = fetch->downloader,
			.formula = resolution->items[i].formula,
		};
	return 0;
}

static unsigned choose_workers(void)
{
	unsigned count = 2 * (unsigned)get_nprocs();

	return count < WORKERS_MIN ? WORKERS_MIN : count > WORKERS_MAX ? WORKERS_MAX : count;
}

static int run_bottle(void *context)
{
	struct bfs_fetch_bottle *bottle = context;

	bottle->result = bfs_fetch_bottle_run(bottle);
	return bottle->result;
}

/* All are tried, whatever becomes of one: the next fetch then has the less to do. */
static int download(struct fetch *fetch, struct bfs_error *error)
{
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	size_t count = fetch->resolution->count;
	int r = bfs_workers_new(choose_workers(), &workers), waited;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = bfs_workers_submit(workers, run_bottle, &fetch->bottles[i]);
	waited = workers ? bfs_workers_wait(workers) : 0;
	for (size_t i = 0; i < count; i++) {
		struct bfs_fetch_bottle *bottle = &fetch->bottles[i];

		if (bottle->result < 0)
			return bfs_error_set(error, bottle->result, "fetching",
				bottle->formula->name, "%s",
				bfs_error_message(&bottle->error, bottle->result));
	}
	return r < 0 ? r : waited;
}

static int report(struct fetch *fetch)
{
	for (size_t i = 0; i < fetch->resolution->count; i++) {
		const struct bfs_resolved *item = &fetch->resolution->items[i];
		const struct bfs_fetch_bottle *bottle = &fetch->bottles[i];
		char hex[BFS_DIGEST_HEX_SIZE];
		json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:b, s:b}", "name",
			item->formula->name, "version", item->formula->pkg_version, "digest",
			bfs_digest_to_hex(&item->formula->bottle_digest, hex), "size",
			(json_int_t)bottle->size, "requested", item->requested, "fetched",
			bottle->downloaded > 0);

		if (!entry || json_array_append_new(fetch->report->formulae, entry) < 0)
			return -ENOMEM;
		fetch->report->fetched += bottle->downloaded > 0;
		fetch->report->downloaded += bottle->downloaded;
	}
	return 0;
}

/* Whether a file of the depot is named by the digest of a bottle that was asked for. */
static bool is_needed(const struct fetch *fetch, const char *name)
{
	for (size_t i = 0; i < fetch->resolution->count; i++) {
		char hex[BFS_DIGEST_HEX_SIZE];

		bfs_digest_to_hex(&fetch->resolution->items[i].formula->bottle_digest, hex);
		if (strncmp(name, hex, BFS_DIGEST_HEX_SIZE - 1) == 0)
			return true;
	}
	return false;
}

static int prune(struct fetch *fetch, const char *subdirectory, struct bfs_error *error)
{
	_cleanup_free_ char *path =
		bfs_format("%s/%s", bfs_depot_path(fetch->order->depot), subdirectory);
	_cleanup_closedir_ DIR *directory = path ? opendir(path) : NULL;
	struct dirent *entry;

	if (!directory)
		return bfs_error_set(
			error, path ? -errno : -ENOMEM, "pruning the depot", path, NULL);
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.' || is_needed(fetch, entry->d_name))
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) < 0)
			return bfs_error_set(error, -errno, "pruning the depot", path, "%s: %s",
				entry->d_name, strerror(errno));
		fetch->report->pruned++;
	}
	return 0;
}

static int carry_out(struct fetch *fetch, struct bfs_error *error)
{
	const struct bfs_fetch_order *order = fetch->order;
	int r = resolve(fetch, error);

	if (r == 0)
		r = prepare(fetch, error);
	if (r < 0)
		return r;
	bfs_log_headline("Fetching %zu bottle%s into %s", fetch->resolution->count,
		fetch->resolution->count == 1 ? "" : "s", bfs_depot_path(order->depot));
	r = download(fetch, error);
	if (r == 0)
		r = report(fetch);
	if (r == 0)
		r = bfs_depot_note(order->depot, order->tag, fetch->report->formulae, error);
	if (r == 0 && order->prune)
		r = prune(fetch, "bottles", error);
	if (r == 0 && order->prune)
		r = prune(fetch, "manifests", error);
	return r;
}

int bfs_fetch(const struct bfs_fetch_order *order, struct bfs_fetch_report *ret_report,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_fetch_report_release) struct bfs_fetch_report done = {0};
	BFS_CLEANUP(fetch_release) struct fetch fetch = {.order = order, .report = &done};
	int r;

	done.formulae = json_array();
	if (!done.formulae)
		return -ENOMEM;
	r = carry_out(&fetch, error);
	if (r < 0)
		return r;
	*ret_report = done;
	done = (struct bfs_fetch_report){0};
	return 0;
}
