/*
 * The files of a store that its indexes use, and which contents lie where in its packs: gathered
 * from any number of trees, each once, in a private database that spills to disk. Belongs to one
 * thread.
 */
#ifndef BFS_INDEX_REFERENCES_H
#define BFS_INDEX_REFERENCES_H

#include "index/pack.h"
#include "index/ref.h"
#include "index/store.h"
#include "index/tree.h"

enum bfs_file_kind {
	BFS_FILE_OBJECT,
	BFS_FILE_EXECUTABLE, /* the variant of an object with mode 0555 */
	BFS_FILE_PACK,
	BFS_FILE_INDEX,
	BFS_FILE_DELTA,
	BFS_FILE_GENERATION, /* no file, but a mark: an index that was looked at, whole or not */
};

/* A file of a store. */
struct bfs_file {
	enum bfs_file_kind kind;
	struct bfs_digest digest; /* its name */
	uint64_t size; /* bytes, as the indexes say; 0 for packs, of which they do not tell */
};

/* Its name relative to the store. Returns `ret_name`. */
char *bfs_file_name(const struct bfs_file *file, char ret_name[BFS_STORE_NAME_SIZE]);

struct bfs_references;

int bfs_references_new(struct bfs_references **ret_references);
void bfs_references_free(struct bfs_references *references);
BFS_DEFINE_CLEANUP(struct bfs_references *, bfs_cleanup_references, bfs_references_free)
#define _cleanup_references_ BFS_CLEANUP(bfs_cleanup_references)

int bfs_references_add(struct bfs_references *references, const struct bfs_file *file);

/*
 * The files under indexes/ that a generation is made from: its index, or its delta and what that is
 * to be applied to. Success where there are none; -EBADMSG for a delta that is none.
 */
int bfs_references_add_index(struct bfs_references *references, struct bfs_store *store,
	const struct bfs_generation *generation);

/* Objects and packs that a tree uses. Rows that cannot be are left out. */
int bfs_references_add_files(struct bfs_references *references, struct bfs_tree *tree);

/* These, and which contents lie where in the packs. */
int bfs_references_add_tree(struct bfs_references *references, struct bfs_tree *tree);

/* 1 where a file of that kind and name is used, else 0. */
int bfs_references_has(struct bfs_references *references, enum bfs_file_kind kind,
	const struct bfs_digest *digest);

/* Files of a kind, and bytes of them; of packs those of the contents used in them. */
int bfs_references_count(struct bfs_references *references, enum bfs_file_kind kind,
	uint64_t *ret_files, uint64_t *ret_bytes);

/* Calls `visit` for each file of a kind; anything but 0 ends it and is returned. */
typedef int bfs_references_visitor(void *context, const struct bfs_file *file);
int bfs_references_visit(struct bfs_references *references, enum bfs_file_kind kind,
	bfs_references_visitor *visit, void *context);

/* The contents that lie in a pack, by offset. Freed by free(). */
int bfs_references_get_pack(struct bfs_references *references, const struct bfs_digest *pack,
	struct bfs_pack_entry **ret_entries, size_t *ret_count);

/*
 * Damage: a file, or one content of a pack (`content` not NULL), noted under a number of the
 * caller's, so that the paths that it touches can be found in a tree.
 */
int bfs_references_add_damage(struct bfs_references *references, const struct bfs_file *file,
	const struct bfs_digest *content, size_t number);

/*
 * Calls `visit` for each name in the tree whose file uses something damaged: directory, name and
 * the number. All of them are found by reading the tree's names once.
 */
typedef int bfs_damage_visitor(
	void *context, uint64_t parent, const char *name, size_t length, size_t number);
int bfs_references_visit_damage(struct bfs_references *references, struct bfs_tree *tree,
	bfs_damage_visitor *visit, void *context);

#endif
