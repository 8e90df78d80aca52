/* Requests about the bytes of files. */
#include "fs/session_calls.h"
#include "lib/file.h"

#include <fcntl.h>
#include <string.h>

/*
 * From this size, in bytes, two system calls for a splice cost less than copying once more (as in
 * reads.c).
 */
#define BIG_READ (64 * 1024)

/* Bytes of one copy_file_range(2) at most, so that a responder is not away for long; programs go on
 * where it stopped. */
#define COPY_MAX (64 * 1024 * 1024)

static bool is_in_force(const struct bfs_session_call *call, enum bfs_feature feature)
{
	return (atomic_load(&call->driver->in_force) & BFS_FEATURE_BIT(feature)) != 0;
}

void bfs_session_on_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_OPEN);

	(void)ino;
	if (is_in_force(&call, BFS_FEATURE_ZERO_OPEN)) {
		bfs_session_call_end(&call, -ENOSYS);
		return;
	}
	file->keep_cache = 1;
	fuse_reply_open(request, file);
	bfs_session_call_end(&call, 0);
}

/* --- reading --- */

/* Bytes that a READ at `offset` may have of a file of `length`. */
static size_t clamp(uint64_t length, off_t offset, size_t size)
{
	if (offset < 0 || (uint64_t)offset >= length)
		return 0;
	return size < length - (uint64_t)offset ? size : (size_t)(length - (uint64_t)offset);
}

/* The size is looked at first: where a file ends before the bytes that a splice was to bring, the
 * kernel would take zeros for them. */
static int reply_spliced(struct bfs_session_call *call, int fd, size_t size, off_t offset)
{
	struct fuse_bufvec vector = FUSE_BUFVEC_INIT(0);
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	vector.buf[0].size = clamp((uint64_t)stat.st_size, offset, size);
	vector.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
	vector.buf[0].fd = fd;
	vector.buf[0].pos = offset;
	call->bytes = vector.buf[0].size;
	fuse_reply_data(call->request, &vector, FUSE_BUF_SPLICE_MOVE);
	return 0;
}

static int reply_copied(struct bfs_session_call *call, int fd, size_t size, off_t offset)
{
	struct bfs_buffer *scratch = &call->responder->scratch;
	ssize_t n;
	int r;

	bfs_buffer_clear(scratch);
	r = bfs_buffer_reserve(scratch, size);
	if (r < 0)
		return r;
	do
		n = pread(fd, scratch->data, size, offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	call->bytes = (uint64_t)n;
	fuse_reply_buf(call->request, scratch->data, (size_t)n);
	return 0;
}

static int reply_local(struct bfs_session_call *call, int fd, size_t size, off_t offset)
{
	if (size >= BIG_READ && is_in_force(call, BFS_FEATURE_SPLICE))
		return reply_spliced(call, fd, size, offset);
	return reply_copied(call, fd, size, offset);
}

void bfs_session_on_read(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_READ);
	struct bfs_worktree_data data;
	struct bfs_content content = {.size = 0};
	int r = bfs_worktree_data_open(call.worktree, ino, false, &data);
	bool stored = r == 0 && data.fd < 0;

	(void)file;
	if (r == 0 && data.fd >= 0)
		r = reply_local(&call, data.fd, size, offset);
	if (stored)
		content = data.content;
	if (r == 0)
		bfs_worktree_data_close(call.worktree, &data, false);
	size = clamp(content.size, offset, size);
	if (stored && size > 0) { /* it may wait for the store */
		bfs_reads_submit(call.driver->reads, call.responder, request, &content,
			(uint64_t)offset, size, call.started);
		return;
	}
	if (stored)
		fuse_reply_buf(request, NULL, 0);
	bfs_session_call_end(&call, r);
}

/* --- writing --- */

/* To the local file at `offset`: the count, or a negative errno. */
static ssize_t copy_in(int fd, struct fuse_bufvec *bytes, off_t offset)
{
	struct fuse_bufvec to = FUSE_BUFVEC_INIT(fuse_buf_size(bytes));

	to.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK | FUSE_BUF_FD_RETRY;
	to.buf[0].fd = fd;
	to.buf[0].pos = offset;
	return fuse_buf_copy(&to, bytes, FUSE_BUF_SPLICE_MOVE);
}

void bfs_session_on_write_buf(fuse_req_t request, fuse_ino_t ino, struct fuse_bufvec *bytes,
	off_t offset, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_WRITE);
	struct bfs_worktree_data data;
	ssize_t n = bfs_worktree_data_open(call.worktree, ino, true, &data);

	(void)file;
	if (n == 0) {
		n = copy_in(data.fd, bytes, offset);
		bfs_worktree_data_close(call.worktree, &data, true);
	}
	if (n > 0 && call.responder->drop_privileges)
		bfs_session_drop_privileges(&call, ino);
	if (n >= 0) {
		call.bytes = (uint64_t)n;
		fuse_reply_write(request, (size_t)n);
	}
	bfs_session_call_end(&call, n < 0 ? (int)n : 0);
}

static void synchronise(fuse_req_t request, enum bfs_op op, uint64_t ino, bool data_only)
{
	struct bfs_session_call call = bfs_session_call_begin(request, op);

	bfs_session_call_finish(&call, bfs_worktree_fsync(call.worktree, ino, data_only));
}

