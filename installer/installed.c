#include "installer/installed.h"

#include "index/keg.h"
#include "index/tree_path.h"
#include "installer/prefix.h"
#include "installer/version.h"
#include "lib/file.h"

#include <string.h>

/* The receipt of the installed version, and its version_scheme. */
static int read_record(
	struct bfs_tree *tree, struct bfs_installed *installed, struct bfs_error *error)
{
	const char *name = installed->rack;
	struct bfs_keg keg = {0};
	int r = bfs_keg_get(tree, name, installed->version, &keg);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return bfs_error_set(error, r, "reading the record", name, NULL);
	r = bfs_json_parse(keg.record, strlen(keg.record), name, &installed->record, error);
	if (r == 0 && !json_is_object(installed->record))
		r = bfs_error_set(error, -EUCLEAN, "reading the record", name, "not an object");
	bfs_keg_release(&keg);
	return r;
}

static int version_scheme(const json_t *record)
{
	const json_t *versions = json_object_get(json_object_get(record, "source"), "versions");
	int64_t scheme = 0;

	bfs_json_get_int(versions, "version_scheme", 0, INT32_MAX, &scheme);
	return (int)scheme;
}

static int read_versions(struct bfs_tree *tree, const char *name, const char *pkg_version,
	struct bfs_installed *installed)
{
	_cleanup_free_ char **versions = NULL;
	size_t count = 0;
	int r = bfs_rack_versions(tree, name, &versions);

	if (r < 0)
		return r;
	for (; versions[count]; count++)
		installed->latest |= strcmp(versions[count], pkg_version) == 0;
	r = bfs_opt_version(tree, name, &installed->version);
	if (r < 0 && r != -ENOENT)
		return r;
	installed->opt = r == 0;
	if (!installed->opt && count == 0)
		return 0;
	installed->rack = strdup(name);
	if (!installed->version)
		installed->version = strdup(versions[count - 1]);
	return installed->rack && installed->version ? 0 : -ENOMEM;
}

/* A rack that was migrated is a link under its old name. */
static bool is_rack(struct bfs_tree *tree, const char *name)
{
	_cleanup_free_ char *path = bfs_format("%s/%s", BFS_CELLAR, name);
	struct bfs_attributes attributes;

	return path && bfs_tree_lstat_path(tree, path, &attributes) == 0 &&
	       S_ISDIR(attributes.mode);
}

/* Under its name or, where there is nothing, the first of its old names that has kegs. */
static int find_rack(
	struct bfs_tree *tree, const struct bfs_formula *formula, struct bfs_installed *installed)
{
	int r = read_versions(tree, formula->name, formula->pkg_version, installed);

	for (char **old = formula->old_names; r == 0 && !installed->rack && old && *old; old++)
		if (bfs_formula_name_is_valid(*old) && is_rack(tree, *old))
			r = read_versions(tree, *old, formula->pkg_version, installed);
	return r;
}

