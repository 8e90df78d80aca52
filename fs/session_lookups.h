/*
 * The inodes of a writable mount that the kernel knows, each with the number of lookups that it
 * owes.
 *
 * Every reply that gives the kernel an inode counts as a lookup, and its FORGET takes lookups back
 * (libfuse, fuse_lowlevel.h). With opens that are never sent (fs/features.h, zero_open) the kernel
 * knows an inode for as long as anything has it open, mapped or as working directory, so this is
 * also what keeps an unlinked file alive: an inode that may have lost its last name is doomed, and
 * gone when it is forgotten.
 *
 * Any thread. The root is never counted.
 */
#ifndef BFS_FS_SESSION_LOOKUPS_H
#define BFS_FS_SESSION_LOOKUPS_H

#include <stdbool.h>
#include <stdint.h>

struct bfs_lookups;

int bfs_lookups_new(struct bfs_lookups **ret_table);
void bfs_lookups_free(struct bfs_lookups *table);

/* Counts one lookup; to be called before the reply, which a FORGET may follow at once. -ENOMEM. */
int bfs_lookups_add(struct bfs_lookups *table, uint64_t ino);

/* Takes lookups back. Returns true where the inode is not known any more and was doomed: then it is
 * to be released. */
bool bfs_lookups_forget(struct bfs_lookups *table, uint64_t ino, uint64_t count);

/* Dooms an inode. Returns false where the kernel does not know it: then it is to be released now.
 */
bool bfs_lookups_doom(struct bfs_lookups *table, uint64_t ino);

/* How many there are. */
uint64_t bfs_lookups_count(struct bfs_lookups *table);

#endif
