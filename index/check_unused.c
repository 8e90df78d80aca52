#include "index/check_unused.h"

#include "index/put.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>

/* What is looked for in one directory. */
struct place {
	struct bfs_check_store *store_check;
	struct bfs_references *references;
	const char *directory; /* relative to the store */
	int (*look)(struct place *place, int fd, const char *name);
};

static void count_unused(struct place *place, int fd, const char *name)
{
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	place->store_check->unused_files++;
	place->store_check->unused_bytes += (uint64_t)st.st_size;
}

/* What has no name yet is in use, or left by a writer that was killed. */
static bool look_at_staged(struct place *place, int fd, const char *name)
{
	int garbage = bfs_put_is_garbage(place->store_check->store, name);

	if (garbage > 0)
		count_unused(place, fd, name);
	return garbage >= 0;
}

static int for_each_entry(struct place *place)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = 0, fd = openat(bfs_store_fd(place->store_check->store), place->directory,
			   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir) {
		int code = errno;

		if (fd >= 0)
			close(fd);
		bfs_check_add(place->store_check->check, BFS_CHECK_PROBLEM, "store-directory",
			place->directory, "it cannot be listed: %s", strerror(code));
		return 0;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!look_at_staged(place, dirfd(dir), entry->d_name))
			r = place->look(place, dirfd(dir), entry->d_name);
	}
	return r;
}

static int note_foreign(struct place *place, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", place->directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	bfs_check_add(place->store_check->check, BFS_CHECK_NOTE, "foreign", path,
		"it is no file of a store");
	return 0;
}

/* The digest in a name that is 64 digits and one of two endings. */
static bool parse_name(const char *name, const char *ending, struct bfs_digest *ret_digest)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	if (strlen(name) != BFS_DIGEST_HEX_SIZE - 1 + strlen(ending) ||
		strcmp(name + BFS_DIGEST_HEX_SIZE - 1, ending) != 0)
		return false;
	memcpy(hex, name, BFS_DIGEST_HEX_SIZE - 1);
	hex[BFS_DIGEST_HEX_SIZE - 1] = '\0';
	return bfs_digest_from_hex(hex, ret_digest) == 0;
}

static int look_at_file(struct place *place, int fd, const char *name, enum bfs_file_kind kind,
	const struct bfs_digest *digest)
{
	struct bfs_file file = {.kind = kind, .digest = *digest};
	char expected[BFS_STORE_NAME_SIZE];
	int r = bfs_references_has(place->references, kind, digest);

	if (r < 0)
		return r;
	/* Also what has the right form, but the wrong place or capital digits. */
	bfs_file_name(&file, expected);
	if (strncmp(expected, place->directory, strlen(place->directory)) != 0 ||
		strcmp(strrchr(expected, '/') + 1, name) != 0)
		return note_foreign(place, name);
	if (r == 0)
		count_unused(place, fd, name);
	return 0;
}

static int look_at_object(struct place *place, int fd, const char *name)
{
	struct bfs_digest digest;

	if (parse_name(name, "", &digest))
		return look_at_file(place, fd, name, BFS_FILE_OBJECT, &digest);
	if (parse_name(name, ".x", &digest))
		return look_at_file(place, fd, name, BFS_FILE_EXECUTABLE, &digest);
	return note_foreign(place, name);
}

static int look_at_pack(struct place *place, int fd, const char *name)
{
	struct bfs_digest digest;

	if (!parse_name(name, ".pack", &digest))
		return note_foreign(place, name);
	return look_at_file(place, fd, name, BFS_FILE_PACK, &digest);
}

static int look_at_index(struct place *place, int fd, const char *name)
{
	struct bfs_digest digest;

	if (parse_name(name, ".sqlite", &digest))
		return look_at_file(place, fd, name, BFS_FILE_INDEX, &digest);
	if (parse_name(name, ".delta", &digest))
		return look_at_file(place, fd, name, BFS_FILE_DELTA, &digest);
	return note_foreign(place, name);
}

static int look_at_object_directory(struct place *place, int fd, const char *name)
{
	char path[32];
	struct place inside = *place;

	(void)fd;
	if (strlen(name) != 2 || strspn(name, "0123456789abcdef") != 2)
		return note_foreign(place, name);
	snprintf(path, sizeof(path), "objects/%s", name);
	inside.directory = path;
	inside.look = look_at_object;
	return for_each_entry(&inside);
}

static int look_at_staging(struct place *place, int fd, const char *name)
{
	(void)fd, (void)name;
	place->store_check->staging++;
	return 0;
}

int bfs_check_unused(struct bfs_check_store *store_check, struct bfs_references *references)
{
	struct place places[] = {
		{store_check, references, "objects", look_at_object_directory},
		{store_check, references, "packs", look_at_pack},
		{store_check, references, "indexes", look_at_index},
		{store_check, references, "staging", look_at_staging},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(places); i++)
		r = for_each_entry(&places[i]);
	return r;
}
