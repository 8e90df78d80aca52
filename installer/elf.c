#include "installer/elf.h"

#include "installer/elf_image.h"

#include <inttypes.h>
#include <string.h>

/* Every tag whose value is an index into the dynamic string table. */
static const uint64_t string_tags[] = {DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_AUXILIARY,
	DT_FILTER, DT_CONFIG, DT_DEPAUDIT, DT_AUDIT};

static int copy_string(const char *string, char **ret_copy)
{
	char *copy;

	if (!string)
		return 0;
	copy = strdup(string);
	if (!copy)
		return -ENOMEM;
	*ret_copy = copy;
	return 0;
}

static int copy_tag(const struct bfs_elf_image *image, uint64_t tag, size_t limit, char **ret_copy,
	struct bfs_error *error)
{
	const char *string;
	int r = bfs_elf_image_dynamic_string(image, tag, limit, &string, error);

	return r < 0 ? r : copy_string(string, ret_copy);
}

static int copy_needed(
	const struct bfs_elf_image *image, struct bfs_elf_info *info, struct bfs_error *error)
{
	info->needed = calloc(image->dynamic_count + 1, sizeof(*info->needed));
	if (!info->needed)
		return -ENOMEM;
	for (size_t i = 0; i < image->dynamic_count; i++) {
		const struct bfs_elf_dynamic *entry = &image->dynamic[i];
		const char *string;
		int r;

		if (entry->tag != DT_NEEDED)
			continue;
		r = bfs_elf_image_string(image, entry->value, BFS_ELF_NAME_LIMIT, &string, error);
		if (r == 0)
			r = copy_string(string, &info->needed[info->needed_count]);
		if (r < 0)
			return r;
		info->needed_count++;
	}
	return 0;
}

static bool is_string_tag(uint64_t tag)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(string_tags); i++)
		if (string_tags[i] == tag)
			return true;
	return false;
}

static int find_placeholder(
	const struct bfs_elf_image *image, bool *ret_found, struct bfs_error *error)
{
	static const char mark[] = "@@HOMEBREW_";
	bool found = image->interpreter && strstr(image->interpreter, mark);

	for (size_t i = 0; i < image->dynamic_count && !found; i++) {
		const struct bfs_elf_dynamic *entry = &image->dynamic[i];
		const char *string;
		int r;

		if (!is_string_tag(entry->tag))
			continue;
		r = bfs_elf_image_string(image, entry->value, BFS_ELF_RPATH_LIMIT, &string, error);
		if (r < 0)
			return r;
		found = strstr(string, mark);
	}
	*ret_found = found;
	return 0;
}

static int info_read(
	const struct bfs_elf_image *image, struct bfs_elf_info *info, struct bfs_error *error)
{
	int r = copy_string(image->interpreter, &info->interpreter);

	if (r == 0)
		r = copy_tag(image, DT_RPATH, BFS_ELF_RPATH_LIMIT, &info->rpath, error);
	if (r == 0)
		r = copy_tag(image, DT_RUNPATH, BFS_ELF_RPATH_LIMIT, &info->runpath, error);
	if (r == 0)
		r = copy_tag(image, DT_SONAME, BFS_ELF_NAME_LIMIT, &info->soname, error);
	if (r == 0)
		r = copy_needed(image, info, error);
	return r < 0 ? r : find_placeholder(image, &info->has_placeholder, error);
}

int bfs_elf_query(
	const uint8_t *data, size_t length, struct bfs_elf_info *ret_info, struct bfs_error *error)
{
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_elf_image_ struct bfs_elf_image image = {.data = NULL};
	int r = bfs_elf_image_open(data, length, &image, error);

	if (r == 0)
		r = info_read(&image, &info, error);
	if (r < 0)
		return r;
	*ret_info = info;
	info = (struct bfs_elf_info)BFS_ELF_INFO_INIT;
	return 0;
}

void bfs_elf_info_release(struct bfs_elf_info *info)
{
	free(bfs_steal(&info->interpreter));
	free(bfs_steal(&info->rpath));
	free(bfs_steal(&info->runpath));
	free(bfs_steal(&info->soname));
	for (size_t i = 0; i < info->needed_count; i++)
		free(info->needed[i]);
	free(bfs_steal(&info->needed));
	info->needed_count = 0;
}
