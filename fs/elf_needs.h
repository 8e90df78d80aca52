/*
 * What the dynamic loader (ld.so(8)) will ask for once it has opened an ELF file: the libraries
 * that it needs, and the parts of it that are read to load and relocate it.
 *
 * Everything in the file is checked as it is read; only little-endian 64-bit files are understood,
 * since bottles hold no others (elf(5), System V ABI).
 */
#ifndef BFS_FS_ELF_NEEDS_H
#define BFS_FS_ELF_NEEDS_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <sys/types.h>

/* Reads up to `length` bytes at `offset`: the count, 0 at the end, or a negative errno. */
typedef ssize_t bfs_elf_reader(void *context, void *ret_data, size_t length, uint64_t offset);

struct bfs_elf_range {
	uint64_t offset, length; /* bytes of the file */
};

struct bfs_elf_needs {
	struct bfs_buffer names; /* "libz.so.1", NUL, "libc.so.6", NUL... */
	size_t count;		 /* of names */
	char *search; /* DT_RUNPATH, else DT_RPATH: directories with ":" between; or NULL */
	/* The first segment, with symbols and relocations, and the one that is written to. */
	struct bfs_elf_range ranges[2];
	size_t range_count;
};

/*
 * -ENOEXEC for what is no such file, or a damaged one; what the reader returns where it fails. The
 * ranges are set first: `found`, if not NULL, is called when they are known, before more is read.
 */
typedef void bfs_elf_found(void *context, const struct bfs_elf_needs *needs);
int bfs_elf_needs_read(
	bfs_elf_reader *read, bfs_elf_found *found, void *context, struct bfs_elf_needs *ret_needs);

void bfs_elf_needs_release(struct bfs_elf_needs *needs);
#define _cleanup_elf_needs_ BFS_CLEANUP(bfs_elf_needs_release)

#endif
