#include "fs/handshake.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>

/* The answer to INIT, as linux/fuse.h has it today, takes 80 bytes. */
#define ANSWER_MAX 512

static int receive(struct fuse_session *session, struct fuse_buf *request)
{
	int r;

	do
		r = fuse_session_receive_buf(session, request);
	while (r == -EINTR || r == -EAGAIN);
	return r > 0 ? 0 : r < 0 ? r : -ENODEV;
}

/* Those of the wanted flags that the request offers; -EPROTO where it is another one. */
static int find_offered(const struct fuse_buf *request, uint32_t wanted, uint32_t *ret_offered)
{
	const struct fuse_in_header *header = request->mem;
	const struct fuse_init_in *init = (const void *)(header + 1);

	if (request->size < sizeof(*header) + offsetof(struct fuse_init_in, flags) +
				    sizeof(init->flags) ||
		header->opcode != FUSE_INIT)
		return -EPROTO;
	*ret_offered = init->flags & wanted;
	return 0;
}

/* Lets libfuse answer into a pipe in place of the kernel's device. */
static int process_into(struct fuse_session *session, const struct fuse_buf *request, int pipe_fd)
{
	int fd = fuse_session_fd(session);
	_cleanup_close_ int device = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (device < 0 || dup3(pipe_fd, fd, O_CLOEXEC) < 0)
		return -errno;
	fuse_session_process_buf(session, request);
	return dup3(device, fd, O_CLOEXEC) < 0 ? -errno : 0;
}

/* Adds flags to an answer of `length` bytes that is no error. */
static void add_flags(char *answer, size_t length, uint32_t flags)
{
	const size_t place = sizeof(struct fuse_out_header) + offsetof(struct fuse_init_out, flags);
	struct fuse_out_header header;
	uint32_t given;

	memcpy(&header, answer, sizeof(header));
	if (header.error != 0 || length < place + sizeof(given))
		return;
	memcpy(&given, answer + place, sizeof(given));
	given |= flags;
	memcpy(answer + place, &given, sizeof(given));
}

static int answer_with(struct fuse_session *session, const struct fuse_buf *request, uint32_t flags)
{
	_cleanup_close_ int read_fd = -1, write_fd = -1;
	char answer[ANSWER_MAX];
	int fds[2], r;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	read_fd = fds[0];
	write_fd = fds[1];
	r = process_into(session, request, write_fd);
	if (r < 0)
		return r;
	n = read(read_fd, answer, sizeof(answer));
	if (n < (ssize_t)sizeof(struct fuse_out_header))
		return -EPROTO;
	add_flags(answer, (size_t)n, flags);
	return write(fuse_session_fd(session), answer, (size_t)n) == n ? 0 : -errno;
}

int bfs_handshake(struct fuse_session *session, uint32_t flags)
{
	struct fuse_buf request = {.mem = NULL};
	uint32_t offered = 0;
	int r = receive(session, &request);

	if (r == 0)
		r = find_offered(&request, flags, &offered);
	if (r == 0 && offered)
		r = answer_with(session, &request, offered);
	else if (r == 0)
		fuse_session_process_buf(session, &request);
	free(request.mem);
	return r;
}
