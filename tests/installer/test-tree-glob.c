/*
 * Patterns of Ruby's Dir.glob on a tree. The expected answers are Ruby's own, of the same files on
 * a disk.
 */
#include "installer/tree_glob.h"
#include "tests/tap.h"
#include "tests/installer/tree_fixture.h"

static struct bfs_tree *make_tree(void)
{
	static const char *const files[] = {"lib/liba.so", "lib/libb.so.1", "lib/.hidden",
		"lib/sub/x.py", "lib/sub/deep/y.py", "lib/sub/.dot/z.py", "lib/[odd].txt",
		"lib/a-b.c", "share/man/man1/x.1", "share/man/man3/x.3", "share/man/de/man1/x.1",
		"share/\xc3\xa9t\xc3\xa9", "share/{brace}"};
	struct bfs_tree *tree = new_tree();

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(files); i++)
		put_file(tree, files[i], "x");
	put_link(tree, "lib/link", "sub");
	put_link(tree, "lib/dangling", "nowhere");
	put_link(tree, "lib/outside", "/etc");
	return tree;
}

/* The paths that match, joined by blanks. Allocated. */
static char *matches(struct bfs_tree *tree, const char *pattern)
{
	struct bfs_buffer text = BFS_BUFFER_INIT;
	bfs_strings paths = NULL;
	int r = bfs_tree_glob(tree, pattern, &paths);

	bfs_buffer_reserve(&text, 0);
	if (r < 0)
		bfs_buffer_append_format(&text, "error %s", strerror(-r));
	for (size_t i = 0; r == 0 && paths && paths[i]; i++)
		bfs_buffer_append_format(&text, "%s%s", i ? " " : "", paths[i]);
	bfs_strings_free(paths);
	return bfs_buffer_steal(&text);
}

static void test_patterns(struct bfs_tree *tree)
{
	static const struct {
		const char *pattern, *expected;
	} cases[] = {
		{"lib/liba.so", "lib/liba.so"},
		{"lib/nothing", ""},
		{"lib/*.so", "lib/liba.so"},
		{"lib/lib?.so*", "lib/liba.so lib/libb.so.1"},
		{"lib/.h*", "lib/.hidden"},
		{"lib/*h*", ""},
		{"lib/[a-c]*", "lib/a-b.c"},
		{"lib/[^a-l]*", "lib/[odd].txt lib/outside lib/sub"},
		{"lib/[!a-l]*", "lib/[odd].txt lib/outside lib/sub"},
		{"lib/\\[odd\\].txt", "lib/[odd].txt"},
		{"lib/[[]odd].txt", "lib/[odd].txt"},
		{"lib/a[-x]b.c", "lib/a-b.c"},
		{"lib/d*", "lib/dangling"},
		{"lib/outside/*", ""},
		{"lib/link/*.py", "lib/link/x.py"},
		{"lib/*/x.py", "lib/link/x.py lib/sub/x.py"},
		{"lib/**/*.py", "lib/sub/deep/y.py lib/sub/x.py"},
		{"lib/**/**/y.py", "lib/sub/deep/y.py"},
		{"**/y.py", "lib/sub/deep/y.py"},
		{"lib/**",
			"lib/[odd].txt lib/a-b.c lib/dangling lib/liba.so lib/libb.so.1 lib/link "
			"lib/outside lib/sub"},
		{"share/man/man{1,3}/*", "share/man/man1/x.1 share/man/man3/x.3"},
		{"share/man/{man3,man1,de/man1}/x.*",
			"share/man/man3/x.3 share/man/man1/x.1 share/man/de/man1/x.1"},
		{"share/man/{man{1,3},de}", "share/man/man1 share/man/man3 share/man/de"},
		{"lib/lib{a,}{.so,b.so.1}", "lib/liba.so lib/libb.so.1"},
		{"share/\\{brace\\}", "share/{brace}"},
		{"share/{open", ""},
		{"share/?t?", "share/\xc3\xa9t\xc3\xa9"},
		{"share/[\xc3\xa8-\xc3\xaa]t*", "share/\xc3\xa9t\xc3\xa9"},
		{"lib/[", ""},
		{"lib/[a", ""},
		{"lib/a[]-b.c", ""},
		{"*", "lib share"},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_free_ char *actual = matches(tree, cases[i].pattern);

		is_str(actual, cases[i].expected, "%s", cases[i].pattern);
	}
}

static void test_limits(struct bfs_tree *tree)
{
	_cleanup_buffer_ struct bfs_buffer pattern = BFS_BUFFER_INIT;
	bfs_strings paths = NULL;

	for (int i = 0; i < 9; i++)
		bfs_buffer_append_string(&pattern, "{a,b}");
	is_int(bfs_tree_glob(tree, pattern.data, &paths), -E2BIG, "512 alternatives are refused");
	for (int i = 0; i < 2000; i++)
		bfs_buffer_append_string(&pattern, "{a}");
	is_int(bfs_tree_glob(tree, pattern.data, &paths), -ENAMETOOLONG,
		"a pattern longer than a path is refused");
	bfs_buffer_clear(&pattern);
	for (int i = 0; i < 1300; i++)
		bfs_buffer_append_string(&pattern, "{a}");
	is_int(bfs_tree_glob(tree, pattern.data, &paths), 0,
		"1300 pairs of braces are not too deep");
	is_int(bfs_strings_count(paths), 0, "and match nothing");
	bfs_strings_free(paths);
}

int main(void)
{
	_cleanup_tree_ struct bfs_tree *tree = make_tree();

	test_patterns(tree);
	test_limits(tree);
	return done();
}
