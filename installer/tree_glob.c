#include "installer/tree_glob.h"

#include "index/tree_path.h"
#include "installer/listing.h"
#include "lib/buffer.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>

struct search {
	struct bfs_tree *tree;
	bfs_strings *paths;
	size_t found, directories, alternatives; /* so far */
};

bool bfs_glob_is_pattern(const char *pattern)
{
	return strpbrk(pattern, "*?[{") != NULL;
}

/* Length of the character at the start of a name: of UTF-8 where it is, else one byte. */
static size_t character_length(const char *name)
{
	unsigned char c = (unsigned char)name[0];
	size_t length = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;

	for (size_t i = 1; i < length; i++)
		if (((unsigned char)name[i] & 0xc0) != 0x80)
			return 1;
	return length;
}

/* Order of two characters of UTF-8, which is that of their bytes. */
static int compare_characters(const char *a, size_t a_length, const char *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

	return order ? order : (int)a_length - (int)b_length;
}

/* Takes a character of a bracket expression, or an escaped one. */
static const char *take_member(const char **pattern, size_t *length)
{
	const char *member;

	if (**pattern == '\\' && (*pattern)[1])
		(*pattern)++;
	member = *pattern;
	*length = character_length(member);
	*pattern += *length;
	return member;
}

/*
 * Whether the name's first character is in the brackets whose content starts at `*pattern`, which
 * is moved past them; brackets that do not end match nothing.
 */
static bool match_brackets(const char **pattern, const char *name)
{
	size_t length = character_length(name);
	bool negated = **pattern == '^' || **pattern == '!', matches = false;

	*pattern += negated;
	while (**pattern != ']') {
		size_t from_length, to_length;
		const char *from, *to;

		if (**pattern == '\0')
			return false;
		to = from = take_member(pattern, &from_length);
		to_length = from_length;
		if (**pattern == '-' && (*pattern)[1] && (*pattern)[1] != ']') {
			(*pattern)++;
			to = take_member(pattern, &to_length);
		}
		matches |= compare_characters(from, from_length, name, length) <= 0 &&
			   compare_characters(name, length, to, to_length) <= 0;
	}
	(*pattern)++;
	return matches != negated;
}

/* One step of the pattern that is no star. */
static bool match_one(const char **pattern, const char **name)
{
	if (**name == '\0')
		return false;
	if (**pattern == '?') {
		(*pattern)++;
		*name += character_length(*name);
		return true;
	}
	if (**pattern == '[') {
		(*pattern)++;
		if (!match_brackets(pattern, *name))
			return false;
		*name += character_length(*name);
		return true;
	}
	if (**pattern == '\\' && (*pattern)[1])
		(*pattern)++;
	if (**pattern != **name)
		return false;
	(*pattern)++;
	(*name)++;
	return true;
}

bool bfs_glob_match(const char *pattern, const char *name)
{
	const char *star = NULL, *star_name = NULL;

	if (name[0] == '.' && pattern[0] != '.' && strncmp(pattern, "\\.", 2) != 0)
		return false;
	while (*name || *pattern) {
		if (*pattern == '*') {
			star = ++pattern;
			star_name = name;
			continue;
		}
		if (*pattern && match_one(&pattern, &name))
			continue;
		/* Only the last star ever has to take more. */
		if (!star || *star_name == '\0')
			return false;
		pattern = star;
		name = star_name += character_length(star_name);
	}
	return true;
}

static int add_path(struct search *search, const char *path)
{
	if (search->found++ == BFS_GLOB_FOUND_MAX)
		return -E2BIG;
	return bfs_strings_add(search->paths, path);
}

static int search_components(struct search *search, const char *directory, const char *pattern);

/* A component without wildcards: the backslashes go. */
static char *unescape(const char *component)
{
	char *name = strdup(component), *to = name;

	for (const char *from = name; from && *from; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	if (name)
		*to = '\0';
	return name;
}

static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV || r == -ENAMETOOLONG;
}

/* Goes on with the rest of the pattern below a path, or notes the path if there is no more. */
static int search_rest(struct search *search, const char *path, const char *rest)
{
	struct bfs_attributes attributes;
	int r;

	if (*rest)
		return search_components(search, path, rest);
	r = bfs_tree_lstat_path(search->tree, path, &attributes);
	if (is_gone(r))
		return 0;
	return r < 0 ? r : add_path(search, path);
}

static int read_directory(struct search *search, uint64_t ino, struct bfs_listing *listing)
{
	if (search->directories++ == BFS_GLOB_DIRECTORIES_MAX)
		return -E2BIG;
	return bfs_listing_read(search->tree, ino, listing);
}

