/*
 * A growing array of bytes. `data[length]` is always a NUL, so a buffer of text is a C string.
 *
 * Zero-initialise with BFS_BUFFER_INIT; release with bfs_buffer_release() or _cleanup_buffer_.
 * Functions return 0, or -ENOMEM and leave the buffer as it was.
 */
#ifndef BFS_LIB_BUFFER_H
#define BFS_LIB_BUFFER_H

#include "lib/cleanup.h"

#include <stddef.h>
#include <stdint.h>

struct bfs_buffer {
	char *data;		/* NULL until the first byte is added */
	size_t length;		/* bytes in use, the NUL not counted */
	size_t capacity;	/* bytes allocated */
};

#define BFS_BUFFER_INIT {NULL, 0, 0}

/* Makes room for `extra` more bytes and the NUL. */
int bfs_buffer_reserve(struct bfs_buffer *buffer, size_t extra);
int bfs_buffer_append(struct bfs_buffer *buffer, const void *data, size_t length);
int bfs_buffer_append_string(struct bfs_buffer *buffer, const char *string);
int bfs_buffer_append_format(struct bfs_buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Sets the length to 0 and keeps the memory. */
void bfs_buffer_clear(struct bfs_buffer *buffer);
void bfs_buffer_release(struct bfs_buffer *buffer);
/* Hands the bytes, NUL-terminated, to the caller, who frees them; NULL only when out of memory. */
char *bfs_buffer_steal(struct bfs_buffer *buffer);

#define _cleanup_buffer_ BFS_CLEANUP(bfs_buffer_release)

#endif
