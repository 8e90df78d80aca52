#include "fs/lineage.h"

#include <pthread.h>
#include <string.h>

struct bfs_lineage {
	pthread_rwlock_t gate; /* read by requests, written by a switch; protects the two below */
	struct bfs_loaded **loaded; /* the current one first */
	size_t count;
};

/* A switch goes before new requests, or a busy mount would never get to it. */
static int make_gate(pthread_rwlock_t *ret_gate)
{
	pthread_rwlockattr_t attributes;
	int r = pthread_rwlockattr_init(&attributes);

	if (r)
		return -r;
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	r = pthread_rwlock_init(ret_gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return -r;
}

int bfs_lineage_new(struct bfs_loaded *first, struct bfs_lineage **ret_lineage)
{
	struct bfs_lineage *lineage = calloc(1, sizeof(*lineage));
	int r = lineage ? make_gate(&lineage->gate) : -ENOMEM;

	if (r == 0) {
		lineage->loaded = malloc(sizeof(*lineage->loaded));
		if (!lineage->loaded) {
			pthread_rwlock_destroy(&lineage->gate);
			r = -ENOMEM;
		}
	}
	if (r < 0) {
		free(lineage);
		return r;
	}
	lineage->loaded[0] = first;
	lineage->count = 1;
	*ret_lineage = lineage;
	return 0;
}

void bfs_lineage_free(struct bfs_lineage *lineage)
{
	if (!lineage)
		return;
	for (size_t i = 0; i < lineage->count; i++)
		bfs_loaded_close(lineage->loaded[i]);
	free(lineage->loaded);
	pthread_rwlock_destroy(&lineage->gate);
	free(lineage);
}

void bfs_lineage_enter(struct bfs_lineage *lineage)
{
	pthread_rwlock_rdlock(&lineage->gate);
}

void bfs_lineage_leave(struct bfs_lineage *lineage)
{
	pthread_rwlock_unlock(&lineage->gate);
}

struct bfs_loaded *bfs_lineage_at(const struct bfs_lineage *lineage, size_t i)
{
	return i < lineage->count ? lineage->loaded[i] : NULL;
}

static int find_computed(struct bfs_lineage *lineage, uint64_t ino, struct bfs_node *ret_node)
{
	for (size_t i = 0; i < lineage->count; i++) {
		struct bfs_loaded *loaded = lineage->loaded[i];
		const struct bfs_host_name *name = bfs_host_find(bfs_loaded_host(loaded), ino);

		if (name) {
			*ret_node = (struct bfs_node){loaded, name, name->attributes};
			return 0;
		}
	}
	return -ESTALE;
}

static int stat_in(struct bfs_loaded *loaded, uint64_t ino, struct bfs_attributes *ret_attributes)
{
	struct bfs_tree *tree;
	int r = bfs_loaded_acquire(loaded, &tree);

	if (r < 0)
		return r;
	r = bfs_tree_stat(tree, ino, ret_attributes);
	bfs_loaded_release(loaded, tree);
	return r;
}

int bfs_lineage_find(struct bfs_lineage *lineage, uint64_t ino, struct bfs_node *ret_node)
{
	if (ino >= BFS_TREE_INO_LIMIT)
		return find_computed(lineage, ino, ret_node);
	for (size_t i = 0; i < lineage->count; i++) {
		struct bfs_node node = {.loaded = lineage->loaded[i]};
		int r = stat_in(node.loaded, ino, &node.attributes);

		if (r == 0)
			*ret_node = node;
		if (r != -ENOENT)
			return r;
	}
	return -ESTALE;
}

static int content_in(struct bfs_loaded *loaded, uint64_t ino, struct bfs_content *ret_content)
{
	struct bfs_tree *tree;
	int r = bfs_loaded_acquire(loaded, &tree);

	if (r < 0)
		return r;
	r = bfs_tree_content(tree, ino, ret_content);
	bfs_loaded_release(loaded, tree);
	return r;
}

int bfs_lineage_content(struct bfs_lineage *lineage, uint64_t ino, struct bfs_content *ret_content)
{
	for (size_t i = 0; i < lineage->count; i++) {
		int r = content_in(lineage->loaded[i], ino, ret_content);

		if (r != -ENOENT)
			return r;
	}
	return -ESTALE;
}

static int lookup_in(struct bfs_loaded *loaded, uint64_t parent, const char *name,
	struct bfs_attributes *ret_attributes)
{
	size_t length = strlen(name);
	const struct bfs_host_name *computed =
		bfs_host_lookup(bfs_loaded_host(loaded), parent, name, length);
	struct bfs_tree *tree;
	int r;

	if (computed) {
		*ret_attributes = computed->attributes;
		return computed->hidden ? -ENOENT : 0;
	}
	r = bfs_loaded_acquire(loaded, &tree);
	if (r < 0)
		return r;
	r = bfs_tree_lookup(tree, parent, name, length, ret_attributes);
	bfs_loaded_release(loaded, tree);
	return r;
}

/* In a directory that only an earlier generation has. What else is known of the inode, the newest
 * that has it says. */
static int lookup_earlier(struct bfs_lineage *lineage, struct bfs_loaded *loaded, uint64_t parent,
	const char *name, struct bfs_attributes *ret_attributes)
{
	struct bfs_node node;
	int r;

	bfs_loaded_note_answer(loaded, parent, name);
	r = lookup_in(loaded, parent, name, &node.attributes);
	if (r == 0)
		r = bfs_lineage_find(lineage, node.attributes.ino, &node);
	if (r == 0)
		*ret_attributes = node.attributes;
	return r;
}

int bfs_lineage_lookup(struct bfs_lineage *lineage, uint64_t parent, const char *name,
	struct bfs_attributes *ret_attributes, bool *ret_current)
{
	struct bfs_node directory;
	int r = lookup_in(lineage->loaded[0], parent, name, ret_attributes);

	*ret_current = true;
	if (r != -ENOENT)
		return r;
	r = bfs_lineage_find(lineage, parent, &directory);
	if (r < 0)
		return r;
	*ret_current = directory.loaded == lineage->loaded[0];
	if (*ret_current)
		return -ENOENT;
	return lookup_earlier(lineage, directory.loaded, parent, name, ret_attributes);
}

int bfs_lineage_switch(struct bfs_lineage *lineage, struct bfs_loaded *next)
{
	struct bfs_loaded **loaded = malloc((lineage->count + 1) * sizeof(*loaded)), **old;

	if (!loaded)
		return -ENOMEM;
	loaded[0] = next;
	memcpy(loaded + 1, lineage->loaded, lineage->count * sizeof(*loaded));
	pthread_rwlock_wrlock(&lineage->gate);
	old = lineage->loaded;
	lineage->loaded = loaded;
	lineage->count++;
	pthread_rwlock_unlock(&lineage->gate);
	bfs_loaded_shrink(loaded[1]);
	free(old);
	return 0;
}

void bfs_lineage_drop(struct bfs_lineage *lineage, struct bfs_loaded *loaded)
{
	pthread_rwlock_wrlock(&lineage->gate);
	for (size_t i = 1; i < lineage->count; i++) {
		if (lineage->loaded[i] != loaded)
			continue;
		memmove(lineage->loaded + i, lineage->loaded + i + 1,
			(lineage->count - i - 1) * sizeof(*lineage->loaded));
		lineage->count--;
		break;
	}
	pthread_rwlock_unlock(&lineage->gate);
	bfs_loaded_close(loaded);
}
