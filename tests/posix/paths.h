/* The calls that take a path, as a table for cases that all of them share. */
#ifndef BFS_TESTS_POSIX_PATHS_H
#define BFS_TESTS_POSIX_PATHS_H

#include "tests/posix/posix.h"

enum {
	CREATES = 1,	     /* the name must not exist before */
	CREATES_FILE = 2,    /* open() with O_CREAT: says EISDIR for directories */
	REMOVES = 4,	     /* the name is gone afterwards */
	CHANGES = 8,	     /* changes the filesystem */
	FOLLOWS = 16,	     /* goes through a symlink at the end of the path */
	SHORT_ONLY = 32,     /* the call has a shorter limit of its own: addresses of sockets */
	CHANGES_PARENT = 64, /* needs the right to write the directory */
};

struct posix_call {
	const char *name;
	int (*run)(const char *path); /* -1 with errno; leaves no descriptor */
	enum posix_kind needs;	      /* what must be there unless CREATES */
	int flags;
};

/* Ends with a call without a name. */
extern const struct posix_call posix_calls[];

/* Makes at `path` what the call needs. */
void posix_call_prepare(const struct posix_call *call, const char *path);
/* Gives it away, if there is something. */
void posix_call_own(const struct posix_call *call, const char *path, uid_t uid, gid_t gid);
/* Removes what prepare or the call left, also the second name of link and rename. */
void posix_call_undo(const struct posix_call *call, const char *path);

#endif
