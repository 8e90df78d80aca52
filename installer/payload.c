#include "installer/payload.h"

#include "lib/file.h"
#include "lib/log.h"

#include <string.h>
#include <sys/mman.h>

/*
 * An edit moves a few tables to the end, aligned to a page of at most 64 KiB (arm64) or, rarely, to
 * a huge one of 2 MiB. What grows more is made to.
 */
#define ELF_GROWTH_LIMIT (16 * 1024 * 1024)

/* Pieces of a big file on their way through the text relocation. */
#define TEXT_PIECE (256 * 1024)

void bfs_payload_init(struct bfs_payload *payload, struct bfs_writer *writer)
{
	*payload = (struct bfs_payload){.writer = writer, .memory = BFS_BUFFER_INIT, .fd = -1};
}

static void unmap(struct bfs_payload *payload)
{
	if (payload->mapped)
		munmap((void *)payload->data, payload->length);
	payload->mapped = false;
	payload->data = NULL;
}

void bfs_payload_release(struct bfs_payload *payload)
{
	unmap(payload);
	if (payload->fd >= 0) {
		/* The name is removed with the writer's directory; the space need not wait for
		 * that. */
		if (ftruncate(payload->fd, 0) < 0)
			bfs_log_debug("truncating %s: %m", payload->staged);
		close(payload->fd);
	}
	free(payload->staged);
	bfs_buffer_release(&payload->memory);
	bfs_payload_init(payload, payload->writer);
}

static int fail(int code, const char *path, struct bfs_error *error)
{
	return bfs_error_set(error, code, "unpacking", path, NULL);
}

static void use_memory(struct bfs_payload *payload)
{
	payload->data = (const uint8_t *)payload->memory.data;
	payload->length = payload->memory.length;
}

static int map(struct bfs_payload *payload, uint64_t size)
{
	void *mapping;

	if (size > SIZE_MAX)
		return -EFBIG;
	mapping = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, payload->fd, 0);
	if (mapping == MAP_FAILED)
		return -errno;
	payload->data = mapping;
	payload->length = (size_t)size;
	payload->mapped = true;
	return 0;
}

static int read_failure(struct archive *archive, const char *path, struct bfs_error *error)
{
	const char *reason = archive_error_string(archive);

	return bfs_error_set(error, -EBADMSG, "unpacking", path, "%s",
		reason ? reason : "the archive is damaged");
}

/* Where the next block of the member belongs; r is libarchive's. */
struct block {
	const void *data;
	size_t length;
	uint64_t offset;
};

/* 1 and the next block, 0 at the end; a block outside the member is -EBADMSG. */
static int next_block(struct archive *archive, uint64_t size, struct block *ret_block,
	const char *path, struct bfs_error *error)
{
	la_int64_t offset = 0;
	int code = archive_read_data_block(archive, &ret_block->data, &ret_block->length, &offset);

	if (code == ARCHIVE_EOF)
		return 0;
	if (code != ARCHIVE_OK)
		return read_failure(archive, path, error);
	if (offset < 0 || (uint64_t)offset > size || ret_block->length > size - (uint64_t)offset)
		return bfs_error_set(error, -EBADMSG, "unpacking", path,
			"its content is longer than its header says");
	ret_block->offset = (uint64_t)offset;
	return 1;
}

static int append_zeros(struct bfs_buffer *buffer, size_t count)
{
	int r = bfs_buffer_reserve(buffer, count);

	if (r < 0)
		return r;
	if (count)
		memset(buffer->data + buffer->length, 0, count + 1);
	buffer->length += count;
	return 0;
}

static int place(struct bfs_buffer *memory, const struct block *block)
{
	size_t end = (size_t)block->offset + block->length;
	int r = 0;

	if (block->offset == memory->length)
		return bfs_buffer_append(memory, block->data, block->length);
	if (end > memory->length)
		r = append_zeros(memory, end - memory->length);
	if (r == 0 && block->length)
		memcpy(memory->data + block->offset, block->data, block->length);
	return r;
}

