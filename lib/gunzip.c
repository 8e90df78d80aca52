#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "lib/gunzip.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* BFS_GUNZIP_FORCE_ZLIB lets a test compile the other backend as well. */
#if defined(HAVE_ISAL) && !defined(BFS_GUNZIP_FORCE_ZLIB)
#define USE_ISAL 1
#include <isa-l/igzip_lib.h>
#else
#define USE_ISAL 0
#include <zlib.h>
#endif

#define STEP "unpacking gzip"

enum position {
	BETWEEN_MEMBERS, /* at the start, or after a member's trailer */
	WITHIN_MEMBER,
	WITHIN_PADDING, /* zeros after the last member */
	DAMAGED,
};

#if USE_ISAL
/* The parts of a member's header (RFC 1952 2.3), in order. */
enum part {
	FIXED,
	EXTRA_LENGTH,
	EXTRA,
	NAME,
	COMMENT,
	CHECKSUM,
	COMPLETE,
};
#endif

struct bfs_gunzip {
	enum position position;
	bool has_member; /* at least one member was begun */
#if USE_ISAL
	enum part part;
	uint8_t flags;
	uint32_t seen; /* bytes of the part */
	uint32_t extra_length;
	struct inflate_state stream;
#else
	z_stream stream;
#endif
};

/* The backends count in 32 bits. */
static uint32_t clamp(size_t length)
{
	return length > INT_MAX ? INT_MAX : (uint32_t)length;
}

#if USE_ISAL

const char *bfs_gunzip_backend(void)
{
	return "isa-l";
}

static int backend_init(struct bfs_gunzip *gunzip)
{
	isal_inflate_init(&gunzip->stream);
	return 0;
}

static void backend_release(struct bfs_gunzip *gunzip)
{
	(void)gunzip;
}

static int backend_begin_member(struct bfs_gunzip *gunzip)
{
	isal_inflate_reset(&gunzip->stream);
	gunzip->stream.crc_flag = ISAL_GZIP_NO_HDR_VER;
	gunzip->part = FIXED;
	gunzip->seen = 0;
	return 0;
}

#define FLAG_CHECKSUM 2
#define FLAG_EXTRA    4
#define FLAG_NAME     8
#define FLAG_COMMENT  16
#define FLAGS_UNKNOWN 0xe0

static bool fixed_byte_is_valid(struct bfs_gunzip *gunzip, uint8_t byte)
{
	static const uint8_t magic[] = {0x1f, 0x8b, 8};

	if (gunzip->seen < sizeof(magic))
		return byte == magic[gunzip->seen];
	if (gunzip->seen == sizeof(magic))
		gunzip->flags = byte;
	return !(gunzip->flags & FLAGS_UNKNOWN);
}

/* Whether this byte is the last of its part. */
static bool part_ends(struct bfs_gunzip *gunzip, uint8_t byte)
{
	uint32_t seen = ++gunzip->seen;

	switch (gunzip->part) {
	case FIXED:
		return seen == 10;
	case EXTRA_LENGTH:
		gunzip->extra_length =
			seen == 1 ? byte : gunzip->extra_length | (uint32_t)byte << 8;
		return seen == 2;
	case EXTRA:
		return seen == gunzip->extra_length;
	case CHECKSUM:
		return seen == 2;
	default: /* a string */
		return byte == 0;
	}
}

static bool part_is_present(const struct bfs_gunzip *gunzip)
{
	switch (gunzip->part) {
	case EXTRA_LENGTH:
		return gunzip->flags & FLAG_EXTRA;
	case EXTRA:
		return gunzip->flags & FLAG_EXTRA && gunzip->extra_length > 0;
	case NAME:
		return gunzip->flags & FLAG_NAME;
	case COMMENT:
		return gunzip->flags & FLAG_COMMENT;
	case CHECKSUM:
		return gunzip->flags & FLAG_CHECKSUM;
	default:
		return true;
	}
}

