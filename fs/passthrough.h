/*
 * Files that the kernel reads by itself: an object that is open here is handed to it, and reads and
 * mappings of the mount's file go straight to the object's pages (FUSE passthrough, kernel 6.9,
 * libfuse 3.17, and the right to administer the system).
 *
 * The kernel wants one and the same backing file for all opens of an inode that overlap, so they
 * are counted here, by inode number. All functions may be called from any thread.
 */
#ifndef BFS_FS_PASSTHROUGH_H
#define BFS_FS_PASSTHROUGH_H

#include "fs/features.h"
#include "index/content.h"

struct bfs_passthrough;

/* The reader is borrowed. */
int bfs_passthrough_new(
	struct bfs_content_reader *reader, struct bfs_passthrough **ret_passthrough);

/* Only when no request is under way. */
void bfs_passthrough_free(struct bfs_passthrough *passthrough);

/* Whether it is for files with that content: for objects, not for what lies in packs. */
bool bfs_passthrough_suits(const struct bfs_content *content);

/*
 * For the answer to OPEN: sets the file's backing file. -EPERM where the kernel refuses,
 * -EOPNOTSUPP where this program was built without.
 */
int bfs_passthrough_open(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino,
	const struct bfs_content *content, struct fuse_file_info *file);

/* At RELEASE, of a file that was opened so. */
void bfs_passthrough_release(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino);

#endif
