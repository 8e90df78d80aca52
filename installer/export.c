#include "installer/export.h"

#include "installer/export_place.h"
#include "installer/export_runtime.h"
#include "lib/file.h"
#include "lib/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* Counted up when the same order makes another tree. */
#define RECIPE 1

struct export
{
	const struct bfs_export_order *order;
	struct bfs_export_report *report;
	struct bfs_error *error;
	struct bfs_export_place *place;
	struct bfs_export_plan *plan;
	struct bfs_export_cache *cache;
	struct bfs_export_libraries *libraries;
	struct bfs_content_reader *reader, *cache_reader;
	struct bfs_export_walk walk;
	struct bfs_export_needs needs;
	struct bfs_export_runtime runtime;
	char *padded; /* the prefix, as long as the old one */
	char *recipe; /* all that decides what the tree is; JSON */
};

static void export_release(struct export *export)
{
	bfs_export_runtime_release(&export->runtime);
	bfs_export_libraries_free(export->libraries);
	bfs_content_reader_free(export->reader);
	bfs_content_reader_free(export->cache_reader);
	bfs_export_cache_close(export->cache);
	bfs_export_plan_free(export->plan);
	bfs_export_place_close(export->place);
	free(export->padded);
	free(export->recipe);
}
#define _cleanup_export_ BFS_CLEANUP(export_release)

void bfs_export_report_release(struct bfs_export_report *report)
{
	free(report->dir);
	free(report->tree);
	free(report->prefix);
	json_decref(report->findings);
	*report = (struct bfs_export_report){0};
}

/* --- the recipe --- */

/* The digest of a trace, whose contents count; JSON's null without one. */
static json_t *trace_json(const char *trace)
{
	char hex[BFS_DIGEST_HEX_SIZE] = "";
	_cleanup_close_ int fd = trace ? open(trace, O_RDONLY | O_CLOEXEC) : -1;
	struct bfs_digest digest;
	uint64_t size;

	if (!trace)
		return json_null();
	if (fd >= 0 && bfs_digest_of_fd(fd, &digest, &size) == 0)
		bfs_digest_to_hex(&digest, hex);
	return json_string(hex);
}

static int write_recipe(struct export *export, const struct bfs_digest *helper)
{
	const struct bfs_export_order *order = export->order;
	char index[BFS_DIGEST_HEX_SIZE], hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_json_ json_t *document = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:b, s:s}", "recipe", RECIPE,
		"store", bfs_store_uuid(order->store), "index",
		bfs_digest_to_hex(&order->generation.index, index), "from", order->from, "to",
		export->report->prefix, "formulae", bfs_text_json(order->choice.formulae), "only",
		bfs_text_json(order->choice.only), "trace", trace_json(order->choice.trace),
		"target", order->target ? order->target->name : "", "hard", export->report->hard,
		"helper", export->runtime.helper ? bfs_digest_to_hex(helper, hex) : "");

	export->recipe = document ? json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	return export->recipe ? 0 : -ENOMEM;
}

/* 1 where the tree that DIR leads to is what was ordered. */
static int is_made(struct export *export)
{
	_cleanup_export_manifest_ struct bfs_export_manifest *manifest = NULL;
	_cleanup_free_ char *recipe = NULL, *loader = NULL;
	const char *current = bfs_export_place_current(export->place);
	int r = current ? bfs_export_manifest_open(current, &manifest) : -ENOENT;

	if (r == 0)
		r = bfs_export_manifest_get(manifest, "recipe", &recipe);
	if (r == 0)
		r = bfs_export_manifest_get(manifest, "loader", &loader);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	export->report->brewed = strcmp(loader, "brewed") == 0;
	return strcmp(recipe, export->recipe) == 0;
}

/* --- opening --- */

static bool is_on_store(const struct export *export)
{
	struct stat store, place;

	return fstat(bfs_store_fd(export->order->store), &store) == 0 &&
	       fstat(bfs_export_place_fd(export->place), &place) == 0 &&
	       store.st_dev == place.st_dev;
}

