/*
 * The content of one regular file between a bottle and the store: read, edited, put.
 *
 * Up to BFS_PAYLOAD_MEMORY bytes are held in memory (and where the tar has them in one piece, they
 * are not even copied); more goes to a file staged in the store and is mapped. Whatever the file's
 * size, memory is at most that bound for the content and once more for an edited copy.
 *
 *	struct bfs_payload payload;
 *	bfs_payload_init(&payload, writer);
 *	bfs_payload_read() or bfs_payload_borrow()
 *	bfs_payload_edit_elf(), bfs_payload_edit_text()		as often as needed
 *	bfs_payload_put()
 *	bfs_payload_release()					in any case
 *
 * Errors name `path`, which is what the user knows the file by.
 */
#ifndef BFS_INSTALLER_PAYLOAD_H
#define BFS_INSTALLER_PAYLOAD_H

#include "index/writer.h"
#include "installer/elf_edit.h"
#include "installer/relocate_text.h"

#include <archive.h>

/* Most files of most bottles are smaller; those that are not are worth a file of their own. */
#define BFS_PAYLOAD_MEMORY (8 * 1024 * 1024)

struct bfs_payload {
	const uint8_t *data;		/* the bytes as they are now; valid until the next call */
	size_t length;
	/* What follows is private. */
	struct bfs_writer *writer;
	struct bfs_buffer memory;	/* holds them, or */
	int fd;				/* the staged file that holds them is open here, else -1 */
	char *staged;			/* its name */
	bool mapped;			/* `data` is a mapping of it */
};

void bfs_payload_init(struct bfs_payload *payload, struct bfs_writer *writer);
void bfs_payload_release(struct bfs_payload *payload);

/*
 * Reads `size` bytes, the content of the member that libarchive is at; holes are zeros. Valid
 * until the next use of the archive. -EBADMSG where the archive is damaged or has another number
 * of bytes.
 */
int bfs_payload_read(struct bfs_payload *payload, struct archive *archive, uint64_t size,
	const char *path, struct bfs_error *error);

/* Takes bytes that somebody else holds until the payload is released. */
void bfs_payload_borrow(struct bfs_payload *payload, const uint8_t *data, size_t length);

/*
 * Edits the content if it is an ELF file that needs it. A malformed one is left alone with a
 * warning (test data of compilers and the like), unless it holds placeholders: -EBADMSG.
 */
int bfs_payload_edit_elf(struct bfs_payload *payload, const struct bfs_elf_policy *policy,
	const char *path, struct bfs_error *error);

/* Replaces the placeholders in it. */
int bfs_payload_edit_text(struct bfs_payload *payload, const struct bfs_text_relocation *relocation,
	const char *path, struct bfs_error *error);

/* Gives it to the writer; the payload is empty afterwards. */
int bfs_payload_put(struct bfs_payload *payload, mode_t mode, struct bfs_content *ret_content,
	const char *path, struct bfs_error *error);

#endif
