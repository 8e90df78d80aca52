/* etc and var of a bottle are copied, and what the user changed is kept. */
#include "installer/etc.h"

#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

static void is_file(struct bfs_tree *tree, const char *path, const char *text, const char *what)
{
	ok(file_has(tree, path, text), "%s (%s holds '%s')", what, path, text);
}

static void test_first(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/.bottle/etc/foo/foo.conf", "one");
	put_file_mode(tree, "Cellar/foo/1/.bottle/etc/foo/secret", "secret", 0600);
	put_file_mode(tree, "Cellar/foo/1/.bottle/etc/open", "open", 06777);
	put_file(tree, "Cellar/foo/1/.bottle/etc/empty", "");
	put_directory(tree, "Cellar/foo/1/.bottle/var/foo/emptydir");
	put_file(tree, "Cellar/foo/1/.bottle/var/foo/seed", "seed");
	put_file(tree, "Cellar/foo/1/.bottle/share/x", "x");
	put_link(tree, "Cellar/foo/1/.bottle/etc/link.conf", "foo/foo.conf");
	put_link(tree, "Cellar/foo/1/.bottle/etc/prefixed",
		"/home/linuxbrew/.linuxbrew/Cellar/foo/1/.bottle/var/foo/seed");
	put_link(tree, "Cellar/foo/1/.bottle/etc/linkdir", "foo");
	put_link(tree, "Cellar/foo/1/.bottle/etc/host", "/etc/passwd");
	is_int(bfs_etc_install(tree, "Cellar/foo/1", NULL), 0,
		"a first version's files are copied");
	is_file(tree, "etc/foo/foo.conf", "one", "to etc");
	is_file(tree, "var/foo/seed", "seed", "and to var");
	is_file(tree, "etc/empty", "", "an empty one as well");
	is_there(tree, "var/foo/emptydir", "d", "an empty directory is made");
	is_file(tree, "etc/link.conf", "one", "a link is copied as the file it leads to");
	is_file(tree, "etc/prefixed", "seed", "also an absolute one");
	is_there(tree, "etc/linkdir", "d", "a link to a directory becomes one,");
	is_there(tree, "etc/linkdir/foo.conf", "-", "without what is in it");
	is_there(tree, "etc/host", "-", "a link out of the prefix is passed over");
	is_there(tree, "share/x", "-", "nothing but etc and var is copied");
	is_int(mode_of(tree, "etc/foo/secret"), 0600, "a file keeps its mode");
	is_int(mode_of(tree, "etc/open"), 0755, "but for the umask and setuid");
	is_int(mode_of(tree, "etc/foo"), 0755, "directories have mode 0755");
	is_there(tree, "Cellar/foo/1/.bottle/etc/foo/foo.conf", "f", "the keg keeps its own");
	{
		_cleanup_free_ char *before = dump(tree), *after = NULL;

		is_int(bfs_etc_install(tree, "Cellar/foo/1", NULL), 0, "copying them again");
		after = dump(tree);
		is_str(after, before, "changes nothing, and leaves no .default");
	}
}

static void test_upgrade(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/.bottle/etc/kept.conf", "one");
	put_file(tree, "Cellar/foo/1/.bottle/etc/mine.conf", "one");
	put_file(tree, "Cellar/foo/1/.bottle/etc/same.conf", "same");
	put_file(tree, "Cellar/foo/2/.bottle/etc/kept.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/mine.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/same.conf", "same");
	must(bfs_etc_install(tree, "Cellar/foo/1", NULL), "first version");
	put_file_mode(tree, "etc/kept.conf", "one", 0600);
	put_file(tree, "etc/mine.conf", "changed");
	is_int(bfs_etc_install(tree, "Cellar/foo/2", NULL), 0,
		"a second version's files are copied");
	is_file(tree, "etc/kept.conf", "two", "over what nobody changed");
	is_int(mode_of(tree, "etc/kept.conf"), 0600, "which keeps its mode");
	is_there(tree, "etc/kept.conf.default", "-", "without a .default");
	is_file(tree, "etc/mine.conf", "changed", "what was changed is left");
	is_file(tree, "etc/mine.conf.default", "two", "and the new one is beside it");
	is_there(tree, "etc/same.conf.default", "-", "what is the same needs none");

	put_file(tree, "Cellar/foo/3/.bottle/etc/mine.conf", "three");
	is_int(bfs_etc_install(tree, "Cellar/foo/3", NULL), 0, "a third version");
	is_file(tree, "etc/mine.conf", "changed", "leaves what was changed as well");
	is_file(tree, "etc/mine.conf.default", "three", "and replaces the older .default");
}

/* Only an installed version's default counts, and only of the same rack. */
static void test_whose_default(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/bar/1/.bottle/etc/x.conf", "one");
	put_file(tree, "Cellar/foo/2/.bottle/etc/x.conf", "two");
	put_file(tree, "etc/x.conf", "one");
	must(bfs_etc_install(tree, "Cellar/foo/2", NULL), "copying");
	is_file(tree, "etc/x.conf", "one", "another formula's default does not count");
	is_file(tree, "etc/x.conf.default", "two", "so there is a .default");

	must(bfs_tree_remove_path(tree, "etc/x.conf.default"), "rm");
	put_link(tree, "Cellar/foo/1/.bottle/etc/x.conf", "real.conf");
	put_file(tree, "Cellar/foo/1/.bottle/etc/real.conf", "one");
	must(bfs_etc_install(tree, "Cellar/foo/2", NULL), "copying");
	is_file(tree, "etc/x.conf", "two", "an older version's link counts as what it leads to");
	is_there(tree, "etc/x.conf.default", "-", "then there is no .default");
}

