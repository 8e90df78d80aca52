/*
 * Path names as bytes: no encoding is assumed and nothing is normalised.
 */
#ifndef BFS_LIB_PATH_H
#define BFS_LIB_PATH_H

#include <stdbool.h>
#include <stddef.h>

#define BFS_NAME_MAX   255  /* bytes in a component: NAME_MAX of ext4, NFS and EFS */
#define BFS_TARGET_MAX 4080 /* bytes in a symlink: EFS takes no longer one (EFS limits), Linux 4,095 */

/* Whether it can be a directory entry: 1 to 255 bytes, no slash, no NUL, neither "." nor "..". */
bool bfs_name_is_valid(const char *name, size_t length);

/* Whether every component of the relative path is valid and it has no empty component: "a/b", not "/a", "a//b", "a/". */
bool bfs_path_is_clean(const char *path);

/* The part after the last slash (the whole where there is none). Borrowed. */
const char *bfs_path_base(const char *path);

/* What comes before the last slash, "" where there is none. Allocated; NULL when out of memory. */
char *bfs_path_parent(const char *path);

/* "a/b" from "a" and "b"; an empty `first` gives "b". Allocated; NULL when out of memory. */
char *bfs_path_join(const char *first, const char *second);

/*
 * If `path` is `prefix` itself or lies below it, the rest without the slash between ("" for the
 * prefix itself); else NULL. Borrowed from `path`.
 */
const char *bfs_path_below(const char *path, const char *prefix);

/*
 * The symlink text that leads from the directory of `from` to `to`, both clean paths below one root:
 * from "lib/pkgconfig/x.pc" to "Cellar/x/1/lib/pkgconfig/x.pc" it is "../../Cellar/x/1/lib/...", with
 * common leading directories left out. Allocated; NULL when out of memory.
 */
char *bfs_path_relative(const char *from, const char *to);

#endif
