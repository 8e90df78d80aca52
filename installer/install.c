#include "installer/install.h"

#include "index/rack.h"
#include "index/snapshot.h"
#include "installer/dependents.h"
#include "installer/finish.h"
#include "installer/missing.h"
#include "installer/prefix.h"
#include "installer/programs.h"
#include "installer/tab_source.h"
#include "lib/log.h"
#include "lib/text.h"

#include <string.h>
#include <time.h>

/* The value in an index that says what its kegs were poured from. */
#define TAG_KEY "bottle_tag"

/* One install under way. */
struct install {
	const struct bfs_install_order *order;
	struct bfs_install_report *report;
	struct bfs_store *store;
	struct bfs_tree *tree;			/* of the plan: a snapshot; owned */
	struct bfs_generation generation;	/* the plan was made for */
	struct bfs_target target;
	struct bfs_resolve_request *requests;	/* the order's, then the dependents */
	bfs_strings dependents;			/* names of these */
	struct bfs_resolution *resolution;
	struct bfs_publication *publication;
	struct bfs_registry *registry;
	struct bfs_progress *progress;
	struct bfs_downloader *downloader;
	struct bfs_writer *writer;
	struct bfs_content_reader *reader;
	struct bfs_pour_request *pours;
	size_t *pour_of;			/* for each item of the resolution, its pour */
	size_t pour_count;
	struct bfs_pour_set *set;
	struct bfs_program_keg *programs;	/* those with steps that a program has to run */
	size_t program_count;
};

static void install_release(struct install *install)
{
	bfs_program_kegs_free(install->programs, install->program_count);
	bfs_pour_set_free(install->set);
	free(install->pours);
	free(install->pour_of);
	bfs_content_reader_free(install->reader);
	bfs_writer_free(install->writer);
	bfs_downloader_free(install->downloader);
	bfs_progress_free(install->progress);
	bfs_registry_free(install->registry);
	bfs_publication_end(install->publication);
	bfs_resolution_free(install->resolution);
	free(install->requests);
	bfs_strings_free(install->dependents);
	bfs_tree_close(install->tree);
	bfs_store_close(install->store);
}

void bfs_install_report_release(struct bfs_install_report *report)
{
	if (report->formulae)
		json_decref(report->formulae);
	free(report->prefix);
	bfs_strings_free(report->pending);
	*report = (struct bfs_install_report){0};
}

/* --- plan --- */

/* The store, if it is there, and the ref's tree, if it was published. */
static int open_current(struct install *install, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	int r = bfs_store_open(install->order->store_path, &install->store, &missing);

	if (r == 0)
		r = bfs_snapshot_open(install->store, install->order->ref, &install->generation,
			&install->tree, &missing);
	if (r == -ENOENT)
		return 0;
	if (r < 0 && error) {
		*error = missing;
		missing = (struct bfs_error)BFS_ERROR_INIT;
	}
	return r;
}

/* What is asked for, and then the dependents that are known by now. */
static int list_requests(struct install *install, size_t *ret_count)
{
	const struct bfs_install_order *order = install->order;
	size_t count = order->count + bfs_strings_count(install->dependents);
	struct bfs_resolve_request *requests = calloc(count + 1, sizeof(*requests));

	if (!requests)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (i < order->count)
			requests[i] = order->requests[i];
		else
			requests[i] = (struct bfs_resolve_request){
				.name = install->dependents[i - order->count],
				.is_dependent = true,
			};
	free(install->requests);
	install->requests = requests;
	*ret_count = count;
	return 0;
}

static int resolve_once(struct install *install, struct bfs_tree *tree, struct bfs_error *error)
{
	const struct bfs_install_order *order = install->order;
	BFS_CLEANUP(bfs_tab_source_release)
	struct bfs_tab_source tabs = {.finder = order->finder, .tree = tree};
	struct bfs_resolve_order resolve_order = {
		.find = bfs_finder_find,
		.find_context = order->finder,
		.find_installed = bfs_finder_find_installed,
		.tree = tree,
		.tag = order->tag,
		.runtime = install->target.runtime,
		.no_upgrade = order->no_upgrade,
		.force = order->force,
		.tab = bfs_tab_source_get,
		.context = &tabs,
	};
	int r;

	bfs_resolution_free(install->resolution);
	install->resolution = NULL;
	r = list_requests(install, &resolve_order.count);
	if (r < 0)
		return r;
	resolve_order.requests = install->requests;
	return bfs_resolve(&resolve_order, &install->resolution, NULL, error);
}

