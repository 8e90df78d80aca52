#include "installer/elf_image.h"

#include <inttypes.h>
#include <string.h>

/* Tags that name one thing each; with two of them, tools and loaders disagree which one counts. */
static const uint64_t unique_tags[] = {DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_HASH, DT_GNU_HASH,
	DT_VERNEED, DT_VERNEEDNUM, DT_VERDEF, DT_VERDEFNUM, DT_RPATH, DT_RUNPATH, DT_SONAME};

static void record_at(const struct bfs_elf_image *image, enum bfs_elf_record record,
	uint64_t offset, void *ret_value)
{
	bfs_elf_record_read(&image->format, record, image->data + offset, ret_value);
}

static bool table_fits(const struct bfs_elf_image *image, enum bfs_elf_record record,
	uint64_t offset, uint64_t count)
{
	return bfs_elf_image_has(
		image, offset, count * bfs_elf_record_size(&image->format, record));
}

static int identity_read(struct bfs_elf_image *image)
{
	const uint8_t *data = image->data;

	if (image->length < EI_NIDENT || memcmp(data, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	if (data[EI_CLASS] != ELFCLASS32 && data[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	if (data[EI_DATA] != ELFDATA2LSB && data[EI_DATA] != ELFDATA2MSB)
		return -ENOEXEC;
	if (data[EI_OSABI] != ELFOSABI_SYSV && data[EI_OSABI] != ELFOSABI_GNU)
		return -ENOEXEC;
	image->format.wide = data[EI_CLASS] == ELFCLASS64;
	image->format.big = data[EI_DATA] == ELFDATA2MSB;
	return 0;
}

static int header_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	int r = identity_read(image);

	if (r < 0)
		return r;
	if (!table_fits(image, BFS_ELF_HEADER, EI_NIDENT, 1))
		return bfs_elf_malformed(error, "the file ends within the ELF header");
	record_at(image, BFS_ELF_HEADER, EI_NIDENT, &image->header);
	if (image->header.type != ET_EXEC && image->header.type != ET_DYN)
		return -ENOEXEC;
	return image->header.segment_count == 0 ? -ENOEXEC : 0;
}

static int segments_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	const struct bfs_elf_header *header = &image->header;
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);

	if (header->segment_size != size)
		return bfs_elf_malformed(error, "program headers of %" PRIu64 " bytes, not %zu",
			header->segment_size, size);
	if (header->segment_count * size > BFS_ELF_SEGMENT_TABLE_LIMIT)
		return bfs_elf_malformed(error,
			"%" PRIu64 " program headers, more than Linux loads",
			header->segment_count);
	if (!table_fits(image, BFS_ELF_SEGMENT, header->segment_table, header->segment_count))
		return bfs_elf_malformed(error, "the program header table is outside the file");
	image->segments = calloc(header->segment_count + 1, sizeof(*image->segments));
	if (!image->segments)
		return -ENOMEM;
	image->segment_count = header->segment_count;
	for (size_t i = 0; i < image->segment_count; i++)
		record_at(image, BFS_ELF_SEGMENT, header->segment_table + i * size,
			&image->segments[i]);
	return 0;
}

/* How many section headers there are; a count that does not fit the ELF header is in the first one.
 */
static int section_count(
	const struct bfs_elf_image *image, uint64_t *ret_count, struct bfs_error *error)
{
	const struct bfs_elf_header *header = &image->header;
	struct bfs_elf_section first;

	*ret_count = header->section_count;
	if (header->section_table == 0)
		*ret_count = 0;
	if (header->section_table == 0 || header->section_count > 0)
		return 0;
	if (!table_fits(image, BFS_ELF_SECTION, header->section_table, 1))
		return bfs_elf_malformed(error, "the section header table is outside the file");
	record_at(image, BFS_ELF_SECTION, header->section_table, &first);
	*ret_count = first.size;
	return 0;
}

static int section_check(const struct bfs_elf_image *image, size_t index, struct bfs_error *error)
{
	const struct bfs_elf_section *section = &image->sections[index];

	if (section->type == SHT_NULL || section->type == SHT_NOBITS)
		return 0;
	if (!bfs_elf_image_has(image, section->offset, section->size))
		return bfs_elf_malformed(error, "section %zu is outside the file", index);
	return 0;
}

static int sections_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	const struct bfs_elf_header *header = &image->header;
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SECTION);
	uint64_t count;
	int r = section_count(image, &count, error);

	if (r < 0 || count == 0)
		return r;
	if (header->section_size != size)
		return bfs_elf_malformed(error, "section headers of %" PRIu64 " bytes, not %zu",
			header->section_size, size);
	if (count > BFS_ELF_SECTION_LIMIT)
		return bfs_elf_malformed(error, "%" PRIu64 " section headers are too many", count);
	if (!table_fits(image, BFS_ELF_SECTION, header->section_table, count))
		return bfs_elf_malformed(error, "the section header table is outside the file");
	image->sections = calloc(count, sizeof(*image->sections));
	if (!image->sections)
		return -ENOMEM;
	image->section_count = count;
	for (size_t i = 0; i < count && r == 0; i++) {
		record_at(image, BFS_ELF_SECTION, header->section_table + i * size,
			&image->sections[i]);
		r = section_check(image, i, error);
	}
	return r;
}

