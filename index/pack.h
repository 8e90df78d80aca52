/*
 * Packs: many small contents in one file, so that a network filesystem creates and reads few files.
 *
 *	16 bytes	"brewfs pack 1\n\0\0"
 *	...		contents, one after the other
 *	48 bytes each	footer: digest (32), offset (8), size (8), in the order of the contents
 *	24 bytes	trailer: number of contents (8), offset of the footer (8), "bfspack1"
 *
 * Integers are little-endian. A pack is named by the SHA-256 of the whole file. Readers find
 *contents through the index; the footer is for fsck and for rebuilding an index.
 */
#ifndef BFS_INDEX_PACK_H
#define BFS_INDEX_PACK_H

#include "lib/digest.h"
#include "lib/error.h"

/* A pack is closed from this size on: in 16 reads of 1 MiB, NFS's largest, it is on the local disk.
 */
#define BFS_PACK_SIZE (16 * 1024 * 1024)

#define BFS_PACK_HEADER_SIZE 16

struct bfs_pack_writer;

/* Starts a pack in `fd`, an empty file, which it takes over. */
int bfs_pack_writer_new(int fd, struct bfs_pack_writer **ret_writer);
/* Closes the descriptor. */
void bfs_pack_writer_free(struct bfs_pack_writer *writer);

/* Appends a content and returns its offset. */
int bfs_pack_writer_add(struct bfs_pack_writer *writer, const void *data, size_t length,
	const struct bfs_digest *digest, uint64_t *ret_offset);

/* Bytes so far, the footer not counted. */
uint64_t bfs_pack_writer_size(const struct bfs_pack_writer *writer);

/* Writes the footer and syncs the file: its name and its size. */
int bfs_pack_writer_finish(
	struct bfs_pack_writer *writer, struct bfs_digest *ret_name, uint64_t *ret_size);

struct bfs_pack_entry {
	struct bfs_digest digest;
	uint64_t offset, size; /* bytes */
};

/*
 * Reads and checks the footer of a pack of `size` bytes: entries lie between header and footer.
 * Freed by free(). -EBADMSG for what is no pack.
 */
int bfs_pack_read_footer(
	int fd, uint64_t size, struct bfs_pack_entry **ret_entries, size_t *ret_count);

#endif
