/*
 * The store's write protocol, step by step:
 *
 *	bfs_put_begin()		this process has a directory under staging/, locked so that others
 *can tell that it and what is called after it are no garbage
 *	bfs_put_stage()		a new file, to be written and synced by the caller
 *	bfs_put_name()		gives it its final name
 *	bfs_sync_directory()	makes that durable; once for any number of names
 *	bfs_put_end()		the directory goes with its last holder
 *
 * A process has one such directory for each store, however many writers. A file is staged in the
 *directory where it is going to be, as .HOST.PID.RANDOM.NUMBER after the directory under staging/:
 *the kernel renames only one file at a time from one directory to another, and makes only one at a
 *time in one directory, which on a network filesystem is 4 ms each. All functions may be called
 *from any thread.
 */
#ifndef BFS_INDEX_PUT_H
#define BFS_INDEX_PUT_H

#include "index/store.h"

int bfs_put_begin(struct bfs_store *store);
void bfs_put_end(struct bfs_store *store);

/*
 * Between begin and end. The directory is that of `name`, which is made if it is missing;
 * "staging/" where it is not known yet. `mode` is what the file is to have, whatever the umask.
 * `ret_name` is allocated.
 */
int bfs_put_stage(
	struct bfs_store *store, const char *name, mode_t mode, int *ret_fd, char **ret_name);

/*
 * Whether a directory entry is that of a staged file, and if so, whether its writer is gone.
 * -ENOENT where it is none, 1 for garbage, 0 for one that is in use.
 */
int bfs_put_is_garbage(struct bfs_store *store, const char *entry);

/*
 * Gives a staged file its final, write-once name; the staged name is gone afterwards. A file that
 * is there already stays, since another host may have it open (NFS would answer ESTALE), unless its
 * size differs from `size`: then it is damaged and replaced. The directory is not synced.
 */
int bfs_put_name(struct bfs_store *store, const char *staged, const char *name, uint64_t size);

/* Whether the file is there with that size. */
bool bfs_put_exists(struct bfs_store *store, const char *name, uint64_t size);

/* Copies a local file into the store under a write-once name: all of the above. */
int bfs_put_file(
	struct bfs_store *store, int fd, uint64_t size, const char *name, struct bfs_error *error);

/* Removes the staging directories that nobody holds. */
int bfs_put_clean_staging(struct bfs_store *store);

#endif
