/*
 * Files on a local or network filesystem: whole reads and writes that loop over short counts and
 * EINTR, and the one way brewfs makes a file appear: staged, synced, renamed.
 *
 * All functions return a negative errno; none prints.
 */
#ifndef BFS_LIB_FILE_H
#define BFS_LIB_FILE_H

#include "lib/buffer.h"

#include <stdbool.h>
#include <sys/stat.h>

/* Writes all of it at the descriptor's offset. -ENOSPC, -EDQUOT, -EIO... as write(2). */
int bfs_write_all(int fd, const void *data, size_t length);

/* Writes all of it at `offset` bytes; the descriptor's own offset is not moved. */
int bfs_pwrite_all(int fd, const void *data, size_t length, uint64_t offset);

/* Reads exactly `length` bytes from `offset`; -ENODATA where the file ends before. */
int bfs_pread_all(int fd, void *ret_data, size_t length, uint64_t offset);

/*
 * Appends the whole of `path` (relative to `dir_fd`, or AT_FDCWD) to the buffer. -EFBIG, and nothing
 * appended, where it is longer than `limit` bytes: callers always know a sane bound.
 */
int bfs_read_file(int dir_fd, const char *path, size_t limit, struct bfs_buffer *buffer);

/*
 * Replaces `path` by `data`, all or nothing: a temporary file beside it is written, synced and
 * renamed over it, and the directory synced. `mode` as for open(2).
 */
int bfs_replace_file(int dir_fd, const char *path, const void *data, size_t length, mode_t mode);

/* Makes `path`, which must not be there, writes and syncs it. The directory is not synced. */
int bfs_write_new_file(int dir_fd, const char *path, const void *data, size_t length, mode_t mode);

/* rename(2) that replaces nothing: -EEXIST; by two steps where the filesystem (NFS) cannot do it in one. */
int bfs_rename_new(int dir_fd, const char *from, const char *to);

/* Copies `length` bytes between descriptors, at both files' offsets 0, by copy_file_range(2) where it works. */
int bfs_copy_range(int from_fd, int to_fd, uint64_t length);

/* Has the kernel read these bytes into memory in the background. Only a hint: it cannot fail. */
void bfs_read_ahead(int fd, uint64_t offset, uint64_t length);

/* mkdir -p: every missing directory of `path`, with `mode`. Existing ones are success. */
int bfs_make_directories(int dir_fd, const char *path, mode_t mode);

/* fsync(2) of the directory that contains `path`, so that a name made in it survives a power cut. */
int bfs_sync_directory(int dir_fd, const char *path);

/* rm -r, never following a symlink. A missing path is success. */
int bfs_remove_tree(int dir_fd, const char *path);

/* An allocated printf; NULL when out of memory. */
char *bfs_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
