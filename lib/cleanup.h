/*
 * Scope-bound release of memory, descriptors and streams.
 *
 *	_cleanup_free_ char *name = NULL;	freed when the scope ends
 *	_cleanup_close_ int fd = -1;		closed when the scope ends, errno kept
 *	*ret_name = bfs_steal(&name);		hands it to the caller, who now owns it
 *
 * `goto fail` is for undoing something on disk, never for free().
 */
#ifndef BFS_LIB_CLEANUP_H
#define BFS_LIB_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BFS_CLEANUP(function) __attribute__((cleanup(function)))

/* Defines a cleanup function `name` for variables of type `type` that `release` frees; NULL is left alone. */
#define BFS_DEFINE_CLEANUP(type, name, release)                                                    \
	static inline __attribute__((unused)) void name(type *value)                               \
	{                                                                                          \
		if (*value) {                                                                      \
			int saved_errno = errno;                                                   \
			release(*value);                                                           \
			errno = saved_errno;                                                       \
		}                                                                                  \
	}

static inline void bfs_cleanup_free(void *value)
{
	free(*(void **)value);
}

static inline void bfs_cleanup_close(int *fd)
{
	if (*fd >= 0) {
		int saved_errno = errno;
		close(*fd);
		errno = saved_errno;
	}
}

BFS_DEFINE_CLEANUP(FILE *, bfs_cleanup_fclose, fclose)
BFS_DEFINE_CLEANUP(DIR *, bfs_cleanup_closedir, closedir)

#define _cleanup_free_     BFS_CLEANUP(bfs_cleanup_free)
#define _cleanup_close_    BFS_CLEANUP(bfs_cleanup_close)
#define _cleanup_fclose_   BFS_CLEANUP(bfs_cleanup_fclose)
#define _cleanup_closedir_ BFS_CLEANUP(bfs_cleanup_closedir)

/* Returns *pointer and sets it to NULL, so that its cleanup does nothing. */
#define bfs_steal(pointer)                                                                         \
	__extension__({                                                                            \
		__typeof__(*(pointer)) stolen_ = *(pointer);                                       \
		*(pointer) = NULL;                                                                 \
		stolen_;                                                                           \
	})

static inline int bfs_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#define BFS_ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
