/*
 * Literals of Ruby that hold text: '...', "..." with escapes and #{...}, %w[...].
 */
#ifndef BFS_INSTALLER_RUBY_STRING_H
#define BFS_INSTALLER_RUBY_STRING_H

#include "installer/ruby_text.h"
#include "lib/buffer.h"
#include "lib/json.h"

/* Whether a string begins at the position. */
bool bfs_ruby_at_string(const struct bfs_ruby_text *text);

/*
 * Appends the bytes of the string that begins at the position. They are UTF-8 without a NUL:
 * -EBADMSG for anything else, and for escapes beyond those of text (\c, \C-, \M-).
 */
int bfs_ruby_parse_string(struct bfs_ruby_text *text, struct bfs_buffer *ret_bytes);

/* Parses a %w list, whose "%w" is at the position, to an array of strings (ruby_value.h). */
int bfs_ruby_parse_words(struct bfs_ruby_text *text, json_t **ret_array);

/* The JSON form of a string: with one more backslash where it begins with a backslash or colon. */
json_t *bfs_ruby_new_string(const char *bytes, size_t length);

#endif
