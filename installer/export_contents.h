/*
 * Contents read many at once, since each read from a network filesystem waits, and not more of them
 * than memory is set aside for.
 *
 *	bfs_export_contents_new()
 *	bfs_export_contents_submit()	queues one; its bytes are given to `use` in another thread
 *	bfs_export_contents_wait()	until all are done
 *	bfs_export_contents_free()
 *
 * Submitting and waiting belong to one thread. The digest of every content is checked.
 */
#ifndef BFS_INSTALLER_EXPORT_CONTENTS_H
#define BFS_INSTALLER_EXPORT_CONTENTS_H

#include "index/content.h"

/* Bytes held at a time; one larger content is held alone. */
#define BFS_EXPORT_CONTENTS_MEMORY (64 * 1024 * 1024)

struct bfs_export_contents;

/*
 * Takes the bytes of a content; they may be changed, and are freed afterwards. Runs in any thread,
 * several at once. 0, or a negative errno with `error` (of this content alone) filled.
 */
typedef int bfs_export_contents_user(
	void *context, void *item, uint8_t *data, size_t length, struct bfs_error *error);

int bfs_export_contents_new(struct bfs_content_reader *reader, bfs_export_contents_user *use,
	void *context, struct bfs_export_contents **ret_contents);
void bfs_export_contents_free(struct bfs_export_contents *contents);
BFS_DEFINE_CLEANUP(
	struct bfs_export_contents *, bfs_cleanup_export_contents, bfs_export_contents_free)
#define _cleanup_export_contents_ BFS_CLEANUP(bfs_cleanup_export_contents)

/* `item` is handed to the user. Waits while too much is under way. */
int bfs_export_contents_submit(
	struct bfs_export_contents *contents, const struct bfs_content *content, void *item);

/*
 * Opens the pack of a content, if it is not the last one that was opened so: else the many threads
 * that turn to a new pack at the same moment would each open it. `last` belongs to the caller and
 * begins as zero.
 */
void bfs_export_contents_open_pack(struct bfs_content_reader *reader,
	const struct bfs_content *content, struct bfs_digest *last);

/* 0, or the first failure, with its message. */
int bfs_export_contents_wait(struct bfs_export_contents *contents, struct bfs_error *error);

#endif
