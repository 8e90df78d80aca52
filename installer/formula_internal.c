#include "installer/formula_private.h"

#include "lib/file.h"

#include <ctype.h>
#include <string.h>

/* ":linux", {":macos": [":sonoma"]}, {":arch": [":x86_64"]}: the name without its colon. */
static int read_requirement(
	const struct bfs_formula_reader *reader, const char *name, const json_t *tags)
{
	const char *version = bfs_formula_text(reader, json_string_value(json_array_get(tags, 0)));

	return bfs_formula_add_requirement(reader, name + 1, version, tags);
}

static bool is_requirement(const char *name)
{
	return name && *name == ':';
}

/* An item of stable_dependencies: a dependency, or a requirement, which is a symbol. */
static int read_dependency(
	const struct bfs_formula_reader *reader, const char *field, const json_t *entry)
{
	const char *name = json_string_value(entry);
	json_t *tags = NULL;

	if (!name && json_object_size(entry) == 1) {
		void *iterator = json_object_iter((json_t *)entry);

		name = json_object_iter_key(iterator);
		tags = json_object_iter_value(iterator);
	}
	if (is_requirement(name))
		return read_requirement(reader, name, tags);
	return bfs_formula_add_dependency(reader, field, entry);
}

static int read_dependencies(const struct bfs_formula_reader *reader)
{
	static const char field[] = "stable_dependencies";
	json_t *array, *entry;
	size_t i;
	int r = bfs_formula_read_array(reader, field, &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, entry)
	{
		r = read_dependency(reader, field, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Items are ["x"], ["x", {":since": ":y"}], [{"x": ":build"}] or [{"x": ":build", ":since": ":y"}].
 */
static int read_uses_from_macos(const struct bfs_formula_reader *reader)
{
	static const char field[] = "stable_uses_from_macos";
	json_t *array, *item;
	size_t i;
	int r = bfs_formula_read_array(reader, field, &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, item)
	{
		const json_t *entry = json_is_array(item) ? json_array_get(item, 0) : item;

		r = bfs_formula_add_dependency(reader, field, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_conflicts(const struct bfs_formula_reader *reader)
{
	json_t *array, *item;
	size_t i;
	int r = bfs_formula_read_array(reader, "conflicts", &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, item)
	{
		const char *name = json_string_value(json_array_get(item, 0));
		const char *reason = bfs_json_string_or(json_array_get(item, 1), ":because", NULL);

		r = bfs_formula_add_conflict(
			reader, bfs_formula_text(reader, name), bfs_formula_text(reader, reason));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_keg_only(const struct bfs_formula_reader *reader)
{
	json_t *arguments;
	const char *reason, *explanation;
	int r = bfs_formula_read_array(reader, "keg_only_args", &arguments);

	if (r < 0 || json_array_size(arguments) == 0)
		return r;
	reason = json_string_value(json_array_get(arguments, 0));
	explanation = json_string_value(json_array_get(arguments, 1));
	if (!reason)
		return bfs_formula_fail(reader, "keg_only_args", "has no reason");
	if (*reason == '\\')
		reason++;
	return bfs_formula_set_keg_only(reader, reason, bfs_formula_text(reader, explanation));
}

/*
 * No checksum: no bottle. The tag is there only where it differs from the document's: "all", or one
 * that no Linux bottle has.
 */
static int read_bottle(const struct bfs_formula_reader *reader)
{
	const char *checksum = NULL, *cellar = ":any_skip_relocation";
	_cleanup_free_ char *tag = strdup(reader->tag);
	int r = bfs_json_get_string(reader->document, "bottle_checksum", &checksum);

	if (!tag)
		return -ENOMEM;
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = bfs_json_get_string(reader->document, "bottle_cellar", &cellar);
	if (r == -EBADMSG)
		return bfs_formula_fail(reader, "bottle", "has an unexpected type");
	r = bfs_formula_read_string(reader, "bottle_tag", &tag);
	if (r < 0)
		return r;
	if (strcmp(tag, reader->tag) != 0 && strcmp(tag, "all") != 0)
		return 0;
	r = bfs_formula_read_int(reader, "bottle_rebuild", &reader->formula->bottle_rebuild);
	return r < 0 ? r : bfs_formula_set_bottle(reader, tag, checksum, cellar);
}

static int read_lifecycle(const struct bfs_formula_reader *reader)
{
	struct bfs_formula_event deprecate, disable;
	int r = bfs_formula_read_event(reader, "deprecate_args", &deprecate);

	if (r == 0)
		r = bfs_formula_read_event(reader, "disable_args", &disable);
	return r < 0 ? r : bfs_formula_set_lifecycle(reader, &deprecate, &disable);
}

/* Homebrew's core tap keeps a formula in the directory of its first letter, lib* in "lib". */
static int set_source_path(struct bfs_formula *formula)
{
	if (formula->ruby_source_path)
		return 0;
	if (strncmp(formula->name, "lib", 3) == 0)
		formula->ruby_source_path = bfs_format("Formula/lib/%s.rb", formula->name);
	else
		formula->ruby_source_path = bfs_format(
			"Formula/%c/%s.rb", tolower((unsigned char)*formula->name), formula->name);
	return formula->ruby_source_path ? 0 : -ENOMEM;
}

static bool has_service(const json_t *document)
{
	return json_object_get(document, "service_args") ||
	       json_object_get(document, "service_run_args") ||
	       json_object_get(document, "service_run_kwargs") ||
	       json_object_get(document, "service_name_args");
}

static int read_all(const struct bfs_formula_reader *reader)
{
	struct bfs_formula *formula = reader->formula;
	int r = bfs_formula_read_common(reader);

	if (r == 0)
		r = bfs_formula_read_string(reader, "stable_version", &formula->version);
	if (r == 0)
		r = bfs_formula_read_strings(
			reader, "link_overwrite_paths", &formula->link_overwrite);
	if (r == 0)
		r = read_bottle(reader);
	if (r == 0)
		r = read_dependencies(reader);
	if (r == 0)
		r = read_uses_from_macos(reader);
	if (r == 0)
		r = read_conflicts(reader);
	if (r == 0)
		r = read_keg_only(reader);
	if (r == 0)
		r = read_lifecycle(reader);
	if (r == 0)
		r = set_source_path(formula);
	formula->has_service = has_service(reader->document);
	return r < 0 ? r : bfs_formula_finish(reader);
}

int bfs_formula_from_internal(const char *name, const json_t *document, const char *tag,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	struct bfs_formula_reader reader = {document, tag, true, NULL, error};
	int r = bfs_formula_new(name, &formula, error);

	if (r < 0)
		return r;
	reader.formula = formula;
	if (!json_is_object(document))
		return bfs_formula_fail(&reader, "document", "is no JSON object");
	r = read_all(&reader);
	if (r < 0)
		return r;
	*ret_formula = bfs_steal(&formula);
	return 0;
}