static bool checks_dependents(const struct bfs_install_order *order)
{
	const char *no_check = getenv("HOMEBREW_NO_INSTALLED_DEPENDENTS_CHECK");

	return !order->no_upgrade && !(no_check && *no_check);
}

static bool is_poured(const struct bfs_resolved *item)
{
	return item->action == BFS_RESOLVE_POUR || item->action == BFS_RESOLVE_UPGRADE;
}

/* Once more for each set of dependents that the last resolution brings along. */
static int resolve(struct install *install, struct bfs_tree *tree, struct bfs_error *error)
{
	size_t known;
	int r = bfs_target_find(install->order->target_glibc, tree, &install->target, error);

	bfs_strings_free(bfs_steal(&install->dependents));
	do {
		known = bfs_strings_count(install->dependents);
		bfs_finder_look_into(install->order->finder, tree);
		if (r == 0)
			r = resolve_once(install, tree, error);
		if (r == 0 && checks_dependents(install->order))
			r = bfs_dependents_list(tree, install->order->finder, install->resolution,
				&install->dependents, error);
	} while (r == 0 && bfs_strings_count(install->dependents) > known);
	return r == 0 ? bfs_missing_check(install->order->finder, install->resolution, error) : r;
}

static const char *action_name(const struct bfs_resolved *item)
{
	switch (item->action) {
	case BFS_RESOLVE_POUR:
		return "pour";
	case BFS_RESOLVE_UPGRADE:
		return "upgrade";
	case BFS_RESOLVE_RELINK:
		return "relink";
	case BFS_RESOLVE_ALREADY:
		break;
	}
	return "already";
}

static int report_item(struct install *install, const struct bfs_resolved *item)
{
	json_t *entry = json_pack("{s:s, s:s, s:s, s:b}", "name", item->formula->name, "version",
		item->formula->pkg_version, "action", action_name(item), "requested",
		item->requested);

	if (item->installed)
		json_object_set_new(entry, "installed", json_string(item->installed));
	if (item->old_name)
		json_object_set_new(entry, "old_name", json_string(item->old_name));
	return json_array_append_new(install->report->formulae, entry) < 0 ? -ENOMEM : 0;
}

static void say_already(const struct bfs_resolution *resolution)
{
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		if (item->requested && item->action == BFS_RESOLVE_ALREADY)
			bfs_log_info("Using %s %s: it is installed and up to date", item->formula->name,
				item->installed ? item->installed : item->formula->pkg_version);
	}
}

static const char *why_upgraded(const struct bfs_resolved *item)
{
	if (item->requested)
		return "";
	return item->request ? " (it depends on what is upgraded)" : " (a dependency)";
}

static void say_plan(const struct bfs_resolution *resolution)
{
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		if (item->old_name)
			bfs_log_info("Would migrate %s to %s", item->old_name, item->formula->name);
		if (item->action == BFS_RESOLVE_POUR)
			bfs_log_info("Would install %s %s%s", item->formula->name,
				item->formula->pkg_version,
				item->requested ? "" : " (a dependency)");
		else if (item->action == BFS_RESOLVE_UPGRADE)
			bfs_log_info("Would upgrade %s %s -> %s%s", item->formula->name,
				item->installed ? item->installed : "?",
				item->formula->pkg_version, why_upgraded(item));
		else if (item->action == BFS_RESOLVE_RELINK && !item->old_name)
			bfs_log_info("Would change the links of %s %s", item->formula->name,
				item->installed);
	}
}

static int report_plan(struct install *install)
{
	const struct bfs_resolution *resolution = install->resolution;
	int r = 0;

	json_array_clear(install->report->formulae);
	for (size_t i = 0; r == 0 && i < resolution->count; i++)
		r = report_item(install, &resolution->items[i]);
	install->report->changed = !bfs_resolution_is_empty(resolution);
	return r;
}