/* PT_DYNAMIC, or BFS_ELF_NONE. */
static size_t dynamic_segment(const struct bfs_elf_image *image)
{
	for (size_t i = 0; i < image->segment_count; i++)
		if (image->segments[i].type == PT_DYNAMIC)
			return i;
	return BFS_ELF_NONE;
}

/*
 * Debug information split off by objcopy or eu-strip has the program headers of the file it came
 * from, and its sections without content.
 */
static bool is_split_debug(const struct bfs_elf_image *image, const struct bfs_elf_segment *dynamic)
{
	if (dynamic->file_size == 0)
		return true;
	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section->type == SHT_NOBITS && (section->flags & SHF_ALLOC) &&
			!(section->flags & SHF_TLS) && section->size > 0 &&
			section->address == dynamic->address)
			return true;
	}
	return false;
}

static bool is_loadable_sound(
	const struct bfs_elf_image *image, const struct bfs_elf_segment *segment)
{
	uint64_t limit = image->format.wide ? UINT64_MAX : UINT32_MAX;

	return segment->file_size <= segment->memory_size && segment->address <= limit &&
	       segment->memory_size <= limit - segment->address;
}

static int segments_check(const struct bfs_elf_image *image, struct bfs_error *error)
{
	const struct bfs_elf_segment *previous = NULL;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (!bfs_elf_image_has(image, segment->offset, segment->file_size) &&
			segment->file_size > 0)
			return bfs_elf_malformed(error, "segment %zu is outside the file", i);
		if (segment->type != PT_LOAD)
			continue;
		if (!is_loadable_sound(image, segment))
			return bfs_elf_malformed(error, "segment %zu has impossible sizes", i);
		if (previous && segment->address < previous->address + previous->memory_size)
			return bfs_elf_malformed(error, "segment %zu overlaps the one before", i);
		previous = segment;
	}
	return previous ? 0 : bfs_elf_malformed(error, "there is no segment to load");
}

/* Counts the entries before DT_NULL. */
static int dynamic_count(const struct bfs_elf_image *image, const struct bfs_elf_segment *segment,
	size_t *ret_count, struct bfs_error *error)
{
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_DYNAMIC);
	uint64_t room = segment->file_size / size;
	struct bfs_elf_dynamic entry;

	for (uint64_t i = 0; i < room && i < BFS_ELF_DYNAMIC_LIMIT; i++) {
		record_at(image, BFS_ELF_DYNAMIC, segment->offset + i * size, &entry);
		if (entry.tag == DT_NULL) {
			*ret_count = i;
			return 0;
		}
	}
	return bfs_elf_malformed(error, "the dynamic section has no end");
}

