#include "installer/version.h"

#include "lib/cleanup.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum token_type {
	TOKEN_ALPHA,
	TOKEN_BETA,
	TOKEN_PRE,
	TOKEN_RC,
	TOKEN_NULL, /* what comes before it is smaller than nothing at all */
	TOKEN_PATCH,
	TOKEN_POST,
	TOKEN_STRING,
	TOKEN_NUMBER,
};

/* A stretch of the version's text. */
struct text {
	const char *start;
	size_t length;
};

struct token {
	enum token_type type;
	struct text text;
};

static const struct token null_token = {TOKEN_NULL, {"", 0}};

/* ASCII only, whatever the locale says. */
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t count_digits(struct text text)
{
	size_t count = 0;

	while (count < text.length && is_digit(text.start[count]))
		count++;
	return count;
}

static struct text skip(struct text text, size_t count)
{
	return (struct text){text.start + count, text.length - count};
}

/* Length of `word[0-9]{minimum,}` at the start of the text, 0 where it is not there. */
static size_t match_word(struct text text, const char *word, size_t minimum_digits)
{
	size_t length = strlen(word), digits;

	if (text.length < length || strncasecmp(text.start, word, length) != 0)
		return 0;
	digits = count_digits(skip(text, length));
	return digits < minimum_digits ? 0 : length + digits;
}

static size_t match_post(struct text text)
{
	size_t length;

	if (text.length == 0 || text.start[0] == '\n')
		return 0;
	length = match_word(skip(text, 1), "post", 1);
	return length ? length + 1 : 0;
}

static size_t match_letters(struct text text)
{
	size_t count = 0;

	while (count < text.length && is_letter(text.start[count]))
		count++;
	return count;
}

/* The order in which Homebrew tries them matters: version.rb, SCAN_PATTERN. */
static const struct {
	enum token_type type;
	const char *word;
	size_t minimum_digits;
} words[] = {
	{TOKEN_ALPHA, "alpha", 0},
	{TOKEN_ALPHA, "a", 1},
	{TOKEN_BETA, "beta", 0},
	{TOKEN_BETA, "b", 1},
	{TOKEN_PRE, "pre", 0},
	{TOKEN_RC, "rc", 0},
	{TOKEN_PATCH, "p", 0},
};

static size_t match_token(struct text text, enum token_type *ret_type)
{
	size_t length;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(words); i++) {
		length = match_word(text, words[i].word, words[i].minimum_digits);
		*ret_type = words[i].type;
		if (length)
			return length;
	}
	*ret_type = TOKEN_POST;
	length = match_post(text);
	if (length)
		return length;
	*ret_type = TOKEN_NUMBER;
	length = count_digits(text);
	if (length)
		return length;
	*ret_type = TOKEN_STRING;
	return match_letters(text);
}

/* Takes the next token off the text; the null token at its end. */
static struct token next_token(struct text *text)
{
	struct token token;

	for (; text->length; *text = skip(*text, 1)) {
		token.text = *text;
		token.text.length = match_token(*text, &token.type);
		if (token.text.length) {
			*text = skip(*text, token.text.length);
			return token;
		}
	}
	return null_token;
}

static size_t count_tokens(struct text text)
{
	size_t count = 0;

	while (next_token(&text).type != TOKEN_NULL)
		count++;
	return count;
}

