#include "index/content.h"

#include "index/cache.h"
#include "index/fetch.h"
#include "index/store.h"
#include "lib/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

/* Descriptors kept open: a small part of the usual soft limit of 1,024, which the daemon cannot count on raising. */
#define OPEN_FILES 128

/* A file of the store, a pack or an object, or the copy of one. */
struct open_file {
	struct bfs_digest digest;
	bool packed, executable;
	int fd;
	struct bfs_fetch *fetch;	/* of a copy that comes; it owns `fd` then */
	unsigned users;
	uint64_t used;		/* clock value of the last use */
	bool cached;		/* false: closed when its last user leaves */
};

struct bfs_content_reader {
	struct bfs_store *store;
	struct bfs_cache *cache;	/* both NULL without one */
	struct bfs_fetcher *fetcher;
	pthread_mutex_t lock;	/* protects everything below */
	uint64_t clock;
	struct open_file *files[OPEN_FILES];
	uint64_t open_hits, open_misses, store_opens;
};

int bfs_content_reader_new(struct bfs_store *store, struct bfs_content_reader **ret_reader)
{
	struct bfs_content_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return -ENOMEM;
	reader->store = store;
	pthread_mutex_init(&reader->lock, NULL);
	*ret_reader = reader;
	return 0;
}

int bfs_content_reader_use_cache(struct bfs_content_reader *reader, struct bfs_cache *cache)
{
	int r = bfs_fetcher_new(reader->store, cache, &reader->fetcher);

	if (r == 0)
		reader->cache = cache;
	return r;
}

bool bfs_content_reader_stop(struct bfs_content_reader *reader, unsigned timeout)
{
	return !reader || !reader->fetcher || bfs_fetcher_stop(reader->fetcher, timeout);
}

static void close_file(struct open_file *file)
{
	if (file->fetch)
		bfs_fetch_release(file->fetch);
	else
		close(file->fd);
	free(file);
}

void bfs_content_reader_free(struct bfs_content_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < OPEN_FILES; i++)
		if (reader->files[i])
			close_file(reader->files[i]);
	bfs_fetcher_free(reader->fetcher);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

static const struct bfs_digest *file_digest(const struct bfs_content *content)
{
	return content->packed ? &content->pack : &content->digest;
}

static bool is_file_of(const struct open_file *file, const struct bfs_content *content)
{
	return file->packed == content->packed &&
		(content->packed || file->executable == content->executable) &&
		bfs_digest_equal(&file->digest, file_digest(content));
}

/* With the lock held: the open file, one user more; or NULL. */
static struct open_file *find_file(struct bfs_content_reader *reader,
	const struct bfs_content *content)
{
	for (size_t i = 0; i < OPEN_FILES; i++) {
		struct open_file *file = reader->files[i];

		if (file && is_file_of(file, content)) {
			file->users++;
			file->used = ++reader->clock;
			return file;
		}
	}
	return NULL;
}

static int open_in_store(struct bfs_content_reader *reader, const struct bfs_content *content)
{
	char name[BFS_STORE_NAME_SIZE];
	int fd;

	if (content->packed)
		bfs_store_pack_name(&content->pack, name);
	else
		bfs_store_object_name(content, name);
	fd = bfs_store_open_file(reader->store, name, O_RDONLY | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&reader->lock);
	reader->store_opens++;
	pthread_mutex_unlock(&reader->lock);
	return fd;
}

/* The copy, whole or on its way; a negative errno where there is none and can be none. */
static int open_copy(struct bfs_content_reader *reader, const struct bfs_content *content,
	struct open_file *file)
{
	int r = bfs_cache_open(reader->cache, content, &file->fd);

	if (r == -ENOENT)
		r = bfs_fetch_begin(reader->fetcher, content, &file->fetch);
	if (r == 0 && file->fetch)
		file->fd = bfs_fetch_fd(file->fetch);
	return r;
}

static int open_file(struct bfs_content_reader *reader, const struct bfs_content *content,
	bool in_store, struct open_file **ret_file)
{
	struct open_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	if (in_store || !reader->cache || open_copy(reader, content, file) < 0)
		file->fd = open_in_store(reader, content);
	if (file->fd < 0) {
		int code = file->fd;

		free(file);
		return code;
	}
	file->digest = *file_digest(content);
	file->packed = content->packed;
	file->executable = content->executable;
	file->users = 1;
	*ret_file = file;
	return 0;
}

