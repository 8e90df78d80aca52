#include "lib/json.h"

int bfs_json_parse(const char *text, size_t length, const char *name, json_t **ret_document,
	struct bfs_error *error)
{
	json_error_t parse_error;
	json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &parse_error);

	if (!document)
		return bfs_error_set(error, -EBADMSG, "parsing JSON", name,
			"%s at line %d, column %d", parse_error.text, parse_error.line,
			parse_error.column);
	*ret_document = document;
	return 0;
}

static json_t *get(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

int bfs_json_get_string(const json_t *object, const char *key, const char **ret_value)
{
	json_t *value = get(object, key);

	if (!value)
		return -ENOENT;
	if (!json_is_string(value))
		return -EBADMSG;
	*ret_value = json_string_value(value);
	return 0;
}

int bfs_json_get_int(const json_t *object, const char *key, int64_t minimum, int64_t maximum,
	int64_t *ret_value)
{
	json_t *value = get(object, key);

	if (!value)
		return -ENOENT;
	if (!json_is_integer(value) || json_integer_value(value) < minimum ||
		json_integer_value(value) > maximum)
		return -EBADMSG;
	*ret_value = json_integer_value(value);
	return 0;
}

int bfs_json_get_bool(const json_t *object, const char *key, bool *ret_value)
{
	json_t *value = get(object, key);

	if (!value)
		return -ENOENT;
	if (!json_is_boolean(value))
		return -EBADMSG;
	*ret_value = json_is_true(value);
	return 0;
}

int bfs_json_get_array(const json_t *object, const char *key, json_t **ret_value)
{
	json_t *value = get(object, key);

	if (!value)
		return -ENOENT;
	if (!json_is_array(value))
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

int bfs_json_get_object(const json_t *object, const char *key, json_t **ret_value)
{
	json_t *value = get(object, key);

	if (!value)
		return -ENOENT;
	if (!json_is_object(value))
		return -EBADMSG;
	*ret_value = value;
	return 0;
}

const char *bfs_json_string_or(const json_t *object, const char *key, const char *fallback)
{
	const char *value;

	return bfs_json_get_string(object, key, &value) == 0 ? value : fallback;
}

int bfs_json_print(const json_t *document)
{
	if (json_dumpf(document, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF ||
		fflush(stdout) == EOF)
		return -EIO;
	return 0;
}
