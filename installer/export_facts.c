#include "installer/export_facts.h"

#include "installer/elf.h"
#include "installer/elf_versions.h"
#include "lib/text.h"

#include <ctype.h>
#include <elf.h>
#include <string.h>

#define SHEBANG_MAX 256 /* bytes that Linux looks at (fs/binfmt_script.c, BINPRM_BUF_SIZE) */

/* Fills the borrowed members from the document. */
static void read_document(struct bfs_export_facts *facts)
{
	const json_t *document = facts->document;
	const json_t *elf = json_object_get(document, "elf");

	facts->has_prefix = json_is_true(json_object_get(document, "prefix"));
	facts->finds_itself = json_is_true(json_object_get(document, "self"));
	facts->interpreter = bfs_json_string_or(document, "interpreter", NULL);
	facts->is_elf = json_is_object(elf);
	if (!facts->is_elf)
		return;
	facts->machine = json_integer_value(json_object_get(elf, "machine"));
	facts->opens_libraries = json_is_true(json_object_get(elf, "dlopen"));
	facts->is_program = json_is_true(json_object_get(elf, "program"));
	facts->soname = bfs_json_string_or(elf, "soname", NULL);
	facts->rpath = bfs_json_string_or(elf, "rpath", NULL);
	facts->needed = json_object_get(elf, "needed");
	facts->versions = json_object_get(elf, "versions");
}

static bool holds(const void *data, size_t length, const char *text)
{
	return memmem(data, length, text, strlen(text)) != NULL;
}

/* Whether the two are "libc.so.6 GLIBC_" and a number each. */
static bool is_same_family(const char *a, const char *b)
{
	const char *end = strrchr(a, '_');
	size_t length = end ? (size_t)(end - a) + 1 : 0;

	return length && strncmp(a, b, length) == 0 && isdigit((unsigned char)a[length]) &&
	       isdigit((unsigned char)b[length]);
}

static int add_version(void *context, const char *library, const char *version)
{
	json_t *versions = context, *known;
	char text[512];
	size_t i;

	if (snprintf(text, sizeof(text), "%s %s", library, version) >= (int)sizeof(text))
		return 0;
	json_array_foreach(versions, i, known)
	{
		const char *old = json_string_value(known);

		if (!old || !is_same_family(text, old))
			continue;
		if (strverscmp(text, old) <= 0)
			return 0;
		return json_array_set_new(versions, i, bfs_text_json(text)) < 0 ? -ENOMEM : 0;
	}
	return json_array_append_new(versions, bfs_text_json(text)) < 0 ? -ENOMEM : 0;
}

static bool is_python(const struct bfs_elf_info *info)
{
	for (size_t i = 0; i < info->needed_count; i++)
		if (strncmp(info->needed[i], "libpython", strlen("libpython")) == 0)
			return true;
	return false;
}

static json_t *needed_json(const struct bfs_elf_info *info)
{
	json_t *needed = json_array();

	for (size_t i = 0; needed && i < info->needed_count; i++) {
		if (json_array_append_new(needed, bfs_text_json(info->needed[i])) == 0)
			continue;
		json_decref(needed);
		return NULL;
	}
	return needed;
}

/* The machine's number is at offset 18 in either class. */
static int machine_of(const uint8_t *data)
{
	return data[EI_DATA] == ELFDATA2MSB ? data[18] << 8 | data[19] : data[19] << 8 | data[18];
}

/* NULL when out of memory. */
static json_t *elf_json(
	const uint8_t *data, const struct bfs_elf_info *info, bool dlopens, json_t *versions)
{
	return json_pack("{s:i, s:b, s:b, s:o, s:o, s:o, s:O}", "machine", machine_of(data),
		"program", info->interpreter != NULL, "dlopen", dlopens, "soname",
		bfs_text_json(info->soname), "rpath",
		bfs_text_json(info->runpath ? info->runpath : info->rpath), "needed",
		needed_json(info), "versions", versions);
}

/* A malformed file is data: the loader would not take it either. */
static int find_elf(const uint8_t *data, size_t length, json_t *document, bool *ret_self)
{
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;
	_cleanup_json_ json_t *versions = json_array();
	int r = versions ? bfs_elf_query(data, length, &info, NULL) : -ENOMEM;

	if (r == 0)
		r = bfs_elf_versions_visit(data, length, add_version, versions, NULL);
	if (r == -ENOEXEC || r == -EBADMSG)
		return 0;
	if (r == 0 && json_object_set_new(document, "elf",
			      elf_json(data, &info, holds(data, length, "dlopen"), versions)) < 0)
		r = -ENOMEM;
	*ret_self = is_python(&info) || holds(data, length, "/proc/self/exe") ||
		    (info.rpath && strstr(info.rpath, "$ORIGIN")) ||
		    (info.runpath && strstr(info.runpath, "$ORIGIN"));
	return r;
}

/* What follows "#!" up to a blank. */
static int find_interpreter(const char *data, size_t length, json_t *document)
{
	char line[SHEBANG_MAX + 1] = "";
	const char *start;

	memcpy(line, data, length < SHEBANG_MAX ? length : SHEBANG_MAX);
	if (strncmp(line, "#!", 2) != 0)
		return 0;
	start = line + 2 + strspn(line + 2, " \t");
	line[(start - line) + (long)strcspn(start, " \t\n")] = '\0';
	if (*start != '/')
		return 0;
	return json_object_set_new(document, "interpreter", bfs_text_json(start)) < 0 ? -ENOMEM : 0;
}

int bfs_export_facts_find(
	const void *data, size_t length, const char *prefix, struct bfs_export_facts *ret_facts)
{
	_cleanup_json_ json_t *document = json_object();
	bool self = false;
	int r = document ? find_elf(data, length, document, &self) : -ENOMEM;

	if (r == 0)
		r = find_interpreter(data, length, document);
	if (r == 0 && holds(data, length, prefix) &&
		json_object_set_new(document, "prefix", json_true()) < 0)
		r = -ENOMEM;
	if (r == 0 && self && json_object_set_new(document, "self", json_true()) < 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	*ret_facts = (struct bfs_export_facts){.document = bfs_steal(&document)};
	read_document(ret_facts);
	return 0;
}

int bfs_export_facts_parse(const char *text, struct bfs_export_facts *ret_facts)
{
	_cleanup_json_ json_t *document = NULL;
	int r = bfs_json_parse(text, strlen(text), "facts of a content", &document, NULL);

	if (r == 0 && !json_is_object(document))
		r = -EBADMSG;
	if (r < 0)
		return r;
	*ret_facts = (struct bfs_export_facts){.document = bfs_steal(&document)};
	read_document(ret_facts);
	return 0;
}

char *bfs_export_facts_text(const struct bfs_export_facts *facts)
{
	return json_dumps(facts->document, JSON_COMPACT | JSON_SORT_KEYS);
}

void bfs_export_facts_release(struct bfs_export_facts *facts)
{
	json_decref(facts->document);
	*facts = (struct bfs_export_facts){0};
}
