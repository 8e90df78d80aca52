#include "installer/ruby_value.h"

#include "installer/ruby_string.h"

#include <string.h>

const char *bfs_ruby_get_string(const json_t *value)
{
	const char *string = json_string_value(value);

	if (!string || string[0] == ':')
		return NULL;
	return string[0] == '\\' ? string + 1 : string;
}

const char *bfs_ruby_get_symbol(const json_t *value)
{
	const char *string = json_string_value(value);

	return string && string[0] == ':' ? string + 1 : NULL;
}

bool bfs_ruby_is_true(const json_t *value)
{
	return !json_is_null(value) && !json_is_false(value);
}

static int give(json_t *value, json_t **ret_value)
{
	*ret_value = value;
	return value ? 0 : -ENOMEM;
}

static int parse_string_value(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_buffer_ struct bfs_buffer bytes = BFS_BUFFER_INIT;
	int r = bfs_ruby_parse_string(text, &bytes);

	return r < 0 ? r
		     : give(bfs_ruby_new_string(bytes.data ? bytes.data : "", bytes.length),
			       ret_value);
}

/* :name and :"name"; the position is at the colon. */
static int parse_symbol(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_buffer_ struct bfs_buffer name = BFS_BUFFER_INIT;
	size_t start = text->position++;
	size_t length = bfs_ruby_word(text);
	int r = bfs_buffer_append(&name, ":", 1);

	if (r == 0 && bfs_ruby_at_string(text)) {
		r = bfs_ruby_parse_string(text, &name);
	} else if (r == 0) {
		if (length == 0)
			return bfs_ruby_unexpected(text, start, "expected a value");
		r = bfs_buffer_append(&name, text->data + text->position, length);
		text->position += length;
	}
	return r < 0 ? r : give(json_stringn(name.data, name.length), ret_value);
}

static int parse_integer(struct bfs_ruby_text *text, json_t **ret_value)
{
	size_t start = text->position;
	bool negative = bfs_ruby_take(text, "-");
	json_int_t value = 0;
	char c;

	while (((c = bfs_ruby_peek(text, 0)) >= '0' && c <= '9') || c == '_') {
		if (c != '_' && (__builtin_mul_overflow(value, 10, &value) ||
					__builtin_add_overflow(value, c - '0', &value)))
			return bfs_ruby_unexpected(text, start, "a number beyond 64 bits");
		text->position++;
	}
	if (c == '.' || bfs_ruby_word(text) > 0)
		return bfs_ruby_unexpected(text, start, "expected an integer");
	return give(json_integer(negative ? -value : value), ret_value);
}

static int parse_array(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *array = json_array();
	int r = array ? bfs_ruby_enter(text) : -ENOMEM;

	text->position++;
	while (r == 0) {
		json_t *item;

		r = bfs_ruby_skip_lines(text);
		if (r < 0 || bfs_ruby_take(text, "]"))
			break;
		r = bfs_ruby_parse_value(text, &item);
		if (r == 0 && json_array_append_new(array, item) < 0)
			r = -ENOMEM;
		if (r == 0)
			r = bfs_ruby_skip_lines(text);
		if (r == 0 && !bfs_ruby_take(text, ",") && bfs_ruby_peek(text, 0) != ']')
			r = bfs_ruby_unexpected(text, text->position, "expected , or ]");
	}
	if (r < 0)
		return r;
	bfs_ruby_leave(text);
	*ret_value = bfs_steal(&array);
	return 0;
}

/* Whether `name:` is at the position, a key. `name::` would be a constant's path. */
static bool at_label(const struct bfs_ruby_text *text)
{
	size_t length = bfs_ruby_word(text);

	return length > 0 && bfs_ruby_peek(text, length) == ':' &&
	       bfs_ruby_peek(text, length + 1) != ':';
}

static int set_key(struct bfs_ruby_text *text, json_t *object, const json_t *key)
{
	const char *name = bfs_ruby_get_string(key);
	json_t *value;
	int r = bfs_ruby_skip_lines(text);

	if (r == 0)
		r = bfs_ruby_parse_value(text, &value);
	if (r < 0)
		return r;
	return json_object_set_new(object, name ? name : bfs_ruby_get_symbol(key), value) < 0
		       ? -ENOMEM
		       : 0;
}

/*
 * An argument or an entry of a hash: a pair goes to `object` (`*ret_pair`), a value that no =>
 * follows is handed back.
 */
