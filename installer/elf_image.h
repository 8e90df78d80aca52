/*
 * A checked view of a dynamically linked ELF file in memory: the base of queries (elf.h) and of the
 * editor (elf_edit.h), and not meant for others.
 *
 * bfs_elf_image_open() reads the tables and checks everything it hands out: that each table lies in
 * the file, that loadable segments are in order and do not overlap, that .dynamic ends, that the
 * string table ends with a NUL. After it succeeded, `data` may be read anywhere in the ranges that
 * segments (file_size) and sections (but SHT_NOBITS) name. Section headers are optional, as the
 * loader does not need them; where they exist they have to be sane.
 *
 * The view does not own `data`, which must not change and must outlive it. The arrays are the
 * view's own: the editor changes them and then writes out what differs. No locking; one thread at a
 * time.
 */
#ifndef BFS_INSTALLER_ELF_IMAGE_H
#define BFS_INSTALLER_ELF_IMAGE_H

#include "installer/elf_format.h"
#include "lib/error.h"

#include <elf.h>

/*
 * Limits. A file beyond them is called malformed.
 * - Linux refuses a program header table of more than 64 KiB (fs/binfmt_elf.c).
 * - Only relocatable files, which are never edited, need more than 65,536 sections.
 * - No program needs 16,384 entries in .dynamic; the loader walks them one by one.
 * - Linux takes no longer interpreter name than PATH_MAX; nor can a library's file have one.
 * - An RPATH of 64 KiB has room for a thousand directories; each costs an open(2) per library.
 */
#define BFS_ELF_SEGMENT_TABLE_LIMIT 65536
#define BFS_ELF_SECTION_LIMIT	    65536
#define BFS_ELF_DYNAMIC_LIMIT	    16384
#define BFS_ELF_NAME_LIMIT	    4096
#define BFS_ELF_RPATH_LIMIT	    65536

#define BFS_ELF_NONE SIZE_MAX /* no such index */

struct bfs_elf_image {
	struct bfs_elf_format format;
	const uint8_t *data;
	uint64_t length;
	struct bfs_elf_header header;
	struct bfs_elf_segment *segments; /* room for one more than segment_count */
	size_t segment_count;
	struct bfs_elf_section *sections; /* NULL when section_count is 0 */
	size_t section_count;
	struct bfs_elf_dynamic *dynamic; /* without the DT_NULL at the end */
	size_t dynamic_count;
	uint64_t dynamic_offset;    /* in the file */
	size_t interpreter_segment; /* PT_INTERP, or BFS_ELF_NONE */
	size_t interpreter_section; /* the one with just that content, or BFS_ELF_NONE */
	const char *interpreter;    /* in `data`, or NULL */
	uint64_t strings_offset;    /* of DT_STRTAB in the file */
	uint64_t strings_size;	    /* 0: there is no table */
};

/*
 * Opens the view. -ENOEXEC, without a message, where the content is not one that Homebrew's
 * os/linux/elf.rb calls dynamic: not ELF, an OS ABI other than System V and GNU, not an executable
 * or shared object, no PT_DYNAMIC; and where it is a file of debug information split off, whose
 * PT_DYNAMIC names content it does not have. -EBADMSG, with a message, where it is malformed.
 * -ENOMEM. Release with bfs_elf_image_release() after success only.
 */
int bfs_elf_image_open(const uint8_t *data, size_t length, struct bfs_elf_image *ret_image,
	struct bfs_error *error);
void bfs_elf_image_release(struct bfs_elf_image *image);

/* True if `size` bytes at `offset` are within the file. */
static inline bool bfs_elf_image_has(
	const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->length && size <= image->length - offset;
}

/* True if the two ranges have a byte in common; ends may not wrap, which the view has checked. */
static inline bool bfs_elf_ranges_meet(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size > 0 && b_size > 0 && a < b + b_size && b < a + a_size;
}

static inline uint64_t bfs_elf_align(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) / alignment * alignment;
}

/*
 * The file offset of `size` bytes at an address, all of them from one loadable segment. -EBADMSG,
 * without a message, where no segment loads them from the file.
 */
int bfs_elf_image_offset(
	const struct bfs_elf_image *image, uint64_t address, uint64_t size, uint64_t *ret_offset);

/* The index in image->dynamic of the first entry with this tag, or BFS_ELF_NONE. */
size_t bfs_elf_image_dynamic(const struct bfs_elf_image *image, uint64_t tag);

/*
 * The string at an index of the dynamic string table, NUL-terminated, of less than `limit` bytes.
 * -EBADMSG if it is longer or outside the table.
 */
int bfs_elf_image_string(const struct bfs_elf_image *image, uint64_t index, size_t limit,
	const char **ret_string, struct bfs_error *error);

/* The string that .dynamic has under the tag; *ret_string is NULL if there is no such tag. */
int bfs_elf_image_dynamic_string(const struct bfs_elf_image *image, uint64_t tag, size_t limit,
	const char **ret_string, struct bfs_error *error);

/*
 * The section with content in the file at exactly this offset, or BFS_ELF_NONE: the one that stays
 * in step when the thing at that offset is moved.
 */
size_t bfs_elf_image_section_at(const struct bfs_elf_image *image, uint64_t offset);

/* The first section of a type of which a file has one (SHT_SYMTAB, SHT_DYNSYM), or BFS_ELF_NONE. */
size_t bfs_elf_image_section_of_type(const struct bfs_elf_image *image, uint64_t type);

#define bfs_elf_malformed(error, ...)                                                              \
	bfs_error_set((error), -EBADMSG, "reading the ELF file", NULL, __VA_ARGS__)

#define _cleanup_elf_image_ BFS_CLEANUP(bfs_elf_image_release)

#endif
