/*
 * Small ELF files made in memory, of both classes and byte orders, for tests that need no compiler:
 * an executable with an interpreter, a note, a symbol hash, symbols, strings, version needs,
 * .dynamic and, if wanted, section headers. They are complete enough for readelf, but there is no
 * code.
 */
#ifndef BFS_TESTS_INSTALLER_ELF_SAMPLE_H
#define BFS_TESTS_INSTALLER_ELF_SAMPLE_H

#include "installer/elf_format.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_CAPACITY = 65536, SAMPLE_SEGMENTS = 7, SAMPLE_SECTIONS = 10 };

struct sample_options {
	bool wide, big;
	bool is_fixed; /* ET_EXEC at 0x400000 instead of ET_DYN at 0 */
	bool has_sections;
	bool has_room;		 /* free bytes behind the program headers */
	bool lends_tail;	 /* a symbol's name is the end of the RPATH string */
	const char *interpreter; /* NULL: none */
	const char *rpath, *runpath;
	unsigned slack; /* X bytes behind the NUL of rpath (or else of runpath) */
	uint64_t bss;	/* bytes */
};

struct sample {
	struct bfs_elf_format format;
	uint8_t data[SAMPLE_CAPACITY];
	uint64_t length;
	struct bfs_elf_segment segments[SAMPLE_SEGMENTS];
	size_t segment_count;
	struct bfs_elf_section sections[SAMPLE_SECTIONS];
	size_t section_count;
	struct bfs_elf_dynamic dynamic[16];
	size_t dynamic_count;
	uint64_t base;			/* address of the first byte */
	uint64_t strings, string_count; /* offset and size of the dynamic string table */
	uint64_t table_offset;		/* where program headers go */
};

static inline size_t sample_size(const struct sample *s, enum bfs_elf_record record)
{
	return bfs_elf_record_size(&s->format, record);
}

static inline void sample_put(
	struct sample *s, enum bfs_elf_record record, uint64_t offset, const void *value)
{
	bfs_elf_record_write(&s->format, record, value, s->data + offset);
}

static inline void sample_word(struct sample *s, uint64_t value)
{
	for (size_t i = 0; i < 4; i++)
		s->data[s->length + (s->format.big ? 3 - i : i)] = (uint8_t)(value >> (8 * i));
	s->length += 4;
}

static inline void sample_align(struct sample *s, uint64_t alignment)
{
	s->length = (s->length + alignment - 1) / alignment * alignment;
}

static inline uint64_t sample_string(struct sample *s, const char *string)
{
	uint64_t index = s->length - s->strings;

	memcpy(s->data + s->length, string, strlen(string) + 1);
	s->length += strlen(string) + 1;
	return index;
}

static inline void sample_section(struct sample *s, uint64_t type, uint64_t flags, uint64_t offset,
	uint64_t address, uint64_t link, uint64_t entry_size)
{
	s->sections[s->section_count++] = (struct bfs_elf_section){.type = type,
		.flags = flags,
		.address = address,
		.offset = offset,
		.size = s->length - offset,
		.link = link,
		.info = type == SHT_DYNSYM || type == SHT_GNU_verneed ? 1 : 0,
		.alignment = type == SHT_STRTAB || type == SHT_PROGBITS ? 1 : 4,
		.entry_size = entry_size};
}

static inline void sample_segment(struct sample *s, uint64_t type, uint64_t flags, uint64_t offset,
	uint64_t address, uint64_t alignment)
{
	s->segments[s->segment_count++] = (struct bfs_elf_segment){.type = type,
		.flags = flags,
		.offset = offset,
		.address = address,
		.physical = address,
		.file_size = s->length - offset,
		.memory_size = s->length - offset,
		.alignment = alignment};
}

static inline void sample_tag(struct sample *s, uint64_t tag, uint64_t value)
{
	s->dynamic[s->dynamic_count++] = (struct bfs_elf_dynamic){.tag = tag, .value = value};
}

