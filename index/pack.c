#include "index/pack.h"

#include "index/content.h"
#include "lib/file.h"

#include <endian.h>
#include <string.h>

#define ENTRY_SIZE   48
#define TRAILER_SIZE 24
#define BUFFER_SIZE  (1024 * 1024) /* NFS's largest write */

static const char header[BFS_PACK_HEADER_SIZE] = "brewfs pack 1\n";
static const char magic[8] = {'b', 'f', 's', 'p', 'a', 'c', 'k', '1'};

struct bfs_pack_writer {
	int fd;
	struct bfs_hasher *hasher;
	struct bfs_buffer pending; /* not yet written to the file */
	struct bfs_buffer footer;
	uint64_t size;
	uint64_t count;
};

static int flush(struct bfs_pack_writer *writer)
{
	int r = bfs_hasher_update(writer->hasher, writer->pending.data, writer->pending.length);

	if (r == 0)
		r = bfs_write_all(writer->fd, writer->pending.data, writer->pending.length);
	bfs_buffer_clear(&writer->pending);
	return r;
}

static int append(struct bfs_pack_writer *writer, const void *data, size_t length)
{
	int r = bfs_buffer_append(&writer->pending, data, length);

	if (r == 0 && writer->pending.length >= BUFFER_SIZE)
		r = flush(writer);
	return r;
}

int bfs_pack_writer_new(int fd, struct bfs_pack_writer **ret_writer)
{
	struct bfs_pack_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer) {
		close(fd);
		return -ENOMEM;
	}
	writer->fd = fd;
	r = bfs_hasher_new(&writer->hasher);
	if (r == 0)
		r = append(writer, header, sizeof(header));
	if (r < 0) {
		bfs_pack_writer_free(writer);
		return r;
	}
	writer->size = sizeof(header);
	*ret_writer = writer;
	return 0;
}

void bfs_pack_writer_free(struct bfs_pack_writer *writer)
{
	if (!writer)
		return;
	if (writer->fd >= 0)
		close(writer->fd);
	bfs_hasher_free(writer->hasher);
	bfs_buffer_release(&writer->pending);
	bfs_buffer_release(&writer->footer);
	free(writer);
}

int bfs_pack_writer_add(struct bfs_pack_writer *writer, const void *data, size_t length,
	const struct bfs_digest *digest, uint64_t *ret_offset)
{
	uint64_t place[2] = {htole64(writer->size), htole64(length)};
	int r = append(writer, data, length);

	if (r == 0)
		r = bfs_buffer_append(&writer->footer, digest->bytes, BFS_DIGEST_SIZE);
	if (r == 0)
		r = bfs_buffer_append(&writer->footer, place, sizeof(place));
	if (r < 0)
		return r;
	*ret_offset = writer->size;
	writer->size += length;
	writer->count++;
	return 0;
}

uint64_t bfs_pack_writer_size(const struct bfs_pack_writer *writer)
{
	return writer->size;
}

int bfs_pack_writer_finish(
	struct bfs_pack_writer *writer, struct bfs_digest *ret_name, uint64_t *ret_size)
{
	uint64_t trailer[2] = {htole64(writer->count), htole64(writer->size)};
	int r = append(writer, writer->footer.data, writer->footer.length);

	if (r == 0)
		r = append(writer, trailer, sizeof(trailer));
	if (r == 0)
		r = append(writer, magic, sizeof(magic));
	if (r == 0)
		r = flush(writer);
	if (r == 0 && fsync(writer->fd) < 0)
		r = -errno;
	if (close(bfs_steal_fd(&writer->fd)) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = bfs_hasher_finish(writer->hasher, ret_name);
	if (r == 0)
		*ret_size = writer->size + writer->footer.length + TRAILER_SIZE;
	return r;
}

static uint64_t load64(const char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static int check_trailer(
	const char trailer[TRAILER_SIZE], uint64_t size, uint64_t *ret_count, uint64_t *ret_footer)
{
	uint64_t count = load64(trailer), footer = load64(trailer + 8), length;

	if (memcmp(trailer + 16, magic, sizeof(magic)) != 0)
		return -EBADMSG;
	if (__builtin_mul_overflow(count, ENTRY_SIZE, &length) || footer < BFS_PACK_HEADER_SIZE ||
		footer > size - TRAILER_SIZE || length != size - TRAILER_SIZE - footer)
		return -EBADMSG;
	*ret_count = count;
	*ret_footer = footer;
	return 0;
}

static int parse_entries(
	const char *bytes, uint64_t count, uint64_t footer, struct bfs_pack_entry *ret_entries)
{
	for (uint64_t i = 0; i < count; i++, bytes += ENTRY_SIZE) {
		struct bfs_pack_entry *entry = &ret_entries[i];

		memcpy(entry->digest.bytes, bytes, BFS_DIGEST_SIZE);
		entry->offset = load64(bytes + BFS_DIGEST_SIZE);
		entry->size = load64(bytes + BFS_DIGEST_SIZE + 8);
		if (entry->size < 1 || entry->size >= BFS_CONTENT_PACK_LIMIT ||
			entry->offset < BFS_PACK_HEADER_SIZE || entry->offset > footer ||
			entry->size > footer - entry->offset)
			return -EBADMSG;
	}
	return 0;
}

int bfs_pack_read_footer(
	int fd, uint64_t size, struct bfs_pack_entry **ret_entries, size_t *ret_count)
{
	_cleanup_free_ char *bytes = NULL;
	_cleanup_free_ struct bfs_pack_entry *entries = NULL;
	char trailer[TRAILER_SIZE];
	uint64_t count = 0, footer = 0;
	int r;

	if (size < BFS_PACK_HEADER_SIZE + TRAILER_SIZE)
		return -EBADMSG;
	r = bfs_pread_all(fd, trailer, sizeof(trailer), size - TRAILER_SIZE);
	if (r == 0)
		r = check_trailer(trailer, size, &count, &footer);
	if (r < 0)
		return r;
	bytes = malloc(count * ENTRY_SIZE + 1);
	entries = calloc(count + 1, sizeof(*entries));
	if (!bytes || !entries)
		return -ENOMEM;
	r = bfs_pread_all(fd, bytes, count * ENTRY_SIZE, footer);
	if (r == 0)
		r = parse_entries(bytes, count, footer, entries);
	if (r < 0)
		return r;
	*ret_entries = bfs_steal(&entries);
	*ret_count = count;
	return 0;
}
