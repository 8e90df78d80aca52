/*
 * The last steps of the store's write protocol, for files that are complete and synced under staging/.
 */
#ifndef BFS_INDEX_PUT_H
#define BFS_INDEX_PUT_H

#include "index/store.h"

/*
 * Gives a staged file its final, write-once name; the staged name is gone afterwards. A file that is there already
 * stays, since another host may have it open (NFS would answer ESTALE), unless its size differs from
 * `size`: then it is damaged and replaced. The directory is not synced.
 */
int bfs_put_name(struct bfs_store *store, const char *staged, const char *name, uint64_t size);

/* Whether the file is there with that size. */
bool bfs_put_exists(struct bfs_store *store, const char *name, uint64_t size);

/* Copies a local file into the store under a write-once name: staged, synced, named, directory synced. */
int bfs_put_file(struct bfs_store *store, int fd, uint64_t size, const char *name,
	struct bfs_error *error);

/*
 * A new directory under staging/ for one writer, locked as long as `ret_lock_fd` is open, so that others can
 * tell that it is no garbage. `ret_name` ("staging/HOST.PID.RANDOM") is allocated.
 */
int bfs_put_make_staging(struct bfs_store *store, char **ret_name, int *ret_lock_fd);

/* Removes the staging directories that nobody holds. */
int bfs_put_clean_staging(struct bfs_store *store);

#endif
