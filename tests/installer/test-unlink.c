/* Unlinking: exactly what is the keg's own goes, before an upgrade or for good. */
#include "installer/unlink.h"

#include "installer/link.h"
#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

static int link_with(struct bfs_tree *tree, const char *keg, const struct bfs_link_options *options)
{
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	return bfs_keg_link(tree, keg, options, &report, NULL);
}

static int link_keg(struct bfs_tree *tree, const char *keg)
{
	return link_with(tree, keg, NULL);
}

static void test_upgrade(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	size_t count = 0;

	put_file(tree, "Cellar/foo/1/bin/foo", "old");
	put_file(tree, "Cellar/foo/1/bin/gone", "gone");
	put_file(tree, "Cellar/foo/1/lib/foo/x", "x");
	put_file(tree, "Cellar/foo/1/share/man/man7/only-old.7", "man");
	put_file(tree, "Cellar/foo/2/bin/foo", "new");
	put_file(tree, "Cellar/foo/2/lib/foo/x", "x");
	is_int(link_keg(tree, "Cellar/foo/1"), 0, "the old version is linked");
	is_int(bfs_keg_link(tree, "Cellar/foo/2", NULL, &report, &error), -EALREADY,
		"the new one is not while the old one is");
	is_str(error.message,
		"Cannot link: foo: another version is already linked: "
		"/home/linuxbrew/.linuxbrew/Cellar/foo/1",
		"and the message says so");
	is_there(tree, "opt/foo", "l ../Cellar/foo/1", "opt still points to the old one");
	is_int(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, &count, NULL), 0,
		"the old one is unlinked");
	is_int(count, 4, "its links are counted");
	is_there(tree, "opt/foo", "l ../Cellar/foo/1", "opt stays");
	is_there(tree, "share/man", "-", "emptied directories are gone");
	is_there(tree, "var/homebrew/linked/foo", "-", "the record is gone");
	is_int(link_keg(tree, "Cellar/foo/2"), 0, "the new one is linked");
	is_there(tree, "bin/foo", "l ../Cellar/foo/2/bin/foo", "links lead to the new version");
	is_there(tree, "bin/gone", "-", "what it does not have any more is gone");
	is_there(tree, "opt/foo", "l ../Cellar/foo/2", "opt points to the new version");
	is_there(tree, "var/homebrew/linked/foo", "l ../../../Cellar/foo/2", "so does the record");
	is_int(link_keg(tree, "Cellar/foo/2"), 0, "linking the linked version again does nothing");
	is_there(tree, "lib/foo", "l ../Cellar/foo/2/lib/foo", "not even to its directories");
}

static void test_unlink_exactness(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/bin/a", "a");
	put_file(tree, "Cellar/foo/1/bin/b", "b");
	put_file(tree, "Cellar/foo/1/bin/c", "c");
	put_file(tree, "Cellar/foo/1/bin/d", "d");
	put_file(tree, "Cellar/foo/1/bin/e", "e");
	put_link(tree, "Cellar/foo/1/bin/f", "/usr/bin/env");
	put_file(tree, "Cellar/foo/1/lib/dir/x", "x");
	put_file(tree, "Cellar/foo/1/var/x", "x");
	put_file(tree, "Cellar/foo/1/share/doc/foo/x", "x");
	put_file(tree, "Cellar/bar/1/lib/dir/x", "x");
	put_link(tree, "opt/foo", "../Cellar/foo/1");
	put_link(tree, "bin/a", "../Cellar/foo/1/bin/a");
	put_link(tree, "bin/b", "../opt/foo/bin/b");
	put_file(tree, "bin/c", "a file");
	put_link(tree, "bin/d", "../Cellar/foo/1/bin/a");
	put_link(tree, "bin/e", "/home/linuxbrew/.linuxbrew/Cellar/foo/1/bin/e");
	put_link(tree, "bin/f", "/usr/bin/env");
	put_link(tree, "lib/dir", "../Cellar/bar/1/lib/dir");
	put_link(tree, "var/x", "../Cellar/foo/1/var/x");
	put_link(tree, "share/doc/foo", "../../Cellar/foo/1/share/doc/foo");
	put_link(tree, "bin/other", "../Cellar/foo/1/bin/other");
	is_int(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, NULL, NULL), 0, "a keg is unlinked");
	is_there(tree, "bin/a", "-", "a link that names the file goes");
	is_there(tree, "bin/e", "-", "in absolute words as well");
	is_there(tree, "bin/b", "l ../opt/foo/bin/b", "one by way of opt is not ours");
	is_there(tree, "bin/c", "f", "a file stays");
	is_there(tree, "bin/d", "l ../Cellar/foo/1/bin/a",
		"a link to another file of the keg stays");
	is_there(tree, "bin/f", "l /usr/bin/env", "a copy of the keg's link stays");
	is_there(tree, "lib/dir", "l ../Cellar/bar/1/lib/dir", "another keg's link stays");
	is_there(tree, "var/x", "-", "links in var go");
	is_there(tree, "share/doc", "-", "a directory that is empty now goes");
	is_there(tree, "bin/other", "l ../Cellar/foo/1/bin/other",
		"a link to what the keg does not have stays");
}

static void test_uninstall(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char *const aliases[] = {"foolib", "foo@2", NULL};
	struct bfs_link_options options = {.aliases = aliases};

	put_file(tree, "Cellar/foo/1/bin/foo", "one");
	put_file(tree, "Cellar/foo/2/bin/foo", "two");
	put_file(tree, "etc/foo.conf", "mine");
	put_link(tree, "opt/oldname", "../Cellar/foo/1");
	put_link(tree, "var/homebrew/pinned/foo", "../../../Cellar/foo/2");
	must(link_with(tree, "Cellar/foo/2", &options), "linking");
	is_int(bfs_keg_uninstall(tree, "Cellar/foo/1", aliases, NULL), 0,
		"a version that is not linked is uninstalled");
	is_there(tree, "Cellar/foo/1", "-", "its keg is gone");
	is_there(tree, "bin/foo", "l ../Cellar/foo/2/bin/foo", "links of the other stay");
	is_there(tree, "opt/foo", "l ../Cellar/foo/2", "opt stays");
	is_there(tree, "var/homebrew/pinned/foo", "l ../../../Cellar/foo/2", "so does its pin");
	is_int(bfs_keg_uninstall(tree, "Cellar/foo/2", aliases, NULL), 0, "the last one is, too");
	is_there(tree, "Cellar/foo", "-", "the rack goes");
	{
		_cleanup_free_ char *text = dump(tree);

		is_str(text,
			"bin d\netc d\netc/foo.conf f\ninclude d\nlib d\nopt d\nsbin d\nshare d\n"
			"var d\nvar/homebrew d\nvar/homebrew/linked d\nvar/homebrew/pinned d\n"
			"var/homebrew/tmp d\nvar/homebrew/tmp/.cellar d\n",
			"nothing is left of it but what is the user's");
	}
	is_int(bfs_keg_uninstall(tree, "Cellar/foo/2", NULL, NULL), -ENOENT,
		"what is not there is not uninstalled");
}

int main(void)
{
	test_upgrade();
	test_unlink_exactness();
	test_uninstall();
	return done();
}
