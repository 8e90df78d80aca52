#include "fs/session_access.h"

#include "fs/control.h"
#include "fs/mountinfo.h"
#include "fs/session_request.h"
#include "lib/file.h"
#include "lib/json.h"

#include <fcntl.h>
#include <limits.h>

static bool is_same_directory(const char *first, const char *second)
{
	struct stat a, b;

	return stat(first, &a) == 0 && stat(second, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Whether the daemon of the mount has this session; another user may have one of that name. */
static bool has_session(const struct bfs_mount *mount, const char *path)
{
	_cleanup_json_ json_t *document = NULL;
	const char *directory;
	json_t *session;
	pid_t pid;

	return bfs_mount_is_brewfs(mount) && bfs_control_ask(mount, &pid, &document) == 0 &&
	       bfs_json_get_object(document, "session", &session) == 0 &&
	       bfs_json_get_string(session, "directory", &directory) == 0 &&
	       is_same_directory(directory, path);
}

int bfs_session_find_mount(
	const struct bfs_mounts *mounts, const char *name, const struct bfs_mount **ret_mount)
{
	_cleanup_free_ char *directory = NULL, *path = NULL;
	int r = bfs_session_directory(&directory, NULL);

	if (r < 0)
		return r;
	path = bfs_format("%s/%s", directory, name);
	if (!path)
		return -ENOMEM;
	for (size_t i = mounts->count; i > 0; i--)
		if (has_session(&mounts->mounts[i - 1], path)) {
			*ret_mount = &mounts->mounts[i - 1];
			return 0;
		}
	return -ENOENT;
}

/* What the kernel has not written yet. */
static int sync_mount(const struct bfs_mount *mount, struct bfs_error *error)
{
	_cleanup_close_ int fd = open(mount->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return bfs_error_set(error, -errno, "syncing the mount", mount->mountpoint, NULL);
	return 0;
}

static int ask_daemon(const struct bfs_mount *mount, const json_t *request, json_t **ret_answer,
	struct bfs_error *error)
{
	int r = sync_mount(mount, error);

	if (r == 0)
		r = bfs_control_request(mount, request, ret_answer);
	return r < 0 ? bfs_error_set(error, r, "asking the daemon of", mount->mountpoint, NULL) : 0;
}

static int answer_here(const char *name, const char *path, const char *holder,
	const json_t *request, json_t **ret_answer, struct bfs_error *error)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_session_ struct bfs_session *session = NULL;
	int r = bfs_store_open(path, &store, error);

	if (r == 0)
		r = bfs_session_open(store, name, holder, &session, error);
	return r == 0 ? bfs_session_request(session, request, ret_answer) : r;
}

int bfs_session_ask(const char *name, const char *store, const char *holder, const json_t *request,
	json_t **ret_answer, struct bfs_error *error)
{
	_cleanup_session_info_ struct bfs_session_info info = {0};
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	const struct bfs_mount *mount;
	int r = bfs_session_read_info(name, &info, error);

	if (r == 0)
		r = bfs_mounts_read(&mounts, error);
	if (r < 0)
		return r;
	r = bfs_session_find_mount(&mounts, name, &mount);
	if (r == 0)
		return ask_daemon(mount, request, ret_answer, error);
	if (r != -ENOENT)
		return bfs_error_set(error, r, "finding the session", name, NULL);
	return answer_here(name, store ? store : info.store, holder, request, ret_answer, error);
}
