/* Open files: reading, writing, locks. */
#include "tests/bench/slowfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct open_file {
	int fd;
	atomic_ulong dirty; /* bytes written and not yet sent */
};

static struct open_file *file_of(const struct fuse_file_info *info)
{
	return (struct open_file *)(uintptr_t)info->fh;
}

/* Takes the descriptor over; `fd` may be a negative errno. */
static int new_file(struct fuse_file_info *info, int fd)
{
	struct open_file *file = fd < 0 ? NULL : calloc(1, sizeof(*file));

	if (fd < 0)
		return fd;
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	file->fd = fd;
	info->fh = (uintptr_t)file;
	info->keep_cache = 1; /* FUSE_CAP_AUTO_INVAL_DATA drops what changed */
	return 0;
}

/* The kernel has seen to the rest, and writes at offsets of its own. */
static int flags_behind(int flags)
{
	return (flags & ~(O_APPEND | O_NOFOLLOW | O_CREAT | O_EXCL)) | O_CLOEXEC;
}

static void on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	int r = new_file(info, nodes_open(ino, flags_behind(info->flags)));

	delay_charge_rest(OP_OPEN, slowfs_caller(req), ino, OP_LOOKUP);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_open(req, info);
}

static int create(fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *info,
	struct fuse_entry_param *entry)
{
	int directory = nodes_open(parent, O_PATH | O_DIRECTORY), fd, r;

	if (directory < 0)
		return directory;
	fd = openat(directory, name, flags_behind(info->flags) | O_CREAT | (info->flags & O_EXCL),
		mode);
	r = new_file(info, slowfs_result(fd));
	if (r == 0)
		r = nodes_find(directory, name, entry);
	close(directory);
	return r;
}

static void on_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *info)
{
	struct fuse_entry_param entry;
	int r = create(parent, name, mode, info, &entry);

	delay_charge_rest(OP_CREATE, slowfs_caller(req), parent, OP_LOOKUP);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_create(req, &entry, info);
}

static void on_read(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	char *bytes = malloc(size);
	ssize_t n = bytes ? pread(file_of(info)->fd, bytes, size, offset) : -1;

	(void)ino;
	if (n >= 0) {
		delay_read((size_t)n);
		fuse_reply_buf(req, bytes, (size_t)n);
	} else {
		fuse_reply_err(req, bytes ? errno : ENOMEM);
	}
	free(bytes);
}

static void on_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
	struct fuse_file_info *info)
{
	struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
	ssize_t n;

	(void)ino;
	out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	out.buf[0].fd = file_of(info)->fd;
	out.buf[0].pos = offset;
	n = fuse_buf_copy(&out, in, 0);
	if (n < 0) {
		fuse_reply_err(req, (int)-n);
		return;
	}
	file_of(info)->dirty += (unsigned long)n;
	fuse_reply_write(req, (size_t)n);
}

static void send_dirty(struct open_file *file)
{
	delay_write(atomic_exchange(&file->dirty, 0));
}

static void on_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	send_dirty(file_of(info));
	delay_charge(OP_CLOSE);
	delay_remember(OP_CLOSE, slowfs_caller(req), ino);
	fuse_reply_err(req, 0);
}

static void on_fsync(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
	(void)ino;
	(void)data_only;
	send_dirty(file_of(info));
	fuse_reply_err(req, 0);
}

static void on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct open_file *file = file_of(info);

	(void)ino;
	close(file->fd);
	free(file);
	fuse_reply_err(req, 0);
}

static void on_getlk(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info, struct flock *lock)
{
	int r = slowfs_result(fcntl(file_of(info)->fd, F_OFD_GETLK, lock));

	(void)ino;
	delay_charge(OP_LOCK);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_lock(req, lock);
}

static void on_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info,
	struct flock *lock, int may_wait)
{
	int r;

	(void)ino;
	lock->l_pid = 0;
	r = slowfs_result(fcntl(file_of(info)->fd, may_wait ? F_OFD_SETLKW : F_OFD_SETLK, lock));
	delay_charge(OP_LOCK);
	fuse_reply_err(req, slowfs_errno(r));
}

void slowfs_file_operations(struct fuse_lowlevel_ops *operations)
{
	operations->open = on_open;
	operations->create = on_create;
	operations->read = on_read;
	operations->write_buf = on_write_buf;
	operations->flush = on_flush;
	operations->release = on_release;
	operations->fsync = on_fsync;
	operations->getlk = on_getlk;
	operations->setlk = on_setlk;
}
