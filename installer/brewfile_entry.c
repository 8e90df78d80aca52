#include "installer/brewfile_private.h"

#include "installer/ruby_value.h"
#include "lib/file.h"

#include <stdarg.h>
#include <string.h>

/* What each method's entries are, and why brewfs does not install them if it does not. */
static const struct kind_info {
	const char *method;
	enum bfs_brewfile_fate fate;
	const char *reason;
} kinds[] = {
	[BFS_BREWFILE_TAP] = {"tap", BFS_BREWFILE_INSTALL, NULL},
	[BFS_BREWFILE_BREW] = {"brew", BFS_BREWFILE_INSTALL, NULL},
	[BFS_BREWFILE_CASK] = {"cask", BFS_BREWFILE_SKIP, "requires macOS"},
	[BFS_BREWFILE_MAS] = {"mas", BFS_BREWFILE_SKIP, "requires macOS"},
	[BFS_BREWFILE_VSCODE] = {"vscode", BFS_BREWFILE_UNSUPPORTED, "VS Code extensions"},
	[BFS_BREWFILE_GO] = {"go", BFS_BREWFILE_UNSUPPORTED, "Go packages"},
	[BFS_BREWFILE_CARGO] = {"cargo", BFS_BREWFILE_UNSUPPORTED, "Cargo packages"},
	[BFS_BREWFILE_UV] = {"uv", BFS_BREWFILE_UNSUPPORTED, "uv tools"},
	[BFS_BREWFILE_FLATPAK] = {"flatpak", BFS_BREWFILE_UNSUPPORTED, "Flatpak applications"},
	[BFS_BREWFILE_WINGET] = {"winget", BFS_BREWFILE_SKIP, "requires WSL"},
	[BFS_BREWFILE_KREW] = {"krew", BFS_BREWFILE_UNSUPPORTED, "krew plugins"},
	[BFS_BREWFILE_NPM] = {"npm", BFS_BREWFILE_UNSUPPORTED, "npm packages"},
};

/* An entry in the making. */
struct making {
	const struct bfs_brewfile *brewfile;
	struct bfs_ruby_text *text;
	const struct bfs_brewfile_call *call;
	struct bfs_brewfile_entry entry;
};

const char *bfs_brewfile_kind_name(enum bfs_brewfile_kind kind)
{
	return kinds[kind].method;
}

bool bfs_brewfile_kind_find(const char *method, size_t length, enum bfs_brewfile_kind *ret_kind)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(kinds); i++) {
		if (strlen(kinds[i].method) != length ||
			memcmp(kinds[i].method, method, length) != 0)
			continue;
		*ret_kind = (enum bfs_brewfile_kind)i;
		return true;
	}
	return false;
}

static int copy(const char *string, char **ret_string)
{
	char *copied = strdup(string);

	if (!copied)
		return -ENOMEM;
	free(*ret_string);
	*ret_string = copied;
	return 0;
}

static int refuse_option(struct making *making, const char *option, const char *expected)
{
	return bfs_ruby_fail(making->text, making->call->position, "%s \"%s\": %s is to be %s",
		bfs_brewfile_kind_name(making->entry.kind), making->entry.name, option, expected);
}

__attribute__((format(printf, 2, 3))) static int add_note(
	struct making *making, const char *format, ...)
{
	_cleanup_free_ char *what = NULL, *note = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&what, format, args);
	va_end(args);
	if (length < 0) {
		what = NULL;
		return -ENOMEM;
	}
	note = bfs_format("%s:%u: %s \"%s\": %s", making->brewfile->path, making->entry.line,
		bfs_brewfile_kind_name(making->entry.kind), making->entry.name, what);
	return note ? bfs_strings_add(&making->entry.notes, note) : -ENOMEM;
}

static void lower_case(char *string)
{
	for (; *string; string++)
		if (*string >= 'A' && *string <= 'Z')
			*string += 'a' - 'A';
}

/* Removes `length` bytes of a string. */
static void cut(char *string, size_t length)
{
	memmove(string, string + length, strlen(string + length) + 1);
}

static size_t count_slashes(const char *string)
{
	size_t count = 0;

	for (; *string; string++)
		count += *string == '/';
	return count;
}

