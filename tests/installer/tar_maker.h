/*
 * Makes tars and bottles byte by byte, good ones and such as no tar program would write.
 */
#ifndef BFS_TESTS_TAR_MAKER_H
#define BFS_TESTS_TAR_MAKER_H

#include "lib/buffer.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

struct tar_member {
	const char *name;
	char type; /* as in ustar; 0: '0', or '5' for a name that ends with a slash */
	const char *link;
	const char *content;
	size_t length; /* of the content; 0: its strlen() */
	unsigned mode; /* 0: 0644, or 0755 for directories */
	long mtime;
	long long claim; /* size in the header instead of the length; 0: the length */
};

static inline void tar_octal(char *field, size_t width, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%0*llo", (int)width - 1, value);
	memcpy(field, text, width);
}

static inline void tar_header(
	struct bfs_buffer *tar, const struct tar_member *member, char type, long long size)
{
	char header[512] = "";
	unsigned sum = 0;
	size_t name = strlen(member->name);

	memcpy(header, member->name, name < 100 ? name : 100);
	tar_octal(header + 100, 8, member->mode ? member->mode : type == '5' ? 0755 : 0644);
	tar_octal(header + 108, 8, 0);
	tar_octal(header + 116, 8, 0);
	tar_octal(header + 124, 12, size);
	tar_octal(header + 136, 12, member->mtime);
	header[156] = type;
	if (member->link)
		strncpy(header + 157, member->link, 100);
	memcpy(header + 257, "ustar\00000", 8);
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (uint8_t)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	bfs_buffer_append(tar, header, sizeof(header));
}

static inline void tar_pad(struct bfs_buffer *tar)
{
	static const char zeros[512];

	bfs_buffer_append(tar, zeros, (512 - tar->length % 512) % 512);
}

static inline void tar_add(struct bfs_buffer *tar, const struct tar_member *member)
{
	size_t length = member->length	  ? member->length
			: member->content ? strlen(member->content)
					  : 0;
	size_t name = strlen(member->name);
	char type = member->type;

	if (!type)
		type = name && member->name[name - 1] == '/' ? '5' : '0';
	tar_header(tar, member, type, member->claim ? member->claim : (long long)length);
	bfs_buffer_append(tar, member->content ? member->content : "", length);
	tar_pad(tar);
}

/* Adds a record to what will be a pax header. */
static inline void tar_pax_record(
	struct bfs_buffer *records, const char *key, const char *value, size_t length)
{
	size_t size = strlen(key) + length + 3, total = size;
	char number[24];

	do
		total = size + (size_t)snprintf(number, sizeof(number), "%zu", total);
	while (total != size + (size_t)snprintf(number, sizeof(number), "%zu", total));
	bfs_buffer_append_format(records, "%zu %s=", total, key);
	bfs_buffer_append(records, value, length);
	bfs_buffer_append(records, "\n", 1);
}

/* A pax header of these records for the member that follows; the records are used up. */
static inline void tar_add_pax(struct bfs_buffer *tar, struct bfs_buffer *records)
{
	struct tar_member member = {
		.name = "pax", .type = 'x', .content = records->data, .length = records->length};

	tar_add(tar, &member);
	bfs_buffer_release(records);
}

static inline void tar_end(struct bfs_buffer *tar)
{
	static const char zeros[1024];

	bfs_buffer_append(tar, zeros, sizeof(zeros));
}

/* Adds a gzip member. */
static inline void tar_gzip(const void *data, size_t length, struct bfs_buffer *gzip)
{
	z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)length};

	deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	bfs_buffer_reserve(gzip, deflateBound(&stream, length));
	stream.next_out = (Bytef *)gzip->data + gzip->length;
	stream.avail_out = (uInt)(gzip->capacity - gzip->length);
	deflate(&stream, Z_FINISH);
	gzip->length = (size_t)(stream.next_out - (Bytef *)gzip->data);
	deflateEnd(&stream);
}

/* A bottle of these members. */
static inline void tar_bottle(
	const struct tar_member *members, size_t count, struct bfs_buffer *gzip)
{
	struct bfs_buffer tar = BFS_BUFFER_INIT;

	for (size_t i = 0; i < count; i++)
		tar_add(&tar, &members[i]);
	tar_end(&tar);
	tar_gzip(tar.data, tar.length, gzip);
	bfs_buffer_release(&tar);
}

#endif
