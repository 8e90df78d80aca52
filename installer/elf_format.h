/*
 * The records of an ELF file as they lie in it: 32 and 64 bits wide, in either byte order.
 *
 * In memory every member of a record is a uint64_t, whatever its width in the file, so one piece of
 * code serves both classes and both byte orders. Nothing here checks ranges: the caller has made
 * sure that bfs_elf_record_size() bytes are there (elf_image.h). Sources: System V gABI chapters 4
 * and 5.
 */
#ifndef BFS_INSTALLER_ELF_FORMAT_H
#define BFS_INSTALLER_ELF_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bfs_elf_format {
	bool wide; /* ELFCLASS64 */
	bool big;  /* ELFDATA2MSB */
};

enum bfs_elf_record {
	BFS_ELF_HEADER,	 /* struct bfs_elf_header, from byte EI_NIDENT of the file */
	BFS_ELF_SEGMENT, /* struct bfs_elf_segment: a program header */
	BFS_ELF_SECTION, /* struct bfs_elf_section: a section header */
	BFS_ELF_DYNAMIC, /* struct bfs_elf_dynamic: an entry of .dynamic */
	BFS_ELF_SYMBOL,	 /* struct bfs_elf_symbol */
	BFS_ELF_VERNEED, /* struct bfs_elf_version: Elf_Verneed */
	BFS_ELF_VERNAUX, /* struct bfs_elf_version: Elf_Vernaux */
	BFS_ELF_VERDEF,	 /* struct bfs_elf_version: Elf_Verdef */
	BFS_ELF_VERDAUX, /* struct bfs_elf_version: Elf_Verdaux */
};

struct bfs_elf_header {
	uint64_t type, machine, version, entry;
	uint64_t segment_table, section_table; /* file offsets, 0: none */
	uint64_t flags, size;
	uint64_t segment_size, segment_count;
	uint64_t section_size, section_count, section_names;
};

struct bfs_elf_segment {
	uint64_t type, flags, offset, address, physical, file_size, memory_size, alignment;
};

struct bfs_elf_section {
	uint64_t name, type, flags, address, offset, size, link, info, alignment, entry_size;
};

struct bfs_elf_dynamic {
	uint64_t tag, value;
};

struct bfs_elf_symbol {
	uint64_t name, info, other, section, value, size;
};

/* What the four records of version tables have in common; members a record lacks are left alone. */
struct bfs_elf_version {
	uint64_t count;	    /* of auxiliary records */
	uint64_t name;	    /* index in the string table */
	uint64_t auxiliary; /* bytes from this record to its first auxiliary one */
	uint64_t next;	    /* bytes from this record to the next of its kind, 0: last */
};

/* Bytes of a record in the file. */
size_t bfs_elf_record_size(const struct bfs_elf_format *format, enum bfs_elf_record record);

void bfs_elf_record_read(const struct bfs_elf_format *format, enum bfs_elf_record record,
	const uint8_t *bytes, void *ret_value);

/* Writes the members; bytes between them that belong to no member are not touched. */
void bfs_elf_record_write(const struct bfs_elf_format *format, enum bfs_elf_record record,
	const void *value, uint8_t *ret_bytes);

/* One integer of `width` (1, 2, 4 or 8) bytes. */
uint64_t bfs_elf_integer_read(
	const struct bfs_elf_format *format, const uint8_t *bytes, size_t width);

#endif
