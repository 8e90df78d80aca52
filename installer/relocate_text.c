#include "installer/relocate_text.h"

#include "lib/file.h"

#include <stdint.h>
#include <string.h>

#define MARK "@@HOMEBREW_"

/* Longest first. `value` is a printf format for prefix and Java dependency. */
static const struct {
	const char *key;
	const char *value;
	bool needs_java;
} placeholders[] = {
	{"@@HOMEBREW_REPOSITORY@@", "%s/Homebrew", false},
	{"@@HOMEBREW_LIBRARY@@", "%s/Homebrew/Library", false},
	{"@@HOMEBREW_PREFIX@@", "%s", false},
	{"@@HOMEBREW_CELLAR@@", "%s/Cellar", false},
	{"@@HOMEBREW_PERL@@", "%s/opt/perl/bin/perl", false},
	{"@@HOMEBREW_JAVA@@", "%s/opt/%s/libexec", true},
};

#define PLACEHOLDER_COUNT BFS_ARRAY_LENGTH(placeholders)

struct replacement {
	const char *key;
	size_t key_length;
	char *value;
	size_t value_length;
};

struct bfs_text_relocation {
	struct replacement replacements[PLACEHOLDER_COUNT];
	size_t count;
};

/* One replacement's place in a stream: what comes out of it goes into the next one. */
struct stage {
	const struct replacement *replacement;
	struct bfs_buffer held; /* a suffix of what was written that may begin the key */
	struct bfs_buffer joined;
};

struct bfs_text_stream {
	struct stage stages[PLACEHOLDER_COUNT];
	size_t count;
	bfs_text_sink *sink;
	void *context;
};

bool bfs_text_has_placeholder(const void *data, size_t length)
{
	return memmem(data, length, MARK, sizeof(MARK) - 1) != NULL;
}

static char *expand(const char *format, const char *prefix, const char *java)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	const char *arguments[] = {prefix, java};
	size_t used = 0;

	for (const char *c = format; *c; c++) {
		int r;

		if (c[0] == '%' && c[1] == 's') {
			r = bfs_buffer_append_string(&text, arguments[used++]);
			c++;
		} else {
			r = bfs_buffer_append(&text, c, 1);
		}
		if (r < 0)
			return NULL;
	}
	return bfs_buffer_steal(&text);
}

int bfs_text_relocation_new(const char *prefix, const char *java_dependency,
	struct bfs_text_relocation **ret_relocation)
{
	_cleanup_text_relocation_ struct bfs_text_relocation *relocation =
		calloc(1, sizeof(*relocation));

	if (!relocation)
		return -ENOMEM;
	for (size_t i = 0; i < PLACEHOLDER_COUNT; i++) {
		struct replacement *replacement = &relocation->replacements[relocation->count];

		if (placeholders[i].needs_java && !java_dependency)
			continue;
		replacement->key = placeholders[i].key;
		replacement->key_length = strlen(replacement->key);
		replacement->value = expand(placeholders[i].value, prefix, java_dependency);
		if (!replacement->value)
			return -ENOMEM;
		replacement->value_length = strlen(replacement->value);
		relocation->count++;
	}
	*ret_relocation = bfs_steal(&relocation);
	return 0;
}

void bfs_text_relocation_free(struct bfs_text_relocation *relocation)
{
	if (!relocation)
		return;
	for (size_t i = 0; i < PLACEHOLDER_COUNT; i++)
		free(relocation->replacements[i].value);
	free(relocation);
}

int bfs_text_stream_new(const struct bfs_text_relocation *relocation, bfs_text_sink *sink,
	void *context, struct bfs_text_stream **ret_stream)
{
	struct bfs_text_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return -ENOMEM;
	stream->count = relocation->count;
	for (size_t i = 0; i < stream->count; i++)
		stream->stages[i].replacement = &relocation->replacements[i];
	stream->sink = sink;
	stream->context = context;
	*ret_stream = stream;
	return 0;
}

void bfs_text_stream_free(struct bfs_text_stream *stream)
{
	if (!stream)
		return;
	for (size_t i = 0; i < PLACEHOLDER_COUNT; i++) {
		bfs_buffer_release(&stream->stages[i].held);
		bfs_buffer_release(&stream->stages[i].joined);
	}
	free(stream);
}

/* Length of the longest end of `data` that the key may begin with, shorter than the key. */
static size_t possible_beginning(
	const struct replacement *replacement, const uint8_t *data, size_t length)
{
	size_t n = replacement->key_length - 1;

	if (n > length)
		n = length;
	while (n > 0 && memcmp(data + length - n, replacement->key, n) != 0)
		n--;
	return n;
}

static int write_stage(
	struct bfs_text_stream *stream, size_t index, const void *data, size_t length);

static int replace_in(
	struct bfs_text_stream *stream, size_t index, const uint8_t *data, size_t length)
{
	struct stage *stage = &stream->stages[index];
	const struct replacement *replacement = stage->replacement;
	const uint8_t *found;
	size_t rest;
	int r;

	while ((found = memmem(data, length, replacement->key, replacement->key_length))) {
		size_t before = (size_t)(found - data);

		r = write_stage(stream, index + 1, data, before);
		if (r == 0)
			r = write_stage(
				stream, index + 1, replacement->value, replacement->value_length);
		if (r < 0)
			return r;
		data = found + replacement->key_length;
		length -= before + replacement->key_length;
	}
	rest = possible_beginning(replacement, data, length);
	r = write_stage(stream, index + 1, data, length - rest);
	return r < 0 ? r : bfs_buffer_append(&stage->held, data + length - rest, rest);
}

static int write_stage(
	struct bfs_text_stream *stream, size_t index, const void *data, size_t length)
{
	struct stage *stage = &stream->stages[index];
	int r;

	if (length == 0)
		return 0;
	if (index == stream->count)
		return stream->sink(stream->context, data, length);
	if (stage->held.length == 0)
		return replace_in(stream, index, data, length);
	bfs_buffer_clear(&stage->joined);
	r = bfs_buffer_append(&stage->joined, stage->held.data, stage->held.length);
	if (r == 0)
		r = bfs_buffer_append(&stage->joined, data, length);
	if (r < 0)
		return r;
	bfs_buffer_clear(&stage->held);
	return replace_in(stream, index, (const uint8_t *)stage->joined.data, stage->joined.length);
}

int bfs_text_stream_write(struct bfs_text_stream *stream, const void *data, size_t length)
{
	return write_stage(stream, 0, data, length);
}

int bfs_text_stream_finish(struct bfs_text_stream *stream)
{
	for (size_t i = 0; i < stream->count; i++) {
		struct bfs_buffer *held = &stream->stages[i].held;
		int r = write_stage(stream, i + 1, held->data, held->length);

		if (r < 0)
			return r;
		bfs_buffer_clear(held);
	}
	return 0;
}

static int append_to_buffer(void *context, const void *data, size_t length)
{
	return bfs_buffer_append(context, data, length);
}

int bfs_text_relocate(const struct bfs_text_relocation *relocation, const void *data, size_t length,
	struct bfs_buffer *output)
{
	_cleanup_text_stream_ struct bfs_text_stream *stream = NULL;
	int r = bfs_text_stream_new(relocation, append_to_buffer, output, &stream);

	if (r == 0)
		r = bfs_text_stream_write(stream, data, length);
	return r < 0 ? r : bfs_text_stream_finish(stream);
}