/*
 * isa-l can read the header too, but its 2.30 refuses a good header checksum when the header comes
 * in pieces. The content has a checksum of its own, so that of the header is not looked at.
 */
static int read_header(struct bfs_gunzip *gunzip, const uint8_t **input, size_t *length)
{
	while (gunzip->part != COMPLETE && *length > 0) {
		uint8_t byte = *(*input)++;

		(*length)--;
		if (gunzip->part == FIXED && !fixed_byte_is_valid(gunzip, byte))
			return -EBADMSG;
		if (!part_ends(gunzip, byte))
			continue;
		gunzip->seen = 0;
		do
			gunzip->part++;
		while (!part_is_present(gunzip));
	}
	return 0;
}

static const char *backend_reason(int code)
{
	return code == ISAL_INCORRECT_CHECKSUM
		       ? "the checksum or the length of the content is wrong"
		       : "the compressed data is damaged";
}

/* 0: all input consumed or the output full; 1: the member is complete; -EBADMSG with the reason. */
static int backend_run(struct bfs_gunzip *gunzip, const uint8_t **input, size_t *length,
	uint8_t **output, size_t *capacity, const char **ret_reason)
{
	struct inflate_state *stream = &gunzip->stream;
	uint32_t offered;
	int code;

	if (read_header(gunzip, input, length) < 0) {
		*ret_reason = "this is not gzip";
		return -EBADMSG;
	}
	if (gunzip->part != COMPLETE)
		return 0;
	offered = clamp(*length);
	stream->next_in = (uint8_t *)*input; /* isa-l takes no const and does not write to it */
	stream->avail_in = offered;
	stream->next_out = *output;
	stream->avail_out = clamp(*capacity);
	code = isal_inflate(stream);
	*length -= offered - stream->avail_in;
	*input = stream->next_in;
	*capacity -= (size_t)(stream->next_out - *output);
	*output = stream->next_out;
	if (code < 0 || code == ISAL_NEED_DICT) {
		*ret_reason = backend_reason(code);
		return -EBADMSG;
	}
	return stream->block_state == ISAL_BLOCK_FINISH;
}

#else

const char *bfs_gunzip_backend(void)
{
	return "zlib";
}

static int backend_init(struct bfs_gunzip *gunzip)
{
	return inflateInit2(&gunzip->stream, 16 + MAX_WBITS) == Z_OK ? 0 : -ENOMEM;
}

static void backend_release(struct bfs_gunzip *gunzip)
{
	inflateEnd(&gunzip->stream);
}

static int backend_begin_member(struct bfs_gunzip *gunzip)
{
	return inflateReset(&gunzip->stream) == Z_OK ? 0 : -EINVAL;
}

/* 0: all input consumed or the output full; 1: the member is complete; -EBADMSG with the reason. */
static int backend_run(struct bfs_gunzip *gunzip, const uint8_t **input, size_t *length,
	uint8_t **output, size_t *capacity, const char **ret_reason)
{
	z_stream *stream = &gunzip->stream;
	uint32_t offered = clamp(*length), room = clamp(*capacity);
	int code;

	stream->next_in = (Bytef *)*input; /* zlib takes no const and does not write to it */
	stream->avail_in = offered;
	stream->next_out = *output;
	stream->avail_out = room;
	code = inflate(stream, Z_NO_FLUSH);
	*length -= offered - stream->avail_in;
	*input = stream->next_in;
	*capacity -= room - stream->avail_out;
	*output = stream->next_out;
	if (code == Z_STREAM_END)
		return 1;
	if (code == Z_OK || code == Z_BUF_ERROR)
		return 0;
	if (code == Z_MEM_ERROR)
		return -ENOMEM;
	*ret_reason = stream->msg ? stream->msg : "the compressed data is damaged";
	return -EBADMSG;
}

#endif

