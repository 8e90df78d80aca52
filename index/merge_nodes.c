#include "index/merge_nodes.h"

#include "lib/db.h"

#include <string.h>

#define FIRST_SLOTS 256

/* Where the number is, or the free slot where it belongs (Fibonacci hashing, linear probing). */
static size_t slot_of(const struct bfs_merge_nodes *nodes, uint64_t ino)
{
	size_t slot =
		(size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (nodes->slot_count - 1);

	while (nodes->slots[slot] && nodes->nodes[nodes->slots[slot] - 1].ino != ino)
		slot = (slot + 1) & (nodes->slot_count - 1);
	return slot;
}

struct bfs_merge_node *bfs_merge_nodes_find(const struct bfs_merge_nodes *nodes, uint64_t ino)
{
	size_t slot;

	if (nodes->slot_count == 0)
		return NULL;
	slot = slot_of(nodes, ino);
	return nodes->slots[slot] ? &nodes->nodes[nodes->slots[slot] - 1] : NULL;
}

static int grow_slots(struct bfs_merge_nodes *nodes)
{
	size_t count = nodes->slot_count ? nodes->slot_count * 2 : FIRST_SLOTS;
	uint32_t *slots;

	if (nodes->slot_count > UINT32_MAX / 2)
		return -ENOMEM;
	slots = calloc(count, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(nodes->slots);
	nodes->slots = slots;
	nodes->slot_count = count;
	for (size_t i = 0; i < nodes->count; i++)
		slots[slot_of(nodes, nodes->nodes[i].ino)] = (uint32_t)i + 1;
	return 0;
}

static int grow_nodes(struct bfs_merge_nodes *nodes)
{
	size_t capacity = nodes->capacity ? nodes->capacity * 2 : FIRST_SLOTS / 2;
	struct bfs_merge_node *grown = reallocarray(nodes->nodes, capacity, sizeof(*nodes->nodes));

	if (!grown)
		return -ENOMEM;
	nodes->nodes = grown;
	nodes->capacity = capacity;
	return 0;
}

int bfs_merge_nodes_add(
	struct bfs_merge_nodes *nodes, uint64_t ino, struct bfs_merge_node **ret_node)
{
	struct bfs_merge_node *node = bfs_merge_nodes_find(nodes, ino);
	int r = 0;

	if (!node) {
		if (nodes->count >= nodes->slot_count / 2)
			r = grow_slots(nodes);
		if (r == 0 && nodes->count == nodes->capacity)
			r = grow_nodes(nodes);
		if (r < 0)
			return r;
		node = &nodes->nodes[nodes->count];
		*node = (struct bfs_merge_node){.ino = ino};
		nodes->slots[slot_of(nodes, ino)] = (uint32_t)++nodes->count;
	}
	*ret_node = node;
	return 0;
}

void bfs_merge_nodes_release(struct bfs_merge_nodes *nodes)
{
	free(nodes->nodes);
	free(nodes->slots);
	*nodes = (struct bfs_merge_nodes)BFS_MERGE_NODES_INIT;
}

/* Marks a directory and those above it, up to one that is marked. */
static int enter(struct bfs_merge_nodes *nodes, struct bfs_tree *ours, uint64_t ino)
{
	for (;;) {
		struct bfs_attributes attributes;
		struct bfs_merge_node *node;
		int r = bfs_merge_nodes_add(nodes, ino, &node);

		if (r < 0 || node->entered)
			return r;
		node->entered = true;
		if (ino == BFS_TREE_ROOT)
			return 0;
		r = bfs_tree_stat(ours, ino, &attributes);
		if (r < 0 || !S_ISDIR(attributes.mode))
			return r == -ENOENT || r == 0 ? -EUCLEAN : r;
		ino = attributes.parent;
	}
}

static bool is_in_base(struct bfs_tree *base, uint64_t ino)
{
	struct bfs_attributes attributes;

	return base && bfs_tree_stat(base, ino, &attributes) == 0;
}

/* Enters the touched directories; whether there is another inode that the base has. */
static int enter_touched(struct bfs_merge_nodes *nodes, struct bfs_tree *base,
	struct bfs_tree *ours, bool *ret_others)
{
	size_t count = nodes->count; /* what enter() adds is not touched */

	for (size_t i = 0; i < count; i++) {
		struct bfs_attributes attributes;
		int r;

		if (!nodes->nodes[i].touched)
			continue;
		r = bfs_tree_stat(ours, nodes->nodes[i].ino, &attributes);
		if (r == -ENOENT) /* unlinked */
			continue;
		if (r == 0 && S_ISDIR(attributes.mode))
			r = enter(nodes, ours, attributes.ino);
		else if (r == 0 && !*ret_others)
			*ret_others = is_in_base(base, attributes.ino);
		if (r < 0)
			return r;
	}
	return 0;
}

static int enter_directories_of_names(struct bfs_merge_nodes *nodes, struct bfs_tree *ours)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(ours), "SELECT ino, parent FROM dirent", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const struct bfs_merge_node *node =
			bfs_merge_nodes_find(nodes, (uint64_t)sqlite3_column_int64(stmt, 0));

		if (node && node->touched)
			r = enter(nodes, ours, (uint64_t)sqlite3_column_int64(stmt, 1));
	}
	return r;
}

int bfs_merge_nodes_enter(
	struct bfs_merge_nodes *nodes, struct bfs_tree *base, struct bfs_tree *ours)
{
	bool others = false;
	int r = enter_touched(nodes, base, ours, &others);

	return r == 0 && others ? enter_directories_of_names(nodes, ours) : r;
}
