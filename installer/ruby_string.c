#include "installer/ruby_string.h"

#include "installer/ruby_value.h"

#include <string.h>

bool bfs_ruby_at_string(const struct bfs_ruby_text *text)
{
	char c = bfs_ruby_peek(text, 0);

	return c == '\'' || c == '"';
}

json_t *bfs_ruby_new_string(const char *bytes, size_t length)
{
	_cleanup_buffer_ struct bfs_buffer escaped = BFS_BUFFER_INIT;

	if (length == 0 || (bytes[0] != ':' && bytes[0] != '\\'))
		return json_stringn(bytes, length);
	if (bfs_buffer_append(&escaped, "\\", 1) < 0 ||
		bfs_buffer_append(&escaped, bytes, length) < 0)
		return NULL;
	return json_stringn(escaped.data, escaped.length);
}

static int append_code_point(struct bfs_buffer *bytes, uint32_t c)
{
	char utf8[4];
	size_t length;

	if (c < 0x80) {
		utf8[0] = (char)c;
		length = 1;
	} else if (c < 0x800) {
		utf8[0] = (char)(0xc0 | c >> 6);
		length = 2;
	} else if (c < 0x10000) {
		utf8[0] = (char)(0xe0 | c >> 12);
		length = 3;
	} else {
		utf8[0] = (char)(0xf0 | c >> 18);
		length = 4;
	}
	for (size_t i = 1; i < length; i++)
		utf8[i] = (char)(0x80 | (c >> (6 * (length - 1 - i)) & 0x3f));
	return bfs_buffer_append(bytes, utf8, length);
}

static int digit_value(char c, unsigned base)
{
	int value = c >= '0' && c <= '9'   ? c - '0'
		    : c >= 'a' && c <= 'f' ? c - 'a' + 10
		    : c >= 'A' && c <= 'F' ? c - 'A' + 10
					   : 16;

	return value < (int)base ? value : -1;
}

/* Up to `maximum` digits at the position; how many there were. */
static size_t take_digits(
	struct bfs_ruby_text *text, unsigned base, size_t maximum, uint32_t *ret_value)
{
	size_t count = 0;

	*ret_value = 0;
	for (; count < maximum; count++) {
		int digit = digit_value(bfs_ruby_peek(text, 0), base);

		if (digit < 0)
			break;
		*ret_value = *ret_value * base + (uint32_t)digit;
		text->position++;
	}
	return count;
}

static int append_checked(
	struct bfs_ruby_text *text, size_t start, uint32_t c, struct bfs_buffer *bytes)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return bfs_ruby_fail(text, start, "not a character that a string can hold");
	return append_code_point(bytes, c);
}

/* \uXXXX and \u{X X...}; the position is after the u. */
static int parse_unicode_escape(struct bfs_ruby_text *text, size_t start, struct bfs_buffer *bytes)
{
	uint32_t c;
	int r = 0;

	if (!bfs_ruby_take(text, "{")) {
		if (take_digits(text, 16, 4, &c) != 4)
			return bfs_ruby_unexpected(text, start, "expected \\uXXXX");
		return append_checked(text, start, c, bytes);
	}
	while (r == 0 && !bfs_ruby_take(text, "}")) {
		if (bfs_ruby_take(text, " "))
			continue;
		if (take_digits(text, 16, 6, &c) == 0)
			return bfs_ruby_unexpected(text, start, "expected \\u{X...}");
		r = append_checked(text, start, c, bytes);
	}
	return r;
}

/* A byte given by number: \xHH or \OOO; the position is at its first digit. */
static int parse_byte_escape(struct bfs_ruby_text *text, size_t start, unsigned base,
	size_t maximum, struct bfs_buffer *bytes)
{
	uint32_t value;
	char byte;

	if (take_digits(text, base, maximum, &value) == 0)
		return bfs_ruby_unexpected(text, start, "expected the number of a byte");
	byte = (char)value;
	if (byte == '\0')
		return bfs_ruby_fail(text, start, "a string with a NUL");
	return bfs_buffer_append(bytes, &byte, 1);
}

/* What follows a backslash in a string in double quotes; the position is after it. */
static int parse_escape(struct bfs_ruby_text *text, struct bfs_buffer *bytes)
{
	static const char letters[] = "abefnrstv", values[] = "\a\b\033\f\n\r \t\v";
	size_t start = text->position - 1;
	char c = bfs_ruby_peek(text, 0);
	const char *letter = c ? strchr(letters, c) : NULL;

	if (c >= '0' && c <= '7')
		return parse_byte_escape(text, start, 8, 3, bytes);
	if (c == '\0')
		return bfs_ruby_unexpected(text, text->position, "expected an escaped character");
	text->position++;
	if (letter)
		return bfs_buffer_append(bytes, &values[letter - letters], 1);
	switch (c) {
	case '\n':
		return 0;
	case 'x':
		return parse_byte_escape(text, start, 16, 2, bytes);
	case 'u':
		return parse_unicode_escape(text, start, bytes);
	case 'c':
	case 'C':
	case 'M':
		return bfs_ruby_unexpected(text, start, "an escape that a Brewfile does not need");
	default:
		return bfs_buffer_append(bytes, &c, 1);
	}
}

