#include "installer/ruby_regexp.h"

#include <limits.h>
#include <regex.h>
#include <string.h>

struct bfs_regexp {
	char *literal; /* the text to be found; NULL for a regular expression */
	size_t literal_length;
	bool anchored; /* begins with ^ */
	regex_t pattern;
};

/* A regular expression on its way to a GNU one. */
struct translation {
	const char *at; /* what is left of the source */
	struct bfs_buffer text;
	unsigned depth; /* of groups */
	bool multiline; /* `.` is a newline as well */
};

static int append(struct translation *translation, const char *text)
{
	return bfs_buffer_append_string(&translation->text, text);
}

static int append_literal(struct translation *translation, char c)
{
	char escaped[] = {'\\', c, '\0'};

	return append(translation, strchr(".[]{}()\\*+?|^$", c) ? escaped : escaped + 1);
}

/* What \X is in a class, without the brackets; NULL for what is none. */
static const char *class_members(char c)
{
	switch (c) {
	case 'd':
		return "0-9";
	case 'w':
		return "a-zA-Z0-9_";
	case 's':
		return " \t\r\n\f\v";
	case 'h':
		return "0-9a-fA-F";
	default:
		return NULL;
	}
}

/* The character that \X is, 0 for what is none. */
static char escaped_character(char c)
{
	static const char letters[] = "tnrfvae", values[] = "\t\n\r\f\v\a\033";
	const char *letter = c ? strchr(letters, c) : NULL;

	if (letter)
		return values[letter - letters];
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return '\0';
	return c;
}

/* A backslash outside of a class; whether what it is can be repeated. */
static int translate_escape(struct translation *translation, bool *ret_repeatable)
{
	char c = translation->at[1];
	int r;

	if (c == '\0')
		return -EINVAL;
	translation->at += 2;
	*ret_repeatable = c != 'A' && c != 'z';
	if (c == 'A')
		return translation->text.length ? -EOPNOTSUPP : append(translation, "\\`");
	if (c == 'z')
		return *translation->at ? -EOPNOTSUPP : append(translation, "\\'");
	if (strchr("dwshDWSH", c)) {
		r = append(translation, c < 'a' ? "[^" : "[");
		if (r == 0)
			r = append(translation, class_members(c | 0x20));
		return r < 0 ? r : append(translation, "]");
	}
	c = escaped_character(c);
	return c ? append_literal(translation, c) : -EOPNOTSUPP;
}

/*
 * A class in POSIX's form, where a backslash is plain: what has a meaning there by its place gets
 * its place.
 */
struct class
{
	struct bfs_buffer members;
	bool negated, bracket, caret, dash;
};

/* One character of a class, perhaps an end of a range. */
static int add_member(struct class *class, char c, bool in_range)
{
	bool *special = c == ']' ? &class->bracket : c == '^' ? &class->caret : &class->dash;

	if (c != ']' && c != '^' && c != '-')
		return bfs_buffer_append(&class->members, &c, 1);
	if (in_range)
		return -EOPNOTSUPP;
	*special = true;
	return 0;
}

/*
 * The character at the position of a class, or what its escape stands for: *ret_members for
 * several.
 */
static int take_member(struct translation *translation, char *ret_c, const char **ret_members)
{
	char c = *translation->at++;

	*ret_members = NULL;
	if (c == '[' || (c == '&' && *translation->at == '&') || (unsigned char)c >= 0x80)
		return -EOPNOTSUPP;
	if (c == '\\') {
		c = *translation->at++;
		if (c == '\0')
			return -EINVAL;
		*ret_members = class_members(c);
		c = escaped_character(c);
		if (!c && !*ret_members)
			return -EOPNOTSUPP;
	}
	*ret_c = c;
	return 0;
}

/* A member or a range of a class. */
static int read_member(struct translation *translation, struct class *class)
{
	const char *members;
	bool range;
	char c;
	int r = take_member(translation, &c, &members);

	if (r < 0 || members)
		return r < 0 ? r : bfs_buffer_append_string(&class->members, members);
	range = translation->at[0] == '-' && translation->at[1] && translation->at[1] != ']';
	r = add_member(class, c, range);
	if (r < 0 || !range)
		return r;
	translation->at++;
	r = take_member(translation, &c, &members);
	if (r == 0 && members)
		r = -EOPNOTSUPP;
	if (r == 0)
		r = bfs_buffer_append(&class->members, "-", 1);
	return r < 0 ? r : add_member(class, c, true);
}

