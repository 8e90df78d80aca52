#include "installer/elf_rpath.h"

#include "lib/buffer.h"

#include <string.h>

struct placeholder {
	const char *name;
	const char *suffix; /* after the prefix */
};

static const struct placeholder placeholders[] = {
	{"@@HOMEBREW_PREFIX@@", ""},
	{"@@HOMEBREW_CELLAR@@", "/Cellar"},
};

static bool starts_with(const char *string, const char *start)
{
	return strncmp(string, start, strlen(start)) == 0;
}

static const struct placeholder *placeholder_at(const char *string)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(placeholders); i++)
		if (starts_with(string, placeholders[i].name))
			return &placeholders[i];
	return NULL;
}

/* Appends `length` bytes of an entry with its placeholders replaced. */
static int entry_expand(const struct bfs_elf_policy *policy, const char *entry, size_t length,
	struct bfs_buffer *out)
{
	const char *end = entry + length;
	int r = 0;

	while (entry < end && r == 0) {
		const struct placeholder *found = placeholder_at(entry);

		if (!found) {
			r = bfs_buffer_append(out, entry++, 1);
			continue;
		}
		r = bfs_buffer_append_string(out, policy->prefix);
		if (r == 0)
			r = bfs_buffer_append_string(out, found->suffix);
		entry += strlen(found->name);
	}
	return r;
}

/* Where the digits of a trailing `lib/gcc/<digits>` start, or NULL. */
static const char *gcc_version(const char *entry)
{
	static const char directory[] = "lib/gcc/";
	size_t end = strlen(entry), start = end;

	while (start > 0 && entry[start - 1] >= '0' && entry[start - 1] <= '9')
		start--;
	if (start == end || start < strlen(directory) ||
		!starts_with(entry + start - strlen(directory), directory))
		return NULL;
	return entry + start;
}

static int rpath_add(
	struct bfs_buffer *rpath, const struct bfs_elf_policy *policy, const char *entry)
{
	const char *version = policy->keep_gcc_version ? NULL : gcc_version(entry);
	int r = rpath->length > 0 ? bfs_buffer_append(rpath, ":", 1) : 0;

	if (r == 0)
		r = bfs_buffer_append(
			rpath, entry, version ? (size_t)(version - entry) : strlen(entry));
	if (r == 0 && version)
		r = bfs_buffer_append_string(rpath, "current");
	return r;
}

int bfs_elf_rpath_relocate(const struct bfs_elf_policy *policy, const char *rpath, char **ret_rpath)
{
	_cleanup_buffer_ struct bfs_buffer out = BFS_BUFFER_INIT, entry = BFS_BUFFER_INIT,
					   library = BFS_BUFFER_INIT;
	bool has_library = false;
	char *result;
	int r = bfs_buffer_append_format(&library, "%s/lib", policy->prefix);

	for (const char *start = rpath, *end; *start && r == 0; start = *end ? end + 1 : end) {
		end = strchrnul(start, ':');
		bfs_buffer_clear(&entry);
		r = entry_expand(policy, start, (size_t)(end - start), &entry);
		if (r < 0 || entry.length == 0)
			continue;
		if (!starts_with(entry.data, policy->prefix) && !starts_with(entry.data, "$ORIGIN"))
			continue;
		has_library = has_library || strcmp(entry.data, library.data) == 0;
		r = rpath_add(&out, policy, entry.data);
	}
	if (r == 0 && !has_library)
		r = rpath_add(&out, policy, library.data);
	if (r < 0)
		return r;
	result = bfs_buffer_steal(&out);
	if (!result)
		return -ENOMEM;
	*ret_rpath = result;
	return 0;
}
