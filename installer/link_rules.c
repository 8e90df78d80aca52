#include "installer/link_rules.h"

#include "lib/path.h"

#include <string.h>

const char *const bfs_link_directories[] = {
	"etc", "bin", "sbin", "include", "share", "lib", "Frameworks", NULL};

/* ASCII only, as in Ruby, whatever the locale says. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, size_t length, const char *suffix)
{
	size_t suffix_length = strlen(suffix);

	return length >= suffix_length &&
	       memcmp(text + length - suffix_length, suffix, suffix_length) == 0;
}

/* The start of the next line, NULL after the last one. */
static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : NULL;
}

static bool match_any(const char *path, const char *text)
{
	(void)path, (void)text;
	return true;
}

static bool match_exactly(const char *path, const char *text)
{
	return strcmp(path, text) == 0;
}

/* ^TEXT */
static bool match_prefix(const char *path, const char *text)
{
	for (; path; path = next_line(path))
		if (starts_with(path, text))
			return true;
	return false;
}

/* ^TEXT\d+ */
static bool match_number(const char *path, const char *text)
{
	for (; path; path = next_line(path))
		if (starts_with(path, text) && is_digit(path[strlen(text)]))
			return true;
	return false;
}

/*
 * (locale|man)/([a-z]{2}|C|POSIX)(_[A-Z]{2})?(\.[a-zA-Z\-0-9]+(@.+)?)?	LOCALEDIR_RX
 *
 * What follows the language is optional and nothing ties the end down, so only the beginning
 * decides; man/man1 is one as well.
 */
static bool match_locale(const char *path, const char *text)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t before = (size_t)(slash - path);
		const char *language = slash + 1;

		if (!ends_with(path, before, "locale") && !ends_with(path, before, "man"))
			continue;
		if ((is_lower(language[0]) && is_lower(language[1])) || language[0] == 'C' ||
			starts_with(language, "POSIX"))
			return true;
	}
	(void)text;
	return false;
}

/* Whether the line that `name` begins on has `suffix` at its end, with a character or more before
 * it but no dot first. */
static bool is_info_name(const char *name, const char *suffix)
{
	size_t length = strcspn(name + (*name != '\0'), "\n") + (*name != '\0');

	return name[0] != '.' && length > strlen(suffix) && ends_with(name, length, suffix);
}

/* info/([^.].*?\.info(\.gz)?|dir)$	INFOFILE_RX, its first half */
static bool match_info(const char *path, const char *text)
{
	for (const char *name = strstr(path, "info/"); name; name = strstr(name + 1, "info/"))
		if (is_info_name(name + 5, ".info") || is_info_name(name + 5, ".info.gz"))
			return true;
	(void)text;
	return false;
}

/* info/dir$	INFOFILE_RX, its second half; then by keg.rb#link_dir a file of that name is passed
 * over */
static bool match_info_index(const char *path, const char *text)
{
	(void)text;
	for (const char *name = strstr(path, "info/dir"); name; name = strstr(name + 1, "info/dir"))
		if (name[8] == '\0')
			return true;
	return false;
}

/* ^icons/.*\/icon-theme\.cache$ */
static bool match_icon_cache(const char *path, const char *text)
{
	for (; path; path = next_line(path))
		if (starts_with(path, "icons/") &&
			ends_with(path + 6, strcspn(path + 6, "\n"), text))
			return true;
	return false;
}

/* [^/]*\.framework(/Versions)?$ */
static bool match_framework(const char *path, const char *text)
{
	(void)text;
	for (; path; path = next_line(path)) {
		size_t length = strcspn(path, "\n");

		if (ends_with(path, length, ".framework") ||
			ends_with(path, length, ".framework/Versions"))
			return true;
	}
	return false;
}

