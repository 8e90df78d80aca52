/*
 * A store on an EFS file system that is named by its id: "fs-0123456789abcdef0" or
 * "fs-0123456789abcdef0:/path". It is used where it is mounted (index/efs_mounted.h), or mounted
 * first (index/efs_mount.h); either way what was found or done is said.
 *
 * Without a path, the store is in /brewfs of the file system, or at its top where that has one.
 */
#ifndef BFS_INDEX_EFS_H
#define BFS_INDEX_EFS_H

#include "lib/error.h"

#include <stdbool.h>

struct bfs_efs {
	char *id;   /* "fs-0123456789abcdef0" */
	char *path; /* "/brewfs", clean; NULL where none is given */
	/* From options. NULL where not given. */
	char *access_point; /* "fsap-0123456789abcdef0" */
	char *region;	    /* "eu-west-1" */
	bool iam;
	bool no_tls;	/* tls is the default where the efs helper is there */
	bool needs_tls; /* said so, or by an access point or iam */
	char *others;	/* ",az=a,..." for the efs helper; "" where there are none */
};

/* Whether it looks like one: "fs-" and hexadecimal digits, then nothing or ":/". */
bool bfs_efs_is_name(const char *name);

/* Whether a mount option is one for EFS (`iam`, `region=...`), and to be given to bfs_efs_new(). */
bool bfs_efs_is_option(const char *option);

/*
 * Reads a name and options separated by commas, which may be NULL. -EINVAL, naming it, for what is
 * none.
 */
int bfs_efs_new(
	const char *name, const char *options, struct bfs_efs **ret_efs, struct bfs_error *error);
void bfs_efs_free(struct bfs_efs *efs);
BFS_DEFINE_CLEANUP(struct bfs_efs *, bfs_cleanup_efs, bfs_efs_free)
#define _cleanup_efs_ BFS_CLEANUP(bfs_cleanup_efs)

/*
 * The path of the store: finds or mounts the file system. There need not be a store yet. Allocated.
 * -EPERM where it would have to be mounted by somebody who may not, with the command for root;
 * -EIO where mount(8) failed, with what it said; -EINVAL where options ask for what is not there.
 */
int bfs_efs_attach(
	const char *name, const char *options, char **ret_store, struct bfs_error *error);

/* "fs-....efs.REGION.amazonaws.com" (".cn" in China). Allocated. */
char *bfs_efs_host(const struct bfs_efs *efs, const char *region);

/*
 * The region: the option, $AWS_REGION, $AWS_DEFAULT_REGION, `region` in efs-utils.conf, or what the
 * instance metadata service says within a second. Allocated; -ENOENT where nobody tells.
 */
int bfs_efs_find_region(const struct bfs_efs *efs, char **ret_region);

#endif
