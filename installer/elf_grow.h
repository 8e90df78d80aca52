/*
 * The part of the ELF editor that makes a file longer: moves the dynamic string table, the
 * interpreter's name and what stands in the way of the program headers to where elf_layout.h says.
 *
 * Changes the arrays of the image (segments, sections, .dynamic, header) to what they have to be,
 * and puts the moved content into the patch. The arrays themselves are written by the caller, who
 * also translates what it still writes to old offsets: bytes that moved with the block are at
 * bfs_elf_growth_offset(). Must be the first to use the patch.
 */
#ifndef BFS_INSTALLER_ELF_GROW_H
#define BFS_INSTALLER_ELF_GROW_H

#include "installer/elf_layout.h"
#include "installer/elf_patch.h"

struct bfs_elf_growth {
	/* Asked for. */
	const char *rpath;	 /* a string to add to the string table, which moves; or NULL */
	const char *interpreter; /* a name to store elsewhere; or NULL */

	/* What became of it. */
	uint64_t rpath_index;	    /* of the added string in the table */
	uint64_t strings_offset;    /* of the moved table in the file */
	struct bfs_elf_block block; /* moved as well; size 0: nothing else was */
	uint64_t block_offset;	    /* where it went */
};

/*
 * -EFBIG where the class has no room for it; -EBADMSG where the tables contradict each other;
 * -ENOMEM.
 */
int bfs_elf_grow(struct bfs_elf_image *image, struct bfs_elf_growth *growth,
	struct bfs_elf_patch *patch, struct bfs_error *error);

/* Where a byte of the old file is now, if it moved with the block; the offset itself if not. */
static inline uint64_t bfs_elf_growth_offset(const struct bfs_elf_growth *growth, uint64_t offset)
{
	if (offset < growth->block.offset || offset - growth->block.offset >= growth->block.size)
		return offset;
	return growth->block_offset + (offset - growth->block.offset);
}

#endif
