#include "installer/elf_patch.h"

#include "lib/file.h"

#include <string.h>

struct bfs_elf_patch {
	uint64_t old_size, new_size;
	struct bfs_elf_edit *edits;
	size_t count, capacity;
	size_t copies; /* the first so many edits are copies */
};

int bfs_elf_patch_new(uint64_t old_size, struct bfs_elf_patch **ret_patch)
{
	struct bfs_elf_patch *patch = calloc(1, sizeof(*patch));

	if (!patch)
		return -ENOMEM;
	patch->old_size = patch->new_size = old_size;
	*ret_patch = patch;
	return 0;
}

void bfs_elf_patch_free(struct bfs_elf_patch *patch)
{
	if (!patch)
		return;
	for (size_t i = 0; i < patch->count; i++)
		free((uint8_t *)patch->edits[i].bytes);
	free(patch->edits);
	free(patch);
}

static int edit_add(struct bfs_elf_patch *patch, const struct bfs_elf_edit *edit)
{
	if (patch->count == patch->capacity) {
		size_t capacity = patch->capacity ? patch->capacity * 2 : 16;
		struct bfs_elf_edit *edits =
			reallocarray(patch->edits, capacity, sizeof(*patch->edits));

		if (!edits)
			return -ENOMEM;
		patch->edits = edits;
		patch->capacity = capacity;
	}
	patch->edits[patch->count++] = *edit;
	if (edit->offset + edit->length > patch->new_size)
		patch->new_size = edit->offset + edit->length;
	return 0;
}

int bfs_elf_patch_write(
	struct bfs_elf_patch *patch, uint64_t offset, const void *bytes, size_t length)
{
	_cleanup_free_ uint8_t *copy = malloc(length ? length : 1);
	struct bfs_elf_edit edit = {.offset = offset, .length = length, .bytes = copy};
	int r;

	if (!copy)
		return -ENOMEM;
	if (length == 0)
		return 0;
	memcpy(copy, bytes, length);
	r = edit_add(patch, &edit);
	if (r < 0)
		return r;
	bfs_steal(&copy);
	return 0;
}

int bfs_elf_patch_copy(
	struct bfs_elf_patch *patch, uint64_t offset, uint64_t source, uint64_t length)
{
	struct bfs_elf_edit edit = {.offset = offset, .length = length, .source = source};
	int r;

	if (patch->copies != patch->count || offset < patch->old_size)
		return -EINVAL;
	if (source > patch->old_size || length > patch->old_size - source)
		return -EINVAL;
	if (length == 0)
		return 0;
	r = edit_add(patch, &edit);
	if (r == 0)
		patch->copies++;
	return r;
}

uint64_t bfs_elf_patch_old_size(const struct bfs_elf_patch *patch)
{
	return patch->old_size;
}

uint64_t bfs_elf_patch_new_size(const struct bfs_elf_patch *patch)
{
	return patch->new_size;
}

const struct bfs_elf_edit *bfs_elf_patch_edits(const struct bfs_elf_patch *patch, size_t *ret_count)
{
	*ret_count = patch->count;
	return patch->edits;
}

int bfs_elf_patch_apply(const struct bfs_elf_patch *patch, uint8_t *buffer, uint64_t capacity)
{
	if (capacity < patch->new_size)
		return -ENOBUFS;
	memset(buffer + patch->old_size, 0, patch->new_size - patch->old_size);
	for (size_t i = 0; i < patch->count; i++) {
		const struct bfs_elf_edit *edit = &patch->edits[i];

		memcpy(buffer + edit->offset, edit->bytes ? edit->bytes : buffer + edit->source,
			edit->length);
	}
	return 0;
}

/* Copies within one file, in pieces, so that a large string table does not need as much memory. */
static int copy_within(int fd, const struct bfs_elf_edit *edit)
{
	uint8_t piece[65536];
	uint64_t done = 0;

	while (done < edit->length) {
		uint64_t left = edit->length - done;
		size_t count = left < sizeof(piece) ? (size_t)left : sizeof(piece);
		int r = bfs_pread_all(fd, piece, count, edit->source + done);

		if (r == 0)
			r = bfs_pwrite_all(fd, piece, count, edit->offset + done);
		if (r < 0)
			return r;
		done += count;
	}
	return 0;
}

int bfs_elf_patch_apply_fd(const struct bfs_elf_patch *patch, int fd)
{
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != patch->old_size)
		return -EINVAL;
	if (patch->new_size > patch->old_size && ftruncate(fd, (off_t)patch->new_size) < 0)
		return -errno;
	for (size_t i = 0; i < patch->count && r == 0; i++) {
		const struct bfs_elf_edit *edit = &patch->edits[i];

		r = edit->bytes ? bfs_pwrite_all(fd, edit->bytes, edit->length, edit->offset)
				: copy_within(fd, edit);
	}
	return r;
}
