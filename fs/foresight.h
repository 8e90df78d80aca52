/*
 * Reads ahead of the dynamic loader: when a program or library is read from its beginning, the
 * libraries that it needs are looked up in the prefix, and what the loader will read of them is
 * brought before it asks. The loader itself goes through them one after the other, and waits for
 * the store or the disk at each.
 *
 * A name is looked for as ld.so(8) would: in the directories of the file's RUNPATH or RPATH that
 * lie in the prefix, then in the prefix's lib, where LD_LIBRARY_PATH usually points. A wrong guess
 * costs a read, no more. Each content is looked at once. All of it happens in threads of its own.
 */
#ifndef BFS_FS_FORESIGHT_H
#define BFS_FS_FORESIGHT_H

#include "fs/lineage.h"

struct bfs_foresight;

/* Lineage, reader and prefix are borrowed. Starts no thread before there is work. */
int bfs_foresight_new(struct bfs_lineage *lineage, struct bfs_content_reader *reader,
	const char *prefix, struct bfs_foresight **ret_foresight);

/* Somebody reads the content from its beginning; it starts as an ELF file does. Any thread. */
void bfs_foresight_note(struct bfs_foresight *foresight, const struct bfs_content *content);

/* Ends the threads, waiting at most `timeout` ms: false where one is stuck in the store. */
bool bfs_foresight_stop(struct bfs_foresight *foresight, unsigned timeout);

/* Only when stopped. */
void bfs_foresight_free(struct bfs_foresight *foresight);

/* Files looked at so far. */
void bfs_foresight_get_counts(struct bfs_foresight *foresight, uint64_t *ret_files);

#endif
