#include "installer/dependents.h"

#include "index/rack.h"
#include "index/receipt.h"
#include "installer/installed.h"
#include "lib/file.h"

#include <string.h>

struct search {
	struct bfs_tree *tree;
	struct bfs_finder *finder;
	struct bfs_resolution *resolution;
	bfs_strings *names;
	struct bfs_error *error;
};

static bool is_poured(const struct bfs_resolution *resolution, const char *name)
{
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		if (strcmp(item->formula->name, name) == 0)
			return item->action == BFS_RESOLVE_POUR ||
			       item->action == BFS_RESOLVE_UPGRADE;
	}
	return false;
}

/* What of the upgraded a keg's receipt depends on; NULL for nothing. */
static const struct bfs_formula *find_upgraded(
	const struct bfs_resolution *resolution, const struct bfs_receipt *receipt)
{
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		if (item->action == BFS_RESOLVE_UPGRADE &&
			(bfs_receipt_find(receipt, item->formula->name) ||
				(item->old_name && bfs_receipt_find(receipt, item->old_name))))
			return item->formula;
	}
	return NULL;
}

static const char *why_not(const struct bfs_formula *formula)
{
	if (formula->disabled)
		return "it has been disabled";
	if (formula->unmet_requirement)
		return "it cannot be used here";
	return formula->has_bottle ? NULL : "there is no bottle of it";
}

static int warn(const struct search *search, const struct bfs_formula *formula,
	const struct bfs_formula *upgraded, const char *reason)
{
	_cleanup_free_ char *text = bfs_format("%s, which depends on %s, is not upgraded to %s: %s",
		formula->name, upgraded->name, formula->pkg_version, reason);

	return text ? bfs_strings_add(&search->resolution->warnings, text) : -ENOMEM;
}

/* A dependent: is there a newer version, and can it be poured? */
static int consider(
	const struct search *search, const char *name, const struct bfs_formula *upgraded)
{
	_cleanup_error_ struct bfs_error ignored = BFS_ERROR_INIT;
	const struct bfs_formula *formula;
	struct bfs_installed installed;
	const char *reason;
	int r = bfs_finder_find(search->finder, name, &formula, &ignored);

	if (r < 0) /* it is not known any more: it stays as it is */
		return r == -ENOMEM ? r : 0;
	r = bfs_installed_read(search->tree, formula, &installed, search->error);
	if (r < 0)
		return r;
	reason = why_not(formula);
	if (!installed.current && !installed.pinned)
		r = reason ? warn(search, formula, upgraded, reason)
			   : bfs_strings_add(search->names, formula->name);
	bfs_installed_release(&installed);
	return r;
}

static int look_at(const struct search *search, const struct bfs_rack *rack)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	const struct bfs_formula *upgraded;
	int r;

	if (is_poured(search->resolution, rack->name) ||
		bfs_strings_contains(*search->names, rack->name))
		return 0;
	r = bfs_receipt_load(search->tree, rack->name, bfs_rack_current(rack), &receipt, NULL);
	if (r < 0) /* a keg without a record says nothing */
		return r == -ENOMEM ? r : 0;
	upgraded = find_upgraded(search->resolution, &receipt);
	return upgraded ? consider(search, rack->name, upgraded) : 0;
}

static bool has_upgrades(const struct bfs_resolution *resolution)
{
	for (size_t i = 0; i < resolution->count; i++)
		if (resolution->items[i].action == BFS_RESOLVE_UPGRADE)
			return true;
	return false;
}

int bfs_dependents_list(struct bfs_tree *tree, struct bfs_finder *finder,
	struct bfs_resolution *resolution, bfs_strings *names, struct bfs_error *error)
{
	struct search search = {tree, finder, resolution, names, error};
	struct bfs_rack *racks = NULL;
	size_t count = 0;
	int r;

	if (!tree || !has_upgrades(resolution))
		return 0;
	r = bfs_rack_list(tree, &racks, &count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = look_at(&search, &racks[i]);
	bfs_racks_free(racks, count);
	return r;
}
