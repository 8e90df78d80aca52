#include "installer/steps_private.h"

#include "installer/prefix.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

/*
 * The bases of paths, relative to the prefix: %k is the keg, %n the formula's name (Homebrew
 * formula.rb).
 */
static const struct base {
	const char *name, *path;
} bases[] = {
	{"homebrew_prefix", ""},
	{"prefix", "%k"},
	{"opt_prefix", "opt/%n"},
	{"rack", "Cellar/%n"},
	{"var", "var"},
	{"etc", "etc"},
	{"pkgetc", "etc/%n"},
	{"bin", "%k/bin"},
	{"sbin", "%k/sbin"},
	{"lib", "%k/lib"},
	{"libexec", "%k/libexec"},
	{"include", "%k/include"},
	{"share", "%k/share"},
	{"pkgshare", "%k/share/%n"},
	{"frameworks", "%k/Frameworks"},
	{"man", "%k/share/man"},
	{"man1", "%k/share/man/man1"},
	{"doc", "%k/share/doc/%n"},
	{"info", "%k/share/info"},
	{"elisp", "%k/share/emacs/site-lisp/%n"},
	{"opt_bin", "opt/%n/bin"},
	{"opt_sbin", "opt/%n/sbin"},
	{"opt_lib", "opt/%n/lib"},
	{"opt_libexec", "opt/%n/libexec"},
	{"opt_include", "opt/%n/include"},
	{"opt_share", "opt/%n/share"},
	{"opt_pkgshare", "opt/%n/share/%n"},
	{"bash_completion", "%k/etc/bash_completion.d"},
	{"zsh_completion", "%k/share/zsh/site-functions"},
	{"fish_completion", "%k/share/fish/vendor_completions.d"},
	{"pwsh_completion", "%k/share/pwsh/completions"},
};

/* Those of them that {{...}} knows as well (Homebrew install_steps.rb CONTENT_PATH_TOKENS). */
static const char *const path_tokens[] = {"prefix", "opt_prefix", "bin", "sbin", "lib", "libexec",
	"share", "pkgshare", "var", "etc", "pkgetc", "rack", "bash_completion", "zsh_completion",
	"fish_completion", "pwsh_completion"};

static int append_base(
	const struct bfs_steps_runner *runner, const char *base, struct bfs_buffer *path)
{
	int r = bfs_buffer_append_string(path, runner->order->prefix);

	if (r == 0 && *base)
		r = bfs_buffer_append(path, "/", 1);
	for (; r == 0 && *base; base++) {
		if (base[0] == '%' && base[1] == 'k') {
			r = bfs_buffer_append_string(path, runner->keg);
			base++;
		} else if (base[0] == '%' && base[1] == 'n') {
			r = bfs_buffer_append_string(path, runner->order->formula->name);
			base++;
		} else {
			r = bfs_buffer_append(path, base, 1);
		}
	}
	return r;
}

static const char *find_base(const char *name, size_t length)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(bases); i++)
		if (strlen(bases[i].name) == length && memcmp(bases[i].name, name, length) == 0)
			return bases[i].path;
	return NULL;
}

static bool is_token(const char *token, size_t length, const char *name)
{
	return strlen(name) == length && memcmp(token, name, length) == 0;
}

static bool is_path_token(const char *token, size_t length)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(path_tokens); i++)
		if (is_token(token, length, path_tokens[i]))
			return true;
	return false;
}

/*
 * Length of the first token of a version as Homebrew splits it: digits, or letters with what
 * belongs to them.
 */
static size_t version_token(const char *version)
{
	static const char *const words[] = {"alpha", "beta", "pre", "rc", "a", "b", "p"};
	size_t digits = strspn(version, "0123456789");
	size_t letters;

	if (digits > 0)
		return digits;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(words); i++) {
		size_t length = strlen(words[i]);
		size_t number = strncasecmp(version, words[i], length) == 0
					? strspn(version + length, "0123456789")
					: 0;

		if (number > 0)
			return length + number;
	}
	letters = strspn(version, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	return letters;
}

static const char *skip_separators(const char *version)
{
	while (*version && version_token(version) == 0)
		version++;
	return version;
}

/* "3" or "3.12" of "3.12.4". */
static int append_version_start(const char *version, bool minor, struct bfs_buffer *text)
{
	const char *first = skip_separators(version);
	size_t length = version_token(first);
	const char *second = skip_separators(first + length);
	int r = bfs_buffer_append(text, first, length);

	if (r < 0 || !minor || !*second)
		return r;
	r = bfs_buffer_append(text, ".", 1);
	return r < 0 ? r : bfs_buffer_append(text, second, version_token(second));
}

