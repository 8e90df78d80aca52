#include "installer/elf_strings.h"

#include <string.h>

/*
 * Version records that are read at most, so that a table whose chains overlap ends. glibc itself,
 * which has the most versions of all libraries, defines a few dozen.
 */
#define VERSION_RECORD_LIMIT (1 << 20)

/* The bytes asked for: [start, end) in the string table. */
struct claim {
	const struct bfs_elf_image *image;
	uint64_t start, end;
	bool is_used;
	size_t budget; /* version records that may still be read */
	struct bfs_error *error;
};

/* The records and the tags of DT_VERNEED and DT_VERDEF. */
struct version_table {
	uint64_t address_tag, count_tag;
	enum bfs_elf_record record, auxiliary;
};

static const struct version_table version_tables[] = {
	{DT_VERNEED, DT_VERNEEDNUM, BFS_ELF_VERNEED, BFS_ELF_VERNAUX},
	{DT_VERDEF, DT_VERDEFNUM, BFS_ELF_VERDEF, BFS_ELF_VERDAUX},
};

static void claim_refer(struct claim *claim, uint64_t index)
{
	if (index >= claim->start && index < claim->end)
		claim->is_used = true;
}

static void dynamic_refer(struct claim *claim)
{
	for (size_t i = 0; i < claim->image->dynamic_count; i++) {
		const struct bfs_elf_dynamic *entry = &claim->image->dynamic[i];

		switch (entry->tag) {
		case DT_NEEDED:
		case DT_SONAME:
		case DT_AUXILIARY:
		case DT_FILTER:
		case DT_CONFIG:
		case DT_DEPAUDIT:
		case DT_AUDIT:
			claim_refer(claim, entry->value);
			break;
		case DT_RPATH:
		case DT_RUNPATH:
			if (entry->value != claim->start)
				claim_refer(claim, entry->value);
			break;
		}
	}
}

/* Reads the version record at *offset and takes it off the budget. */
static int version_read(struct claim *claim, enum bfs_elf_record record, uint64_t offset,
	struct bfs_elf_version *ret_version)
{
	const struct bfs_elf_image *image = claim->image;
	size_t size = bfs_elf_record_size(&image->format, record);

	if (claim->budget == 0 || !bfs_elf_image_has(image, offset, size))
		return bfs_elf_malformed(claim->error, "the table of symbol versions has no end");
	claim->budget--;
	*ret_version = (struct bfs_elf_version){.count = 0};
	bfs_elf_record_read(&image->format, record, image->data + offset, ret_version);
	return 0;
}

static int auxiliary_refer(
	struct claim *claim, enum bfs_elf_record record, uint64_t offset, uint64_t count)
{
	struct bfs_elf_version version;

	for (uint64_t i = 0; i < count; i++, offset += version.next) {
		int r = version_read(claim, record, offset, &version);

		if (r < 0)
			return r;
		claim_refer(claim, version.name);
		if (version.next == 0)
			break;
	}
	return 0;
}

static int versions_refer(struct claim *claim, const struct version_table *table)
{
	const struct bfs_elf_image *image = claim->image;
	size_t address = bfs_elf_image_dynamic(image, table->address_tag);
	size_t count = bfs_elf_image_dynamic(image, table->count_tag);
	struct bfs_elf_version version;
	uint64_t offset;

	if (address == BFS_ELF_NONE || count == BFS_ELF_NONE)
		return 0;
	if (bfs_elf_image_offset(image, image->dynamic[address].value, 1, &offset) < 0)
		return bfs_elf_malformed(claim->error, "symbol versions outside the segments");
	for (uint64_t i = 0; i < image->dynamic[count].value; i++, offset += version.next) {
		int r = version_read(claim, table->record, offset, &version);

		if (r < 0)
			return r;
		if (table->record == BFS_ELF_VERNEED)
			claim_refer(claim, version.name);
		r = auxiliary_refer(
			claim, table->auxiliary, offset + version.auxiliary, version.count);
		if (r < 0)
			return r;
		if (version.next == 0)
			break;
	}
	return 0;
}

/* Reads the 32-bit word `index` words from `offset`. */
static bool word_read(
	const struct bfs_elf_image *image, uint64_t offset, uint64_t index, uint64_t *ret_word)
{
	if (index > image->length / 4 || offset > image->length ||
		!bfs_elf_image_has(image, offset + index * 4, 4))
		return false;
	*ret_word = bfs_elf_integer_read(&image->format, image->data + offset + index * 4, 4);
	return true;
}

/* The number of symbols by DT_HASH: as many as it has chains. */
static bool hash_count(const struct bfs_elf_image *image, uint64_t *ret_count)
{
	size_t hash = bfs_elf_image_dynamic(image, DT_HASH);
	uint64_t offset;

	/* On these two the words of DT_HASH are 64 bits wide. */
	if (image->header.machine == EM_S390 || image->header.machine == EM_ALPHA)
		return false;
	return hash != BFS_ELF_NONE &&
	       bfs_elf_image_offset(image, image->dynamic[hash].value, 8, &offset) == 0 &&
	       word_read(image, offset, 1, ret_count);
}

