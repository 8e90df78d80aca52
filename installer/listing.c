#include "installer/listing.h"

#include <string.h>

static int grow(struct bfs_listing *listing)
{
	size_t capacity = listing->capacity ? 2 * listing->capacity : 16;
	struct bfs_listing_entry *entries;

	if (listing->count < listing->capacity)
		return 0;
	entries = reallocarray(listing->entries, capacity, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	listing->entries = entries;
	listing->capacity = capacity;
	return 0;
}

static int add_entry(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct bfs_listing *listing = context;
	struct bfs_listing_entry *entry;
	int r = grow(listing);

	(void)cookie;
	if (r < 0)
		return r;
	entry = &listing->entries[listing->count];
	entry->name = strndup(name, length);
	if (!entry->name)
		return -ENOMEM;
	entry->length = length;
	entry->attributes = *attributes;
	listing->count++;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct bfs_listing_entry *left = a, *right = b;

	return strcmp(left->name, right->name);
}

int bfs_listing_read(struct bfs_tree *tree, uint64_t ino, struct bfs_listing *listing)
{
	int r = bfs_tree_read_directory(tree, ino, 0, add_entry, listing);

	if (r == 0 && listing->count)
		qsort(listing->entries, listing->count, sizeof(*listing->entries), compare_entries);
	return r;
}

void bfs_listing_release(struct bfs_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++)
		free(listing->entries[i].name);
	free(listing->entries);
	*listing = (struct bfs_listing)BFS_LISTING_INIT;
}