/* dsl.rb#sanitize_brew_name, #sanitize_tap_name and #sanitize_cask_name. */
static void normalise_name(enum bfs_brewfile_kind kind, char *name)
{
	static const char core[] = "homebrew/homebrew/", repository[] = "homebrew-";
	size_t slashes = count_slashes(name);
	char *slash = strchr(name, '/');

	if (kind != BFS_BREWFILE_BREW && kind != BFS_BREWFILE_TAP && kind != BFS_BREWFILE_CASK)
		return;
	lower_case(name);
	if (kind == BFS_BREWFILE_CASK && slash)
		cut(name, (size_t)(strrchr(name, '/') + 1 - name));
	else if (kind == BFS_BREWFILE_BREW && slashes == 2 &&
		 strncmp(name, core, strlen(core)) == 0)
		cut(name, strlen(core));
	else if (slashes == (kind == BFS_BREWFILE_BREW ? 2 : 1) &&
		 strncmp(slash + 1, repository, strlen(repository)) == 0)
		cut(slash + 1, strlen(repository));
}

/* A formula's name, with or without user and repository; or a tap's, which has just those. */
static bool name_is_valid(enum bfs_brewfile_kind kind, const char *name)
{
	size_t slashes = count_slashes(name);
	const char *slash;

	if (kind != BFS_BREWFILE_BREW && kind != BFS_BREWFILE_TAP)
		return *name != '\0';
	if (slashes != 1 && (kind == BFS_BREWFILE_TAP || (slashes != 0 && slashes != 2)))
		return false;
	if (slashes == 1 && kind == BFS_BREWFILE_BREW)
		return false;
	while ((slash = strchr(name, '/'))) {
		_cleanup_free_ char *part = strndup(name, (size_t)(slash - name));

		if (!part || !bfs_formula_name_is_valid(part))
			return false;
		name = slash + 1;
	}
	return bfs_formula_name_is_valid(name);
}

static int set_name(struct making *making)
{
	const struct bfs_brewfile_call *call = making->call;
	const char *name = bfs_ruby_get_string(json_array_get(call->positional, 0));
	const char *method = bfs_brewfile_kind_name(call->kind);
	int r;

	if (!name)
		return bfs_ruby_fail(
			making->text, call->position, "%s without a name in quotes", method);
	r = copy(name, &making->entry.name);
	if (r < 0)
		return r;
	normalise_name(call->kind, making->entry.name);
	if (!name_is_valid(call->kind, making->entry.name))
		return bfs_ruby_fail(
			making->text, call->position, "%s \"%s\": not a name", method, name);
	return 0;
}

/*
 * A second positional argument is a tap's URL, or options written as a hash in braces; they are
 * added to the others.
 */
static int take_positional(struct making *making)
{
	json_t *positional = making->call->positional;
	size_t count = json_array_size(positional), next = 1;
	json_t *second = json_array_get(positional, 1);

	if (making->entry.kind == BFS_BREWFILE_TAP && count > 1 && !json_is_object(second)) {
		const char *url = bfs_ruby_get_string(second);

		if (!url && !json_is_null(second))
			return refuse_option(making, "the URL", "a string");
		if (url && copy(url, &making->entry.url) < 0)
			return -ENOMEM;
		next++;
	}
	if (next < count && json_is_object(json_array_get(positional, next))) {
		if (json_object_update_missing(
			    making->entry.options, json_array_get(positional, next)) < 0)
			return -ENOMEM;
		next++;
	}
	if (next < count)
		return bfs_ruby_fail(making->text, making->call->position,
			"%s \"%s\": more arguments than it takes",
			bfs_brewfile_kind_name(making->entry.kind), making->entry.name);
	return 0;
}

static int add_strings(
	struct making *making, const char *option, const json_t *value, bfs_strings *strings)
{
	size_t i;
	json_t *item;