/* The note and the interpreter: what stands behind the program headers. */
static inline void sample_add_head(struct sample *s, const struct sample_options *o)
{
	uint64_t start;

	if (o->interpreter) {
		start = s->length;
		s->strings = start;
		sample_string(s, o->interpreter);
		sample_section(s, SHT_PROGBITS, SHF_ALLOC, start, s->base + start, 0, 0);
		sample_segment(s, PT_INTERP, PF_R, start, s->base + start, 1);
	}
	sample_align(s, 4);
	start = s->length;
	sample_word(s, 4);
	sample_word(s, 16);
	sample_word(s, 3); /* NT_GNU_BUILD_ID */
	memcpy(s->data + s->length, "GNU\0an identifier..", 20);
	s->length += 20;
	sample_section(s, SHT_NOTE, SHF_ALLOC, start, s->base + start, 0, 0);
	sample_segment(s, PT_NOTE, PF_R, start, s->base + start, 4);
}

static inline void sample_add_strings(struct sample *s, const struct sample_options *o)
{
	s->strings = s->length;
	sample_string(s, "");
	sample_tag(s, DT_NEEDED, sample_string(s, "libc.so.6"));
	if (o->rpath)
		sample_tag(s, DT_RPATH, sample_string(s, o->rpath));
	if (o->runpath)
		sample_tag(s, DT_RUNPATH, sample_string(s, o->runpath));
	if (o->slack > 0) {
		memset(s->data + s->length, 'X', o->slack);
		s->length += o->slack;
		s->data[s->length++] = '\0';
	}
	sample_tag(s, DT_SONAME, sample_string(s, "libsample.so.1"));
	sample_string(s, "a_symbol");
	s->string_count = s->length - s->strings;
	sample_tag(s, DT_STRTAB, s->base + s->strings);
	sample_tag(s, DT_STRSZ, s->string_count);
}

static inline void sample_add_symbols(struct sample *s, const struct sample_options *o)
{
	uint64_t name = s->string_count - strlen("a_symbol") - 1, start = s->length;
	struct bfs_elf_symbol symbol = {.name = name, .info = 0x10, .section = 2};

	if (o->lends_tail)
		symbol.name = 1 + strlen("libc.so.6") + 1 + 3;
	s->length += sample_size(s, BFS_ELF_SYMBOL);
	sample_put(s, BFS_ELF_SYMBOL, s->length, &symbol);
	s->length += sample_size(s, BFS_ELF_SYMBOL);
	sample_section(s, SHT_DYNSYM, SHF_ALLOC, start, s->base + start, s->section_count - 1,
		sample_size(s, BFS_ELF_SYMBOL));
	sample_tag(s, DT_SYMTAB, s->base + start);
	sample_tag(s, DT_SYMENT, sample_size(s, BFS_ELF_SYMBOL));

	start = s->length;
	sample_word(s, 1); /* buckets */
	sample_word(s, 2); /* chains */
	sample_word(s, 1);
	sample_word(s, 0);
	sample_word(s, 0);
	sample_section(s, SHT_HASH, SHF_ALLOC, start, s->base + start, s->section_count - 1, 4);
	sample_tag(s, DT_HASH, s->base + start);

	start = s->length;
	sample_word(s, 0x00010001); /* version 1, one auxiliary */
	sample_word(s, 1);	    /* libc.so.6 */
	sample_word(s, 16);
	sample_word(s, 0);
	sample_word(s, 0x0d696913);
	sample_word(s, 2);
	sample_word(s, name);
	sample_word(s, 0);
	sample_section(
		s, SHT_GNU_verneed, SHF_ALLOC, start, s->base + start, s->section_count - 3, 0);
	sample_tag(s, DT_VERNEED, s->base + start);
	sample_tag(s, DT_VERNEEDNUM, 1);
}

