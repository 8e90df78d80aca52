#include "installer/ruby_text.h"

#include "lib/buffer.h"

#include <stdarg.h>
#include <string.h>

#define QUOTED_MAX 40 /* bytes of offending text in a message: enough to find it in its line */

char bfs_ruby_peek(const struct bfs_ruby_text *text, size_t ahead)
{
	return ahead < text->length && text->position < text->length - ahead
		       ? text->data[text->position + ahead]
		       : '\0';
}

static bool at_end(const struct bfs_ruby_text *text)
{
	return text->position >= text->length;
}

static void skip_line(struct bfs_ruby_text *text)
{
	const char *start = text->data + text->position;
	const char *newline = memchr(start, '\n', text->length - text->position);

	text->position = newline ? (size_t)(newline - text->data) : text->length;
}

/* A carriage return is blank only where it ends a line. */
static bool is_blank(const struct bfs_ruby_text *text)
{
	char c = bfs_ruby_peek(text, 0);

	return c == ' ' || c == '\t' || c == '\f' || c == '\v' ||
	       (c == '\r' && bfs_ruby_peek(text, 1) == '\n');
}

void bfs_ruby_skip_blanks(struct bfs_ruby_text *text)
{
	for (;;) {
		if (is_blank(text))
			text->position++;
		else if (bfs_ruby_peek(text, 0) == '#')
			skip_line(text);
		else if (!bfs_ruby_take(text, "\\\n") && !bfs_ruby_take(text, "\\\r\n"))
			return;
	}
}

/* Whether the line at the position is just this word, perhaps with more after a blank. */
static bool line_is(const struct bfs_ruby_text *text, const char *word, bool alone)
{
	size_t length = strlen(word);
	const char *start = text->data + text->position;
	char after;

	if (text->length - text->position < length || memcmp(start, word, length) != 0)
		return false;
	after = bfs_ruby_peek(text, length);
	if (after == '\r')
		after = bfs_ruby_peek(text, length + 1);
	return text->position + length == text->length || after == '\n' ||
	       (!alone && (after == ' ' || after == '\t'));
}

static int skip_comment_block(struct bfs_ruby_text *text)
{
	size_t start = text->position;

	while (!line_is(text, "=end", false)) {
		skip_line(text);
		if (at_end(text))
			return bfs_ruby_fail(text, start, "=begin without =end");
		text->position++;
	}
	skip_line(text);
	return 0;
}

int bfs_ruby_skip_lines(struct bfs_ruby_text *text)
{
	for (;;) {
		if (text->position == 0 || text->data[text->position - 1] == '\n') {
			if (line_is(text, "__END__", true))
				text->length = text->position;
			else if (line_is(text, "=begin", false)) {
				int r = skip_comment_block(text);

				if (r < 0)
					return r;
			}
		}
		bfs_ruby_skip_blanks(text);
		if (bfs_ruby_peek(text, 0) != '\n')
			return 0;
		text->position++;
	}
}

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

size_t bfs_ruby_word(const struct bfs_ruby_text *text)
{
	size_t length = 0;
	char first = bfs_ruby_peek(text, 0);

	if (first >= '0' && first <= '9')
		return 0;
	while (is_word_byte(bfs_ruby_peek(text, length)))
		length++;
	if (length > 0 && bfs_ruby_peek(text, length) == '?')
		length++;
	return length;
}

bool bfs_ruby_take_word(struct bfs_ruby_text *text, const char *word)
{
	size_t length = bfs_ruby_word(text);

	if (length == 0 || length != strlen(word) ||
		memcmp(text->data + text->position, word, length) != 0)
		return false;
	text->position += length;
	return true;
}

bool bfs_ruby_take(struct bfs_ruby_text *text, const char *bytes)
{
	size_t length = strlen(bytes);

	if (text->position > text->length || text->length - text->position < length ||
		memcmp(text->data + text->position, bytes, length) != 0)
		return false;
	text->position += length;
	return true;
}

int bfs_ruby_enter(struct bfs_ruby_text *text)
{
	if (text->depth == BFS_RUBY_DEPTH_MAX)
		return bfs_ruby_fail(
			text, text->position, "nested more than %d deep", BFS_RUBY_DEPTH_MAX);
	text->depth++;
	return 0;
}

void bfs_ruby_leave(struct bfs_ruby_text *text)
{
	text->depth--;
}

void bfs_ruby_locate(
	struct bfs_ruby_text *text, size_t position, unsigned *ret_line, unsigned *ret_column)
{
	if (position < text->line_start)
		text->line_start = text->line = 0;
	for (;;) {
		const char *start = text->data + text->line_start;
		const char *newline = memchr(start, '\n', position - text->line_start);

		if (!newline)
			break;
		text->line++;
		text->line_start = (size_t)(newline - text->data) + 1;
	}
	*ret_line = text->line + 1;
	*ret_column = (unsigned)(position - text->line_start) + 1;
}

/* The text at a position up to the end of its line, fit to be printed. */
static int quote(const struct bfs_ruby_text *text, size_t position, struct bfs_buffer *quoted)
{
	int r = 0;

	for (size_t i = position; r == 0 && i < text->length; i++) {
		unsigned char c = (unsigned char)text->data[i];

		if (c == '\n' || (c == '\r' && i + 1 < text->length && text->data[i + 1] == '\n'))
			break;
		if (i - position == QUOTED_MAX)
			return bfs_buffer_append_string(quoted, "...");
		r = c < ' ' || c > '~' ? bfs_buffer_append_format(quoted, "\\x%02x", c)
				       : bfs_buffer_append(quoted, &text->data[i], 1);
	}
	return r;
}

int bfs_ruby_unexpected(struct bfs_ruby_text *text, size_t position, const char *expected)
{
	_cleanup_buffer_ struct bfs_buffer quoted = BFS_BUFFER_INIT;
	int r;

	if (position >= text->length)
		return bfs_ruby_fail(text, position, "%s, found the end of the file", expected);
	r = quote(text, position, &quoted);
	if (r < 0)
		return r;
	if (quoted.length == 0)
		return bfs_ruby_fail(text, position, "%s, found the end of the line", expected);
	return bfs_ruby_fail(text, position, "%s, found `%s`", expected, quoted.data);
}

int bfs_ruby_fail(struct bfs_ruby_text *text, size_t position, const char *format, ...)
{
	_cleanup_buffer_ struct bfs_buffer place = BFS_BUFFER_INIT;
	_cleanup_free_ char *message = NULL;
	unsigned line, column;
	va_list args;
	int r;

	bfs_ruby_locate(text, position, &line, &column);
	if (bfs_buffer_append_format(&place, "%s:%u:%u", text->name, line, column) < 0)
		return -ENOMEM;
	va_start(args, format);
	r = vasprintf(&message, format, args);
	va_end(args);
	if (r < 0) {
		message = NULL;
		return -ENOMEM;
	}
	return bfs_error_set(
		text->error, -EBADMSG, "reading the Brewfile", place.data, "%s", message);
}
