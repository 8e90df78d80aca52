#include "installer/finish.h"

#include "index/keg.h"
#include "index/tree_path.h"
#include "installer/etc.h"
#include "installer/link.h"
#include "installer/opt.h"
#include "installer/prefix.h"
#include "installer/steps.h"
#include "installer/tab.h"
#include "installer/unlink.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)

void bfs_finished_release(struct bfs_finished *finished)
{
	free(finished->pending);
	*finished = (struct bfs_finished){0};
}

/* --- the keg in its place --- */

/* A keg of that name that is there already is half installed, or being poured again. */
static int remove_old_keg(struct bfs_tree *tree, const char *keg, struct bfs_error *error)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(tree, keg, &attributes);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = bfs_keg_unlink(tree, keg, NULL, NULL, error);
	return r < 0 ? r : bfs_tree_remove_path(tree, keg);
}

static int place_keg(struct bfs_tree *tree, const struct bfs_formula *formula, const char *keg,
	struct bfs_tree *poured, struct bfs_error *error)
{
	_cleanup_free_ char *rack = bfs_path_join(BFS_CELLAR, formula->name);
	struct bfs_attributes attributes;
	int r = rack ? remove_old_keg(tree, keg, error) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_make_directories(tree, rack, &attributes);
	if (r == 0)
		r = bfs_tree_graft(tree, attributes.ino, formula->pkg_version,
			strlen(formula->pkg_version), poured);
	return r < 0 ? bfs_error_set(error, r, "adding the keg", keg, NULL) : 0;
}

/* --- the receipt --- */

static int make_receipt(const struct bfs_finish_target *target,
	const struct bfs_resolved *resolved, const json_t *tab, bool local, json_t **ret_receipt)
{
	struct bfs_tab_order order = {
		.tab = tab,
		.formula = resolved->formula,
		.dependencies = resolved->dependencies,
		.dependency_count = resolved->dependency_count,
		.time = target->time,
		.installed_on_request = resolved->on_request,
		.source = local ? BFS_TAB_LOCAL_FILE : BFS_TAB_INTERNAL_API,
		.arch = strncmp(target->tag, "arm64", 5) == 0 ? "arm64" : "x86_64",
		.prefix = bfs_store_prefix(target->store),
	};

	return bfs_tab_make(&order, ret_receipt);
}

static int write_receipt(const struct bfs_finish_target *target, const char *keg,
	const json_t *receipt, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_path_join(keg, BFS_TAB_FILE);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_content content;
	int r = path ? bfs_tab_write(receipt, &text) : -ENOMEM;

	if (r == 0)
		r = bfs_writer_add(target->writer, text.data, text.length, 0644, &content, error);
	if (r == 0)
		r = bfs_tree_write_path(target->tree, path, 0644, target->time * NS_PER_S, &content);
	return r < 0 ? bfs_error_set(error, r, "writing the receipt", keg, NULL) : 0;
}

static int note_keg(const struct bfs_finish_target *target, const struct bfs_formula *formula,
	const json_t *receipt, const char *pending, struct bfs_error *error)
{
	_cleanup_free_ char *record = NULL;
	int r = bfs_tab_record(receipt, &record);

	if (r == 0)
		r = bfs_keg_put(target->tree,
			&(struct bfs_keg){formula->name, formula->pkg_version, record,
				(char *)pending});
	return r < 0 ? bfs_error_set(error, r, "noting the keg", formula->name, NULL) : 0;
}

/* A tab with values of wrong types is as good as none. */
static const json_t *usable_tab(const json_t *tab, const char *name)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = tab ? bfs_tab_check(tab, name, &error) : -ENOENT;

	if (r == 0)
		return tab;
	if (tab)
		bfs_log_warning("The tab of %s is left out: %s", name,
			bfs_error_message(&error, r));
	return NULL;
}

/* --- links --- */

