#include "index/ignore.h"

#include "lib/file.h"
#include "lib/path.h"

#include <fnmatch.h>
#include <string.h>

#define REPOSITORY "Homebrew"

/*
 * Homebrew's own files that change with every run of brew and belong to a host: its repository and
 * taps (extend/os/linux: HOMEBREW_REPOSITORY is PREFIX/Homebrew), its locks (HOMEBREW_LOCKS) and
 * its temporary Cellar.
 */
static const char defaults[] = "/" REPOSITORY "/\n"
			       "/var/homebrew/locks/\n"
			       "/var/homebrew/tmp/\n"
			       "/.cache/\n"
			       "/lib/ld.so\n"
			       "/etc/ld.so.conf.d/50-homebrew-preferred-gcc.conf\n";

/* Links that are the host's while they lead into the gcc that was installed (fs/host.c). */
static const char *const gcc_links[] = {
	"lib/libatomic.so.1",
	"lib/libgcc_s.so.1",
	"lib/libgomp.so.1",
	"lib/libstdc++.so.6",
};
#define GCC "opt/gcc"

struct rule {
	char **components; /* one for a rule about names; a single allocation */
	size_t count;
	bool anchored, negated, directories;
};

struct host_name {
	char *path;
	uint64_t ino;
};

struct bfs_ignore {
	char *prefix;
	struct host_name *host_names;
	size_t host_count;
	struct rule *rules;
	size_t count;
	bool repository; /* is ignored, and what links into it */
};

/* Length of a line without the spaces at its end that are not escaped. */
static size_t trimmed_length(const char *line, size_t length)
{
	if (length && line[length - 1] == '\r')
		length--;
	while (length && line[length - 1] == ' ' && !(length > 1 && line[length - 2] == '\\'))
		length--;
	return length;
}

/* Splits at slashes; empty components are left out. */
static int split(struct rule *rule, const char *text, size_t length)
{
	size_t limit = 1;
	char *copy;

	for (size_t i = 0; i < length; i++)
		limit += text[i] == '/';
	rule->components = malloc(limit * sizeof(*rule->components) + length + 1);
	if (!rule->components)
		return -ENOMEM;
	copy = (char *)(rule->components + limit);
	memcpy(copy, text, length);
	copy[length] = '\0';
	for (char *state = NULL, *part = strtok_r(copy, "/", &state); part;
		part = strtok_r(NULL, "/", &state))
		rule->components[rule->count++] = part;
	return 0;
}