/* Appends what a token stands for; 0 where it is none: *ret_known says so. */
static int append_token(struct bfs_steps_runner *runner, const char *token, size_t length,
	struct bfs_buffer *text, bool *ret_known)
{
	const struct bfs_steps_order *order = runner->order;

	*ret_known = true;
	if (is_token(token, length, "HOMEBREW_PREFIX"))
		return bfs_buffer_append_string(text, order->prefix);
	if (is_token(token, length, "HOMEBREW_CELLAR"))
		return bfs_buffer_append_format(text, "%s/Cellar", order->prefix);
	if (is_token(token, length, "HOMEBREW_BREW_FILE"))
		return bfs_buffer_append_format(text, "%s/bin/brew", order->prefix);
	if (is_token(token, length, "name") || is_token(token, length, "formula_name"))
		return bfs_buffer_append_string(text, order->formula->name);
	if (is_token(token, length, "version"))
		return bfs_buffer_append_string(text, order->formula->version);
	if (is_token(token, length, "version.major"))
		return append_version_start(order->formula->version, false, text);
	if (is_token(token, length, "version.major_minor"))
		return append_version_start(order->formula->version, true, text);
	if (runner->host && is_token(token, length, "user"))
		return bfs_buffer_append_string(text, runner->host->user);
	if (runner->host && is_token(token, length, "temp"))
		return bfs_buffer_append_string(text, runner->host->temp);
	if (is_token(token, length, "user") || is_token(token, length, "temp"))
		return bfs_steps_later(
			runner, "{{%.*s}} is different for everyone", (int)length, token);
	if (is_path_token(token, length))
		return append_base(runner, find_base(token, length), text);
	*ret_known = false;
	return 0;
}

/* Length of the token name between the braces at `text`, 0 where there is none. */
static size_t token_length(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t length;

	if (strncmp(text, "{{", 2) != 0 || !text[2] || !strchr(letters, text[2]))
		return 0;
	length = strspn(text + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
				  "0123456789.");
	return strncmp(text + 2 + length, "}}", 2) == 0 ? length : 0;
}

int bfs_steps_expand(struct bfs_steps_runner *runner, const char *text, char **ret_text)
{
	_cleanup_buffer_ struct bfs_buffer expanded = BFS_BUFFER_INIT;
	int r = bfs_buffer_reserve(&expanded, 0);

	while (r == 0 && *text) {
		size_t plain = strcspn(text, "{");
		size_t length = token_length(text + plain);
		bool known = false;

		r = bfs_buffer_append(&expanded, text, plain);
		text += plain;
		if (r == 0 && length > 0)
			r = append_token(runner, text + 2, length, &expanded, &known);
		if (known) {
			text += length + 4;
		} else if (r == 0 && *text) {
			r = bfs_buffer_append(&expanded, text, 1);
			text++;
		}
	}
	if (r != 0)
		return r;
	*ret_text = bfs_buffer_steal(&expanded);
	return *ret_text ? 0 : -ENOMEM;
}

