#include "index/merge_side.h"

#include "lib/buffer.h"

#include <string.h>

struct bfs_merge_node *bfs_merge_side_node(const struct bfs_merge_side *side, uint64_t ino)
{
	return side->nodes ? bfs_merge_nodes_find(side->nodes, ino) : NULL;
}

/* Puts in what the tree does not know of a local file. */
static void complete(const struct bfs_merge_side *side, struct bfs_attributes *attributes)
{
	const struct bfs_merge_node *node =
		S_ISREG(attributes->mode) ? bfs_merge_side_node(side, attributes->ino) : NULL;

	if (!node || !node->local)
		return;
	attributes->size = node->size;
	attributes->mtime = node->mtime;
	attributes->object = 0;
}

int bfs_merge_side_root(const struct bfs_merge_side *side, struct bfs_attributes *ret_root)
{
	*ret_root = (struct bfs_attributes){0};
	return side->tree ? bfs_tree_stat(side->tree, BFS_TREE_ROOT, ret_root) : 0;
}

int bfs_merge_side_lookup(const struct bfs_merge_side *side, uint64_t parent, const char *name,
	size_t length, struct bfs_attributes *ret_attributes)
{
	struct bfs_attributes attributes = {0};
	int r = side->tree && parent
			? bfs_tree_lookup(side->tree, parent, name, length, &attributes)
			: -ENOENT;

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0)
		complete(side, &attributes);
	*ret_attributes = attributes;
	return 0;
}

int bfs_merge_side_content(const struct bfs_merge_side *side,
	const struct bfs_attributes *attributes, struct bfs_content *ret_content)
{
	struct bfs_merge_node *node = bfs_merge_side_node(side, attributes->ino);
	int r;

	if (!node || (!node->local && !node->restored))
		return bfs_tree_content(side->tree, attributes->ino, ret_content);
	r = node->known ? 0 : side->learn ? side->learn(side->context, node) : -ENODATA;
	if (r == 0)
		*ret_content = node->content;
	return r;
}

/* Bytes that were written again are where they were. */
static void adopt_place(const struct bfs_merge_side *side, uint64_t ino,
	const struct bfs_merge_side *other_side, uint64_t other, const struct bfs_content *content)
{
	struct bfs_merge_node *node = bfs_merge_side_node(side, ino);
	const struct bfs_merge_node *from = bfs_merge_side_node(other_side, other);

	if (!node || !node->local || node->placed || (from && from->local && !from->placed))
		return;
	node->content = *content;
	node->placed = node->adopted = true;
}

static int equal_contents(const struct bfs_merge_side *side,
	const struct bfs_attributes *attributes, const struct bfs_merge_side *other_side,
	const struct bfs_attributes *other, bool *ret_equal)
{
	struct bfs_content a, b;
	int r = bfs_merge_side_content(side, attributes, &a);

	if (r == 0)
		r = bfs_merge_side_content(other_side, other, &b);
	if (r < 0)
		return r;
	*ret_equal = bfs_digest_equal(&a.digest, &b.digest);
	if (*ret_equal) {
		adopt_place(side, attributes->ino, other_side, other->ino, &b);
		adopt_place(other_side, other->ino, side, attributes->ino, &a);
	}
	return 0;
}

static int equal_targets(const struct bfs_merge_side *side, uint64_t ino,
	const struct bfs_merge_side *other_side, uint64_t other, bool *ret_equal)
{
	_cleanup_free_ char *a = NULL, *b = NULL;
	int r = bfs_tree_read_link(side->tree, ino, &a);

	if (r == 0)
		r = bfs_tree_read_link(other_side->tree, other, &b);
	if (r == 0)
		*ret_equal = strcmp(a, b) == 0;
	return r;
}

int bfs_merge_side_equal(const struct bfs_merge_side *side, const struct bfs_attributes *attributes,
	const struct bfs_merge_side *other_side, const struct bfs_attributes *other,
	bool *ret_equal)
{
	mode_t type = attributes->mode & S_IFMT;

	*ret_equal = type == (other->mode & S_IFMT);
	if (!*ret_equal || type == S_IFDIR)
		return 0;
	*ret_equal = attributes->size == other->size;
	if (!*ret_equal || attributes->size == 0)
		return 0;
	if (type == S_IFREG)
		return equal_contents(side, attributes, other_side, other, ret_equal);
	if (type == S_IFLNK)
		return equal_targets(side, attributes->ino, other_side, other->ino, ret_equal);
	*ret_equal = false;
	return 0;
}