/*
 * The number of symbols by DT_GNU_HASH, which has it nowhere in plain: the symbols from
 * `first` on are sorted by bucket, and the last chain ends with an odd word.
 */
static bool gnu_hash_count(const struct bfs_elf_image *image, uint64_t *ret_count)
{
	size_t hash = bfs_elf_image_dynamic(image, DT_GNU_HASH);
	uint64_t offset, buckets, first, bloom, word, last = 0;

	if (hash == BFS_ELF_NONE ||
		bfs_elf_image_offset(image, image->dynamic[hash].value, 16, &offset) < 0 ||
		!word_read(image, offset, 0, &buckets) || !word_read(image, offset, 1, &first) ||
		!word_read(image, offset, 2, &bloom))
		return false;
	offset += 16 + bloom * (image->format.wide ? 8 : 4);
	for (uint64_t i = 0; i < buckets; i++) {
		if (!word_read(image, offset, i, &word))
			return false;
		if (word > last)
			last = word;
	}
	if (last < first) {
		*ret_count = first;
		return true;
	}
	offset += buckets * 4;
	do {
		if (!word_read(image, offset, last++ - first, &word))
			return false;
	} while (!(word & 1));
	*ret_count = last;
	return true;
}

static bool section_symbol_count(
	const struct bfs_elf_image *image, uint64_t address, uint64_t *ret_count)
{
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SYMBOL);

	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section->type == SHT_DYNSYM && section->address == address) {
			*ret_count = section->size / size;
			return true;
		}
	}
	return false;
}

/* The most that any of the tables says; false where none says anything. */
static bool symbol_count(const struct bfs_elf_image *image, uint64_t address, uint64_t *ret_count)
{
	uint64_t by_section = 0, by_hash = 0;
	bool known = section_symbol_count(image, address, &by_section);

	if (hash_count(image, &by_hash) || gnu_hash_count(image, &by_hash))
		known = true;
	*ret_count = by_section > by_hash ? by_section : by_hash;
	return known;
}

/* Symbols are read for the four bytes of their name only: there may be millions. */
static void symbols_refer(struct claim *claim)
{
	const struct bfs_elf_image *image = claim->image;
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SYMBOL);
	size_t table = bfs_elf_image_dynamic(image, DT_SYMTAB);
	uint64_t count, offset;

	if (table == BFS_ELF_NONE)
		return;
	if (!symbol_count(image, image->dynamic[table].value, &count) ||
		count > image->length / size ||
		bfs_elf_image_offset(image, image->dynamic[table].value, count * size, &offset) <
			0) {
		claim->is_used = true;
		return;
	}
	for (uint64_t i = 0; i < count && !claim->is_used; i++)
		claim_refer(claim,
			bfs_elf_integer_read(&image->format, image->data + offset + i * size, 4));
}

/* True where a section we know nothing of takes its strings from the table as well. */
static bool has_stranger(const struct bfs_elf_image *image)
{
	size_t table = bfs_elf_image_section_at(image, image->strings_offset);

	if (bfs_elf_image_dynamic(image, DT_GNU_LIBLIST) != BFS_ELF_NONE)
		return true;
	if (table == BFS_ELF_NONE)
		return false;
	if (image->header.section_names == table)
		return true;
	for (size_t i = 0; i < image->section_count; i++) {
		const struct bfs_elf_section *section = &image->sections[i];

		if (section->type != SHT_NULL && section->link == table &&
			section->type != SHT_DYNSYM && section->type != SHT_DYNAMIC &&
			section->type != SHT_GNU_verneed && section->type != SHT_GNU_verdef)
			return true;
	}
	return false;
}

/*
 * Where the room for the string ends: at its own NUL, or at the NUL behind the run of X after it.
 * That last NUL stays what it is, so whoever refers to it as an empty string is not disturbed.
 */
static uint64_t room_end(const struct bfs_elf_image *image, uint64_t index)
{
	const char *table = (const char *)image->data + image->strings_offset;
	uint64_t end = index + strlen(table + index);
	uint64_t run = end + 1;

	while (run < image->strings_size && table[run] == 'X')
		run++;
	return run > end + 1 && run < image->strings_size && table[run] == '\0' ? run : end;
}

int bfs_elf_strings_room(const struct bfs_elf_image *image, uint64_t index, uint64_t *ret_room,
	struct bfs_error *error)
{
	struct claim claim = {.image = image,
		.start = index,
		.end = room_end(image, index),
		.budget = VERSION_RECORD_LIMIT,
		.error = error};
	int r = 0;

	*ret_room = 0;
	if (index == 0 || image->data[image->strings_offset + index - 1] != '\0' ||
		has_stranger(image))
		return 0;
	dynamic_refer(&claim);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(version_tables) && r == 0; i++)
		r = versions_refer(&claim, &version_tables[i]);
	if (r < 0)
		return r;
	symbols_refer(&claim);
	if (!claim.is_used)
		*ret_room = claim.end - claim.start;
	return 0;
}