int bfs_gunzip_new(struct bfs_gunzip **ret_gunzip)
{
	struct bfs_gunzip *gunzip = calloc(1, sizeof(*gunzip));

	if (!gunzip)
		return -ENOMEM;
	if (backend_init(gunzip) < 0) {
		free(gunzip);
		return -ENOMEM;
	}
	*ret_gunzip = gunzip;
	return 0;
}

void bfs_gunzip_free(struct bfs_gunzip *gunzip)
{
	if (!gunzip)
		return;
	backend_release(gunzip);
	free(gunzip);
}

static int fail(struct bfs_gunzip *gunzip, int code, const char *reason, struct bfs_error *error)
{
	gunzip->position = DAMAGED;
	return bfs_error_set(error, code, STEP, NULL, "%s", reason ? reason : strerror(-code));
}

/* What follows a complete member: another one, zeros, or something that does not belong there. */
static int begin_next(struct bfs_gunzip *gunzip, uint8_t first, struct bfs_error *error)
{
	if (first == 0 && gunzip->has_member) {
		gunzip->position = WITHIN_PADDING;
		return 0;
	}
	/* Told here and not by the backend, which cannot know whether a member came before. */
	if (first != 0x1f)
		return fail(gunzip, -EBADMSG,
			gunzip->has_member ? "bytes that are not gzip follow the end"
					   : "this is not gzip",
			error);
	gunzip->position = WITHIN_MEMBER;
	gunzip->has_member = true;
	return backend_begin_member(gunzip);
}

static int skip_padding(
	struct bfs_gunzip *gunzip, const uint8_t **input, size_t *length, struct bfs_error *error)
{
	while (*length > 0 && **input == 0) {
		(*input)++;
		(*length)--;
	}
	return *length == 0
		       ? 0
		       : fail(gunzip, -EBADMSG, "bytes that are not gzip follow the end", error);
}

static int run_member(struct bfs_gunzip *gunzip, const uint8_t **input, size_t *length,
	uint8_t **output, size_t *capacity, struct bfs_error *error)
{
	const char *reason = NULL;
	int r = backend_run(gunzip, input, length, output, capacity, &reason);

	if (r < 0)
		return fail(gunzip, r, reason, error);
	if (r == 1)
		gunzip->position = BETWEEN_MEMBERS;
	return 0;
}

int bfs_gunzip_run(struct bfs_gunzip *gunzip, const void **data, size_t *length, void *output,
	size_t capacity, size_t *ret_produced, struct bfs_error *error)
{
	const uint8_t *input = *data;
	uint8_t *position = output;
	size_t room = capacity;
	int r = 0;

	while (r == 0) {
		size_t old_length = *length, old_room = room;
		enum position old_position = gunzip->position;

		if (gunzip->position == DAMAGED)
			r = fail(gunzip, -EBADMSG, "the compressed data is damaged", error);
		else if (gunzip->position == WITHIN_PADDING)
			r = skip_padding(gunzip, &input, length, error);
		else if (gunzip->position == WITHIN_MEMBER)
			r = run_member(gunzip, &input, length, &position, &room, error);
		else if (*length > 0)
			r = begin_next(gunzip, *input, error);
		if (r == 0 && *length == old_length && room == old_room &&
			gunzip->position == old_position)
			break;
	}
	*data = input;
	*ret_produced = capacity - room;
	return r;
}

int bfs_gunzip_finish(const struct bfs_gunzip *gunzip, struct bfs_error *error)
{
	if (gunzip->position == DAMAGED)
		return bfs_error_set(error, -EBADMSG, STEP, NULL, "the compressed data is damaged");
	if (gunzip->position == WITHIN_MEMBER)
		return bfs_error_set(error, -EBADMSG, STEP, NULL, "the data ends too early");
	if (!gunzip->has_member)
		return bfs_error_set(error, -EBADMSG, STEP, NULL, "there is no data");
	return 0;
}
