#include "lib/json_walk.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* The brackets that are open: bit set for an object. */
struct brackets {
	uint64_t bits[BFS_JSON_WALK_DEPTH / 64];
	size_t depth;
};

static bool brackets_open(struct brackets *brackets, char bracket)
{
	size_t level = brackets->depth;
	uint64_t bit = UINT64_C(1) << level % 64;

	if (level == BFS_JSON_WALK_DEPTH)
		return false;
	if (bracket == '{')
		brackets->bits[level / 64] |= bit;
	else
		brackets->bits[level / 64] &= ~bit;
	brackets->depth++;
	return true;
}

static bool brackets_close(struct brackets *brackets, char bracket)
{
	size_t level;

	if (brackets->depth == 0)
		return false;
	level = --brackets->depth;
	return (brackets->bits[level / 64] >> level % 64 & 1) == (bracket == '}');
}

static void skip_space(struct bfs_json_walk *walk)
{
	while (walk->at < walk->end && *walk->at && strchr(" \t\r\n", *walk->at))
		walk->at++;
}

static bool take(struct bfs_json_walk *walk, char c)
{
	skip_space(walk);
	if (walk->at == walk->end || *walk->at != c)
		return false;
	walk->at++;
	return true;
}

/* Passes a string; walk->at is its opening quote. */
static bool skip_string(struct bfs_json_walk *walk)
{
	char *from = walk->at + 1;

	for (;;) {
		char *quote = memchr(from, '"', (size_t)(walk->end - from));
		char *before = quote;

		if (!quote)
			return false;
		/* An odd number of backslashes before it makes the quote part of the string. */
		while (before > from && before[-1] == '\\')
			before--;
		from = quote + 1;
		if ((quote - before) % 2 == 0)
			break;
	}
	walk->at = from;
	return true;
}

static bool is_literal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' ||
	       c == '-' || c == '.';
}

static bool skip_literal(struct bfs_json_walk *walk)
{
	char *start = walk->at;

	while (walk->at < walk->end && is_literal(*walk->at))
		walk->at++;
	return walk->at > start;
}

/* Passes an array or object; walk->at is its opening bracket. */
static bool skip_nested(struct bfs_json_walk *walk)
{
	struct brackets brackets = {{0}, 0};

	do {
		char c;

		if (walk->at == walk->end)
			return false;
		c = *walk->at;
		if (c == '"') {
			if (!skip_string(walk))
				return false;
			continue;
		}
		if ((c == '{' || c == '[') && !brackets_open(&brackets, c))
			return false;
		if ((c == '}' || c == ']') && !brackets_close(&brackets, c))
			return false;
		walk->at++;
	} while (brackets.depth > 0);
	return true;
}

static bool skip_value(struct bfs_json_walk *walk)
{
	if (walk->at == walk->end)
		return false;
	if (*walk->at == '"')
		return skip_string(walk);
	if (*walk->at == '{' || *walk->at == '[')
		return skip_nested(walk);
	return skip_literal(walk);
}

int bfs_json_walk_begin(struct bfs_json_walk *walk, char *text, size_t length)
{
	*walk = (struct bfs_json_walk){text, text + length, true};
	return take(walk, '{') ? 0 : -EBADMSG;
}

static int finish(struct bfs_json_walk *walk)
{
	skip_space(walk);
	return walk->at == walk->end ? 0 : -EBADMSG;
}

int bfs_json_walk_next(
	struct bfs_json_walk *walk, struct bfs_slice *ret_key, struct bfs_slice *ret_value)
{
	char *key, *value;
	size_t key_length;

	if (take(walk, '}'))
		return finish(walk);
	if (!walk->first && !take(walk, ','))
		return -EBADMSG;
	walk->first = false;
	skip_space(walk);
	key = walk->at;
	if (key == walk->end || *key != '"' || !skip_string(walk))
		return -EBADMSG;
	key_length = (size_t)(walk->at - key) - 2;
	if (!take(walk, ':'))
		return -EBADMSG;
	skip_space(walk);
	value = walk->at;
	if (!skip_value(walk))
		return -EBADMSG;
	*ret_key = (struct bfs_slice){key + 1, key_length};
	*ret_value = (struct bfs_slice){value, (size_t)(walk->at - value)};
	return 1;
}

bool bfs_slice_equals(const struct bfs_slice *slice, const char *name)
{
	return strlen(name) == slice->length && memcmp(slice->data, name, slice->length) == 0;
}

/* The four hexadecimal digits of a \u escape, or -1. */
static int32_t read_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = at[i];
		int digit;

		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static char *put_utf8(char *to, uint32_t point)
{
	if (point < 0x80) {
		*to++ = (char)point;
	} else if (point < 0x800) {
		*to++ = (char)(0xc0 | point >> 6);
		*to++ = (char)(0x80 | (point & 0x3f));
	} else if (point < 0x10000) {
		*to++ = (char)(0xe0 | point >> 12);
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
		*to++ = (char)(0x80 | (point & 0x3f));
	} else {
		*to++ = (char)(0xf0 | point >> 18);
		*to++ = (char)(0x80 | (point >> 12 & 0x3f));
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
		*to++ = (char)(0x80 | (point & 0x3f));
	}
	return to;
}

/* `*from` is after "\u". Advances both pointers; false for what stands for no character. */
static bool unescape_unit(char **from, const char *end, char **to)
{
	int32_t high = read_unit(*from, end), low;

	if (high < 0 || (high >= 0xdc00 && high <= 0xdfff))
		return false;
	*from += 4;
	if (high < 0xd800 || high > 0xdbff) {
		*to = put_utf8(*to, (uint32_t)high);
		return true;
	}
	if (end - *from < 6 || (*from)[0] != '\\' || (*from)[1] != 'u')
		return false;
	low = read_unit(*from + 2, end);
	if (low < 0xdc00 || low > 0xdfff)
		return false;
	*from += 6;
	*to = put_utf8(*to, 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00));
	return true;
}

/* `*from` is after the backslash. */
static bool unescape_one(char **from, const char *end, char **to)
{
	static const char escapes[] =
		"\"\"\\\\//b\bf\fn\nr\rt\t"; /* escape and character in turn */
	char c;

	if (*from == end)
		return false;
	c = *(*from)++;
	if (c == 'u')
		return unescape_unit(from, end, to);
	for (size_t i = 0; escapes[i]; i += 2) {
		if (escapes[i] == c) {
			*(*to)++ = escapes[i + 1];
			return true;
		}
	}
	return false;
}

int bfs_json_unescape(struct bfs_slice *string)
{
	char *from = string->data + 1, *to = string->data;
	char *end = string->data + string->length - 1;

	if (string->length < 2 || string->data[0] != '"' || *end != '"')
		return -EBADMSG;
	while (from < end) {
		unsigned char c = (unsigned char)*from++;

		if (c < 0x20)
			return -EBADMSG;
		if (c != '\\')
			*to++ = (char)c;
		else if (!unescape_one(&from, end, &to))
			return -EBADMSG;
	}
	string->length = (size_t)(to - string->data);
	return 0;
}
