#include "installer/wanted.h"

#include <string.h>

void bfs_wanted_release(struct bfs_wanted *wanted)
{
	for (size_t i = 0; i < wanted->bottle_count; i++)
		bfs_local_bottle_release(&wanted->bottles[i]);
	free(wanted->bottles);
	free(wanted->requests);
	free(wanted->taps);
	bfs_brewfile_free(wanted->brewfile);
	*wanted = (struct bfs_wanted){0};
}

bool bfs_wanted_is_tag(const char *name)
{
	return strcmp(name, "x86_64_linux") == 0 || strcmp(name, "arm64_linux") == 0;
}

static int allocate(struct bfs_wanted *wanted, size_t count)
{
	wanted->requests = calloc(count + 1, sizeof(*wanted->requests));
	wanted->bottles = calloc(count + 1, sizeof(*wanted->bottles));
	wanted->taps = calloc(count + 1, sizeof(*wanted->taps));
	return wanted->requests && wanted->bottles && wanted->taps ? 0 : -ENOMEM;
}

/* Two bottles of one formula cannot both be what its name stands for. */
static int check_only_bottle(const struct bfs_wanted *wanted, const struct bfs_local_bottle *bottle,
	struct bfs_error *error)
{
	for (size_t i = 0; i < wanted->bottle_count; i++)
		if (strcmp(wanted->bottles[i].formula->name, bottle->formula->name) == 0)
			return bfs_error_set(error, -EINVAL, "reading the bottle", bottle->path,
				"%s is a bottle of %s as well", wanted->bottles[i].path,
				bottle->formula->name);
	return 0;
}

int bfs_wanted_from_operands(int count, char **operands, const char *tag, struct bfs_wanted *wanted,
	struct bfs_error *error)
{
	int r = allocate(wanted, (size_t)count);

	for (int i = 0; r == 0 && i < count; i++) {
		struct bfs_resolve_request *request = &wanted->requests[wanted->count++];

		request->name = operands[i];
		if (!bfs_local_bottle_is_path(operands[i]))
			continue;
		r = bfs_local_bottle_read(
			operands[i], tag, &wanted->bottles[wanted->bottle_count], error);
		if (r < 0)
			return r;
		r = check_only_bottle(wanted, &wanted->bottles[wanted->bottle_count], error);
		request->name = wanted->bottles[wanted->bottle_count++].formula->name;
	}
	return r;
}

int bfs_wanted_from_brewfile(const char *file, struct bfs_wanted *wanted, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	int r = bfs_brewfile_choose(file, false, &path, error);

	if (r == 0)
		r = bfs_brewfile_read(path, &wanted->brewfile, error);
	if (r == 0)
		r = allocate(wanted, wanted->brewfile->count);
	if (r < 0)
		return r;
	wanted->refused = bfs_brewfile_report(wanted->brewfile);
	for (size_t i = 0; i < wanted->brewfile->count; i++) {
		const struct bfs_brewfile_entry *entry = &wanted->brewfile->entries[i];

		if (entry->fate != BFS_BREWFILE_INSTALL)
			continue;
		if (entry->kind == BFS_BREWFILE_TAP)
			wanted->taps[wanted->tap_count++] =
				(struct bfs_finder_tap){entry->name, entry->url};
		else if (entry->kind == BFS_BREWFILE_BREW)
			wanted->requests[wanted->count++] = (struct bfs_resolve_request){
				.name = entry->name,
				.link = entry->link,
				.ensures_link = true,
				.unlinks_conflicts = true,
				.conflicts_with = entry->conflicts_with,
			};
	}
	return 0;
}
