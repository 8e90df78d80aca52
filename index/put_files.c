#include "index/put_files.h"

#include "lib/file.h"
#include "lib/workers.h"

#include <string.h>

/* Up to here a file is read into memory; beyond it goes through a file in the store's staging. */
#define MEMORY_LIMIT (4 * 1024 * 1024)

/* Below this a second thread is not worth a second pack, in bytes; a file counts for some itself.
 */
#define SHARE	  (2 * 1024 * 1024)
#define FILE_COST 4096

int bfs_put_files_add(struct bfs_put_files *files, uint64_t id, uint64_t size, mode_t mode)
{
	if (files->count == files->capacity) {
		size_t capacity = files->capacity ? files->capacity * 2 : 64;
		struct bfs_put_file *grown =
			reallocarray(files->files, capacity, sizeof(*files->files));

		if (!grown)
			return -ENOMEM;
		files->files = grown;
		files->capacity = capacity;
	}
	files->files[files->count++] = (struct bfs_put_file){id, size, mode, 0};
	return 0;
}

void bfs_put_files_release(struct bfs_put_files *files)
{
	free(files->files);
	*files = (struct bfs_put_files){0};
}

/* --- writers --- */

static unsigned count_writers(const struct bfs_put_files *files)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t limit = processors < 1			    ? 1
			 : processors > BFS_PUT_WRITERS_MAX ? BFS_PUT_WRITERS_MAX
							    : (uint64_t)processors;
	uint64_t cost = 0;

	for (size_t i = 0; i < files->count; i++)
		cost += files->files[i].size + FILE_COST;
	return (unsigned)(cost / SHARE + 1 < limit ? cost / SHARE + 1 : limit);
}

int bfs_put_writers_make(struct bfs_put_writers *writers, struct bfs_store *store,
	const char *base_path, const struct bfs_put_files *files, struct bfs_error *error)
{
	unsigned count = count_writers(files);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		struct bfs_put_writer *writer = &writers->writers[writers->count++];

		*writer = (struct bfs_put_writer){0};
		if (base_path)
			r = bfs_tree_open(base_path, BFS_TREE_READ, &writer->base, error);
		if (r == 0)
			r = bfs_writer_new(store, writer->base, &writer->writer, error);
	}
	return r;
}

int bfs_put_writers_commit(struct bfs_put_writers *writers, struct bfs_tree *tree, uint64_t *bytes,
	struct bfs_error *error)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < writers->count; i++) {
		struct bfs_writer_counts counts;

		r = bfs_writer_commit(writers->writers[i].writer, &tree, 1, error);
		bfs_writer_get_counts(writers->writers[i].writer, &counts);
		*bytes += counts.bytes;
	}
	return r;
}

void bfs_put_writers_release(struct bfs_put_writers *writers)
{
	for (unsigned i = 0; i < writers->count; i++) {
		bfs_writer_free(writers->writers[i].writer);
		bfs_tree_close(writers->writers[i].base);
	}
	writers->count = 0;
}

/* --- who puts what --- */

static int compare_sizes(const void *first, const void *second)
{
	const struct bfs_put_file *a = first, *b = second;

	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/*
 * Files of one size go to one writer, which finds out that some are equal; the largest first, to
 * who has least to do.
 */
static void distribute(struct bfs_put_files *files, unsigned writers)
{
	uint64_t load[BFS_PUT_WRITERS_MAX] = {0};
	unsigned least = 0;

	qsort(files->files, files->count, sizeof(*files->files), compare_sizes);
	for (size_t i = 0; i < files->count; i++) {
		struct bfs_put_file *file = &files->files[i];

		if (i == 0 || file[-1].size != file->size)
			for (unsigned w = least = 0; w < writers; w++)
				least = load[w] < load[least] ? w : least;
		file->writer = least;
		load[least] += file->size + FILE_COST;
	}
}

/* --- one file --- */

struct share {
	const struct bfs_put_source *source;
	const struct bfs_put_files *files;
	const struct bfs_put_writer *writer;
	unsigned number;
	struct bfs_error error;
};

static int put_small(
	struct share *share, int fd, size_t size, mode_t mode, struct bfs_content *ret_content)
{
	_cleanup_free_ char *data = malloc(size + 1);
	int r = data ? bfs_pread_all(fd, data, size, 0) : -ENOMEM;

	return r < 0 ? r
		     : bfs_writer_add(
			       share->writer->writer, data, size, mode, ret_content, &share->error);
}

/* 1 where the base has it already. */
static int find_big(struct share *share, int fd, mode_t mode, struct bfs_content *ret_content)
{
	struct bfs_digest digest;
	uint64_t size;
	int r;

	if (!share->writer->base)
		return 0;
	r = bfs_digest_of_fd(fd, &digest, &size);
	if (r == 0)
		r = bfs_tree_find_content(
			share->writer->base, &digest, (mode & 0111) != 0, ret_content);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

static int put_big(
	struct share *share, int fd, uint64_t size, mode_t mode, struct bfs_content *ret_content)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int staged = -1;
	int r = find_big(share, fd, mode, ret_content);

	if (r != 0)
		return r < 0 ? r : 0;
	r = bfs_writer_stage(share->writer->writer, &staged, &name, &share->error);
	if (r == 0)
		r = bfs_copy_range(fd, staged, size);
	if (r < 0)
		return r;
	return bfs_writer_add_staged(share->writer->writer, bfs_steal_fd(&staged), name, mode,
		ret_content, &share->error);
}

static int put_local(struct share *share, int fd, mode_t mode, struct bfs_content *ret_content)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= MEMORY_LIMIT)
		return put_small(share, fd, (size_t)st.st_size, mode, ret_content);
	return put_big(share, fd, (uint64_t)st.st_size, mode, ret_content);
}