static int sign(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int compare_text(struct text a, struct text b)
{
	int order = memcmp(a.start, b.start, a.length < b.length ? a.length : b.length);

	return order ? order : sign(a.length, b.length);
}

/* Numbers may be longer than any integer type: a date and a time, or worse. */
static int compare_numbers(struct text a, struct text b)
{
	while (a.length && a.start[0] == '0')
		a = skip(a, 1);
	while (b.length && b.start[0] == '0')
		b = skip(b, 1);
	return a.length != b.length ? sign(a.length, b.length) : compare_text(a, b);
}

/* The first number in a token: 4 of "beta4"; empty, which is 0, where there is none. */
static struct text number_of(struct text text)
{
	while (text.length && !is_digit(text.start[0]))
		text = skip(text, 1);
	text.length = count_digits(text);
	return text;
}

static bool is_zero(struct text number)
{
	return compare_numbers(number, null_token.text) == 0;
}

static int compare_with_null(const struct token *token)
{
	if (token->type == TOKEN_NUMBER)
		return is_zero(token->text) ? 0 : 1;
	return (token->type > TOKEN_NULL) - (token->type < TOKEN_NULL);
}

/* A patch or post level against a plain string, or against each other, is text against text. */
static bool is_ranked(enum token_type type)
{
	return type < TOKEN_STRING;
}

static int compare_tokens(const struct token *a, const struct token *b)
{
	if (b->type == TOKEN_NULL)
		return compare_with_null(a);
	if (a->type == TOKEN_NULL)
		return -compare_with_null(b);
	if (a->type == TOKEN_NUMBER && b->type == TOKEN_NUMBER)
		return compare_numbers(a->text, b->text);
	if (a->type == TOKEN_NUMBER || b->type == TOKEN_NUMBER)
		return a->type == TOKEN_NUMBER ? 1 : -1;
	if (a->type == b->type && is_ranked(a->type))
		return compare_numbers(number_of(a->text), number_of(b->text));
	if (is_ranked(a->type) && is_ranked(b->type) &&
		(a->type < TOKEN_NULL || b->type < TOKEN_NULL))
		return a->type < b->type ? -1 : 1;
	return compare_text(a->text, b->text);
}

static bool is_head(struct text version)
{
	return version.length >= 4 && memcmp(version.start, "HEAD", 4) == 0 &&
	       (version.length == 4 || version.start[4] == '-');
}

/*
 * Pairs tokens until the longer list is through. Where only one side has a number, that number
 * decides unless it is zero, which is passed over while the other side waits.
 */
static int compare_token_lists(struct text a, struct text b)
{
	size_t count_a = count_tokens(a), count_b = count_tokens(b), i = 0;
	size_t count = count_a > count_b ? count_a : count_b;
	struct token left = next_token(&a), right = next_token(&b);

	while (i < count) {
		int order = compare_tokens(&left, &right);
		bool left_number = left.type == TOKEN_NUMBER, right_number;

		right_number = right.type == TOKEN_NUMBER;
		if (order != 0 && left_number == right_number)
			return order;
		if (order != 0 && left_number && compare_with_null(&left) > 0)
			return 1;
		if (order != 0 && right_number && compare_with_null(&right) > 0)
			return -1;
		if (order == 0 || left_number) {
			left = next_token(&a);
			i++;
		}
		if (order == 0 || right_number)
			right = next_token(&b);
	}
	return 0;
}

static int compare_versions(struct text a, struct text b)
{
	if (compare_text(a, b) == 0)
		return 0;
	if (is_head(a) || is_head(b))
		return is_head(a) - is_head(b);
	return compare_token_lists(a, b);
}

/* Splits "3.5.0_1" into "3.5.0" and "1"; without a revision that is empty, which is 0. */
static struct text split_revision(struct text *version)
{
	size_t start = version->length;
	struct text revision;

	while (start > 0 && is_digit(version->start[start - 1]))
		start--;
	if (start < 2 || start == version->length || version->start[start - 1] != '_')
		return skip(*version, version->length);
	revision = skip(*version, start);
	version->length = start - 1;
	return revision;
}

int bfs_version_compare(const char *a, const char *b)
{
	return compare_versions((struct text){a, strlen(a)}, (struct text){b, strlen(b)});
}

int bfs_pkg_version_compare(const char *a, const char *b)
{
	struct text left = {a, strlen(a)}, right = {b, strlen(b)};
	struct text left_revision = split_revision(&left), right_revision = split_revision(&right);
	int order = compare_versions(left, right);

	return order ? order : compare_numbers(left_revision, right_revision);
}

int bfs_scheme_version_compare(int scheme_a, const char *a, int scheme_b, const char *b)
{
	if (scheme_a != scheme_b)
		return scheme_a < scheme_b ? -1 : 1;
	return bfs_pkg_version_compare(a, b);
}
