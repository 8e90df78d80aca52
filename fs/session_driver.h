/*
 * The driver of a session: requests of the kernel, answered by the session's worktree
 * (index/worktree.h), and for contents that were never changed from the store.
 *
 * One kernel is the only way in, so it may keep for ever what it was told, as with a published
 * generation: after a change it drops itself what that change made wrong (the attributes of the
 * directory, of the file that was written...). What costs requests, and what is done about it:
 *
 * Opening and closing cost nothing: OPEN, OPENDIR and FLUSH are answered ENOSYS. CREATE too: the
 * kernel makes files by MKNOD from then on, and no RELEASE follows. How long an unlinked file lives
 * follows from FORGET (fs/session_lookups.h).
 *
 * Clearing set-id bits is left to us (FUSE_HANDLE_KILLPRIV_V2), so GETXATTR security.capability
 * comes only before the first write to a file, and no GETATTR before a chown.
 *
 * The kernel gathers writes only where that is asked for (writeback). It spares requests where
 * writes are small or what was written is read again: untar, read and remove 8,500 files took
 * 127,000 in place of 160,000. But it costs a SETATTR at each close, rename, link and unlink, and
 * until a close st_blocks is that of what has been sent, times are the kernel's, and errors such as
 * a full disk are late.
 *
 * After a read the kernel asks for the attributes again when somebody wants them, since it no
 * longer knows the access time; nothing can be done about that.
 *
 * Locks are the kernel's own: one kernel sees them all. Permissions are checked by the kernel
 * (default_permissions), which also applies the umask.
 */
#ifndef BFS_FS_SESSION_DRIVER_H
#define BFS_FS_SESSION_DRIVER_H

#include "fs/reads.h"
#include "fs/session_lookups.h"
#include "fs/stats.h"
#include "index/worktree.h"

#include <stdatomic.h>

/* The user data of the FUSE session. Everything is borrowed and must outlive it. */
struct bfs_session_driver {
	struct bfs_worktree *worktree;
	struct bfs_lookups *lookups;
	struct bfs_content_reader *reader;
	struct bfs_reads *reads;
	struct bfs_responders *responders;
	struct bfs_stats *stats;
	double timeout;	     /* seconds that the kernel keeps names and attributes */
	unsigned background; /* reads ahead and writes behind that the kernel may have under way */
	unsigned wanted;     /* BFS_FEATURE_BITs */
	int initialised_fd;  /* eventfd: 1 is added when the kernel's INIT has come */
	_Atomic unsigned in_force; /* BFS_FEATURE_BITs; set by INIT */
};

/* The operations for fuse_session_new(). */
const struct fuse_lowlevel_ops *bfs_session_driver_operations(void);

/*
 * Looks at every request before libfuse processes it, and notes in `responder` what libfuse does
 * not pass on: whether set-id bits are to be cleared; and FUSE_TMPFILE (O_TMPFILE), which it knows
 * only in its newest versions and which is turned into a FUSE_CREATE, which otherwise never comes.
 */
void bfs_session_driver_prepare(struct bfs_responder *responder, struct fuse_buf *request);

#endif
