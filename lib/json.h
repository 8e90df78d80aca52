/*
 * Typed, bounded reads from documents that nobody vouches for, on jansson.
 *
 * A getter returns 0 and the value, -ENOENT where the key is absent or null, -EBADMSG where it has
 * another type or is out of range. Strings are borrowed from the document.
 */
#ifndef BFS_LIB_JSON_H
#define BFS_LIB_JSON_H

#include "lib/cleanup.h"
#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

BFS_DEFINE_CLEANUP(json_t *, bfs_cleanup_json, json_decref)
#define _cleanup_json_ BFS_CLEANUP(bfs_cleanup_json)

/*
 * Parses one document; duplicate keys are refused. `name` is what the error message calls it.
 * -EBADMSG with line and column for text that is not JSON.
 */
int bfs_json_parse(const char *text, size_t length, const char *name, json_t **ret_document,
	struct bfs_error *error);

int bfs_json_get_string(const json_t *object, const char *key, const char **ret_value);
int bfs_json_get_int(const json_t *object, const char *key, int64_t minimum, int64_t maximum,
	int64_t *ret_value);
int bfs_json_get_bool(const json_t *object, const char *key, bool *ret_value);
int bfs_json_get_array(const json_t *object, const char *key, json_t **ret_value);
int bfs_json_get_object(const json_t *object, const char *key, json_t **ret_value);

/* As bfs_json_get_string(), with `fallback` for anything but a string. */
const char *bfs_json_string_or(const json_t *object, const char *key, const char *fallback);

/* Prints a document to standard output, indented by two, with a newline at its end: --json's form. */
int bfs_json_print(const json_t *document);

#endif