static int plan(struct install *install, struct bfs_error *error)
{
	int r = open_current(install, error);

	if (r == 0)
		r = resolve(install, install->tree, error);
	if (r < 0)
		return r;
	for (char **warning = install->resolution->warnings; *warning; warning++)
		bfs_log_warning("%s", *warning);
	say_already(install->resolution);
	return report_plan(install);
}

/* --- pour --- */

/* openjdk or openjdk@N among what a formula needs: @@HOMEBREW_JAVA@@ stands for it. */
static const char *java_dependency(const struct bfs_resolved *item)
{
	for (size_t i = 0; i < item->dependency_count; i++) {
		const char *name = item->dependencies[i].formula->name;

		if (strcmp(name, "openjdk") == 0 || strncmp(name, "openjdk@", 8) == 0)
			return name;
	}
	return NULL;
}

static int list_pours(struct install *install)
{
	const struct bfs_resolution *resolution = install->resolution;

	install->pours = calloc(resolution->count + 1, sizeof(*install->pours));
	install->pour_of = calloc(resolution->count + 1, sizeof(*install->pour_of));
	if (!install->pours || !install->pour_of)
		return -ENOMEM;
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];
		const struct bfs_local_bottle *local =
			bfs_finder_local(install->order->finder, item->formula);

		if (!is_poured(item))
			continue;
		install->pour_of[i] = install->pour_count;
		install->pours[install->pour_count++] = (struct bfs_pour_request){
			.formula = item->formula,
			.path = local ? local->path : NULL,
			.tab = local ? local->tab : NULL,
			.java_dependency = java_dependency(item),
		};
	}
	return 0;
}

static int start_pours(struct install *install, struct bfs_error *error)
{
	struct bfs_pour_target target = {
		.store = install->store,
		.base_path = bfs_publication_base_path(install->publication),
	};
	int r = list_pours(install);

	if (r == 0)
		r = bfs_progress_new("Pouring", install->order->quiet, &install->progress);
	target.depot = install->order->finder->depot;
	if (r == 0 && !target.depot)
		r = bfs_registry_new(&install->registry, error);
	if (r == 0 && !target.depot)
		r = bfs_downloader_new(install->progress, &install->downloader, error);
	if (r < 0)
		return r;
	target.registry = install->registry;
	target.downloader = install->downloader;
	if (install->pour_count > 0)
		bfs_log_headline("%s %zu bottle%s", target.depot ? "Pouring" : "Fetching and pouring",
			install->pour_count, install->pour_count == 1 ? "" : "s");
	return bfs_pour_set_new(&target, install->pours, install->pour_count, &install->set, error);
}

/* --- finish --- */

static int say_poured(const struct install *install, const struct bfs_resolved *item)
{
	struct bfs_tree *tree = bfs_publication_tree(install->publication);
	const struct bfs_formula *formula = item->formula;
	char size[BFS_SIZE_TEXT_SIZE];
	struct bfs_attributes keg;
	int64_t files, bytes;
	int r = bfs_rack_keg(tree, formula->name, formula->pkg_version, &keg);

	if (r == 0)
		r = bfs_rack_usage(tree, keg.ino, &files, &bytes);
	if (r == 0)
		bfs_log_info("🍺  %s/Cellar/%s/%s: %lld files, %s",
			bfs_store_prefix(install->store), formula->name, formula->pkg_version,
			(long long)files, bfs_size_text((uint64_t)bytes, size));
	return r;
}

/* What a person may want to know of a keg that is there now. */
static int note_in_report(struct install *install, size_t which, const struct bfs_finished *finished)
{
	const struct bfs_formula *formula = install->resolution->items[which].formula;
	json_t *entry = json_array_get(install->report->formulae, which);
	int r = json_object_set_new(entry, "linked", json_boolean(finished->linked));

	if (r == 0 && formula->keg_only && !finished->linked)
		r = json_object_set_new(entry, "keg_only",
			json_string(formula->keg_only_reason ? formula->keg_only_reason : ""));
	if (r == 0 && formula->caveats)
		r = json_object_set_new(entry, "caveats", json_string(formula->caveats));
	return r < 0 ? -ENOMEM : 0;
}

