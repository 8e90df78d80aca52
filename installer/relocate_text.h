/*
 * Puts the prefix in the place of Homebrew's placeholders in the bytes of a file (Homebrew
 * keg_relocate.rb):
 *
 *	@@HOMEBREW_PREFIX@@		PREFIX
 *	@@HOMEBREW_CELLAR@@		PREFIX/Cellar
 *	@@HOMEBREW_REPOSITORY@@		PREFIX/Homebrew
 *	@@HOMEBREW_LIBRARY@@		PREFIX/Homebrew/Library
 *	@@HOMEBREW_PERL@@		PREFIX/opt/perl/bin/perl
 *	@@HOMEBREW_JAVA@@		PREFIX/opt/NAME/libexec, NAME being the runtime
 *					dependency openjdk or openjdk@N; none: left alone
 *
 * Bytes are bytes: no encoding is assumed. As in Homebrew one placeholder after the other is
 * replaced everywhere, the longest first; it makes a difference only where two of them overlap.
 */
#ifndef BFS_INSTALLER_RELOCATE_TEXT_H
#define BFS_INSTALLER_RELOCATE_TEXT_H

#include "lib/buffer.h"

#include <stdbool.h>

/* Whether the bytes hold what every placeholder begins with. */
bool bfs_text_has_placeholder(const void *data, size_t length);

/* The replacements for one keg. Immutable, so any number of threads may use it. */
struct bfs_text_relocation;

/* `java_dependency` may be NULL. -ENOMEM. */
int bfs_text_relocation_new(const char *prefix, const char *java_dependency,
	struct bfs_text_relocation **ret_relocation);
void bfs_text_relocation_free(struct bfs_text_relocation *relocation);
BFS_DEFINE_CLEANUP(struct bfs_text_relocation *, bfs_cleanup_text_relocation,
	bfs_text_relocation_free)
#define _cleanup_text_relocation_ BFS_CLEANUP(bfs_cleanup_text_relocation)

/* In memory: appends the relocated bytes to `output`. -ENOMEM. */
int bfs_text_relocate(const struct bfs_text_relocation *relocation, const void *data, size_t length,
	struct bfs_buffer *output);

/*
 * As a stream, for what is too big for memory: bytes are written in pieces of any size, and `sink`
 * gets the relocated ones, in pieces of its own. What the sink returns below zero ends the stream
 * and is returned. The memory is a few times the size of the pieces.
 */
typedef int bfs_text_sink(void *context, const void *data, size_t length);

struct bfs_text_stream;

int bfs_text_stream_new(const struct bfs_text_relocation *relocation, bfs_text_sink *sink,
	void *context, struct bfs_text_stream **ret_stream);
int bfs_text_stream_write(struct bfs_text_stream *stream, const void *data, size_t length);
/* After the last byte; gives the sink what was held back as it might have begun a placeholder. */
int bfs_text_stream_finish(struct bfs_text_stream *stream);
void bfs_text_stream_free(struct bfs_text_stream *stream);
BFS_DEFINE_CLEANUP(struct bfs_text_stream *, bfs_cleanup_text_stream, bfs_text_stream_free)
#define _cleanup_text_stream_ BFS_CLEANUP(bfs_cleanup_text_stream)

#endif
