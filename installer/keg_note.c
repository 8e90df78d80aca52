#include "installer/keg_note.h"

#include "index/keg.h"
#include "index/receipt.h"
#include "installer/prefix.h"
#include "installer/tab.h"

#include <string.h>

#define OWN "brewfs"

/* What is not in a receipt: NULL for a formula that has none of it, or when out of memory. */
static json_t *own_member(const struct bfs_formula *formula)
{
	const char *reason = !formula->keg_only		? NULL
			     : formula->keg_only_reason ? formula->keg_only_reason
							: "";

	if (!reason && !formula->caveats)
		return NULL;
	return json_pack("{s:s*, s:s*}", "keg_only", reason, "caveats", formula->caveats);
}

/* Takes `own` over. */
static int put(struct bfs_tree *tree, struct bfs_keg *keg, const json_t *receipt, json_t *own,
	struct bfs_error *error)
{
	_cleanup_json_ json_t *noted = json_copy((json_t *)receipt);
	int r = 0;

	if (own && json_object_set_new(noted, OWN, own) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = noted ? bfs_tab_record(noted, &keg->record) : -ENOMEM;
	if (r == 0)
		r = bfs_keg_put(tree, keg);
	return r < 0 ? bfs_error_set(error, r, "noting the keg", keg->name, NULL) : 0;
}

int bfs_keg_note(struct bfs_tree *tree, const struct bfs_formula *formula, const json_t *receipt,
	const char *pending, struct bfs_error *error)
{
	struct bfs_keg keg = {formula->name, formula->pkg_version, NULL, (char *)pending};
	int r = put(tree, &keg, receipt, own_member(formula), error);

	free(keg.record);
	return r;
}

int bfs_keg_note_receipt(struct bfs_tree *tree, const char *name, const char *version,
	const json_t *receipt, struct bfs_error *error)
{
	struct bfs_receipt old = {0};
	struct bfs_keg keg = {(char *)name, (char *)version, NULL, NULL};
	int r = bfs_receipt_load(tree, name, version, &old, error);

	if (r == -ENOENT) {
		bfs_error_clear(error);
		r = 0;
	}
	keg.pending = old.pending;
	if (r == 0)
		r = put(tree, &keg, receipt, json_incref(json_object_get(old.document, OWN)),
			error);
	free(keg.record);
	bfs_receipt_release(&old);
	return r;
}

/* The note of a keg by its path; -ENOENT where there is none. */
static int load(struct bfs_tree *tree, const char *keg, struct bfs_receipt *ret_receipt)
{
	_cleanup_free_ char *name = NULL, *version = NULL;
	int r = bfs_keg_split(keg, &name, &version);

	return r < 0 ? r : bfs_receipt_load(tree, name, version, ret_receipt, NULL);
}

bool bfs_keg_note_is_keg_only(struct bfs_tree *tree, const char *keg)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};

	return load(tree, keg, &receipt) == 0 && bfs_receipt_keg_only(&receipt);
}

int bfs_keg_note_aliases(struct bfs_tree *tree, const char *keg, bfs_strings *aliases)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	json_t *array, *alias;
	size_t i;
	int r = load(tree, keg, &receipt);

	if (r < 0 || bfs_json_get_array(receipt.document, "aliases", &array) < 0)
		return r == -ENOMEM ? r : 0;
	json_array_foreach(array, i, alias)
	{
		const char *name = json_string_value(alias);

		r = name && bfs_formula_name_is_valid(name) ? bfs_strings_add(aliases, name) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}
