/*
 * What the union areas find: a tree that was there before ("stored"), under the name of each of
 *these areas. On a plain filesystem it is made there, on overlayfs it is the lower layer, in a
 *session it is the published generation.
 *
 * Below an area:
 *
 *	plain, dir/, link		a file of "stored text", a directory with a file, a symlink
 *to plain f0 ... f59			"stored text", mode 0644 b0 ... b19 LOWER_BIG bytes, see
 *posix_lower_bytes() x0 ... x3			scripts that exit with 7, mode 0755 l0 ... l9
 *symlinks to "plain" h0a and h0b ... h9		two names of one file of "stored text" t0
 *... t29			trees: a, b/c, b/d -> c, b/e/f, x (all files "stored text") e0 ...
 *e9			empty directories many				LOWER_MANY empty files n0
 *... pairs/FROM-TO-ORIGIN		see union_names.c
 *
 * Files have the mtime LOWER_MTIME, all belongs to who mounts it.
 */
#ifndef BFS_TESTS_POSIX_LOWER_H
#define BFS_TESTS_POSIX_LOWER_H

#include <stddef.h>

#define LOWER_TEXT     "stored text"
#define LOWER_BIG      300000
#define LOWER_MANY     1000
#define LOWER_MTIME    1700000000
#define LOWER_MTIME_NS 123456789

/*
 * "script": prints a script for mktree that makes the tree, each path below `directory`; "tree":
 * makes it in that directory. Returns an exit status.
 */
int posix_lower(const char *how, const char *directory);

/* What is in b0 ... */
void posix_lower_bytes(unsigned char bytes[LOWER_BIG]);

/* The kinds of things in pairs/. */
enum lower_pair {
	PAIR_FILE,
	PAIR_EMPTY, /* directory */
	PAIR_TREE,  /* directory with a file n */
	PAIR_LINK,  /* symlink to "plain" */
};

#define PAIRS 4

/* Makes one of them there; 0 or -1. */
int posix_lower_make_pair(enum lower_pair kind, const char *path);

#endif
