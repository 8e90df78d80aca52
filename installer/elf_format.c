#include "installer/elf_format.h"

/* A member's width in the file; WORD is 4 or 8 bytes by class. */
enum { WORD = 0 };

struct field {
	uint8_t width;
	uint8_t member; /* offset in the record in memory; SKIP: none takes it */
};

enum { SKIP = 0xff };

struct layout {
	const struct field *fields;
	size_t count;
};

#define MEMBER(record, width, name)                                                                \
	{                                                                                          \
		width, offsetof(struct bfs_elf_##record, name)                                     \
	}
#define LAYOUT(fields)                                                                             \
	{                                                                                          \
		fields, sizeof(fields) / sizeof((fields)[0])                                       \
	}

static const struct field header_fields[] = {
	MEMBER(header, 2, type),
	MEMBER(header, 2, machine),
	MEMBER(header, 4, version),
	MEMBER(header, WORD, entry),
	MEMBER(header, WORD, segment_table),
	MEMBER(header, WORD, section_table),
	MEMBER(header, 4, flags),
	MEMBER(header, 2, size),
	MEMBER(header, 2, segment_size),
	MEMBER(header, 2, segment_count),
	MEMBER(header, 2, section_size),
	MEMBER(header, 2, section_count),
	MEMBER(header, 2, section_names),
};

static const struct field segment_fields_narrow[] = {
	MEMBER(segment, 4, type),
	MEMBER(segment, 4, offset),
	MEMBER(segment, 4, address),
	MEMBER(segment, 4, physical),
	MEMBER(segment, 4, file_size),
	MEMBER(segment, 4, memory_size),
	MEMBER(segment, 4, flags),
	MEMBER(segment, 4, alignment),
};

static const struct field segment_fields_wide[] = {
	MEMBER(segment, 4, type),
	MEMBER(segment, 4, flags),
	MEMBER(segment, 8, offset),
	MEMBER(segment, 8, address),
	MEMBER(segment, 8, physical),
	MEMBER(segment, 8, file_size),
	MEMBER(segment, 8, memory_size),
	MEMBER(segment, 8, alignment),
};

static const struct field section_fields[] = {
	MEMBER(section, 4, name),
	MEMBER(section, 4, type),
	MEMBER(section, WORD, flags),
	MEMBER(section, WORD, address),
	MEMBER(section, WORD, offset),
	MEMBER(section, WORD, size),
	MEMBER(section, 4, link),
	MEMBER(section, 4, info),
	MEMBER(section, WORD, alignment),
	MEMBER(section, WORD, entry_size),
};

static const struct field dynamic_fields[] = {
	MEMBER(dynamic, WORD, tag),
	MEMBER(dynamic, WORD, value),
};

static const struct field symbol_fields_narrow[] = {
	MEMBER(symbol, 4, name),
	MEMBER(symbol, 4, value),
	MEMBER(symbol, 4, size),
	MEMBER(symbol, 1, info),
	MEMBER(symbol, 1, other),
	MEMBER(symbol, 2, section),
};

static const struct field symbol_fields_wide[] = {
	MEMBER(symbol, 4, name),
	MEMBER(symbol, 1, info),
	MEMBER(symbol, 1, other),
	MEMBER(symbol, 2, section),
	MEMBER(symbol, 8, value),
	MEMBER(symbol, 8, size),
};

static const struct field verneed_fields[] = {
	{2, SKIP},
	MEMBER(version, 2, count),
	MEMBER(version, 4, name),
	MEMBER(version, 4, auxiliary),
	MEMBER(version, 4, next),
};

static const struct field vernaux_fields[] = {
	{4, SKIP},
	{2, SKIP},
	{2, SKIP},
	MEMBER(version, 4, name),
	MEMBER(version, 4, next),
};

static const struct field verdef_fields[] = {
	{2, SKIP},
	{2, SKIP},
	{2, SKIP},
	MEMBER(version, 2, count),
	{4, SKIP},
	MEMBER(version, 4, auxiliary),
	MEMBER(version, 4, next),
};

static const struct field verdaux_fields[] = {
	MEMBER(version, 4, name),
	MEMBER(version, 4, next),
};

/* By record, then by class. */
static const struct layout layouts[][2] = {
	[BFS_ELF_HEADER] = {LAYOUT(header_fields), LAYOUT(header_fields)},
	[BFS_ELF_SEGMENT] = {LAYOUT(segment_fields_narrow), LAYOUT(segment_fields_wide)},
	[BFS_ELF_SECTION] = {LAYOUT(section_fields), LAYOUT(section_fields)},
	[BFS_ELF_DYNAMIC] = {LAYOUT(dynamic_fields), LAYOUT(dynamic_fields)},
	[BFS_ELF_SYMBOL] = {LAYOUT(symbol_fields_narrow), LAYOUT(symbol_fields_wide)},
	[BFS_ELF_VERNEED] = {LAYOUT(verneed_fields), LAYOUT(verneed_fields)},
	[BFS_ELF_VERNAUX] = {LAYOUT(vernaux_fields), LAYOUT(vernaux_fields)},
	[BFS_ELF_VERDEF] = {LAYOUT(verdef_fields), LAYOUT(verdef_fields)},
	[BFS_ELF_VERDAUX] = {LAYOUT(verdaux_fields), LAYOUT(verdaux_fields)},
};

static size_t field_width(const struct bfs_elf_format *format, const struct field *field)
{
	if (field->width != WORD)
		return field->width;
	return format->wide ? 8 : 4;
}

uint64_t bfs_elf_integer_read(
	const struct bfs_elf_format *format, const uint8_t *bytes, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value = value << 8 | bytes[format->big ? i : width - 1 - i];
	return value;
}

static void integer_write(
	const struct bfs_elf_format *format, uint64_t value, size_t width, uint8_t *bytes)
{
	for (size_t i = 0; i < width; i++, value >>= 8)
		bytes[format->big ? width - 1 - i : i] = (uint8_t)value;
}

size_t bfs_elf_record_size(const struct bfs_elf_format *format, enum bfs_elf_record record)
{
	const struct layout *layout = &layouts[record][format->wide];
	size_t size = 0;

	for (size_t i = 0; i < layout->count; i++)
		size += field_width(format, &layout->fields[i]);
	return size;
}

void bfs_elf_record_read(const struct bfs_elf_format *format, enum bfs_elf_record record,
	const uint8_t *bytes, void *ret_value)
{
	const struct layout *layout = &layouts[record][format->wide];

	for (size_t i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];
		size_t width = field_width(format, field);

		if (field->member != SKIP)
			*(uint64_t *)((char *)ret_value + field->member) =
				bfs_elf_integer_read(format, bytes, width);
		bytes += width;
	}
}

void bfs_elf_record_write(const struct bfs_elf_format *format, enum bfs_elf_record record,
	const void *value, uint8_t *ret_bytes)
{
	const struct layout *layout = &layouts[record][format->wide];

	for (size_t i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];
		size_t width = field_width(format, field);

		if (field->member != SKIP)
			integer_write(format,
				*(const uint64_t *)((const char *)value + field->member), width,
				ret_bytes);
		ret_bytes += width;
	}
}