/* Takes "." and ".." out of an absolute path by its names alone, and slashes that say nothing. */
static void normalise(char *path)
{
	char *to = path;
	const char *from = path;

	while (*from) {
		size_t length;

		from += strspn(from, "/");
		length = strcspn(from, "/");
		if (length == 2 && memcmp(from, "..", 2) == 0) {
			while (to > path && *--to != '/')
				;
		} else if (length > 0 && !(length == 1 && *from == '.')) {
			*to++ = '/';
			memmove(to, from, length);
			to += length;
		}
		from += length;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

/* The parts of a path value. */
struct value {
	const char *base, *formula, *path;
};

static int take_value(struct bfs_steps_runner *runner, const json_t *json, struct value *ret_value)
{
	*ret_value = (struct value){.path = json_string_value(json)};
	if (json_is_object(json)) {
		ret_value->base = bfs_json_string_or(json, "base", NULL);
		ret_value->formula = bfs_json_string_or(json, "formula", NULL);
		ret_value->path = bfs_json_string_or(json, "path", NULL);
	}
	if (!ret_value->path)
		return bfs_steps_fail(runner, -EBADMSG, NULL, "a path is missing");
	if (ret_value->base && (!*ret_value->base || strcmp(ret_value->base, "absolute") == 0))
		ret_value->base = NULL;
	return 0;
}

/* The base of another formula's files. */
static int append_formula_base(
	struct bfs_steps_runner *runner, const struct value *value, struct bfs_buffer *path)
{
	const char *directory = strcmp(value->base, "formula_pkgetc") == 0 ? "etc" : "opt";

	if (!value->formula || !bfs_formula_reference_is_valid(value->formula))
		return bfs_steps_fail(runner, -EBADMSG, value->base, "it needs a formula's name");
	return bfs_buffer_append_format(
		path, "%s/%s/%s", runner->order->prefix, directory, bfs_path_base(value->formula));
}

static int append_named_base(
	struct bfs_steps_runner *runner, const struct value *value, struct bfs_buffer *path)
{
	static const char *const outside[] = {"home", "temp", "search_path", "path"};
	const char *base = find_base(value->base, strlen(value->base));

	if (runner->host && strcmp(value->base, "temp") == 0)
		return bfs_buffer_append_string(path, runner->host->temp);
	if (runner->host && strcmp(value->base, "home") == 0)
		return bfs_buffer_append_string(path, runner->host->home);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(outside); i++)
		if (strcmp(value->base, outside[i]) == 0)
			return bfs_steps_later(
				runner, "it concerns %s, outside of the prefix", value->base);
	if (strcmp(value->base, "formula_pkgetc") == 0 ||
		strcmp(value->base, "formula_opt_prefix") == 0)
		return append_formula_base(runner, value, path);
	if (!base)
		return bfs_steps_fail(runner, -EINVAL, value->base, "unknown install step base");
	return append_base(runner, base, path);
}

/*
 * The whole of it, not normalised. As in Ruby's Pathname, an absolute path after a base stands
 * alone.
 */
static int append_value(struct bfs_steps_runner *runner, const struct value *value,
	const char *expanded, struct bfs_buffer *path)
{
	int r = 0;

	if (value->base && strcmp(value->base, "relative") == 0)
		return bfs_buffer_append_string(path, expanded);
	if (!value->base && *expanded != '/')
		return bfs_steps_later(runner,
			*expanded == '~' ? "%s is in a home directory"
					 : "%s depends on the working directory",
			expanded);
	if (value->base)
		r = append_named_base(runner, value, path);
	if (r != 0)
		return r;
	if (*expanded == '/')
		bfs_buffer_clear(path);
	else if (value->base)
		r = bfs_buffer_append(path, "/", 1);
	return r < 0 ? r : bfs_buffer_append_string(path, expanded);
}

/*
 * Also says whether the path began inside the prefix: a way out of it is then the path's own doing.
 */
static int resolve(
	struct bfs_steps_runner *runner, const json_t *json, char **ret_path, bool *ret_inside)
{
	_cleanup_buffer_ struct bfs_buffer path = BFS_BUFFER_INIT;
	_cleanup_free_ char *expanded = NULL;
	struct value value;
	int r = take_value(runner, json, &value);

	if (r == 0)
		r = bfs_steps_expand(runner, value.path, &expanded);
	if (r == 0)
		r = append_value(runner, &value, expanded, &path);
	if (r != 0)
		return r;
	*ret_inside = path.data && bfs_path_below(path.data, runner->order->prefix);
	if (!value.base || strcmp(value.base, "relative") != 0)
		normalise(path.data);
	*ret_path = bfs_buffer_steal(&path);
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_steps_absolute(struct bfs_steps_runner *runner, const json_t *value, char **ret_path)
{
	bool inside;

	return resolve(runner, value, ret_path, &inside);
}

int bfs_steps_locate(struct bfs_steps_runner *runner, const json_t *value, char **ret_path)
{
	_cleanup_free_ char *absolute = NULL;
	const char *below;
	bool inside;
	int r = resolve(runner, value, &absolute, &inside);

	if (r != 0)
		return r;
	below = bfs_path_below(absolute, runner->order->prefix);
	if (!below && inside)
		return bfs_steps_fail(runner, -EXDEV, absolute, "it leads out of the prefix");
	if (!below)
		return bfs_steps_later(runner, "%s is outside of the prefix", absolute);
	*ret_path = strdup(below);
	return *ret_path ? 0 : -ENOMEM;
}

int bfs_steps_locate_key(
	struct bfs_steps_runner *runner, const json_t *step, const char *key, char **ret_path)
{
	const json_t *value = json_object_get(step, key);

	if (!value)
		return bfs_steps_fail(runner, -EBADMSG, key, "the step has none");
	return bfs_steps_locate(runner, value, ret_path);
}
