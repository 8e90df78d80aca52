/*
 * Where in an ELF file and in its memory there is room: the rules by which the editor places what
 * no longer fits. Nothing is changed here.
 *
 * What grows goes to the end of the file, into memory behind everything else. In order of
 * preference:
 *
 * 1. The last loadable segment ends where the file ends: it is made longer. Bottles' executables
 * are of this kind, since patchelf.rb has put such a segment there when the bottle was built.
 * 2. A new loadable segment, whose program header takes bytes after the table that belong to
 * nobody.
 * 3. The same, but the sections behind the table (interpreter, notes, symbol hashes...) are first
 *    moved into the new segment, as patchelf and patchelf.rb do. The table stays where it is,
 * behind the ELF header, because binutils' strip writes it there and nowhere else, and because
 * tools that read build IDs from core dumps look in the first page.
 * 4. The table itself moves into the new segment. Kernels before 5.18 give the loader the address
 * of the table as (first segment's address - its offset) + e_phoff, so for anything that can be
 *    executed the new segment has that same distance between address and offset; where the file has
 *    a large .bss, this leaves a hole in the file.
 *
 * No program header is ever given up for this: notes, stack flags and RELRO stay.
 */
#ifndef BFS_INSTALLER_ELF_LAYOUT_H
#define BFS_INSTALLER_ELF_LAYOUT_H

#include "installer/elf_image.h"

enum bfs_elf_table {
	BFS_ELF_TABLE_STAYS,  /* there is room for one more program header */
	BFS_ELF_TABLE_EVICTS, /* there is, once the block has moved */
	BFS_ELF_TABLE_MOVES,  /* into the new segment */
};

/* Sections in the way of the program header table, which move together. */
struct bfs_elf_block {
	uint64_t offset, size; /* in the file, bytes; size 0: none */
	uint64_t address;
	uint64_t alignment; /* bytes; address and alignment stay congruent */
};

/* Where appended bytes begin. */
struct bfs_elf_place {
	uint64_t offset; /* in the file, >= the old size */
	uint64_t address;
	uint64_t alignment; /* of the segment (p_align) */
};

/*
 * True where the bytes are provably nobody's: in a file with section headers, part of no section,
 * no table and no segment but a loadable one, and all of them NUL or Homebrew's X.
 */
bool bfs_elf_range_is_free(const struct bfs_elf_image *image, uint64_t offset, uint64_t size);

/* The loadable segment that can be made longer at the end of the file, or BFS_ELF_NONE. */
size_t bfs_elf_growing_segment(const struct bfs_elf_image *image);

/* What to do about one more program header; *ret_block is set for BFS_ELF_TABLE_EVICTS. */
enum bfs_elf_table bfs_elf_table_plan(
	const struct bfs_elf_image *image, struct bfs_elf_block *ret_block);

/* Tags of .dynamic that hold the address of a table of a kind that may move with a block. */
bool bfs_elf_tag_may_move(uint64_t tag);

/*
 * The place of a new segment of up to `size` bytes; `holds_table` if the program headers go there.
 * -EFBIG where the address space or the file offsets of the class are used up, or where the hole
 * would be larger than 1 GiB.
 */
int bfs_elf_place_new(const struct bfs_elf_image *image, uint64_t size, bool holds_table,
	struct bfs_elf_place *ret_place, struct bfs_error *error);

#endif