/*
 * The names whose kegs may be taken over from: versions of one formula and its -full variant (Homebrew
 * formula.rb#link_overwrite_formulae).
 */
static int list_family(const struct bfs_formula *formula, bfs_strings *family)
{
	_cleanup_free_ char *base = strndup(formula->name, strcspn(formula->name, "@"));
	_cleanup_free_ char *full = base ? bfs_format("%s-full", base) : NULL;
	int r;

	if (!full)
		return -ENOMEM;
	r = bfs_strings_add(family, base);
	if (r == 0)
		r = bfs_strings_add(family, full);
	for (char **name = formula->versioned_formulae; r == 0 && *name; name++)
		r = bfs_strings_add(family, *name);
	return r;
}

static bool is_installed(struct bfs_tree *tree, const char *name)
{
	_cleanup_free_ char **versions = NULL;

	return bfs_rack_versions(tree, name, &versions) == 0 && versions[0];
}

/* Whether a formula gets links, or opt's alone. */
static bool wants_links(struct bfs_tree *tree, const struct bfs_resolved *resolved,
	char *const *family, bool had_version)
{
	const struct bfs_formula *formula = resolved->formula;
	enum bfs_brewfile_link link =
		resolved->request ? resolved->request->link : BFS_BREWFILE_LINK_DEFAULT;
	struct bfs_keg_only_case keg_only = {
		.versioned = formula->keg_only_versioned,
		.on_request = resolved->requested,
		.any_version_installed = had_version,
	};

	if (link != BFS_BREWFILE_LINK_DEFAULT)
		return link != BFS_BREWFILE_LINK_NO;
	if (!formula->keg_only)
		return true;
	for (; *family; family++)
		if (strcmp(*family, formula->name) != 0 && is_installed(tree, *family))
			keg_only.relative_installed = true;
	return bfs_keg_only_is_linked(&keg_only);
}

/* The version that is linked gives way. */
static int unlink_linked(struct bfs_tree *tree, const char *name, const char *keg,
	struct bfs_error *error)
{
	_cleanup_free_ char *linked = NULL;
	int r = bfs_linked_keg(tree, name, &linked);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return strcmp(linked, keg) == 0 ? 0 : bfs_keg_unlink(tree, linked, NULL, NULL, error);
}

/* Before a formula is linked, its linked keg-only relatives are not any more (Homebrew unlink.rb). */
static int unlink_relatives(struct bfs_tree *tree, const struct bfs_formula *formula,
	char *const *family, struct bfs_error *error)
{
	int r = 0;

	if (formula->keg_only)
		return 0;
	for (; r == 0 && *family; family++) {
		_cleanup_free_ char *linked = NULL;

		if (strcmp(*family, formula->name) == 0 ||
			bfs_linked_keg(tree, *family, &linked) < 0)
			continue;
		bfs_log_info("Unlinking %s, a relative of %s", *family, formula->name);
		r = bfs_keg_unlink(tree, linked, NULL, NULL, error);
	}
	return r;
}

static int link_keg(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	const char *keg, char *const *family, struct bfs_finished *finished,
	struct bfs_error *error)
{
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	_cleanup_error_ struct bfs_error conflict = BFS_ERROR_INIT;
	const struct bfs_formula *formula = resolved->formula;
	struct bfs_link_options options = {
		.aliases = formula->aliases,
		.overwrite = resolved->request &&
			resolved->request->link == BFS_BREWFILE_LINK_OVERWRITE,
		.link_overwrite = formula->link_overwrite,
		.family = family,
	};
	int r = unlink_relatives(target->tree, formula, family, error);

	if (r == 0)
		r = bfs_keg_link(target->tree, keg, &options, &report, &conflict);
	bfs_link_report_warn(&report, target->generation);
	if (r == -EEXIST) {
		bfs_log_error("%s", bfs_error_message(&conflict, r));
		finished->conflicted = true;
		return 0;
	}
	if (r < 0)
		return bfs_error_set(error, r, "linking the keg", keg, "%s",
			bfs_error_message(&conflict, r));
	finished->linked = true;
	return 0;
}

