#include "installer/elf_layout.h"

#include <inttypes.h>

/* Moved sections keep their alignment up to this; those that may move need 32 at the most. */
#define BLOCK_ALIGNMENT_LIMIT 4096

/* A larger hole costs more to store than the rare file that needs it is worth. */
#define HOLE_LIMIT (UINT64_C(1) << 30)

#define SYMBOL_GAP_LIMIT (UINT64_C(16) << 20)

/*
 * Sections are nearly always in the order of their offsets: two passes find all that are in the
 * way.
 */
#define EVICTION_PASS_LIMIT 16

static bool section_has_content(const struct bfs_elf_section *section)
{
	return section->type != SHT_NULL && section->type != SHT_NOBITS && section->size > 0;
}

static uint64_t segment_table_size(const struct bfs_elf_image *image)
{
	return image->segment_count * bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);
}

/* True where the range meets the ELF header or the table of section or program headers. */
static bool meets_tables(const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	const struct bfs_elf_format *format = &image->format;
	const struct bfs_elf_header *header = &image->header;
	uint64_t header_size = EI_NIDENT + bfs_elf_record_size(format, BFS_ELF_HEADER);
	uint64_t sections = image->section_count * bfs_elf_record_size(format, BFS_ELF_SECTION);

	return bfs_elf_ranges_meet(offset, size, 0, header_size) ||
	       bfs_elf_ranges_meet(
		       offset, size, header->segment_table, segment_table_size(image)) ||
	       bfs_elf_ranges_meet(offset, size, header->section_table, sections);
}

/*
 * True for a segment whose bytes have a meaning of their own. PT_LOAD says only that they are
 * loaded, PT_GNU_RELRO that they become read-only; PT_PHDR is the table, which is looked at by
 * itself.
 */
static bool segment_owns_bytes(const struct bfs_elf_segment *segment)
{
	return segment->type != PT_LOAD && segment->type != PT_GNU_RELRO &&
	       segment->type != PT_PHDR && segment->type != PT_NULL && segment->file_size > 0;
}

/* True where a byte of the range is part of a section or of a segment with a meaning. */
static bool is_owned(const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section_has_content(section) &&
			bfs_elf_ranges_meet(offset, size, section->offset, section->size))
			return true;
	}
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment_owns_bytes(segment) &&
			bfs_elf_ranges_meet(offset, size, segment->offset, segment->file_size))
			return true;
	}
	return false;
}

static bool is_blank(const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		if (image->data[offset + i] != '\0' && image->data[offset + i] != 'X')
			return false;
	return true;
}

bool bfs_elf_range_is_free(const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	return image->section_count > 0 && bfs_elf_image_has(image, offset, size) &&
	       !meets_tables(image, offset, size) && !is_owned(image, offset, size) &&
	       is_blank(image, offset, size);
}

/* Where the memory ends that is loaded or made read-only. */
static uint64_t memory_end(const struct bfs_elf_image *image)
{
	uint64_t end = 0;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];
		uint64_t segment_end;

		if (segment->type != PT_LOAD && segment->type != PT_GNU_RELRO)
			continue;
		if (__builtin_add_overflow(segment->address, segment->memory_size, &segment_end))
			segment_end = UINT64_MAX;
		if (segment_end > end)
			end = segment_end;
	}
	return end;
}

size_t bfs_elf_growing_segment(const struct bfs_elf_image *image)
{
	for (size_t i = image->segment_count; i-- > 0;) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type != PT_LOAD)
			continue;
		if (segment->file_size > 0 && segment->file_size == segment->memory_size &&
			segment->offset + segment->file_size == image->length &&
			segment->address + segment->memory_size == memory_end(image) &&
			(segment->flags & (PF_R | PF_X)) == PF_R)
			return i;
		break;
	}
	return BFS_ELF_NONE;
}

/* The segment that loads the table and `size` bytes after it, or BFS_ELF_NONE. */
static size_t table_segment(const struct bfs_elf_image *image, uint64_t size)
{
	uint64_t start = image->header.segment_table;
	uint64_t end = start + segment_table_size(image) + size;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type == PT_LOAD && segment->offset <= start &&
			end <= segment->offset + segment->file_size)
			return i;
	}
	return BFS_ELF_NONE;
}

/* Sections that only .dynamic, program headers and tools refer to, never the program's code. */
static bool section_may_move(
	const struct bfs_elf_image *image, const struct bfs_elf_section *section)
{
	switch (section->type) {
	case SHT_NOTE:
	case SHT_HASH:
	case SHT_GNU_HASH:
	case SHT_DYNSYM:
	case SHT_STRTAB:
	case SHT_GNU_versym:
	case SHT_GNU_verneed:
	case SHT_GNU_verdef:
		return section->flags & SHF_ALLOC;
	case SHT_PROGBITS:
		return image->interpreter_section != BFS_ELF_NONE &&
		       section == &image->sections[image->interpreter_section];
	default:
		return false;
	}
}