/* With the lock held: a slot that is free, or that of the unused file longest unused; -1 if all are in use. */
static int choose_slot(struct bfs_content_reader *reader)
{
	int oldest = -1;

	for (int i = 0; i < OPEN_FILES; i++) {
		struct open_file *file = reader->files[i];

		if (!file)
			return i;
		if (file->users == 0 && (oldest < 0 || file->used < reader->files[oldest]->used))
			oldest = i;
	}
	return oldest;
}

static void keep_file(struct bfs_content_reader *reader, struct open_file *file)
{
	struct open_file *evicted = NULL;
	int slot;

	pthread_mutex_lock(&reader->lock);
	slot = choose_slot(reader);
	if (slot >= 0) {
		evicted = reader->files[slot];
		reader->files[slot] = file;
		file->cached = true;
		file->used = ++reader->clock;
	}
	pthread_mutex_unlock(&reader->lock);
	if (evicted)
		close_file(evicted);
}

/* Closes the unused file longest unused; false where there is none. */
static bool evict(struct bfs_content_reader *reader)
{
	struct open_file *evicted = NULL;
	int oldest = -1;

	pthread_mutex_lock(&reader->lock);
	for (int i = 0; i < OPEN_FILES; i++) {
		struct open_file *file = reader->files[i];

		if (file && file->users == 0 &&
			(oldest < 0 || file->used < reader->files[oldest]->used))
			oldest = i;
	}
	if (oldest >= 0)
		evicted = bfs_steal(&reader->files[oldest]);
	pthread_mutex_unlock(&reader->lock);
	if (evicted)
		close_file(evicted);
	return evicted != NULL;
}

/* Where the process may not have as many files open as would be kept, fewer are kept. */
static int open_or_evict(struct bfs_content_reader *reader, const struct bfs_content *content,
	bool in_store, struct open_file **ret_file)
{
	int r;

	do
		r = open_file(reader, content, in_store, ret_file);
	while ((r == -EMFILE || r == -ENFILE) && evict(reader));
	return r;
}

/* A file that is open, one user more, or a newly opened one. */
static int use_file(struct bfs_content_reader *reader, const struct bfs_content *content,
	struct open_file **ret_file)
{
	struct open_file *file;
	int r;

	pthread_mutex_lock(&reader->lock);
	file = find_file(reader, content);
	if (file)
		reader->open_hits++;
	else
		reader->open_misses++;
	pthread_mutex_unlock(&reader->lock);
	if (!file) {
		r = open_or_evict(reader, content, false, &file);
		if (r < 0)
			return r;
		keep_file(reader, file);
	}
	*ret_file = file;
	return 0;
}

/* Closes it when its last user leaves. */
static void drop_file(struct bfs_content_reader *reader, struct open_file *file)
{
	pthread_mutex_lock(&reader->lock);
	for (size_t i = 0; i < OPEN_FILES; i++)
		if (reader->files[i] == file)
			reader->files[i] = NULL;
	file->cached = false;
	pthread_mutex_unlock(&reader->lock);
	bfs_content_close(reader, file);
}

/* A copy that cannot be had, for whatever reason, is none: the store itself is read. */
static int use_store(struct bfs_content_reader *reader, const struct bfs_content *content,
	struct open_file **file)
{
	int r;

	drop_file(reader, *file);
	r = open_or_evict(reader, content, true, file);
	if (r == 0)
		keep_file(reader, *file);
	return r;
}

int bfs_content_open(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t offset, size_t length, int *ret_fd, uint64_t *ret_position, void **ret_handle)
{
	uint64_t position = offset + (content->packed ? content->offset : 0);
	struct open_file *file;
	int r;

	if (content->size == 0)
		return -EINVAL;
	r = use_file(reader, content, &file);
	if (r == 0 && file->fetch && bfs_fetch_wait(file->fetch, position, length) < 0)
		r = use_store(reader, content, &file);
	if (r < 0)
		return r;
	*ret_fd = file->fd;
	*ret_position = position;
	*ret_handle = file;
	return 0;
}

