#include "installer/finish.h"

#include "index/tree_path.h"
#include "installer/etc.h"
#include "installer/family.h"
#include "installer/keg_note.h"
#include "installer/link.h"
#include "installer/migrate.h"
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

/* Unlinks a keg, and the aliases that its receipt has. */
static int unlink_keg(struct bfs_tree *tree, const char *keg, struct bfs_error *error)
{
	bfs_strings aliases = NULL;
	int r = bfs_keg_note_aliases(tree, keg, &aliases);

	if (r == 0)
		r = bfs_keg_unlink(tree, keg, aliases, NULL, error);
	bfs_strings_free(aliases);
	return r;
}

/* --- the keg in its place --- */

/* A keg of that name that is there already is half installed, or being poured again. */
static int remove_old_keg(struct bfs_tree *tree, const char *keg, struct bfs_error *error)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(tree, keg, &attributes);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = unlink_keg(tree, keg, error);
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
		.source = local				    ? BFS_TAB_LOCAL_FILE :
			resolved->formula->from_public_document ? BFS_TAB_PUBLIC_API :
								  BFS_TAB_INTERNAL_API,
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

/* What the prefix had of a formula before this pour. */
struct before {
	bool installed; /* any version of it */
	bool linked;
};

static bool is_installed(struct bfs_tree *tree, const char *name)
{
	_cleanup_free_ char **versions = NULL;

	return bfs_rack_versions(tree, name, &versions) == 0 && versions[0];
}

static bool is_linked(struct bfs_tree *tree, const char *name)
{
	_cleanup_free_ char *keg = NULL;

	return bfs_linked_keg(tree, name, &keg) == 0;
}

/* Whether the unversioned relative of a formula is keg-only itself, as far as the catalog at hand knows. */
static bool base_is_keg_only(const struct bfs_finish_target *target, const char *name)
{
	_cleanup_error_ struct bfs_error ignored = BFS_ERROR_INIT;
	_cleanup_free_ char *base = bfs_family_base(name);
	const struct bfs_formula *formula;

	if (!base || strcmp(base, name) == 0 || !target->finder->catalog)
		return false;
	return bfs_catalog_find(target->finder->catalog, base, &formula, &ignored) == 0 &&
		formula->keg_only;
}

/* Whether a formula gets links, or opt's alone. */
static bool wants_links(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	char *const *family, const struct before *before)
{
	const struct bfs_formula *formula = resolved->formula;
	const struct bfs_resolve_request *request = resolved->request;
	struct bfs_keg_only_case keg_only = {
		.versioned = formula->keg_only_versioned,
		.on_request = resolved->requested,
		.any_version_installed = before->installed,
		.relative_installed = family && *family,
	};

	if (request && request->link != BFS_BREWFILE_LINK_DEFAULT)
		return request->link != BFS_BREWFILE_LINK_NO;
	if (!formula->keg_only)
		return true;
	if (request && request->ensures_link) /* bundle/brew.rb#link_change_state! unlinks it */
		return false;
	if (before->linked)
		return true;
	if (keg_only.versioned && keg_only.on_request)
		keg_only.unversioned_keg_only = base_is_keg_only(target, formula->name);
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
	return strcmp(linked, keg) == 0 ? 0 : unlink_keg(tree, linked, error);
}

/*
 * Before a formula is linked, its linked relatives are not any more: the keg-only ones, and all of them where it is
 * keg-only itself (Homebrew unlink.rb#unlink_link_overwrite_formulae).
 */
static int unlink_relatives(struct bfs_tree *tree, const struct bfs_formula *formula,
	char *const *family, struct bfs_error *error)
{
	int r = 0;

	for (; r == 0 && family && *family; family++) {
		_cleanup_free_ char *linked = NULL;

		r = bfs_linked_keg(tree, *family, &linked);
		if (r == -ENOENT ||
			(r == 0 && !formula->keg_only && !bfs_keg_note_is_keg_only(tree, linked))) {
			r = 0;
			continue;
		}
		if (r == 0)
			bfs_log_info("Unlinking %s, a relative of %s", *family, formula->name);
		if (r == 0)
			r = unlink_keg(tree, linked, error);
	}
	return r;
}

static int unlink_conflict(struct bfs_tree *tree, const char *conflict,
	const struct bfs_formula *formula, struct bfs_error *error)
{
	const char *name = bfs_path_base(conflict);
	_cleanup_free_ char *linked = NULL;
	int r = bfs_linked_keg(tree, name, &linked);

	if (r < 0 || strcmp(name, formula->name) == 0)
		return r == -ENOENT ? 0 : r;
	bfs_log_info("Unlinking %s, which conflicts with %s", name, formula->name);
	return unlink_keg(tree, linked, error);
}

