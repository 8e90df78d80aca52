/*
 * Reading a JSON document of tens of megabytes in place: its members are found one after the
 * other, as slices of the text, and no tree of the whole is ever built. A slice that matters is
 * then given to bfs_json_parse().
 *
 *	struct bfs_json_walk walk;
 *	r = bfs_json_walk_begin(&walk, text, length);
 *	while (r == 0 && (r = bfs_json_walk_next(&walk, &key, &value)) > 0)
 *		r = ...;
 *
 * The walk checks what it passes over: strings end, brackets match and are at most
 * BFS_JSON_WALK_DEPTH deep, members are separated as RFC 8259 says, nothing follows the object. It
 * does not look into numbers and literals. Every failure is -EBADMSG. The text must outlive the
 * slices, and need not be terminated.
 */
#ifndef BFS_LIB_JSON_WALK_H
#define BFS_LIB_JSON_WALK_H

#include <stdbool.h>
#include <stddef.h>

/* A bit a level: 64 bytes. Jansson stops at 2,048, Homebrew's documents need 8. */
#define BFS_JSON_WALK_DEPTH 512

struct bfs_slice {
	char *data; /* into the document */
	size_t length;
};

struct bfs_json_walk {
	char *at, *end;
	bool first; /* no member was passed yet */
};

/* Begins with the document's outermost value, which must be an object. */
int bfs_json_walk_begin(struct bfs_json_walk *walk, char *text, size_t length);

/*
 * The next member: 1, or 0 after the last one. `ret_key` is the key's text between its quotes, with
 * its escapes; `ret_value` the value from its first to its last character (quotes or brackets
 * included).
 */
int bfs_json_walk_next(
	struct bfs_json_walk *walk, struct bfs_slice *ret_key, struct bfs_slice *ret_value);

/* Whether the key is exactly `name`, which has no character that JSON would escape. */
bool bfs_slice_equals(const struct bfs_slice *slice, const char *name);

/*
 * Turns a string value (with its quotes) into the text it stands for, in place: escapes only ever
 * shrink. The slice then is that text, without quotes. Raw control characters, unknown escapes and
 * halves of surrogate pairs are refused; other bytes are left as they are.
 */
int bfs_json_unescape(struct bfs_slice *string);

#endif
