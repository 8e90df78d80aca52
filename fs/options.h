/*
 * The text after `mount -o`.
 */
#ifndef BFS_FS_OPTIONS_H
#define BFS_FS_OPTIONS_H

#include "lib/buffer.h"
#include "lib/error.h"

#include <stdbool.h>
#include <sys/types.h>

/* Responders that may be in the store at once: enough for a few dozen MB/s a ms of latency. */
#define BFS_THREADS_DEFAULT 16
#define BFS_THREADS_MAX	    256

enum bfs_cache_use {
	BFS_CACHE_AUTO, /* contents are kept where the store is slow for each operation */
	BFS_CACHE_OFF,
	BFS_CACHE_ON
};

struct bfs_mount_options {
	char *ref;     /* NULL where none is given; owned */
	bool writable; /* a session is to be mounted, not published generations */
	char *session; /* its name; NULL where none is given; owned */
	uid_t uid;     /* owner of all files */
	gid_t gid;
	bool allow_other; /* users other than the mounting one may use it */
	bool debug;
	unsigned threads;
	unsigned interval;  /* ms between looks at the ref */
	unsigned readahead; /* KiB; 0: the kernel's own */
	unsigned features;  /* BFS_FEATURE_BITs wanted */
	enum bfs_cache_use cache;
	uint64_t cache_quota; /* bytes; 0: the cache's own default */
	bool cache_verify;    /* hash each cached file when it is opened */
	unsigned wait;		  /* s to wait for the store to appear */
	struct bfs_buffer kernel; /* for libfuse: "ro,nosuid,nodev,..."; owned */
	struct bfs_buffer efs;	  /* for mounting an EFS file system (index/efs.h); owned */
};

/* The defaults for the calling user. */
void bfs_mount_options_init(struct bfs_mount_options *options);
void bfs_mount_options_release(struct bfs_mount_options *options);

/*
 * Adds the options in `text`, separated by commas ("\," is a comma in a value); later ones win over
 * earlier ones. What only mount(8), systemd or fstab(5) understand (_netdev, x-..., nofail,
 * user...) is accepted and does nothing. -EINVAL for an unknown option or a bad value.
 */
int bfs_mount_options_parse(
	struct bfs_mount_options *options, const char *text, struct bfs_error *error);

#endif
