#include "installer/formula_text.h"

#include "lib/buffer.h"

#include <string.h>

struct reader {
	const char *tag;
	struct bfs_formula *formula;
	bfs_strings *dependencies;
};

static bool begins_with(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* --- arguments of a call --- */

/*
 * The next string in double quotes, and what follows it; NULL where there is none. Allocated. Names
 * and paths have no escapes.
 */
static char *next_string(const char **text)
{
	const char *open = strchr(*text, '"');
	const char *close = open ? strchr(open + 1, '"') : NULL;

	if (!close)
		return NULL;
	*text = close + 1;
	return strndup(open + 1, (size_t)(close - open - 1));
}

/* Whether tags say that a bottle's user does not need it. */
static bool is_pruned(const char *tags)
{
	return strstr(tags, ":build") || strstr(tags, ":test") || strstr(tags, ":optional");
}

static int read_dependency(const struct reader *reader, const char *arguments)
{
	_cleanup_free_ char *name = next_string(&arguments);

	/* Without a name it is a requirement; there is a bottle, so it is met. */
	if (!name || is_pruned(arguments))
		return 0;
	if (!bfs_formula_reference_is_valid(name))
		return -EBADMSG;
	if (bfs_strings_contains(*reader->dependencies, name))
		return 0;
	return bfs_strings_add(reader->dependencies, name);
}

static int read_link_overwrite(const struct reader *reader, const char *arguments)
{
	for (;;) {
		_cleanup_free_ char *path = next_string(&arguments);
		int r = path ? bfs_strings_add(&reader->formula->link_overwrite, path) : 0;

		if (!path || r < 0)
			return r;
	}
}

/* The text after "because:"; NULL without. Allocated. */
static char *find_reason(const char *arguments)
{
	const char *because = strstr(arguments, "because:");

	return because ? next_string(&because) : NULL;
}

static int add_conflict(struct bfs_formula *formula, char **name, const char *reason)
{
	struct bfs_conflict *grown =
		reallocarray(formula->conflicts, formula->conflict_count + 1, sizeof(*grown));
	char *copy = reason ? strdup(reason) : NULL;

	if (!grown || (reason && !copy)) {
		if (grown)
			formula->conflicts = grown;
		free(copy);
		return -ENOMEM;
	}
	formula->conflicts = grown;
	grown[formula->conflict_count++] = (struct bfs_conflict){bfs_steal(name), copy};
	return 0;
}

static int read_conflicts(const struct reader *reader, const char *arguments)
{
	const char *because = strstr(arguments, "because:");
	_cleanup_free_ char *reason = find_reason(arguments);

	for (;;) {
		_cleanup_free_ char *name = next_string(&arguments);
		int r;

		if (!name || (because && arguments > because))
			return 0;
		if (!bfs_formula_reference_is_valid(name))
			return -EBADMSG;
		r = add_conflict(reader->formula, &name, reason);
		if (r < 0)
			return r;
	}
}

/* keg_only_reason.rb: the reasons of macOS do not apply; an explanation replaces a symbol. */
static int read_keg_only(const struct reader *reader, const char *arguments)
{
	struct bfs_formula *formula = reader->formula;
	bool versioned = begins_with(arguments, ":versioned_formula");
	char *reason;

	if (begins_with(arguments, ":provided_by_macos") ||
		begins_with(arguments, ":shadowed_by_macos"))
		return 0;
	reason = next_string(&arguments);
	if (!reason)
		reason = strdup(
			versioned ? "this is an alternate version of another formula" : arguments);
	formula->keg_only = true;
	formula->keg_only_versioned = versioned;
	free(formula->keg_only_reason);
	formula->keg_only_reason = reason;
	return reason ? 0 : -ENOMEM;
}

static int read_desc(const struct reader *reader, const char *arguments)
{
	if (!reader->formula->desc)
		reader->formula->desc = next_string(&arguments);
	return 0;
}

static int read_number(const char *arguments, int *ret)
{
	char *end;
	long number = strtol(arguments, &end, 10);

	if (end == arguments || *end || number < 0 || number > 1000000)
		return -EBADMSG;
	*ret = (int)number;
	return 0;
}

static int read_version_scheme(const struct reader *reader, const char *arguments)
{
	return read_number(arguments, &reader->formula->version_scheme);
}

static int read_compatibility(const struct reader *reader, const char *arguments)
{
	return read_number(arguments, &reader->formula->compatibility_version);
}

static const struct call {
	const char *name; /* with the space before its arguments */
	int (*read)(const struct reader *reader, const char *arguments);
} calls[] = {
	{"depends_on ", read_dependency},
	{"uses_from_macos ", read_dependency},
	{"keg_only ", read_keg_only},
	{"link_overwrite ", read_link_overwrite},
	{"conflicts_with ", read_conflicts},
	{"version_scheme ", read_version_scheme},
	{"compatibility_version ", read_compatibility},
	{"desc ", read_desc},
};

static int read_call(const struct reader *reader, const char *call)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(calls); i++)
		if (begins_with(call, calls[i].name))
			return calls[i].read(reader, call + strlen(calls[i].name));
	return 0;
}