static bool segment_may_move(const struct bfs_elf_segment *segment)
{
	return segment->type == PT_NOTE || segment->type == PT_INTERP ||
	       segment->type == PT_GNU_PROPERTY;
}

/* The bytes [start, end) that have to move; `table_end` is where the table ends now. */
struct eviction {
	uint64_t table_end, start, end, alignment;
	bool is_possible;
};

static void evict(struct eviction *eviction, uint64_t offset, uint64_t size, uint64_t alignment,
	bool may_move)
{
	if (!bfs_elf_ranges_meet(
		    offset, size, eviction->table_end, eviction->end - eviction->table_end))
		return;
	if (!may_move || offset < eviction->table_end || alignment > BLOCK_ALIGNMENT_LIMIT ||
		(alignment & (alignment - 1)) != 0) {
		eviction->is_possible = false;
		return;
	}
	if (offset < eviction->start)
		eviction->start = offset;
	if (offset + size > eviction->end)
		eviction->end = offset + size;
	if (alignment > eviction->alignment)
		eviction->alignment = alignment;
}

/* Adds all that has a byte in the range; what is added may reach further, so this is repeated. */
static void evict_all(const struct bfs_elf_image *image, struct eviction *eviction)
{
	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section_has_content(section))
			evict(eviction, section->offset, section->size, section->alignment,
				section_may_move(image, section));
	}
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment_owns_bytes(segment))
			evict(eviction, segment->offset, segment->file_size, segment->alignment,
				segment_may_move(segment));
	}
}

bool bfs_elf_tag_may_move(uint64_t tag)
{
	return tag == DT_HASH || tag == DT_GNU_HASH || tag == DT_SYMTAB || tag == DT_STRTAB ||
	       tag == DT_VERSYM || tag == DT_VERNEED || tag == DT_VERDEF;
}

static bool tag_is_address(uint64_t tag)
{
	switch (tag) {
	case DT_PLTGOT:
	case DT_RELA:
	case DT_REL:
	case DT_JMPREL:
	case DT_INIT:
	case DT_FINI:
	case DT_INIT_ARRAY:
	case DT_FINI_ARRAY:
	case DT_PREINIT_ARRAY:
		return true;
	default:
		return tag >= DT_ADDRRNGLO && tag <= DT_ADDRRNGHI;
	}
}

/* True where .dynamic has an address within the block that would not be kept in step. */
static bool has_foreign_address(
	const struct bfs_elf_image *image, const struct bfs_elf_block *block)
{
	for (size_t i = 0; i < image->dynamic_count; i++) {
		const struct bfs_elf_dynamic *entry = &image->dynamic[i];

		if (tag_is_address(entry->tag) && !bfs_elf_tag_may_move(entry->tag) &&
			bfs_elf_ranges_meet(entry->value, 1, block->address, block->size))
			return true;
	}
	return false;
}

/* True where the bytes that the new entry takes hide something in a gap between sections. */
static bool hides_bytes(const struct bfs_elf_image *image, uint64_t offset, uint64_t size)
{
	for (uint64_t i = offset; i < offset + size; i++)
		if (!is_blank(image, i, 1) && !is_owned(image, i, 1))
			return true;
	return false;
}

static bool plan_eviction(const struct bfs_elf_image *image, const struct bfs_elf_segment *loader,
	struct bfs_elf_block *ret_block)
{
	uint64_t entry = bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);
	uint64_t table_end = image->header.segment_table + segment_table_size(image);
	struct eviction eviction = {.table_end = table_end,
		.start = UINT64_MAX,
		.end = table_end + entry,
		.alignment = 8,
		.is_possible = true};
	uint64_t end = 0;

	for (int i = 0; i < EVICTION_PASS_LIMIT && eviction.is_possible && eviction.end != end;
		i++) {
		end = eviction.end;
		evict_all(image, &eviction);
	}
	if (!eviction.is_possible || eviction.end != end || eviction.start >= end ||
		end > loader->offset + loader->file_size ||
		meets_tables(image, table_end, end - table_end) ||
		hides_bytes(image, table_end, entry))
		return false;
	*ret_block = (struct bfs_elf_block){.offset = eviction.start,
		.size = end - eviction.start,
		.address = loader->address + (eviction.start - loader->offset),
		.alignment = eviction.alignment};
	return !has_foreign_address(image, ret_block);
}

