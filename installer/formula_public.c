#include "installer/formula_private.h"

#include "installer/registry.h"

#include <string.h>

/* Homebrew api.rb#merge_variations: keys of variations.TAG replace those of the document. */
static int apply_variations(const json_t *document, const char *tag, json_t **ret_document)
{
	_cleanup_json_ json_t *merged = json_copy((json_t *)document);
	json_t *variation = json_object_get(json_object_get(document, "variations"), tag);

	if (!merged || (json_is_object(variation) && json_object_update(merged, variation) < 0))
		return -ENOMEM;
	*ret_document = bfs_steal(&merged);
	return 0;
}

static int read_dependency_list(const struct bfs_formula_reader *reader, const char *field)
{
	json_t *array, *entry;
	size_t i;
	int r = bfs_formula_read_array(reader, field, &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, entry)
	{
		r = bfs_formula_add_dependency(reader, field, entry);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool specs_include_stable(const json_t *requirement)
{
	json_t *specs = json_object_get(requirement, "specs");
	json_t *spec;
	size_t i;

	if (!json_is_array(specs)) /* documents before 2022 */
		return true;
	json_array_foreach(
		specs, i, spec) if (json_is_string(spec) &&
				    strcmp(json_string_value(spec), "stable") == 0) return true;
	return false;
}

static int read_requirements(const struct bfs_formula_reader *reader)
{
	json_t *array, *item;
	size_t i;
	int r = bfs_formula_read_array(reader, "requirements", &array);

	if (r < 0)
		return r;
	json_array_foreach(array, i, item)
	{
		const char *name = bfs_json_string_or(item, "name", NULL);

		if (!name)
			return bfs_formula_fail(reader, "requirements", "has one without a name");
		if (!specs_include_stable(item))
			continue;
		r = bfs_formula_add_requirement(reader, name,
			bfs_json_string_or(item, "version", NULL),
			json_object_get(item, "contexts"));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_conflicts(const struct bfs_formula_reader *reader)
{
	json_t *names, *name, *reasons;
	size_t i;
	int r = bfs_formula_read_array(reader, "conflicts_with", &names);

	if (r == 0)
		r = bfs_formula_read_array(reader, "conflicts_with_reasons", &reasons);
	if (r < 0)
		return r;
	json_array_foreach(names, i, name)
	{
		r = bfs_formula_add_conflict(reader, json_string_value(name),
			json_string_value(json_array_get(reasons, i)));
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_keg_only(const struct bfs_formula_reader *reader)
{
	bool keg_only = false;
	const char *reason;
	json_t *object;
	int r = bfs_formula_read_bool(reader, "keg_only", &keg_only);

	if (r == 0)
		r = bfs_formula_read_object(reader, "keg_only_reason", &object);
	if (r < 0 || (!keg_only && !object))
		return r;
	reason = bfs_json_string_or(object, "reason", NULL);
	if (!reason)
		return bfs_formula_fail(reader, "keg_only_reason", "is missing");
	return bfs_formula_set_keg_only(
		reader, reason, bfs_json_string_or(object, "explanation", NULL));
}

/* Exactly the tag's bottle, else the one for all (Homebrew utils/bottles.rb). */
static const json_t *find_bottle(const json_t *files, const char *tag, const char **ret_tag)
{
	const json_t *file = json_object_get(files, tag);

	*ret_tag = tag;
	if (!file) {
		file = json_object_get(files, "all");
		*ret_tag = "all";
	}
	return file;
}

static int read_root_url(const struct bfs_formula_reader *reader, const json_t *stable)
{
	const char *url = bfs_json_string_or(stable, "root_url", NULL);

	if (!url || strcmp(url, BFS_REGISTRY_DEFAULT_ROOT) == 0)
		return 0;
	reader->formula->bottle_root_url = strdup(url);
	return reader->formula->bottle_root_url ? 0 : -ENOMEM;
}

static int read_bottle(const struct bfs_formula_reader *reader)
{
	json_t *bottle;
	const json_t *stable, *file;
	const char *tag;
	int64_t rebuild = 0;
	int r = bfs_formula_read_object(reader, "bottle", &bottle);

	if (r < 0)
		return r;
	stable = json_object_get(bottle, "stable");
	file = find_bottle(json_object_get(stable, "files"), reader->tag, &tag);
	if (!file)
		return 0;
	if (bfs_json_get_int(stable, "rebuild", 0, INT32_MAX, &rebuild) == -EBADMSG)
		return bfs_formula_fail(reader, "bottle", "has an unexpected rebuild");
	reader->formula->bottle_rebuild = (int)rebuild;
	r = read_root_url(reader, stable);
	return r < 0 ? r
		     : bfs_formula_set_bottle(reader, tag, bfs_json_string_or(file, "sha256", NULL),
			       bfs_json_string_or(file, "cellar", ":any"));
}

/* Documents before deprecate_args and disable_args have the answer of the day they were made. */
static int read_old_event(const struct bfs_formula_reader *reader, const char *flag,
	const char *because, struct bfs_formula_event *event)
{
	bool set = false;
	int r = bfs_formula_read_bool(reader, flag, &set);

	if (r == 0 && set && !event->given) {
		event->given = true;
		event->because = bfs_json_string_or(reader->document, because, NULL);
	}
	return r;
}

static int read_lifecycle(const struct bfs_formula_reader *reader)
{
	struct bfs_formula_event deprecate, disable;
	int r = bfs_formula_read_event(reader, "deprecate_args", &deprecate);

	if (r == 0)
		r = bfs_formula_read_event(reader, "disable_args", &disable);
	if (r == 0)
		r = read_old_event(reader, "deprecated", "deprecation_reason", &deprecate);
	if (r == 0)
		r = read_old_event(reader, "disabled", "disable_reason", &disable);
	return r < 0 ? r : bfs_formula_set_lifecycle(reader, &deprecate, &disable);
}

/* A string until 2023, a list since. */
static int read_old_name(const struct bfs_formula_reader *reader)
{
	const char *name = bfs_json_string_or(reader->document, "oldname", NULL);

	if (!name || json_object_get(reader->document, "oldnames"))
		return 0;
	if (!bfs_formula_reference_is_valid(name))
		return bfs_formula_fail(reader, "oldname", "cannot be a name");
	return bfs_strings_add(&reader->formula->old_names, name);
}

static int read_tap(const struct bfs_formula_reader *reader)
{
	_cleanup_free_ char *tap = NULL;
	int r = bfs_formula_read_string(reader, "tap", &tap);

	if (r < 0 || !tap)
		return r;
	if (!bfs_formula_tap_is_valid(tap))
		return bfs_formula_fail(reader, "tap", "cannot be one");
	free(reader->formula->tap);
	reader->formula->tap = bfs_steal(&tap);
	return 0;
}

static int read_version(const struct bfs_formula_reader *reader)
{
	json_t *versions;
	const char *stable = NULL;
	int r = bfs_formula_read_object(reader, "versions", &versions);

	if (r < 0)
		return r;
	stable = bfs_json_string_or(versions, "stable", NULL);
	if (!stable)
		return 0; /* bfs_formula_finish() says that it is missing */
	reader->formula->version = strdup(stable);
	return reader->formula->version ? 0 : -ENOMEM;
}

static int read_all_dependencies(const struct bfs_formula_reader *reader)
{
	int r = read_dependency_list(reader, "dependencies");

	if (r == 0)
		r = read_dependency_list(reader, "recommended_dependencies");
	if (r == 0)
		r = read_dependency_list(reader, "uses_from_macos");
	return r < 0 ? r : read_requirements(reader);
}

static int read_all(const struct bfs_formula_reader *reader)
{
	struct bfs_formula *formula = reader->formula;
	json_t *service = json_object_get(reader->document, "service");
	int r = bfs_formula_read_common(reader);

	if (r == 0)
		r = read_tap(reader);
	if (r == 0)
		r = read_version(reader);
	if (r == 0)
		r = read_old_name(reader);
	if (r == 0)
		r = bfs_formula_read_strings(reader, "link_overwrite", &formula->link_overwrite);
	if (r == 0)
		r = read_bottle(reader);
	if (r == 0)
		r = read_all_dependencies(reader);
	if (r == 0)
		r = read_conflicts(reader);
	if (r == 0)
		r = read_keg_only(reader);
	if (r == 0)
		r = read_lifecycle(reader);
	formula->has_service = json_object_size(service) > 0;
	return r < 0 ? r : bfs_formula_finish(reader);
}

int bfs_formula_from_public(const json_t *document, const char *tag,
	struct bfs_formula **ret_formula, struct bfs_error *error)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	_cleanup_json_ json_t *merged = NULL;
	struct bfs_formula_reader reader = {NULL, tag, false, NULL, error};
	int r;

	if (!json_is_object(document))
		return bfs_error_set(error, -EBADMSG, "reading a formula", NULL,
			"the document is no JSON object");
	r = apply_variations(document, tag, &merged);
	if (r == 0)
		r = bfs_formula_new(bfs_json_string_or(merged, "name", NULL), &formula, error);
	if (r < 0)
		return r;
	reader.document = merged;
	reader.formula = formula;
	formula->from_public_document = true;
	r = read_all(&reader);
	if (r < 0)
		return r;
	*ret_formula = bfs_steal(&formula);
	return 0;
}
