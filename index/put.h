/*
 * The store's write protocol, step by step:
 *
 *	bfs_put_begin()		this process has a directory under staging/, locked so that others can tell
 *				that it is no garbage
 *	bfs_put_stage()		a new file in it, to be written and synced by the caller
 *	bfs_put_name()		gives it its final name
 *	bfs_sync_directory()	makes that durable; once for any number of names
 *	bfs_put_end()		the directory goes with its last holder, and what was not named with it
 *
 * A process has one such directory for each store, however many writers: on a network filesystem making one
 * takes longer than writing a file. All functions may be called from any thread.
 */
#ifndef BFS_INDEX_PUT_H
#define BFS_INDEX_PUT_H

#include "index/store.h"

int bfs_put_begin(struct bfs_store *store);
void bfs_put_end(struct bfs_store *store);

/* Between begin and end. `mode` is what the file is to have, whatever the umask. `ret_name` is allocated. */
int bfs_put_stage(struct bfs_store *store, mode_t mode, int *ret_fd, char **ret_name);

/*
 * Gives a staged file its final, write-once name; the staged name is gone afterwards. A file that is there already
 * stays, since another host may have it open (NFS would answer ESTALE), unless its size differs from
 * `size`: then it is damaged and replaced. The directory is made if it is missing, and not synced.
 */
int bfs_put_name(struct bfs_store *store, const char *staged, const char *name, uint64_t size);

/* Whether the file is there with that size. */
bool bfs_put_exists(struct bfs_store *store, const char *name, uint64_t size);

/* Copies a local file into the store under a write-once name: all of the above. */
int bfs_put_file(struct bfs_store *store, int fd, uint64_t size, const char *name,
	struct bfs_error *error);

/* Removes the staging directories that nobody holds. */
int bfs_put_clean_staging(struct bfs_store *store);

#endif