static int append_class(struct translation *translation, const struct class *class)
{
	int r = append(translation, class->negated ? "[^" : "[");

	/* A caret alone would negate. */
	if (class->caret && !class->negated && !class->bracket && class->members.length == 0)
		return class->dash ? -EOPNOTSUPP
				   : (translation->text.length--, append(translation, "\\^"));
	if (r == 0 && class->bracket)
		r = append(translation, "]");
	if (r == 0 && class->members.length)
		r = append(translation, class->members.data);
	if (r == 0 && class->caret)
		r = append(translation, "^");
	if (r == 0 && class->dash)
		r = append(translation, "-");
	return r < 0 ? r : append(translation, "]");
}

static int translate_class(struct translation *translation)
{
	struct class class = {.members = BFS_BUFFER_INIT};
	int r = 0;

	translation->at++;
	if (*translation->at == '^') {
		translation->at++;
		class.negated = true;
	}
	if (*translation->at == ']')
		return -EOPNOTSUPP;
	while (r == 0 && *translation->at != ']')
		r = *translation->at ? read_member(translation, &class) : -EINVAL;
	if (r == 0)
		r = append_class(translation, &class);
	bfs_buffer_release(&class.members);
	translation->at += r == 0;
	return r;
}

/* A repetition after what can be repeated: one greedy quantifier. */
static int translate_repetition(struct translation *translation)
{
	const char *end = translation->at + 1;
	char *text;
	int r;

	if (*translation->at == '{') {
		size_t digits = strspn(end, "0123456789");

		end += digits;
		if (*end == ',')
			end += 1 + strspn(end + 1, "0123456789");
		if (digits == 0 || *end != '}')
			return -EOPNOTSUPP;
		end++;
	}
	if (*end && strchr("*+?{", *end))
		return -EOPNOTSUPP;
	text = strndup(translation->at, (size_t)(end - translation->at));
	r = text ? append(translation, text) : -ENOMEM;
	free(text);
	translation->at = end;
	return r;
}

/* Length of the plain text at the start of an alternative, which must be all of it. */
static size_t plain_length(const char *text)
{
	return strcspn(text, "\\.[]{}()*+?|^$");
}

static bool begins_with(const char *a, size_t a_length, const char *b, size_t b_length)
{
	return a_length >= b_length && memcmp(a, b, b_length) == 0;
}

/*
 * Whether the alternatives from `start` on, up to `end`, are plain text, at least one of each two
 * beginning with no other: then at most one can match at a place.
 */
static bool are_exclusive(const char *start, const char *end)
{
	for (const char *one = start; one < end; one += plain_length(one) + 1) {
		size_t length = plain_length(one);

		if (one + length > end || (one + length < end && one[length] != '|'))
			return false;
		for (const char *other = one + length + 1; other < end;
			other += plain_length(other) + 1) {
			size_t other_length = plain_length(other);

			if (other + other_length > end)
				return false;
			if (begins_with(one, length, other, other_length) ||
				begins_with(other, other_length, one, length))
				return false;
		}
	}
	return true;
}

/* The end of the group, or of everything, that `at` is in; whether there is a | on its level. */
static const char *find_end(const char *at, bool *ret_alternatives)
{
	unsigned depth = 0;
	bool in_class = false;

	*ret_alternatives = false;
	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (in_class)
			in_class = *at != ']';
		else if (*at == '[')
			in_class = true;
		else if (*at == '(')
			depth++;
		else if (*at == ')' && depth-- == 0)
			break;
		else if (*at == '|' && depth == 0)
			*ret_alternatives = true;
	}
	return at;
}

static int translate_sequence(struct translation *translation);