static int note_finished(struct install *install, size_t which, const struct bfs_finished *finished)
{
	struct bfs_program_keg *program = &install->programs[install->program_count];

	if (finished->conflicted || finished->step_failed)
		install->report->failed = true;
	if (!finished->pending)
		return 0;
	program->formula = install->resolution->items[which].formula;
	program->steps = json_loads(finished->pending, 0, NULL);
	if (!program->steps)
		return -ENOMEM;
	install->program_count++;
	if (finished->step_failed) /* what comes after it is left alone */
		program->failure = strdup("a step before it failed");
	return finished->step_failed && !program->failure ? -ENOMEM : 0;
}

static int finish_poured(struct install *install, const struct bfs_finish_target *target,
	size_t which, struct bfs_finished *finished, struct bfs_error *error)
{
	const struct bfs_resolved *item = &install->resolution->items[which];
	bool local = bfs_finder_local(install->order->finder, item->formula) != NULL;
	BFS_CLEANUP(bfs_poured_release) struct bfs_poured poured = {0};
	int r = bfs_pour_set_take(install->set, install->pour_of[which], &poured, error);

	if (r == 0)
		r = bfs_finish_keg(target, item, &poured, local, finished, error);
	if (r == 0)
		r = say_poured(install, item);
	return r < 0 ? r : note_in_report(install, which, finished);
}

static int finish_item(struct install *install, const struct bfs_finish_target *target,
	size_t which, struct bfs_error *error)
{
	const struct bfs_resolved *item = &install->resolution->items[which];
	BFS_CLEANUP(bfs_finished_release) struct bfs_finished finished = {0};
	int r = 0;

	if (is_poured(item))
		r = finish_poured(install, target, which, &finished, error);
	else if (item->action == BFS_RESOLVE_RELINK)
		r = bfs_finish_relink(target, item, &finished, error);
	if (r == 0 && item->marks_request)
		r = bfs_finish_mark_request(target, item, error);
	if (r == 0)
		r = note_finished(install, which, &finished);
	return r;
}

static int prepare_tree(struct install *install, struct bfs_error *error)
{
	struct bfs_tree *tree = bfs_publication_tree(install->publication);
	const struct bfs_target *target = &install->target;
	bool chosen = target->source == BFS_TARGET_ORDER || target->source == BFS_TARGET_ENVIRONMENT;
	int r = bfs_prefix_prepare(tree, error);

	/* This host's own says nothing of the others that share the store. */
	if (r == 0 && chosen)
		r = bfs_tree_set_value(tree, BFS_TARGET_GLIBC_KEY, target->runtime.glibc);
	if (r == 0)
		r = bfs_tree_set_value(tree, TAG_KEY, install->order->tag);
	return r;
}

/* The steps that run programs, now that every keg is in its place; what is left of them is reported. */
static int run_programs(struct install *install, const struct bfs_finish_target *target,
	struct bfs_error *error)
{
	const struct bfs_program_order order = {
		.store = install->store,
		.store_path = install->order->store_path,
		.ref = install->order->ref,
		.tree = target->tree,
		.writer = target->writer,
		.reader = target->reader,
		.mtime = target->time * INT64_C(1000000000),
	};
	int r = bfs_programs_run(&order, install->programs, install->program_count, error);

	for (size_t i = 0; r == 0 && i < install->program_count; i++) {
		install->report->failed |= install->programs[i].failure != NULL;
		if (install->programs[i].steps)
			r = bfs_strings_add(&install->report->pending,
				install->programs[i].formula->name);
	}
	return r;
}

