#include "lib/mountinfo.h"

#include "lib/file.h"
#include "lib/system.h"

#include <fcntl.h>
#include <string.h>

#define MOUNTINFO_LIMIT                                                                            \
	(64 * 1024 * 1024) /* bytes; hosts with 100,000 mounts have half of that                   \
			    */

void bfs_mounts_release(struct bfs_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->mounts[i].mountpoint);
		free(mounts->mounts[i].type);
		free(mounts->mounts[i].source);
		free(mounts->mounts[i].options);
		free(mounts->mounts[i].super_options);
		free(mounts->mounts[i].root);
	}
	free(mounts->mounts);
	*mounts = (struct bfs_mounts){0};
}

static bool is_octal(const char *digits)
{
	return digits[0] >= '0' && digits[0] <= '3' && digits[1] >= '0' && digits[1] <= '7' &&
	       digits[2] >= '0' && digits[2] <= '7';
}

/* The kernel writes space, tab, newline and backslash as "\040" and the like. */
static char *unescape(const char *text)
{
	char *copy = malloc(strlen(text) + 1), *to = copy;

	if (!copy)
		return NULL;
	while (*text) {
		if (*text == '\\' && is_octal(text + 1)) {
			*to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0');
			text += 4;
		} else {
			*to++ = *text++;
		}
	}
	*to = '\0';
	return copy;
}

/* Of a FUSE mount's super options: "rw,user_id=1000,group_id=1000". */
static uid_t parse_owner(const char *options)
{
	const char *found = strstr(options, "user_id=");

	return found ? (uid_t)strtoul(found + 8, NULL, 10) : 0;
}

/*
 * "36 35 98:0 /root /mountpoint options optional... - type source super-options". Returns 1 where
 * the line was one.
 */
static int parse_line(char *line, struct bfs_mount *ret_mount)
{
	char *fields[6], *rest[3], *separator = strstr(line, " - "), *save = NULL;
	struct bfs_mount mount = {0};

	if (!separator)
		return 0;
	*separator = '\0';
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(fields); i++)
		if (!(fields[i] = strtok_r(i ? NULL : line, " ", &save)))
			return 0;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(rest); i++)
		if (!(rest[i] = strtok_r(i ? NULL : separator + 3, " ", &save)))
			return 0;
	if (sscanf(fields[2], "%u:%u", &mount.major, &mount.minor) != 2)
		return 0;
	mount.owner = parse_owner(rest[2]);
	mount.root = unescape(fields[3]);
	mount.mountpoint = unescape(fields[4]);
	mount.options = strdup(fields[5]);
	mount.type = unescape(rest[0]);
	mount.source = unescape(rest[1]);
	mount.super_options = strdup(rest[2]);
	*ret_mount = mount;
	return mount.root && mount.mountpoint && mount.options && mount.type && mount.source &&
			       mount.super_options
		       ? 1
		       : -ENOMEM;
}

static int append_line(char *line, struct bfs_mounts *mounts)
{
	struct bfs_mount *grown =
		reallocarray(mounts->mounts, mounts->count + 1, sizeof(*mounts->mounts));
	int r;

	if (!grown)
		return -ENOMEM;
	mounts->mounts = grown;
	grown[mounts->count] = (struct bfs_mount){0};
	r = parse_line(line, &grown[mounts->count]);
	if (r != 0)
		mounts->count++;
	return r < 0 ? r : 0;
}

int bfs_mounts_parse(char *text, struct bfs_mounts *ret_mounts)
{
	struct bfs_mounts mounts = {0};
	char *line;
	int r = 0;

	while (r == 0 && (line = strsep(&text, "\n")))
		r = append_line(line, &mounts);
	if (r < 0)
		bfs_mounts_release(&mounts);
	else
		*ret_mounts = mounts;
	return r;
}

int bfs_mounts_read(struct bfs_mounts *ret_mounts, struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_system_path("/proc/self/mountinfo");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = path ? bfs_read_file(AT_FDCWD, path, MOUNTINFO_LIMIT, &text) : -ENOMEM;

	if (r == 0 && text.data)
		r = bfs_mounts_parse(text.data, ret_mounts);
	if (r < 0)
		return bfs_error_set(
			error, r, "reading the list of mounts", "/proc/self/mountinfo", NULL);
	return 0;
}

const struct bfs_mount *bfs_mounts_find(const struct bfs_mounts *mounts, const char *mountpoint)
{
	for (size_t i = mounts->count; i > 0; i--)
		if (strcmp(mounts->mounts[i - 1].mountpoint, mountpoint) == 0)
			return &mounts->mounts[i - 1];
	return NULL;
}

/* The length of `mountpoint` where the path is it or lies below it, else 0. */
static size_t covers(const char *mountpoint, const char *path)
{
	size_t length = strlen(mountpoint);

	if (strcmp(mountpoint, "/") == 0)
		return 1;
	return strncmp(path, mountpoint, length) == 0 && (!path[length] || path[length] == '/')
		       ? length
		       : 0;
}

const struct bfs_mount *bfs_mounts_find_around(const struct bfs_mounts *mounts, const char *path)
{
	const struct bfs_mount *found = NULL;
	size_t found_length = 0;

	for (size_t i = 0; i < mounts->count; i++) {
		size_t length = covers(mounts->mounts[i].mountpoint, path);

		if (length > 0 && length >= found_length) {
			found = &mounts->mounts[i];
			found_length = length;
		}
	}
	return found;
}

bool bfs_mount_is_nfs(const struct bfs_mount *mount)
{
	return strcmp(mount->type, "nfs4") == 0 || strcmp(mount->type, "nfs") == 0;
}

static bool find_option(
	const char *options, const char *name, const char **ret_value, size_t *ret_length)
{
	size_t name_length = strlen(name);

	for (const char *option = options; option; option = strchr(option, ',')) {
		size_t length;

		option += *option == ',';
		length = strcspn(option, ",");
		if (length < name_length || strncmp(option, name, name_length) != 0)
			continue;
		if (length == name_length || option[name_length] == '=') {
			*ret_value = option + name_length + (length > name_length);
			*ret_length = length - (size_t)(*ret_value - option);
			return true;
		}
	}
	return false;
}

int bfs_mount_option(const struct bfs_mount *mount, const char *name, char **ret_value)
{
	const char *value;
	size_t length;

	if (!find_option(mount->super_options, name, &value, &length) &&
		!find_option(mount->options, name, &value, &length))
		return -ENOENT;
	*ret_value = strndup(value, length);
	return *ret_value ? 0 : -ENOMEM;
}
