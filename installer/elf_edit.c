#include "installer/elf_edit.h"

#include "installer/elf_grow.h"
#include "installer/elf_rpath.h"
#include "installer/elf_strings.h"
#include "lib/file.h"

#include <string.h>

#define PREFIX_LIMIT 1024

/* One edit: what is to change, and how far it has come. */
struct edit {
	struct bfs_elf_image image;
	struct bfs_elf_patch *patch;
	struct bfs_error *error;
	const char *old_rpath;	  /* in the file; NULL: none */
	uint64_t old_rpath_index; /* in the string table */
	uint64_t rpath_room;	  /* bytes that it has for itself, 0: it shares them */
	char *rpath;		  /* the new one; NULL: it stays */
	char *interpreter;	  /* the new one; NULL: it stays */
	struct bfs_elf_growth growth;
};

static void edit_release(struct edit *edit)
{
	bfs_elf_image_release(&edit->image);
	bfs_elf_patch_free(edit->patch);
	free(edit->rpath);
	free(edit->interpreter);
}

#define _cleanup_edit_ BFS_CLEANUP(edit_release)

/* Writes to where an offset of the old file is now. */
static int edit_write(struct edit *edit, uint64_t offset, const void *bytes, size_t length)
{
	return bfs_elf_patch_write(
		edit->patch, bfs_elf_growth_offset(&edit->growth, offset), bytes, length);
}

/* Writes `string`, a NUL, and `fill` up to `length` bytes in all. */
static int edit_write_string(
	struct edit *edit, uint64_t offset, const char *string, size_t length, char fill)
{
	size_t size = strlen(string) + 1;
	_cleanup_free_ char *bytes = malloc(length > size ? length : size);

	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, string, size);
	if (length > size)
		memset(bytes + size, fill, length - size);
	return edit_write(edit, offset, bytes, length > size ? length : size);
}

/* What the RPATH has to become, if it has to. */
static int rpath_decide(struct edit *edit, const struct bfs_elf_policy *policy)
{
	size_t rpath = bfs_elf_image_dynamic(&edit->image, DT_RPATH);
	size_t runpath = bfs_elf_image_dynamic(&edit->image, DT_RUNPATH);
	size_t index = runpath != BFS_ELF_NONE ? runpath : rpath;
	int r;

	if (index == BFS_ELF_NONE)
		return 0;
	edit->old_rpath_index = edit->image.dynamic[index].value;
	r = bfs_elf_image_string(&edit->image, edit->old_rpath_index, BFS_ELF_RPATH_LIMIT,
		&edit->old_rpath, edit->error);
	if (r == 0 && !policy->rpath)
		r = bfs_elf_rpath_relocate(policy, edit->old_rpath, &edit->rpath);
	else if (r == 0 && !(edit->rpath = strdup(policy->rpath)))
		r = -ENOMEM;
	if (r < 0)
		return r;
	if (strcmp(edit->rpath, edit->old_rpath) == 0 &&
		(rpath == BFS_ELF_NONE || runpath == BFS_ELF_NONE))
		free(bfs_steal(&edit->rpath));
	return 0;
}

static int interpreter_decide(struct edit *edit, const struct bfs_elf_policy *policy)
{
	if (!edit->image.interpreter || policy->rpath)
		return 0;
	edit->interpreter = bfs_format("%s/lib/ld.so", policy->prefix);
	if (!edit->interpreter)
		return -ENOMEM;
	if (strcmp(edit->interpreter, edit->image.interpreter) == 0)
		free(bfs_steal(&edit->interpreter));
	return 0;
}

static int rpath_measure(struct edit *edit)
{
	int r = bfs_elf_strings_room(
		&edit->image, edit->old_rpath_index, &edit->rpath_room, edit->error);

	if (r < 0)
		return r;
	if (strcmp(edit->rpath, edit->old_rpath) != 0 && strlen(edit->rpath) > edit->rpath_room)
		edit->growth.rpath = edit->rpath;
	return 0;
}

/* False where .interp is part of a section with more in it, so that others may use the string. */
static bool interpreter_is_alone(const struct bfs_elf_image *image)
{
	return image->section_count == 0 || image->interpreter_section != BFS_ELF_NONE;
}

/* True where the new name fits in the segment, or in it and padding after it. */
static bool interpreter_fits(const struct edit *edit)
{
	const struct bfs_elf_image *image = &edit->image;
	const struct bfs_elf_segment *segment = &image->segments[image->interpreter_segment];
	uint64_t size = strlen(edit->interpreter) + 1, offset;

	if (!interpreter_is_alone(image))
		return false;
	if (size <= segment->file_size)
		return true;
	return bfs_elf_image_offset(image, segment->address, size, &offset) == 0 &&
	       offset == segment->offset &&
	       bfs_elf_range_is_free(
		       image, segment->offset + segment->file_size, size - segment->file_size);
}

