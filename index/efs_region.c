#include "index/efs.h"

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/system.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONFIGURATION	    "/etc/amazon/efs/efs-utils.conf"
#define CONFIGURATION_LIMIT (1024 * 1024) /* bytes; some 15 kB are used */

/*
 * The instance metadata service, version 2 (EC2 User Guide, "Use IMDSv2"). It answers within a
 * millisecond or, where there is none, never.
 */
#define METADATA_HOST	 "169.254.169.254"
#define METADATA_TIMEOUT 1000 /* ms, for all of it */
#define ANSWER_LIMIT	 4096 /* bytes */
#define TOKEN_LIMIT	 512  /* bytes */

static bool is_region(const char *text, size_t length)
{
	return length > 0 && length < 64 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= length;
}

char *bfs_efs_host(const struct bfs_efs *efs, const char *region)
{
	return bfs_format("%s.efs.%s.amazonaws.com%s", efs->id, region,
		strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

/* --- efs-utils.conf --- */

/* "region = eu-west-1", in whatever section; the file as installed has it commented out. */
static int read_configuration(char **ret_region)
{
	_cleanup_free_ char *path = bfs_system_path(CONFIGURATION);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	char *rest, *line;
	int r = path ? bfs_read_file(AT_FDCWD, path, CONFIGURATION_LIMIT, &text) : -ENOMEM;

	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	rest = text.data;
	while (rest && (line = strsep(&rest, "\n"))) {
		char *value = line + strspn(line, " \t");
		size_t length;

		if (strncmp(value, "region", 6) != 0)
			continue;
		value += 6 + strspn(value + 6, " \t");
		if (*value++ != '=')
			continue;
		value += strspn(value, " \t");
		length = strcspn(value, " \t\r");
		if (!is_region(value, length))
			continue;
		*ret_region = strndup(value, length);
		return *ret_region ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

/* --- instance metadata --- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_for(int fd, short events, int64_t end)
{
	struct pollfd pollfd = {fd, events, 0};
	int64_t left = end - now_ms();
	int n = left > 0 ? poll(&pollfd, 1, (int)left) : 0;

	return n > 0 ? 0 : n < 0 && errno != EINTR ? -errno : -ETIMEDOUT;
}

static int connect_by(const char *host, const char *port, int64_t end, int *ret_fd)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;
	_cleanup_close_ int fd = -1;
	socklen_t size = sizeof(int);
	int r = 0, code = 0;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		return -ENOENT;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS))
		r = -errno;
	freeaddrinfo(found);
	if (r == 0)
		r = wait_for(fd, POLLOUT, end);
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0)
		r = -code;
	if (r == 0)
		*ret_fd = bfs_steal_fd(&fd);
	return r;
}

static int read_answer(int fd, int64_t end, struct bfs_buffer *answer)
{
	char block[1024];
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n > 0 && answer->length < ANSWER_LIMIT) {
		r = wait_for(fd, POLLIN, end);
		if (r < 0)
			break;
		n = recv(fd, block, sizeof(block), 0);
		r = n < 0 ? -errno : bfs_buffer_append(answer, block, (size_t)n);
	}
	return r;
}

/* One request of HTTP/1.0; the first line of the answer's body, `limit` bytes at most. */
static int ask(const char *request, const char *host, const char *port, int64_t end, size_t limit,
	char **ret_line)
{
	_cleanup_buffer_ struct bfs_buffer answer = BFS_BUFFER_INIT;
	_cleanup_close_ int fd = -1;
	char *body;
	int r = connect_by(host, port, end, &fd);

	if (r == 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
		r = -EPIPE;
	if (r == 0)
		r = read_answer(fd, end, &answer);
	if (r < 0)
		return r;
	body = answer.data ? strstr(answer.data, "\r\n\r\n") : NULL;
	if (!body || strncmp(answer.data, "HTTP/1.", 7) != 0 ||
		strncmp(answer.data + 8, " 200", 4) != 0)
		return -ENOENT;
	body += 4;
	body[strcspn(body, "\r\n")] = '\0';
	if (!*body || strlen(body) > limit)
		return -ENOENT;
	*ret_line = strdup(body);
	return *ret_line ? 0 : -ENOMEM;
}

/* $AWS_EC2_METADATA_SERVICE_ENDPOINT, "http://HOST[:PORT]", as the AWS SDKs have it. */
static int metadata_address(char **ret_host, char **ret_port)
{
	const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *host = METADATA_HOST;
	size_t length = strlen(METADATA_HOST);

	if (endpoint && strncmp(endpoint, "http://", 7) == 0) {
		host = endpoint + 7;
		length = strcspn(host, ":/");
	}
	*ret_host = strndup(host, length);
	*ret_port = host[length] == ':'
			    ? strndup(host + length + 1, strcspn(host + length + 1, "/"))
			    : strdup("80");
	return *ret_host && *ret_port ? 0 : -ENOMEM;
}

static int read_metadata(char **ret_region)
{
	_cleanup_free_ char *host = NULL, *port = NULL, *token = NULL, *request = NULL;
	const char *disabled = getenv("AWS_EC2_METADATA_DISABLED");
	int64_t end = now_ms() + METADATA_TIMEOUT;
	int r;

	if (disabled && strcasecmp(disabled, "true") == 0)
		return -ENOENT;
	r = metadata_address(&host, &port);
	if (r == 0)
		r = ask("PUT /latest/api/token HTTP/1.0\r\nContent-Length: 0\r\n"
			"X-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n",
			host, port, end, TOKEN_LIMIT, &token);
	if (r < 0)
		return r;
	request = bfs_format("GET /latest/meta-data/placement/region HTTP/1.0\r\n"
			     "X-aws-ec2-metadata-token: %s\r\n\r\n",
		token);
	r = request ? ask(request, host, port, end, 63, ret_region) : -ENOMEM;
	if (r == 0 && !is_region(*ret_region, strlen(*ret_region))) {
		free(bfs_steal(ret_region));
		return -ENOENT;
	}
	return r;
}

int bfs_efs_find_region(const struct bfs_efs *efs, char **ret_region)
{
	static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
	int r;

	for (size_t i = 0; !efs->region && i < BFS_ARRAY_LENGTH(variables); i++) {
		const char *value = getenv(variables[i]);

		if (value && is_region(value, strlen(value))) {
			*ret_region = strdup(value);
			return *ret_region ? 0 : -ENOMEM;
		}
	}
	if (efs->region) {
		*ret_region = strdup(efs->region);
		return *ret_region ? 0 : -ENOMEM;
	}
	r = read_configuration(ret_region);
	if (r != -ENOENT)
		return r;
	r = read_metadata(ret_region);
	if (r < 0 && r != -ENOMEM) {
		bfs_log_debug(
			"the instance metadata service does not tell the region: %s", strerror(-r));
		return -ENOENT;
	}
	return r;
}
