/*
 * Which file of the tree the dynamic loader would take for a library that an ELF file needs, by its
 * RPATH (ld.so(8)). Directories outside the prefix are the host's and are passed over.
 */
#ifndef BFS_INSTALLER_EXPORT_LIBRARIES_H
#define BFS_INSTALLER_EXPORT_LIBRARIES_H

#include "installer/export_facts.h"
#include "installer/export_walk.h"

struct bfs_export_libraries;

/* `prefix` is absolute. Both must outlive it. */
int bfs_export_libraries_new(struct bfs_export_walk *walk, const char *prefix,
	struct bfs_export_libraries **ret_libraries);
void bfs_export_libraries_free(struct bfs_export_libraries *libraries);
BFS_DEFINE_CLEANUP(
	struct bfs_export_libraries *, bfs_cleanup_export_libraries, bfs_export_libraries_free)
#define _cleanup_export_libraries_ BFS_CLEANUP(bfs_cleanup_export_libraries)

/*
 * The path of the first that is there: "opt/foo/lib/libfoo.so.1", with its links, and the
 * attributes of where it ends. `file` is the path of the file that needs it. The prefix's own lib
 * comes last where the RPATH does not have it: there the program that loads the file would look.
 * -ENOENT.
 */
int bfs_export_libraries_find(struct bfs_export_libraries *libraries, const char *file,
	const struct bfs_export_facts *facts, const char *needed, char **ret_path,
	struct bfs_attributes *ret_attributes);

/*
 * The path in the tree of an absolute one below the prefix, or of one that begins with $ORIGIN;
 * NULL for others. `file` as above. `ret_path` is allocated.
 */
int bfs_export_libraries_place(
	const char *prefix, const char *file, const char *directory, char **ret_path);

/*
 * The libraries of GCC that Homebrew links into lib of a prefix with gcc
 * (extend/os/linux/install.rb, GCC_RUNTIME_LIBS); which of them are there follows from the host, so
 * the tree does not have these links: "opt/gcc/lib/gcc/current/NAME", or NULL for any other name.
 * Allocated.
 */
int bfs_export_libraries_runtime(const char *name, char **ret_path);
extern const char *const bfs_export_runtime_names[]; /* ends with NULL */

#endif