/* What conflicts with an entry of a Brewfile gives way to it (Homebrew bundle/brew.rb#resolve_conflicts!). */
static int unlink_conflicts(struct bfs_tree *tree, const struct bfs_resolved *resolved,
	struct bfs_error *error)
{
	const struct bfs_formula *formula = resolved->formula;
	int r = 0;

	if (!resolved->request || !resolved->request->unlinks_conflicts)
		return 0;
	for (size_t i = 0; r == 0 && i < formula->conflict_count; i++)
		r = unlink_conflict(tree, formula->conflicts[i].name, formula, error);
	for (char *const *name = resolved->request->conflicts_with; r == 0 && name && *name; name++)
		r = unlink_conflict(tree, *name, formula, error);
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
	int r = unlink_conflicts(target->tree, resolved, error);

	if (r == 0)
		r = unlink_relatives(target->tree, formula, family, error);
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
	const char *keg, const struct before *before, struct bfs_finished *finished,
	struct bfs_error *error)
{
	const struct bfs_formula *formula = resolved->formula;
	bfs_strings family = NULL;
	int r = unlink_linked(target->tree, formula->name, keg, error);

	if (r == 0)
		r = bfs_family_list(target->tree, formula->name, &family);
	if (r == 0 && wants_links(target, resolved, family, before)) {
		r = link_keg(target, resolved, keg, family, finished, error);
	} else if (r == 0) {
		r = bfs_keg_optlink(target->tree, keg, formula->aliases, error);
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

/* What there was of the formula, and its new name for it. */
static int look_before(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct before *ret_before, struct bfs_error *error)
{
	const char *name = resolved->formula->name, *old_name = resolved->old_name;

	ret_before->installed = old_name || is_installed(target->tree, name);
	ret_before->linked = is_linked(target->tree, old_name ? old_name : name);
	if (!old_name)
		return 0;
	bfs_log_headline("Migrating %s to %s", old_name, name);
	return bfs_migrate(target->tree, old_name, name, error);
}

static int finish(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_poured *poured, bool local, const char *keg, struct bfs_finished *finished,
	struct bfs_error *error)
{
	const struct bfs_formula *formula = resolved->formula;
	_cleanup_json_ json_t *receipt = NULL;
	struct before before;
	int r = look_before(target, resolved, &before, error);

	if (r == 0)
		r = place_keg(target->tree, formula, keg, poured->keg.tree, error);
	if (r == 0)
		r = make_receipt(target, resolved, usable_tab(poured->keg.tab, formula->name),
			local, &receipt);
	if (r == 0)
		r = write_receipt(target, keg, receipt, error);
	if (r == 0)
		r = make_links(target, resolved, keg, &before, finished, error);
	if (r == 0)
		r = make_service_log(target, formula, keg, error);
	if (r == 0)
		r = bfs_etc_install(target->tree, keg, error);
	if (r == 0)
		r = run_steps(target, formula, finished, error);
	if (r == 0)
		r = bfs_keg_note(target->tree, formula, receipt, finished->pending, error);
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

/* Whether a Brewfile wants a formula that is linked not to be. */
static bool is_to_be_unlinked(const struct bfs_resolved *resolved)
{
	const struct bfs_resolve_request *request = resolved->request;

	if (!request || !request->ensures_link)
		return false;
	return request->link == BFS_BREWFILE_LINK_NO ||
		(request->link == BFS_BREWFILE_LINK_DEFAULT && resolved->formula->keg_only);
}

int bfs_finish_relink(const struct bfs_finish_target *target, const struct bfs_resolved *resolved,
	struct bfs_finished *ret_finished, struct bfs_error *error)
{
	_cleanup_free_ char *keg = bfs_keg_path(resolved->formula->name,
		resolved->installed ? resolved->installed : resolved->formula->pkg_version);

	struct before before;
	int r = keg ? bfs_tree_begin(target->tree) : -ENOMEM;

	*ret_finished = (struct bfs_finished){0};
	if (r < 0)
		return r;
	r = look_before(target, resolved, &before, error);
	if (r == 0 && before.linked && is_to_be_unlinked(resolved))
		r = unlink_keg(target->tree, keg, error);
	else if (r == 0)
		r = make_links(target, resolved, keg, &before, ret_finished, error);
	if (r == 0)
		r = bfs_tree_commit(target->tree);
	if (r < 0)
		bfs_tree_rollback(target->tree);
	return r;
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
	int r = keg ? read_receipt(target, keg, &receipt, error) : -ENOMEM;

	if (r == 0 &&
		json_object_set_new(receipt, "installed_on_request", json_boolean(resolved->on_request)))
		r = -ENOMEM;
	if (r == 0)
		r = write_receipt(target, keg, receipt, error);
	if (r == 0)
		r = bfs_keg_note_receipt(target->tree, resolved->formula->name, version, receipt, error);
	return r;
}
