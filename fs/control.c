#include "fs/control.h"

#include "lib/file.h"
#include "lib/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ANSWER_LIMIT  (256 * 1024 * 1024) /* bytes: the changes of a session with a million names */
#define ANSWER_TIME   3		    /* seconds that the daemon has */
#define PEER_TIME     1 /* seconds that the one who asks has to ask, and to take the answer */
#define REQUEST_LIMIT (64 * 1024) /* bytes */

#define DIRECTORIES 3 /* where a user's sockets may be */

/* Where sockets of the user's mounts may be, the best place first; NULL where there are no more.
 * Allocated. */
static char *runtime_directory(uid_t owner, int choice)
{
	const char *given = getenv("XDG_RUNTIME_DIR");

	if (owner == 0)
		return choice == 0 ? strdup("/run/brewfs") : NULL;
	if (choice == 0 && owner == geteuid() && given && given[0] == '/')
		return bfs_format("%s/brewfs", given);
	if (choice <= 1)
		return bfs_format("/run/user/%u/brewfs", (unsigned)owner);
	return bfs_format("/tmp/brewfs-%u", (unsigned)owner);
}

/* Nobody else may have made the directory, or be able to put things there. */
static int check_directory(const char *path, uid_t owner)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) && st.st_uid == owner && (st.st_mode & 022) == 0 ? 0 : -EPERM;
}

static char *socket_path(const struct bfs_mount *mount, const char *directory)
{
	return bfs_format("%s/%u-%u.sock", directory, mount->major, mount->minor);
}

static int make_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	strcpy(ret_address->sun_path, path);
	return 0;
}

static int listen_at(const char *path, mode_t mode, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int r = make_address(path, &address);

	if (fd < 0 || r < 0)
		return fd < 0 ? -errno : r;
	unlink(path); /* of a daemon that was killed: the device number is ours now */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
		listen(fd, 16) < 0)
		return -errno;
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

static int listen_in(const char *directory, const struct bfs_mount *mount, bool open_to_all,
	int *ret_fd, char **ret_path)
{
	_cleanup_free_ char *path = socket_path(mount, directory);
	int r = path ? bfs_make_directories(AT_FDCWD, directory, geteuid() == 0 ? 0755 : 0700)
		     : -ENOMEM;

	if (r == 0)
		r = check_directory(directory, geteuid());
	if (r == 0)
		r = listen_at(path, open_to_all ? 0666 : 0600, ret_fd);
	if (r == 0)
		*ret_path = bfs_steal(&path);
	return r;
}

int bfs_control_listen(const struct bfs_mount *mount, bool open_to_all, int *ret_fd,
	char **ret_path, struct bfs_error *error)
{
	int r = -ENOENT;

	for (int i = 0; r < 0 && i < DIRECTORIES; i++) {
		_cleanup_free_ char *directory = runtime_directory(geteuid(), i);

		if (directory)
			r = listen_in(directory, mount, open_to_all, ret_fd, ret_path);
	}
	return r < 0 ? bfs_error_set(error, r, "making the control socket", NULL, NULL) : 0;
}

static void set_timeouts(int fd, int seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int send_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EAGAIN ? -errno : -ETIMEDOUT;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* A line, or all that comes before the peer closes its side. */
static int receive(int fd, size_t limit, struct bfs_buffer *text)
{
	for (;;) {
		char block[4096];
		ssize_t n = recv(fd, block, sizeof(block), 0);
		int r;

		if (n == 0)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (text->length + (size_t)n > limit)
			return -EBADMSG;
		r = bfs_buffer_append(text, block, (size_t)n);
		if (r < 0 || block[n - 1] == '\n')
			return r;
	}
}

static int read_request(struct bfs_control_peer *peer)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = receive(peer->fd, REQUEST_LIMIT, &text);

	if (r < 0 || text.length == 0)
		return r;
	r = bfs_json_parse(text.data, text.length, "the request", &peer->request, NULL);
	return r == 0 && !json_is_object(peer->request) ? -EBADMSG : r;
}

