#include "fs/elf_needs.h"

#include <elf.h>
#include <endian.h>
#include <string.h>

/* Sizes beyond which a file is none that a linker made. */
#define SEGMENTS_MAX 64
#define ENTRIES_MAX  1024 /* of the dynamic section */
#define NAME_LIMIT   255
#define SEARCH_MAX   4096

struct file {
	bfs_elf_reader *read;
	void *context;
	Elf64_Phdr segments[SEGMENTS_MAX];
	size_t segment_count;
	Elf64_Dyn entries[ENTRIES_MAX];
	size_t entry_count;
	uint64_t strings; /* offset of the dynamic string table */
	uint64_t strings_size;
};

static int read_exactly(const struct file *file, void *data, size_t length, uint64_t offset)
{
	ssize_t n = file->read(file->context, data, length, offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == length ? 0 : -ENOEXEC;
}

static int read_segments(struct file *file)
{
	Elf64_Ehdr header;
	int r = read_exactly(file, &header, sizeof(header), 0);

	if (r < 0)
		return r;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
		header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
		le16toh(header.e_phentsize) != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	file->segment_count = le16toh(header.e_phnum);
	if (file->segment_count == 0 || file->segment_count > SEGMENTS_MAX)
		return -ENOEXEC;
	return read_exactly(file, file->segments, file->segment_count * sizeof(Elf64_Phdr),
		le64toh(header.e_phoff));
}

static void find_ranges(const struct file *file, struct bfs_elf_needs *needs)
{
	for (size_t i = 0; i < file->segment_count && needs->range_count < 2; i++) {
		const Elf64_Phdr *segment = &file->segments[i];
		bool first = needs->range_count == 0;

		if (le32toh(segment->p_type) != PT_LOAD ||
			(!first && !(le32toh(segment->p_flags) & PF_W)))
			continue;
		needs->ranges[needs->range_count++] = (struct bfs_elf_range){
			le64toh(segment->p_offset), le64toh(segment->p_filesz)};
	}
}

/* Where the byte of that address lies in the file. */
static int offset_of(const struct file *file, uint64_t address, uint64_t *ret_offset)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *segment = &file->segments[i];
		uint64_t start = le64toh(segment->p_vaddr);

		if (le32toh(segment->p_type) != PT_LOAD || address < start ||
			address - start >= le64toh(segment->p_filesz))
			continue;
		return __builtin_add_overflow(
			       le64toh(segment->p_offset), address - start, ret_offset)
			       ? -ENOEXEC
			       : 0;
	}
	return -ENOEXEC;
}

static int read_entries(struct file *file)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *segment = &file->segments[i];
		uint64_t count = le64toh(segment->p_filesz) / sizeof(Elf64_Dyn);

		if (le32toh(segment->p_type) != PT_DYNAMIC)
			continue;
		if (count > ENTRIES_MAX)
			return -ENOEXEC;
		file->entry_count = (size_t)count;
		return read_exactly(file, file->entries, file->entry_count * sizeof(Elf64_Dyn),
			le64toh(segment->p_offset));
	}
	return 0; /* linked statically */
}

static const Elf64_Dyn *find_entry(const struct file *file, int64_t tag)
{
	for (size_t i = 0; i < file->entry_count; i++)
		if ((int64_t)le64toh((uint64_t)file->entries[i].d_tag) == tag)
			return &file->entries[i];
	return NULL;
}

static int find_strings(struct file *file)
{
	const Elf64_Dyn *table = find_entry(file, DT_STRTAB), *size = find_entry(file, DT_STRSZ);

	if (!table || !size)
		return -ENOEXEC;
	file->strings_size = le64toh(size->d_un.d_val);
	return offset_of(file, le64toh(table->d_un.d_ptr), &file->strings);
}

/* A string of at most `maximum` bytes, allocated. */
static int read_string(const struct file *file, uint64_t at, size_t maximum, char **ret_string)
{
	_cleanup_free_ char *string = calloc(1, maximum + 2);
	uint64_t offset;
	ssize_t n;

	if (!string)
		return -ENOMEM;
	if (at >= file->strings_size || __builtin_add_overflow(file->strings, at, &offset))
		return -ENOEXEC;
	if (file->strings_size - at < maximum + 1)
		maximum = (size_t)(file->strings_size - at) - 1;
	n = file->read(file->context, string, maximum + 1, offset);
	if (n < 0)
		return (int)n;
	if (!memchr(string, '\0', (size_t)n))
		return -ENOEXEC;
	*ret_string = bfs_steal(&string);
	return 0;
}

static int read_names(const struct file *file, struct bfs_elf_needs *needs)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < file->entry_count; i++) {
		const Elf64_Dyn *entry = &file->entries[i];
		_cleanup_free_ char *name = NULL;

		if ((int64_t)le64toh((uint64_t)entry->d_tag) != DT_NEEDED)
			continue;
		r = read_string(file, le64toh(entry->d_un.d_val), NAME_LIMIT, &name);
		if (r == 0)
			r = bfs_buffer_append(&needs->names, name, strlen(name) + 1);
		needs->count += r == 0;
	}
	return r;
}

static int read_search(const struct file *file, struct bfs_elf_needs *needs)
{
	const Elf64_Dyn *entry = find_entry(file, DT_RUNPATH);

	if (!entry)
		entry = find_entry(file, DT_RPATH);
	return entry ? read_string(file, le64toh(entry->d_un.d_val), SEARCH_MAX, &needs->search)
		     : 0;
}

static int read_needs(struct file *file, bfs_elf_found *found, struct bfs_elf_needs *needs)
{
	int r = read_segments(file);

	if (r < 0)
		return r;
	find_ranges(file, needs);
	if (found)
		found(file->context, needs);
	r = read_entries(file);
	if (r < 0 || file->entry_count == 0)
		return r;
	r = find_strings(file);
	if (r == 0)
		r = read_search(file, needs);
	return r == 0 ? read_names(file, needs) : r;
}

int bfs_elf_needs_read(
	bfs_elf_reader *read, bfs_elf_found *found, void *context, struct bfs_elf_needs *ret_needs)
{
	_cleanup_elf_needs_ struct bfs_elf_needs needs = {0};
	_cleanup_free_ struct file *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	file->read = read;
	file->context = context;
	r = read_needs(file, found, &needs);
	if (r < 0)
		return r;
	*ret_needs = needs;
	needs = (struct bfs_elf_needs){0};
	return 0;
}

void bfs_elf_needs_release(struct bfs_elf_needs *needs)
{
	bfs_buffer_release(&needs->names);
	free(needs->search);
	*needs = (struct bfs_elf_needs){0};
}
