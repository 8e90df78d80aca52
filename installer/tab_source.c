#include "installer/tab_source.h"

#include "installer/depot.h"
#include "installer/installed.h"
#include "lib/log.h"

static bool is_behind(const struct bfs_tab_source *source, const char *name)
{
	_cleanup_error_ struct bfs_error ignored = BFS_ERROR_INIT;
	const struct bfs_formula *formula;
	struct bfs_installed installed;
	bool behind;

	if (bfs_finder_find(source->finder, name, &formula, &ignored) < 0 ||
		bfs_installed_read(source->tree, formula, &installed, &ignored) < 0)
		return false;
	behind = installed.opt && !installed.current;
	bfs_installed_release(&installed);
	return behind;
}

/* Whether a dependency is installed, but not in its latest version. */
static bool matters(const struct bfs_tab_source *source, const struct bfs_formula *formula)
{
	for (char **name = formula->dependencies; name && *name; name++)
		if (is_behind(source, *name))
			return true;
	return false;
}

static int fetch(
	struct bfs_tab_source *source, const struct bfs_formula *formula, struct bfs_error *error)
{
	int r = 0;

	bfs_bottle_manifest_free(bfs_steal(&source->manifest));
	if (source->finder->depot)
		return bfs_depot_read_manifest(
			source->finder->depot, formula, &source->manifest, error);
	if (!source->registry)
		r = bfs_registry_new(&source->registry, error);
	if (r == 0 && !source->downloader)
		r = bfs_downloader_new(NULL, &source->downloader, error);
	if (r == 0)
		r = bfs_registry_fetch_manifest(
			source->registry, source->downloader, formula, &source->manifest, error);
	return r;
}

const json_t *bfs_tab_source_get(void *context, const struct bfs_formula *formula)
{
	struct bfs_tab_source *source = context;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_local_bottle *local = bfs_finder_local(source->finder, formula);
	int r;

	if (local)
		return local->tab;
	if (!source->tree || !formula->has_bottle || !matters(source, formula))
		return NULL;
	r = fetch(source, formula, &error);
	if (r < 0) {
		bfs_log_debug("%s: what it was built with is not known: %s", formula->name,
			bfs_error_message(&error, r));
		return NULL;
	}
	return source->manifest->tab;
}

void bfs_tab_source_release(struct bfs_tab_source *source)
{
	bfs_bottle_manifest_free(source->manifest);
	bfs_downloader_free(source->downloader);
	bfs_registry_free(source->registry);
}
