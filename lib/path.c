#include "lib/path.h"

#include "lib/buffer.h"
#include "lib/file.h"

#include <string.h>

bool bfs_name_is_valid(const char *name, size_t length)
{
	if (length == 0 || length > BFS_NAME_MAX)
		return false;
	if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')))
		return false;
	return !memchr(name, '/', length) && !memchr(name, '\0', length);
}

bool bfs_path_is_clean(const char *path)
{
	for (;;) {
		const char *slash = strchrnul(path, '/');

		if (!bfs_name_is_valid(path, (size_t)(slash - path)))
			return false;
		if (!*slash)
			return true;
		path = slash + 1;
	}
}

const char *bfs_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *bfs_path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash ? (size_t)(slash - path) : 0);
}

char *bfs_path_join(const char *first, const char *second)
{
	return *first ? bfs_format("%s/%s", first, second) : strdup(second);
}

const char *bfs_path_below(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	if (strncmp(path, prefix, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return path + length;
	return path[length] == '/' ? path + length + 1 : NULL;
}

/* Length of the leading directories (slashes included) that both paths share. */
static size_t common_directories(const char *a, const char *b)
{
	size_t common = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			common = i + 1;
	return common;
}

char *bfs_path_relative(const char *from, const char *to)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	size_t common = common_directories(from, to);

	for (const char *slash = strchr(from + common, '/'); slash; slash = strchr(slash + 1, '/'))
		if (bfs_buffer_append_string(&text, "../") < 0)
			return NULL;
	if (bfs_buffer_append_string(&text, to + common) < 0)
		return NULL;
	return bfs_buffer_steal(&text);
}
