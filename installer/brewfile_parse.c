#include "installer/brewfile.h"

#include "installer/brewfile_private.h"
#include "installer/ruby_value.h"

#include <string.h>

struct parser {
	struct bfs_ruby_text text;
	struct bfs_brewfile *brewfile;
};

static int parse_statements(struct parser *parser);

/* Whether the position is at a word that ends a list of statements. */
static bool at_block_end(struct bfs_ruby_text *text)
{
	size_t start = text->position;
	bool found = bfs_ruby_take_word(text, "end") || bfs_ruby_take_word(text, "else") ||
		     bfs_ruby_take_word(text, "elsif");

	text->position = start;
	return found;
}

/* A statement ends at a semicolon, a newline, the end of its block or of the file. */
static int expect_statement_end(struct bfs_ruby_text *text)
{
	char c;

	bfs_ruby_skip_blanks(text);
	c = bfs_ruby_peek(text, 0);
	if (text->position >= text->length || c == '\n' || bfs_ruby_take(text, ";") ||
		at_block_end(text))
		return 0;
	return bfs_ruby_unexpected(text, text->position, "expected the end of the line");
}

/* The statements of a branch, which count if `counts` and what is around it does. */
static int parse_branch(struct parser *parser, bool counts)
{
	bool live = parser->text.live;
	int r = bfs_ruby_enter(&parser->text);

	if (r < 0)
		return r;
	parser->text.live = live && counts;
	r = parse_statements(parser);
	parser->text.live = live;
	bfs_ruby_leave(&parser->text);
	return r;
}

/* `condition [then]` and its branch. */
static int parse_conditional(struct parser *parser, bool wanted, bool *decided)
{
	bool live = parser->text.live, is_true = false;
	int r;

	parser->text.live = live && !*decided;
	r = bfs_ruby_parse_condition(&parser->text, &is_true);
	parser->text.live = live;
	if (r < 0)
		return r;
	bfs_ruby_skip_blanks(&parser->text);
	if (!bfs_ruby_take_word(&parser->text, "then")) {
		r = expect_statement_end(&parser->text);
		if (r < 0)
			return r;
	}
	r = parse_branch(parser, is_true == wanted && !*decided);
	*decided = *decided || is_true == wanted;
	return r;
}

/* The rest of an if or unless whose first word was at `start`. */
static int parse_if(struct parser *parser, size_t start, bool wanted)
{
	struct bfs_ruby_text *text = &parser->text;
	bool decided = false;
	int r = parse_conditional(parser, wanted, &decided);

	while (r == 0 && wanted && bfs_ruby_take_word(text, "elsif"))
		r = parse_conditional(parser, true, &decided);
	if (r == 0 && bfs_ruby_take_word(text, "else"))
		r = parse_branch(parser, !decided);
	if (r < 0 || bfs_ruby_take_word(text, "end"))
		return r;
	if (text->position >= text->length)
		return bfs_ruby_fail(text, start, "if or unless without its end");
	return bfs_ruby_unexpected(text, text->position, "expected end");
}

/* The rest of `on_linux do ... end`. */
static int parse_platform_block(struct parser *parser, size_t start, bool counts)
{
	struct bfs_ruby_text *text = &parser->text;
	int r;

	bfs_ruby_skip_blanks(text);
	if (!bfs_ruby_take_word(text, "do"))
		return bfs_ruby_unexpected(text, text->position, "expected do");
	r = parse_branch(parser, counts);
	if (r < 0 || bfs_ruby_take_word(text, "end"))
		return r;
	if (text->position >= text->length)
		return bfs_ruby_fail(text, start, "do without its end");
	return bfs_ruby_unexpected(text, text->position, "expected end");
}

/* `... if x unless y`: whether all of it holds. */
static int parse_modifiers(struct bfs_ruby_text *text, bool *ret_holds)
{
	int r = 0;

	*ret_holds = true;
	while (r == 0) {
		bool wanted, is_true = false;

		bfs_ruby_skip_blanks(text);
		wanted = bfs_ruby_take_word(text, "if");
		if (!wanted && !bfs_ruby_take_word(text, "unless"))
			break;
		r = bfs_ruby_parse_condition(text, &is_true);
		*ret_holds = *ret_holds && is_true == wanted;
	}
	return r;
}

static int parse_arguments_of(struct bfs_ruby_text *text, struct bfs_brewfile_call *call)
{
	json_decref(call->positional);
	json_decref(call->options);
	call->positional = call->options = NULL;
	return bfs_ruby_parse_arguments(text, &call->positional, &call->options);
}

static void release_call(struct bfs_brewfile_call *call)
{
	json_decref(call->positional);
	json_decref(call->options);
}