int bfs_control_accept(int listen_fd, struct bfs_control_peer *ret_peer)
{
	struct bfs_control_peer peer = {.fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)};
	struct ucred credentials;
	socklen_t length = sizeof(credentials);
	int r;

	if (peer.fd < 0)
		return -errno;
	set_timeouts(peer.fd, PEER_TIME);
	r = getsockopt(peer.fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0 ? -errno : 0;
	if (r == 0)
		r = read_request(&peer);
	if (r < 0) {
		bfs_control_refuse(&peer, "not a request");
		return r;
	}
	peer.uid = credentials.uid;
	*ret_peer = peer;
	return 0;
}

void bfs_control_answer(struct bfs_control_peer *peer, json_t *document)
{
	_cleanup_free_ char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;

	if (text)
		send_all(peer->fd, text, strlen(text));
	json_decref(document);
	json_decref(peer->request);
	close(peer->fd);
	*peer = (struct bfs_control_peer){.fd = -1};
}

void bfs_control_refuse(struct bfs_control_peer *peer, const char *text)
{
	bfs_control_answer(peer, json_pack("{s:s}", "error", text));
}

static int connect_to(const char *path, int *ret_fd)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int r = make_address(path, &address);

	if (fd < 0 || r < 0)
		return fd < 0 ? -errno : r;
	set_timeouts(fd, ANSWER_TIME);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	*ret_fd = bfs_steal_fd(&fd);
	return 0;
}

static int check_peer(int fd, uid_t owner, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return -errno;
	if (peer.uid != owner)
		return -EPERM;
	*ret_pid = peer.pid;
	return 0;
}

static int connect_in(
	const char *directory, const struct bfs_mount *mount, int *ret_fd, pid_t *ret_pid)
{
	_cleanup_free_ char *path = socket_path(mount, directory);
	_cleanup_close_ int fd = -1;
	int r = path ? check_directory(directory, mount->owner) : -ENOMEM;

	if (r == 0)
		r = connect_to(path, &fd);
	if (r == 0)
		r = check_peer(fd, mount->owner, ret_pid);
	if (r == 0)
		*ret_fd = bfs_steal_fd(&fd);
	return r;
}

static int open_control(const struct bfs_mount *mount, int *ret_fd, pid_t *ret_pid)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < DIRECTORIES; i++) {
		_cleanup_free_ char *directory = runtime_directory(mount->owner, i);

		if (directory)
			r = connect_in(directory, mount, ret_fd, ret_pid);
	}
	return r;
}

/* What comes after `line` (NULL: nothing) was sent. */
static int converse(int fd, const char *line, json_t **ret_document)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = line ? send_all(fd, line, strlen(line)) : 0;

	if (r == 0 && shutdown(fd, SHUT_WR) < 0)
		r = -errno;
	if (r == 0)
		r = receive(fd, ANSWER_LIMIT, &text);
	if (r == 0 && text.length == 0)
		r = line ? -ECONNRESET : -EBADMSG;
	return r < 0 ? r
		     : bfs_json_parse(
			       text.data, text.length, "the daemon's answer", ret_document, NULL);
}

int bfs_control_ask(const struct bfs_mount *mount, pid_t *ret_pid, json_t **ret_document)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_close_ int fd = -1;
	pid_t pid = 0;
	int r = open_control(mount, &fd, &pid);

	if (r == 0)
		r = converse(fd, NULL, &document);
	if (r < 0)
		return r;
	*ret_pid = pid;
	if (ret_document)
		*ret_document = bfs_steal(&document);
	return 0;
}

int bfs_control_request(const struct bfs_mount *mount, const json_t *request, json_t **ret_answer)
{
	_cleanup_free_ char *text = json_dumps(request, JSON_COMPACT);
	_cleanup_free_ char *line = text ? bfs_format("%s\n", text) : NULL;
	_cleanup_close_ int fd = -1;
	pid_t pid;
	int r = line ? open_control(mount, &fd, &pid) : -ENOMEM;

	if (r < 0)
		return r;
	set_timeouts(fd, 0); /* none */
	return converse(fd, line, ret_answer);
}
