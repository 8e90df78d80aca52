#include "installer/relocate_link.h"

#include "lib/buffer.h"
#include "lib/path.h"

#include <stdbool.h>
#include <string.h>

/* The next component of `*path`, which is moved behind it; its length is 0 at the end. */
static const char *next_component(const char **path, size_t *ret_length)
{
	const char *start = *path + strspn(*path, "/");

	*ret_length = (size_t)(strchrnul(start, '/') - start);
	*path = start + *ret_length;
	return start;
}

static int append_component(struct bfs_buffer *path, const char *component, size_t length)
{
	int r = path->length ? bfs_buffer_append(path, "/", 1) : 0;

	return r < 0 ? r : bfs_buffer_append(path, component, length);
}

static void remove_component(struct bfs_buffer *path)
{
	while (path->length && path->data[path->length - 1] != '/')
		path->length--;
	if (path->length)
		path->length--;
	path->data[path->length] = '\0';
}

/* Appends "a/b" for "/a/./x//../b/" to an empty buffer. Above the root is the root. */
static int clean(const char *path, struct bfs_buffer *ret_clean)
{
	const char *component;
	size_t length;
	int r = bfs_buffer_reserve(ret_clean, strlen(path));

	while (r == 0 && (component = next_component(&path, &length)) && length) {
		if (length == 1 && component[0] == '.')
			continue;
		if (length == 2 && component[0] == '.' && component[1] == '.')
			remove_component(ret_clean);
		else
			r = append_component(ret_clean, component, length);
	}
	return r;
}

/* The text that leads from a directory to another path, both clean and relative to the same
 * directory. */
static int lead(const char *directory, const char *to, struct bfs_buffer *text)
{
	size_t from_length, to_length;
	int r = 0;

	for (;;) {
		const char *from_rest = directory, *to_rest = to;
		const char *a = next_component(&from_rest, &from_length);
		const char *b = next_component(&to_rest, &to_length);

		if (!from_length || from_length != to_length || memcmp(a, b, from_length) != 0)
			break;
		directory = from_rest;
		to = to_rest;
	}
	while (r == 0 && (next_component(&directory, &from_length), from_length))
		r = append_component(text, "..", 2);
	to += strspn(to, "/");
	if (r == 0 && *to)
		r = append_component(text, to, strlen(to));
	if (r == 0 && !text->length)
		r = append_component(text, ".", 1);
	return r;
}

int bfs_link_relocate(
	const char *prefix, const char *directory, const char *target, char **ret_text)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT, to = BFS_BUFFER_INIT;
	const char *below;
	int r;

	*ret_text = NULL;
	if (target[0] != '/' || !bfs_path_below(target, prefix))
		return 0;
	r = clean(target, &to);
	if (r < 0)
		return r;
	below = bfs_path_below(to.data, prefix + strspn(prefix, "/"));
	if (!below)
		return 0;
	r = lead(directory, below, &text);
	if (r < 0)
		return r;
	*ret_text = bfs_buffer_steal(&text);
	return *ret_text ? 0 : -ENOMEM;
}