/* A group that counts; it cannot be repeated. */
static int translate_group(struct translation *translation)
{
	int r;

	if (translation->depth == 8)
		return -EOPNOTSUPP;
	translation->at++;
	if (*translation->at == '?')
		return -EOPNOTSUPP;
	translation->depth++;
	r = append(translation, "(");
	if (r == 0)
		r = translate_sequence(translation);
	if (r == 0 && *translation->at != ')')
		r = -EINVAL;
	if (r < 0)
		return r;
	translation->depth--;
	translation->at++;
	if (*translation->at && strchr("*+?{", *translation->at))
		return -EOPNOTSUPP;
	return append(translation, ")");
}

/* One element that stands for a character or a place, with its repetition. */
static int translate_element(struct translation *translation)
{
	bool repeatable = true;
	char c = *translation->at;
	int r;

	if (c == '\\') {
		r = translate_escape(translation, &repeatable);
	} else if (c == '[') {
		r = translate_class(translation);
	} else if (c == '*' || c == '+' || c == '?') {
		return -EINVAL;
	} else if (c == '^' || c == '$') {
		/*
		 * Elsewhere than first, ^ could match after the last newline, where Ruby's does
		 * not.
		 */
		if (c == '^' ? translation->text.length > 0 : translation->at[1] != '\0')
			return -EOPNOTSUPP;
		translation->at++;
		repeatable = false;
		r = append(translation, c == '^' ? "^" : "$");
	} else if (c == '.') {
		translation->at++;
		r = append(translation, translation->multiline ? "." : "[^\n]");
	} else {
		translation->at++;
		r = (unsigned char)c >= 0x80 ? -EOPNOTSUPP : append_literal(translation, c);
	}
	if (r < 0 || !*translation->at || !strchr("*+?{", *translation->at))
		return r;
	return repeatable ? translate_repetition(translation) : -EOPNOTSUPP;
}

/* Up to the end of the group or of everything. */
static int translate_sequence(struct translation *translation)
{
	bool alternatives;
	const char *end = find_end(translation->at, &alternatives);
	int r = 0;

	if (alternatives && !are_exclusive(translation->at, end))
		return -EOPNOTSUPP;
	while (r == 0 && *translation->at && *translation->at != ')') {
		if (*translation->at == '(') {
			r = translate_group(translation);
		} else if (*translation->at == '|') {
			translation->at++;
			r = append(translation, "|");
		} else {
			r = translate_element(translation);
		}
	}
	return r;
}

static int compile(const char *source, int options, regex_t *pattern)
{
	struct translation translation = {
		.at = source, .text = BFS_BUFFER_INIT, .multiline = options & BFS_REGEXP_MULTILINE};
	int r = options & ~(BFS_REGEXP_IGNORECASE | BFS_REGEXP_MULTILINE) ? -EOPNOTSUPP : 0;

	if (r == 0)
		r = translate_sequence(&translation);
	if (r == 0 && *translation.at)
		r = -EINVAL;
	if (r == 0 &&
		regcomp(pattern, translation.text.data ? translation.text.data : "",
			REG_EXTENDED | (options & BFS_REGEXP_IGNORECASE ? REG_ICASE : 0)) != 0)
		r = -EINVAL;
	/*
	 * ^ and $ are at lines, as with REG_NEWLINE, but a negated class is a newline too, as
	 * without.
	 */
	if (r == 0)
		pattern->newline_anchor = 1;
	bfs_buffer_release(&translation.text);
	return r;
}

int bfs_regexp_new(const char *source, bool literal, int options, struct bfs_regexp **ret_regexp)
{
	_cleanup_regexp_ struct bfs_regexp *regexp = calloc(1, sizeof(*regexp));
	int r = 0;

	if (!regexp)
		return -ENOMEM;
	if (literal) {
		regexp->literal = strdup(source);
		regexp->literal_length = strlen(source);
		r = regexp->literal ? 0 : -ENOMEM;
	} else {
		r = compile(source, options, &regexp->pattern);
		regexp->anchored = source[0] == '^';
	}
	if (r == 0)
		*ret_regexp = bfs_steal(&regexp);
	return r;
}

void bfs_regexp_free(struct bfs_regexp *regexp)
{
	if (!regexp)
		return;
	free(regexp->literal);
	regfree(&regexp->pattern);
	free(regexp);
}

