#include "installer/relocate_scope.h"

#include "lib/path.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* As much of a file as file(1) looks at to tell text from data. */
#define TEXT_SAMPLE (1024 * 1024)

struct bfs_relocate_scope {
	const char *name;
	bool skip_elf;
	bool has_tab;	  /* set, be it to none */
	bool trusts_skip; /* of the tab's Homebrew version */
	json_t *listed;	  /* object with a key for each of changed_files; NULL: no list */
};

int bfs_relocate_scope_new(const char *name, bool skip_elf, struct bfs_relocate_scope **ret_scope)
{
	struct bfs_relocate_scope *scope = calloc(1, sizeof(*scope));

	if (!scope)
		return -ENOMEM;
	scope->name = name;
	scope->skip_elf = skip_elf;
	*ret_scope = scope;
	return 0;
}

void bfs_relocate_scope_free(struct bfs_relocate_scope *scope)
{
	if (!scope)
		return;
	json_decref(scope->listed);
	free(scope);
}

/*
 * Versions look like "5.1.15", "6.0.18-157-gaad366f-dirty", ">=4.3.0 (shallow or no git
 * repository)": the first three numbers tell, missing ones are 0.
 */
static bool version_is_at_least(const char *version, const unsigned long minimum[3])
{
	const char *c = version + strcspn(version, "0123456789");

	for (int i = 0; i < 3; i++) {
		char *end = (char *)c;
		unsigned long number = isdigit((unsigned char)*c) ? strtoul(c, &end, 10) : 0;

		if (number != minimum[i])
			return number > minimum[i];
		c = *end == '.' ? end + 1 : "";
	}
	return true;
}

static int list_files(const json_t *files, json_t **ret_listed)
{
	_cleanup_json_ json_t *listed = json_object();
	json_t *file;
	size_t i;

	if (!listed)
		return -ENOMEM;
	json_array_foreach(files, i, file)
	{
		if (!json_is_string(file))
			return -EBADMSG;
		/* A path that leaves the keg names no member; nor do those that do not exist. */
		if (json_object_set_new_nocheck(listed, json_string_value(file), json_true()) < 0)
			return -ENOMEM;
	}
	*ret_listed = bfs_steal(&listed);
	return 0;
}

int bfs_relocate_scope_set_tab(
	struct bfs_relocate_scope *scope, const json_t *tab, struct bfs_error *error)
{
	static const unsigned long trusted[3] = {5, 1, 15};
	json_t *files = NULL;
	int r = tab ? bfs_json_get_array(tab, "changed_files", &files) : -ENOENT;

	if (tab && !json_is_object(tab))
		r = -EBADMSG;
	if (r == 0)
		r = list_files(files, &scope->listed);
	if (r == -EBADMSG)
		return bfs_error_set(error, r, "reading the tab", scope->name,
			"changed_files is not a list of names");
	if (r < 0 && r != -ENOENT)
		return r;
	if (tab)
		scope->trusts_skip = version_is_at_least(
			bfs_json_string_or(tab, "homebrew_version", ""), trusted);
	scope->has_tab = true;
	return 0;
}

bool bfs_relocate_scope_has_tab(const struct bfs_relocate_scope *scope)
{
	return scope->has_tab;
}

enum bfs_scope_answer bfs_relocate_scope_edits_links(const struct bfs_relocate_scope *scope)
{
	if (!scope->skip_elf)
		return BFS_SCOPE_YES;
	if (!scope->has_tab)
		return BFS_SCOPE_UNKNOWN;
	return scope->trusts_skip ? BFS_SCOPE_NO : BFS_SCOPE_YES;
}

enum bfs_scope_answer bfs_relocate_scope_edits_elf(const struct bfs_relocate_scope *scope)
{
	/* Changing the loader's own interpreter and RPATH breaks it. */
	if (strcmp(scope->name, "glibc") == 0 || strncmp(scope->name, "glibc@", 6) == 0)
		return BFS_SCOPE_NO;
	return bfs_relocate_scope_edits_links(scope);
}

static bool has_extension(const char *base, const char *const *extensions)
{
	const char *dot = strrchr(base, '.');

	if (!dot || dot == base)
		return false;
	for (; *extensions; extensions++)
		if (strcmp(dot, *extensions) == 0)
			return true;
	return false;
}

static bool is_excluded(const struct bfs_relocate_scope *scope, const char *path, const char *base)
{
	/* Homebrew metafiles.rb */
	static const char *const documentation[] = {".adoc", ".asc", ".asciidoc", ".creole",
		".html", ".markdown", ".md", ".mdown", ".mediawiki", ".mkdn", ".org", ".pod",
		".rdoc", ".rst", ".rtf", ".textile", ".txt", ".wiki", NULL};
	const char *below = bfs_path_below(path, ".brew");
	size_t length = strlen(scope->name);

	if (has_extension(base, documentation))
		return true;
	return below && strncmp(below, scope->name, length) == 0 &&
	       strcmp(below + length, ".rb") == 0;
}

/* Bytes that file(1) (encoding.c) finds in no text: control characters but BEL, BS, TAB, LF, VT,
 * FF, CR, ESC. */
static bool is_control(uint8_t byte)
{
	return byte < 7 || (byte > 13 && byte < 32 && byte != 27) || byte == 127;
}

static bool is_text(const uint8_t *data, size_t length)
{
	if (length >= 2 && data[0] == '#' && data[1] == '!')
		return true;
	if (length > TEXT_SAMPLE)
		length = TEXT_SAMPLE;
	for (size_t i = 0; i < length; i++)
		if (is_control(data[i]))
			return false;
	return true;
}

static bool is_found_text(
	const struct bfs_relocate_scope *scope, const char *path, const void *data, size_t length)
{
	static const char *const libtool[] = {".la", ".lai", NULL};
	const char *base = bfs_path_base(path);

	if (has_extension(base, libtool) || strcmp(base, "orig-prefix.txt") == 0)
		return true;
	return !is_excluded(scope, path, base) && is_text(data, length);
}

enum bfs_scope_answer bfs_relocate_scope_covers_text(
	const struct bfs_relocate_scope *scope, const char *path, const void *data, size_t length)
{
	bool covered;

	if (!scope->has_tab)
		return BFS_SCOPE_UNKNOWN;
	covered = scope->listed ? json_object_get(scope->listed, path) != NULL
				: is_found_text(scope, path, data, length);
	return covered ? BFS_SCOPE_YES : BFS_SCOPE_NO;
}

/* "openjdk", or "openjdk@" and a number with dots. */
static bool is_java(const char *name)
{
	static const char java[] = "openjdk";
	const char *rest = name + strlen(java);

	if (strncmp(name, java, strlen(java)) != 0)
		return false;
	if (*rest == '\0')
		return true;
	return rest[0] == '@' && isdigit((unsigned char)rest[1]) &&
	       rest[1 + strspn(rest + 1, "0123456789.")] == '\0';
}

int bfs_tab_java_dependency(const json_t *tab, char **ret_name)
{
	json_t *dependencies = json_object_get(tab, "runtime_dependencies"), *dependency;
	size_t i;

	json_array_foreach(dependencies, i, dependency)
	{
		const char *name = bfs_json_string_or(dependency, "full_name", "");

		if (!is_java(name))
			continue;
		*ret_name = strdup(name);
		return *ret_name ? 0 : -ENOMEM;
	}
	*ret_name = NULL;
	return 0;
}
