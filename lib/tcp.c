#include "lib/tcp.h"

#include "lib/cleanup.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

int bfs_tcp_wait(int fd, short event, int timeout)
{
	struct pollfd pollfd = {fd, event, 0};
	int n;

	do
		n = poll(&pollfd, 1, timeout);
	while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

static int connect_to(const struct addrinfo *address, int timeout, int *ret_fd)
{
	_cleanup_close_ int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(int);
	int code = 0, r;

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	r = bfs_tcp_wait(fd, POLLOUT, timeout);
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		r = -errno;
	if (r == 0)
		r = -code;
	if (r == 0)
		*ret_fd = bfs_steal_fd(&fd);
	return r;
}

int bfs_tcp_connect(const char *host, const char *port, int timeout, int *ret_fd)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	int r = -ENOENT;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -ENOENT;
	for (const struct addrinfo *i = found; i && r != 0; i = i->ai_next)
		r = connect_to(i, timeout, ret_fd);
	freeaddrinfo(found);
	return r;
}