/* A text with the match found in it. */
struct match {
	const char *text;
	size_t length;
	struct re_registers registers; /* start and end of the match and its groups */
};

static int find_literal(const struct bfs_regexp *regexp, struct match *match, size_t from)
{
	const char *found = memmem(
		match->text + from, match->length - from, regexp->literal, regexp->literal_length);

	if (!found)
		return -ENOENT;
	match->registers.num_regs = 1;
	match->registers.start[0] = (regoff_t)(found - match->text);
	match->registers.end[0] = match->registers.start[0] + (regoff_t)regexp->literal_length;
	return 0;
}

static int find(const struct bfs_regexp *regexp, struct match *match, size_t from)
{
	regoff_t at;

	if (regexp->literal)
		return find_literal(regexp, match, from);
	at = re_search((regex_t *)&regexp->pattern, match->text, (regoff_t)match->length,
		(regoff_t)from, (regoff_t)(match->length - from), &match->registers);
	if (at == -2)
		return -ENOMEM;
	/* For Ruby there is no line after the last newline. */
	if (regexp->anchored && at > 0 && (size_t)at == match->length)
		return -ENOENT;
	return at < 0 ? -ENOENT : 0;
}

static int append_group(const struct match *match, unsigned group, struct bfs_buffer *result)
{
	if (group >= match->registers.num_regs || match->registers.start[group] < 0)
		return 0;
	return bfs_buffer_append(result, match->text + match->registers.start[group],
		(size_t)(match->registers.end[group] - match->registers.start[group]));
}

static int append_replacement(
	const struct match *match, const char *replacement, struct bfs_buffer *result)
{
	size_t end = (size_t)match->registers.end[0];
	int r = 0;

	for (const char *c = replacement; r == 0 && *c; c++) {
		if (*c != '\\' || !c[1]) {
			r = bfs_buffer_append(result, c, 1);
			continue;
		}
		c++;
		if (*c >= '0' && *c <= '9')
			r = append_group(match, (unsigned)(*c - '0'), result);
		else if (*c == '&')
			r = append_group(match, 0, result);
		else if (*c == '`')
			r = bfs_buffer_append(
				result, match->text, (size_t)match->registers.start[0]);
		else if (*c == '\'')
			r = bfs_buffer_append(result, match->text + end, match->length - end);
		else if (*c == '\\')
			r = bfs_buffer_append(result, "\\", 1);
		else if (*c == 'k' && c[1] == '<')
			r = -EOPNOTSUPP;
		else
			r = bfs_buffer_append(result, c - 1, 2);
	}
	return r;
}

/* Replaces from `*at` on what is found next; moves `*at` past it. */
static int replace_next(const struct bfs_regexp *regexp, struct match *match, size_t *at,
	const char *replacement, struct bfs_buffer *result)
{
	int r = find(regexp, match, *at);
	size_t start, end;

	if (r < 0)
		return r;
	start = (size_t)match->registers.start[0];
	end = (size_t)match->registers.end[0];
	r = bfs_buffer_append(result, match->text + *at, start - *at);
	if (r == 0)
		r = append_replacement(match, replacement, result);
	/* After an empty match the next character is passed over. */
	if (r == 0 && end == start && end < match->length)
		r = bfs_buffer_append(result, match->text + end, 1);
	*at = end + (end == start);
	return r;
}

int bfs_regexp_replace(const struct bfs_regexp *regexp, const char *text, size_t length,
	const char *replacement, bool all, struct bfs_buffer *result)
{
	regoff_t start[1], end[1];
	struct match match = {.text = text, .length = length};
	size_t at = 0;
	int count = 0, r = length <= INT_MAX ? 0 : -EFBIG;

	if (regexp->literal)
		match.registers = (struct re_registers){1, start, end};
	while (r == 0 && at <= length) {
		r = replace_next(regexp, &match, &at, replacement, result);
		count += r == 0;
		if (!all)
			break;
	}
	if ((r == 0 || r == -ENOENT) && at < length)
		r = bfs_buffer_append(result, text + at, length - at);
	else if (r == -ENOENT)
		r = 0;
	if (!regexp->literal) {
		free(match.registers.start);
		free(match.registers.end);
	}
	return r < 0 ? r : count;
}
