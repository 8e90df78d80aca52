/*
 * Names in the prefix that depend on the host, not on the store: one store serves hosts with a
 *glibc older than that of the bottles and hosts with a newer one. They are computed for a tree when
 *it is loaded and stay as they are.
 *
 * As Homebrew does at every install (extend/os/linux/install.rb, symlink_ld_so and
 *setup_preferred_gcc_libs):
 *	lib/ld.so		link to opt/glibc/bin/ld.so if the tree has that, else to the host's
 *loader lib/libstdc++.so.6...	with opt/gcc and no brewed glibc: links into opt/gcc/lib/gcc/current
 *	etc/ld.so.conf.d/50-homebrew-preferred-gcc.conf
 *				with opt/gcc and a brewed glibc: tells its loader where GCC's
 *libraries are; links of the previous kind that the tree has are then hidden A name whose directory
 *the tree does not have is left out. Where the tree has the same name, the computed one wins.
 *
 * Inode numbers are hashes of everything about the file, from BFS_TREE_INO_LIMIT on, so that here
 *too a number never comes back with other content. Read-only after it was made, so any thread may
 *use it.
 */
#ifndef BFS_FS_HOST_H
#define BFS_FS_HOST_H

#include "index/tree.h"

struct bfs_host_name {
	uint64_t parent;  /* inode of the directory */
	const char *directory; /* its path below the prefix */
	const char *name;      /* NUL-terminated */
	uint64_t cookie;  /* below BFS_TREE_COOKIE_FIRST, 3 or more; of its own in its directory */
	bool hidden;	  /* there is no such name, whatever the tree says */
	struct bfs_attributes attributes; /* unless hidden */
	char *content; /* target of the link or bytes of the file; NULL if hidden */
};

struct bfs_host;

/* `prefix`: the absolute path that links into the prefix are to have. -EUCLEAN for a damaged tree.
 */
int bfs_host_new(struct bfs_tree *tree, const char *prefix, struct bfs_host **ret_host);
void bfs_host_free(struct bfs_host *host);
BFS_DEFINE_CLEANUP(struct bfs_host *, bfs_cleanup_host, bfs_host_free)
#define _cleanup_host_ BFS_CLEANUP(bfs_cleanup_host)

/* All of them; borrowed. */
const struct bfs_host_name *bfs_host_names(const struct bfs_host *host, size_t *ret_count);

/* Hidden ones included; NULL where nothing is computed under that name. */
const struct bfs_host_name *bfs_host_lookup(
	const struct bfs_host *host, uint64_t parent, const char *name, size_t length);

/* By inode number; NULL where it is none of these. */
const struct bfs_host_name *bfs_host_find(const struct bfs_host *host, uint64_t ino);

#endif