/* --- a directory, sorted --- */

struct entry {
	size_t offset, length; /* of the name */
	struct bfs_attributes attributes;
};

struct entries {
	const struct bfs_merge_side *side;
	struct entry *entries;
	size_t count, capacity;
	struct bfs_buffer names;
};

static int add_entry(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct entries *list = context;
	size_t offset = list->names.length;
	int r;

	(void)cookie;
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 32;
		struct entry *grown = reallocarray(list->entries, capacity, sizeof(*list->entries));

		if (!grown)
			return -ENOMEM;
		list->entries = grown;
		list->capacity = capacity;
	}
	r = bfs_buffer_append(&list->names, name, length);
	if (r == 0)
		r = bfs_buffer_append(&list->names, "", 1);
	if (r < 0)
		return r;
	list->entries[list->count] = (struct entry){offset, length, *attributes};
	complete(list->side, &list->entries[list->count].attributes);
	list->count++;
	return 0;
}

static int compare_entries(const void *first, const void *second, void *names)
{
	const struct entry *a = first, *b = second;

	return strcmp((const char *)names + a->offset, (const char *)names + b->offset);
}

static int read_entries(
	const struct bfs_merge_side *side, uint64_t ino, struct entries *ret_entries)
{
	int r = 0;

	ret_entries->side = side;
	if (side->tree && ino)
		r = bfs_tree_read_directory(side->tree, ino, 0, add_entry, ret_entries);
	if (r == 0 && ret_entries->count)
		qsort_r(ret_entries->entries, ret_entries->count, sizeof(*ret_entries->entries),
			compare_entries, ret_entries->names.data);
	return r;
}

/* Negative where the first list's name comes before the second's; a list that ended comes last. */
static int compare_heads(const struct entries *a, size_t i, const struct entries *b, size_t j)
{
	if (i == a->count || j == b->count)
		return i == a->count ? 1 : -1;
	return strcmp(a->names.data + a->entries[i].offset, b->names.data + b->entries[j].offset);
}

static void pair_up(const struct entries *a, const struct entries *b, struct bfs_merge_pairs *pairs)
{
	for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
		struct bfs_merge_pair *pair = &pairs->pairs[pairs->count++];
		int order = compare_heads(a, i, b, j);
		const struct entries *list = order <= 0 ? a : b;
		const struct entry *entry = &list->entries[order <= 0 ? i : j];

		*pair = (struct bfs_merge_pair){
			.name = list->names.data + entry->offset, .length = entry->length};
		if (order <= 0)
			pair->first = a->entries[i++].attributes;
		if (order >= 0)
			pair->second = b->entries[j++].attributes;
	}
}

int bfs_merge_pairs_read(const struct bfs_merge_side *first, uint64_t first_ino,
	const struct bfs_merge_side *second, uint64_t second_ino, struct bfs_merge_pairs *ret_pairs)
{
	struct entries a = {0}, b = {0};
	struct bfs_merge_pairs pairs = {0};
	int r = read_entries(first, first_ino, &a);

	if (r == 0)
		r = read_entries(second, second_ino, &b);
	if (r == 0) {
		pairs.pairs = calloc(a.count + b.count + 1, sizeof(*pairs.pairs));
		r = pairs.pairs ? 0 : -ENOMEM;
	}
	if (r == 0) {
		pair_up(&a, &b, &pairs);
		pairs.names[0] = bfs_steal(&a.names.data);
		pairs.names[1] = bfs_steal(&b.names.data);
		*ret_pairs = pairs;
	}
	free(a.entries);
	free(b.entries);
	bfs_buffer_release(&a.names);
	bfs_buffer_release(&b.names);
	return r;
}

void bfs_merge_pairs_release(struct bfs_merge_pairs *pairs)
{
	free(pairs->pairs);
	free(pairs->names[0]);
	free(pairs->names[1]);
	*pairs = (struct bfs_merge_pairs){0};
}
