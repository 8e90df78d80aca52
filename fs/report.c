#include "fs/report.h"

#include "lib/json.h"
#include "lib/text.h"

#include <time.h>

json_t *bfs_report_features(unsigned in_force)
{
	json_t *object = json_object();

	for (int i = 0; object && i < BFS_FEATURE_COUNT; i++)
		json_object_set_new(
			object, bfs_feature_name(i), json_boolean(in_force & BFS_FEATURE_BIT(i)));
	return object;
}

static json_t *generation_to_json(const struct bfs_generation *generation)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	return json_pack("{s:I, s:s}", "generation", (json_int_t)generation->number, "index",
		bfs_digest_to_hex(&generation->index, hex));
}

/* The current one and those of which the kernel still holds something. */
static json_t *generations_to_json(struct bfs_lineage *lineage)
{
	json_t *array = json_array();
	struct bfs_loaded *loaded;

	bfs_lineage_enter(lineage);
	for (size_t i = 0; array && (loaded = bfs_lineage_at(lineage, i)); i++)
		json_array_append_new(array, generation_to_json(bfs_loaded_generation(loaded)));
	bfs_lineage_leave(lineage);
	return array;
}

static json_t *null_if_empty(const char *text)
{
	json_t *value = *text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static json_t *follow_to_json(struct bfs_follow *follow)
{
	struct bfs_follow_state state;

	bfs_follow_get_state(follow, &state);
	return json_pack("{s:I, s:I, s:I, s:o, s:o}", "switched", (json_int_t)state.switched,
		"checked", (json_int_t)state.checked, "busy_since", (json_int_t)state.busy,
		"problem", null_if_empty(state.problem), "lease_problem",
		null_if_empty(state.lease));
}

/* Where contents came from: files that were open, the local cache, the store. */
static json_t *contents_to_json(const struct bfs_report_sources *sources)
{
	struct bfs_content_counts counts;
	json_t *cache = NULL;

	bfs_content_reader_get_counts(sources->context->reader, &counts);
	if (sources->cache)
		cache = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			"quota", (json_int_t)bfs_cache_quota(sources->cache), "hits",
			(json_int_t)counts.cache_hits, "misses", (json_int_t)counts.cache_misses,
			"damaged", (json_int_t)counts.cache_damaged, "kept",
			(json_int_t)counts.cache_kept, "evicted", (json_int_t)counts.cache_evicted,
			"fetch_reads", (json_int_t)counts.fetch_reads, "fetch_bytes",
			(json_int_t)counts.fetch_bytes, "fetched",
			(json_int_t)counts.fetch_completed, "failed",
			(json_int_t)counts.fetch_failed, "under_way",
			(json_int_t)counts.fetch_under_way);
	return json_pack("{s:I, s:I, s:I, s:o?}", "open_hits", (json_int_t)counts.open_hits,
		"open_misses", (json_int_t)counts.open_misses, "store_opens",
		(json_int_t)counts.store_opens, "cache", cache);
}

json_t *bfs_report_build(const struct bfs_report_sources *sources)
{
	const struct bfs_service_context *context = sources->context;

	return json_pack("{s:I, s:o, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "pid",
		(json_int_t)getpid(), "mountpoint", bfs_text_json(context->mountpoint), "store",
		bfs_text_json(bfs_store_path(context->store)), "store_uuid",
		bfs_store_uuid(context->store), "ref", context->ref, "started",
		(json_int_t)sources->started, "uptime", (json_int_t)(time(NULL) - sources->started),
		"threads", (json_int_t)sources->threads, "readahead_kib",
		(json_int_t)sources->readahead, "stats", bfs_stats_to_json(context->stats),
		"contents", contents_to_json(sources));
}

int bfs_report_add_published(
	json_t *document, struct bfs_lineage *lineage, struct bfs_follow *follow, unsigned in_force)
{
	json_t *generations = generations_to_json(lineage);
	const json_t *current = json_array_get(generations, 0);
	_cleanup_json_ json_t *own = json_pack("{s:O*, s:O*, s:o, s:o, s:o}", "generation",
		json_object_get(current, "generation"), "index", json_object_get(current, "index"),
		"generations", generations, "follow", follow_to_json(follow), "features",
		bfs_report_features(in_force));

	return own && json_object_update(document, own) == 0 ? 0 : -ENOMEM;
}
