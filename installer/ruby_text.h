/*
 * A place in a text of Ruby: what blanks, comments and names look like, and how an error points at
 * its place. The parser of values (ruby_value.h) and that of Brewfiles move it forward.
 */
#ifndef BFS_INSTALLER_RUBY_TEXT_H
#define BFS_INSTALLER_RUBY_TEXT_H

#include "lib/error.h"

#include <stdbool.h>
#include <stddef.h>

struct bfs_ruby_text {
	const char *name; /* of the file, for messages */
	const char *data; /* not NUL-terminated */
	size_t length;	  /* bytes; shortened when __END__ is met */
	size_t position;
	unsigned depth; /* of brackets and blocks around the position */
	bool live;	/* whether the branch around the position is one that counts */
	struct bfs_error *error;
	size_t line_start; /* of the line last located, so that a text is counted through once */
	unsigned line;	   /* its number, counted from 0 */
};

/* Nobody nests deeper by hand, and it bounds the stack. */
#define BFS_RUBY_DEPTH_MAX 32

/* The byte at the position, or `ahead` bytes after it; 0 at the end. */
char bfs_ruby_peek(const struct bfs_ruby_text *text, size_t ahead);

/* Skips blanks, comments and escaped newlines; stops at the end of the line. */
void bfs_ruby_skip_blanks(struct bfs_ruby_text *text);
/*
 * Skips newlines as well, with =begin/=end and what follows __END__. -EBADMSG for a =begin without
 * its end.
 */
int bfs_ruby_skip_lines(struct bfs_ruby_text *text);

/*
 * Length of the identifier or keyword at the position ("mac?" includes its mark), 0 where there is
 * none.
 */
size_t bfs_ruby_word(const struct bfs_ruby_text *text);
/* Whether just this word is at the position; if so, moves past it. */
bool bfs_ruby_take_word(struct bfs_ruby_text *text, const char *word);
/* Whether these bytes are at the position; if so, moves past them. */
bool bfs_ruby_take(struct bfs_ruby_text *text, const char *bytes);

/* One level deeper, -EBADMSG where that is too deep. */
int bfs_ruby_enter(struct bfs_ruby_text *text);
void bfs_ruby_leave(struct bfs_ruby_text *text);

/* Line and column, from 1, of a position; columns are bytes. */
void bfs_ruby_locate(
	struct bfs_ruby_text *text, size_t position, unsigned *ret_line, unsigned *ret_column);

/* Records "FILE:LINE:COLUMN: EXPECTED, found `text there`" and returns -EBADMSG. */
int bfs_ruby_unexpected(struct bfs_ruby_text *text, size_t position, const char *expected);
/* Records "FILE:LINE:COLUMN: MESSAGE" and returns -EBADMSG. */
int bfs_ruby_fail(struct bfs_ruby_text *text, size_t position, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