static int read_to_memory(struct bfs_payload *payload, struct archive *archive, size_t size,
	const char *path, struct bfs_error *error)
{
	struct block block = {NULL, 0, 0};
	int r = next_block(archive, size, &block, path, error);

	if (r == 1 && block.offset == 0 && block.length == size) {
		bfs_payload_borrow(payload, block.data, block.length);
		return 0;
	}
	if (r >= 0 && bfs_buffer_reserve(&payload->memory, size) < 0)
		return fail(-ENOMEM, path, error);
	while (r == 1) {
		r = place(&payload->memory, &block);
		if (r < 0)
			return fail(r, path, error);
		r = next_block(archive, size, &block, path, error);
	}
	if (r == 0 && append_zeros(&payload->memory, size - payload->memory.length) < 0)
		return fail(-ENOMEM, path, error);
	use_memory(payload);
	return r;
}

static int read_to_file(struct bfs_payload *payload, struct archive *archive, uint64_t size,
	const char *path, struct bfs_error *error)
{
	struct block block;
	int code, r = bfs_writer_stage(payload->writer, &payload->fd, &payload->staged, error);

	if (r < 0)
		return r;
	while ((r = next_block(archive, size, &block, path, error)) == 1) {
		code = bfs_pwrite_all(payload->fd, block.data, block.length, block.offset);
		if (code < 0)
			return fail(code, path, error);
	}
	if (r < 0)
		return r;
	if (ftruncate(payload->fd, (off_t)size) < 0)
		return fail(-errno, path, error);
	code = map(payload, size);
	return code < 0 ? fail(code, path, error) : 0;
}

int bfs_payload_read(struct bfs_payload *payload, struct archive *archive, uint64_t size,
	const char *path, struct bfs_error *error)
{
	return size <= BFS_PAYLOAD_MEMORY
		       ? read_to_memory(payload, archive, (size_t)size, path, error)
		       : read_to_file(payload, archive, size, path, error);
}

void bfs_payload_borrow(struct bfs_payload *payload, const uint8_t *data, size_t length)
{
	payload->data = length ? data : (const uint8_t *)"";
	payload->length = length;
}

/* Makes the content a staged file of the payload's own, open and not mapped. */
static int own_file(struct bfs_payload *payload, struct bfs_error *error)
{
	int r;

	if (payload->fd >= 0) {
		unmap(payload);
		return 0;
	}
	r = bfs_writer_stage(payload->writer, &payload->fd, &payload->staged, error);
	if (r == 0)
		r = bfs_write_all(payload->fd, payload->data, payload->length);
	if (r == 0)
		bfs_buffer_release(&payload->memory);
	return r;
}

static int apply_in_memory(struct bfs_payload *payload, const struct bfs_elf_patch *patch)
{
	size_t new_size = (size_t)bfs_elf_patch_new_size(patch);
	size_t old_size = payload->length;
	int r = 0;

	if (payload->data != (const uint8_t *)payload->memory.data) {
		bfs_buffer_clear(&payload->memory);
		r = bfs_buffer_reserve(&payload->memory, new_size);
		if (r == 0)
			r = bfs_buffer_append(&payload->memory, payload->data, old_size);
	}
	if (r == 0 && new_size > old_size)
		r = append_zeros(&payload->memory, new_size - old_size);
	if (r == 0)
		r = bfs_elf_patch_apply(patch, (uint8_t *)payload->memory.data, new_size);
	use_memory(payload);
	return r;
}

static int apply_to_file(
	struct bfs_payload *payload, const struct bfs_elf_patch *patch, struct bfs_error *error)
{
	int r = own_file(payload, error);

	if (r == 0)
		r = bfs_elf_patch_apply_fd(patch, payload->fd);
	return r < 0 ? r : map(payload, bfs_elf_patch_new_size(patch));
}

/* A malformed file that holds placeholders would stay broken; any other is none of our business. */
static int judge_malformed(const struct bfs_payload *payload, const char *path, int code,
	struct bfs_error *reason, struct bfs_error *error)
{
	if (!bfs_text_has_placeholder(payload->data, payload->length)) {
		bfs_log_warning("%s: left as it is: %s", path, bfs_error_message(reason, code));
		return 0;
	}
	return bfs_error_set(
		error, code, "relocating", path, "%s", bfs_error_message(reason, code));
}

