/*
 * The error a user sees: which step failed, on which path, and why.
 *
 * Every function returns a negative errno on failure. One that may be called on behalf of a user
 * also takes a `struct bfs_error *` (NULL is allowed: the code alone is then returned) and fills it
 * exactly once, where the failure is found. Callers pass it up untouched; the command prints it.
 *
 *	struct bfs_error error = BFS_ERROR_INIT;
 *	int r = bfs_store_open(path, &store, &error);
 *	if (r < 0)
 *		return bfs_error_report(&error, r);
 *
 * A later failure does not overwrite an earlier message: the first cause is the useful one.
 * Use bfs_error_clear() before retrying.
 */
#ifndef BFS_LIB_ERROR_H
#define BFS_LIB_ERROR_H

#include "lib/cleanup.h"

struct bfs_error {
	int code;	/* negative errno, 0 while unset */
	char *message;	/* "STEP: PATH: REASON", owned */
};

#define BFS_ERROR_INIT {0, NULL}

/*
 * Records "step: path: reason" and returns `code` (a negative errno), so that a caller can write
 * `return bfs_error_set(...)`. `step` is what was being done, in plain words ("reading the index");
 * `path` the file, URL or name concerned, or NULL; `reason` a printf format, or NULL for the text
 * of strerror(-code).
 */
int bfs_error_set(struct bfs_error *error, int code, const char *step, const char *path,
	const char *reason, ...) __attribute__((format(printf, 5, 6)));

/* Puts "prefix: " before the message recorded so far, to tell which of several things failed. */
void bfs_error_prefix(struct bfs_error *error, const char *prefix);

/* Forgets the message, for a retry. */
void bfs_error_clear(struct bfs_error *error);

/* The message, or the text of strerror(-code) where none was recorded. Never NULL. */
const char *bfs_error_message(const struct bfs_error *error, int code);

/* Prints "Error: MESSAGE" to standard error, clears it, and returns the exit status 1. */
int bfs_error_report(struct bfs_error *error, int code);

static inline void bfs_error_release(struct bfs_error *error)
{
	bfs_error_clear(error);
}

#define _cleanup_error_ BFS_CLEANUP(bfs_error_release)

#endif