/* #{...}; the position is after the brace. */
static int parse_interpolation(struct bfs_ruby_text *text, struct bfs_buffer *bytes)
{
	_cleanup_json_ json_t *value = NULL;
	size_t start = text->position;
	const char *string;
	int r = bfs_ruby_enter(text);

	if (r == 0)
		r = bfs_ruby_parse_value(text, &value);
	if (r < 0)
		return r;
	bfs_ruby_leave(text);
	bfs_ruby_skip_blanks(text);
	if (!bfs_ruby_take(text, "}"))
		return bfs_ruby_unexpected(text, text->position, "expected }");
	string = bfs_ruby_get_string(value);
	if (!string)
		string = bfs_ruby_get_symbol(value);
	if (string)
		return bfs_buffer_append_string(bytes, string);
	if (json_is_integer(value))
		return bfs_buffer_append_format(bytes, "%lld", json_integer_value(value));
	if (json_is_boolean(value))
		return bfs_buffer_append_string(bytes, json_is_true(value) ? "true" : "false");
	if (json_is_null(value))
		return 0;
	return bfs_ruby_unexpected(text, start, "expected text to put into the string");
}

/* The next character, escape or insertion of a string. */
static int parse_piece(struct bfs_ruby_text *text, char mark, struct bfs_buffer *bytes)
{
	char c = bfs_ruby_peek(text, 0);

	if (mark == '"' && bfs_ruby_take(text, "#{"))
		return parse_interpolation(text, bytes);
	if (c == '\0')
		return bfs_ruby_fail(text, text->position, "a string with a NUL");
	if (bfs_ruby_take(text, "\r\n"))
		return bfs_buffer_append(bytes, "\n", 1);
	text->position++;
	if (c != '\\')
		return bfs_buffer_append(bytes, &c, 1);
	if (mark == '"')
		return parse_escape(text, bytes);
	c = bfs_ruby_peek(text, 0);
	if (c != '\\' && c != mark)
		return bfs_buffer_append(bytes, "\\", 1);
	text->position++;
	return bfs_buffer_append(bytes, &c, 1);
}

static int check_utf8(struct bfs_ruby_text *text, size_t start, const struct bfs_buffer *bytes)
{
	_cleanup_json_ json_t *string = json_stringn(bytes->data ? bytes->data : "", bytes->length);

	return string ? 0 : bfs_ruby_fail(text, start, "a string that is not UTF-8");
}

int bfs_ruby_parse_string(struct bfs_ruby_text *text, struct bfs_buffer *ret_bytes)
{
	size_t start = text->position;
	char mark = bfs_ruby_peek(text, 0);
	int r = 0;

	text->position++;
	while (r == 0 && bfs_ruby_peek(text, 0) != mark) {
		if (text->position >= text->length)
			return bfs_ruby_fail(text, start, "a string without its closing %c", mark);
		r = parse_piece(text, mark, ret_bytes);
	}
	if (r < 0)
		return r;
	text->position++;
	return check_utf8(text, start, ret_bytes);
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int parse_word(struct bfs_ruby_text *text, char closing, json_t *array)
{
	_cleanup_buffer_ struct bfs_buffer word = BFS_BUFFER_INIT;
	size_t start = text->position;
	json_t *string;

	for (char c = bfs_ruby_peek(text, 0); c != closing && !is_space(c);
		c = bfs_ruby_peek(text, 0)) {
		if (c == '\\') {
			text->position++;
			c = bfs_ruby_peek(text, 0);
		}
		if (c == '\0')
			return bfs_ruby_unexpected(text, text->position, "expected a word");
		if (bfs_buffer_append(&word, &c, 1) < 0)
			return -ENOMEM;
		text->position++;
	}
	string = bfs_ruby_new_string(word.data, word.length);
	if (!string)
		return bfs_ruby_fail(text, start, "a word that is not UTF-8");
	return json_array_append_new(array, string) < 0 ? -ENOMEM : 0;
}

int bfs_ruby_parse_words(struct bfs_ruby_text *text, json_t **ret_array)
{
	static const char openings[] = "[({<", closings[] = "])}>";
	_cleanup_json_ json_t *array = json_array();
	size_t start = text->position;
	const char *opening;
	char closing;

	if (!array)
		return -ENOMEM;
	text->position += strlen("%w");
	opening = bfs_ruby_peek(text, 0) ? strchr(openings, bfs_ruby_peek(text, 0)) : NULL;
	if (!opening)
		return bfs_ruby_unexpected(text, start, "expected %w[...]");
	closing = closings[opening - openings];
	text->position++;
	for (;;) {
		int r;

		while (is_space(bfs_ruby_peek(text, 0)))
			text->position++;
		if (bfs_ruby_peek(text, 0) == closing)
			break;
		if (text->position >= text->length)
			return bfs_ruby_fail(text, start, "a list without its closing %c", closing);
		r = parse_word(text, closing, array);
		if (r < 0)
			return r;
	}
	text->position++;
	*ret_array = bfs_steal(&array);
	return 0;
}
