/*
 * Members of a bottle whose relocation cannot be decided when they come by, and is when the
 * whole bottle has been read:
 *
 * - Everything that the tab decides, while the tab has not come yet.
 * - A file with placeholders that is not listed under the name it came with: a hardlink to it may
 *   be.
 * - Absolute links into the prefix: a hardlink to one is another link, with a text of its own.
 *
 * Homebrew lists every name of a file that it relocates, sorts the members, and so puts the tab
 * near the beginning: for its bottles nearly nothing is deferred. Contents are kept unedited in
 * one staged file, and only the names in memory, up to BFS_DEFERRED_NAMES_SIZE bytes of them. In
 * the tree a deferred file is empty until bfs_bottle_deferred_settle() gives it its content.
 */
#ifndef BFS_INSTALLER_BOTTLE_DEFERRED_H
#define BFS_INSTALLER_BOTTLE_DEFERRED_H

#include "installer/keg_builder.h"
#include "installer/payload.h"
#include "installer/relocate_scope.h"

/* A hundred times the names of the formula that has most text files with placeholders. */
#define BFS_DEFERRED_NAMES_SIZE (64 * 1024 * 1024)

struct bfs_bottle_deferred;

/* The writer must outlive it. */
int bfs_bottle_deferred_new(struct bfs_writer *writer, struct bfs_bottle_deferred **ret_deferred);
void bfs_bottle_deferred_free(struct bfs_bottle_deferred *deferred);
BFS_DEFINE_CLEANUP(struct bfs_bottle_deferred *, bfs_cleanup_bottle_deferred,
	bfs_bottle_deferred_free)
#define _cleanup_bottle_deferred_ BFS_CLEANUP(bfs_cleanup_bottle_deferred)

/* Keeps the payload's bytes. `place` tells bfs_bottle_deferred_add_file() where. */
int bfs_bottle_deferred_keep(struct bfs_bottle_deferred *deferred,
	const struct bfs_payload *payload, uint64_t *ret_place, struct bfs_error *error);

struct bfs_deferred_file {
	uint64_t ino;		/* of the empty file in the tree; greater than those before */
	uint64_t place;
	size_t length;
	mode_t mode;
	int64_t mtime;
	bool elf_done;		/* the ELF edit was decided, and made if need be */
};
int bfs_bottle_deferred_add_file(struct bfs_bottle_deferred *deferred,
	const struct bfs_deferred_file *file, const char *path, struct bfs_error *error);
int bfs_bottle_deferred_add_symlink(struct bfs_bottle_deferred *deferred, uint64_t ino,
	const char *path, struct bfs_error *error);

/* `path` is another name of an inode, which may or may not be a deferred one. */
int bfs_bottle_deferred_add_name(struct bfs_bottle_deferred *deferred, uint64_t ino,
	const char *path, struct bfs_error *error);

/* How the deferred members are to be relocated, now that everything is known. */
struct bfs_bottle_relocation {
	const struct bfs_relocate_scope *scope;		/* with its tab */
	const struct bfs_text_relocation *text;
	struct bfs_elf_policy elf;
	const char *keg;				/* "Cellar/NAME/VERSION" */
};

/*
 * Relocates them all and puts them into the tree, under the names that they still have. Before
 * bfs_keg_builder_finish().
 */
int bfs_bottle_deferred_settle(struct bfs_bottle_deferred *deferred,
	struct bfs_keg_builder *builder, struct bfs_tree *tree,
	const struct bfs_bottle_relocation *relocation, struct bfs_error *error);

#endif
