#include "installer/tab.h"

#include <string.h>

/*
 * The types that a value may have; null and absent are always allowed: tabs of all ages lack some.
 */
enum kind {
	KIND_STRING,
	KIND_BOOL,
	KIND_COUNT, /* an integer that is not negative */
	KIND_OBJECT,
	KIND_STRINGS,
	KIND_ARRAY,
};

struct field {
	const char *key;
	enum kind kind;
};

static const struct field tab_fields[] = {
	{"homebrew_version", KIND_STRING},
	{"used_options", KIND_STRINGS},
	{"unused_options", KIND_STRINGS},
	{"built_as_bottle", KIND_BOOL},
	{"poured_from_bottle", KIND_BOOL},
	{"loaded_from_api", KIND_BOOL},
	{"loaded_from_internal_api", KIND_BOOL},
	{"installed_on_request", KIND_BOOL},
	{"changed_files", KIND_STRINGS},
	{"time", KIND_COUNT},
	{"source_modified_time", KIND_COUNT},
	{"stdlib", KIND_STRING},
	{"compiler", KIND_STRING},
	{"aliases", KIND_STRINGS},
	{"runtime_dependencies", KIND_ARRAY},
	{"source", KIND_OBJECT},
	{"arch", KIND_STRING},
	{"built_on", KIND_OBJECT},
};

static const struct field source_fields[] = {
	{"spec", KIND_STRING},
	{"versions", KIND_OBJECT},
	{"path", KIND_STRING},
	{"tap", KIND_STRING},
};

static const struct field version_fields[] = {
	{"stable", KIND_STRING},
	{"version_scheme", KIND_COUNT},
	{"compatibility_version", KIND_COUNT},
};

static const struct field built_on_fields[] = {
	{"os", KIND_STRING},
	{"glibc_version", KIND_STRING},
};

static const struct field dependency_fields[] = {
	{"full_name", KIND_STRING},
	{"version", KIND_STRING},
	{"revision", KIND_COUNT},
	{"bottle_rebuild", KIND_COUNT},
	{"pkg_version", KIND_STRING},
	{"declared_directly", KIND_BOOL},
	{"compatibility_version", KIND_COUNT},
};

static const char *const kind_names[] = {
	[KIND_STRING] = "a string",
	[KIND_BOOL] = "true or false",
	[KIND_COUNT] = "a count",
	[KIND_OBJECT] = "an object",
	[KIND_STRINGS] = "a list of strings",
	[KIND_ARRAY] = "a list",
};

static bool are_strings(const json_t *array)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item) if (!json_is_string(item)) return false;
	return json_is_array(array);
}

static bool is_kind(const json_t *value, enum kind kind)
{
	switch (kind) {
	case KIND_STRING:
		return json_is_string(value);
	case KIND_BOOL:
		return json_is_boolean(value);
	case KIND_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case KIND_OBJECT:
		return json_is_object(value);
	case KIND_STRINGS:
		return are_strings(value);
	default:
		return json_is_array(value);
	}
}

/* `inside` is what the object is in: "source.", or "". */
static int check_fields(const json_t *object, const struct field *fields, size_t count,
	const char *inside, const char *name, struct bfs_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(object, fields[i].key);

		if (value && !json_is_null(value) && !is_kind(value, fields[i].kind))
			return bfs_error_set(error, -EBADMSG, "reading the receipt", name,
				"%s%s is not %s", inside, fields[i].key,
				kind_names[fields[i].kind]);
	}
	return 0;
}

#define CHECK(object, fields, inside)                                                              \
	check_fields(object, fields, BFS_ARRAY_LENGTH(fields), inside, name, error)

static int check_dependencies(const json_t *array, const char *name, struct bfs_error *error)
{
	const json_t *entry;
	size_t i;
	int r = 0;

	json_array_foreach(array, i, entry)
	{
		if (!json_is_string(json_object_get(entry, "full_name")))
			return bfs_error_set(error, -EBADMSG, "reading the receipt", name,
				"runtime_dependencies: one has no full_name");
		r = CHECK(entry, dependency_fields, "runtime_dependencies: ");
		if (r < 0)
			break;
	}
	return r;
}

int bfs_tab_check(const json_t *tab, const char *name, struct bfs_error *error)
{
	const json_t *source = json_object_get(tab, "source");
	int r;

	if (!json_is_object(tab))
		return bfs_error_set(
			error, -EBADMSG, "reading the receipt", name, "it is not an object");
	r = CHECK(tab, tab_fields, "");
	if (r == 0)
		r = CHECK(source, source_fields, "source.");
	if (r == 0)
		r = CHECK(json_object_get(source, "versions"), version_fields, "source.versions.");
	if (r == 0)
		r = CHECK(json_object_get(tab, "built_on"), built_on_fields, "built_on.");
	if (r == 0)
		r = check_dependencies(json_object_get(tab, "runtime_dependencies"), name, error);
	return r;
}
