/*
 * What an export has beside the files of the prefix, so that programs start and libraries are found
 * where nothing of brewfs is installed:
 *
 *	lib/ld.so		the interpreter of every program: the brewed glibc's loader, or a
 *link to the host's lib/libstdc++.so.6...	the libraries of a brewed gcc, as a mount has them
 *(fs/host.h) bin/brewfs-lambda	starts a program under the brewed glibc, see brewfs-export(1)
 *	bin/ld, bin/objdump	the same program: what Python's ctypes.util.find_library asks of
 *binutils
 *
 * bin/ld and bin/objdump of the prefix itself, if it has binutils, stay.
 */
#ifndef BFS_INSTALLER_EXPORT_RUNTIME_H
#define BFS_INSTALLER_EXPORT_RUNTIME_H

#include "installer/export_names.h"

#define BFS_EXPORT_HELPER "brewfs-lambda"

struct bfs_export_runtime {
	struct bfs_export_needs *needs;
	bool brewed;			     /* programs run under the brewed glibc */
	bool all;			     /* the whole prefix is exported */
	char *glibc;			     /* "Cellar/glibc/2.39/lib" if `brewed` */
	int64_t machine;		     /* of the plan's ELF files; 0: it has none */
	char *helper;			     /* path of the program on this host; NULL: not there */
	char key[BFS_EXPORT_CACHE_KEY_SIZE]; /* of the helper in the cache; "" where it is left out
					      */
};

/* Whether the tree has a brewed glibc, and where its libraries are. -ENOENT. */
int bfs_export_runtime_find_glibc(struct bfs_tree *tree, char **ret_directory);

/* The helper of this brewfs, and its digest for the recipe. `ret_path` is NULL where it is not
 * installed. */
int bfs_export_runtime_find_helper(char **ret_path, struct bfs_digest *ret_digest);

/* Adds what the brewed glibc needs of the tree; before bfs_export_needs_add(). */
int bfs_export_runtime_add_glibc(struct bfs_export_runtime *runtime);

/* The names in lib, and the helper into the cache; before bfs_export_names_arrange(). */
int bfs_export_runtime_add_names(
	struct bfs_export_runtime *runtime, bool hard, struct bfs_error *error);

/* The names in bin; after bfs_export_rewrite(). */
int bfs_export_runtime_add_helper(struct bfs_export_runtime *runtime);

void bfs_export_runtime_release(struct bfs_export_runtime *runtime);

#endif
