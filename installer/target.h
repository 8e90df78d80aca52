/*
 * The machines that bottles are poured for, as far as pouring depends on them: the oldest glibc and
 * libstdc++ among the hosts of a store.
 *
 * Homebrew builds its Linux bottles on Ubuntu 24.04, whose glibc is 2.39 and whose libstdc++
 * is 6.0.33 (Homebrew os.rb: LINUX_GLIBC_CI_VERSION, LINUX_LIBSTDCXX_CI_VERSION). A host that has
 * older ones gets Homebrew's own glibc and gcc poured, and everything depends on them.
 */
#ifndef BFS_INSTALLER_TARGET_H
#define BFS_INSTALLER_TARGET_H

#include "index/tree.h"

#define BFS_CI_GLIBC	 "2.39"
#define BFS_CI_LIBSTDCXX "6.0.33"

/*
 * The key of the value that an index keeps (bfs_tree_get_value()): what its bottles were poured
 * for.
 */
#define BFS_TARGET_GLIBC_KEY "target_glibc"

struct bfs_host_runtime {
	char glibc[16];	    /* "2.36"; empty: not known, taken as new enough */
	char libstdcxx[16]; /* "6.0.30"; the same. Not known of other hosts: those with a glibc
			       of 2.39 have it */
};

enum bfs_target_source {
	BFS_TARGET_ORDER,	/* --target-glibc */
	BFS_TARGET_ENVIRONMENT, /* $BREWFS_TARGET_GLIBC */
	BFS_TARGET_INDEX,	/* recorded by an earlier install */
	BFS_TARGET_HOST,	/* this machine's own */
};

struct bfs_target {
	struct bfs_host_runtime runtime;
	enum bfs_target_source source;
};

/*
 * The target that counts: `order` (NULL: none), the environment, what `tree` (may be NULL) has
 * recorded, this host, in this order. -EINVAL for what is no version of glibc ("2." and a number),
 * naming where it stands.
 */
int bfs_target_find(const char *order, struct bfs_tree *tree, struct bfs_target *ret_target,
	struct bfs_error *error);

/* "--target-glibc", "BREWFS_TARGET_GLIBC", "the store" or "this host": for messages. */
const char *bfs_target_source_name(enum bfs_target_source source);

/* Whether it is "2." and a number below 1,000, without more. */
bool bfs_target_glibc_is_valid(const char *glibc);

/*
 * The version N of the libstdc++.so.6.0.N that libstdc++.so.6 in the first of these directories
 * (ends with NULL) is; empty where none has it.
 */
void bfs_target_find_libstdcxx(const char *const *directories, char ret_version[16]);

#endif
