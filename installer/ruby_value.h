/*
 * Values of Ruby as JSON: nil is null, a string that would be mistaken for a symbol has a backslash
 * more. A symbol is a string with a colon before it (the convention of Homebrew's API,
 * utils.rb#deep_stringify_symbols): :overwrite is ":overwrite", "a" is "a", ":a" is "\:a". Keys of
 * hashes are bare, symbols and strings alike.
 */
#ifndef BFS_INSTALLER_RUBY_VALUE_H
#define BFS_INSTALLER_RUBY_VALUE_H

#include "installer/ruby_text.h"
#include "lib/json.h"

/* The text of a string, the name of a symbol; NULL for anything else. Borrowed from the value. */
const char *bfs_ruby_get_string(const json_t *value);
const char *bfs_ruby_get_symbol(const json_t *value);
/* Ruby's idea of true: anything but nil and false. */
bool bfs_ruby_is_true(const json_t *value);

/*
 * Parses a value at the position: all but `not`, `and`, `or`, which end an argument. ENV.fetch of
 * an unset variable is an error only where text->live.
 */
int bfs_ruby_parse_value(struct bfs_ruby_text *text, json_t **ret_value);
/* Parses a condition, which has those as well. */
int bfs_ruby_parse_condition(struct bfs_ruby_text *text, bool *ret_true);

/*
 * Parses the arguments of a call, up to its closing parenthesis if it has one, else up to the end
 * of the statement: the positional ones to an array, the `k: v` ones to an object.
 */
int bfs_ruby_parse_arguments(
	struct bfs_ruby_text *text, json_t **ret_positional, json_t **ret_options);

#endif