int bfs_payload_edit_elf(struct bfs_payload *payload, const struct bfs_elf_policy *policy,
	const char *path, struct bfs_error *error)
{
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	_cleanup_error_ struct bfs_error reason = BFS_ERROR_INIT;
	uint64_t new_size;
	int r = bfs_elf_relocate(payload->data, payload->length, policy, &patch, &reason);

	if (r == -EBADMSG || r == -EFBIG)
		return judge_malformed(payload, path, -EBADMSG, &reason, error);
	if (r < 0)
		return bfs_error_set(
			error, r, "relocating", path, "%s", bfs_error_message(&reason, r));
	if (!patch)
		return 0;
	new_size = bfs_elf_patch_new_size(patch);
	if (new_size > payload->length + (uint64_t)ELF_GROWTH_LIMIT)
		return bfs_error_set(error, -EBADMSG, "relocating", path,
			"the ELF file would grow from %zu to %ju bytes", payload->length,
			(uintmax_t)new_size);
	if (payload->fd < 0 && new_size <= BFS_PAYLOAD_MEMORY)
		r = apply_in_memory(payload, patch);
	else
		r = apply_to_file(payload, patch, error);
	return r < 0 ? bfs_error_set(error, r, "relocating", path, NULL) : 0;
}

static int write_to_fd(void *context, const void *data, size_t length)
{
	return bfs_write_all(*(int *)context, data, length);
}

/* Relocates into a new staged file, which then takes the old one's place. */
static int edit_big_text(struct bfs_payload *payload, const struct bfs_text_relocation *relocation,
	struct bfs_error *error)
{
	_cleanup_text_stream_ struct bfs_text_stream *stream = NULL;
	struct bfs_payload edited;
	off_t size;
	int r;

	bfs_payload_init(&edited, payload->writer);
	r = bfs_writer_stage(edited.writer, &edited.fd, &edited.staged, error);
	if (r == 0)
		r = bfs_text_stream_new(relocation, write_to_fd, &edited.fd, &stream);
	for (size_t done = 0; r == 0 && done < payload->length; done += TEXT_PIECE) {
		size_t rest = payload->length - done;

		r = bfs_text_stream_write(
			stream, payload->data + done, rest < TEXT_PIECE ? rest : TEXT_PIECE);
	}
	if (r == 0)
		r = bfs_text_stream_finish(stream);
	size = r == 0 ? lseek(edited.fd, 0, SEEK_END) : 0;
	if (size < 0)
		r = -errno;
	if (r == 0)
		r = map(&edited, (uint64_t)size);
	if (r < 0) {
		bfs_payload_release(&edited);
		return r;
	}
	bfs_payload_release(payload);
	*payload = edited;
	return 0;
}

int bfs_payload_edit_text(struct bfs_payload *payload, const struct bfs_text_relocation *relocation,
	const char *path, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer edited = BFS_BUFFER_INIT;
	int r;

	if (!bfs_text_has_placeholder(payload->data, payload->length))
		return 0;
	if (payload->length > BFS_PAYLOAD_MEMORY) {
		r = edit_big_text(payload, relocation, error);
	} else {
		r = bfs_text_relocate(relocation, payload->data, payload->length, &edited);
		if (r == 0) {
			bfs_payload_release(payload);
			payload->memory = edited;
			edited = (struct bfs_buffer)BFS_BUFFER_INIT;
			use_memory(payload);
		}
	}
	return r < 0 ? bfs_error_set(error, r, "relocating", path, NULL) : 0;
}

int bfs_payload_put(struct bfs_payload *payload, mode_t mode, struct bfs_content *ret_content,
	const char *path, struct bfs_error *error)
{
	int r;

	if (payload->fd < 0 && payload->length > BFS_PAYLOAD_MEMORY) {
		r = own_file(payload, error);
		if (r < 0)
			return fail(r, path, error);
	}
	if (payload->fd < 0)
		r = bfs_writer_add(
			payload->writer, payload->data, payload->length, mode, ret_content, error);
	else
		r = bfs_writer_add_staged(payload->writer, bfs_steal_fd(&payload->fd),
			payload->staged, mode, ret_content, error);
	bfs_payload_release(payload);
	return r < 0 ? fail(r, path, error) : 0;
}
