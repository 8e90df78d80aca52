#include "index/delta.h"

#include "lib/file.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_SIZE   40 /* digest, size */
#define FIXED_SIZE  80
#define COPY_SIZE   (1024 * 1024) /* NFS's largest read and write */
#define COPY_BLOCKS (COPY_SIZE / BFS_DELTA_BLOCK)

static const char magic[16] = "brewfs delta 1\n";

void bfs_delta_release(struct bfs_delta *delta)
{
	free(delta->blocks);
	*delta = (struct bfs_delta)BFS_DELTA_INIT;
}

static uint64_t count_blocks(uint64_t size)
{
	return size / BFS_DELTA_BLOCK + (size % BFS_DELTA_BLOCK != 0);
}

/* --- making one --- */

static int add_block(struct bfs_delta *delta, size_t *capacity, uint64_t number)
{
	if (delta->block_count == *capacity) {
		size_t grown = *capacity ? 2 * *capacity : 256;
		uint32_t *blocks = reallocarray(delta->blocks, grown, sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		delta->blocks = blocks;
		*capacity = grown;
	}
	delta->blocks[delta->block_count++] = (uint32_t)number;
	return 0;
}

struct comparison {
	struct bfs_delta *delta;
	size_t capacity;
	int base_fd, result_fd;
	uint64_t base_size;
	struct bfs_hasher *hasher;
	char *ours, *theirs; /* COPY_SIZE each */
};

/* The part at `offset`, `length` bytes of the result. */
static int compare_part(struct comparison *comparison, uint64_t offset, size_t length)
{
	size_t common = offset >= comparison->base_size ? 0 : length;
	int r = bfs_pread_all(comparison->result_fd, comparison->ours, length, offset);

	if (common > comparison->base_size - offset && common)
		common = (size_t)(comparison->base_size - offset);
	if (r == 0 && common)
		r = bfs_pread_all(comparison->base_fd, comparison->theirs, common, offset);
	if (r == 0)
		r = bfs_hasher_update(comparison->hasher, comparison->ours, length);
	if (r < 0 ||
		(common == length && memcmp(comparison->ours, comparison->theirs, length) == 0))
		return r;
	for (size_t at = 0; r == 0 && at < length; at += BFS_DELTA_BLOCK) {
		size_t size = length - at < BFS_DELTA_BLOCK ? length - at : BFS_DELTA_BLOCK;

		if (at + size > common ||
			memcmp(comparison->ours + at, comparison->theirs + at, size) != 0)
			r = add_block(comparison->delta, &comparison->capacity,
				(offset + at) / BFS_DELTA_BLOCK);
	}
	return r;
}

static int compare_files(struct comparison *comparison, uint64_t size)
{
	int r = bfs_hasher_new(&comparison->hasher);

	comparison->ours = malloc(COPY_SIZE);
	comparison->theirs = malloc(COPY_SIZE);
	if (!comparison->ours || !comparison->theirs)
		r = -ENOMEM;
	for (uint64_t offset = 0; r == 0 && offset < size; offset += COPY_SIZE)
		r = compare_part(comparison, offset,
			size - offset < COPY_SIZE ? (size_t)(size - offset) : COPY_SIZE);
	if (r == 0)
		r = bfs_hasher_finish(comparison->hasher, &comparison->delta->result.index);
	bfs_hasher_free(comparison->hasher);
	free(comparison->ours);
	free(comparison->theirs);
	return r;
}

int bfs_delta_compare(
	const struct bfs_generation *base, int base_fd, int result_fd, struct bfs_delta *ret_delta)
{
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	struct comparison comparison = {.delta = &delta,
		.base_fd = base_fd,
		.result_fd = result_fd,
		.base_size = base->size};
	struct stat st;
	int r;

	if (fstat(result_fd, &st) < 0)
		return -errno;
	delta.result.size = (uint64_t)st.st_size;
	r = compare_files(&comparison, delta.result.size);
	if (r < 0)
		return r;
	delta.chain[delta.chain_count++] = *base;
	delta.since[delta.since_count++] = *base;
	*ret_delta = delta;
	delta.blocks = NULL;
	return 0;
}

static int merge_blocks(struct bfs_delta *delta, const struct bfs_delta *base)
{
	uint64_t end = count_blocks(delta->result.size);
	size_t count = 0, i = 0, j = 0;
	uint32_t *merged = malloc((delta->block_count + base->block_count + 1) * sizeof(*merged));

	if (!merged)
		return -ENOMEM;
	while (i < delta->block_count || j < base->block_count) {
		uint32_t ours = i < delta->block_count ? delta->blocks[i] : UINT32_MAX;
		uint32_t theirs = j < base->block_count ? base->blocks[j] : UINT32_MAX;
		uint32_t next = ours < theirs ? ours : theirs;

		i += ours == next;
		j += theirs == next;
		if (next < end) /* an index may have become shorter */
			merged[count++] = next;
	}
	free(delta->blocks);
	delta->blocks = merged;
	delta->block_count = count;
	return 0;
}

int bfs_delta_absorb(struct bfs_delta *delta, const struct bfs_delta *base)
{
	int r = merge_blocks(delta, base);

	if (r < 0)
		return r;
	for (size_t i = 0; i < base->since_count; i++) {
		bool last = i + 1 == base->since_count;

		if (last && delta->since_count == BFS_DELTA_SINCE_MAX)
			delta->since_count--;
		if (last || delta->since_count < BFS_DELTA_SINCE_MAX - 1)
			delta->since[delta->since_count++] = base->since[i];
	}
	memcpy(delta->chain, base->chain, sizeof(delta->chain));
	delta->chain_count = base->chain_count;
	return 0;
}

int bfs_delta_chain(struct bfs_delta *delta, const struct bfs_delta *base)
{
	if (base->chain_count + 1 > BFS_DELTA_CHAIN_MAX)
		return -E2BIG;
	delta->chain_count = 1;
	for (size_t i = 0; i < base->chain_count; i++)
		delta->chain[delta->chain_count++] = base->chain[i];
	return 0;
}

/* --- the file --- */

static int append64(struct bfs_buffer *buffer, uint64_t value)
{
	value = htole64(value);
	return bfs_buffer_append(buffer, &value, sizeof(value));
}

static int append_name(struct bfs_buffer *buffer, const struct bfs_generation *generation)
{
	int r = bfs_buffer_append(buffer, generation->index.bytes, BFS_DIGEST_SIZE);

	return r < 0 ? r : append64(buffer, generation->size);
}

static int append_header(struct bfs_buffer *buffer, const struct bfs_delta *delta)
{
	int r = bfs_buffer_append(buffer, magic, sizeof(magic));

	if (r == 0)
		r = append_name(buffer, &delta->result);
	if (r == 0)
		r = append64(buffer, delta->chain_count);
	if (r == 0)
		r = append64(buffer, delta->since_count);
	if (r == 0)
		r = append64(buffer, delta->block_count);
	for (size_t i = 0; r == 0 && i < delta->chain_count; i++)
		r = append_name(buffer, &delta->chain[i]);
	for (size_t i = 0; r == 0 && i < delta->since_count; i++)
		r = append_name(buffer, &delta->since[i]);
	for (size_t i = 0; r == 0 && i < delta->block_count; i++) {
		uint32_t number = htole32(delta->blocks[i]);

		r = bfs_buffer_append(buffer, &number, sizeof(number));
	}
	return r;
}

static size_t block_length(const struct bfs_delta *delta, uint32_t number)
{
	uint64_t left = delta->result.size - (uint64_t)number * BFS_DELTA_BLOCK;

	return left < BFS_DELTA_BLOCK ? (size_t)left : BFS_DELTA_BLOCK;
}

/* How many blocks from the one at `first` on are neighbours, at most COPY_BLOCKS, and their bytes.
 */
static size_t measure_run(const struct bfs_delta *delta, size_t first, size_t *ret_length)
{
	size_t count = 0, length = 0;

	while (count < COPY_BLOCKS && first + count < delta->block_count &&
		delta->blocks[first + count] == delta->blocks[first] + count) {
		length += block_length(delta, delta->blocks[first + count]);
		count++;
	}
	*ret_length = length;
	return count;
}

/* Puts what is gathered into the file, and into its digest. */
static int flush(struct bfs_buffer *buffer, struct bfs_hasher *hasher, int fd, uint64_t *size)
{
	int r = bfs_hasher_update(hasher, buffer->data, buffer->length);

	if (r == 0)
		r = bfs_write_all(fd, buffer->data, buffer->length);
	*size += buffer->length;
	bfs_buffer_clear(buffer);
	return r;
}

static int write_blocks(const struct bfs_delta *delta, int result_fd, struct bfs_buffer *buffer,
	struct bfs_hasher *hasher, int fd, uint64_t *size)
{
	size_t length, done;
	int r = 0;

	for (size_t i = 0; r == 0 && i < delta->block_count; i += done) {
		done = measure_run(delta, i, &length);
		if (buffer->length + length > COPY_SIZE)
			r = flush(buffer, hasher, fd, size);
		if (r == 0)
			r = bfs_buffer_reserve(buffer, length);
		if (r == 0)
			r = bfs_pread_all(result_fd, buffer->data + buffer->length, length,
				(uint64_t)delta->blocks[i] * BFS_DELTA_BLOCK);
		buffer->length += r == 0 ? length : 0;
	}
	return r;
}

int bfs_delta_write(struct bfs_delta *delta, int result_fd, int fd, uint64_t *ret_size)
{
	_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
	_cleanup_hasher_ struct bfs_hasher *hasher = NULL;
	struct bfs_digest digest;
	uint64_t size = 0;
	int r = append_header(&buffer, delta);

	delta->data = buffer.length;
	if (r == 0)
		r = bfs_hasher_new(&hasher);
	if (r == 0)
		r = write_blocks(delta, result_fd, &buffer, hasher, fd, &size);
	if (r == 0)
		r = bfs_hasher_update(hasher, buffer.data, buffer.length);
	if (r == 0)
		r = bfs_hasher_finish(hasher, &digest);
	if (r == 0)
		r = bfs_buffer_append(&buffer, digest.bytes, BFS_DIGEST_SIZE);
	if (r == 0)
		r = bfs_write_all(fd, buffer.data, buffer.length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		*ret_size = size + buffer.length;
	return r;
}

static uint64_t load64(const char *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return le64toh(value);
}

static int load_names(const char *bytes, size_t count, struct bfs_generation *ret_names)
{
	for (size_t i = 0; i < count; i++, bytes += NAME_SIZE) {
		ret_names[i] = (struct bfs_generation){.size = load64(bytes + BFS_DIGEST_SIZE)};
		memcpy(ret_names[i].index.bytes, bytes, BFS_DIGEST_SIZE);
		if (ret_names[i].size < 1 || ret_names[i].size > BFS_INDEX_SIZE_MAX)
			return -EBADMSG;
	}
	return 0;
}

/* Of the bases all but the last are deltas. */
static void set_forms(struct bfs_delta *delta)
{
	for (size_t i = 0; i < delta->chain_count; i++)
		delta->chain[i].form =
			i + 1 < delta->chain_count ? BFS_INDEX_DELTA : BFS_INDEX_WHOLE;
}

static int load_blocks(const char *bytes, struct bfs_delta *delta)
{
	uint64_t end = count_blocks(delta->result.size);

	for (size_t i = 0; i < delta->block_count; i++, bytes += sizeof(uint32_t)) {
		memcpy(&delta->blocks[i], bytes, sizeof(uint32_t));
		delta->blocks[i] = le32toh(delta->blocks[i]);
		if (delta->blocks[i] >= end || (i && delta->blocks[i] <= delta->blocks[i - 1]))
			return -EBADMSG;
	}
	return 0;
}

static int load_fixed(
	const char bytes[FIXED_SIZE], const struct bfs_generation *result, struct bfs_delta *delta)
{
	uint64_t chain = load64(bytes + 56), since = load64(bytes + 64),
		 blocks = load64(bytes + 72);
	int r = memcmp(bytes, magic, sizeof(magic)) == 0 ? 0 : -EBADMSG;

	if (r == 0)
		r = load_names(bytes + sizeof(magic), 1, &delta->result);
	if (r < 0)
		return r;
	if (result && (!bfs_digest_equal(&delta->result.index, &result->index) ||
			      delta->result.size != result->size))
		return -EBADMSG;
	if (chain < 1 || chain > BFS_DELTA_CHAIN_MAX || since < 1 || since > BFS_DELTA_SINCE_MAX ||
		blocks > count_blocks(delta->result.size))
		return -EBADMSG;
	delta->chain_count = chain;
	delta->since_count = since;
	delta->block_count = blocks;
	return 0;
}

/* The size that header, blocks and digest must have together. */
static uint64_t expected_size(const struct bfs_delta *delta)
{
	uint64_t size = delta->data + BFS_DIGEST_SIZE;

	for (size_t i = 0; i < delta->block_count; i++)
		size += block_length(delta, delta->blocks[i]);
	return size;
}

static int load_lists(int fd, uint64_t file_size, struct bfs_delta *delta)
{
	uint64_t names = (delta->chain_count + delta->since_count) * NAME_SIZE;
	uint64_t length = names + delta->block_count * sizeof(uint32_t);
	_cleanup_free_ char *bytes = NULL;
	int r;

	if (file_size < FIXED_SIZE + length)
		return -EBADMSG;
	bytes = malloc(length);
	delta->blocks = calloc(delta->block_count + 1, sizeof(*delta->blocks));
	if (!bytes || !delta->blocks)
		return -ENOMEM;
	delta->data = FIXED_SIZE + length;
	r = bfs_pread_all(fd, bytes, length, FIXED_SIZE);
	if (r == 0)
		r = load_names(bytes, delta->chain_count, delta->chain);
	if (r == 0)
		r = load_names(
			bytes + delta->chain_count * NAME_SIZE, delta->since_count, delta->since);
	if (r == 0)
		r = load_blocks(bytes + names, delta);
	set_forms(delta);
	return r == 0 && file_size != expected_size(delta) ? -EBADMSG : r;
}

int bfs_delta_read(int fd, const struct bfs_generation *result, struct bfs_delta *ret_delta)
{
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	char fixed[FIXED_SIZE];
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : bfs_pread_all(fd, fixed, sizeof(fixed), 0);

	if (r == 0)
		r = load_fixed(fixed, result, &delta);
	if (r == 0)
		r = load_lists(fd, (uint64_t)st.st_size, &delta);
	if (r < 0)
		return r == -ENODATA ? -EBADMSG : r;
	*ret_delta = delta;
	delta.blocks = NULL;
	return 0;
}

/* The bytes before the blocks again, for the digest. */
static int hash_header(const struct bfs_delta *delta, int fd, struct bfs_hasher *hasher)
{
	_cleanup_free_ char *bytes = malloc(delta->data);
	int r = bytes ? bfs_pread_all(fd, bytes, delta->data, 0) : -ENOMEM;

	return r < 0 ? r : bfs_hasher_update(hasher, bytes, delta->data);
}

static int copy_blocks(
	const struct bfs_delta *delta, int fd, int index_fd, struct bfs_hasher *hasher)
{
	_cleanup_free_ char *bytes = malloc(COPY_SIZE);
	uint64_t from = delta->data;
	size_t length, done;
	int r = bytes ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < delta->block_count; i += done, from += length) {
		done = measure_run(delta, i, &length);
		r = bfs_pread_all(fd, bytes, length, from);
		if (r == 0)
			r = bfs_hasher_update(hasher, bytes, length);
		if (r == 0 && index_fd >= 0)
			r = bfs_pwrite_all(index_fd, bytes, length,
				(uint64_t)delta->blocks[i] * BFS_DELTA_BLOCK);
	}
	return r;
}

/* Reads all of it; an `index_fd` of -1 gets nothing. */
static int read_through(const struct bfs_delta *delta, int fd, int index_fd)
{
	_cleanup_hasher_ struct bfs_hasher *hasher = NULL;
	struct bfs_digest digest, written;
	int r = bfs_hasher_new(&hasher);

	if (r == 0)
		r = hash_header(delta, fd, hasher);
	if (r == 0)
		r = copy_blocks(delta, fd, index_fd, hasher);
	if (r == 0)
		r = bfs_hasher_finish(hasher, &digest);
	if (r == 0)
		r = bfs_pread_all(
			fd, written.bytes, BFS_DIGEST_SIZE, expected_size(delta) - BFS_DIGEST_SIZE);
	return r == 0 && !bfs_digest_equal(&digest, &written) ? -EBADMSG : r;
}

int bfs_delta_check(const struct bfs_delta *delta, int fd)
{
	return read_through(delta, fd, -1);
}

int bfs_delta_apply(const struct bfs_delta *delta, int fd, int index_fd)
{
	int r = read_through(delta, fd, index_fd);

	if (r == 0 && ftruncate(index_fd, (off_t)delta->result.size) < 0)
		r = -errno;
	return r;
}