/* Copies a stored content piece by piece: the other variant of an object. */
static int copy_stored(struct share *share, const struct bfs_content *content, int fd)
{
	size_t length = 1024 * 1024;
	_cleanup_free_ char *piece = malloc(length);
	uint64_t offset = 0;

	if (!piece)
		return -ENOMEM;
	while (offset < content->size) {
		ssize_t n = bfs_content_read(share->source->reader, content, piece, length, offset);
		int r = n < 0 ? (int)n : n == 0 ? -EIO : bfs_write_all(fd, piece, (size_t)n);

		if (r < 0)
			return r;
		offset += (uint64_t)n;
	}
	return 0;
}

static int put_stored(struct share *share, const struct bfs_content *content, mode_t mode,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int staged = -1;
	int r;

	if (share->writer->base) {
		r = bfs_tree_find_content(
			share->writer->base, &content->digest, (mode & 0111) != 0, ret_content);
		if (r != -ENOENT)
			return r;
	}
	r = bfs_writer_stage(share->writer->writer, &staged, &name, &share->error);
	if (r == 0)
		r = copy_stored(share, content, staged);
	if (r < 0)
		return r;
	return bfs_writer_add_staged(share->writer->writer, bfs_steal_fd(&staged), name, mode,
		ret_content, &share->error);
}

static int put_data(struct share *share, const struct bfs_put_file *file, struct bfs_put_data *data)
{
	struct bfs_content content;
	int r;

	if (data->fd >= 0)
		r = put_local(share, data->fd, file->mode, &content);
	else
		r = put_stored(share, &data->content, file->mode, &content);
	return r == 0 ? share->source->placed(
				share->source->context, file, data, &content, &share->error)
		      : r;
}

static int put_file(struct share *share, const struct bfs_put_file *file)
{
	const struct bfs_put_source *source = share->source;
	struct bfs_put_data data = {.fd = -1};
	int r = source->open(source->context, file, &data, &share->error);

	if (r <= 0)
		return r;
	r = put_data(share, file, &data);
	source->close(source->context, &data);
	return r;
}

static int put_share(void *context)
{
	struct share *share = context;
	int r = 0;

	for (size_t i = 0; r == 0 && i < share->files->count; i++)
		if (share->files->files[i].writer == share->number)
			r = put_file(share, &share->files->files[i]);
	return r < 0 ? bfs_error_set(&share->error, r, "putting files into the store", NULL, NULL)
		     : 0;
}

/* --- all --- */

static int run_shares(struct share *shares, unsigned count)
{
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	int r, waited;

	if (count == 1)
		return put_share(&shares[0]);
	r = bfs_workers_new(count, &workers);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < count; i++)
		r = bfs_workers_submit(workers, put_share, &shares[i]);
	waited = bfs_workers_wait(workers);
	return r < 0 ? r : waited;
}

/* The first message there is. */
static void take_error(struct bfs_error *from, struct bfs_error *error)
{
	if (error && !error->message) {
		error->code = from->code;
		error->message = bfs_steal(&from->message);
	}
	bfs_error_clear(from);
}

int bfs_put_files_run(struct bfs_put_files *files, const struct bfs_put_source *source,
	const struct bfs_put_writers *writers, struct bfs_error *error)
{
	struct share shares[BFS_PUT_WRITERS_MAX];
	int r;

	if (files->count == 0)
		return 0;
	distribute(files, writers->count);
	for (unsigned i = 0; i < writers->count; i++)
		shares[i] = (struct share){source, files, &writers->writers[i], i, BFS_ERROR_INIT};
	r = run_shares(shares, writers->count);
	for (unsigned i = 0; i < writers->count; i++)
		take_error(&shares[i].error, error);
	return r;
}
