/* What the loader will ask for, from this program itself, and from files that only look like one.
 */
#include "fs/elf_needs.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define LIMIT (64 * 1024 * 1024)

struct memory {
	const char *data;
	size_t length;
	int found; /* calls with ranges */
};

static ssize_t read_memory(void *context, void *ret_data, size_t length, uint64_t offset)
{
	const struct memory *memory = context;

	if (offset >= memory->length)
		return 0;
	if (length > memory->length - offset)
		length = memory->length - (size_t)offset;
	memcpy(ret_data, memory->data + offset, length);
	return (ssize_t)length;
}

static void note_ranges(void *context, const struct bfs_elf_needs *needs)
{
	struct memory *memory = context;

	memory->found += needs->range_count > 0;
}

static int read_needs(const char *data, size_t length, struct bfs_elf_needs *ret_needs)
{
	struct memory memory = {data, length, 0};

	*ret_needs = (struct bfs_elf_needs){0};
	return bfs_elf_needs_read(read_memory, note_ranges, &memory, ret_needs);
}

static bool has_name(const struct bfs_elf_needs *needs, const char *name)
{
	const char *at = needs->names.data;

	for (size_t i = 0; i < needs->count; i++, at += strlen(at) + 1)
		if (strcmp(at, name) == 0)
			return true;
	return false;
}

static void test_itself(const struct bfs_buffer *program)
{
	_cleanup_elf_needs_ struct bfs_elf_needs needs = {0};

	is_int(read_needs(program->data, program->length, &needs), 0, "this program is understood");
	ok(has_name(&needs, "libc.so.6"), "it needs the C library");
	is_int(needs.range_count, 2, "two segments matter");
	is_int(needs.ranges[0].offset, 0, "the first one, from the header on");
	ok(needs.ranges[1].offset > 0 && needs.ranges[1].length > 0 &&
			needs.ranges[1].offset + needs.ranges[1].length <= program->length,
		"and the one that is written to");
}

static void refuse(const char *data, size_t length, const char *what)
{
	_cleanup_elf_needs_ struct bfs_elf_needs needs = {0};

	is_int(read_needs(data, length, &needs), -ENOEXEC, "%s is refused", what);
}

static void test_others(struct bfs_buffer *program)
{
	Elf64_Ehdr *header = (Elf64_Ehdr *)program->data;
	Elf64_Ehdr kept = *header;

	refuse("", 0, "an empty file");
	refuse("#!/bin/sh\nexit 0\n", 17, "a script");
	refuse(program->data, 40, "a part of a header");
	refuse(program->data, sizeof(*header) + 10, "a part of the segments");
	header->e_ident[EI_CLASS] = ELFCLASS32;
	refuse(program->data, program->length, "a file of 32 bits");
	*header = kept;
	header->e_phoff = UINT64_MAX - 8;
	refuse(program->data, program->length, "a header that points nowhere");
	*header = kept;
	header->e_phnum = 0;
	refuse(program->data, program->length, "a file without segments");
	*header = kept;
}

/* Any byte of what is looked at may be wrong; a sanitizer sees what is read beside the buffers. */
static void test_damage(struct bfs_buffer *program)
{
	unsigned seed = 1, understood = 0;

	for (int i = 0; i < 20000; i++) {
		_cleanup_elf_needs_ struct bfs_elf_needs needs = {0};
		size_t limit = i % 2 ? 1024 : program->length;
		char *byte = &program->data[(size_t)rand_r(&seed) % limit];
		char kept = *byte;

		*byte = (char)rand_r(&seed);
		understood += read_needs(program->data, program->length, &needs) == 0;
		*byte = kept;
	}
	ok(understood > 0 && understood < 20000, "of 20000 damaged copies some are understood");
}

int main(void)
{
	_cleanup_buffer_ struct bfs_buffer program = BFS_BUFFER_INIT;

	if (bfs_read_file(AT_FDCWD, "/proc/self/exe", LIMIT, &program) < 0)
		ok(false, "the program can be read");
	test_itself(&program);
	test_others(&program);
	test_damage(&program);
	return done();
}
