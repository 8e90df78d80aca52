/* What is not committed: rules as gitignore(5) has them, and the defaults. */
#include "index/ignore.h"
#include "tests/tap.h"

#include <inttypes.h>

#define PREFIX "/home/linuxbrew/.linuxbrew"

static struct bfs_ignore *make(const char *text)
{
	struct bfs_ignore *ignore = NULL;

	if (bfs_ignore_new(PREFIX, text, text ? strlen(text) : 0, &ignore) < 0)
		printf("Bail out! no rules\n");
	return ignore;
}

static const struct {
	const char *rules, *path; /* a path that ends in "/" is a directory */
	bool ignored;
} rows[] = {
	{"", "a", false},
	{"a", "a", true},
	{"a", "b/c/a", true},
	{"a", "a/", true},
	{"a", "ab", false},
	{"a/", "a", false},
	{"a/", "a/", true},
	{"a/", "x/a/", true},
	{"/a", "a", true},
	{"/a", "x/a", false},
	{"x/a", "x/a", true},
	{"x/a", "y/x/a", false},
	{"/x/a/", "x/a/", true},
	{"/x/a/", "x/a", false},
	{"*.o", "d/x.o", true},
	{"*.o", "d/x.oo", false},
	{"d/*.o", "d/x.o", true},
	{"d/*.o", "d/e/x.o", false},
	{"?.c", "a.c", true},
	{"[ab].c", "b.c", true},
	{"[!ab].c", "b.c", false},
	{".*", ".hidden", true},
	{"*", ".hidden", true},
	{"**/foo", "foo", true},
	{"**/foo", "a/b/foo", true},
	{"**/a/foo", "x/a/foo", true},
	{"a/**", "a/b", true},
	{"a/**", "a/b/c", true},
	{"a/**", "a/", false},
	{"a/**/b", "a/b", true},
	{"a/**/b", "a/x/b", true},
	{"a/**/b", "a/x/y/b", true},
	{"a/**/b", "a/x/y/c", false},
	{"a/**/b/", "a/x/b", false},
	{"# a", "# a", false},
	{"\\#a", "#a", true},
	{"\\!a", "!a", true},
	{"a  ", "a", true},
	{"a\\ ", "a ", true},
	{"a b", "a b", true},
	{"a\r", "a", true},
	{"*.o\n!keep.o", "keep.o", false},
	{"*.o\n!keep.o", "lose.o", true},
	{"!keep.o\n*.o", "keep.o", true},
	{"\n\n/\n!\n!/\na", "a", true},
	{"b\n\na", "b", true},
	{"Cellar/*/*/.brew/", "Cellar/x/1/.brew/", true},
	/* the defaults */
	{NULL, "Homebrew/", true},
	{NULL, "x/Homebrew/", false},
	{NULL, "Homebrew", false},
	{NULL, "var/homebrew/locks/", true},
	{NULL, "var/homebrew/tmp/", true},
	{NULL, "var/homebrew/linked/", false},
	{NULL, ".cache/", true},
	{NULL, "Cellar/x/1/.cache/", false},
	{NULL, "lib/ld.so", true},
	{NULL, ".brewfsignore", false},
	{"!Homebrew/", "Homebrew/", false},
	{"!/Homebrew", "Homebrew/", false},
	{"!Homebrew/", "var/homebrew/locks/", true},
};

static void test_rules(void)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(rows); i++) {
		_cleanup_ignore_ struct bfs_ignore *ignore = make(rows[i].rules);
		size_t length = strlen(rows[i].path);
		bool directory = rows[i].path[length - 1] == '/';
		char path[100];

		snprintf(path, sizeof(path), "%.*s", (int)(length - directory), rows[i].path);
		ok(bfs_ignore_matches(ignore, path, directory) == rows[i].ignored,
			"%s: %s is%s ignored", rows[i].rules ? rows[i].rules : "the defaults",
			rows[i].path, rows[i].ignored ? "" : " not");
	}
}

/* --- entries of a tree --- */

static const struct {
	const char *rules, *path, *target;
	bool ignored;
} links[] = {
	{NULL, "bin/brew", "../Homebrew/bin/brew", true},
	{NULL, "bin/brew", PREFIX "/Homebrew/bin/brew", true},
	{"!Homebrew/", "bin/brew", "../Homebrew/bin/brew", false},
	{NULL, "share/man/man1/brew.1", "../../../Homebrew/manpages/brew.1", true},
	{NULL, "share/man/man1/brew.1", "../../Homebrew/manpages/brew.1", false},
	{NULL, "bin/brew", "../Cellar/x/1/bin/brew", false},
	{NULL, "bin/brew", "/opt/Homebrew/bin/brew", false},
	{NULL, "bin/brew", "../../Homebrew", false},
	{NULL, "bin/brew", "../x/./../Homebrew", true},
	{NULL, "lib/libstdc++.so.6", "../opt/gcc/lib/gcc/current/libstdc++.so.6", true},
	{NULL, "lib/libstdc++.so.6", "../Cellar/gcc/15/lib/libstdc++.so.6", false},
	{NULL, "lib/libother.so", "../opt/gcc/lib/gcc/current/libother.so", false},
};

static bool entry_is_ignored(struct bfs_ignore *ignore, struct bfs_tree *tree, const char *path,
	uint64_t ino, mode_t mode)
{
	const struct bfs_attributes attributes = {.ino = ino, .mode = mode};
	bool ignored = false;

	return bfs_ignore_entry(ignore, tree, path, &attributes, &ignored) == 0 && ignored;
}

static void test_entries(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_ignore_ struct bfs_ignore *ignore = make("*.o");
	uint64_t ino = 0;

	if (bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL) < 0)
		printf("Bail out! no tree can be made\n");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(links); i++) {
		_cleanup_ignore_ struct bfs_ignore *rules = make(links[i].rules);
		char name[32];

		snprintf(name, sizeof(name), "link%zu", i);
		bfs_tree_make_symlink(tree, BFS_TREE_ROOT, name, strlen(name), links[i].target,
			strlen(links[i].target), 0, &ino);
		ok(entry_is_ignored(rules, tree, links[i].path, ino, S_IFLNK | 0777) ==
				links[i].ignored,
			"%s -> %s is%s ignored", links[i].path, links[i].target,
			links[i].ignored ? "" : " not");
	}
	ok(entry_is_ignored(ignore, tree, "a.o", 9, S_IFREG | 0644), "a file by its name");
	ok(!entry_is_ignored(NULL, tree, "a.o", 9, S_IFREG | 0644), "but not without rules");
	ok(entry_is_ignored(ignore, tree, "pipe", 9, S_IFIFO | 0644), "a fifo is");
	ok(entry_is_ignored(NULL, tree, "socket", 9, S_IFSOCK | 0644), "a socket is");
	is_int(bfs_ignore_add_host_name(ignore, "lib/host", 7), 0, "a name of the host's");
	is_int(bfs_ignore_add_host_name(ignore, "lib/none", 0), 0, "and one that is not there");
	ok(bfs_ignore_is_host_name(ignore, "lib/host", 7), "the first is ignored as it is");
	ok(!bfs_ignore_is_host_name(ignore, "lib/host", 8), "not what replaced it");
	ok(!bfs_ignore_is_host_name(ignore, "lib/host", 0), "nor its removal");
	ok(bfs_ignore_is_host_name(ignore, "lib/none", 0), "nothing is nothing");
	ok(!bfs_ignore_is_host_name(ignore, "lib/other", 7), "others are not the host's");
}

int main(void)
{
	test_rules();
	test_entries();
	return done();
}
