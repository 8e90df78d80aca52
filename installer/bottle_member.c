#include "installer/bottle_member.h"

#include "lib/path.h"

#include <string.h>
#include <sys/stat.h>

#define STEP "unpacking"

static int refuse(const char *path, const char *reason, struct bfs_error *error)
{
	return bfs_error_set(error, -EBADMSG, STEP, path, "%s", reason);
}

/* NAME/VERSION/a/b to "a/b". */
static int read_path(const char *raw, const char *keg, const char *subject, char **ret_path,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = strdup(raw);
	const char *below;
	size_t length;

	if (!path)
		return -ENOMEM;
	length = strlen(path);
	if (length > BFS_MEMBER_PATH_MAX)
		return refuse(subject, "the name is too long", error);
	/* A directory's name ends with a slash. */
	if (length > 1 && path[length - 1] == '/')
		path[length - 1] = '\0';
	if (!bfs_path_is_clean(path))
		return refuse(subject,
			"the name is absolute, or has a component that is empty, too "
			"long, \".\" or \"..\"",
			error);
	below = bfs_path_below(path, keg);
	if (!below)
		return bfs_error_set(
			error, -EBADMSG, STEP, subject, "it is outside the keg %s", keg);
	*ret_path = strdup(below);
	return *ret_path ? 0 : -ENOMEM;
}

static int read_hardlink(
	const char *raw, const char *keg, struct bfs_member *member, struct bfs_error *error)
{
	member->type = BFS_MEMBER_HARDLINK;
	if (!bfs_path_is_clean(raw) || !bfs_path_below(raw, keg))
		return bfs_error_set(error, -EBADMSG, STEP, member->path,
			"it is a hardlink to %s, which is outside the keg %s", raw, keg);
	return read_path(raw, keg, member->path, &member->link, error);
}

static int read_symlink(
	struct archive_entry *entry, struct bfs_member *member, struct bfs_error *error)
{
	const char *target = archive_entry_symlink(entry);

	member->type = BFS_MEMBER_SYMLINK;
	if (!target || !*target)
		return refuse(member->path, "it is a symlink without a target", error);
	if (strlen(target) > BFS_TARGET_MAX)
		return refuse(member->path, "the target of the symlink is too long", error);
	member->link = strdup(target);
	return member->link ? 0 : -ENOMEM;
}

static int read_type(struct archive_entry *entry, const char *keg, struct bfs_member *member,
	struct bfs_error *error)
{
	const char *hardlink = archive_entry_hardlink(entry);

	if (hardlink)
		return read_hardlink(hardlink, keg, member, error);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		member->type = BFS_MEMBER_FILE;
		return 0;
	case AE_IFDIR:
		member->type = BFS_MEMBER_DIRECTORY;
		return 0;
	case AE_IFLNK:
		return read_symlink(entry, member, error);
	default:
		return refuse(member->path,
			"it is neither a file nor a directory nor a link (a device, fifo or "
			"socket)",
			error);
	}
}

/* Times beyond what 64 bits of nanoseconds hold (the years 1677 to 2262) become the nearest that
 * fits. */
static int64_t read_mtime(struct archive_entry *entry)
{
	int64_t mtime, seconds = archive_entry_mtime(entry);
	long nanoseconds = archive_entry_mtime_nsec(entry);

	if (!archive_entry_mtime_is_set(entry))
		return 0;
	if (nanoseconds < 0 || nanoseconds > 999999999)
		nanoseconds = 0;
	if (__builtin_mul_overflow(seconds, 1000000000, &mtime) ||
		__builtin_add_overflow(mtime, nanoseconds, &mtime))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return mtime;
}

int bfs_member_read(struct archive_entry *entry, const char *keg, struct bfs_member *ret_member,
	struct bfs_error *error)
{
	const char *raw = archive_entry_pathname(entry);
	int r;

	if (!raw || !*raw)
		return refuse(NULL, "a member has no name", error);
	r = read_path(raw, keg, raw, &ret_member->path, error);
	if (r == 0)
		r = read_type(entry, keg, ret_member, error);
	if (r < 0)
		return r;
	if (*ret_member->path == '\0' && ret_member->type != BFS_MEMBER_DIRECTORY)
		return refuse(raw, "the keg itself is not a directory", error);
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) < 0)
		return refuse(raw, "its size is negative", error);
	ret_member->size = (uint64_t)archive_entry_size(entry);
	ret_member->mode = archive_entry_perm(entry) & 0777 & ~(mode_t)022;
	ret_member->mtime = read_mtime(entry);
	return 0;
}

void bfs_member_release(struct bfs_member *member)
{
	free(member->path);
	free(member->link);
	*member = (struct bfs_member)BFS_MEMBER_INIT;
}
