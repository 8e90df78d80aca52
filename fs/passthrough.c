#include "fs/passthrough.h"

#include "config.h"

#include <pthread.h>

#define BUCKETS 1024

struct backing {
	struct backing *next;
	uint64_t ino;
	int id;
	unsigned users;
};

struct bfs_passthrough {
	struct bfs_content_reader *reader;
	pthread_mutex_t lock;
	struct backing *buckets[BUCKETS];
};

int bfs_passthrough_new(struct bfs_content_reader *reader, struct bfs_passthrough **ret_passthrough)
{
	struct bfs_passthrough *passthrough = calloc(1, sizeof(*passthrough));

	if (!passthrough)
		return -ENOMEM;
	passthrough->reader = reader;
	pthread_mutex_init(&passthrough->lock, NULL);
	*ret_passthrough = passthrough;
	return 0;
}

/* What is still open belongs to a connection that has ended, with which the kernel closes it. */
void bfs_passthrough_free(struct bfs_passthrough *passthrough)
{
	if (!passthrough)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (passthrough->buckets[i]) {
			struct backing *backing = passthrough->buckets[i];

			passthrough->buckets[i] = backing->next;
			free(backing);
		}
	pthread_mutex_destroy(&passthrough->lock);
	free(passthrough);
}

bool bfs_passthrough_suits(const struct bfs_content *content)
{
	return content->size > 0 && !content->packed;
}

#ifdef HAVE_FUSE_PASSTHROUGH_OPEN

static struct backing **find(struct bfs_passthrough *passthrough, uint64_t ino)
{
	struct backing **place = &passthrough->buckets[ino % BUCKETS];

	while (*place && (*place)->ino != ino)
		place = &(*place)->next;
	return place;
}

static int add(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino,
	const struct bfs_content *content, struct backing **place)
{
	struct backing *backing = calloc(1, sizeof(*backing));
	uint64_t position;
	void *handle;
	int fd, r;

	if (!backing)
		return -ENOMEM;
	/* All of it: the kernel does not wait for what is still to come into the cache. */
	r = bfs_content_open(
		passthrough->reader, content, 0, (size_t)content->size, &fd, &position, &handle);
	if (r == 0) {
		backing->id = fuse_passthrough_open(request, fd);
		bfs_content_close(passthrough->reader, handle);
		r = backing->id > 0 ? 0 : -EPERM;
	}
	if (r < 0) {
		free(backing);
		return r;
	}
	backing->ino = ino;
	*place = backing;
	return 0;
}

int bfs_passthrough_open(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino,
	const struct bfs_content *content, struct fuse_file_info *file)
{
	struct backing **place;
	int r = 0;

	pthread_mutex_lock(&passthrough->lock);
	place = find(passthrough, ino);
	if (!*place)
		r = add(passthrough, request, ino, content, place);
	if (r == 0) {
		(*place)->users++;
		file->backing_id = (*place)->id;
		file->fh = 1;
		file->keep_cache = 0;
	}
	pthread_mutex_unlock(&passthrough->lock);
	return r;
}

void bfs_passthrough_release(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino)
{
	struct backing **place, *backing;

	pthread_mutex_lock(&passthrough->lock);
	place = find(passthrough, ino);
	backing = *place;
	if (backing && --backing->users == 0) {
		*place = backing->next;
		fuse_passthrough_close(request, backing->id);
		free(backing);
	}
	pthread_mutex_unlock(&passthrough->lock);
}

#else

int bfs_passthrough_open(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino,
	const struct bfs_content *content, struct fuse_file_info *file)
{
	(void)passthrough;
	(void)request;
	(void)ino;
	(void)content;
	(void)file;
	return -EOPNOTSUPP;
}

void bfs_passthrough_release(struct bfs_passthrough *passthrough, fuse_req_t request, uint64_t ino)
{
	(void)passthrough;
	(void)request;
	(void)ino;
}

#endif
