#include "installer/missing.h"

#include "lib/buffer.h"

static bool is_missing(const struct bfs_finder *finder, const struct bfs_resolved *item)
{
	bool poured = item->action == BFS_RESOLVE_POUR || item->action == BFS_RESOLVE_UPGRADE;

	return poured && !bfs_finder_local(finder, item->formula) &&
	       !bfs_depot_has_bottle(finder->depot, item->formula);
}

int bfs_missing_check(const struct bfs_finder *finder, const struct bfs_resolution *resolution,
	struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer versions = BFS_BUFFER_INIT, names = BFS_BUFFER_INIT;
	int r = 0;

	for (size_t i = 0; finder->depot && r == 0 && i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		if (!is_missing(finder, item))
			continue;
		r = bfs_buffer_append_format(&versions, "%s%s %s", versions.length ? ", " : "",
			item->formula->name, item->formula->pkg_version);
		if (r == 0)
			r = bfs_buffer_append_format(&names, " %s", item->formula->name);
	}
	if (r < 0 || names.length == 0)
		return r;
	return bfs_error_set(error, -ENOENT, "looking for bottles", bfs_depot_path(finder->depot),
		"these are missing: %s. Where there is a network: brewfs fetch --tag %s --to %s%s",
		versions.data, finder->tag, bfs_depot_path(finder->depot), names.data);
}
