#include "installer/finder.h"

#include "installer/formula_installed.h"
#include "lib/path.h"

#include <string.h>

/* A local bottle answers to its name, with or without its tap. */
static bool answers_to(const struct bfs_formula *formula, const char *name)
{
	const char *base = bfs_path_base(name);
	size_t tap_length = (size_t)(base - name);

	if (strcmp(base, formula->name) != 0)
		return false;
	return tap_length == 0 || (strlen(formula->tap) + 1 == tap_length &&
					  strncmp(name, formula->tap, tap_length - 1) == 0);
}

static int open_once(struct bfs_finder *finder, struct bfs_error *error)
{
	int r = finder->depot ? bfs_catalog_open_depot(
					finder->tag, finder->depot, &finder->catalog, error)
			      : bfs_catalog_open(finder->tag, BFS_CATALOG_FRESH,
					&finder->catalog, error);

	for (size_t i = 0; r == 0 && i < finder->tap_count; i++)
		r = bfs_catalog_add_tap(finder->catalog, finder->taps[i].name, finder->taps[i].url,
			error);
	return r;
}

/* A server that cannot be reached is not asked again for every name. */
static int open_catalog(struct bfs_finder *finder, struct bfs_error *error)
{
	if (finder->failure.code == 0) {
		int r = open_once(finder, &finder->failure);

		if (r == 0)
			return 0;
		bfs_catalog_free(bfs_steal(&finder->catalog));
		finder->failure.code = r;
	}
	if (error && !error->message && finder->failure.message) {
		error->code = finder->failure.code;
		error->message = strdup(finder->failure.message);
	}
	return finder->failure.code;
}

int bfs_finder_find(void *context, const char *name, const struct bfs_formula **ret_formula,
	struct bfs_error *error)
{
	struct bfs_finder *finder = context;

	for (size_t i = 0; i < finder->bottle_count; i++)
		if (answers_to(finder->bottles[i].formula, name)) {
			*ret_formula = finder->bottles[i].formula;
			return 0;
		}
	if (!finder->catalog) {
		int r = open_catalog(finder, error);

		if (r < 0)
			return r;
	}
	return bfs_catalog_find(finder->catalog, name, ret_formula, error);
}

static const struct bfs_formula *known(const struct bfs_finder *finder, const char *name)
{
	for (size_t i = 0; i < finder->installed_count; i++) {
		const struct bfs_formula *formula = finder->installed[i];

		if (answers_to(formula, name) || bfs_strings_contains(formula->aliases, name))
			return formula;
	}
	return NULL;
}

int bfs_finder_find_installed(void *context, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error)
{
	struct bfs_finder *finder = context;
	struct bfs_formula **grown;
	int r = finder->tree ? 0 : -ENOENT;

	*ret_formula = known(finder, name);
	if (*ret_formula || r < 0)
		return r;
	grown = reallocarray(finder->installed, finder->installed_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	finder->installed = grown;
	r = bfs_formula_from_installed(finder->tree, name, &grown[finder->installed_count], error);
	if (r == 0)
		*ret_formula = grown[finder->installed_count++];
	return r;
}

void bfs_finder_look_into(struct bfs_finder *finder, struct bfs_tree *tree)
{
	for (size_t i = 0; i < finder->installed_count; i++)
		bfs_formula_free(finder->installed[i]);
	free(bfs_steal(&finder->installed));
	finder->installed_count = 0;
	finder->tree = tree;
}

const struct bfs_local_bottle *bfs_finder_local(const struct bfs_finder *finder,
	const struct bfs_formula *formula)
{
	for (size_t i = 0; i < finder->bottle_count; i++)
		if (finder->bottles[i].formula == formula)
			return &finder->bottles[i];
	return NULL;
}

void bfs_finder_release(struct bfs_finder *finder)
{
	bfs_finder_look_into(finder, NULL);
	bfs_catalog_free(bfs_steal(&finder->catalog));
	bfs_error_clear(&finder->failure);
}
