/*
 * Search and replace as Ruby's String#sub and #gsub do it, for literal text and for the simple
 * regular expressions that formulae use.
 *
 * A regular expression is translated to a GNU one. The GNU matcher takes the longest match, Ruby's
 * the first that it finds by trying alternatives from left to right and repeating as often as it
 * can. So only what has one meaning in both is translated: ASCII characters, `.`, classes, \d \w \s
 * \h and their negations, ^ or \A at the start, $ or \z at the end, groups, repetition of single
 * characters by * + ? {n,m}, alternatives that are plain text and none of which begins with
 * another. Anything else (\b, look-around, lazy repetition, references, named groups, options
 * inside) is not, and says so. Characters of the text are bytes.
 */
#ifndef BFS_INSTALLER_RUBY_REGEXP_H
#define BFS_INSTALLER_RUBY_REGEXP_H

#include "lib/buffer.h"

#include <stdbool.h>

/* Ruby's Regexp options as numbers. */
#define BFS_REGEXP_IGNORECASE 1
#define BFS_REGEXP_EXTENDED   2 /* not translated */
#define BFS_REGEXP_MULTILINE  4 /* `.` is a newline as well */

struct bfs_regexp;

/*
 * -EOPNOTSUPP for what is not translated, -EINVAL for what is no regular expression. `literal`
 * takes the text as it is.
 */
int bfs_regexp_new(const char *source, bool literal, int options, struct bfs_regexp **ret_regexp);
void bfs_regexp_free(struct bfs_regexp *regexp);
BFS_DEFINE_CLEANUP(struct bfs_regexp *, bfs_cleanup_regexp, bfs_regexp_free)
#define _cleanup_regexp_ BFS_CLEANUP(bfs_cleanup_regexp)

/*
 * Appends `text` to `result` with the first match, or all of them, replaced. In `replacement` \0 to
 * \9 and \& are what was matched, \` and \' what is before and after it, \\ a backslash. The number
 * of replacements, or a negative errno; -EOPNOTSUPP for \k<name>.
 */
int bfs_regexp_replace(const struct bfs_regexp *regexp, const char *text, size_t length,
	const char *replacement, bool all, struct bfs_buffer *result);

#endif