/* One DT_RPATH with the string's index, whichever of the two tags there were. */
static void rpath_set_tag(struct bfs_elf_image *image, uint64_t index)
{
	size_t kept = 0;
	bool has_one = false;

	for (size_t i = 0; i < image->dynamic_count; i++) {
		struct bfs_elf_dynamic entry = image->dynamic[i];

		if (entry.tag == DT_RPATH || entry.tag == DT_RUNPATH) {
			if (has_one)
				continue;
			has_one = true;
			entry = (struct bfs_elf_dynamic){.tag = DT_RPATH, .value = index};
		}
		image->dynamic[kept++] = entry;
	}
	image->dynamic_count = kept;
}

/* Homebrew's own way with a string that has moved: nobody is to find the old prefix in it. */
static int rpath_blank(struct edit *edit, uint64_t offset)
{
	size_t length = strlen(edit->old_rpath);
	_cleanup_free_ char *blank = malloc(length + 1);

	if (!blank)
		return -ENOMEM;
	memset(blank, 'X', length);
	return bfs_elf_patch_write(edit->patch, offset, blank, length);
}

/* The table moved, and with it a copy of the old string; the old table is nobody's now. */
static int rpath_write_moved(struct edit *edit)
{
	uint64_t old = edit->image.strings_offset + edit->old_rpath_index;
	int r;

	rpath_set_tag(&edit->image, edit->growth.rpath_index);
	if (edit->rpath_room == 0)
		return 0;
	r = rpath_blank(edit, edit->growth.strings_offset + edit->old_rpath_index);
	if (r < 0 || bfs_elf_growth_offset(&edit->growth, old) != old)
		return r;
	return rpath_blank(edit, old);
}

static int rpath_write(struct edit *edit)
{
	uint64_t old = edit->image.strings_offset + edit->old_rpath_index;

	if (edit->growth.rpath)
		return rpath_write_moved(edit);
	rpath_set_tag(&edit->image, edit->old_rpath_index);
	if (strcmp(edit->rpath, edit->old_rpath) == 0)
		return 0;
	return edit_write_string(edit, old, edit->rpath, edit->rpath_room, 'X');
}

/* `offset` and `size` are those of the old name, which the file still has. */
static int interpreter_write(struct edit *edit, uint64_t offset, uint64_t size)
{
	struct bfs_elf_image *image = &edit->image;
	struct bfs_elf_segment *segment = &image->segments[image->interpreter_segment];

	if (edit->growth.interpreter) {
		if (!interpreter_is_alone(image) ||
			bfs_elf_growth_offset(&edit->growth, offset) != offset)
			return 0;
		return edit_write_string(edit, offset, "", size, '\0');
	}
	segment->file_size = segment->memory_size = strlen(edit->interpreter) + 1;
	if (image->interpreter_section != BFS_ELF_NONE)
		image->sections[image->interpreter_section].size = segment->file_size;
	return edit_write_string(edit, offset, edit->interpreter, size, '\0');
}

/* Writes a record to `offset` of the new file where the old one has something else there. */
static int record_write(
	struct edit *edit, enum bfs_elf_record record, uint64_t offset, const void *value)
{
	const struct bfs_elf_image *image = &edit->image;
	size_t size = bfs_elf_record_size(&image->format, record);
	uint8_t bytes[64];

	bfs_elf_record_write(&image->format, record, value, bytes);
	if (bfs_elf_image_has(image, offset, size) &&
		memcmp(image->data + offset, bytes, size) == 0)
		return 0;
	return bfs_elf_patch_write(edit->patch, offset, bytes, size);
}

static int tables_write(struct edit *edit, size_t old_dynamic_count)
{
	static const struct bfs_elf_dynamic end = {.tag = DT_NULL};
	const struct bfs_elf_image *image = &edit->image;
	const struct bfs_elf_format *format = &image->format;
	int r = record_write(edit, BFS_ELF_HEADER, EI_NIDENT, &image->header);

	for (size_t i = 0; i < image->segment_count && r == 0; i++)
		r = record_write(edit, BFS_ELF_SEGMENT,
			image->header.segment_table +
				i * bfs_elf_record_size(format, BFS_ELF_SEGMENT),
			&image->segments[i]);
	for (size_t i = 0; i < image->section_count && r == 0; i++)
		r = record_write(edit, BFS_ELF_SECTION,
			image->header.section_table +
				i * bfs_elf_record_size(format, BFS_ELF_SECTION),
			&image->sections[i]);
	for (size_t i = 0; i < old_dynamic_count && r == 0; i++)
		r = record_write(edit, BFS_ELF_DYNAMIC,
			image->dynamic_offset + i * bfs_elf_record_size(format, BFS_ELF_DYNAMIC),
			i < image->dynamic_count ? &image->dynamic[i] : &end);
	return r;
}

/* The header that a section has in the old file. */
static struct bfs_elf_section old_section(const struct bfs_elf_image *image, size_t index)
{
	struct bfs_elf_section section;

	bfs_elf_record_read(&image->format, BFS_ELF_SECTION,
		image->data + image->header.section_table +
			index * bfs_elf_record_size(&image->format, BFS_ELF_SECTION),
		&section);
	return section;
}

