#include "index/selection.h"

#include "index/rack.h"
#include "index/receipt.h"
#include "index/tree_path.h"

#include <string.h>

static const struct bfs_digest *digest_of(const struct bfs_content *content)
{
	return content->packed ? &content->pack : &content->digest;
}

/* The slot of the file, or the free one where it belongs. There always is a free one. */
static uint32_t *find_slot(const struct bfs_selection *selection, const struct bfs_content *content)
{
	uint64_t hash;
	size_t i;

	memcpy(&hash, digest_of(content)->bytes, sizeof(hash));
	for (i = hash & (selection->slot_count - 1); selection->slots[i];
		i = (i + 1) & (selection->slot_count - 1)) {
		const struct bfs_content *file = &selection->files[selection->slots[i] - 1];

		if (file->packed == content->packed &&
			bfs_digest_equal(digest_of(file), digest_of(content)))
			break;
	}
	return &selection->slots[i];
}

/* Twice the files, and slots for four times as many. */
static int grow(struct bfs_selection *selection)
{
	size_t capacity = selection->capacity ? 2 * selection->capacity : 64;
	struct bfs_content *files =
		reallocarray(selection->files, capacity, sizeof(*selection->files));
	uint32_t *slots = calloc(4 * capacity, sizeof(*slots));

	if (files)
		selection->files = files;
	if (!files || !slots || capacity > UINT32_MAX / 4) {
		free(slots);
		return -ENOMEM;
	}
	free(selection->slots);
	selection->slots = slots;
	selection->slot_count = 4 * capacity;
	selection->capacity = capacity;
	for (size_t i = 0; i < selection->count; i++)
		*find_slot(selection, &files[i]) = (uint32_t)i + 1;
	return 0;
}

/* Of a pack the content that ends last is kept: it tells how much of the pack there is. */
static int add_content(struct bfs_selection *selection, const struct bfs_content *content)
{
	uint32_t *slot;
	int r = selection->count == selection->capacity ? grow(selection) : 0;

	if (r < 0)
		return r;
	slot = find_slot(selection, content);
	if (!*slot) {
		selection->files[selection->count++] = *content;
		*slot = (uint32_t)selection->count;
	} else if (content->offset > selection->files[*slot - 1].offset) {
		selection->files[*slot - 1] = *content;
	}
	return 0;
}

static int add_file(struct bfs_selection *selection, struct bfs_tree *tree,
	const struct bfs_attributes *attributes)
{
	struct bfs_content content;
	int r = attributes->object ? bfs_tree_content(tree, attributes->ino, &content) : 0;

	return r == 0 && attributes->object ? add_content(selection, &content) : r;
}

/* Directories still to be read. */
struct walk {
	struct bfs_selection *selection;
	struct bfs_tree *tree;
	uint64_t *directories;
	size_t count, capacity;
};

static int push(struct walk *walk, uint64_t ino)
{
	if (walk->count == walk->capacity) {
		size_t capacity = walk->capacity ? 2 * walk->capacity : 64;
		uint64_t *grown = reallocarray(walk->directories, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		walk->directories = grown;
		walk->capacity = capacity;
	}
	walk->directories[walk->count++] = ino;
	return 0;
}

static int visit(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct walk *walk = context;

	(void)name;
	(void)length;
	(void)cookie;
	if (S_ISDIR(attributes->mode))
		return push(walk, attributes->ino);
	return S_ISREG(attributes->mode) ? add_file(walk->selection, walk->tree, attributes) : 0;
}

int bfs_selection_add_directory(
	struct bfs_selection *selection, struct bfs_tree *tree, uint64_t ino)
{
	struct walk walk = {.selection = selection, .tree = tree};
	struct bfs_tree_counts counts;
	int64_t left = 0;
	int r = bfs_tree_count(tree, &counts);

	if (r == 0)
		left = counts.directories;
	if (r == 0)
		r = push(&walk, ino);
	/* A damaged index may have a directory in itself. */
	for (; r == 0 && walk.count > 0; left--)
		r = left > 0 ? bfs_tree_read_directory(
				       tree, walk.directories[--walk.count], 0, visit, &walk)
			     : -EUCLEAN;
	free(walk.directories);
	return r;
}

static int add_any(struct bfs_selection *selection, struct bfs_tree *tree,
	const struct bfs_attributes *attributes)
{
	if (S_ISDIR(attributes->mode))
		return bfs_selection_add_directory(selection, tree, attributes->ino);
	return S_ISREG(attributes->mode) ? add_file(selection, tree, attributes) : 0;
}

int bfs_selection_add_path(struct bfs_selection *selection, struct bfs_tree *tree, const char *path)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_stat_path(tree, path, &attributes);

	return r < 0 ? r : add_any(selection, tree, &attributes);
}

/* The record, if `ret_receipt` is not NULL; one that was never made is empty. */
static int add_keg(struct bfs_selection *selection, struct bfs_tree *tree, const char *name,
	struct bfs_receipt *ret_receipt)
{
	_cleanup_rack_ struct bfs_rack rack = {0};
	struct bfs_attributes attributes;
	int r = bfs_rack_find(tree, name, &rack);

	if (r == 0)
		r = bfs_rack_keg(tree, rack.name, bfs_rack_current(&rack), &attributes);
	if (r == 0)
		r = add_any(selection, tree, &attributes);
	if (r < 0 || !ret_receipt)
		return r;
	r = bfs_receipt_load(tree, rack.name, bfs_rack_current(&rack), ret_receipt, NULL);
	return r == -ENOENT ? 0 : r;
}

int bfs_selection_add_formula(
	struct bfs_selection *selection, struct bfs_tree *tree, const char *name)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = add_keg(selection, tree, name, &receipt);

	for (size_t i = 0; r == 0 && i < receipt.count; i++) {
		r = add_keg(selection, tree, receipt.dependencies[i].name, NULL);
		r = r == -ENOENT ? 0 : r;
	}
	return r;
}

uint64_t bfs_selection_bytes(const struct bfs_selection *selection)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < selection->count; i++)
		bytes += selection->files[i].size +
			 (selection->files[i].packed ? selection->files[i].offset : 0);
	return bytes;
}

void bfs_selection_release(struct bfs_selection *selection)
{
	free(selection->files);
	free(selection->slots);
	*selection = (struct bfs_selection){0};
}
