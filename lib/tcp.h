/*
 * TCP connections with an end to the waiting.
 */
#ifndef BFS_LIB_TCP_H
#define BFS_LIB_TCP_H

/*
 * Connects to the first address of `host` (a name or a number) that answers, each being waited for
 * at most `timeout` ms; the socket does not block. -ENOENT where the name does not resolve,
 * -ETIMEDOUT where nobody answers, else the errno of connect(2). The resolver has timeouts of its
 * own.
 */
int bfs_tcp_connect(const char *host, const char *port, int timeout, int *ret_fd);

/* Waits until the socket is readable, or writable: poll(2)'s `event`. -ETIMEDOUT. */
int bfs_tcp_wait(int fd, short event, int timeout);

#endif