static int dynamic_unique(const struct bfs_elf_image *image, struct bfs_error *error)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(unique_tags); i++) {
		size_t found = 0;

		for (size_t j = 0; j < image->dynamic_count; j++)
			found += image->dynamic[j].tag == unique_tags[i];
		if (found > 1)
			return bfs_elf_malformed(error,
				"the dynamic section has tag 0x%" PRIx64 " %zu times",
				unique_tags[i], found);
	}
	return 0;
}

static int dynamic_read(
	struct bfs_elf_image *image, const struct bfs_elf_segment *segment, struct bfs_error *error)
{
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_DYNAMIC);
	uint64_t offset;
	size_t count = 0;
	int r = bfs_elf_image_offset(image, segment->address, segment->file_size, &offset);

	if (r < 0 || offset != segment->offset)
		return bfs_elf_malformed(
			error, "the dynamic section is not where it is loaded from");
	r = dynamic_count(image, segment, &count, error);
	if (r < 0)
		return r;
	image->dynamic = calloc(count + 1, sizeof(*image->dynamic));
	if (!image->dynamic)
		return -ENOMEM;
	image->dynamic_count = count;
	image->dynamic_offset = offset;
	for (size_t i = 0; i < count; i++)
		record_at(image, BFS_ELF_DYNAMIC, offset + i * size, &image->dynamic[i]);
	return dynamic_unique(image, error);
}

static int strings_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	size_t table = bfs_elf_image_dynamic(image, DT_STRTAB);
	size_t size = bfs_elf_image_dynamic(image, DT_STRSZ);

	if (table == BFS_ELF_NONE && size == BFS_ELF_NONE)
		return 0;
	if (table == BFS_ELF_NONE || size == BFS_ELF_NONE)
		return bfs_elf_malformed(error, "the string table has no address or no size");
	image->strings_size = image->dynamic[size].value;
	if (bfs_elf_image_offset(image, image->dynamic[table].value, image->strings_size,
		    &image->strings_offset) < 0)
		return bfs_elf_malformed(error, "the string table is outside the loaded segments");
	if (image->strings_size > 0 &&
		image->data[image->strings_offset + image->strings_size - 1] != '\0')
		return bfs_elf_malformed(error, "the string table does not end with a NUL");
	return 0;
}

static int interpreter_check(const struct bfs_elf_image *image,
	const struct bfs_elf_segment *segment, struct bfs_error *error)
{
	uint64_t offset;

	if (segment->file_size < 2 || segment->file_size > BFS_ELF_NAME_LIMIT)
		return bfs_elf_malformed(
			error, "an interpreter name of %" PRIu64 " bytes", segment->file_size);
	if (image->data[segment->offset + segment->file_size - 1] != '\0')
		return bfs_elf_malformed(error, "the interpreter's name does not end with a NUL");
	if (bfs_elf_image_offset(image, segment->address, segment->file_size, &offset) < 0 ||
		offset != segment->offset)
		return bfs_elf_malformed(
			error, "the interpreter's name is not where it is loaded from");
	return 0;
}

/*
 * The section .interp, told by its bytes rather than by its name: BFS_ELF_NONE where it has others
 * too.
 */
static size_t interpreter_section(
	const struct bfs_elf_image *image, const struct bfs_elf_segment *segment)
{
	size_t index = bfs_elf_image_section_at(image, segment->offset);

	if (index == BFS_ELF_NONE || image->sections[index].type != SHT_PROGBITS ||
		image->sections[index].size != segment->file_size)
		return BFS_ELF_NONE;
	return index;
}

static int interpreter_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	image->interpreter_segment = image->interpreter_section = BFS_ELF_NONE;
	for (size_t i = 0; i < image->segment_count; i++) {
		int r;

		if (image->segments[i].type != PT_INTERP)
			continue;
		if (image->interpreter_segment != BFS_ELF_NONE)
			return bfs_elf_malformed(error, "there are two interpreters");
		r = interpreter_check(image, &image->segments[i], error);
		if (r < 0)
			return r;
		image->interpreter_segment = i;
		image->interpreter_section = interpreter_section(image, &image->segments[i]);
		image->interpreter = (const char *)image->data + image->segments[i].offset;
	}
	return 0;
}

