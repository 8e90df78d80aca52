/*
 * A directory of its own under $TMPDIR for stores, with its cache beside it, for the C tests of
 * index/.
 */
#ifndef BFS_TESTS_INDEX_STORE_FIXTURE_H
#define BFS_TESTS_INDEX_STORE_FIXTURE_H

#include "index/publish.h"
#include "index/tree_path.h"
#include "index/writer.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define REF "x86_64_linux"

static char fixture_directory[256];

static inline __attribute__((unused)) void fixture_begin(void)
{
	const char *parent = getenv("TMPDIR");
	const char *usual =
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* fsync(2) is free */
	char cache[300];

	snprintf(fixture_directory, sizeof(fixture_directory), "%s/brewfs-test.XXXXXX",
		parent && *parent ? parent : usual);
	if (!mkdtemp(fixture_directory)) {
		perror("mkdtemp");
		exit(1);
	}
	snprintf(cache, sizeof(cache), "%s/cache", fixture_directory);
	setenv("BREWFS_CACHE", cache, 1);
}

static inline __attribute__((unused)) void fixture_end(void)
{
	bfs_remove_tree(AT_FDCWD, fixture_directory);
}

/* A path in the fixture; one of eight buffers, used in turn. */
static inline __attribute__((unused, format(printf, 1, 2))) const char *fixture_path(
	const char *format, ...)
{
	static char buffers[8][512];
	static unsigned next;
	char *buffer = buffers[next++ % 8];
	int length = snprintf(buffer, sizeof(buffers[0]), "%s/", fixture_directory);
	va_list args;

	va_start(args, format);
	vsnprintf(buffer + length, sizeof(buffers[0]) - (size_t)length, format, args);
	va_end(args);
	return buffer;
}

/* `size` bytes that depend on the seed, and do not repeat. */
static inline __attribute__((unused)) char *fixture_bytes(size_t size, uint64_t seed)
{
	char *bytes = malloc(size + 1);
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; bytes && i < size; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = (char)state;
	}
	return bytes;
}

/* Writes a file into the tree, with its parent directories; the content's place in `ret_content`,
 * if not NULL. */
static inline __attribute__((unused)) int fixture_write(struct bfs_writer *writer,
	struct bfs_tree *tree, const char *path, mode_t mode, const void *data, size_t size,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *parent = strdup(path);
	struct bfs_attributes attributes;
	struct bfs_content content;
	char *slash = strrchr(parent, '/');
	int r;

	if (slash)
		*slash = '\0';
	r = slash ? bfs_tree_make_directories(tree, parent, &attributes) : 0;
	if (r == 0)
		r = bfs_writer_add(writer, data, size, mode, &content, NULL);
	if (r == 0)
		r = bfs_tree_write_path(tree, path, mode, 1000, &content);
	if (r == 0 && ret_content)
		*ret_content = content;
	return r;
}

/* The number of entries in a directory of the fixture, "." and ".." and lock files not counted; -1
 * if there is none. */
static inline __attribute__((unused)) int fixture_count(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

#endif
