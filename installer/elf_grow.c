#include "installer/elf_grow.h"

#include <string.h>

/* Alignment of what has none of its own: enough for any of it to become a table later. */
#define PIECE_ALIGNMENT 8

/* Bytes that padding between the pieces of the appended part can take at most. */
#define PADDING_LIMIT 8192

/* The appended part while it is laid out. */
struct tail {
	struct bfs_elf_place place;
	uint64_t end;	/* file offset behind the last piece */
	size_t growing; /* the segment that is made longer, or BFS_ELF_NONE: a new one */
	enum bfs_elf_table table;
	uint64_t table_offset, strings_offset, interpreter_offset;
};

static uint64_t table_size(const struct bfs_elf_image *image)
{
	return image->segment_count * bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);
}

static uint64_t tail_address(const struct tail *tail, uint64_t offset)
{
	return tail->place.address + (offset - tail->place.offset);
}

/* Reserves bytes whose address is congruent to `address` modulo `alignment`; returns their offset.
 */
static uint64_t tail_reserve(struct tail *tail, uint64_t size, uint64_t alignment, uint64_t address)
{
	uint64_t offset = tail->end + (address - tail_address(tail, tail->end)) % alignment;

	tail->end = offset + size;
	return offset;
}

static int tail_place(const struct bfs_elf_image *image, struct bfs_elf_growth *growth,
	struct tail *tail, struct bfs_error *error)
{
	uint64_t size = PADDING_LIMIT + table_size(image) + image->strings_size;
	int r;

	tail->growing = bfs_elf_growing_segment(image);
	tail->table = BFS_ELF_TABLE_STAYS;
	if (tail->growing != BFS_ELF_NONE) {
		const struct bfs_elf_segment *segment = &image->segments[tail->growing];

		tail->place.offset = segment->offset + segment->file_size;
		tail->place.address = segment->address + segment->file_size;
		tail->end = tail->place.offset;
		return 0;
	}
	tail->table = bfs_elf_table_plan(image, &growth->block);
	size += growth->block.size;
	size += growth->rpath ? strlen(growth->rpath) + 1 : 0;
	size += growth->interpreter ? strlen(growth->interpreter) + 1 : 0;
	r = bfs_elf_place_new(image, size, tail->table == BFS_ELF_TABLE_MOVES, &tail->place, error);
	tail->end = tail->place.offset;
	return r;
}

/*
 * Lays the pieces out one after the other. What has a program header of its own does not come
 * first: of two segments at one offset, llvm-strip takes the first in the table for the one around
 * the other.
 */
static void tail_layout(
	const struct bfs_elf_image *image, struct bfs_elf_growth *growth, struct tail *tail)
{
	uint64_t entry = bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);

	if (growth->rpath) {
		growth->rpath_index = image->strings_size;
		growth->strings_offset = tail->strings_offset = tail_reserve(
			tail, image->strings_size + strlen(growth->rpath) + 1, PIECE_ALIGNMENT, 0);
	} else {
		tail_reserve(tail, PIECE_ALIGNMENT, PIECE_ALIGNMENT, 0);
	}
	if (tail->table == BFS_ELF_TABLE_MOVES)
		tail->table_offset =
			tail_reserve(tail, table_size(image) + entry, PIECE_ALIGNMENT, 0);
	if (growth->block.size > 0)
		growth->block_offset = tail_reserve(
			tail, growth->block.size, growth->block.alignment, growth->block.address);
	if (growth->interpreter)
		tail->interpreter_offset =
			tail_reserve(tail, strlen(growth->interpreter) + 1, PIECE_ALIGNMENT, 0);
}

static int tail_fill(const struct bfs_elf_image *image, const struct bfs_elf_growth *growth,
	const struct tail *tail, struct bfs_elf_patch *patch)
{
	int r = 0;

	if (growth->block.size > 0)
		r = bfs_elf_patch_copy(
			patch, growth->block_offset, growth->block.offset, growth->block.size);
	if (r == 0 && growth->rpath)
		r = bfs_elf_patch_copy(
			patch, tail->strings_offset, image->strings_offset, image->strings_size);
	if (r == 0 && growth->rpath)
		r = bfs_elf_patch_write(patch, tail->strings_offset + growth->rpath_index,
			growth->rpath, strlen(growth->rpath) + 1);
	if (r == 0 && growth->interpreter)
		r = bfs_elf_patch_write(patch, tail->interpreter_offset, growth->interpreter,
			strlen(growth->interpreter) + 1);
	return r;
}

static bool within(uint64_t value, uint64_t start, uint64_t size)
{
	return value >= start && value - start < size;
}

static void section_move(
	struct bfs_elf_section *section, uint64_t offset, uint64_t address, uint64_t size)
{
	section->offset = offset;
	section->address = address;
	section->size = size;
}

static void segment_move(
	struct bfs_elf_segment *segment, uint64_t offset, uint64_t address, uint64_t size)
{
	segment->offset = offset;
	segment->address = segment->physical = address;
	segment->file_size = segment->memory_size = size;
}

/* Sections, segments and addresses in .dynamic follow the block. */
static void block_move(
	struct bfs_elf_image *image, const struct bfs_elf_growth *growth, const struct tail *tail)
{
	const struct bfs_elf_block *block = &growth->block;
	uint64_t by_offset = growth->block_offset - block->offset;
	uint64_t by_address = tail_address(tail, growth->block_offset) - block->address;

