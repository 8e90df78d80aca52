/*
 * Text for people: sizes, names that may hold any byte, columns.
 */
#ifndef BFS_LIB_TEXT_H
#define BFS_LIB_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * "0B", "53.2KB", "1GB": powers of 1,000 with at most one decimal, as Homebrew writes sizes
 * (Homebrew utils/formatter.rb). Returns `ret_text`.
 */
#define BFS_SIZE_TEXT_SIZE 32
char *bfs_size_text(uint64_t bytes, char ret_text[BFS_SIZE_TEXT_SIZE]);

/*
 * A number of bytes as people write one: digits and K, M, G or T, powers of 1,024: "512M", "20G".
 * -EINVAL for anything else, for 0, and for more than 2^62.
 */
int bfs_size_parse(const char *text, uint64_t *ret_bytes);

/*
 * "2026-11-24 at 09:14:56" in local time, as Homebrew writes times, from seconds since the epoch.
 * Returns `ret_text`.
 */
#define BFS_TIME_TEXT_SIZE 64
char *bfs_time_text(int64_t seconds, char ret_text[BFS_TIME_TEXT_SIZE]);

/*
 * Prints a name. On a terminal control characters appear as question marks, as ls(1) does, so that
 * a file's name cannot command the terminal; anywhere else the bytes are kept.
 */
void bfs_text_print(FILE *stream, const char *text);

/*
 * A JSON string. JSON has no bytes that are not UTF-8: each becomes U+FFFD. NULL when out of
 * memory; JSON's null for NULL.
 */
json_t *bfs_text_json(const char *text);

/*
 * Prints the strings of a NULL-terminated array: in columns as wide as the terminal if standard
 * output is one and `one_per_line` is false, else one a line.
 */
void bfs_text_print_list(char *const *strings, bool one_per_line);

#endif
