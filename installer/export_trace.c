#include "installer/export_trace.h"

#include "lib/file.h"
#include "lib/path.h"

#include <fcntl.h>
#include <string.h>

int bfs_export_trace_write(FILE *stream, const char *name)
{
	for (const char *c = name; *c; c++) {
		if (*c == '\\' || (unsigned char)*c < 32)
			fprintf(stream, "\\%03o", (unsigned char)*c);
		else
			fputc(*c, stream);
	}
	return fputc('\n', stream) == EOF ? -EIO : 0;
}

/* In place. False for what bfs_export_trace_write() does not write. */
static bool unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; from++, to++) {
		*to = *from;
		if (*from != '\\')
			continue;
		for (int i = 1; i <= 3; i++)
			if (from[i] < '0' || from[i] > (i == 1 ? '3' : '7'))
				return false;
		*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
		if (*to == '\0')
			return false;
		from += 3;
	}
	*to = '\0';
	return true;
}

static bool is_gone(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -EXDEV || code == -ELOOP ||
	       code == -ENAMETOOLONG || code == -EINVAL;
}

static int select_line(struct bfs_export_walk *walk, char *line, size_t *count)
{
	int r;

	if (*line == '#' || *line == '\0')
		return 0;
	if (!unescape(line) || *line == '/')
		return -EBADMSG;
	r = bfs_export_walk_name(walk, line, NULL);
	*count += r == 0;
	return is_gone(r) ? 0 : r;
}

int bfs_export_trace_select(struct bfs_export_walk *walk, const char *path, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	size_t count = 0, line = 0;
	int r = bfs_read_file(AT_FDCWD, path, BFS_EXPORT_TRACE_MAX, &text);

	if (r < 0)
		return bfs_error_set(error, r, "reading the trace", path, NULL);
	for (char *start = text.data, *end; r == 0 && start && *start; start = end) {
		end = start + strcspn(start, "\n");
		if (*end)
			*end++ = '\0';
		line++;
		r = select_line(walk, start, &count);
	}
	if (r == -EBADMSG)
		return bfs_error_set(error, r, "reading the trace", path,
			"line %zu: no name as brewfs trace writes them", line);
	if (r == 0 && count == 0)
		return bfs_error_set(error, -EINVAL, "reading the trace", path,
			"it names nothing that is in the prefix");
	return r;
}