/* The first row that matches counts; where none does, LINK. */
static const struct rule {
	const char *top;
	bool (*matches)(const char *path, const char *text);
	const char *text;
	enum bfs_link_action directory, file;
} rules[] = {
	{"etc", match_any, "", BFS_LINK_MKPATH, BFS_LINK_LINK},

	{"bin", match_any, "", BFS_LINK_SKIP, BFS_LINK_LINK},

	{"sbin", match_any, "", BFS_LINK_SKIP, BFS_LINK_LINK},

	{"include", match_number, "postgresql@", BFS_LINK_MKPATH, BFS_LINK_LINK},

	{"share", match_info_index, "", BFS_LINK_LINK, BFS_LINK_SKIP},
	{"share", match_info, "", BFS_LINK_LINK, BFS_LINK_INFO},
	{"share", match_exactly, "locale/locale.alias", BFS_LINK_LINK, BFS_LINK_SKIP},
	{"share", match_icon_cache, "/icon-theme.cache", BFS_LINK_LINK, BFS_LINK_SKIP},
	{"share", match_locale, "", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "icons/", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "zsh", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "fish", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "pwsh", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "lua/", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "guile/", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_number, "postgresql@", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_prefix, "pypy", BFS_LINK_MKPATH, BFS_LINK_LINK},
	/* SHARE_PATHS */
	{"share", match_exactly, "aclocal", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "cps", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "doc", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "info", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "java", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "locale", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "man", BFS_LINK_MKPATH, BFS_LINK_LINK},
	/* man/man1..8 and man/cat1..8 are languages to LOCALEDIR_RX, and so done above. */
	{"share", match_exactly, "applications", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "gnome", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "gnome/help", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "icons", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "mime", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "mime/packages", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "mime-info", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "pixmaps", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "postgresql", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"share", match_exactly, "sounds", BFS_LINK_MKPATH, BFS_LINK_LINK},

	{"lib", match_exactly, "charset.alias", BFS_LINK_LINK, BFS_LINK_SKIP},
	{"lib", match_exactly, "cps", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_exactly, "pkgconfig", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_exactly, "cmake", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_exactly, "dtrace", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "gdk-pixbuf", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_exactly, "ghc", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "gio", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "lua", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "mecab", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "node", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "ocaml", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "perl5", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_exactly, "php", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_number, "postgresql@", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "pypy", BFS_LINK_MKPATH, BFS_LINK_LINK},
	/* ^python[23]\.\d+ */
	{"lib", match_number, "python2.", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_number, "python3.", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "R", BFS_LINK_MKPATH, BFS_LINK_LINK},
	{"lib", match_prefix, "ruby", BFS_LINK_MKPATH, BFS_LINK_LINK},

	{"Frameworks", match_framework, "", BFS_LINK_MKPATH, BFS_LINK_LINK},
};

static bool is_linked(const char *top)
{
	for (const char *const *directory = bfs_link_directories; *directory; directory++)
		if (strcmp(top, *directory) == 0)
			return true;
	return false;
}

enum bfs_link_action bfs_link_rule(const char *top, const char *path, mode_t mode)
{
	if (!is_linked(top))
		return BFS_LINK_SKIP;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].top, top) == 0 && rules[i].matches(path, rules[i].text))
			return S_ISDIR(mode) ? rules[i].directory : rules[i].file;
	return BFS_LINK_LINK;
}

/* File.extname: a name that begins with its only dot has no extension. */
static bool has_extension(const char *name, const char *extension)
{
	size_t length = strlen(name);

	return length > strlen(extension) && ends_with(name, length, extension);
}

bool bfs_link_is_ignored(const char *path, mode_t mode)
{
	const char *name = bfs_path_base(path);

	if (S_ISDIR(mode))
		return has_extension(name, ".app");
	if (strcmp(name, ".DS_Store") == 0)
		return true;
	return (has_extension(name, ".pyc") || has_extension(name, ".pyo")) &&
	       strstr(path, "/site-packages/");
}

/* Whether the pattern, in which * stands for any characters but the end of a line, matches all of
 * the text. */
static bool match_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *star_text = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			star_text = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star && *star_text != '\n') {
			pattern = star + 1;
			text = ++star_text;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	if (length && directory[length - 1] == '/')
		length--;
	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

bool bfs_link_may_overwrite(const char *path, char *const *patterns)
{
	for (; patterns && *patterns; patterns++)
		if (strcmp(path, *patterns) == 0 || is_below(path, *patterns) ||
			match_glob(*patterns, path))
			return true;
	return false;
}
