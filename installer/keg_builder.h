/*
 * Builds a keg's tree from the members of an archive, in whatever order they come.
 *
 *	bfs_keg_builder_new()
 *	bfs_keg_builder_add_...()	for each member
 *	bfs_keg_builder_finish()	directories get their times, which adding entries changed
 *	bfs_keg_builder_free()
 *
 * The tree's root is the keg. Paths are clean and relative to it, "" is the root. A directory that
 * is missing is made with mode 0755 and the time of the member that needed it; its own member may
 * follow. Of several members with one name the last wins, as with tar: a file or link replaces a
 * file, a link or an empty directory; a directory replaces a file or link, or gives an existing
 * directory its attributes. What would have to pass through something that is no directory, a
 * symlink above all, is refused.
 *
 * -EBADMSG, with the path and what is wrong with it, for a member that cannot be added; else the
 * tree's errors.
 */
#ifndef BFS_INSTALLER_KEG_BUILDER_H
#define BFS_INSTALLER_KEG_BUILDER_H

#include "index/tree.h"

struct bfs_keg_builder;

/* The tree must be empty and outlive the builder; all changes are one transaction of it. */
int bfs_keg_builder_new(struct bfs_tree *tree, struct bfs_keg_builder **ret_builder);

/* Without bfs_keg_builder_finish() the changes are undone. */
void bfs_keg_builder_free(struct bfs_keg_builder *builder);
BFS_DEFINE_CLEANUP(struct bfs_keg_builder *, bfs_cleanup_keg_builder, bfs_keg_builder_free)
#define _cleanup_keg_builder_ BFS_CLEANUP(bfs_cleanup_keg_builder)

int bfs_keg_builder_add_directory(struct bfs_keg_builder *builder, const char *path, mode_t mode,
	int64_t mtime, struct bfs_error *error);
int bfs_keg_builder_add_symlink(struct bfs_keg_builder *builder, const char *path,
	const char *target, int64_t mtime, uint64_t *ret_ino, struct bfs_error *error);
int bfs_keg_builder_add_file(struct bfs_keg_builder *builder, const char *path, mode_t mode,
	int64_t mtime, const struct bfs_content *content, uint64_t *ret_ino,
	struct bfs_error *error);

/* A second name for what is at `source`, which may be anything but a directory. */
int bfs_keg_builder_add_hardlink(struct bfs_keg_builder *builder, const char *path,
	const char *source, int64_t mtime, uint64_t *ret_ino, struct bfs_error *error);

/* What is at `path`; -ENOENT where nothing is. No symlink is followed. */
int bfs_keg_builder_find(struct bfs_keg_builder *builder, const char *path,
	struct bfs_attributes *ret_attributes);

int bfs_keg_builder_finish(struct bfs_keg_builder *builder, struct bfs_error *error);

#endif
