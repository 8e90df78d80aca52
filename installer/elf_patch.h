/*
 * What an ELF edit changes: a list of edits against the old content, to be applied to a buffer or
 * to a file. The patch owns its bytes and does not refer to the memory the ELF was read from.
 *
 * An edit replaces `length` bytes at `offset` of the new content: by `bytes`, or, where `bytes` is
 * NULL, by the `length` bytes that the OLD content has at `source`. Edits may lie beyond the old
 * end; bytes between the old end and the new size that no edit covers are zero. Copies come first
 * in the list, never overlap what they copy from and lie beyond the old end, so that applying the
 * edits in order to the same buffer or file is right. Later edits may refine earlier ones.
 *
 * Deterministic: the same ELF and the same policy give the same list.
 */
#ifndef BFS_INSTALLER_ELF_PATCH_H
#define BFS_INSTALLER_ELF_PATCH_H

#include "lib/error.h"

#include <stddef.h>
#include <stdint.h>

struct bfs_elf_edit {
	uint64_t offset;      /* in the new content */
	uint64_t length;      /* bytes, > 0 */
	const uint8_t *bytes; /* owned by the patch; NULL: copied from `source` */
	uint64_t source;      /* in the old content */
};

struct bfs_elf_patch;

/* An empty patch for content of `old_size` bytes; -ENOMEM. */
int bfs_elf_patch_new(uint64_t old_size, struct bfs_elf_patch **ret_patch);
void bfs_elf_patch_free(struct bfs_elf_patch *patch);

/* Adds an edit by a copy of `bytes`; -ENOMEM. An edit that ends beyond the new size enlarges it. */
int bfs_elf_patch_write(
	struct bfs_elf_patch *patch, uint64_t offset, const void *bytes, size_t length);

/*
 * Adds a copy of old content to the appended part (`offset` >= old size). Every copy is added
 * before the first write; -EINVAL otherwise, or when `source` is not within the old content.
 * -ENOMEM.
 */
int bfs_elf_patch_copy(
	struct bfs_elf_patch *patch, uint64_t offset, uint64_t source, uint64_t length);

uint64_t bfs_elf_patch_old_size(const struct bfs_elf_patch *patch);
uint64_t bfs_elf_patch_new_size(const struct bfs_elf_patch *patch);

/* The edits in order; valid until the next change of the patch. */
const struct bfs_elf_edit *bfs_elf_patch_edits(
	const struct bfs_elf_patch *patch, size_t *ret_count);

/*
 * Edits `buffer`, which holds the old content and has room for `capacity` bytes. -ENOBUFS, and
 * nothing changed, where the new size does not fit.
 */
int bfs_elf_patch_apply(const struct bfs_elf_patch *patch, uint8_t *buffer, uint64_t capacity);

/*
 * Edits a file open for reading and writing, which nobody reads yet: on an error it is left half
 * changed. -EINVAL where its size is not the old size; else as pread(2), pwrite(2), ftruncate(2).
 */
int bfs_elf_patch_apply_fd(const struct bfs_elf_patch *patch, int fd);

BFS_DEFINE_CLEANUP(struct bfs_elf_patch *, bfs_cleanup_elf_patch, bfs_elf_patch_free)
#define _cleanup_elf_patch_ BFS_CLEANUP(bfs_cleanup_elf_patch)

#endif
