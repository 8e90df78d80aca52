#include "fs/session_parking.h"

#include "lib/cleanup.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>

struct parked {
	struct parked *next;
	struct fuse_buf request;
};

struct bfs_parking {
	struct bfs_responders *responders;
	atomic_bool open;
	pthread_mutex_t lock; /* protects what follows, and each change of `open` */
	struct parked *first;
	struct parked **last;
};

int bfs_parking_new(struct bfs_responders *responders, struct bfs_parking **ret_parking)
{
	struct bfs_parking *parking = calloc(1, sizeof(*parking));

	if (!parking)
		return -ENOMEM;
	parking->responders = responders;
	parking->last = &parking->first;
	pthread_mutex_init(&parking->lock, NULL);
	*ret_parking = parking;
	return 0;
}

static struct parked *take_all(struct bfs_parking *parking)
{
	struct parked *first;

	pthread_mutex_lock(&parking->lock);
	atomic_store(&parking->open, false);
	first = parking->first;
	parking->first = NULL;
	parking->last = &parking->first;
	pthread_mutex_unlock(&parking->lock);
	return first;
}

void bfs_parking_free(struct bfs_parking *parking)
{
	struct parked *parked;

	if (!parking)
		return;
	parked = take_all(parking);
	while (parked) {
		struct parked *next = parked->next;

		free(parked->request.mem);
		free(parked);
		parked = next;
	}
	pthread_mutex_destroy(&parking->lock);
	free(parking);
}

void bfs_parking_begin(struct bfs_parking *parking)
{
	pthread_mutex_lock(&parking->lock);
	atomic_store(&parking->open, true);
	pthread_mutex_unlock(&parking->lock);
}

void bfs_parking_end(struct bfs_parking *parking)
{
	struct parked *parked = take_all(parking);

	while (parked) {
		struct parked *next = parked->next;

		bfs_responders_process(parking->responders, &parked->request);
		free(parked);
		parked = next;
	}
}

/* Forgetting counts: it may remove a file that has no name any more. */
static bool is_change(const struct fuse_buf *request)
{
	const struct fuse_in_header *header = request->mem;

	if ((request->flags & FUSE_BUF_IS_FD) || request->size < sizeof(*header))
		return false;
	switch (header->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_SETATTR:
	case FUSE_SYMLINK:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_WRITE:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SETXATTR:
	case FUSE_REMOVEXATTR:
	case FUSE_CREATE:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
		return true;
	default:
		return false;
	}
}

/* Out of memory: the responder waits with it. */
static bool put_aside(struct bfs_parking *parking, const struct fuse_buf *request)
{
	struct parked *parked = malloc(sizeof(*parked));
	bool taken;

	if (!parked)
		return false;
	*parked = (struct parked){NULL, *request};
	pthread_mutex_lock(&parking->lock);
	taken = atomic_load(&parking->open);
	if (taken) {
		*parking->last = parked;
		parking->last = &parked->next;
	}
	pthread_mutex_unlock(&parking->lock);
	if (!taken)
		free(parked);
	return taken;
}

bool bfs_parking_take(struct bfs_parking *parking, const struct fuse_buf *request)
{
	return atomic_load_explicit(&parking->open, memory_order_relaxed) && is_change(request) &&
	       put_aside(parking, request);
}
