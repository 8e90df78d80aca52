/*
 * The packs and objects that hold a part of a prefix: what there is to bring into a local cache.
 *
 *	bfs_selection_add_formula(), _add_path(), _add_directory()	any number of times
 *	bfs_selection_release()
 *
 * Each file of the store is there once, whatever is said twice.
 */
#ifndef BFS_INDEX_SELECTION_H
#define BFS_INDEX_SELECTION_H

#include "index/tree.h"

struct bfs_selection {
	struct bfs_content *files; /* a content of each, in the order found */
	size_t count;
	/* Private. */
	size_t capacity, slot_count;
	uint32_t *slots; /* 1 + position in `files`; 0: free */
};

/* Everything below a directory, which may be BFS_TREE_ROOT. -EUCLEAN for a damaged index. */
int bfs_selection_add_directory(
	struct bfs_selection *selection, struct bfs_tree *tree, uint64_t ino);

/*
 * A file, or everything below a directory: a path relative to the prefix, whose links are followed;
 * those below it are not. Errors as bfs_tree_stat_path().
 */
int bfs_selection_add_path(
	struct bfs_selection *selection, struct bfs_tree *tree, const char *path);

/*
 * The keg of a formula that counts, and those of everything that its record says it needs at run
 * time. -ENOENT where the formula has no keg; a dependency that has none is left out.
 */
int bfs_selection_add_formula(
	struct bfs_selection *selection, struct bfs_tree *tree, const char *name);

/*
 * Bytes to come, as far as the index knows them: all of the objects, and of packs as much as is
 * selected.
 */
uint64_t bfs_selection_bytes(const struct bfs_selection *selection);

void bfs_selection_release(struct bfs_selection *selection);
#define _cleanup_selection_ BFS_CLEANUP(bfs_selection_release)

#endif