/* A recursive component: what the rest matches here and in all directories below. */
static int search_recursively(struct search *search, const char *directory, const char *rest)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(search->tree, directory, &attributes);

	if (is_gone(r))
		return 0;
	if (r == 0)
		r = search_components(search, directory, rest);
	if (r == 0 && S_ISDIR(attributes.mode))
		r = read_directory(search, attributes.ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		const struct bfs_listing_entry *entry = &listing.entries[i];
		_cleanup_free_ char *path = NULL;

		if (entry->name[0] == '.' || !S_ISDIR(entry->attributes.mode))
			continue;
		path = bfs_path_join(directory, entry->name);
		r = path ? search_recursively(search, path, rest) : -ENOMEM;
	}
	return r;
}

/* A component with wildcards. */
static int search_directory(
	struct search *search, const char *directory, const char *component, const char *rest)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	struct bfs_attributes attributes;
	int r = bfs_tree_stat_path(search->tree, directory, &attributes);

	if (is_gone(r) || (r == 0 && !S_ISDIR(attributes.mode)))
		return 0;
	if (r == 0)
		r = read_directory(search, attributes.ino, &listing);
	for (size_t i = 0; r == 0 && i < listing.count; i++) {
		_cleanup_free_ char *path = NULL;

		if (!bfs_glob_match(component, listing.entries[i].name))
			continue;
		path = bfs_path_join(directory, listing.entries[i].name);
		r = path ? search_rest(search, path, rest) : -ENOMEM;
	}
	return r;
}

static int search_components(struct search *search, const char *directory, const char *pattern)
{
	const char *slash = strchrnul(pattern, '/');
	_cleanup_free_ char *component = strndup(pattern, (size_t)(slash - pattern));
	_cleanup_free_ char *name = NULL, *path = NULL;
	const char *rest = slash + strspn(slash, "/");

	if (!component)
		return -ENOMEM;
	if (strcmp(component, "**") == 0 && *rest) {
		while (strncmp(rest, "**/", 3) == 0)
			rest += 3;
		return search_recursively(search, directory, rest);
	}
	if (strpbrk(component, "*?["))
		return search_directory(search, directory, component, rest);
	name = unescape(component);
	path = name ? bfs_path_join(directory, name) : NULL;
	return path ? search_rest(search, path, rest) : -ENOMEM;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts paths and drops those found in two ways. */
static void sort_paths(char **paths)
{
	size_t count = bfs_strings_count(paths), kept = 0;

	qsort(paths, count, sizeof(*paths), compare_paths);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && strcmp(paths[kept - 1], paths[i]) == 0)
			free(paths[i]);
		else
			paths[kept++] = paths[i];
	}
	paths[kept] = NULL;
}

/* A pattern without braces. */
static int search_alternative(struct search *search, const char *pattern)
{
	size_t before = bfs_strings_count(*search->paths);
	int r;

	if (search->alternatives++ == BFS_GLOB_ALTERNATIVES_MAX)
		return -E2BIG;
	r = search_components(search, "", pattern);
	if (r == 0 && *search->paths)
		sort_paths(*search->paths + before);
	return r;
}

/* The brace that closes the one before `at`, or NULL. */
static const char *find_closing(const char *at)
{
	unsigned depth = 0;

	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '{')
			depth++;
		else if (*at == '}' && depth-- == 0)
			return at;
	}
	return NULL;
}

/* The end of the alternative at `at`: its comma, or the closing brace. */
static const char *find_alternative_end(const char *at, const char *closing)
{
	unsigned depth = 0;

	for (; at < closing; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (*at == '{')
			depth++;
		else if (*at == '}')
			depth--;
		else if (*at == ',' && depth == 0)
			break;
	}
	return at;
}

static const char *find_brace(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '\\' && pattern[1])
			pattern++;
		else if (*pattern == '{')
			return pattern;
	}
	return NULL;
}

/* Each alternative of the first braces with what is before and after them. */
static int expand_braces(struct search *search, const char *pattern)
{
	const char *opening = find_brace(pattern);
	const char *closing = opening ? find_closing(opening + 1) : NULL;
	const char *at;
	int r;

	if (!closing)
		return search_alternative(search, pattern);
	at = opening + 1;
	for (;;) {
		const char *end = find_alternative_end(at, closing);
		_cleanup_buffer_ struct bfs_buffer one = BFS_BUFFER_INIT;

		if (bfs_buffer_append(&one, pattern, (size_t)(opening - pattern)) < 0 ||
			bfs_buffer_append(&one, at, (size_t)(end - at)) < 0 ||
			bfs_buffer_append_string(&one, closing + 1) < 0)
			return -ENOMEM;
		r = expand_braces(search, one.data ? one.data : "");
		if (r < 0 || end == closing)
			return r;
		at = end + 1;
	}
}

int bfs_tree_glob(struct bfs_tree *tree, const char *pattern, bfs_strings *paths)
{
	struct search search = {.tree = tree, .paths = paths};

	if (strlen(pattern) >= PATH_MAX)
		return -ENAMETOOLONG;
	return expand_braces(&search, pattern);
}