static int parse_item(struct bfs_ruby_text *text, json_t *object, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	bool quoted = bfs_ruby_at_string(text);
	size_t start = text->position;
	int r;

	*ret_value = NULL;
	if (at_label(text)) {
		size_t length = bfs_ruby_word(text);

		value = json_stringn(text->data + start, length);
		text->position += length + 1;
		return value ? set_key(text, object, value) : -ENOMEM;
	}
	r = bfs_ruby_parse_value(text, &value);
	if (r < 0)
		return r;
	if (quoted && text->data[text->position - 1] == text->data[start] &&
		bfs_ruby_peek(text, 1) != ':' && bfs_ruby_take(text, ":"))
		return set_key(text, object, value);
	bfs_ruby_skip_blanks(text);
	if (bfs_ruby_take(text, "=>")) {
		if (!json_is_string(value))
			return bfs_ruby_unexpected(
				text, start, "expected a string or symbol as key");
		return set_key(text, object, value);
	}
	*ret_value = bfs_steal(&value);
	return 0;
}

static int parse_hash(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *object = json_object();
	int r = object ? bfs_ruby_enter(text) : -ENOMEM;

	text->position++;
	while (r == 0) {
		_cleanup_json_ json_t *value = NULL;
		size_t start;

		r = bfs_ruby_skip_lines(text);
		if (r < 0 || bfs_ruby_take(text, "}"))
			break;
		start = text->position;
		r = parse_item(text, object, &value);
		if (r == 0 && value)
			r = bfs_ruby_unexpected(text, start, "expected `key: value`");
		if (r == 0)
			r = bfs_ruby_skip_lines(text);
		if (r == 0 && !bfs_ruby_take(text, ",") && bfs_ruby_peek(text, 0) != '}')
			r = bfs_ruby_unexpected(text, text->position, "expected , or }");
	}
	if (r < 0)
		return r;
	bfs_ruby_leave(text);
	*ret_value = bfs_steal(&object);
	return 0;
}

static int environment_value(
	struct bfs_ruby_text *text, size_t start, const char *name, json_t **ret_value)
{
	const char *value = getenv(name);

	if (!value)
		return give(json_null(), ret_value);
	*ret_value = bfs_ruby_new_string(value, strlen(value));
	return *ret_value ? 0 : bfs_ruby_fail(text, start, "ENV[\"%s\"] is not UTF-8", name);
}

/*
 * The name in ENV["X"] or the first argument in ENV.fetch("X", "y"); the default too, if there is
 * one.
 */
static int parse_env_arguments(
	struct bfs_ruby_text *text, char closing, struct bfs_buffer *name, json_t **ret_default)
{
	int r = bfs_ruby_skip_lines(text);

	if (r == 0 && !bfs_ruby_at_string(text))
		r = bfs_ruby_unexpected(text, text->position, "expected a variable's name");
	if (r == 0)
		r = bfs_ruby_parse_string(text, name);
	if (r == 0)
		r = bfs_ruby_skip_lines(text);
	if (r == 0 && ret_default && bfs_ruby_take(text, ",")) {
		r = bfs_ruby_skip_lines(text);
		if (r == 0)
			r = bfs_ruby_parse_value(text, ret_default);
		if (r == 0)
			r = bfs_ruby_skip_lines(text);
	}
	if (r == 0 && bfs_ruby_peek(text, 0) != closing)
		r = bfs_ruby_unexpected(text, text->position, "expected the end of ENV[...]");
	if (r == 0)
		text->position++;
	return r < 0 ? r : bfs_buffer_reserve(name, 0);
}

static int parse_env_fetch(struct bfs_ruby_text *text, size_t start, json_t **ret_value)
{
	_cleanup_buffer_ struct bfs_buffer name = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *fallback = NULL;
	int r = parse_env_arguments(text, ')', &name, &fallback);

	if (r < 0)
		return r;
	if (getenv(name.data))
		return environment_value(text, start, name.data, ret_value);
	if (!fallback && text->live)
		return bfs_ruby_fail(text, start, "the environment has no %s", name.data);
	return give(fallback ? json_incref(fallback) : json_null(), ret_value);
}

/* The position is after ENV. */
static int parse_env(struct bfs_ruby_text *text, size_t start, json_t **ret_value)
{
	_cleanup_buffer_ struct bfs_buffer name = BFS_BUFFER_INIT;
	int r;

	if (bfs_ruby_take(text, "[")) {
		r = parse_env_arguments(text, ']', &name, NULL);
		return r < 0 ? r : environment_value(text, start, name.data, ret_value);
	}
	if (bfs_ruby_take(text, ".fetch("))
		return parse_env_fetch(text, start, ret_value);
	if (bfs_ruby_take(text, ".key?(") || bfs_ruby_take(text, ".has_key?(") ||
		bfs_ruby_take(text, ".include?(")) {
		r = parse_env_arguments(text, ')', &name, NULL);
		return r < 0 ? r : give(json_boolean(getenv(name.data) != NULL), ret_value);
	}
	return bfs_ruby_unexpected(text, start, "expected ENV[\"NAME\"]");
}

