#include "index/writer.h"

#include "index/known.h"
#include "index/pack.h"
#include "index/put.h"
#include "lib/file.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* Puts under way at once in one of several writers: enough to hide 3 ms a round trip behind the
 * bandwidth. */
#define PUT_THREADS 16

/* A file under staging/ on its way to its name. */
struct staged_file {
	struct bfs_writer *writer;
	struct bfs_content content; /* of an object */
	bool is_pack;
	struct bfs_digest provisional; /* of a pack, until commit */
	char *staged; /* name under the store; NULL: not made yet, there already, or named */
	uint64_t size;
	int fd;	    /* of an object staged by the caller, to be synced; else -1 */
	void *data; /* of an object in memory, freed once written */
	struct staged_file *next;
};

struct bfs_writer {
	struct bfs_store *store;
	struct bfs_tree *base;
	bool staging; /* the store's staging directory is held */
	struct bfs_known known;
	struct bfs_pack_writer *pack;  /* the open one, or NULL */
	struct staged_file *pack_file; /* its entry in `files` */
	struct staged_file *files;     /* not committed yet */
	struct bfs_writer_counts counts;
	struct bfs_workers *workers;
	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t room;
	size_t in_flight;	  /* bytes of contents held for workers */
	struct bfs_error failure; /* the first of a worker */
};

int bfs_writer_new(struct bfs_store *store, struct bfs_tree *base, struct bfs_writer **ret_writer,
	struct bfs_error *error)
{
	_cleanup_writer_ struct bfs_writer *writer = calloc(1, sizeof(*writer));
	int r;

	if (!writer)
		return -ENOMEM;
	writer->store = store;
	writer->base = base;
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->room, NULL);
	r = bfs_workers_new(PUT_THREADS, &writer->workers);
	if (r == 0)
		r = bfs_put_begin(store);
	if (r < 0)
		return bfs_error_set(
			error, r, "preparing to write into the store", bfs_store_path(store), NULL);
	writer->staging = true;
	*ret_writer = bfs_steal(&writer);
	return 0;
}

static void free_file(struct staged_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	free(file->staged);
	free(file->data);
	free(file);
}

/* What still has a staged name was not committed. */
static void free_files(struct bfs_writer *writer)
{
	while (writer->files) {
		struct staged_file *file = writer->files;

		writer->files = file->next;
		if (file->staged)
			unlinkat(bfs_store_fd(writer->store), file->staged, 0);
		free_file(file);
	}
}

void bfs_writer_free(struct bfs_writer *writer)
{
	if (!writer)
		return;
	bfs_workers_free(writer->workers);
	bfs_pack_writer_free(writer->pack);
	free_files(writer);
	if (writer->staging)
		bfs_put_end(writer->store);
	bfs_known_release(&writer->known);
	bfs_error_clear(&writer->failure);
	pthread_cond_destroy(&writer->room);
	pthread_mutex_destroy(&writer->lock);
	free(writer);
}

static int new_file(struct bfs_writer *writer, struct staged_file **ret_file)
{
	struct staged_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->writer = writer;
	file->fd = -1;
	file->next = writer->files;
	writer->files = file;
	*ret_file = file;
	return 0;
}

int bfs_writer_stage(
	struct bfs_writer *writer, int *ret_fd, char **ret_name, struct bfs_error *error)
{
	int r = bfs_put_stage(writer->store, "staging/", 0600, ret_fd, ret_name);

	return r < 0 ? bfs_error_set(
			       error, r, "staging a file", bfs_store_path(writer->store), NULL)
		     : 0;
}

/* The content from this writer or the base, if one of them has it. */
static int find(struct bfs_writer *writer, const struct bfs_digest *digest, bool executable,
	struct bfs_content *ret_content)
{
	const struct bfs_content *known = bfs_known_find(&writer->known, digest, executable);
	int r;

	if (known) {
		*ret_content = *known;
		return 0;
	}
	if (!writer->base)
		return -ENOENT;
	r = bfs_tree_find_content(writer->base, digest, executable, ret_content);
	return r == 0 ? bfs_known_add(&writer->known, ret_content) : r;
}