static int open_place(struct export *export)
{
	const struct bfs_export_order *order = export->order;
	struct bfs_export_report *report = export->report;
	struct bfs_digest helper;
	int r = bfs_export_place_open(order->dir, &export->place, export->error);

	if (r < 0)
		return r;
	report->dir = strdup(bfs_export_place_path(export->place));
	report->prefix = strdup(order->prefix ? order->prefix : report->dir);
	report->hard = order->links == BFS_EXPORT_LINKS_HARD ||
		       (order->links == BFS_EXPORT_LINKS_BY_PLACE && is_on_store(export));
	if (!report->dir || !report->prefix)
		return -ENOMEM;
	r = bfs_export_rewrite_pad(order->from, report->prefix, &export->padded, export->error);
	if (r == 0)
		r = bfs_export_runtime_find_helper(&export->runtime.helper, &helper);
	return r == 0 ? write_recipe(export, &helper) : r;
}

static int open_sources(struct export *export)
{
	const struct bfs_export_order *order = export->order;
	int r = bfs_export_plan_new(&export->plan);

	export->walk = (struct bfs_export_walk){.tree = order->tree,
		.plan = export->plan,
		.closure = !bfs_export_choice_is_all(&order->choice) && !order->choice.trace};
	if (r == 0)
		r = bfs_export_cache_open(order->store, order->from, export->report->prefix,
			&export->cache, export->error);
	if (r == 0)
		r = bfs_content_reader_new(order->store, &export->reader);
	if (r == 0)
		r = bfs_content_reader_new(
			bfs_export_cache_store(export->cache), &export->cache_reader);
	if (r == 0)
		r = bfs_export_libraries_new(&export->walk, order->from, &export->libraries);
	export->needs = (struct bfs_export_needs){.walk = &export->walk,
		.cache = export->cache,
		.reader = export->reader,
		.libraries = export->libraries,
		.prefix = order->from};
	export->runtime.needs = &export->needs;
	export->runtime.all = bfs_export_choice_is_all(&order->choice);
	return r;
}

/* --- planning --- */

/* Whether the target has all that the chosen files need. Without a target nobody knows. */
static int check_target(struct export *export)
{
	const struct bfs_export_order *order = export->order;
	struct bfs_export_runtime *runtime = &export->runtime;
	int r = bfs_export_runtime_find_glibc(order->tree, &runtime->glibc);

	if (r < 0 && r != -ENOENT)
		return r;
	runtime->brewed = r == 0;
	if (!order->target)
		return 0;
	r = bfs_export_target_check(order->target, &export->needs, &export->report->findings);
	if (r < 0)
		return r;
	if (json_array_size(export->report->findings) == 0)
		runtime->brewed = false;
	else if (!runtime->brewed && !order->force)
		return bfs_error_set(export->error, -ELIBBAD, "checking for the target",
			order->target->name,
			"%zu files need newer libraries than it has (glibc %s), and the prefix has "
			"no "
			"brewed glibc to run them with: brewfs install --target-glibc %s glibc",
			json_array_size(export->report->findings), order->target->glibc,
			order->target->glibc);
	return 0;
}

static int choose(struct export *export)
{
	int r = bfs_export_select(&export->walk, &export->order->choice, export->error);

	if (r == 0)
		r = bfs_export_needs_add(&export->needs, export->error);
	if (r == 0)
		r = check_target(export);
	if (r == 0 && export->runtime.brewed)
		r = bfs_export_runtime_add_glibc(&export->runtime);
	if (r == 0 && export->runtime.brewed)
		r = bfs_export_needs_add(&export->needs, export->error);
	export->report->brewed = export->runtime.brewed;
	return r;
}