static int image_read(struct bfs_elf_image *image, struct bfs_error *error)
{
	size_t dynamic;
	int r = header_read(image, error);

	if (r < 0)
		return r;
	r = segments_read(image, error);
	if (r < 0)
		return r;
	dynamic = dynamic_segment(image);
	if (dynamic == BFS_ELF_NONE)
		return -ENOEXEC;
	r = sections_read(image, error);
	if (r < 0)
		return r;
	if (is_split_debug(image, &image->segments[dynamic]))
		return -ENOEXEC;
	r = segments_check(image, error);
	if (r < 0)
		return r;
	r = dynamic_read(image, &image->segments[dynamic], error);
	if (r < 0)
		return r;
	r = strings_read(image, error);
	return r < 0 ? r : interpreter_read(image, error);
}

int bfs_elf_image_open(const uint8_t *data, size_t length, struct bfs_elf_image *ret_image,
	struct bfs_error *error)
{
	struct bfs_elf_image image = {.data = data, .length = length};
	int r = image_read(&image, error);

	if (r < 0) {
		bfs_elf_image_release(&image);
		return r;
	}
	*ret_image = image;
	return 0;
}

void bfs_elf_image_release(struct bfs_elf_image *image)
{
	free(bfs_steal(&image->segments));
	free(bfs_steal(&image->sections));
	free(bfs_steal(&image->dynamic));
}

int bfs_elf_image_offset(
	const struct bfs_elf_image *image, uint64_t address, uint64_t size, uint64_t *ret_offset)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type != PT_LOAD || address < segment->address ||
			address - segment->address > segment->file_size ||
			size > segment->file_size - (address - segment->address))
			continue;
		*ret_offset = segment->offset + (address - segment->address);
		return 0;
	}
	return -EBADMSG;
}

size_t bfs_elf_image_dynamic(const struct bfs_elf_image *image, uint64_t tag)
{
	for (size_t i = 0; i < image->dynamic_count; i++)
		if (image->dynamic[i].tag == tag)
			return i;
	return BFS_ELF_NONE;
}

int bfs_elf_image_string(const struct bfs_elf_image *image, uint64_t index, size_t limit,
	const char **ret_string, struct bfs_error *error)
{
	const char *string;
	uint64_t left;

	if (index >= image->strings_size)
		return bfs_elf_malformed(
			error, "a string at %" PRIu64 " is outside the string table", index);
	string = (const char *)image->data + image->strings_offset + index;
	left = image->strings_size - index;
	if (!memchr(string, '\0', left < limit ? (size_t)left : limit))
		return bfs_elf_malformed(error, "a dynamic string has %zu bytes or more", limit);
	*ret_string = string;
	return 0;
}

int bfs_elf_image_dynamic_string(const struct bfs_elf_image *image, uint64_t tag, size_t limit,
	const char **ret_string, struct bfs_error *error)
{
	size_t index = bfs_elf_image_dynamic(image, tag);

	if (index != BFS_ELF_NONE)
		return bfs_elf_image_string(
			image, image->dynamic[index].value, limit, ret_string, error);
	*ret_string = NULL;
	return 0;
}

size_t bfs_elf_image_section_at(const struct bfs_elf_image *image, uint64_t offset)
{
	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section->type != SHT_NULL && section->type != SHT_NOBITS && section->size > 0 &&
			section->offset == offset)
			return i;
	}
	return BFS_ELF_NONE;
}

size_t bfs_elf_image_section_of_type(const struct bfs_elf_image *image, uint64_t type)
{
	for (size_t i = 0; i < image->section_count; i++)
		if (image->sections[i].type == type)
			return i;
	return BFS_ELF_NONE;
}
