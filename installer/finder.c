#include "installer/finder.h"

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

static int open_catalog(struct bfs_finder *finder, struct bfs_error *error)
{
	int r = bfs_catalog_open(finder->tag, BFS_CATALOG_FRESH, &finder->catalog, error);

	for (size_t i = 0; r == 0 && i < finder->tap_count; i++)
		r = bfs_catalog_add_tap(finder->catalog, finder->taps[i].name, finder->taps[i].url,
			error);
	return r;
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
	bfs_catalog_free(finder->catalog);
	finder->catalog = NULL;
}
