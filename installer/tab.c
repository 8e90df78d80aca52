#include "installer/tab.h"

#include "lib/file.h"

#include <string.h>

/*
 * The version whose format this is; written where a bottle has no tab to say who built it. (brew
 * believes lists of dependencies from 1.1.6 on.)
 */
#define HOMEBREW_VERSION "6.0.18"
/* What brew takes where a tab does not say (development_tools.rb#default_compiler on Linux). */
#define DEFAULT_COMPILER "gcc"

/* Sets a key to a new value, which may be NULL for want of memory; remembers a failure. */
static void set(json_t *object, const char *key, json_t *value, int *r)
{
	if (json_object_set_new(object, key, value) < 0)
		*r = -ENOMEM;
}

/* The tab's value if it has the type, else `fallback`; a new reference. */
static json_t *kept(const json_t *tab, const char *key, json_type type, json_t *fallback)
{
	json_t *value = json_object_get(tab, key);

	if (!value || json_typeof(value) != type)
		return fallback;
	json_decref(fallback);
	return json_incref(value);
}

static json_t *string_array(char *const *strings)
{
	json_t *array = json_array();

	for (; array && strings && *strings; strings++)
		if (json_array_append_new(array, json_string(*strings)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static bool is_core(const struct bfs_formula *formula)
{
	return strcmp(formula->tap, "homebrew/core") == 0;
}

static json_t *full_name(const struct bfs_formula *formula)
{
	return is_core(formula) ? json_string(formula->name)
				: json_sprintf("%s/%s", formula->tap, formula->name);
}

/* tab.rb#formula_to_dep_hash */
static json_t *dependency_entry(const struct bfs_resolved_dependency *dependency)
{
	const struct bfs_formula *formula = dependency->formula;
	json_t *entry = json_object();
	int r = 0;

	set(entry, "full_name", full_name(formula), &r);
	set(entry, "version", json_string(formula->version), &r);
	set(entry, "revision", json_integer(formula->revision), &r);
	if (formula->has_bottle)
		set(entry, "bottle_rebuild", json_integer(formula->bottle_rebuild), &r);
	set(entry, "pkg_version", json_string(formula->pkg_version), &r);
	set(entry, "declared_directly", json_boolean(dependency->declared_directly), &r);
	if (formula->compatibility_version >= 0)
		set(entry, "compatibility_version", json_integer(formula->compatibility_version),
			&r);
	if (r == 0)
		return entry;
	json_decref(entry);
	return NULL;
}

static json_t *dependency_array(const struct bfs_tab_order *order)
{
	json_t *array;

	if (order->keeps_dependencies)
		return kept(order->tab, "runtime_dependencies", JSON_ARRAY, json_array());
	array = json_array();
	for (size_t i = 0; array && i < order->dependency_count; i++)
		if (json_array_append_new(array, dependency_entry(&order->dependencies[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* Where the formula lies in a checkout of its tap; of a bottle file, the copy in the keg. */
static json_t *source_path(const struct bfs_tab_order *order)
{
	const struct bfs_formula *formula = order->formula;
	const char *slash = strchr(formula->tap, '/');
	int user = (int)(slash ? slash - formula->tap : 0);
	const char *repository = slash ? slash + 1 : formula->tap;

	if (order->source == BFS_TAB_LOCAL_FILE)
		return json_sprintf("%s/Cellar/%s/%s/.brew/%s.rb", order->prefix, formula->name,
			formula->pkg_version, formula->name);
	if (formula->ruby_source_path)
		return json_sprintf("%s/Homebrew/Library/Taps/%.*s/homebrew-%s/%s", order->prefix,
			user, formula->tap, repository, formula->ruby_source_path);
	return json_sprintf("%s/Homebrew/Library/Taps/%.*s/homebrew-%s/Formula/%s.rb",
		order->prefix, user, formula->tap, repository, formula->name);
}

static json_t *source_versions(const json_t *source, const struct bfs_formula *formula)
{
	const json_t *old = json_object_get(source, "versions");
	json_t *versions = json_is_object(old) ? json_copy((json_t *)old) : json_object();
	int r = 0;

	set(versions, "stable", json_string(formula->version), &r);
	if (!json_is_object(old))
		set(versions, "head", json_null(), &r);
	set(versions, "version_scheme", json_integer(formula->version_scheme), &r);
	if (!json_is_object(old))
		set(versions, "compatibility_version", json_null(), &r);
	if (r == 0)
		return versions;
	json_decref(versions);
	return NULL;
}

/* What brew sets in the tab's own source, or in an empty one, each key staying at its place. */
static json_t *make_source(const struct bfs_tab_order *order)
{
	const json_t *old = json_object_get(order->tab, "source");
	json_t *source = json_is_object(old) ? json_copy((json_t *)old) : json_object();
	int r = 0;

	if (!json_is_string(json_object_get(source, "spec")))
		set(source, "spec", json_string("stable"), &r);
	set(source, "versions", source_versions(source, order->formula), &r);
	set(source, "path", source_path(order), &r);
	set(source, "tap_git_head", json_null(), &r);
	set(source, "tap", json_string(order->formula->tap), &r);
	if (r == 0)
		return source;
	json_decref(source);
	return NULL;
}

/* The keys that are the bottle's own, up to the aliases. */
static void set_build(json_t *receipt, const struct bfs_tab_order *order, int *r)
{
	const char *stdlib = bfs_json_string_or(order->tab, "stdlib", "");

	set(receipt, "source_modified_time",
		kept(order->tab, "source_modified_time", JSON_INTEGER, json_integer(0)), r);
	if (*stdlib)
		set(receipt, "stdlib", json_string(stdlib), r);
	set(receipt, "compiler",
		kept(order->tab, "compiler", JSON_STRING, json_string(DEFAULT_COMPILER)), r);
}

int bfs_tab_make(const struct bfs_tab_order *order, json_t **ret_receipt)
{
	_cleanup_json_ json_t *receipt = json_object();
	int r = 0;

	set(receipt, "homebrew_version",
		kept(order->tab, "homebrew_version", JSON_STRING, json_string(HOMEBREW_VERSION)),
		&r);
	set(receipt, "used_options", json_array(), &r);
	set(receipt, "unused_options", json_array(), &r);
	set(receipt, "built_as_bottle", json_true(), &r);
	set(receipt, "poured_from_bottle", json_true(), &r);
	set(receipt, "loaded_from_api", json_boolean(order->source != BFS_TAB_LOCAL_FILE), &r);
	set(receipt, "loaded_from_internal_api",
		json_boolean(order->source == BFS_TAB_INTERNAL_API), &r);
	set(receipt, "installed_on_request", json_boolean(order->installed_on_request), &r);
	set(receipt, "changed_files", kept(order->tab, "changed_files", JSON_ARRAY, json_null()),
		&r);
	set(receipt, "time", json_integer(order->time), &r);
	set_build(receipt, order, &r);
	set(receipt, "aliases", string_array(order->formula->aliases), &r);
	set(receipt, "runtime_dependencies", dependency_array(order), &r);
	set(receipt, "source", make_source(order), &r);
	set(receipt, "arch", json_string(order->arch), &r);
	set(receipt, "built_on", kept(order->tab, "built_on", JSON_OBJECT, json_null()), &r);
	if (r == 0)
		*ret_receipt = bfs_steal(&receipt);
	return r;
}

/* Ruby writes \u001f where jansson writes \u001F. */
static void lower_escapes(char *text)
{
	for (; *text; text++) {
		if (*text != '\\')
			continue;
		text++;
		for (size_t i = 1; *text == 'u' && i <= 4; i++)
			if (text[i] >= 'A' && text[i] <= 'F')
				text[i] += 'a' - 'A';
	}
}

int bfs_tab_write(const json_t *receipt, struct bfs_buffer *text)
{
	char *dumped = json_dumps(receipt, JSON_INDENT(2));
	int r;

	if (!dumped)
		return -ENOMEM;
	lower_escapes(dumped);
	r = bfs_buffer_append_string(text, dumped);
	free(dumped);
	return r;
}

int bfs_tab_record(const json_t *receipt, char **ret_record)
{
	_cleanup_json_ json_t *record = json_copy((json_t *)receipt);

	if (!record)
		return -ENOMEM;
	json_object_del(record, "changed_files");
	*ret_record = json_dumps(record, JSON_COMPACT);
	return *ret_record ? 0 : -ENOMEM;
}

int bfs_tab_parse(const char *text, size_t length, const char *name, json_t **ret_tab,
	struct bfs_error *error)
{
	_cleanup_json_ json_t *tab = NULL;
	int r;

	if (length > BFS_TAB_SIZE_MAX)
		return bfs_error_set(error, -EFBIG, "reading the receipt", name,
			"longer than %d bytes", BFS_TAB_SIZE_MAX);
	r = bfs_json_parse(text, length, name, &tab, error);
	if (r == 0)
		r = bfs_tab_check(tab, name, error);
	if (r == 0)
		*ret_tab = bfs_steal(&tab);
	return r;
}