static int arrange(struct export *export)
{
	bool hard = export->report->hard;
	struct bfs_export_names names = {.needs = &export->needs,
		.hard = hard,
		.glibc = export->runtime.brewed ? export->runtime.glibc : NULL};
	int r = bfs_export_runtime_add_names(&export->runtime, hard, export->error);

	if (r == 0)
		r = bfs_export_names_arrange(&names);
	if (r == 0)
		r = bfs_export_names_choose_rpaths(&names);
	if (r == 0)
		r = bfs_export_rewrite(export->plan, export->cache, export->reader,
			export->order->from, export->padded, &export->report->rewritten,
			export->error);
	return r == 0 ? bfs_export_runtime_add_helper(&export->runtime) : r;
}

/* --- writing --- */

/* The tree that DIR leads to, for its files; -1 in `ret_fd` where there is none. */
static int load_current(struct export *export, int *ret_fd)
{
	_cleanup_export_manifest_ struct bfs_export_manifest *manifest = NULL;
	const char *current = bfs_export_place_current(export->place);
	int r = current ? bfs_export_manifest_open(current, &manifest) : -ENOENT;

	if (r == 0)
		r = bfs_export_manifest_load(manifest, export->plan, "current");
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	*ret_fd = open(current, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static int write_manifest(struct export *export, int fd)
{
	char sequence[24], generation[24];
	const char *const values[] = {"recipe", export->recipe, "sequence", sequence, "generation",
		generation, "ref", export->order->ref, "prefix", export->report->prefix, "loader",
		export->runtime.brewed ? "brewed" : "host", "helper",
		*export->runtime.key ? "yes" : "no", NULL};

	snprintf(sequence, sizeof(sequence), "%" PRIu64, bfs_export_place_sequence(export->place));
	snprintf(generation, sizeof(generation), "%" PRIu64, export->order->generation.number);
	return bfs_export_manifest_write(fd, export->plan, values, export->error);
}

static int fill(struct export *export, int fd, int current_fd)
{
	struct bfs_export_write write = {.plan = export->plan,
		.stores = {export->order->store, bfs_export_cache_store(export->cache)},
		.readers = {export->reader, export->cache_reader},
		.fd = fd,
		.current_fd = current_fd,
		.link_limit = export->order->link_limit ? export->order->link_limit
							: BFS_EXPORT_LINK_LIMIT};
	mode_t mask = umask(0); /* modes are the prefix's, whoever exports it */
	int r = bfs_export_write(&write, &export->report->counts, export->error);

	if (r == 0)
		r = write_manifest(export, fd);
	umask(mask);
	return r;
}

static int write_tree(struct export *export)
{
	const struct bfs_export_order *order = export->order;
	_cleanup_export_manifest_ struct bfs_export_manifest *base = NULL;
	_cleanup_close_ int current_fd = -1;
	int fd, r = load_current(export, &current_fd);

	if (r == 0)
		r = bfs_export_place_begin(export->place, order->generation.number, order->keep,
			&fd, &base, export->error);
	if (r == 0 && base)
		r = bfs_export_manifest_load(base, export->plan, "base");
	if (r == 0)
		r = fill(export, fd, current_fd);
	if (r == 0)
		r = bfs_export_place_finish(
			export->place, order->keep, &export->report->trees_removed, export->error);
	return r;
}

static int run(struct export *export)
{
	int r = open_place(export);

	if (r == 0)
		r = is_made(export);
	export->report->unchanged = r > 0;
	if (r == 0)
		r = open_sources(export);
	if (r == 0)
		r = choose(export);
	if (r == 0)
		r = arrange(export);
	if (r == 0)
		r = write_tree(export);
	if (r < 0)
		return r;
	export->report->tree = strdup(bfs_export_place_current(export->place));
	return export->report->tree ? 0 : -ENOMEM;
}

int bfs_export(const struct bfs_export_order *order, struct bfs_export_report *report,
	struct bfs_error *error)
{
	_cleanup_export_ struct export export = {.order = order, .report = report, .error = error};
	int r = run(&export);

	return r < 0 ? bfs_error_set(error, r, "exporting to", order->dir, NULL) : 0;
}
