/*
 * The threads that take requests from the kernel, one at a time each, and answer them.
 *
 * Only a few of them wait for the kernel at the same time; when all of these are busy, more are
 * called. Their number is fixed: a thread that comes and goes would take its index connection along. The
 * loop is ours, on libfuse's receive and process calls, because libfuse's own cannot end while one
 * of its threads is stuck in the store.
 */
#ifndef BFS_FS_RESPONDERS_H
#define BFS_FS_RESPONDERS_H

#include "fs/features.h"
#include "lib/buffer.h"

struct bfs_responders;

/* What a responder has for itself. */
struct bfs_responder {
	unsigned index;		   /* from 0 */
	struct bfs_buffer scratch; /* for building replies */
	/* Of the request at hand, for the driver of sessions (fs/session_driver.h): */
	bool anonymous;	      /* it makes a file without a name */
	bool drop_privileges; /* it is to clear set-id bits */
};

int bfs_responders_new(unsigned count, struct bfs_responders **ret_responders);

/*
 * Called by each responder with every request that it takes, before it is processed; it may change
 * the request. Returns false where the request is not to be processed now: its memory then belongs
 * to whoever said so. To be set before the start.
 */
typedef bool bfs_request_filter(
	void *context, struct bfs_responder *responder, struct fuse_buf *request);
void bfs_responders_set_filter(
	struct bfs_responders *responders, bfs_request_filter *filter, void *context);

/* Processes a request that a filter kept, by a thread that is no responder, and frees its memory.
 */
void bfs_responders_process(struct bfs_responders *responders, struct fuse_buf *request);

/*
 * Starts them. When the mount has gone (unmounted, or aborted), they end, and the last one adds 1
 * to the eventfd `ended_fd`. -EAGAIN where not even one can be started.
 */
int bfs_responders_start(
	struct bfs_responders *responders, struct fuse_session *session, int ended_fd);

/* NULL before the start. */
struct fuse_session *bfs_responders_session(const struct bfs_responders *responders);

/* The calling responder. */
struct bfs_responder *bfs_responders_self(struct bfs_responders *responders);

/*
 * Makes them end after the request that each is at, and waits for that, at most `timeout` ms.
 * Returns whether all have ended; if not, what they use must stay.
 */
bool bfs_responders_stop(struct bfs_responders *responders, unsigned timeout);

/* Only when none runs. */
void bfs_responders_free(struct bfs_responders *responders);

#endif
