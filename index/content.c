#include "index/content.h"

#include "index/store.h"
#include "lib/file.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>

/* Descriptors kept open: a small part of the usual soft limit of 1,024, which the daemon cannot count on raising. */
#define OPEN_FILES 128

/* A file of the store: a pack or an object. */
struct open_file {
	struct bfs_digest digest;
	bool packed, executable;
	int fd;			/* -1: a free slot */
	unsigned users;
	uint64_t used;		/* clock value of the last use */
	bool cached;		/* false: closed when its last user leaves */
};

struct bfs_content_reader {
	struct bfs_store *store;
	pthread_mutex_t lock;	/* protects everything below */
	uint64_t clock;
	struct open_file *files[OPEN_FILES];
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

static void close_file(struct open_file *file)
{
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

static int open_file(struct bfs_content_reader *reader, const struct bfs_content *content,
	struct open_file **ret_file)
{
	char name[BFS_STORE_NAME_SIZE];
	struct open_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	if (content->packed)
		bfs_store_pack_name(&content->pack, name);
	else
		bfs_store_object_name(content, name);
	file->fd = openat(bfs_store_fd(reader->store), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file->fd < 0) {
		int code = -errno;

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
	struct open_file **ret_file)
{
	int r;

	do
		r = open_file(reader, content, ret_file);
	while ((r == -EMFILE || r == -ENFILE) && evict(reader));
	return r;
}

int bfs_content_open(struct bfs_content_reader *reader, const struct bfs_content *content,
	int *ret_fd, uint64_t *ret_offset, void **ret_handle)
{
	struct open_file *file;
	int r;

	if (content->size == 0)
		return -EINVAL;
	pthread_mutex_lock(&reader->lock);
	file = find_file(reader, content);
	pthread_mutex_unlock(&reader->lock);
	if (!file) {
		r = open_or_evict(reader, content, &file);
		if (r < 0)
			return r;
		keep_file(reader, file);
	}
	*ret_fd = file->fd;
	*ret_offset = content->packed ? content->offset : 0;
	*ret_handle = file;
	return 0;
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
	r = bfs_content_open(reader, content, &fd, &start, &handle);
	if (r < 0)
		return r;
	r = bfs_pread_all(fd, ret_data, length, start + offset);
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
