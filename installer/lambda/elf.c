#include "installer/lambda/lambda.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "Lambda has x86_64 and arm64"
#endif

static bool has(const struct bfs_lambda_elf *elf, uint64_t offset, uint64_t size)
{
	return offset <= elf->size && size <= elf->size - offset;
}

static bool check_header(struct bfs_lambda_elf *elf)
{
	const ElfW(Ehdr) *header = (const void *)elf->data;

	if (!has(elf, 0, sizeof(*header)) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
		header->e_ident[EI_CLASS] != ELFCLASS64 ||
		header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_machine != MACHINE ||
		header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phoff % 8 != 0 ||
		!has(elf, header->e_phoff, (uint64_t)header->e_phnum * sizeof(ElfW(Phdr))))
		return false;
	elf->header = header;
	elf->segments = (const void *)(elf->data + header->e_phoff);
	return true;
}

int bfs_lambda_elf_open(const char *path, struct bfs_lambda_elf *ret_elf)
{
	struct bfs_lambda_elf elf = {.data = NULL};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data = MAP_FAILED;

	if (fd < 0)
		return -1;
	errno = ENOEXEC;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return -1;
	elf.data = data;
	elf.size = (size_t)st.st_size;
	if (!check_header(&elf)) {
		bfs_lambda_elf_close(&elf);
		errno = ENOEXEC;
		return -1;
	}
	*ret_elf = elf;
	return 0;
}

void bfs_lambda_elf_close(struct bfs_lambda_elf *elf)
{
	munmap((void *)elf->data, elf->size);
}

static const ElfW(Phdr) * find_segment(const struct bfs_lambda_elf *elf, uint32_t type)
{
	for (size_t i = 0; i < elf->header->e_phnum; i++)
		if (elf->segments[i].p_type == type &&
			has(elf, elf->segments[i].p_offset, elf->segments[i].p_filesz))
			return &elf->segments[i];
	return NULL;
}

/* A string that ends before `end`, an offset in the file. */
static const char *string_at(const struct bfs_lambda_elf *elf, uint64_t offset, uint64_t end)
{
	if (end > elf->size || offset >= end ||
		!memchr(elf->data + offset, '\0', (size_t)(end - offset)))
		return NULL;
	return elf->data + offset;
}

const char *bfs_lambda_elf_interpreter(const struct bfs_lambda_elf *elf)
{
	const ElfW(Phdr) *segment = find_segment(elf, PT_INTERP);

	return segment ? string_at(elf, segment->p_offset, segment->p_offset + segment->p_filesz)
		       : NULL;
}

/* The file offset of an address, and where its segment ends. */
static bool find_offset(
	const struct bfs_lambda_elf *elf, uint64_t address, uint64_t *ret_offset, uint64_t *ret_end)
{
	for (size_t i = 0; i < elf->header->e_phnum; i++) {
		const ElfW(Phdr) *segment = &elf->segments[i];

		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
			address - segment->p_vaddr >= segment->p_filesz ||
			!has(elf, segment->p_offset, segment->p_filesz))
			continue;
		*ret_offset = segment->p_offset + (address - segment->p_vaddr);
		*ret_end = segment->p_offset + segment->p_filesz;
		return true;
	}
	return false;
}

const char *bfs_lambda_elf_soname(const struct bfs_lambda_elf *elf)
{
	const ElfW(Phdr) *segment = find_segment(elf, PT_DYNAMIC);
	const ElfW(Dyn) * entries;
	uint64_t strings = 0, name = 0, offset, end;
	bool has_name = false;

	if (!segment || segment->p_offset % 8 != 0)
		return NULL;
	entries = (const void *)(elf->data + segment->p_offset);
	for (size_t i = 0; i < segment->p_filesz / sizeof(*entries); i++) {
		if (entries[i].d_tag == DT_NULL)
			break;
		if (entries[i].d_tag == DT_STRTAB)
			strings = entries[i].d_un.d_ptr;
		if (entries[i].d_tag == DT_SONAME) {
			name = entries[i].d_un.d_val;
			has_name = true;
		}
	}
	if (!has_name || !find_offset(elf, strings, &offset, &end) || name >= end - offset)
		return NULL;
	return string_at(elf, offset + name, end);
}