/* --- blocks --- */

/* Whether what is in a block is as if it stood outside. */
static bool is_transparent(const struct reader *reader, const char *line)
{
	bool arm = begins_with(reader->tag, "arm64");

	return begins_with(line, "class ") || begins_with(line, "stable do") ||
	       begins_with(line, "on_linux do") || begins_with(line, "on_system :linux") ||
	       begins_with(line, arm ? "on_arm do" : "on_intel do");
}

static bool opens_block(const char *line)
{
	if (begins_with(line, "def "))
		return !strstr(line, " = "); /* else it is a method of one line */
	return ends_with(line, " do") || strstr(line, " do |") || begins_with(line, "if ") ||
	       begins_with(line, "unless ");
}

static void note_post_install(const struct reader *reader, const char *line)
{
	if (strcmp(line, "def post_install") == 0 || strcmp(line, "post_install_steps do") == 0)
		reader->formula->post_install_defined = true;
}

/* The text of the call that begins here, its lines joined, and where the next one begins. */
static int next_call(const char **text, struct bfs_buffer *call, size_t *ret_indent)
{
	bool goes_on = true;

	call->length = 0;
	*ret_indent = strspn(*text, " \t");
	while (goes_on && **text) {
		const char *end = strchrnul(*text, '\n');
		size_t indent = strspn(*text, " \t");
		const char *line = *text + (indent < (size_t)(end - *text) ? indent : 0);
		int r = bfs_buffer_append(call, line, (size_t)(end - line));

		if (r < 0)
			return r;
		goes_on = call->length > 0 && call->data[call->length - 1] == ',' &&
			  call->data[0] != '#';
		*text = end + (*end == '\n');
	}
	return call->length ? 0 : bfs_buffer_append_string(call, "");
}

int bfs_formula_read_text(
	const char *text, const char *tag, struct bfs_formula *formula, bfs_strings *dependencies)
{
	struct reader reader = {tag, formula, dependencies};
	_cleanup_buffer_ struct bfs_buffer call = BFS_BUFFER_INIT;
	size_t indent, skipped = SIZE_MAX; /* the indentation of the block that is passed over */

	while (*text) {
		int r = next_call(&text, &call, &indent);

		if (r < 0)
			return r;
		if (strcmp(call.data, "__END__") == 0)
			return 0;
		if (skipped != SIZE_MAX) {
			if (indent == skipped && strcmp(call.data, "end") == 0)
				skipped = SIZE_MAX;
			continue;
		}
		note_post_install(&reader, call.data);
		if (!opens_block(call.data))
			r = read_call(&reader, call.data);
		else if (!is_transparent(&reader, call.data))
			skipped = indent;
		if (r < 0)
			return r;
	}
	return 0;
}
