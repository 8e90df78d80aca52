/*
 * Search and replace as Ruby does it. The expected answers are those of Ruby's String#gsub and
 * #sub.
 */
#include "installer/ruby_regexp.h"
#include "tests/tap.h"

static const struct {
	const char *source;
	bool literal;
	int options;
	const char *text, *replacement;
	bool all;
	const char *expected; /* the count, a blank, the text */
} cases[] = {
	{"a", true, 0, "banana", "o", true, "3 bonono"},
	{"a", true, 0, "banana", "o", false, "1 bonana"},
	{"a.", true, 0, "banana.", "o", true, "1 banano"},
	{"x", true, 0, "banana", "o", true, "0 banana"},
	{"an", true, 0, "banana", "<\\0|\\&|\\1|\\\\|\\q>", false, "1 b<an|an||\\|\\q>ana"},
	{"nan", true, 0, "banana", "<\\`|\\'>", false, "1 ba<ba|a>a"},
	{"", true, 0, "ab", "-", true, "3 -a-b-"},
	{"^prefix=.*$", false, 0, "a\nprefix=/x\nb\n", "prefix=/y", true, "1 a\nprefix=/y\nb\n"},
	{"^", false, 0, "a\nb\n", "> ", true, "2 > a\n> b\n"},
	{"(\\w+)=(\\d+)", false, 0, "a=1, bc=23", "\\2=\\1", true, "2 1=a, 23=bc"},
	{"colou?r", false, 0, "color colour", "c", true, "2 c c"},
	{"(gcc|clang)-\\d+", false, 0, "gcc-12 clang-15", "\\1", true, "2 gcc clang"},
	{"[^a-c\\]]+", false, 0, "ab]xyz\n]c", "_", true, "1 ab]_]c"},
	{"[]x]", false, 0, "a]x", "_", true, "later"},
	{"a.c", false, 0, "a\nc abc", "_", true, "1 a\nc _"},
	{"a.c", false, BFS_REGEXP_MULTILINE, "a\nc abc", "_", true, "2 _ _"},
	{"ABC", false, BFS_REGEXP_IGNORECASE, "abc", "x", true, "1 x"},
	{"a b", false, BFS_REGEXP_EXTENDED, "ab", "x", true, "later"},
	{"\\A#!.*", false, 0, "#!/bin/sh\n#!x\n", "#!/y", true, "1 #!/y\n#!x\n"},
	{"\\n\\z", false, 0, "a\n\n", "", true, "1 a\n"},
	{"a{2,3}", false, 0, "aaaa a", "x", true, "1 xa a"},
	{"\\.\\*\\/", false, 0, "a.*/b", "x", true, "1 axb"},
	{"{x}", false, 0, "a{x}", "y", true, "1 ay"},
	{"a*?", false, 0, "aaa", "x", true, "later"},
	{"(?=a)", false, 0, "aaa", "x", true, "later"},
	{"(?:a)", false, 0, "aaa", "x", true, "later"},
	{"(ab)+", false, 0, "abab", "x", true, "later"},
	{"a|ab", false, 0, "ab", "x", true, "later"},
	{"(a)\\1", false, 0, "aa", "x", true, "later"},
	{"\\bword\\b", false, 0, "word", "x", true, "later"},
	{"a", false, 0, "a", "\\k<name>", true, "later"},
	{"(a", false, 0, "a", "x", true, "error"},
	{"a)", false, 0, "a", "x", true, "error"},
	{"*a", false, 0, "a", "x", true, "error"},
	{"[a", false, 0, "a", "x", true, "error"},
	{"a\\", false, 0, "a", "x", true, "error"},
	{"[b-a]", false, 0, "a", "x", true, "error"},
	{"((((((((((a))))))))))", false, 0, "a", "x", true, "later"},
};

static char *replace(size_t i)
{
	_cleanup_regexp_ struct bfs_regexp *regexp = NULL;
	struct bfs_buffer result = BFS_BUFFER_INIT, text = BFS_BUFFER_INIT;
	int r = bfs_regexp_new(cases[i].source, cases[i].literal, cases[i].options, &regexp);

	if (r == 0)
		r = bfs_regexp_replace(regexp, cases[i].text, strlen(cases[i].text),
			cases[i].replacement, cases[i].all, &result);
	if (r == -EOPNOTSUPP)
		bfs_buffer_append_string(&text, "later");
	else if (r < 0)
		bfs_buffer_append_string(&text, "error");
	else
		bfs_buffer_append_format(&text, "%d %s", r, result.data ? result.data : "");
	bfs_buffer_release(&result);
	return bfs_buffer_steal(&text);
}

int main(void)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_free_ char *actual = replace(i);

		is_str(actual, cases[i].expected, "%s %s by %s", cases[i].source,
			cases[i].literal ? "(plain)" : "", cases[i].replacement);
	}
	return done();
}