/* cask_args says how casks are to be installed, and there are none here. */
static int check_cask_args(struct bfs_ruby_text *text, const struct bfs_brewfile_call *call)
{
	if (json_array_size(call->positional) == (json_object_size(call->options) == 0) &&
		(json_object_size(call->options) > 0 ||
			json_is_object(json_array_get(call->positional, 0))))
		return 0;
	return bfs_ruby_unexpected(text, call->position, "expected cask_args with a hash");
}

/*
 * A call with what follows it. The arguments are read twice: whether they count, which decides if a
 * missing variable in them is an error, is only known after the condition at the end of the line.
 */
static int parse_call(struct parser *parser, struct bfs_brewfile_call *call, bool is_cask_args)
{
	struct bfs_ruby_text *text = &parser->text;
	size_t arguments = text->position, end;
	bool live = text->live, holds = true;
	int r;

	text->live = false;
	r = parse_arguments_of(text, call);
	text->live = live;
	if (r == 0)
		r = parse_modifiers(text, &holds);
	if (r == 0)
		r = expect_statement_end(text);
	if (r == 0 && is_cask_args)
		r = check_cask_args(text, call);
	if (r < 0 || is_cask_args || !live || !holds)
		return r;
	end = text->position;
	text->position = arguments;
	r = parse_arguments_of(text, call);
	text->position = end;
	return r < 0 ? r : bfs_brewfile_add(parser->brewfile, text, call);
}

static int parse_method(struct parser *parser)
{
	struct bfs_ruby_text *text = &parser->text;
	struct bfs_brewfile_call call = {.position = text->position};
	size_t length = bfs_ruby_word(text);
	const char *word = text->data + text->position;
	bool is_cask_args = length == strlen("cask_args") && memcmp(word, "cask_args", length) == 0;
	int r;

	if (length == strlen("whalebrew") && memcmp(word, "whalebrew", length) == 0)
		return bfs_ruby_fail(
			text, text->position, "whalebrew entries are no longer part of Homebrew");
	if (!is_cask_args && !bfs_brewfile_kind_find(word, length, &call.kind))
		return bfs_ruby_unexpected(text, text->position,
			"expected an entry (brew \"...\", tap \"...\") or if");
	text->position += length;
	r = parse_call(parser, &call, is_cask_args);
	release_call(&call);
	return r;
}

static int parse_statement(struct parser *parser)
{
	struct bfs_ruby_text *text = &parser->text;
	size_t start = text->position;
	int r;

	if (bfs_ruby_take_word(text, "if"))
		r = parse_if(parser, start, true);
	else if (bfs_ruby_take_word(text, "unless"))
		r = parse_if(parser, start, false);
	else if (bfs_ruby_take_word(text, "on_macos"))
		r = parse_platform_block(parser, start, false);
	else if (bfs_ruby_take_word(text, "on_linux"))
		r = parse_platform_block(parser, start, true);
	else
		return parse_method(parser);
	return r < 0 ? r : expect_statement_end(text);
}

/* Up to the end of the file or a word that ends a block. */
static int parse_statements(struct parser *parser)
{
	struct bfs_ruby_text *text = &parser->text;
	int r;

	do {
		do
			r = bfs_ruby_skip_lines(text);
		while (r == 0 && bfs_ruby_take(text, ";"));
		if (r < 0 || text->position >= text->length || at_block_end(text))
			return r;
		r = parse_statement(parser);
	} while (r == 0);
	return r;
}

int bfs_brewfile_parse(const char *text, size_t length, const char *name,
	struct bfs_brewfile **ret_brewfile, struct bfs_error *error)
{
	_cleanup_brewfile_ struct bfs_brewfile *brewfile = calloc(1, sizeof(*brewfile));
	struct parser parser = {.text = {.name = name,
					.data = text,
					.length = length,
					.live = true,
					.error = error},
		.brewfile = brewfile};
	int r;

	if (!brewfile)
		return -ENOMEM;
	brewfile->path = strdup(name);
	if (!brewfile->path)
		return -ENOMEM;
	if (length > BFS_BREWFILE_SIZE_MAX)
		return bfs_error_set(error, -EFBIG, "reading the Brewfile", name,
			"longer than %d bytes, so it is something else", BFS_BREWFILE_SIZE_MAX);
	bfs_ruby_take(&parser.text, "\xef\xbb\xbf");
	r = parse_statements(&parser);
	if (r < 0)
		return r;
	if (parser.text.position < parser.text.length)
		return bfs_ruby_unexpected(&parser.text, parser.text.position,
			"expected an entry outside of any block");
	*ret_brewfile = bfs_steal(&brewfile);
	return 0;
}
