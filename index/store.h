/*
 * A store: the directory, local or on EFS, that holds objects, packs, indexes and refs in store
 * format 1 (brewfs-format(5)).
 *
 * Everything but refs/ and leases/ is written once and never changed. A store is opened by path and
 * used through a directory descriptor, so it does not matter if the path is mounted over later.
 * Thread-safe after opening.
 */
#ifndef BFS_INDEX_STORE_H
#define BFS_INDEX_STORE_H

#include "index/content.h"

#include <pthread.h>

#define BFS_STORE_FORMAT	2 /* the newest that is read and written */
#define BFS_STORE_FORMAT_FIRST	1 /* what a new store has until it needs more */
#define BFS_STORE_FORMAT_DELTAS 2 /* with deltas between indexes */

struct bfs_store;

/*
 * -ENOENT where there is none at `path`, -EPROTONOSUPPORT for a newer format, -EBADMSG for a
 * store.json that is none.
 */
int bfs_store_open(const char *path, struct bfs_store **ret_store, struct bfs_error *error);

/* Opens it, after making it (and its parent directories) where there is nothing or an empty
 * directory. */
int bfs_store_create(const char *path, struct bfs_store **ret_store, struct bfs_error *error);

void bfs_store_close(struct bfs_store *store);
BFS_DEFINE_CLEANUP(struct bfs_store *, bfs_cleanup_store, bfs_store_close)
#define _cleanup_store_ BFS_CLEANUP(bfs_cleanup_store)

/*
 * `given` if not NULL, else $BREWFS_STORE, else /var/lib/brewfs for root and $XDG_DATA_HOME/brewfs
 * (~/.local/share/brewfs) otherwise. Allocated.
 */
int bfs_store_default_path(const char *given, char **ret_path);

const char *bfs_store_path(const struct bfs_store *store);   /* as given */
const char *bfs_store_uuid(const struct bfs_store *store);   /* 36 characters, RFC 4122 */
const char *bfs_store_prefix(const struct bfs_store *store); /* where the prefix is mounted */
int bfs_store_fd(const struct bfs_store *store);	     /* the directory */

/*
 * openat(2) below the store, for what has to be there: the descriptor or a negative errno. An NFS
 * client takes a name that it looked up in vain for absent as long as it believes its directory
 * unchanged, half a minute or more, also if another host has made it since (nfs(5), "lookupcache");
 * so where it is absent, the directories on its way are asked for anew, and it is looked up once
 * more. That costs a round trip each, where the file is missing indeed.
 */
int bfs_store_open_file(const struct bfs_store *store, const char *name, int flags);

/* The same asking anew, for those who look up a name below `directory_fd` in another way. */
void bfs_store_refresh(int directory_fd, const char *name);

/*
 * Makes sure that who does not know `format` refuses the store, before the first thing of that
 * format is put into it. One thread at a time.
 */
int bfs_store_require_format(struct bfs_store *store, int format, struct bfs_error *error);

/* This process's directory under staging/; for index/put.c, which says how it is used. */
struct bfs_staging {
	pthread_mutex_t lock; /* protects what follows */
	unsigned holders;
	char *name; /* "staging/HOST.PID.RANDOM", NULL while there is none */
	int lock_fd;
	int gc_fd; /* shared lock, see index/gc_lock.h */
	unsigned counter; /* of the files in it */
};
struct bfs_staging *bfs_store_staging(struct bfs_store *store);

/* Names relative to the store. Return `ret_name`. */
#define BFS_STORE_NAME_SIZE 96
char *bfs_store_object_name(const struct bfs_content *content, char ret_name[BFS_STORE_NAME_SIZE]);
char *bfs_store_pack_name(const struct bfs_digest *pack, char ret_name[BFS_STORE_NAME_SIZE]);
char *bfs_store_index_name(const struct bfs_digest *index, char ret_name[BFS_STORE_NAME_SIZE]);
char *bfs_store_delta_name(const struct bfs_digest *index, char ret_name[BFS_STORE_NAME_SIZE]);

#endif
