#include "lib/buffer.h"

#include <stdarg.h>
#include <string.h>

int bfs_buffer_reserve(struct bfs_buffer *buffer, size_t extra)
{
	size_t needed, capacity;
	char *data;

	if (__builtin_add_overflow(buffer->length, extra, &needed) ||
		__builtin_add_overflow(needed, 1, &needed))
		return -ENOMEM;
	if (needed <= buffer->capacity)
		return 0;
	capacity = buffer->capacity ? buffer->capacity : 64;
	while (capacity < needed)
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return -ENOMEM;
	data = realloc(buffer->data, capacity);
	if (!data)
		return -ENOMEM;
	buffer->data = data;
	buffer->capacity = capacity;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int bfs_buffer_append(struct bfs_buffer *buffer, const void *data, size_t length)
{
	int r = bfs_buffer_reserve(buffer, length);

	if (r < 0)
		return r;
	if (length)
		memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
	return 0;
}

int bfs_buffer_append_string(struct bfs_buffer *buffer, const char *string)
{
	return bfs_buffer_append(buffer, string, strlen(string));
}

int bfs_buffer_append_format(struct bfs_buffer *buffer, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return bfs_buffer_append(buffer, text, (size_t)length);
}

void bfs_buffer_clear(struct bfs_buffer *buffer)
{
	buffer->length = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

void bfs_buffer_release(struct bfs_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct bfs_buffer)BFS_BUFFER_INIT;
}

char *bfs_buffer_steal(struct bfs_buffer *buffer)
{
	char *data;

	if (bfs_buffer_reserve(buffer, 0) < 0)
		return NULL;
	data = buffer->data;
	*buffer = (struct bfs_buffer)BFS_BUFFER_INIT;
	return data;
}
