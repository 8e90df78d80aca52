#include "installer/elf_versions.h"

#include "installer/elf_image.h"

/* Records read at most, so that a table whose chains overlap ends: no file has a thousandth. */
#define RECORD_LIMIT (1 << 20)

struct walk {
	struct bfs_elf_image image;
	size_t budget;
	bfs_elf_version_visitor *visit;
	void *context;
	struct bfs_error *error;
};

static int read_record(struct walk *walk, enum bfs_elf_record record, uint64_t offset,
	struct bfs_elf_version *ret_version)
{
	const struct bfs_elf_image *image = &walk->image;
	size_t size = bfs_elf_record_size(&image->format, record);

	if (walk->budget == 0 || !bfs_elf_image_has(image, offset, size))
		return bfs_elf_malformed(walk->error, "the table of needed versions has no end");
	walk->budget--;
	*ret_version = (struct bfs_elf_version){.count = 0};
	bfs_elf_record_read(&image->format, record, image->data + offset, ret_version);
	return 0;
}

/* Elf_Verneed has the library's name after its version and count, 2 bytes each. */
static int read_library(struct walk *walk, uint64_t offset, const char **ret_name)
{
	uint64_t index =
		bfs_elf_integer_read(&walk->image.format, walk->image.data + offset + 4, 4);

	return bfs_elf_image_string(&walk->image, index, BFS_ELF_NAME_LIMIT, ret_name, walk->error);
}

static int visit_versions(struct walk *walk, const char *library, uint64_t offset, uint64_t count)
{
	struct bfs_elf_version version;

	for (uint64_t i = 0; i < count; i++, offset += version.next) {
		const char *name;
		int r = read_record(walk, BFS_ELF_VERNAUX, offset, &version);

		if (r == 0)
			r = bfs_elf_image_string(
				&walk->image, version.name, BFS_ELF_NAME_LIMIT, &name, walk->error);
		if (r == 0)
			r = walk->visit(walk->context, library, name);
		if (r != 0 || version.next == 0)
			return r;
	}
	return 0;
}

static int visit_libraries(struct walk *walk)
{
	const struct bfs_elf_image *image = &walk->image;
	size_t address = bfs_elf_image_dynamic(image, DT_VERNEED);
	size_t count = bfs_elf_image_dynamic(image, DT_VERNEEDNUM);
	struct bfs_elf_version version;
	uint64_t offset;

	if (address == BFS_ELF_NONE || count == BFS_ELF_NONE)
		return 0;
	if (bfs_elf_image_offset(image, image->dynamic[address].value, 1, &offset) < 0)
		return bfs_elf_malformed(walk->error, "needed versions outside the segments");
	for (uint64_t i = 0; i < image->dynamic[count].value; i++, offset += version.next) {
		const char *library;
		int r = read_record(walk, BFS_ELF_VERNEED, offset, &version);

		if (r == 0)
			r = read_library(walk, offset, &library);
		if (r == 0)
			r = visit_versions(
				walk, library, offset + version.auxiliary, version.count);
		if (r != 0 || version.next == 0)
			return r;
	}
	return 0;
}

int bfs_elf_versions_visit(const uint8_t *data, size_t length, bfs_elf_version_visitor *visit,
	void *context, struct bfs_error *error)
{
	struct walk walk = {
		.budget = RECORD_LIMIT, .visit = visit, .context = context, .error = error};
	int r = bfs_elf_image_open(data, length, &walk.image, error);

	if (r < 0)
		return r;
	r = visit_libraries(&walk);
	bfs_elf_image_release(&walk.image);
	return r;
}
