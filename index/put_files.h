/*
 * Puts many files into a store: they are read, hashed and packed by several threads, each with a
 * writer of its own. Equal files come to the same writer, so that they are stored once.
 */
#ifndef BFS_INDEX_PUT_FILES_H
#define BFS_INDEX_PUT_FILES_H

#include "index/writer.h"

struct bfs_put_file {
	uint64_t id;	 /* the caller's */
	uint64_t size;	 /* bytes */
	mode_t mode;	 /* permission bits: they choose the variant of an object */
	unsigned writer; /* which puts it; set by bfs_put_files_run() */
};

/* Zero-initialise. */
struct bfs_put_files {
	struct bfs_put_file *files;
	size_t count, capacity;
};
int bfs_put_files_add(struct bfs_put_files *files, uint64_t id, uint64_t size, mode_t mode);
void bfs_put_files_release(struct bfs_put_files *files);
#define _cleanup_put_files_ BFS_CLEANUP(bfs_put_files_release)

/* An open file. */
struct bfs_put_data {
	int fd;			    /* to read from; -1 where the bytes are in the store */
	struct bfs_content content; /* then: what is needed is its other variant */
	void *handle;
};

/* Where the bytes come from and the places go to. Called by several threads, each for other files.
 */
struct bfs_put_source {
	void *context;
	struct bfs_content_reader *reader; /* for contents of the store; NULL: there are none */
	/* 1 and the data, to be closed; 0 where nothing is to be done for this one; or an error. */
	int (*open)(void *context, const struct bfs_put_file *file, struct bfs_put_data *ret_data,
		struct bfs_error *error);
	void (*close)(void *context, struct bfs_put_data *data);
	/* Where the bytes are now; its pack is provisional until the writers are committed. Called
	 * while the data are open. */
	int (*placed)(void *context, const struct bfs_put_file *file, struct bfs_put_data *data,
		const struct bfs_content *content, struct bfs_error *error);
};

/* Each of several writers has its own pack, and threads that put; more gain nothing. */
#define BFS_PUT_WRITERS_MAX 8

struct bfs_put_writers {
	struct bfs_put_writer {
		struct bfs_writer *writer;
		struct bfs_tree *base; /* what has contents that need not be put; NULL: none */
	} writers[BFS_PUT_WRITERS_MAX];
	unsigned count;
};

/*
 * As many writers as are worth while for the files and this machine. `base_path` is an index whose
 * contents need not be put again, or NULL.
 */
int bfs_put_writers_make(struct bfs_put_writers *writers, struct bfs_store *store,
	const char *base_path, const struct bfs_put_files *files, struct bfs_error *error);
/* Commits all of them; `tree` has their contents. Adds what they wrote to `bytes`. */
int bfs_put_writers_commit(struct bfs_put_writers *writers, struct bfs_tree *tree, uint64_t *bytes,
	struct bfs_error *error);
void bfs_put_writers_release(struct bfs_put_writers *writers);
#define _cleanup_put_writers_ BFS_CLEANUP(bfs_put_writers_release)

/* Puts all of them. Reorders the files. */
int bfs_put_files_run(struct bfs_put_files *files, const struct bfs_put_source *source,
	const struct bfs_put_writers *writers, struct bfs_error *error);

#endif