void bfs_session_on_fsync(
	fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	(void)file;
	synchronise(request, BFS_OP_FSYNC, ino, data_only);
}

void bfs_session_on_fsyncdir(
	fuse_req_t request, fuse_ino_t ino, int data_only, struct fuse_file_info *file)
{
	(void)file;
	synchronise(request, BFS_OP_FSYNCDIR, ino, data_only);
}

/* Requests that do not say whether set-id bits are to stay: they do for root (CAP_FSETID). */
static bool is_privileged(const struct bfs_session_call *call)
{
	return fuse_req_ctx(call->request)->uid == 0;
}

void bfs_session_on_fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset,
	off_t length, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_FALLOCATE);
	struct bfs_worktree_data data;
	int r = bfs_worktree_data_open(call.worktree, ino, true, &data);

	(void)file;
	if (r == 0) {
		do
			r = fallocate(data.fd, mode, offset, length) < 0 ? -errno : 0;
		while (r == -EINTR);
		bfs_worktree_data_close(call.worktree, &data, true);
	}
	if (r == 0 && !is_privileged(&call))
		bfs_session_drop_privileges(&call, ino);
	bfs_session_call_finish(&call, r);
}

/* --- copying --- */

/* Between two descriptors: the count, or a negative errno. -EXDEV makes the kernel copy by itself.
 */
static ssize_t copy_range(int from, off_t from_offset, int to, off_t to_offset, size_t length)
{
	ssize_t n;

	do
		n = copy_file_range(from, &from_offset, to, &to_offset, length, 0);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == ENOSYS || errno == EOPNOTSUPP || errno == EINVAL ? -EXDEV : -errno;
}

static ssize_t copy_stored(struct bfs_session_call *call, const struct bfs_content *content,
	off_t from_offset, int to, off_t to_offset, size_t length)
{
	uint64_t position;
	void *handle;
	ssize_t n;
	int fd, r;

	length = clamp(content->size, from_offset, length);
	if (length == 0)
		return 0;
	r = bfs_content_open(call->driver->reader, content, (uint64_t)from_offset, length, &fd,
		&position, &handle);
	if (r < 0)
		return r;
	n = copy_range(fd, (off_t)position, to, to_offset, length);
	bfs_content_close(call->driver->reader, handle);
	return n;
}

/* `to` is open already, so if both are one file, it is a local one. */
static ssize_t copy_to(struct bfs_session_call *call, uint64_t from, off_t from_offset, int to,
	off_t to_offset, size_t length)
{
	struct bfs_worktree_data data;
	ssize_t n = bfs_worktree_data_open(call->worktree, from, false, &data);

	if (n < 0)
		return n;
	if (data.fd >= 0)
		n = copy_range(data.fd, from_offset, to, to_offset, length);
	else
		n = copy_stored(call, &data.content, from_offset, to, to_offset, length);
	bfs_worktree_data_close(call->worktree, &data, false);
	return n;
}

void bfs_session_on_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset,
	struct fuse_file_info *from_file, fuse_ino_t to, off_t to_offset,
	struct fuse_file_info *to_file, size_t length, int flags)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_COPY);
	struct bfs_worktree_data data;
	ssize_t n = bfs_worktree_data_open(call.worktree, to, true, &data);

	(void)from_file;
	(void)to_file;
	(void)flags;
	if (n == 0) {
		n = copy_to(&call, from, from_offset, data.fd, to_offset,
			length < COPY_MAX ? length : COPY_MAX);
		bfs_worktree_data_close(call.worktree, &data, n > 0);
	}
	if (n > 0 && !is_privileged(&call))
		bfs_session_drop_privileges(&call, to);
	if (n >= 0) {
		call.bytes = (uint64_t)n;
		fuse_reply_write(request, (size_t)n);
	}
	bfs_session_call_end(&call, n < 0 ? (int)n : 0);
}

/* SEEK_DATA and SEEK_HOLE in a stored file: it has no holes but the one at its end. */
static off_t seek_stored(const struct bfs_content *content, off_t offset, int whence)
{
	if (offset < 0 || (uint64_t)offset >= content->size)
		return -ENXIO;
	return whence == SEEK_HOLE ? (off_t)content->size : offset;
}

/* What the kernel gathered and did not send yet would be taken for a hole. Its answers to this
 * come as other requests, which other responders take. */
static void fetch_gathered(const struct bfs_session_call *call, uint64_t ino)
{
	if (is_in_force(call, BFS_FEATURE_WRITEBACK))
		fuse_lowlevel_notify_inval_inode(
			bfs_responders_session(call->driver->responders), ino, 0, 0);
}

void bfs_session_on_lseek(
	fuse_req_t request, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_LSEEK);
	struct bfs_worktree_data data;
	off_t found;

	(void)file;
	fetch_gathered(&call, ino);
	found = bfs_worktree_data_open(call.worktree, ino, false, &data);
	if (found == 0) {
		if (whence != SEEK_DATA && whence != SEEK_HOLE)
			found = -EINVAL;
		else if (data.fd < 0)
			found = seek_stored(&data.content, offset, whence);
		else if ((found = lseek(data.fd, offset, whence)) < 0)
			found = -errno;
		bfs_worktree_data_close(call.worktree, &data, false);
	}
	if (found >= 0)
		fuse_reply_lseek(request, found);
	bfs_session_call_end(&call, found < 0 ? (int)found : 0);
}