enum bfs_elf_table bfs_elf_table_plan(
	const struct bfs_elf_image *image, struct bfs_elf_block *ret_block)
{
	uint64_t entry = bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);
	uint64_t table_end = image->header.segment_table + segment_table_size(image);
	size_t loader = table_segment(image, entry);

	if (image->section_count == 0 || loader == BFS_ELF_NONE)
		return BFS_ELF_TABLE_MOVES;
	if (bfs_elf_range_is_free(image, table_end, entry))
		return BFS_ELF_TABLE_STAYS;
	if (plan_eviction(image, &image->segments[loader], ret_block))
		return BFS_ELF_TABLE_EVICTS;
	return BFS_ELF_TABLE_MOVES;
}

/* Pages can be this large where Linux runs on the machine: no two segments may share one. */
static uint64_t page_limit(const struct bfs_elf_image *image)
{
	switch (image->header.machine) {
	case EM_AARCH64:
	case EM_PPC64:
		return 65536;
	default:
		return 4096;
	}
}

static int new_alignment(
	const struct bfs_elf_image *image, uint64_t *ret_alignment, struct bfs_error *error)
{
	uint64_t alignment = page_limit(image);

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type != PT_LOAD || segment->alignment <= alignment)
			continue;
		alignment = segment->alignment;
		if ((alignment & (alignment - 1)) != 0)
			return bfs_elf_malformed(
				error, "segment %zu has an impossible alignment", i);
	}
	*ret_alignment = alignment;
	return 0;
}

/*
 * eu-elflint takes the bytes from a relocation on, as many as its symbol has, for what is
 * relocated, and complains of a read-only segment that they reach into. So that the new one is
 * behind them, there is a gap of the largest symbol's size, up to a limit that keeps the address
 * space small.
 */
static uint64_t symbol_gap(const struct bfs_elf_image *image)
{
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SYMBOL);
	size_t at = image->format.wide ? 16 : 8, width = image->format.wide ? 8 : 4;
	size_t table = bfs_elf_image_section_of_type(image, SHT_DYNSYM);
	uint64_t gap = 0;

	if (table == BFS_ELF_NONE)
		return 0;
	for (uint64_t i = 0; i < image->sections[table].size / size; i++) {
		uint64_t symbol = bfs_elf_integer_read(&image->format,
			image->data + image->sections[table].offset + i * size + at, width);

		if (symbol > gap)
			gap = symbol;
	}
	return gap < SYMBOL_GAP_LIMIT ? gap : SYMBOL_GAP_LIMIT;
}

/* True for all that a kernel might start: it then wants to know where the program headers are. */
static bool is_executable(const struct bfs_elf_image *image)
{
	return image->header.type == ET_EXEC || image->interpreter || image->header.entry != 0;
}

/* Keeps the distance between address and offset that the first segment has. */
static int place_at_distance(const struct bfs_elf_image *image, uint64_t base,
	struct bfs_elf_place *place, struct bfs_error *error)
{
	const struct bfs_elf_segment *first = image->segments;
	uint64_t distance;

	while (first->type != PT_LOAD)
		first++;
	distance = first->address - first->offset;
	if (distance % place->alignment != 0)
		place->alignment = page_limit(image);
	if (first->address < first->offset || distance % place->alignment != 0)
		return bfs_error_set(error, -EFBIG, "editing the ELF file", NULL,
			"the first segment is not aligned");
	if (base > distance && base - distance > place->offset)
		place->offset = base - distance;
	if (place->offset - image->length > HOLE_LIMIT)
		return bfs_error_set(error, -EFBIG, "editing the ELF file", NULL,
			"it would get a hole of %" PRIu64 " bytes", place->offset - image->length);
	place->address = place->offset + distance;
	return 0;
}

int bfs_elf_place_new(const struct bfs_elf_image *image, uint64_t size, bool holds_table,
	struct bfs_elf_place *ret_place, struct bfs_error *error)
{
	uint64_t limit = image->format.wide ? INT64_MAX : UINT32_MAX;
	bool keeps_distance = holds_table && is_executable(image);
	uint64_t end = memory_end(image), base;
	struct bfs_elf_place place = {.offset = bfs_elf_align(image->length, 16)};
	int r = new_alignment(image, &place.alignment, error);

	if (r < 0)
		return r;
	if (!keeps_distance && end <= limit)
		end += symbol_gap(image);
	if (end > limit || place.alignment > limit - end)
		return bfs_error_set(error, -EFBIG, "editing the ELF file", NULL,
			"no address space is left after its segments");
	base = bfs_elf_align(end, place.alignment);
	place.address = base + place.offset % place.alignment;
	if (keeps_distance)
		r = place_at_distance(image, base, &place, error);
	if (r < 0)
		return r;
	if (place.address > limit || size > limit - place.address || place.offset > limit ||
		size > limit - place.offset)
		return bfs_error_set(error, -EFBIG, "editing the ELF file", NULL,
			"no address space is left after its segments");
	*ret_place = place;
	return 0;
}
