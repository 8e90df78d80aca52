#include "installer/formula_installed.h"

#include "index/receipt.h"
#include "installer/formula_private.h"
#include "installer/prefix.h"
#include "lib/path.h"

#include <string.h>

/* "1.2" and 3 of "1.2_3". */
static int set_version(struct bfs_formula *formula, const char *pkg_version)
{
	const char *underscore = strrchr(pkg_version, '_');
	size_t length = strlen(pkg_version);

	if (underscore && underscore[1] && strlen(underscore) < 9 &&
		underscore[1 + strspn(underscore + 1, "0123456789")] == '\0') {
		formula->revision = atoi(underscore + 1);
		length = (size_t)(underscore - pkg_version);
	}
	formula->version = strndup(pkg_version, length);
	formula->pkg_version = strdup(pkg_version);
	return formula->version && formula->pkg_version ? 0 : -ENOMEM;
}

static int set_source(struct bfs_formula *formula, const json_t *document)
{
	const json_t *source = json_object_get(document, "source");
	const json_t *versions = json_object_get(source, "versions");
	const char *tap = bfs_json_string_or(source, "tap", NULL);
	int64_t number;

	if (bfs_json_get_int(versions, "version_scheme", 0, INT32_MAX, &number) == 0)
		formula->version_scheme = (int)number;
	if (bfs_json_get_int(versions, "compatibility_version", 0, INT32_MAX, &number) == 0)
		formula->compatibility_version = (int)number;
	if (!tap || !bfs_formula_tap_is_valid(tap))
		return 0;
	free(formula->tap);
	formula->tap = strdup(tap);
	return formula->tap ? 0 : -ENOMEM;
}

static int set_names(struct bfs_formula *formula, const struct bfs_receipt *receipt)
{
	const json_t *aliases = json_object_get(receipt->document, "aliases"), *alias;
	size_t i;
	int r = 0;

	json_array_foreach(aliases, i, alias)
	{
		const char *name = json_string_value(alias);

		if (r == 0 && name && bfs_formula_name_is_valid(name))
			r = bfs_strings_add(&formula->aliases, name);
	}
	for (i = 0; r == 0 && i < receipt->count; i++)
		if (receipt->dependencies[i].direct &&
			bfs_formula_reference_is_valid(receipt->dependencies[i].full_name))
			r = bfs_strings_add(
				&formula->dependencies, receipt->dependencies[i].full_name);
	return r;
}

static int make(const char *name, const char *version, const struct bfs_receipt *receipt,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	int r = bfs_formula_new(name, &formula, error);

	if (r == 0)
		r = set_version(formula, version);
	if (r == 0)
		r = set_source(formula, receipt->document);
	if (r == 0)
		r = set_names(formula, receipt);
	if (r == 0)
		*ret_formula = bfs_steal(&formula);
	return r;
}

/* Whether "user/repo/" before the name is the formula's tap. */
static bool is_of_tap(const struct bfs_formula *formula, const char *name)
{
	size_t length = (size_t)(bfs_path_base(name) - name);

	return length == 0 ||
	       (strlen(formula->tap) + 1 == length && strncmp(formula->tap, name, length - 1) == 0);
}

int bfs_formula_from_installed(struct bfs_tree *tree, const char *name,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	_cleanup_free_ char *keg = NULL, *rack = NULL, *version = NULL;
	int r = bfs_formula_reference_is_valid(name) ? bfs_opt_keg(tree, bfs_path_base(name), &keg)
						     : -ENOENT;

	if (r == 0)
		r = bfs_keg_split(keg, &rack, &version);
	if (r == 0)
		r = bfs_receipt_load(tree, rack, version, &receipt, error);
	if (r == 0)
		r = make(rack, version, &receipt, &formula, error);
	if (r < 0)
		return r;
	if (!is_of_tap(formula, name))
		return -ENOENT;
	*ret_formula = bfs_steal(&formula);
	return 0;
}