/* The position is after OS. */
static int parse_os(struct bfs_ruby_text *text, size_t start, json_t **ret_value)
{
	if (bfs_ruby_take(text, ".")) {
		if (bfs_ruby_take_word(text, "mac?"))
			return give(json_false(), ret_value);
		if (bfs_ruby_take_word(text, "linux?"))
			return give(json_true(), ret_value);
	}
	return bfs_ruby_unexpected(text, start, "expected OS.mac? or OS.linux?");
}

static int parse_name(struct bfs_ruby_text *text, json_t **ret_value)
{
	size_t start = text->position;

	if (bfs_ruby_take_word(text, "true"))
		return give(json_true(), ret_value);
	if (bfs_ruby_take_word(text, "false"))
		return give(json_false(), ret_value);
	if (bfs_ruby_take_word(text, "nil"))
		return give(json_null(), ret_value);
	if (bfs_ruby_take_word(text, "OS"))
		return parse_os(text, start, ret_value);
	if (bfs_ruby_take_word(text, "ENV"))
		return parse_env(text, start, ret_value);
	return bfs_ruby_unexpected(text, start, "expected a value");
}

static int parse_condition_value(struct bfs_ruby_text *text, json_t **ret_value);

/* (...); the position is at the parenthesis. */
static int parse_group(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r = bfs_ruby_enter(text);

	text->position++;
	if (r == 0)
		r = bfs_ruby_skip_lines(text);
	if (r == 0)
		r = parse_condition_value(text, &value);
	if (r == 0)
		r = bfs_ruby_skip_lines(text);
	if (r == 0 && !bfs_ruby_take(text, ")"))
		r = bfs_ruby_unexpected(text, text->position, "expected )");
	if (r < 0)
		return r;
	bfs_ruby_leave(text);
	*ret_value = bfs_steal(&value);
	return 0;
}

static int parse_primary(struct bfs_ruby_text *text, json_t **ret_value)
{
	char c = bfs_ruby_peek(text, 0), next = bfs_ruby_peek(text, 1);

	if (c == '"' || c == '\'')
		return parse_string_value(text, ret_value);
	if (c == ':')
		return parse_symbol(text, ret_value);
	if (c == '[')
		return parse_array(text, ret_value);
	if (c == '{')
		return parse_hash(text, ret_value);
	if (c == '(')
		return parse_group(text, ret_value);
	if (c == '%' && next == 'w')
		return bfs_ruby_parse_words(text, ret_value);
	if ((c >= '0' && c <= '9') || (c == '-' && next >= '0' && next <= '9'))
		return parse_integer(text, ret_value);
	return parse_name(text, ret_value);
}

static int parse_unary(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r;

	if (bfs_ruby_peek(text, 0) != '!' || bfs_ruby_peek(text, 1) == '=')
		return parse_primary(text, ret_value);
	text->position++;
	r = bfs_ruby_enter(text);
	if (r < 0)
		return r;
	bfs_ruby_skip_blanks(text);
	r = parse_unary(text, &value);
	bfs_ruby_leave(text);
	return r < 0 ? r : give(json_boolean(!bfs_ruby_is_true(value)), ret_value);
}

static int parse_comparison(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *left = NULL, *right = NULL;
	bool equal;
	int r = parse_unary(text, &left);

	if (r < 0)
		return r;
	bfs_ruby_skip_blanks(text);
	equal = bfs_ruby_take(text, "==");
	if (!equal && !bfs_ruby_take(text, "!=")) {
		*ret_value = bfs_steal(&left);
		return 0;
	}
	r = bfs_ruby_skip_lines(text);
	if (r == 0)
		r = parse_unary(text, &right);
	return r < 0 ? r : give(json_boolean(json_equal(left, right) == equal), ret_value);
}

typedef int parser(struct bfs_ruby_text *text, json_t **ret_value);

/*
 * The right side of && or ||, which counts only if the left one leaves it open; `*value` becomes
 * what Ruby's operator gives: the side that decided.
 */
static int parse_right(struct bfs_ruby_text *text, parser *parse, bool counts, json_t **value)
{
	json_t *right = NULL;
	bool live = text->live;
	int r = bfs_ruby_skip_lines(text);

	text->live = live && counts;
	if (r == 0)
		r = parse(text, &right);
	text->live = live;
	if (r < 0)
		return r;
	if (counts) {
		json_decref(*value);
		*value = right;
	} else {
		json_decref(right);
	}
	return 0;
}

