#include "installer/formula_private.h"

#include "index/tree.h"
#include "lib/buffer.h"
#include "lib/file.h"

#include <string.h>

#define LICENSE_DEPTH 8 /* levels of any_of in all_of...; Homebrew's have 3 */

int bfs_formula_fail(const struct bfs_formula_reader *reader, const char *field, const char *reason)
{
	return bfs_error_set(reader->error, -EBADMSG, "reading the formula", reader->formula->name,
		"%s %s", field, reason);
}

const char *bfs_formula_text(const struct bfs_formula_reader *reader, const char *string)
{
	if (string && reader->escaped && (*string == '\\' || *string == ':'))
		return string + 1;
	return string;
}

/* What a getter of lib/json.h said about `key`, an absent field being fine. */
static int check(const struct bfs_formula_reader *reader, const char *key, int r)
{
	if (r == -EBADMSG)
		return bfs_formula_fail(reader, key, "has an unexpected type or value");
	return r == -ENOENT ? 0 : r;
}

static int replace_string(char **string, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*string);
	*string = copy;
	return 0;
}

int bfs_formula_read_string(const struct bfs_formula_reader *reader, const char *key, char **ret)
{
	const char *value = NULL;
	int r = bfs_json_get_string(reader->document, key, &value);

	if (r == 0)
		r = replace_string(ret, bfs_formula_text(reader, value));
	return check(reader, key, r);
}

int bfs_formula_read_int(const struct bfs_formula_reader *reader, const char *key, int *ret)
{
	int64_t value = 0;
	int r = bfs_json_get_int(reader->document, key, 0, INT32_MAX, &value);

	if (r == 0)
		*ret = (int)value;
	return check(reader, key, r);
}

int bfs_formula_read_bool(const struct bfs_formula_reader *reader, const char *key, bool *ret)
{
	return check(reader, key, bfs_json_get_bool(reader->document, key, ret));
}

int bfs_formula_read_array(const struct bfs_formula_reader *reader, const char *key, json_t **ret)
{
	*ret = NULL;
	return check(reader, key, bfs_json_get_array(reader->document, key, ret));
}

int bfs_formula_read_object(const struct bfs_formula_reader *reader, const char *key, json_t **ret)
{
	*ret = NULL;
	return check(reader, key, bfs_json_get_object(reader->document, key, ret));
}

static int read_list(const struct bfs_formula_reader *reader, const char *key,
	bool (*is_valid)(const char *string), bfs_strings *ret)
{
	json_t *array, *item;
	size_t i;
	int r = bfs_formula_read_array(reader, key, &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, item)
	{
		const char *string = bfs_formula_text(reader, json_string_value(item));

		if (!string || (is_valid && !is_valid(string)))
			return bfs_formula_fail(reader, key, "has an item that cannot be one");
		r = bfs_strings_add(ret, string);
		if (r < 0)
			return r;
	}
	return 0;
}

int bfs_formula_read_strings(
	const struct bfs_formula_reader *reader, const char *key, bfs_strings *ret)
{
	return read_list(reader, key, NULL, ret);
}

int bfs_formula_read_names(
	const struct bfs_formula_reader *reader, const char *key, bfs_strings *ret)
{
	return read_list(reader, key, bfs_formula_reference_is_valid, ret);
}

/* ---- license ---- */

static int append_license(const struct bfs_formula_reader *reader, const json_t *license, int depth,
	struct bfs_buffer *text);

static int append_license_list(const struct bfs_formula_reader *reader, const json_t *list,
	const char *between, int depth, struct bfs_buffer *text)
{
	json_t *item;
	size_t i;
	int r = bfs_buffer_append_string(text, depth > 0 ? "(" : "");

	json_array_foreach(list, i, item)
	{
		if (r == 0 && i > 0)
			r = bfs_buffer_append_string(text, between);
		if (r == 0)
			r = append_license(reader, item, depth + 1, text);
	}
	return r < 0 ? r : bfs_buffer_append_string(text, depth > 0 ? ")" : "");
}

/* {"any_of": [...]}, {"all_of": [...]} or {"ID": {"with": "EXCEPTION"}}. */
static int append_license_tree(const struct bfs_formula_reader *reader, const json_t *tree,
	int depth, struct bfs_buffer *text)
{
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach((json_t *)tree, key, value)
	{
		const char *name = bfs_formula_text(reader, key);
		json_t *exception = json_object_get(value, reader->escaped ? ":with" : "with");

		if (strcmp(name, "any_of") == 0)
			r = append_license_list(reader, value, " or ", depth, text);
		else if (strcmp(name, "all_of") == 0)
			r = append_license_list(reader, value, " and ", depth, text);
		else if (json_is_string(exception))
			r = bfs_buffer_append_format(
				text, "%s with %s", name, json_string_value(exception));
		else
			r = bfs_buffer_append_string(text, name);
		if (r < 0)
			return r;
	}
	return r;
}

static int append_license(const struct bfs_formula_reader *reader, const json_t *license, int depth,
	struct bfs_buffer *text)
{
	const char *string = bfs_formula_text(reader, json_string_value(license));

	if (depth > LICENSE_DEPTH || (!string && !json_is_object(license)))
		return -EBADMSG;
	if (!string)
		return append_license_tree(reader, license, depth, text);
	if (strcmp(string, "public_domain") == 0)
		string = "Public Domain";
	else if (strcmp(string, "cannot_represent") == 0)
		string = "Cannot Represent";
	return bfs_buffer_append_string(text, string);
}

int bfs_formula_read_license(const struct bfs_formula_reader *reader)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	json_t *license = json_object_get(reader->document, "license");
	int r;

	if (!license || json_is_null(license))
		return 0;
	r = append_license(reader, license, 0, &text);
	if (r < 0)
		return check(reader, "license", r);
	reader->formula->license = bfs_buffer_steal(&text);
	return reader->formula->license ? 0 : -ENOMEM;
}

