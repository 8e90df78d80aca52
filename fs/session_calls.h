/*
 * What the files of the session's driver share: one request on its way, and the requests' handlers,
 * which session_driver.c puts into libfuse's table.
 */
#ifndef BFS_FS_SESSION_CALLS_H
#define BFS_FS_SESSION_CALLS_H

#include "fs/reply.h"
#include "fs/session_driver.h"

struct bfs_session_call {
	struct bfs_session_driver *driver;
	struct bfs_worktree *worktree; /* the driver's */
	struct bfs_responder *responder;
	fuse_req_t request;
	enum bfs_op op;
	uint64_t started;
	uint64_t bytes; /* handed over, for the statistics */
};

struct bfs_session_call bfs_session_call_begin(fuse_req_t request, enum bfs_op op);

/* Replies `result` if that is an error (anything else has been replied already), and counts. */
void bfs_session_call_end(struct bfs_session_call *call, int result);

/* Replies 0 or an error, and counts. */
void bfs_session_call_finish(struct bfs_session_call *call, int result);

/* Who makes something new. */
struct bfs_maker bfs_session_call_maker(const struct bfs_session_call *call);

/* The entry that tells the kernel of an inode. It is not counted. */
void bfs_session_fill_entry(const struct bfs_session_driver *driver, const struct stat *stat,
	struct fuse_entry_param *ret_entry);

/* Replies with an inode, and counts the lookup that this is. -ENOMEM: nothing was replied. */
int bfs_session_reply_entry(struct bfs_session_call *call, const struct stat *stat);

/* Takes back lookups, of a FORGET or of a reply that did not arrive. */
void bfs_session_forget(struct bfs_session_driver *driver, uint64_t ino, uint64_t lookups);

/* The inode lost a name: it goes when nobody knows it. */
void bfs_session_doom(struct bfs_session_driver *driver, uint64_t ino);

/* The mode of a regular file after a change by somebody without privileges (inode(7)). */
mode_t bfs_session_mode_without_privileges(mode_t mode);

/* Clears set-id bits, after bytes were changed by somebody without privileges. */
int bfs_session_drop_privileges(struct bfs_session_call *call, uint64_t ino);

/* session_names.c */
void bfs_session_on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void bfs_session_on_forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups);
void bfs_session_on_forget_multi(
	fuse_req_t request, size_t count, struct fuse_forget_data *forgets);
void bfs_session_on_readlink(fuse_req_t request, fuse_ino_t ino);
void bfs_session_on_mknod(
	fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void bfs_session_on_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *file);
void bfs_session_on_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void bfs_session_on_symlink(
	fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void bfs_session_on_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void bfs_session_on_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void bfs_session_on_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void bfs_session_on_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
	fuse_ino_t new_parent, const char *new_name, unsigned flags);

/* session_attributes.c */
void bfs_session_on_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void bfs_session_on_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int to_set,
	struct fuse_file_info *file);
void bfs_session_on_statfs(fuse_req_t request, fuse_ino_t ino);
void bfs_session_on_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name,
	const char *value, size_t size, int flags);
void bfs_session_on_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size);
void bfs_session_on_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size);
void bfs_session_on_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name);
void bfs_session_on_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *argument,
	struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
	size_t out_size);

/* session_data.c */
void bfs_session_on_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void bfs_session_on_read(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file);
void bfs_session_on_write_buf(fuse_req_t request, fuse_ino_t ino, struct fuse_bufvec *bytes,
	off_t offset, struct fuse_file_info *file);
void bfs_session_on_fsync(
	fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *file);
void bfs_session_on_fsyncdir(
	fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *file);
void bfs_session_on_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset,
	off_t length, struct fuse_file_info *file);
void bfs_session_on_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset,
	struct fuse_file_info *from_file, fuse_ino_t to, off_t to_offset,
	struct fuse_file_info *to_file, size_t length, int flags);
void bfs_session_on_lseek(
	fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *file);

/* session_listing.c */
void bfs_session_on_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file);
void bfs_session_on_readdir(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file);
void bfs_session_on_readdirplus(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file);

#endif
