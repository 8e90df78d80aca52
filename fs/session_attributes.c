/* Requests about attributes of inodes, and of the mount. */
#include "fs/session_calls.h"

#include <string.h>

void bfs_session_on_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_GETATTR);
	struct stat stat;
	int r = bfs_worktree_stat(call.worktree, ino, &stat);

	(void)file;
	if (r == 0)
		fuse_reply_attr(request, &stat, call.driver->timeout);
	bfs_session_call_end(&call, r);
}

/* From libfuse's bits to the worktree's; those that only explain why are left out. */
static unsigned translate_set(int to_set)
{
	const struct {
		int fuse;
		unsigned worktree;
	} bits[] = {
		{FUSE_SET_ATTR_MODE, BFS_SET_MODE},
		{FUSE_SET_ATTR_UID, BFS_SET_UID},
		{FUSE_SET_ATTR_GID, BFS_SET_GID},
		{FUSE_SET_ATTR_SIZE, BFS_SET_SIZE},
		{FUSE_SET_ATTR_ATIME, BFS_SET_ATIME},
		{FUSE_SET_ATTR_MTIME, BFS_SET_MTIME},
		{FUSE_SET_ATTR_ATIME_NOW, BFS_SET_ATIME_NOW},
		{FUSE_SET_ATTR_MTIME_NOW, BFS_SET_MTIME_NOW},
		{FUSE_SET_ATTR_CTIME, BFS_SET_CTIME},
	};
	unsigned set = 0;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(bits); i++)
		if (to_set & bits[i].fuse)
			set |= bits[i].worktree;
	return set;
}

/* Clears set-id bits as well, in the mode that is to be set or the one that the file has. */
static int add_drop(struct bfs_session_call *call, uint64_t ino, unsigned *set, struct stat *stat)
{
	struct stat now;
	int r = *set & BFS_SET_MODE ? 0 : bfs_worktree_stat(call->worktree, ino, &now);

	if (r < 0)
		return r;
	stat->st_mode = bfs_session_mode_without_privileges(
		*set & BFS_SET_MODE ? stat->st_mode : now.st_mode);
	if (!(*set & BFS_SET_MODE) && stat->st_mode != now.st_mode)
		*set |= BFS_SET_MODE;
	return 0;
}

void bfs_session_on_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *stat, int to_set,
	struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_SETATTR);
	unsigned set = translate_set(to_set);
	/* A chown(2) of neither owner nor group asks for nothing, but drops what any other does. */
	bool drop = call.responder->drop_privileges || set == 0;
	struct stat now;
	int r = drop ? add_drop(&call, ino, &set, stat) : 0;

	(void)file;
	if (r == 0)
		r = bfs_worktree_set_attributes(call.worktree, ino, set, stat, &now);
	if (r == 0)
		fuse_reply_attr(request, &now, call.driver->timeout);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_statfs(fuse_req_t request, fuse_ino_t ino)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_STATFS);
	struct statvfs statvfs;
	int r = bfs_worktree_statfs(call.worktree, &statvfs);

	(void)ino;
	if (r == 0)
		fuse_reply_statfs(request, &statvfs);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_setxattr(fuse_req_t request, fuse_ino_t ino, const char *name,
	const char *value, size_t size, int flags)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_SETXATTR);

	bfs_session_call_finish(
		&call, bfs_worktree_set_xattr(call.worktree, ino, name, value, size, flags));
}

/* Replies what getxattr(2) and listxattr(2) want: the length for a size of 0, else the bytes. */
static int reply_xattr(struct bfs_session_call *call, ssize_t result, size_t size)
{
	if (result < 0)
		return (int)result;
	if (size == 0)
		fuse_reply_xattr(call->request, (size_t)result);
	else
		fuse_reply_buf(call->request, call->responder->scratch.data, (size_t)result);
	return 0;
}

void bfs_session_on_getxattr(fuse_req_t request, fuse_ino_t ino, const char *name, size_t size)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_GETXATTR);
	struct bfs_buffer *scratch = &call.responder->scratch;
	int r;

	bfs_buffer_clear(scratch);
	/* security.capability before a write, system.posix_acl_access for ls -l: often, and never
	 * there. */
	r = strncmp(name, "user.", 5) == 0 ? bfs_buffer_reserve(scratch, size) : -EOPNOTSUPP;
	if (r == 0)
		r = reply_xattr(&call,
			bfs_worktree_get_xattr(call.worktree, ino, name, scratch->data, size),
			size);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_listxattr(fuse_req_t request, fuse_ino_t ino, size_t size)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_LISTXATTR);
	struct bfs_buffer *scratch = &call.responder->scratch;
	int r;

	bfs_buffer_clear(scratch);
	r = bfs_buffer_reserve(scratch, size);
	if (r == 0)
		r = reply_xattr(&call,
			bfs_worktree_list_xattrs(call.worktree, ino, scratch->data, size), size);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_removexattr(fuse_req_t request, fuse_ino_t ino, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_REMOVEXATTR);

	bfs_session_call_finish(&call, bfs_worktree_remove_xattr(call.worktree, ino, name));
}

/* Some programs ask for file attributes (FS_IOC_GETFLAGS); ENOTTY is what they take for "none". */
void bfs_session_on_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *argument,
	struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
	size_t out_size)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_IOCTL);

	(void)ino;
	(void)command;
	(void)argument;
	(void)file;
	(void)flags;
	(void)in;
	(void)in_size;
	(void)out_size;
	bfs_session_call_end(&call, -ENOTTY);
}