	for (size_t i = 0; i < image->section_count; i++) {
		struct bfs_elf_section *section = &image->sections[i];

		if (section->type != SHT_NULL && section->type != SHT_NOBITS && section->size > 0 &&
			within(section->offset, block->offset, block->size))
			section_move(section, section->offset + by_offset,
				section->address + by_address, section->size);
	}
	for (size_t i = 0; i < image->segment_count; i++) {
		struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type != PT_LOAD && segment->file_size > 0 &&
			within(segment->offset, block->offset, block->size))
			segment_move(segment, segment->offset + by_offset,
				segment->address + by_address, segment->file_size);
	}
	for (size_t i = 0; i < image->dynamic_count; i++) {
		struct bfs_elf_dynamic *entry = &image->dynamic[i];

		if (bfs_elf_tag_may_move(entry->tag) &&
			within(entry->value, block->address, block->size))
			entry->value += by_address;
	}
}

static void strings_move(struct bfs_elf_image *image, size_t section,
	const struct bfs_elf_growth *growth, const struct tail *tail)
{
	uint64_t size = image->strings_size + strlen(growth->rpath) + 1;
	uint64_t address = tail_address(tail, tail->strings_offset);

	image->dynamic[bfs_elf_image_dynamic(image, DT_STRTAB)].value = address;
	image->dynamic[bfs_elf_image_dynamic(image, DT_STRSZ)].value = size;
	if (section != BFS_ELF_NONE)
		section_move(&image->sections[section], tail->strings_offset, address, size);
}

static void interpreter_move(
	struct bfs_elf_image *image, const struct bfs_elf_growth *growth, const struct tail *tail)
{
	uint64_t size = strlen(growth->interpreter) + 1;
	uint64_t address = tail_address(tail, tail->interpreter_offset);

	segment_move(&image->segments[image->interpreter_segment], tail->interpreter_offset,
		address, size);
	if (image->interpreter_section != BFS_ELF_NONE)
		section_move(&image->sections[image->interpreter_section], tail->interpreter_offset,
			address, size);
}

/* Puts the new segment behind the last loadable one: they are in the order of their addresses. */
static void segment_insert(struct bfs_elf_image *image, const struct tail *tail)
{
	size_t index = image->segment_count;

	while (image->segments[index - 1].type != PT_LOAD)
		index--;
	memmove(&image->segments[index + 1], &image->segments[index],
		(image->segment_count - index) * sizeof(*image->segments));
	image->segments[index] = (struct bfs_elf_segment){
		.type = PT_LOAD, .flags = PF_R, .alignment = tail->place.alignment};
	segment_move(&image->segments[index], tail->place.offset, tail->place.address,
		tail->end - tail->place.offset);
	if (image->interpreter_segment != BFS_ELF_NONE && image->interpreter_segment >= index)
		image->interpreter_segment++;
	image->header.segment_count = ++image->segment_count;
}

static void table_grow(struct bfs_elf_image *image, const struct tail *tail)
{
	if (tail->table == BFS_ELF_TABLE_MOVES)
		image->header.segment_table = tail->table_offset;
	for (size_t i = 0; i < image->segment_count; i++) {
		struct bfs_elf_segment *segment = &image->segments[i];

		if (segment->type != PT_PHDR)
			continue;
		segment->file_size = segment->memory_size = table_size(image);
		if (tail->table == BFS_ELF_TABLE_MOVES)
			segment_move(segment, tail->table_offset,
				tail_address(tail, tail->table_offset), segment->file_size);
	}
}

/* The section of the string table: looked for before anything has moved. */
static size_t strings_section(const struct bfs_elf_image *image)
{
	size_t index = bfs_elf_image_section_at(image, image->strings_offset);

	return index != BFS_ELF_NONE && image->sections[index].type == SHT_STRTAB ? index
										  : BFS_ELF_NONE;
}

static void image_update(
	struct bfs_elf_image *image, const struct bfs_elf_growth *growth, const struct tail *tail)
{
	size_t strings = strings_section(image);

	if (growth->block.size > 0)
		block_move(image, growth, tail);
	if (growth->rpath)
		strings_move(image, strings, growth, tail);
	if (growth->interpreter)
		interpreter_move(image, growth, tail);
	if (tail->growing != BFS_ELF_NONE) {
		struct bfs_elf_segment *segment = &image->segments[tail->growing];

		segment->file_size = segment->memory_size = tail->end - segment->offset;
		return;
	}
	segment_insert(image, tail);
	table_grow(image, tail);
}

/* What the tables must agree on before they are rewritten. */
static int image_check(const struct bfs_elf_image *image, struct bfs_error *error)
{
	uint64_t entry = bfs_elf_record_size(&image->format, BFS_ELF_SEGMENT);

	if (table_size(image) + entry > BFS_ELF_SEGMENT_TABLE_LIMIT)
		return bfs_elf_malformed(error, "there is no room for one more program header");
	for (size_t i = 0; i < image->segment_count; i++)
		if (image->segments[i].type == PT_PHDR &&
			image->segments[i].offset != image->header.segment_table)
			return bfs_elf_malformed(
				error, "the program headers are not where PT_PHDR says");
	return 0;
}

int bfs_elf_grow(struct bfs_elf_image *image, struct bfs_elf_growth *growth,
	struct bfs_elf_patch *patch, struct bfs_error *error)
{
	struct tail tail = {.end = 0};
	int r = image_check(image, error);

	if (r == 0)
		r = tail_place(image, growth, &tail, error);
	if (r < 0)
		return r;
	tail_layout(image, growth, &tail);
	r = tail_fill(image, growth, &tail, patch);
	if (r < 0)
		return r;
	image_update(image, growth, &tail);
	return 0;
}
