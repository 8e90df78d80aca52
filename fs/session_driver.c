#include "fs/session_driver.h"

#include "fs/driver.h"
#include "fs/session_calls.h"
#include "lib/log.h"

#include <linux/fuse.h>
#include <string.h>

/* FUSE_TMPFILE of linux/fuse.h, which older headers do not have. */
#define OPCODE_TMPFILE 51

struct bfs_session_call bfs_session_call_begin(fuse_req_t request, enum bfs_op op)
{
	struct bfs_session_driver *driver = fuse_req_userdata(request);

	return (struct bfs_session_call){
		.driver = driver,
		.worktree = driver->worktree,
		.responder = bfs_responders_self(driver->responders),
		.request = request,
		.op = op,
		.started = bfs_stats_now(),
	};
}

void bfs_session_call_end(struct bfs_session_call *call, int result)
{
	if (result < 0)
		bfs_reply_error(call->request, result);
	bfs_stats_add(call->driver->stats, call->op, call->started, result, call->bytes);
}

void bfs_session_call_finish(struct bfs_session_call *call, int result)
{
	if (result >= 0)
		fuse_reply_err(call->request, 0);
	bfs_session_call_end(call, result);
}

struct bfs_maker bfs_session_call_maker(const struct bfs_session_call *call)
{
	const struct fuse_ctx *context = fuse_req_ctx(call->request);

	return (struct bfs_maker){context->uid, context->gid};
}

void bfs_session_fill_entry(const struct bfs_session_driver *driver, const struct stat *stat,
	struct fuse_entry_param *ret_entry)
{
	*ret_entry = (struct fuse_entry_param){
		.ino = stat->st_ino,
		.generation = 1, /* numbers are never reused, so one will do */
		.attr = *stat,
		.attr_timeout = driver->timeout,
		.entry_timeout = driver->timeout,
	};
}

int bfs_session_reply_entry(struct bfs_session_call *call, const struct stat *stat)
{
	struct fuse_entry_param entry;
	int r = bfs_lookups_add(call->driver->lookups, stat->st_ino);

	if (r < 0)
		return r;
	bfs_session_fill_entry(call->driver, stat, &entry);
	if (fuse_reply_entry(call->request, &entry) < 0)
		bfs_session_forget(call->driver, stat->st_ino, 1);
	return 0;
}

void bfs_session_forget(struct bfs_session_driver *driver, uint64_t ino, uint64_t lookups)
{
	if (bfs_lookups_forget(driver->lookups, ino, lookups))
		bfs_worktree_release(driver->worktree, ino);
}

void bfs_session_doom(struct bfs_session_driver *driver, uint64_t ino)
{
	if (!bfs_lookups_doom(driver->lookups, ino))
		bfs_worktree_release(driver->worktree, ino);
}

int bfs_session_drop_privileges(struct bfs_session_call *call, uint64_t ino)
{
	struct fuse_session *session = bfs_responders_session(call->driver->responders);
	struct stat stat;
	int r = bfs_worktree_stat(call->worktree, ino, &stat);
	mode_t mode;

	if (r < 0)
		return r;
	mode = bfs_session_mode_without_privileges(stat.st_mode);
	if (mode == stat.st_mode)
		return 0;
	stat.st_mode = mode;
	r = bfs_worktree_set_attributes(call->worktree, ino, BFS_SET_MODE, &stat, &stat);
	/* The kernel takes the mode that it has for the right one. */
	if (r == 0)
		fuse_lowlevel_notify_inval_inode(session, ino, -1, 0);
	return r;
}

mode_t bfs_session_mode_without_privileges(mode_t mode)
{
	if (!S_ISREG(mode))
		return mode;
	mode &= ~(mode_t)S_ISUID;
	return mode & S_IXGRP ? mode & ~(mode_t)S_ISGID : mode;
}

/* What libfuse wants by default and does not fit here. */
static void refuse_defaults(struct fuse_conn_info *connection)
{
	/* O_TRUNC would come with an OPEN, and none is sent. */
	connection->want &= ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC;
	/* Only the second version of it spares requests (fs/session_service.c). */
	connection->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV;
	connection->want &= ~(unsigned)(FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS);
	/* Two system calls more for each request; big writes, which are copied once less, take as
	 * long. */
	connection->want &= ~(unsigned)FUSE_CAP_SPLICE_READ;
}