static int make_links(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	const char *keg, bool had_version, struct bfs_finished *finished, struct bfs_error *error)
{
	const struct bfs_formula *formula = resolved->formula;
	bfs_strings family = NULL;
	int r = unlink_linked(target->tree, formula->name, keg, error);

	if (r == 0)
		r = list_family(formula, &family);
	if (r == 0 && wants_links(target->tree, resolved, family, had_version)) {
		r = link_keg(target, resolved, keg, family, finished, error);
	} else if (r == 0) {
		r = bfs_keg_optlink(target->tree, keg, formula->aliases, error);
		if (formula->keg_only && resolved->requested)
			bfs_log_info("%s is keg-only, which means it was not symlinked into %s: %s",
				formula->name, bfs_store_prefix(target->store),
				formula->keg_only_reason ? formula->keg_only_reason : "");
	}
	bfs_strings_free(family);
	return r;
}

/* --- service --- */

#define UNIT_LIMIT 65536 /* bytes; a unit has some hundred */

/*
 * Homebrew makes var/log for a service that logs there (formula_installer.rb#install_service); its unit, which is
 * in the keg, says so.
 */
static int make_service_log(const struct bfs_finish_target *target,
	const struct bfs_formula *formula, const char *keg, struct bfs_error *error)
{
	_cleanup_free_ char *unit = bfs_format("%s/homebrew.%s.service", keg, formula->name);
	_cleanup_free_ char *log = bfs_format("%s/var/log", bfs_store_prefix(target->store));
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_attributes attributes;
	struct bfs_content content;
	int r;

	if (!unit || !log)
		return -ENOMEM;
	if (bfs_tree_lstat_path(target->tree, unit, &attributes) < 0 ||
		!S_ISREG(attributes.mode) || attributes.size > UNIT_LIMIT)
		return 0;
	r = bfs_tree_content(target->tree, attributes.ino, &content);
	if (r == 0)
		r = bfs_content_load(target->reader, &content, UNIT_LIMIT, &text, error);
	if (r < 0)
		return bfs_error_set(error, r, "reading the service", unit, NULL);
	if (!memmem(text.data, text.length, log, strlen(log)))
		return 0;
	return bfs_tree_make_directories(target->tree, "var/log", &attributes);
}

/* --- post_install --- */

static int run_steps(const struct bfs_finish_target *target, const struct bfs_formula *formula,
	struct bfs_finished *finished, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_steps_result_release) struct bfs_steps_result result = {0};
	struct bfs_steps_order order = {
		.tree = target->tree,
		.reader = target->reader,
		.writer = target->writer,
		.prefix = bfs_store_prefix(target->store),
		.formula = formula,
		.mtime = target->time * NS_PER_S,
	};
	int r = bfs_steps_run(&order, &result, error);

	if (r < 0)
		return r;
	for (char **warning = result.warnings; warning && *warning; warning++)
		bfs_log_warning("%s: %s", formula->name, *warning);
	if (result.failure) {
		bfs_log_warning("The post-install step did not complete successfully: %s: %s",
			formula->name, result.failure);
		finished->step_failed = true;
	}
	if (!result.pending)
		return 0;
	finished->pending = json_dumps(result.pending, JSON_COMPACT);
	return finished->pending ? 0 : -ENOMEM;
}

/* --- all of it --- */

static int finish(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_poured *poured, bool local, const char *keg, struct bfs_finished *finished,
	struct bfs_error *error)
{
	const struct bfs_formula *formula = resolved->formula;
	_cleanup_json_ json_t *receipt = NULL;
	bool had_version = is_installed(target->tree, formula->name);
	int r = place_keg(target->tree, formula, keg, poured->keg.tree, error);