/* ---- caveats ---- */

/* The placeholders of Homebrew global.rb. A shared prefix has no home of its own. */
static const struct {
	const char *from, *to;
} placeholders[] = {
	{"$HOMEBREW_PREFIX", BFS_TREE_PREFIX_DEFAULT},
	{"$HOMEBREW_CELLAR", BFS_TREE_PREFIX_DEFAULT "/Cellar"},
	{"/$HOME", "~"},
};

static const char *find_placeholder(const char *text, size_t *ret_which)
{
	for (; *text; text++) {
		for (size_t i = 0; i < BFS_ARRAY_LENGTH(placeholders); i++) {
			const char *from = placeholders[i].from;

			if (strncmp(text, from, strlen(from)) == 0) {
				*ret_which = i;
				return text;
			}
		}
	}
	return NULL;
}

static int expand_caveats(const char *text, char **ret_text)
{
	_cleanup_buffer_ struct bfs_buffer expanded = BFS_BUFFER_INIT;
	const char *found;
	size_t which = 0;

	while ((found = find_placeholder(text, &which))) {
		if (bfs_buffer_append(&expanded, text, (size_t)(found - text)) < 0 ||
			bfs_buffer_append_string(&expanded, placeholders[which].to) < 0)
			return -ENOMEM;
		text = found + strlen(placeholders[which].from);
	}
	if (bfs_buffer_append_string(&expanded, text) < 0)
		return -ENOMEM;
	*ret_text = bfs_buffer_steal(&expanded);
	return *ret_text ? 0 : -ENOMEM;
}

static int read_caveats(const struct bfs_formula_reader *reader)
{
	_cleanup_free_ char *raw = NULL;
	int r = bfs_formula_read_string(reader, "caveats", &raw);

	if (r < 0 || !raw)
		return r;
	return expand_caveats(raw, &reader->formula->caveats);
}

/* ---- fields of both forms ---- */

static int unescape_values(const struct bfs_formula_reader *reader, json_t *value);

/* Replaces one string by its text; values of other types are gone through. `ret_text` is NULL for those. */
static int unescape_value(
	const struct bfs_formula_reader *reader, json_t *value, json_t **ret_text)
{
	*ret_text = NULL;
	if (!json_is_string(value))
		return unescape_values(reader, value);
	*ret_text = json_string(bfs_formula_text(reader, json_string_value(value)));
	return *ret_text ? 0 : -ENOMEM;
}

/* The nesting is bounded by the parser's own limit (jansson: 2,048). */
static int unescape_values(const struct bfs_formula_reader *reader, json_t *value)
{
	const char *key;
	json_t *member, *text;
	size_t i;
	int r = 0;

	json_array_foreach(value, i, member)
	{
		r = unescape_value(reader, member, &text);
		if (r == 0 && text && json_array_set_new(value, i, text) < 0)
			r = -ENOMEM;
		if (r < 0)
			return r;
	}
	json_object_foreach(value, key, member)
	{
		r = unescape_value(reader, member, &text);
		if (r == 0 && text && json_object_set_new(value, key, text) < 0)
			r = -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_steps(const struct bfs_formula_reader *reader)
{
	json_t *steps;
	int r = bfs_formula_read_array(reader, "post_install_steps", &steps);

	/* The public form of a formula without steps has an empty array. */
	if (r < 0 || json_array_size(steps) == 0)
		return r;
	reader->formula->post_install_steps = json_deep_copy(steps);
	if (!reader->formula->post_install_steps)
		return -ENOMEM;
	return reader->escaped ? unescape_values(reader, reader->formula->post_install_steps) : 0;
}

int bfs_formula_read_common(const struct bfs_formula_reader *reader)
{
	struct bfs_formula *formula = reader->formula;
	int r = bfs_formula_read_string(reader, "desc", &formula->desc);

	if (r == 0)
		r = bfs_formula_read_string(reader, "homepage", &formula->homepage);
	if (r == 0)
		r = bfs_formula_read_string(reader, "ruby_source_path", &formula->ruby_source_path);
	if (r == 0)
		r = bfs_formula_read_int(reader, "revision", &formula->revision);
	if (r == 0)
		r = bfs_formula_read_int(reader, "version_scheme", &formula->version_scheme);
	if (r == 0)
		r = bfs_formula_read_int(
			reader, "compatibility_version", &formula->compatibility_version);
	if (r == 0)
		r = bfs_formula_read_names(reader, "aliases", &formula->aliases);
	if (r == 0)
		r = bfs_formula_read_names(reader, "oldnames", &formula->old_names);
	if (r == 0)
		r = bfs_formula_read_names(
			reader, "versioned_formulae", &formula->versioned_formulae);
	if (r == 0)
		r = bfs_formula_read_bool(
			reader, "post_install_defined", &formula->post_install_defined);
	if (r == 0)
		r = read_steps(reader);
	if (r == 0)
		r = read_caveats(reader);
	return r < 0 ? r : bfs_formula_read_license(reader);
}

int bfs_formula_finish(const struct bfs_formula_reader *reader)
{
	struct bfs_formula *formula = reader->formula;

	if (!formula->version)
		return bfs_formula_fail(reader, "stable version", "is missing");
	if (!bfs_formula_version_is_valid(formula->version))
		return bfs_formula_fail(reader, "stable version", "cannot be one");
	if (formula->revision > 0)
		formula->pkg_version = bfs_format("%s_%d", formula->version, formula->revision);
	else
		formula->pkg_version = strdup(formula->version);
	return formula->pkg_version ? 0 : -ENOMEM;
}