static inline void sample_add_dynamic(struct sample *s, const struct sample_options *o)
{
	uint64_t start, address;

	sample_align(s, 16);
	start = s->length;
	address = s->base + 0x10000 + start;
	for (size_t i = 0; i < s->dynamic_count; i++) {
		sample_put(s, BFS_ELF_DYNAMIC, s->length, &s->dynamic[i]);
		s->length += sample_size(s, BFS_ELF_DYNAMIC);
	}
	s->length += 2 * sample_size(s, BFS_ELF_DYNAMIC);
	sample_section(s, SHT_DYNAMIC, SHF_ALLOC | SHF_WRITE, start, address,
		o->interpreter ? 3 : 2, sample_size(s, BFS_ELF_DYNAMIC));
	sample_segment(s, PT_LOAD, PF_R | PF_W, start, address, 0x1000);
	s->segments[s->segment_count - 1].memory_size += o->bss;
	sample_segment(s, PT_DYNAMIC, PF_R | PF_W, start, address, 8);
}

/* Names, headers of sections and segments, and the ELF header. */
static inline void sample_finish(struct sample *s, const struct sample_options *o)
{
	struct bfs_elf_header header = {.type = o->is_fixed ? ET_EXEC : ET_DYN,
		.machine = EM_NONE,
		.version = EV_CURRENT,
		.entry = s->base + 0x100,
		.segment_table = s->table_offset,
		.size = EI_NIDENT + sample_size(s, BFS_ELF_HEADER),
		.segment_size = sample_size(s, BFS_ELF_SEGMENT),
		.segment_count = s->segment_count,
		.section_size = sample_size(s, BFS_ELF_SECTION)};

	if (o->has_sections) {
		uint64_t start = s->length;

		s->data[s->length++] = '\0';
		sample_section(s, SHT_STRTAB, 0, start, 0, 0, 0);
		sample_align(s, 8);
		header.section_table = s->length;
		header.section_count = s->section_count;
		header.section_names = s->section_count - 1;
		for (size_t i = 0; i < s->section_count; i++) {
			sample_put(s, BFS_ELF_SECTION, s->length, &s->sections[i]);
			s->length += sample_size(s, BFS_ELF_SECTION);
		}
	}
	memcpy(s->data, ELFMAG, SELFMAG);
	s->data[EI_CLASS] = o->wide ? ELFCLASS64 : ELFCLASS32;
	s->data[EI_DATA] = o->big ? ELFDATA2MSB : ELFDATA2LSB;
	s->data[EI_VERSION] = EV_CURRENT;
	sample_put(s, BFS_ELF_HEADER, EI_NIDENT, &header);
	for (size_t i = 0; i < s->segment_count; i++)
		sample_put(s, BFS_ELF_SEGMENT,
			s->table_offset + i * sample_size(s, BFS_ELF_SEGMENT), &s->segments[i]);
}

/* The caller frees it; NULL when out of memory. */
static inline struct sample *sample_new(const struct sample_options *o)
{
	struct sample *s = calloc(1, sizeof(*s));
	uint64_t table;

	if (!s)
		return NULL;
	s->format = (struct bfs_elf_format){.wide = o->wide, .big = o->big};
	s->base = o->is_fixed ? 0x400000 : 0;
	s->section_count = 1;
	s->table_offset = EI_NIDENT + sample_size(s, BFS_ELF_HEADER);
	table = (SAMPLE_SEGMENTS - !o->interpreter) * sample_size(s, BFS_ELF_SEGMENT);
	s->length = s->table_offset + table;
	sample_segment(s, PT_PHDR, PF_R, s->table_offset, s->base + s->table_offset, 8);
	if (o->has_room)
		s->length += 2 * sample_size(s, BFS_ELF_SEGMENT);
	sample_add_head(s, o);
	sample_align(s, 8);
	sample_add_strings(s, o);
	sample_section(s, SHT_STRTAB, SHF_ALLOC, s->strings, s->base + s->strings, 0, 0);
	sample_align(s, 8);
	sample_add_symbols(s, o);
	sample_segment(s, PT_LOAD, PF_R, 0, s->base, 0x1000);
	sample_add_dynamic(s, o);
	s->segments[s->segment_count++] =
		(struct bfs_elf_segment){.type = PT_GNU_STACK, .flags = PF_R | PF_W};
	sample_finish(s, o);
	return s;
}

#endif