/* Links in etc: cp writes through them, but not into kegs, nor out of the prefix. */
static void test_links(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/.bottle/etc/linked.conf", "one");
	put_file(tree, "Cellar/foo/2/.bottle/etc/linked.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/dangling.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/keg.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/same-keg.conf", "keg's");
	put_file(tree, "Cellar/foo/2/.bottle/etc/host.conf", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/dir", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/blocked", "two");
	put_file(tree, "Cellar/foo/2/.bottle/etc/lost.conf", "two");
	put_file(tree, "Cellar/foo/2/etc/keg.conf", "keg's");
	put_file(tree, "Cellar/foo/1/etc/old-keg.conf", "one");
	put_file(tree, "Cellar/foo/1/.bottle/etc/old-keg.conf", "one");
	put_file(tree, "Cellar/foo/2/.bottle/etc/old-keg.conf", "two");
	put_link(tree, "etc/old-keg.conf", "../Cellar/foo/1/etc/old-keg.conf");
	put_file(tree, "var/real.conf", "one");
	put_link(tree, "etc/linked.conf", "../var/real.conf");
	put_link(tree, "etc/dangling.conf", "../var/made.conf");
	put_link(tree, "etc/lost.conf", "../var/none/made.conf");
	put_link(tree, "etc/keg.conf", "../Cellar/foo/2/etc/keg.conf");
	put_link(tree, "etc/same-keg.conf", "../Cellar/foo/2/etc/keg.conf");
	put_link(tree, "etc/host.conf", "/etc/host.conf");
	put_directory(tree, "etc/dir");
	put_file(tree, "etc/blocked", "mine");
	put_directory(tree, "etc/blocked.default");
	is_int(bfs_etc_install(tree, "Cellar/foo/2", NULL), 0, "links in etc do not stop it");
	is_there(tree, "etc/linked.conf", "l ../var/real.conf", "a link stays one");
	is_file(tree, "var/real.conf", "two", "and the file it leads to is replaced");
	is_file(tree, "var/made.conf", "two", "a link that leads nowhere yet is written through");
	is_file(tree, "etc/lost.conf.default", "two", "one that cannot be gets a .default");
	is_file(tree, "Cellar/foo/2/etc/keg.conf", "keg's", "a keg's file is not touched");
	is_file(tree, "etc/keg.conf.default", "two", "there is a .default instead");
	is_file(tree, "Cellar/foo/1/etc/old-keg.conf", "one",
		"not even with what an older version brought");
	is_file(tree, "etc/old-keg.conf.default", "two", "which gets a .default as well");
	is_there(tree, "etc/same-keg.conf.default", "-", "but not where it has the same content");
	is_there(tree, "etc/host.conf", "l /etc/host.conf", "a link out of the prefix stays");
	is_file(tree, "etc/host.conf.default", "two", "with a .default beside it");
	is_there(tree, "etc/dir", "d", "a directory stays one");
	is_file(tree, "etc/blocked", "mine", "what was changed stays");
	is_there(tree, "etc/blocked.default", "d", "also where .default is a directory");
}

static void test_errors(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	char longest[BFS_NAME_MAX + 1];
	_cleanup_free_ char *path = NULL;

	put_file(tree, "Cellar/foo/1/.bottle/etc/a", "a");
	put_file(tree, "Cellar/foo/1/.bottle/etc/foo/b", "b");
	put_file(tree, "etc/foo", "a file");
	before = dump(tree);
	is_int(bfs_etc_install(tree, "Cellar/foo/1", &error), -ENOTDIR,
		"a file where a directory must be is an error");
	after = dump(tree);
	is_str(after, before, "after which nothing has changed");
	is_str(error.message, "copying the default of: etc/foo: Not a directory",
		"and the message names it");
	put_link(tree, "Cellar/foo/2/.bottle/etc/x", "nowhere");
	is_int(bfs_etc_install(tree, "Cellar/foo/2", NULL), -ENOENT,
		"so is a bottle's link that leads nowhere");
	put_file(tree, "Cellar/foo/3/bin/x", "x");
	is_int(bfs_etc_install(tree, "Cellar/foo/3", NULL), 0, "a keg without .bottle is done");
	put_link(tree, "Cellar/foo/4/.bottle/etc", "/etc");
	is_int(bfs_etc_install(tree, "Cellar/foo/4", NULL), 0, "a link is not gone through");
	is_int(bfs_etc_install(tree, "Cellar/foo/5", NULL), -ENOENT, "a keg must be there");
	is_int(bfs_etc_install(tree, "Cellar/foo", NULL), -EINVAL, "and be one");
	memset(longest, 'n', BFS_NAME_MAX);
	longest[BFS_NAME_MAX] = '\0';
	path = bfs_format("Cellar/foo/6/.bottle/etc/%s", longest);
	put_file(tree, path, "six");
	is_int(bfs_etc_install(tree, "Cellar/foo/6", NULL), 0, "a name of 255 bytes is copied");
}

int main(void)
{
	test_first();
	test_upgrade();
	test_whose_default();
	test_links();
	test_errors();
	return done();
}