static int add_rule(struct bfs_ignore *ignore, const char *line, size_t length)
{
	struct rule rule = {0}, *grown;
	int r;

	length = trimmed_length(line, length);
	if (length == 0 || *line == '#' || memchr(line, '\0', length))
		return 0;
	if (*line == '!') {
		rule.negated = true;
		line++, length--;
	}
	if (length && line[length - 1] == '/') {
		rule.directories = true;
		length--;
	}
	if (length == 0)
		return 0;
	rule.anchored = memchr(line, '/', length) != NULL;
	grown = reallocarray(ignore->rules, ignore->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	ignore->rules = grown;
	r = split(&rule, line, length);
	if (r == 0)
		ignore->rules[ignore->count++] = rule;
	return r;
}

static int add_rules(struct bfs_ignore *ignore, const char *text, size_t length)
{
	int r = 0;

	while (r == 0 && length) {
		const char *end = memchr(text, '\n', length);
		size_t line = end ? (size_t)(end - text) : length;

		r = add_rule(ignore, text, line);
		line += end != NULL;
		text += line;
		length -= line;
	}
	return r;
}

int bfs_ignore_new(
	const char *prefix, const char *text, size_t length, struct bfs_ignore **ret_ignore)
{
	_cleanup_ignore_ struct bfs_ignore *ignore = calloc(1, sizeof(*ignore));
	int r;

	if (!ignore)
		return -ENOMEM;
	ignore->prefix = strdup(prefix);
	r = ignore->prefix ? add_rules(ignore, defaults, strlen(defaults)) : -ENOMEM;
	if (r == 0 && text)
		r = add_rules(ignore, text, length);
	if (r < 0)
		return r;
	ignore->repository = bfs_ignore_matches(ignore, REPOSITORY, true);
	*ret_ignore = bfs_steal(&ignore);
	return 0;
}

void bfs_ignore_free(struct bfs_ignore *ignore)
{
	if (!ignore)
		return;
	for (size_t i = 0; i < ignore->count; i++)
		free(ignore->rules[i].components);
	for (size_t i = 0; i < ignore->host_count; i++)
		free(ignore->host_names[i].path);
	free(ignore->rules);
	free(ignore->host_names);
	free(ignore->prefix);
	free(ignore);
}

int bfs_ignore_add_host_name(struct bfs_ignore *ignore, const char *path, uint64_t ino)
{
	struct host_name *grown = reallocarray(
		ignore->host_names, ignore->host_count + 1, sizeof(*ignore->host_names));

	if (!grown)
		return -ENOMEM;
	ignore->host_names = grown;
	grown[ignore->host_count] = (struct host_name){strdup(path), ino};
	if (!grown[ignore->host_count].path)
		return -ENOMEM;
	ignore->host_count++;
	return 0;
}

bool bfs_ignore_is_host_name(const struct bfs_ignore *ignore, const char *path, uint64_t ino)
{
	for (size_t i = 0; ignore && i < ignore->host_count; i++)
		if (strcmp(ignore->host_names[i].path, path) == 0)
			return ignore->host_names[i].ino == ino;
	return false;
}

static bool component_matches(const char *pattern, const char *path, size_t length)
{
	char name[BFS_NAME_MAX + 1];

	if (length > BFS_NAME_MAX)
		return false;
	memcpy(name, path, length);
	name[length] = '\0';
	return fnmatch(pattern, name, 0) == 0;
}

/* Matches components from the pattern's on against the rest of a path; NULL is its end. */
static bool path_matches(char *const *pattern, size_t count, const char *path)
{
	while (count && path) {
		const char *slash = strchr(path, '/');

		if (strcmp(*pattern, "**") == 0) {
			if (count == 1) /* everything inside */
				return true;
			if (path_matches(pattern + 1, count - 1, path))
				return true;
		} else {
			if (!component_matches(
				    *pattern, path, slash ? (size_t)(slash - path) : strlen(path)))
				return false;
			pattern++, count--;
		}
		path = slash ? slash + 1 : NULL;
	}
	return count == 0 && !path;
}

static bool rule_matches(const struct rule *rule, const char *path, bool directory)
{
	const char *base = bfs_path_base(path);

	if (rule->count == 0 || (rule->directories && !directory))
		return false;
	if (!rule->anchored)
		return component_matches(rule->components[0], base, strlen(base));
	return path_matches(rule->components, rule->count, path);
}

bool bfs_ignore_matches(const struct bfs_ignore *ignore, const char *path, bool directory)
{
	for (size_t i = ignore->count; i > 0; i--)
		if (rule_matches(&ignore->rules[i - 1], path, directory))
			return !ignore->rules[i - 1].negated;
	return false;
}

/* Resolves "." and ".." of a target as text; NULL where it leaves the prefix or memory ends. */
static char *destination(const char *prefix, const char *path, const char *target)
{
	const char *below = target[0] == '/' ? bfs_path_below(target, prefix) : NULL;
	_cleanup_free_ char *parent = target[0] == '/' ? strdup("") : bfs_path_parent(path);
	_cleanup_free_ char *text = NULL;
	char *result, *end, *state = NULL;

	if (!parent || (target[0] == '/' && !below))
		return NULL;
	text = bfs_format("%s/%s", parent, below ? below : target);
	result = text ? calloc(1, strlen(text) + 2) : NULL;
	if (!result)
		return NULL;
	end = result;
	for (char *part = strtok_r(text, "/", &state); part; part = strtok_r(NULL, "/", &state)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") != 0) {
			end += sprintf(end, "%s%s", end == result ? "" : "/", part);
			continue;
		}
		if (end == result) {
			free(result);
			return NULL;
		}
		while (end > result && *end != '/')
			end--;
		*end = '\0';
	}
	return result;
}

static bool is_gcc_link(const char *path)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(gcc_links); i++)
		if (strcmp(path, gcc_links[i]) == 0)
			return true;
	return false;
}

/* Links that belong to what they lead to. */
static int is_ignored_link(const struct bfs_ignore *ignore, struct bfs_tree *tree, const char *path,
	uint64_t ino, bool *ret_ignored)
{
	_cleanup_free_ char *target = NULL, *to = NULL;
	int r = bfs_tree_read_link(tree, ino, &target);

	if (r < 0)
		return r;
	to = destination(ignore->prefix, path, target);
	*ret_ignored = to && ((ignore->repository && bfs_path_below(to, REPOSITORY)) ||
				     (is_gcc_link(path) && bfs_path_below(to, GCC)));
	return 0;
}

int bfs_ignore_entry(const struct bfs_ignore *ignore, struct bfs_tree *tree, const char *path,
	const struct bfs_attributes *attributes, bool *ret_ignored)
{
	mode_t type = attributes->mode & S_IFMT;

	*ret_ignored = type != S_IFREG && type != S_IFDIR && type != S_IFLNK;
	if (*ret_ignored || !ignore)
		return 0;
	*ret_ignored = bfs_ignore_matches(ignore, path, type == S_IFDIR);
	if (*ret_ignored || type != S_IFLNK)
		return 0;
	return is_ignored_link(ignore, tree, path, attributes->ino, ret_ignored);
}
