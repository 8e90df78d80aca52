#include "installer/export_target.h"

#include "installer/export_names.h"
#include "lib/db.h"
#include "lib/text.h"

#include <stddef.h>
#include <string.h>

/*
 * Amazon Linux 2023 has glibc 2.34 and GCC 11 (docs.aws.amazon.com, AL2023, "GCC, glibc and
 * binutils"), Amazon Linux 2 glibc 2.26 and GCC 7; GCC's manual, "ABI Policy and Guidelines", has
 * what each GCC defines.
 */
#define AL2023 "2.34", "3.4.29", "1.3.13"
#define AL2    "2.26", "3.4.24", "1.3.11"

static const struct bfs_export_target targets[] = {
	{"lambda-python3.12", AL2023},
	{"lambda-python3.13", AL2023},
	{"lambda-python3.14", AL2023},
	{"lambda-nodejs20.x", AL2023},
	{"lambda-nodejs22.x", AL2023},
	{"lambda-nodejs24.x", AL2023},
	{"lambda-java21", AL2023},
	{"lambda-ruby3.3", AL2023},
	{"lambda-ruby3.4", AL2023},
	{"lambda-dotnet8", AL2023},
	{"lambda-provided.al2023", AL2023},
	{"lambda-python3.10", AL2},
	{"lambda-python3.11", AL2},
	{"lambda-java17", AL2},
	{"lambda-provided.al2", AL2},
};

/*
 * Versions without a number that say that the loader can do something, and the glibc that came with
 * it (glibc's NEWS).
 */
static const struct {
	const char *name, *glibc;
} abilities[] = {
	{"GLIBC_ABI_DT_RELR", "2.36"},
	{"GLIBC_ABI_DT_X86_64_PLT", "2.42"},
	{"GLIBC_ABI_GNU2_TLS", "2.42"},
	{"GLIBC_ABI_GNU_TLS", "2.42"},
};

static int refuse(const char *name, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer names = BFS_BUFFER_INIT;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(targets); i++)
		if (bfs_buffer_append_format(&names, "%s, ", targets[i].name) < 0)
			return -ENOMEM;
	return bfs_error_set(error, -EINVAL, "choosing the target", name,
		"the targets are %sand glibc=VERSION[,glibcxx=VERSION][,cxxabi=VERSION]",
		names.data);
}

/* One "glibc=2.34"; its length, or 0 where it is none. */
static size_t parse_one(const char *text, const char *key, char ret_version[16])
{
	size_t start = strlen(key), length;

	if (strncmp(text, key, start) != 0)
		return 0;
	length = strspn(text + start, "0123456789.");
	if (length == 0 || length >= 16 || (text[start + length] && text[start + length] != ','))
		return 0;
	memcpy(ret_version, text + start, length);
	ret_version[length] = '\0';
	return start + length;
}

static bool parse(const char *text, struct bfs_export_target *target)
{
	while (*text) {
		size_t length = parse_one(text, "glibc=", target->glibc);

		if (length == 0)
			length = parse_one(text, "glibcxx=", target->glibcxx);
		if (length == 0)
			length = parse_one(text, "cxxabi=", target->cxxabi);
		if (length == 0)
			return false;
		text += length;
		text += *text == ',';
	}
	return *target->glibc;
}

int bfs_export_target_find(
	const char *name, struct bfs_export_target *ret_target, struct bfs_error *error)
{
	struct bfs_export_target target = {.glibc = ""};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(targets); i++) {
		if (strcmp(targets[i].name, name) != 0)
			continue;
		*ret_target = targets[i];
		return 0;
	}
	if (strlen(name) >= sizeof(target.name) || !parse(name, &target))
		return refuse(name, error);
	strcpy(target.name, name);
	*ret_target = target;
	return 0;
}

static bool is_at_least(const char *has, const char *needs)
{
	return !*has || strverscmp(needs, has) <= 0;
}

bool bfs_export_target_has(const struct bfs_export_target *target, const char *version)
{
	static const struct {
		const char *family;
		size_t offset;
	} families[] = {
		{"GLIBC_2.", offsetof(struct bfs_export_target, glibc)},
		{"GLIBCXX_", offsetof(struct bfs_export_target, glibcxx)},
		{"CXXABI_1.", offsetof(struct bfs_export_target, cxxabi)},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(abilities); i++)
		if (strcmp(version, abilities[i].name) == 0)
			return is_at_least(target->glibc, abilities[i].glibc);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(families); i++)
		if (strncmp(version, families[i].family, strlen(families[i].family)) == 0)
			return is_at_least((const char *)target + families[i].offset,
				strchr(version, '_') + 1);
	return true;
}

/* Whether the export brings the library of "libstdc++.so.6 GLIBCXX_3.4.32" itself. */
static int is_brought(struct bfs_export_needs *needs, const char *path,
	const struct bfs_export_facts *facts, const char *text)
{
	_cleanup_free_ char *library = strndup(text, strcspn(text, " ")), *found = NULL;
	struct bfs_attributes attributes;
	int r = library ? bfs_export_libraries_find(
				  needs->libraries, path, facts, library, &found, &attributes)
			: -ENOMEM;

	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int check_file(const struct bfs_export_target *target, struct bfs_export_needs *needs,
	const char *path, const struct bfs_export_facts *facts, json_t *findings)
{
	_cleanup_json_ json_t *missing = json_array();
	json_t *item;
	size_t i;

	if (!missing)
		return -ENOMEM;
	json_array_foreach(facts->versions, i, item)
	{
		const char *text = json_string_value(item);
		const char *version = text ? strchr(text, ' ') : NULL;
		int r;

		if (!version || bfs_export_target_has(target, version + 1))
			continue;
		r = is_brought(needs, path, facts, text);
		if (r < 0)
			return r;
		if (r == 0 && json_array_append_new(missing, json_string(version + 1)) < 0)
			return -ENOMEM;
	}
	if (json_array_size(missing) == 0)
		return 0;
	return json_array_append_new(
		findings, json_pack("{s:o, s:O}", "path", bfs_text_json(path), "needs", missing));
}

static int check_all(
	const struct bfs_export_target *target, struct bfs_export_needs *needs, json_t *findings)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_export_plan_db(needs->walk->plan),
		"SELECT min(path), facts FROM entry JOIN content ON id=content WHERE kind=2 AND"
		" facts LIKE '%\"elf\":%' GROUP BY digest ORDER BY 1",
		&stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		_cleanup_export_facts_ struct bfs_export_facts facts = {0};
		const char *path = bfs_export_plan_text(stmt, 0);

		r = bfs_export_facts_parse(bfs_export_plan_text(stmt, 1), &facts);
		if (r == 0 && !bfs_export_names_is_glibc(path))
			r = check_file(target, needs, path, &facts, findings);
	}
	return r;
}

int bfs_export_target_check(const struct bfs_export_target *target, struct bfs_export_needs *needs,
	json_t **ret_findings)
{
	_cleanup_json_ json_t *findings = json_array();
	int r = findings ? check_all(target, needs, findings) : -ENOMEM;

	if (r == 0)
		*ret_findings = bfs_steal(&findings);
	return r;
}