static int finish_pack(struct bfs_writer *writer)
{
	struct staged_file *file = writer->pack_file;
	struct bfs_digest name;
	int r = bfs_pack_writer_finish(writer->pack, &name, &file->size);

	bfs_pack_writer_free(bfs_steal(&writer->pack));
	writer->pack_file = NULL;
	if (r == 0)
		file->content.pack = name;
	writer->counts.bytes += file->size;
	return r;
}

static int start_pack(struct bfs_writer *writer)
{
	struct staged_file *file;
	int fd, r = new_file(writer, &file);

	if (r < 0)
		return r;
	file->is_pack = true;
	if (getrandom(file->provisional.bytes, BFS_DIGEST_SIZE, 0) != BFS_DIGEST_SIZE)
		return -EIO;
	r = bfs_put_stage(writer->store, "packs/", 0444, &fd, &file->staged);
	if (r == 0)
		r = bfs_pack_writer_new(fd, &writer->pack);
	if (r == 0)
		writer->pack_file = file;
	return r;
}

static int add_to_pack(struct bfs_writer *writer, const void *data, struct bfs_content *content)
{
	int r = 0;

	if (!writer->pack)
		r = start_pack(writer);
	if (r == 0)
		r = bfs_pack_writer_add(
			writer->pack, data, content->size, &content->digest, &content->offset);
	if (r < 0)
		return r;
	content->packed = true;
	content->executable = false;
	content->pack = writer->pack_file->provisional;
	if (bfs_pack_writer_size(writer->pack) >= BFS_PACK_SIZE)
		r = finish_pack(writer);
	return r;
}

static mode_t object_mode(const struct bfs_content *content)
{
	return content->executable ? 0555 : 0444;
}

