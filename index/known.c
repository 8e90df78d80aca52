#include "index/known.h"

#include <string.h>

/* A digest's own bytes are as good as any hash of them. */
static size_t first_slot(const struct bfs_known *known, const struct bfs_digest *digest)
{
	uint64_t hash;

	memcpy(&hash, digest->bytes, sizeof(hash));
	return (size_t)hash & (known->slot_count - 1);
}

struct bfs_content *bfs_known_find(const struct bfs_known *known, const struct bfs_digest *digest,
	bool executable)
{
	if (known->slot_count == 0)
		return NULL;
	for (size_t slot = first_slot(known, digest); known->slots[slot];
		slot = (slot + 1) & (known->slot_count - 1)) {
		struct bfs_content *content = &known->contents[known->slots[slot] - 1];

		if (bfs_digest_equal(&content->digest, digest) &&
			(content->packed || content->executable == executable))
			return content;
	}
	return NULL;
}

static void insert_slot(struct bfs_known *known, size_t position)
{
	size_t slot = first_slot(known, &known->contents[position].digest);

	while (known->slots[slot])
		slot = (slot + 1) & (known->slot_count - 1);
	known->slots[slot] = (uint32_t)position + 1;
}

static int grow_slots(struct bfs_known *known)
{
	size_t count = known->slot_count ? 2 * known->slot_count : 64;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(known->slots);
	known->slots = slots;
	known->slot_count = count;
	for (size_t i = 0; i < known->count; i++)
		insert_slot(known, i);
	return 0;
}

static int grow_contents(struct bfs_known *known)
{
	size_t capacity = known->capacity ? 2 * known->capacity : 32;
	struct bfs_content *contents;

	if (capacity > UINT32_MAX / 2)
		return -ENOSPC;
	contents = reallocarray(known->contents, capacity, sizeof(*contents));
	if (!contents)
		return -ENOMEM;
	known->contents = contents;
	known->capacity = capacity;
	return 0;
}

int bfs_known_add(struct bfs_known *known, const struct bfs_content *content)
{
	int r = 0;

	if (known->count == known->capacity)
		r = grow_contents(known);
	if (r == 0 && 2 * (known->count + 1) > known->slot_count)
		r = grow_slots(known);
	if (r < 0)
		return r;
	known->contents[known->count] = *content;
	insert_slot(known, known->count++);
	return 0;
}

void bfs_known_release(struct bfs_known *known)
{
	free(known->contents);
	free(known->slots);
	*known = (struct bfs_known){0};
}
