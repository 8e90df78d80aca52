#include "index/check_file.h"

#include "lib/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static void __attribute__((format(printf, 4, 5))) add_problem(struct bfs_check_file *file,
	const char *what, enum bfs_check_scope scope, const char *format, ...)
{
	struct bfs_check_problem *problem = &file->problems[file->problem_count];
	va_list args;

	if (file->problem_count == BFS_ARRAY_LENGTH(file->problems))
		return;
	file->problem_count++;
	problem->what = what;
	problem->scope = scope;
	va_start(args, format);
	vsnprintf(problem->detail, sizeof(problem->detail), format, args);
	va_end(args);
}

void bfs_check_file_release(struct bfs_check_file *file)
{
	free(bfs_steal(&file->entries));
	free(bfs_steal(&file->damaged));
}

static void add_unreadable(struct bfs_check_file *file, int code)
{
	if (code == -ENOENT)
		add_problem(file, "file-missing", BFS_CHECK_ALL_CONTENT, "it is missing");
	else if (code == -ELOOP)
		add_problem(file, "file-type", BFS_CHECK_ALL_CONTENT, "it is a symbolic link");
	else
		add_problem(file, "file-unreadable", BFS_CHECK_ALL_CONTENT, "it cannot be read: %s",
			strerror(-code));
}

static void check_mode(struct bfs_check_file *file, mode_t mode)
{
	mode_t expected = file->file.kind == BFS_FILE_EXECUTABLE ? 0555 : 0444;

	if ((mode & 07777) != expected)
		add_problem(file, "file-mode", BFS_CHECK_NO_CONTENT, "its mode is %04o, not %04o",
			mode & 07777, expected);
}

/* Opens the file and looks at it from outside. -1: something is wrong that makes reading it
 * useless. */
static int open_file(struct bfs_check_file *file, uint64_t *ret_size)
{
	char name[BFS_STORE_NAME_SIZE];
	_cleanup_close_ int fd = -1;
	struct stat st;

	/* What is no file might block, or act, when it is opened for reading. */
	fd = bfs_store_open_file(file->store, bfs_file_name(&file->file, name),
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		add_unreadable(file, fd < 0 ? fd : -errno);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		add_problem(file, "file-type", BFS_CHECK_ALL_CONTENT, "it is no regular file");
		return -1;
	}
	check_mode(file, st.st_mode);
	*ret_size = (uint64_t)st.st_size;
	return bfs_steal_fd(&fd);
}

/* 1 if the file's digest is its name, 0 if not; a file that cannot be read to its end is a problem.
 */
static int check_digest(struct bfs_check_file *file, int fd)
{
	struct bfs_digest digest;
	uint64_t size;
	int r = bfs_digest_of_fd(fd, &digest, &size);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		add_unreadable(file, r);
		return 1;
	}
	file->bytes += size;
	return bfs_digest_equal(&digest, &file->file.digest);
}

static int check_object(struct bfs_check_file *file)
{
	uint64_t size;
	_cleanup_close_ int fd = open_file(file, &size);
	int r;

	if (fd < 0)
		return 0;
	if (size != file->file.size) {
		add_problem(file, "file-size", BFS_CHECK_ALL_CONTENT,
			"it has %" PRIu64 " bytes, not %" PRIu64, size, file->file.size);
		return 0;
	}
	if (file->quick)
		return 0;
	r = check_digest(file, fd);
	if (r == 0)
		add_problem(
			file, "file-digest", BFS_CHECK_ALL_CONTENT, "its SHA-256 is not its name");
	return r < 0 ? r : 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct bfs_pack_entry *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->digest.bytes, y->digest.bytes, BFS_DIGEST_SIZE);
}

/* Whether all that the indexes place in the pack is in its own footer, in the same place. */
static int check_footer(struct bfs_check_file *file, int fd, uint64_t size)
{
	_cleanup_free_ struct bfs_pack_entry *footer = NULL;
	size_t count = 0, absent = 0;
	int r = bfs_pack_read_footer(fd, size, &footer, &count);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		add_problem(file, "pack-footer", BFS_CHECK_DAMAGED_CONTENT,
			"it has no valid footer: %s", strerror(-r));
		return 0;
	}
	qsort(footer, count, sizeof(*footer), compare_entries);
	for (size_t i = 0; i < file->count; i++)
		absent += !bsearch(
			&file->entries[i], footer, count, sizeof(*footer), compare_entries);
	if (absent)
		add_problem(file, "pack-footer", BFS_CHECK_DAMAGED_CONTENT,
			"%zu of %zu contents that indexes place in it are not in its footer",
			absent, file->count);
	return 0;
}

static int check_entry(const struct bfs_check_file *file, const struct bfs_pack_entry *entry,
	int fd, uint64_t size, void *block, bool *ret_damaged)
{
	struct bfs_digest digest;
	int r;

	*ret_damaged = true;
	if (entry->size > BFS_CONTENT_PACK_LIMIT || entry->offset > size ||
		entry->size > size - entry->offset)
		return 0;
	if (file->quick) {
		*ret_damaged = false;
		return 0;
	}
	r = bfs_pread_all(fd, block, entry->size, entry->offset);
	if (r == 0)
		r = bfs_digest_of(block, entry->size, &digest);
	if (r == 0)
		*ret_damaged = !bfs_digest_equal(&digest, &entry->digest);
	return r == -ENOMEM ? r : 0;
}

/* Marks the contents that do not read as their digests say. */
static int check_entries(struct bfs_check_file *file, int fd, uint64_t size, size_t *ret_damaged)
{
	_cleanup_free_ void *block = malloc(BFS_CONTENT_PACK_LIMIT);
	int r = block ? 0 : -ENOMEM;

	*ret_damaged = 0;
	for (size_t i = 0; r == 0 && i < file->count; i++) {
		r = check_entry(file, &file->entries[i], fd, size, block, &file->damaged[i]);
		*ret_damaged += r == 0 && file->damaged[i];
	}
	return r;
}

static int check_pack(struct bfs_check_file *file)
{
	uint64_t size;
	_cleanup_close_ int fd = open_file(file, &size);
	size_t damaged = 0;
	int r, matches = 1;

	if (fd < 0)
		return 0;
	file->damaged = calloc(file->count + 1, sizeof(*file->damaged));
	if (!file->damaged)
		return -ENOMEM;
	if (!file->quick)
		matches = check_digest(file, fd);
	r = matches < 0 ? matches : check_entries(file, fd, size, &damaged);
	if (r < 0)
		return r;
	if (!matches)
		add_problem(file, "file-digest", BFS_CHECK_DAMAGED_CONTENT,
			"its SHA-256 is not its name; %zu of %zu contents are damaged", damaged,
			file->count);
	else if (damaged)
		add_problem(file, "pack-content", BFS_CHECK_DAMAGED_CONTENT,
			"%zu of %zu contents are not where indexes place them", damaged,
			file->count);
	return check_footer(file, fd, size);
}

int bfs_check_file_run(struct bfs_check_file *file)
{
	return file->file.kind == BFS_FILE_PACK ? check_pack(file) : check_object(file);
}