static int write_object(struct staged_file *file, const char *name)
{
	_cleanup_close_ int fd = bfs_steal_fd(&file->fd);
	int r = 0;

	if (fd >= 0) /* the caller has written it */
		r = fchmod(fd, object_mode(&file->content)) < 0 ? -errno : 0;
	else
		r = bfs_put_stage(
			file->writer->store, name, object_mode(&file->content), &fd, &file->staged);
	if (r == 0 && file->data)
		r = bfs_write_all(fd, file->data, file->size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (fd >= 0 && close(bfs_steal_fd(&fd)) < 0 && r == 0) /* NFS reports failed writes here */
		r = -errno;
	return r;
}

/* A worker's job: writes and syncs the object, unless the store has it. */
static int put_object(void *context)
{
	struct staged_file *file = context;
	struct bfs_writer *writer = file->writer;
	char name[BFS_STORE_NAME_SIZE];
	int r = 0;

	bfs_store_object_name(&file->content, name);
	if (bfs_put_exists(writer->store, name, file->size)) {
		if (file->staged)
			unlinkat(bfs_store_fd(writer->store), file->staged, 0);
		free(bfs_steal(&file->staged));
	} else {
		r = write_object(file, name);
	}
	pthread_mutex_lock(&writer->lock);
	if (r < 0)
		bfs_error_set(&writer->failure, r, "writing into the store", name, NULL);
	if (file->data) {
		writer->in_flight -= file->size;
		free(bfs_steal(&file->data));
	}
	pthread_cond_broadcast(&writer->room);
	pthread_mutex_unlock(&writer->lock);
	return r;
}

/* Waits until `size` more bytes may be held; one content larger than the bound may be so alone. */
static void wait_for_room(struct bfs_writer *writer, size_t size)
{
	pthread_mutex_lock(&writer->lock);
	while (writer->in_flight && writer->in_flight + size > BFS_WRITER_MEMORY)
		pthread_cond_wait(&writer->room, &writer->lock);
	writer->in_flight += size;
	pthread_mutex_unlock(&writer->lock);
}

/* Queues an object. The file's data or fd are set; on failure the caller's writer is lost anyway.
 */
static int submit_object(
	struct bfs_writer *writer, struct staged_file *file, const struct bfs_content *content)
{
	file->content = *content;
	file->size = content->size;
	writer->counts.bytes += content->size;
	return bfs_workers_submit(writer->workers, put_object, file);
}

static int add_object(
	struct bfs_writer *writer, const void *data, const struct bfs_content *content)
{
	struct staged_file *file;
	int r = new_file(writer, &file);

	if (r < 0)
		return r;
	wait_for_room(writer, content->size);
	file->size = content->size;
	file->data = malloc(content->size);
	if (!file->data)
		return -ENOMEM;
	memcpy(file->data, data, content->size);
	return submit_object(writer, file, content);
}

/* Fails early with what a worker met, so that a full disk ends a long pour at once. */
static int check_failure(struct bfs_writer *writer, struct bfs_error *error)
{
	int code;

	pthread_mutex_lock(&writer->lock);
	code = writer->failure.code;
	if (code < 0 && error && !error->message) {
		error->code = code;
		error->message = strdup(writer->failure.message ? writer->failure.message : "");
	}
	pthread_mutex_unlock(&writer->lock);
	return code;
}

int bfs_writer_add(struct bfs_writer *writer, const void *data, size_t length, mode_t mode,
	struct bfs_content *ret_content, struct bfs_error *error)
{
	struct bfs_content content = {.size = length, .executable = (mode & 0111) != 0};
	int r = check_failure(writer, error);

	if (r == 0)
		r = bfs_digest_of(data, length, &content.digest);
	if (r < 0)
		return r;
	writer->counts.added++;
	r = length ? find(writer, &content.digest, content.executable, ret_content) : 0;
	if (length == 0 || r == 0) {
		if (length == 0)
			*ret_content = content;
		writer->counts.reused++;
		return 0;
	}
	if (r != -ENOENT)
		return r;
	if (length < BFS_CONTENT_PACK_LIMIT)
		r = add_to_pack(writer, data, &content);
	else
		r = add_object(writer, data, &content);
	if (r == 0)
		r = bfs_known_add(&writer->known, &content);
	if (r < 0)
		return bfs_error_set(
			error, r, "writing into the store", bfs_store_path(writer->store), NULL);
	*ret_content = content;
	return 0;
}

/* A staged file that turned out small goes the way of the small ones. */
static int add_small_staged(struct bfs_writer *writer, int fd, const char *name, size_t size,
	mode_t mode, struct bfs_content *ret_content, struct bfs_error *error)
{
	_cleanup_free_ char *data = malloc(size + 1);
	int r = data ? bfs_pread_all(fd, data, size, 0) : -ENOMEM;

	if (r < 0)
		return bfs_error_set(error, r, "reading a staged file", name, NULL);
	unlinkat(bfs_store_fd(writer->store), name, 0);
	return bfs_writer_add(writer, data, size, mode, ret_content, error);
}

static int add_big_staged(
	struct bfs_writer *writer, int *fd, const char *name, struct bfs_content *content)
{
	struct staged_file *file;
	int r = new_file(writer, &file);

	if (r < 0)
		return r;
	file->staged = strdup(name);
	if (!file->staged)
		return -ENOMEM;
	file->fd = bfs_steal_fd(fd);
	r = submit_object(writer, file, content);
	return r == 0 ? bfs_known_add(&writer->known, content) : r;
}

int bfs_writer_add_staged(struct bfs_writer *writer, int fd, const char *name, mode_t mode,
	struct bfs_content *ret_content, struct bfs_error *error)
{
	_cleanup_close_ int owned = fd;
	struct bfs_content content = {.executable = (mode & 0111) != 0};
	int r = check_failure(writer, error);

	if (r == 0)
		r = bfs_digest_of_fd(fd, &content.digest, &content.size);
	if (r < 0)
		return bfs_error_set(error, r, "reading a staged file", name, NULL);
	if (content.size < BFS_CONTENT_PACK_LIMIT)
		return add_small_staged(writer, fd, name, content.size, mode, ret_content, error);
	writer->counts.added++;
	r = find(writer, &content.digest, content.executable, ret_content);
	if (r == 0) {
		writer->counts.reused++;
		unlinkat(bfs_store_fd(writer->store), name, 0);
		return 0;
	}
	if (r == -ENOENT)
		r = add_big_staged(writer, &owned, name, &content);
	if (r < 0)
		return bfs_error_set(error, r, "writing into the store", name, NULL);
	*ret_content = content;
	return 0;
}

static int name_file(void *context)
{
	struct staged_file *file = context;
	char name[BFS_STORE_NAME_SIZE];
	int r;

	if (!file->staged)
		return 0;
	if (file->is_pack)
		bfs_store_pack_name(&file->content.pack, name);
	else
		bfs_store_object_name(&file->content, name);
	r = bfs_put_name(file->writer->store, file->staged, name, file->size);
	if (r == 0)
		free(bfs_steal(&file->staged));
	if (r < 0) {
		pthread_mutex_lock(&file->writer->lock);
		bfs_error_set(&file->writer->failure, r, "naming a file of the store", name, NULL);
		pthread_mutex_unlock(&file->writer->lock);
	}
	return r;
}

static int name_files(struct bfs_writer *writer)
{
	int r = 0, waited;

	for (struct staged_file *file = writer->files; r == 0 && file; file = file->next)
		r = bfs_workers_submit(writer->workers, name_file, file);
	waited = bfs_workers_wait(writer->workers);
	return r < 0 ? r : waited;
}

struct directory {
	int store_fd;
	char name[BFS_STORE_NAME_SIZE]; /* of a file in it */
};

static int sync_directory(void *context)
{
	const struct directory *directory = context;

	return bfs_sync_directory(directory->store_fd, directory->name);
}

/* Each directory once, all at the same time; also where another writer gave the name just before.
 */
static int sync_directories(struct bfs_writer *writer)
{
	_cleanup_free_ struct directory *directories = calloc(257, sizeof(*directories));
	int r = directories ? 0 : -ENOMEM, waited;

	for (struct staged_file *file = writer->files; r == 0 && file; file = file->next) {
		struct directory *directory =
			&directories[file->is_pack ? 256 : file->content.digest.bytes[0]];

		if (*directory->name)
			continue;
		directory->store_fd = bfs_store_fd(writer->store);
		if (file->is_pack)
			bfs_store_pack_name(&file->content.pack, directory->name);
		else
			bfs_store_object_name(&file->content, directory->name);
		r = bfs_workers_submit(writer->workers, sync_directory, directory);
	}
	waited = bfs_workers_wait(writer->workers);
	return r < 0 ? r : waited;
}

static int rename_packs(struct bfs_writer *writer, struct bfs_tree **trees, size_t count)
{
	int r = 0;

	for (struct staged_file *file = writer->files; r == 0 && file; file = file->next) {
		if (!file->is_pack)
			continue;
		for (size_t i = 0; r == 0 && i < count; i++)
			r = bfs_tree_rename_pack(trees[i], &file->provisional, &file->content.pack);
		for (size_t i = 0; i < writer->known.count; i++) {
			struct bfs_content *content = &writer->known.contents[i];

			if (content->packed && bfs_digest_equal(&content->pack, &file->provisional))
				content->pack = file->content.pack;
		}
	}
	return r;
}

int bfs_writer_commit(
	struct bfs_writer *writer, struct bfs_tree **trees, size_t count, struct bfs_error *error)
{
	int r = 0, waited;

	if (writer->pack)
		r = finish_pack(writer);
	waited = bfs_workers_wait(writer->workers);
	if (r == 0)
		r = waited;
	if (r == 0)
		r = name_files(writer);
	if (r == 0)
		r = sync_directories(writer);
	if (r == 0)
		r = rename_packs(writer, trees, count);
	if (r < 0) {
		check_failure(writer, error);
		return bfs_error_set(
			error, r, "writing into the store", bfs_store_path(writer->store), NULL);
	}
	free_files(writer);
	return 0;
}

void bfs_writer_get_counts(const struct bfs_writer *writer, struct bfs_writer_counts *ret_counts)
{
	*ret_counts = writer->counts;
}
