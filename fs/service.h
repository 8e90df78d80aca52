/*
 * What a daemon serves: the published generations of a ref (fs/published.h), or a session
 * (fs/session_service.h). The daemon (fs/daemon.h) does what is the same for both: mounting,
 * threads, signals, the control socket.
 *
 * Called by the daemon's main thread, in this order: open, driver, start once it is mounted and
 * answering, describe and request any number of times, stop, close.
 */
#ifndef BFS_FS_SERVICE_H
#define BFS_FS_SERVICE_H

#include "fs/control.h"
#include "fs/options.h"
#include "fs/responders.h"
#include "fs/stats.h"
#include "index/cache.h"
#include "index/store.h"

/* Everything is borrowed and outlives the service. */
struct bfs_service_context {
	struct bfs_store *store;
	const char *mountpoint;
	const char *ref;
	const struct bfs_mount_options *options;
	struct bfs_content_reader *reader;
	struct bfs_cache *cache; /* of contents; NULL without one */
	struct bfs_responders *responders;
	struct bfs_stats *stats;
	int initialised_fd; /* eventfd: for the driver, to tell of INIT */
};

struct bfs_service_kind {
	const char *mount_options; /* "ro,noatime" */
	uint32_t kernel_flags;	   /* wanted besides those that libfuse asks for (fs/handshake.h) */
	bool writable;		   /* the kernel may hold what was not written yet */

	int (*open)(const struct bfs_service_context *context, void **ret_service,
		struct bfs_error *error);

	/* For fuse_session_new(): the operations and their user data. */
	const struct fuse_lowlevel_ops *(*operations)(void);
	void *(*driver)(void *service);

	int (*start)(void *service, struct fuse_session *session, struct bfs_error *error);

	/* Adds what only this kind has to the document that the daemon shows of itself. */
	int (*describe)(void *service, json_t *document);

	/* Answers a request that came over the control socket, at once or by a thread of its own.
	 * It takes over what `peer` holds. NULL where there are no requests. */
	void (*request)(void *service, struct bfs_control_peer *peer);

	/* False where a thread is stuck in the store; what it uses must stay. */
	bool (*stop)(void *service, unsigned timeout);

	/* The same for what only responders need, after these have ended. NULL where there is none.
	 */
	bool (*stop_reading)(void *service, unsigned timeout);

	/* After the responders have ended, or before they began. NULL is allowed. */
	void (*close)(void *service);
};

#endif