/* What is a record in a directory of its own: linked, pinned. */
static int read_marks(struct bfs_tree *tree, struct bfs_installed *installed)
{
	const char *name = installed->rack;
	_cleanup_free_ char *linked = NULL;
	_cleanup_free_ char *pin = bfs_format("%s/%s", BFS_PINNED_RECORDS, name);
	struct bfs_attributes attributes;
	int r = pin ? bfs_linked_version(tree, name, &linked) : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return r;
	installed->linked = r == 0;
	r = bfs_tree_lstat_path(tree, pin, &attributes);
	installed->pinned = r == 0;
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int bfs_installed_read(struct bfs_tree *tree, const struct bfs_formula *formula,
	struct bfs_installed *ret_installed, struct bfs_error *error)
{
	struct bfs_installed installed = {0};
	int r = 0;

	if (tree)
		r = find_rack(tree, formula, &installed);
	if (r == 0 && installed.rack)
		r = read_marks(tree, &installed);
	if (r < 0)
		bfs_error_set(error, r, "looking for what is installed", formula->name, NULL);
	if (r == 0 && installed.rack)
		r = read_record(tree, &installed, error);
	if (r < 0) {
		bfs_installed_release(&installed);
		return r;
	}
	installed.current =
		installed.opt &&
		(installed.latest || bfs_scheme_version_compare(version_scheme(installed.record),
					     installed.version, formula->version_scheme,
					     formula->pkg_version) >= 0);
	*ret_installed = installed;
	return 0;
}

void bfs_installed_release(struct bfs_installed *installed)
{
	free(installed->rack);
	free(installed->version);
	json_decref(installed->record);
	*installed = (struct bfs_installed){0};
}

bool bfs_installed_has_old_name(
	const struct bfs_installed *installed, const struct bfs_formula *formula)
{
	return installed->rack && strcmp(installed->rack, formula->name) != 0;
}

static bool is_name_of(const struct bfs_formula *formula, const char *full_name)
{
	const char *slash = strrchr(full_name, '/');
	const char *name = slash ? slash + 1 : full_name;

	return strcmp(name, formula->name) == 0 || bfs_strings_contains(formula->aliases, name) ||
	       bfs_strings_contains(formula->old_names, name);
}

const json_t *bfs_tab_dependency(const json_t *tab, const struct bfs_formula *formula)
{
	const json_t *dependencies = json_object_get(tab, "runtime_dependencies");
	const json_t *dependency;
	size_t i;

	json_array_foreach(dependencies, i, dependency)
	{
		const char *name = bfs_json_string_or(dependency, "full_name", NULL);

		if (name && is_name_of(formula, name))
			return dependency;
	}
	return NULL;
}

/* Equal compatibility versions in tab, keg and formula make every version do. */
static bool is_compatible(const struct bfs_installed *installed, const struct bfs_formula *formula,
	const json_t *minimum)
{
	const json_t *versions =
		json_object_get(json_object_get(installed->record, "source"), "versions");
	int64_t needed, there;

	return formula->compatibility_version >= 0 &&
	       bfs_json_get_int(minimum, "compatibility_version", 0, INT32_MAX, &needed) == 0 &&
	       bfs_json_get_int(versions, "compatibility_version", 0, INT32_MAX, &there) == 0 &&
	       needed == there && needed == formula->compatibility_version;
}

/* Length of a keg's version without its revision. */
static size_t version_length(const char *pkg_version)
{
	const char *underscore = strrchr(pkg_version, '_');

	if (!underscore || !underscore[1] ||
		underscore[1 + strspn(underscore + 1, "0123456789")] != '\0')
		return strlen(pkg_version);
	return (size_t)(underscore - pkg_version);
}

/*
 * Tabs before Homebrew 4.1.18 have no revision: an equal version may then be too old, unless the
 * formula has no revision either.
 */
static bool is_newer_than_version(
	const char *installed, const struct bfs_formula *formula, const char *version)
{
	_cleanup_free_ char *bare = strndup(installed, version_length(installed));
	int order = bare ? bfs_version_compare(bare, version) : -1;

	return order > 0 || (order == 0 && formula->revision == 0);
}

bool bfs_installed_satisfies(const struct bfs_installed *installed,
	const struct bfs_formula *formula, const json_t *minimum)
{
	const char *version = bfs_json_string_or(minimum, "version", NULL);
	_cleanup_free_ char *pkg_version = NULL;
	int64_t revision;

	if (!installed->opt)
		return false;
	if (installed->current || is_compatible(installed, formula, minimum))
		return true;
	if (!version || !*version)
		return false;
	if (bfs_json_get_int(minimum, "revision", 0, INT32_MAX, &revision) < 0)
		return is_newer_than_version(installed->version, formula, version);
	pkg_version = revision ? bfs_format("%s_%d", version, (int)revision) : strdup(version);
	return pkg_version && bfs_pkg_version_compare(installed->version, pkg_version) >= 0;
}