	if (r == 0)
		r = make_receipt(target, resolved, usable_tab(poured->keg.tab, formula->name),
			local, &receipt);
	if (r == 0)
		r = write_receipt(target, keg, receipt, error);
	if (r == 0)
		r = make_links(target, resolved, keg, had_version, finished, error);
	if (r == 0)
		r = make_service_log(target, formula, keg, error);
	if (r == 0)
		r = bfs_etc_install(target->tree, keg, error);
	if (r == 0)
		r = run_steps(target, formula, finished, error);
	if (r == 0)
		r = note_keg(target, formula, receipt, finished->pending, error);
	return r;
}

int bfs_finish_keg(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_poured *poured, bool local, struct bfs_finished *ret_finished,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_finished_release) struct bfs_finished finished = {0};
	_cleanup_free_ char *keg =
		bfs_keg_path(resolved->formula->name, resolved->formula->pkg_version);
	int r = keg ? bfs_tree_begin(target->tree) : -ENOMEM;

	if (r < 0)
		return r;
	r = finish(target, resolved, poured, local, keg, &finished, error);
	if (r == 0)
		r = bfs_tree_commit(target->tree);
	if (r < 0) {
		bfs_tree_rollback(target->tree);
		return bfs_error_set(error, r, "installing", resolved->formula->name, NULL);
	}
	*ret_finished = finished;
	finished = (struct bfs_finished){0};
	return 0;
}

int bfs_finish_relink(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_finished *ret_finished, struct bfs_error *error)
{
	_cleanup_free_ char *keg = bfs_keg_path(resolved->formula->name,
		resolved->installed ? resolved->installed : resolved->formula->pkg_version);

	*ret_finished = (struct bfs_finished){0};
	if (!keg)
		return -ENOMEM;
	if (resolved->request && resolved->request->link == BFS_BREWFILE_LINK_NO)
		return bfs_keg_unlink(target->tree, keg, NULL, NULL, error);
	return make_links(target, resolved, keg, true, ret_finished, error);
}

static int read_receipt(const struct bfs_finish_target *target, const char *keg,
	json_t **ret_receipt, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_path_join(keg, BFS_TAB_FILE);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_attributes attributes;
	struct bfs_content content;
	int r = path ? bfs_tree_stat_path(target->tree, path, &attributes) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_content(target->tree, attributes.ino, &content);
	if (r == 0)
		r = bfs_content_load(target->reader, &content, BFS_TAB_SIZE_MAX, &text, error);
	if (r < 0)
		return bfs_error_set(error, r, "reading the receipt", path, NULL);
	return bfs_tab_parse(text.data, text.length, path, ret_receipt, error);
}

int bfs_finish_mark_request(const struct bfs_finish_target *target,
	const struct bfs_resolved *resolved, struct bfs_error *error)
{
	const char *version =
		resolved->installed ? resolved->installed : resolved->formula->pkg_version;
	_cleanup_free_ char *keg = bfs_keg_path(resolved->formula->name, version);
	_cleanup_json_ json_t *receipt = NULL;
	_cleanup_free_ char *record = NULL;
	struct bfs_keg noted = {0};
	int r = keg ? read_receipt(target, keg, &receipt, error) : -ENOMEM;

	if (r == 0 &&
		json_object_set_new(receipt, "installed_on_request", json_boolean(resolved->on_request)))
		r = -ENOMEM;
	if (r == 0)
		r = write_receipt(target, keg, receipt, error);
	if (r == 0)
		r = bfs_tab_record(receipt, &record);
	if (r < 0)
		return r;
	r = bfs_keg_get(target->tree, resolved->formula->name, version, &noted);
	if (r == 0) {
		free(noted.record);
		noted.record = bfs_steal(&record);
		r = bfs_keg_put(target->tree, &noted);
	} else if (r == -ENOENT) {
		r = bfs_keg_put(target->tree,
			&(struct bfs_keg){resolved->formula->name, (char *)version, record, NULL});
	}
	bfs_keg_release(&noted);
	return r;
}