void bfs_content_want(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t offset, uint64_t length)
{
	uint64_t position = offset + (content->packed ? content->offset : 0);
	struct open_file *file;

	if (offset >= content->size || use_file(reader, content, &file) < 0)
		return;
	if (length > content->size - offset)
		length = content->size - offset;
	if (file->fetch)
		bfs_fetch_want(reader->fetcher, content, position, length);
	else
		bfs_read_ahead(file->fd, position, length);
	bfs_content_close(reader, file);
}

int bfs_content_bring(struct bfs_content_reader *reader, const struct bfs_content *content,
	uint64_t *ret_bytes)
{
	struct bfs_fetch *fetch;
	int fd, r;

	if (!reader->cache)
		return -EINVAL;
	if (content->size == 0)
		return 0;
	if (bfs_cache_open(reader->cache, content, &fd) == 0) {
		close(fd);
		return 0;
	}
	r = bfs_fetch_begin(reader->fetcher, content, &fetch);
	if (r < 0)
		return r;
	r = bfs_fetch_finish(fetch);
	if (r == 0)
		*ret_bytes = bfs_fetch_size(fetch);
	bfs_fetch_release(fetch);
	return r < 0 ? r : 1;
}

void bfs_content_reader_get_counts(
	struct bfs_content_reader *reader, struct bfs_content_counts *ret_counts)
{
	struct bfs_cache_counts cache = {0};
	struct bfs_fetch_counts fetch = {0};

	if (reader->cache)
		bfs_cache_get_counts(reader->cache, &cache);
	if (reader->fetcher)
		bfs_fetcher_get_counts(reader->fetcher, &fetch);
	pthread_mutex_lock(&reader->lock);
	*ret_counts = (struct bfs_content_counts){reader->open_hits, reader->open_misses,
		reader->store_opens, cache.hits, cache.misses, cache.damaged, cache.kept,
		cache.evicted, fetch.reads, fetch.bytes, fetch.completed, fetch.failed,
		fetch.under_way};
	pthread_mutex_unlock(&reader->lock);
}

void bfs_content_close(struct bfs_content_reader *reader, void *handle)
{
	struct open_file *file = handle;
	bool unused;

	pthread_mutex_lock(&reader->lock);
	file->users--;
	unused = !file->cached && file->users == 0;
	pthread_mutex_unlock(&reader->lock);
	if (unused)
		close_file(file);
}

ssize_t bfs_content_read(struct bfs_content_reader *reader, const struct bfs_content *content,
	void *ret_data, size_t length, uint64_t offset)
{
	uint64_t start;
	void *handle;
	int fd, r;

	if (offset >= content->size)
		return 0;
	if (length > content->size - offset)
		length = content->size - offset;
	r = bfs_content_open(reader, content, offset, length, &fd, &start, &handle);
	if (r < 0)
		return r;
	r = bfs_pread_all(fd, ret_data, length, start);
	bfs_content_close(reader, handle);
	if (r < 0)
		return r == -ENODATA ? -EIO : r;
	return (ssize_t)length;
}

int bfs_content_load(struct bfs_content_reader *reader, const struct bfs_content *content,
	size_t limit, struct bfs_buffer *buffer, struct bfs_error *error)
{
	char hex[BFS_DIGEST_HEX_SIZE];
	struct bfs_digest digest;
	ssize_t n;
	int r;

	bfs_digest_to_hex(&content->digest, hex);
	if (content->size > limit)
		return bfs_error_set(error, -EFBIG, "reading the content", hex, NULL);
	r = bfs_buffer_reserve(buffer, content->size);
	if (r < 0)
		return bfs_error_set(error, r, "reading the content", hex, NULL);
	n = bfs_content_read(reader, content, buffer->data + buffer->length, content->size, 0);
	r = n < 0 ? (int)n : bfs_digest_of(buffer->data + buffer->length, content->size, &digest);
	if (r < 0)
		return bfs_error_set(error, r, "reading the content", hex, NULL);
	if (!bfs_digest_equal(&digest, &content->digest))
		return bfs_error_set(error, -EBADMSG, "reading the content", hex,
			"its SHA-256 differs: the store is damaged");
	buffer->length += content->size;
	buffer->data[buffer->length] = '\0';
	return 0;
}