/* Rewrites the symbol at `offset` of the old file, if its section has moved and it lies in it. */
static int symbol_follow(struct edit *edit, uint64_t offset)
{
	const struct bfs_elf_image *image = &edit->image;
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SYMBOL);
	struct bfs_elf_section section;
	struct bfs_elf_symbol symbol;
	uint8_t bytes[24];

	bfs_elf_record_read(&image->format, BFS_ELF_SYMBOL, image->data + offset, &symbol);
	section = old_section(image, symbol.section);
	if (symbol.value < section.address || symbol.value - section.address > section.size)
		return 0;
	symbol.value += image->sections[symbol.section].address - section.address;
	bfs_elf_record_write(&image->format, BFS_ELF_SYMBOL, &symbol, bytes);
	return edit_write(edit, offset, bytes, size);
}

/* Only the section's index is read of most symbols: there may be millions. */
static int symbols_follow(struct edit *edit, uint64_t type, const bool *moved)
{
	const struct bfs_elf_image *image = &edit->image;
	size_t size = bfs_elf_record_size(&image->format, BFS_ELF_SYMBOL);
	size_t at = image->format.wide ? 6 : 14;
	size_t index = bfs_elf_image_section_of_type(image, type);
	struct bfs_elf_section table;
	int r = 0;

	if (index == BFS_ELF_NONE)
		return 0;
	table = old_section(image, index);
	for (uint64_t i = 0; i < table.size / size && r == 0; i++) {
		uint64_t offset = table.offset + i * size;
		uint64_t section =
			bfs_elf_integer_read(&image->format, image->data + offset + at, 2);

		if (section < image->section_count && moved[section])
			r = symbol_follow(edit, offset);
	}
	return r;
}

/* Symbols of sections that moved (section symbols, and those of notes) get the new addresses. */
static int symbols_write(struct edit *edit)
{
	const struct bfs_elf_image *image = &edit->image;
	_cleanup_free_ bool *moved = calloc(image->section_count + 1, sizeof(*moved));
	bool any = false;
	int r = 0;

	if (!moved)
		return -ENOMEM;
	for (size_t i = 0; i < image->section_count; i++) {
		moved[i] = old_section(image, i).address != image->sections[i].address;
		any = any || moved[i];
	}
	if (any)
		r = symbols_follow(edit, SHT_SYMTAB, moved);
	if (any && r == 0)
		r = symbols_follow(edit, SHT_DYNSYM, moved);
	return r;
}

static int edit_decide(struct edit *edit, const struct bfs_elf_policy *policy)
{
	int r = rpath_decide(edit, policy);

	if (r == 0)
		r = interpreter_decide(edit, policy);
	if (r == 0 && edit->rpath)
		r = rpath_measure(edit);
	if (r == 0 && edit->interpreter && !interpreter_fits(edit))
		edit->growth.interpreter = edit->interpreter;
	return r;
}

static int edit_carry_out(struct edit *edit)
{
	struct bfs_elf_image *image = &edit->image;
	size_t dynamic_count = image->dynamic_count;
	uint64_t offset = 0, size = 0;
	int r = bfs_elf_patch_new(image->length, &edit->patch);

	if (r < 0)
		return r;
	if (edit->interpreter) {
		offset = image->segments[image->interpreter_segment].offset;
		size = image->segments[image->interpreter_segment].file_size;
	}
	if (edit->growth.rpath || edit->growth.interpreter)
		r = bfs_elf_grow(image, &edit->growth, edit->patch, edit->error);
	if (r == 0 && edit->rpath)
		r = rpath_write(edit);
	if (r == 0 && edit->interpreter)
		r = interpreter_write(edit, offset, size);
	if (r == 0)
		r = tables_write(edit, dynamic_count);
	return r < 0 ? r : symbols_write(edit);
}

static bool prefix_is_usable(const char *prefix)
{
	size_t length = strlen(prefix);

	return length > 1 && length <= PREFIX_LIMIT && prefix[0] == '/' &&
	       prefix[length - 1] != '/' && !strchr(prefix, ':');
}

int bfs_elf_relocate(const uint8_t *data, size_t length, const struct bfs_elf_policy *policy,
	struct bfs_elf_patch **ret_patch, struct bfs_error *error)
{
	_cleanup_edit_ struct edit edit = {.error = error};
	int r;

	if (!prefix_is_usable(policy->prefix))
		return bfs_error_set(error, -EINVAL, "editing the ELF file", policy->prefix,
			"not a usable prefix");
	r = bfs_elf_image_open(data, length, &edit.image, error);
	if (r == -ENOEXEC) {
		*ret_patch = NULL;
		return 0;
	}
	if (r == 0)
		r = edit_decide(&edit, policy);
	if (r == 0 && (edit.rpath || edit.interpreter))
		r = edit_carry_out(&edit);
	if (r < 0)
		return r;
	*ret_patch = bfs_steal(&edit.patch);
	return 0;
}