static int parse_conjunction(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r = parse_comparison(text, &value);

	if (r == 0)
		bfs_ruby_skip_blanks(text);
	while (r == 0 && bfs_ruby_take(text, "&&")) {
		r = parse_right(text, parse_comparison, bfs_ruby_is_true(value), &value);
		if (r == 0)
			bfs_ruby_skip_blanks(text);
	}
	if (r == 0)
		*ret_value = bfs_steal(&value);
	return r;
}

int bfs_ruby_parse_value(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r = parse_conjunction(text, &value);

	while (r == 0 && bfs_ruby_take(text, "||")) {
		r = parse_right(text, parse_conjunction, !bfs_ruby_is_true(value), &value);
		if (r == 0)
			bfs_ruby_skip_blanks(text);
	}
	if (r == 0)
		*ret_value = bfs_steal(&value);
	return r;
}

static int parse_negation(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r;

	if (!bfs_ruby_take_word(text, "not"))
		return bfs_ruby_parse_value(text, ret_value);
	r = bfs_ruby_enter(text);
	if (r < 0)
		return r;
	bfs_ruby_skip_blanks(text);
	r = parse_negation(text, &value);
	bfs_ruby_leave(text);
	return r < 0 ? r : give(json_boolean(!bfs_ruby_is_true(value)), ret_value);
}

/* `and` and `or` have the same precedence and are taken from left to right. */
static int parse_condition_value(struct bfs_ruby_text *text, json_t **ret_value)
{
	_cleanup_json_ json_t *value = NULL;
	int r = parse_negation(text, &value);

	while (r == 0) {
		bfs_ruby_skip_blanks(text);
		if (bfs_ruby_take_word(text, "and"))
			r = parse_right(text, parse_negation, bfs_ruby_is_true(value), &value);
		else if (bfs_ruby_take_word(text, "or"))
			r = parse_right(text, parse_negation, !bfs_ruby_is_true(value), &value);
		else
			break;
	}
	if (r == 0)
		*ret_value = bfs_steal(&value);
	return r;
}

int bfs_ruby_parse_condition(struct bfs_ruby_text *text, bool *ret_true)
{
	_cleanup_json_ json_t *value = NULL;
	int r;

	bfs_ruby_skip_blanks(text);
	r = parse_condition_value(text, &value);
	if (r == 0)
		*ret_true = bfs_ruby_is_true(value);
	return r;
}

static int parse_argument(struct bfs_ruby_text *text, json_t *positional, json_t *options)
{
	json_t *value;
	size_t start = text->position;
	int r = parse_item(text, options, &value);

	if (r < 0 || !value)
		return r;
	if (json_object_size(options) > 0) {
		json_decref(value);
		return bfs_ruby_unexpected(text, start, "expected `key: value`");
	}
	return json_array_append_new(positional, value) < 0 ? -ENOMEM : 0;
}

/* Arguments in parentheses; the position is after the opening one. */
static int parse_enclosed(struct bfs_ruby_text *text, json_t *positional, json_t *options)
{
	int r = bfs_ruby_enter(text);

	while (r == 0) {
		r = bfs_ruby_skip_lines(text);
		if (r < 0 || bfs_ruby_take(text, ")"))
			break;
		r = parse_argument(text, positional, options);
		if (r == 0)
			r = bfs_ruby_skip_lines(text);
		if (r == 0 && !bfs_ruby_take(text, ",") && bfs_ruby_peek(text, 0) != ')')
			r = bfs_ruby_unexpected(text, text->position, "expected , or )");
	}
	if (r == 0)
		bfs_ruby_leave(text);
	return r;
}

static int parse_open(struct bfs_ruby_text *text, json_t *positional, json_t *options)
{
	int r;

	bfs_ruby_skip_blanks(text);
	do {
		r = parse_argument(text, positional, options);
		if (r < 0)
			return r;
		bfs_ruby_skip_blanks(text);
		if (!bfs_ruby_take(text, ","))
			return 0;
		r = bfs_ruby_skip_lines(text);
	} while (r == 0);
	return r;
}

int bfs_ruby_parse_arguments(
	struct bfs_ruby_text *text, json_t **ret_positional, json_t **ret_options)
{
	_cleanup_json_ json_t *positional = json_array(), *options = json_object();
	int r;

	if (!positional || !options)
		return -ENOMEM;
	r = bfs_ruby_take(text, "(") ? parse_enclosed(text, positional, options)
				     : parse_open(text, positional, options);
	if (r < 0)
		return r;
	*ret_positional = bfs_steal(&positional);
	*ret_options = bfs_steal(&options);
	return 0;
}
