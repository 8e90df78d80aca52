#include "index/metadata.h"

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/tcp.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HOST	     "169.254.169.254"
#define TIMEOUT	     1000 /* ms, for all of a question */
#define ANSWER_LIMIT 4096 /* bytes */
#define TOKEN_LIMIT  512  /* bytes */
#define LINE_LIMIT   255  /* bytes */

struct service {
	char *host, *port;
	int64_t end; /* ms, monotonic: when there is no more time */
};

static void release_service(struct service *service)
{
	free(service->host);
	free(service->port);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int time_left(const struct service *service)
{
	int64_t left = service->end - now_ms();

	return left > 0 ? (int)left : 0;
}

static int find_service(struct service *service)
{
	const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *host = HOST;
	size_t length = strlen(HOST);

	if (disabled && strcasecmp(disabled, "true") == 0)
		return -ENOENT;
	if (endpoint && strncmp(endpoint, "http://", 7) == 0) {
		host = endpoint + 7;
		length = strcspn(host, ":/");
	}
	service->end = now_ms() + TIMEOUT;
	service->host = strndup(host, length);
	service->port = host[length] == ':'
				? strndup(host + length + 1, strcspn(host + length + 1, "/"))
				: strdup("80");
	return service->host && service->port ? 0 : -ENOMEM;
}

static int read_answer(const struct service *service, int fd, struct bfs_buffer *answer)
{
	char block[1024];
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0 && answer->length < ANSWER_LIMIT) {
		r = bfs_tcp_wait(fd, POLLIN, time_left(service));
		if (r < 0)
			break;
		n = recv(fd, block, sizeof(block), 0);
		r = n < 0 ? -errno : bfs_buffer_append(answer, block, (size_t)n);
	}
	return r;
}

/* The first line of an answer's body, if it is status 200. */
static int take_line(const struct bfs_buffer *answer, size_t limit, char **ret_line)
{
	char *body = answer->data ? strstr(answer->data, "\r\n\r\n") : NULL;

	if (!body || strncmp(answer->data, "HTTP/1.", 7) != 0 ||
		strncmp(answer->data + 8, " 200", 4) != 0)
		return -ENOENT;
	body += 4;
	body[strcspn(body, "\r\n")] = '\0';
	if (!*body || strlen(body) > limit)
		return -ENOENT;
	for (const char *c = body; *c; c++)
		if (*c <= ' ' || *c > '~')
			return -ENOENT;
	*ret_line = strdup(body);
	return *ret_line ? 0 : -ENOMEM;
}

static int ask(const struct service *service, const char *request, size_t limit, char **ret_line)
{
	_cleanup_buffer_ struct bfs_buffer answer = BFS_BUFFER_INIT;
	_cleanup_close_ int fd = -1;
	int r = bfs_tcp_connect(service->host, service->port, time_left(service), &fd);

	if (r == 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		r = -EPIPE;
	if (r == 0)
		r = read_answer(service, fd, &answer);
	return r < 0 ? r : take_line(&answer, limit, ret_line);
}

int bfs_metadata_get(const char *path, char **ret_line)
{
	BFS_CLEANUP(release_service) struct service service = {0};
	_cleanup_free_ char *token = NULL, *request = NULL;
	int r = find_service(&service);

	if (r == 0)
		r = ask(&service,
			"PUT /latest/api/token HTTP/1.0\r\nContent-Length: 0\r\n"
			"X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
			TOKEN_LIMIT, &token);
	if (r < 0)
		return r;
	request = bfs_format("GET /latest/meta-data/%s HTTP/1.0\r\n"
			     "X-aws-ec2-metadata-token: %s\r\n\r\n",
		path, token);
	return request ? ask(&service, request, LINE_LIMIT, ret_line) : -ENOMEM;
}