	if (!json_is_array(value))
		return refuse_option(making, option, "a list of strings");
	json_array_foreach(value, i, item)
	{
		const char *string = bfs_ruby_get_string(item);

		if (!string)
			return refuse_option(making, option, "a list of strings");
		if (bfs_strings_add(strings, string) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int refuse_entry(struct making *making, const char *argument)
{
	making->entry.fate = BFS_BREWFILE_REFUSED;
	free(making->entry.reason);
	making->entry.reason = bfs_format(
		"%s:%u: brew \"%s\" with %s is built from source, and brewfs only pours bottles",
		making->brewfile->path, making->entry.line, making->entry.name, argument);
	return making->entry.reason ? 0 : -ENOMEM;
}

static int set_args(struct making *making, const char *option, const json_t *value)
{
	static const char *const building[] = {
		"HEAD", "build-from-source", "build-bottle", "interactive", "git", "debug-symbols"};
	bfs_strings args = NULL;
	int r = add_strings(making, option, value, &args);

	for (size_t i = 0; r == 0 && args && args[i]; i++) {
		bool builds = false;

		for (size_t j = 0; j < BFS_ARRAY_LENGTH(building); j++)
			builds = builds || strcmp(args[i], building[j]) == 0;
		r = builds ? refuse_entry(making, args[i])
			   : add_note(making, "--%s is ignored: a bottle has no options", args[i]);
	}
	bfs_strings_free(args);
	return r;
}

static int set_link(struct making *making, const char *option, const json_t *value)
{
	const char *symbol = bfs_ruby_get_symbol(value);

	if (json_is_null(value))
		making->entry.link = BFS_BREWFILE_LINK_DEFAULT;
	else if (json_is_boolean(value))
		making->entry.link =
			json_is_true(value) ? BFS_BREWFILE_LINK_YES : BFS_BREWFILE_LINK_NO;
	else if (symbol && strcmp(symbol, "overwrite") == 0)
		making->entry.link = BFS_BREWFILE_LINK_OVERWRITE;
	else
		return refuse_option(making, option, "true, false or :overwrite");
	return 0;
}

static int set_service(struct making *making, const char *option, const json_t *value)
{
	const char *symbol = bfs_ruby_get_symbol(value);

	if (!json_is_null(value) && !json_is_boolean(value) &&
		!(symbol && (strcmp(symbol, "changed") == 0 || strcmp(symbol, "always") == 0)))
		return refuse_option(making, option, "true, false, :changed or :always");
	if (!bfs_ruby_is_true(value))
		return 0;
	return add_note(
		making, "%s is ignored: services belong to a machine, a prefix to many", option);
}

static int set_conflicts(struct making *making, const char *option, const json_t *value)
{
	return add_strings(making, option, value, &making->entry.conflicts_with);
}

static int set_string(struct making *making, const char *option, const json_t *value, char **field)
{
	const char *string = bfs_ruby_get_string(value);

	if (json_is_null(value) || (string && !*string))
		return 0;
	return string ? copy(string, field) : refuse_option(making, option, "a string");
}

static int set_postinstall(struct making *making, const char *option, const json_t *value)
{
	int r = set_string(making, option, value, &making->entry.postinstall);

	if (r < 0 || !making->entry.postinstall)
		return r;
	return add_note(
		making, "postinstall is pending, run it yourself: %s", making->entry.postinstall);
}

static int set_version_file(struct making *making, const char *option, const json_t *value)
{
	return set_string(making, option, value, &making->entry.version_file);
}

static int set_trusted(struct making *making, const char *option, const json_t *value)
{
	if (!json_is_boolean(value) && !json_is_null(value))
		return refuse_option(making, option, "true or false");
	making->entry.trusted = json_is_true(value);
	return 0;
}

static int set_clone_target(struct making *making, const char *option, const json_t *value)
{
	return set_string(making, option, value, &making->entry.url);
}

static int set_auto_update(struct making *making, const char *option, const json_t *value)
{
	if (!json_is_boolean(value) && !json_is_null(value))
		return refuse_option(making, option, "true or false");
	return 0;
}

static const struct option_info {
	enum bfs_brewfile_kind kind;
	const char *name;
	int (*set)(struct making *making, const char *option, const json_t *value);
} option_table[] = {
	{BFS_BREWFILE_BREW, "args", set_args},
	{BFS_BREWFILE_BREW, "link", set_link},
	{BFS_BREWFILE_BREW, "restart_service", set_service},
	{BFS_BREWFILE_BREW, "start_service", set_service},
	{BFS_BREWFILE_BREW, "conflicts_with", set_conflicts},
	{BFS_BREWFILE_BREW, "postinstall", set_postinstall},
	{BFS_BREWFILE_BREW, "version_file", set_version_file},
	{BFS_BREWFILE_BREW, "trusted", set_trusted},
	{BFS_BREWFILE_TAP, "clone_target", set_clone_target},
	{BFS_BREWFILE_TAP, "force_auto_update", set_auto_update},
	{BFS_BREWFILE_TAP, "trusted", set_trusted},
};

static int set_option(struct making *making, const char *name, const json_t *value)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(option_table); i++)
		if (option_table[i].kind == making->entry.kind &&
			strcmp(option_table[i].name, name) == 0)
			return option_table[i].set(making, name, value);
	return add_note(making, "the option %s is unknown and ignored", name);
}

/* The options of what brewfs installs; those of other tools are theirs. */
static int set_options(struct making *making)
{
	const char *name;
	json_t *value;

	if (making->entry.kind != BFS_BREWFILE_BREW && making->entry.kind != BFS_BREWFILE_TAP)
		return 0;
	json_object_foreach(making->entry.options, name, value)
	{
		int r = set_option(making, name, value);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether a blank-separated list has the word. */
static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		size_t end;

		list += strspn(list, " \t\n");
		end = strcspn(list, " \t\n");
		if (end == 0)
			return false;
		if (end == length && memcmp(list, word, length) == 0)
			return true;
		list += end;
	}
}

/*
 * Whether the user left it out with HOMEBREW_BUNDLE_BREW_SKIP and the like, by name or, for mas, by
 * number.
 */
static int is_left_out(const struct making *making, bool *ret_left_out)
{
	_cleanup_free_ char *variable =
		bfs_format("HOMEBREW_BUNDLE_%s_SKIP", bfs_brewfile_kind_name(making->entry.kind));
	const json_t *id = json_object_get(making->entry.options, "id");
	const char *list;
	char number[32];

	if (!variable)
		return -ENOMEM;
	for (char *c = variable; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c -= 'a' - 'A';
	list = getenv(variable);
	snprintf(number, sizeof(number), "%lld", json_integer_value(id));
	*ret_left_out = list && (list_has(list, making->entry.name) ||
					(json_is_integer(id) && list_has(list, number)));
	return 0;
}

static int decide_fate(struct making *making)
{
	struct bfs_brewfile_entry *entry = &making->entry;
	const struct kind_info *kind = &kinds[entry->kind];
	bool left_out = false, is_macos_tap = entry->kind == BFS_BREWFILE_TAP &&
					      strcmp(entry->name, "homebrew/cask") == 0;
	int r = is_left_out(making, &left_out);

	if (r < 0 || (entry->fate == BFS_BREWFILE_REFUSED && !left_out))
		return r;
	free(entry->reason);
	entry->reason = NULL;
	entry->fate = left_out || is_macos_tap ? BFS_BREWFILE_SKIP : kind->fate;
	if (left_out)
		entry->reason = bfs_format("Skipping %s", entry->name);
	else if (entry->fate == BFS_BREWFILE_SKIP)
		entry->reason = bfs_format("Skipping %s %s (%s)", kind->method, entry->name,
			is_macos_tap ? "requires macOS" : kind->reason);
	else if (entry->fate == BFS_BREWFILE_UNSUPPORTED)
		entry->reason =
			bfs_format("%s:%u: %s \"%s\" is left out: brewfs does not install %s",
				making->brewfile->path, entry->line, kind->method, entry->name,
				kind->reason);
	return entry->fate == BFS_BREWFILE_INSTALL || entry->reason ? 0 : -ENOMEM;
}

static int append(struct bfs_brewfile *brewfile, struct bfs_brewfile_entry *entry)
{
	if (brewfile->count == brewfile->capacity) {
		size_t capacity = brewfile->capacity ? 2 * brewfile->capacity : 16;
		struct bfs_brewfile_entry *entries =
			reallocarray(brewfile->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		brewfile->entries = entries;
		brewfile->capacity = capacity;
	}
	brewfile->entries[brewfile->count++] = *entry;
	*entry = (struct bfs_brewfile_entry){0};
	return 0;
}

int bfs_brewfile_add(struct bfs_brewfile *brewfile, struct bfs_ruby_text *text,
	const struct bfs_brewfile_call *call)
{
	struct making making = {.brewfile = brewfile, .text = text, .call = call};
	struct bfs_brewfile_entry *entry = &making.entry;
	unsigned column;
	int r = 0;

	entry->kind = call->kind;
	bfs_ruby_locate(text, call->position, &entry->line, &column);
	entry->options = json_copy(call->options);
	entry->notes = calloc(1, sizeof(*entry->notes));
	entry->conflicts_with = calloc(1, sizeof(*entry->conflicts_with));
	if (!entry->options || !entry->notes || !entry->conflicts_with)
		r = -ENOMEM;
	if (r == 0)
		r = set_name(&making);
	if (r == 0)
		r = take_positional(&making);
	if (r == 0)
		r = set_options(&making);
	if (r == 0)
		r = decide_fate(&making);
	if (r == 0)
		r = append(brewfile, entry);
	bfs_brewfile_entry_release(entry);
	return r;
}