static void on_init(void *context, struct fuse_conn_info *connection)
{
	struct bfs_session_driver *driver = context;
	unsigned in_force = bfs_features_negotiate(driver->wanted, connection);
	uint64_t one = 1;

	refuse_defaults(connection);
	connection->want |= connection->capable & FUSE_CAP_ASYNC_DIO;
	connection->max_background = driver->background;
	connection->max_read = BFS_READ_MAX;
	if (!(in_force & BFS_FEATURE_BIT(BFS_FEATURE_CACHE_NAMES)))
		driver->timeout = 0;
	bfs_reads_configure(driver->reads, in_force & BFS_FEATURE_BIT(BFS_FEATURE_SPLICE),
		in_force & BFS_FEATURE_BIT(BFS_FEATURE_SINGLE_CACHE));
	atomic_store(&driver->in_force, in_force);
	bfs_log_debug("kernel protocol %u.%u", connection->proto_major, connection->proto_minor);
	if (write(driver->initialised_fd, &one, sizeof(one)) < 0)
		bfs_log_warning("telling that the mount is ready: %s", strerror(errno));
}

/* Whether a request of that opcode has the bit set in the 32 bits at `place` behind its header. */
static bool has_bit(const struct fuse_buf *request, size_t place, uint32_t bit)
{
	const char *body = (const char *)request->mem + sizeof(struct fuse_in_header);
	uint32_t flags;

	if (request->size < sizeof(struct fuse_in_header) + place + sizeof(flags))
		return false;
	memcpy(&flags, body + place, sizeof(flags));
	return (flags & bit) != 0;
}

void bfs_session_driver_prepare(struct bfs_responder *responder, struct fuse_buf *request)
{
	struct fuse_in_header *header = request->mem;

	responder->anonymous = responder->drop_privileges = false;
	if ((request->flags & FUSE_BUF_IS_FD) || request->size < sizeof(*header))
		return;
	if (header->opcode == FUSE_WRITE)
		responder->drop_privileges = has_bit(request,
			offsetof(struct fuse_write_in, write_flags), FUSE_WRITE_KILL_SUIDGID);
	else if (header->opcode == FUSE_SETATTR)
		responder->drop_privileges = has_bit(
			request, offsetof(struct fuse_setattr_in, valid), FATTR_KILL_SUIDGID);
	responder->anonymous = header->opcode == OPCODE_TMPFILE;
	if (responder->anonymous)
		header->opcode = FUSE_CREATE;
}

/* No flush: it is answered ENOSYS then, which is what is wanted. No release, and no releasedir: 0.
 */
const struct fuse_lowlevel_ops *bfs_session_driver_operations(void)
{
	static const struct fuse_lowlevel_ops operations = {
		.init = on_init,
		.lookup = bfs_session_on_lookup,
		.forget = bfs_session_on_forget,
		.forget_multi = bfs_session_on_forget_multi,
		.getattr = bfs_session_on_getattr,
		.setattr = bfs_session_on_setattr,
		.readlink = bfs_session_on_readlink,
		.mknod = bfs_session_on_mknod,
		.mkdir = bfs_session_on_mkdir,
		.unlink = bfs_session_on_unlink,
		.rmdir = bfs_session_on_rmdir,
		.symlink = bfs_session_on_symlink,
		.rename = bfs_session_on_rename,
		.link = bfs_session_on_link,
		.open = bfs_session_on_open,
		.read = bfs_session_on_read,
		.write_buf = bfs_session_on_write_buf,
		.fsync = bfs_session_on_fsync,
		.opendir = bfs_session_on_opendir,
		.readdir = bfs_session_on_readdir,
		.readdirplus = bfs_session_on_readdirplus,
		.fsyncdir = bfs_session_on_fsyncdir,
		.statfs = bfs_session_on_statfs,
		.setxattr = bfs_session_on_setxattr,
		.getxattr = bfs_session_on_getxattr,
		.listxattr = bfs_session_on_listxattr,
		.removexattr = bfs_session_on_removexattr,
		.create = bfs_session_on_create,
		.ioctl = bfs_session_on_ioctl,
		.fallocate = bfs_session_on_fallocate,
		.copy_file_range = bfs_session_on_copy_file_range,
		.lseek = bfs_session_on_lseek,
	};

	return &operations;
}