static int finish_all(struct install *install, struct bfs_error *error)
{
	struct bfs_tree *tree = bfs_publication_tree(install->publication);
	struct bfs_finish_target target = {
		.store = install->store,
		.tree = tree,
		.finder = install->order->finder,
		.tag = install->order->tag,
		.generation = bfs_publication_base(install->publication)->number,
		.time = (int64_t)time(NULL),
	};
	int r = bfs_writer_new(install->store, NULL, &install->writer, error);

	if (r == 0)
		r = bfs_content_reader_new(install->store, &install->reader);
	target.writer = install->writer;
	target.reader = install->reader;
	install->programs = calloc(install->resolution->count + 1, sizeof(*install->programs));
	if (r == 0 && !install->programs)
		r = -ENOMEM;
	if (r == 0)
		r = prepare_tree(install, error);
	for (size_t i = 0; r == 0 && i < install->resolution->count; i++)
		r = finish_item(install, &target, i, error);
	if (r == 0)
		r = run_programs(install, &target, error);
	if (r == 0)
		r = bfs_writer_commit(install->writer, &tree, 1, error);
	return r;
}

/* --- publish --- */

/* "install proj libexif": what was asked for, in the log. */
static int make_message(const struct bfs_install_order *order, struct bfs_buffer *message)
{
	int r = bfs_buffer_append_string(message, "install");

	for (size_t i = 0; r == 0 && i < order->count; i++)
		r = bfs_buffer_append_format(message, " %s", order->requests[i].name);
	return r;
}

static int publish(struct install *install, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer message = BFS_BUFFER_INIT;
	int r = make_message(install->order, &message);

	if (r == 0)
		r = bfs_publication_commit(install->publication, message.data,
			&install->report->generation, error);
	return r;
}

/* Takes the lock; a plan for a generation that is no longer the current one is made anew. */
static int lock(struct install *install, struct bfs_error *error)
{
	int r = 0;

	if (!install->store)
		r = bfs_store_create(install->order->store_path, &install->store, error);
	if (r == 0)
		r = bfs_publication_begin(install->store, install->order->ref,
			&install->publication, error);
	if (r < 0)
		return r;
	if (bfs_publication_base(install->publication)->number == install->generation.number)
		return 0;
	install->generation = *bfs_publication_base(install->publication);
	r = resolve(install, bfs_publication_tree(install->publication), error);
	return r < 0 ? r : report_plan(install);
}

static int carry_out(struct install *install, struct bfs_error *error)
{
	int r = lock(install, error);

	if (r < 0 || bfs_resolution_is_empty(install->resolution))
		return r;
	r = start_pours(install, error);
	if (r == 0)
		r = finish_all(install, error);
	if (r == 0)
		r = publish(install, error);
	return r;
}

static int read_tag(const char *store_path, const char *ref, char **ret_tag, struct bfs_error *error)
{
	struct bfs_store *store = NULL;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_generation generation;
	int r = bfs_store_open(store_path, &store, error);

	if (r == 0)
		r = bfs_snapshot_open(store, ref, &generation, &tree, error);
	if (r == 0)
		r = bfs_tree_get_value(tree, TAG_KEY, ret_tag);
	bfs_store_close(store);
	return r;
}

int bfs_install_read_tag(const char *store_path, const char *ref, char **ret_tag,
	struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error failure = BFS_ERROR_INIT;
	int r = read_tag(store_path, ref, ret_tag, &failure);

	if (r == -ENOENT)
		*ret_tag = NULL;
	else if (r < 0)
		return bfs_error_set(error, r, "reading what is installed", ref, "%s",
			bfs_error_message(&failure, r));
	return 0;
}

int bfs_install(const struct bfs_install_order *order, struct bfs_install_report *ret_report,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_install_report_release) struct bfs_install_report report = {0};
	BFS_CLEANUP(install_release)
	struct install install = {.order = order, .report = &report};
	int r;

	report.formulae = json_array();
	if (!report.formulae)
		return -ENOMEM;
	r = plan(&install, error);
	report.generation = install.generation;
	if (r == 0 && order->dry_run)
		say_plan(install.resolution);
	else if (r == 0 && report.changed)
		r = carry_out(&install, error);
	if (r == 0 && install.store) {
		report.prefix = strdup(bfs_store_prefix(install.store));
		r = report.prefix ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret_report = report;
	report = (struct bfs_install_report){0};
	return 0;
}
