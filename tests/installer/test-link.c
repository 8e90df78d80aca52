/* Linking kegs into a prefix: what is linked and how, split directories, opt links, upgrades,
 * unlinking. */
#include "installer/link.h"
#include "installer/opt.h"
#include "installer/unlink.h"

#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

#include <time.h>

static int link_with(struct bfs_tree *tree, const char *keg, const struct bfs_link_options *options)
{
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	return bfs_keg_link(tree, keg, options, &report, NULL);
}

static int link_keg(struct bfs_tree *tree, const char *keg)
{
	return link_with(tree, keg, NULL);
}

static void test_plain(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	put_file(tree, "Cellar/foo/1.0/bin/foo", "foo");
	put_file(tree, "Cellar/foo/1.0/bin/sub/inner", "inner");
	put_link(tree, "Cellar/foo/1.0/bin/bar", "foo");
	put_file(tree, "Cellar/foo/1.0/lib/libfoo.so.1", "so");
	put_link(tree, "Cellar/foo/1.0/lib/libfoo.so", "libfoo.so.1");
	put_file(tree, "Cellar/foo/1.0/lib/libfoo.la", "la");
	put_file(tree, "Cellar/foo/1.0/lib/pkgconfig/foo.pc", "pc");
	put_file(tree, "Cellar/foo/1.0/lib/foo/plugin", "plugin");
	put_link(tree, "Cellar/foo/1.0/lib/linkdir", "foo");
	put_file(tree, "Cellar/foo/1.0/lib/charset.alias", "c");
	put_file(tree, "Cellar/foo/1.0/lib/python3.13/site-packages/m.py", "py");
	put_file(tree, "Cellar/foo/1.0/lib/python3.13/site-packages/m.pyc", "pyc");
	put_directory(tree, "Cellar/foo/1.0/lib/gio/modules");
	put_directory(tree, "Cellar/foo/1.0/lib/empty");
	put_file(tree, "Cellar/foo/1.0/include/foo/foo.h", "h");
	put_file(tree, "Cellar/foo/1.0/share/man/man1/foo.1", "man");
	put_file(tree, "Cellar/foo/1.0/share/info/dir", "dir");
	put_file(tree, "Cellar/foo/1.0/share/info/foo.info", "info");
	put_file(tree, "Cellar/foo/1.0/share/locale/locale.alias", "alias");
	put_file(tree, "Cellar/foo/1.0/share/icons/hicolor/icon-theme.cache", "cache");
	put_file(tree, "Cellar/foo/1.0/share/icons/hicolor/x.png", "png");
	put_file(tree, "Cellar/foo/1.0/share/Foo.app/x", "app");
	put_file(tree, "Cellar/foo/1.0/share/.DS_Store", "ds");
	put_file(tree, "Cellar/foo/1.0/etc/foo/foo.conf", "conf");
	put_file(tree, "Cellar/foo/1.0/Frameworks/F.framework/Versions/1/F", "f");
	put_file(tree, "Cellar/foo/1.0/libexec/x", "x");
	put_file(tree, "Cellar/foo/1.0/var/x", "x");
	put_file(tree, "Cellar/foo/1.0/.brew/foo.rb", "rb");
	put_file(tree, "Cellar/foo/1.0/README", "readme");
	put_link(tree, "Cellar/foo/1.0/sbin", "bin");

	is_int(bfs_keg_link(tree, "Cellar/foo/1.0", NULL, &report, &error), 0, "a keg is linked");
	is_int(report.links, 16, "the links are counted");
	{
		_cleanup_free_ char *text = dump(tree);

		is_str(text,
			"Frameworks d\n"
			"Frameworks/F.framework d\n"
			"Frameworks/F.framework/Versions d\n"
			"Frameworks/F.framework/Versions/1 l"
			" ../../../Cellar/foo/1.0/Frameworks/F.framework/Versions/1\n"
			"bin d\n"
			"bin/bar l ../Cellar/foo/1.0/bin/bar\n"
			"bin/foo l ../Cellar/foo/1.0/bin/foo\n"
			"etc d\n"
			"etc/foo d\n"
			"etc/foo/foo.conf l ../../Cellar/foo/1.0/etc/foo/foo.conf\n"
			"include d\n"
			"include/foo l ../Cellar/foo/1.0/include/foo\n"
			"lib d\n"
			"lib/empty l ../Cellar/foo/1.0/lib/empty\n"
			"lib/foo l ../Cellar/foo/1.0/lib/foo\n"
			"lib/gio d\n"
			"lib/gio/modules d\n"
			"lib/libfoo.la l ../Cellar/foo/1.0/lib/libfoo.la\n"
			"lib/libfoo.so l ../Cellar/foo/1.0/lib/libfoo.so\n"
			"lib/libfoo.so.1 l ../Cellar/foo/1.0/lib/libfoo.so.1\n"
			"lib/linkdir l ../Cellar/foo/1.0/lib/linkdir\n"
			"lib/pkgconfig d\n"
			"lib/pkgconfig/foo.pc l ../../Cellar/foo/1.0/lib/pkgconfig/foo.pc\n"
			"lib/python3.13 d\n"
			"lib/python3.13/site-packages d\n"
			"lib/python3.13/site-packages/m.py l"
			" ../../../Cellar/foo/1.0/lib/python3.13/site-packages/m.py\n"
			"opt d\n"
			"opt/foo l ../Cellar/foo/1.0\n"
			"sbin d\n"
			"share d\n"
			"share/icons d\n"
			"share/icons/hicolor d\n"
			"share/icons/hicolor/x.png l"
			" ../../../Cellar/foo/1.0/share/icons/hicolor/x.png\n"
			"share/info d\n"
			"share/info/foo.info l ../../Cellar/foo/1.0/share/info/foo.info\n"
			"share/locale d\n"
			"share/man d\n"
			"share/man/man1 d\n"
			"share/man/man1/foo.1 l ../../../Cellar/foo/1.0/share/man/man1/foo.1\n"
			"var d\n"
			"var/homebrew d\n"
			"var/homebrew/linked d\n"
			"var/homebrew/linked/foo l ../../../Cellar/foo/1.0\n"
			"var/homebrew/tmp d\n"
			"var/homebrew/tmp/.cellar d\n",
			"every rule of the table shows in the prefix");
	}
	ok(bfs_keg_is_linked(tree, "Cellar/foo/1.0") == 1, "the keg counts as linked");
	is_int(mode_of(tree, "share/man/man1"), 0755, "directories have mode 0755");
}

/* One-step rules: a link of the keg back to its own place, or to another formula's opt. */
static void test_leading_back(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/qtbase/6/bin/qmake", "qmake");
	put_link(tree, "opt/qtbase", "../Cellar/qtbase/6");
	put_link(tree, "Cellar/qt/6/share/qt", "../../../../share/qt");
	put_link(tree, "Cellar/qt/6/bin/qmake", "../../../../opt/qtbase/bin/qmake");
	put_link(tree, "Cellar/qt/6/bin/moc", "../../../../opt/qtbase/bin/qmake");
	put_link(tree, "Cellar/qt/6/bin/abs", "/home/linuxbrew/.linuxbrew/opt/x@1/bin/abs");
	put_link(tree, "Cellar/qt/6/bin/absdst", "/home/linuxbrew/.linuxbrew/bin/absdst");
	put_link(tree, "Cellar/qt/6/bin/host", "/usr/bin/env");
	put_link(tree, "Cellar/qt/6/bin/two", "../../../../opt/a/b/bin/two");
	put_link(tree, "Cellar/qt/6/bin/inside", "../bin/moc");

	is_int(link_keg(tree, "Cellar/qt/6"), 0, "a keg of links is linked");
	is_there(tree, "share/qt", "-", "a link to its own place in the prefix is left out");
	is_there(tree, "bin/qmake", "-", "so is a link to the same path in another's opt");
	is_there(tree, "bin/abs", "-", "in absolute words as well");
	is_there(tree, "bin/absdst", "-", "and an absolute one to its own place");
	is_there(tree, "bin/moc", "l ../Cellar/qt/6/bin/moc",
		"a link to another path in opt is linked");
	is_there(tree, "bin/two", "l ../Cellar/qt/6/bin/two", "opt/*/ is one directory, not two");
	is_there(tree, "bin/host", "l ../Cellar/qt/6/bin/host",
		"a link out of the prefix is linked");
	is_there(tree, "bin/inside", "l ../Cellar/qt/6/bin/inside",
		"a link within the keg is linked");
}

static void put_sharer(struct bfs_tree *tree, const char *keg, const char *letter)
{
	static const char *const places[][2] = {{"include/shared/", ".h"},
		{"lib/shared/nested/deep/", ""}, {"lib/shared/", ".so"}, {"share/shared/", ".txt"}};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(places); i++) {
		_cleanup_free_ char *path =
			bfs_format("%s/%s%s%s", keg, places[i][0], letter, places[i][1]);

		put_file(tree, path, letter);
	}
}

static void test_split(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_sharer(tree, "Cellar/a/1", "a");
	put_sharer(tree, "Cellar/b/1", "b");
	put_directory(tree, "Cellar/a/1/lib/shared/empty");
	put_file(tree, "Cellar/a/1/lib/shared/.DS_Store", "ds");
	is_int(link_keg(tree, "Cellar/a/1"), 0, "the first keg is linked");
	is_there(tree, "lib/shared", "l ../Cellar/a/1/lib/shared", "by a link to its directory");
	is_int(link_keg(tree, "Cellar/b/1"), 0, "a second keg with the same directories is linked");
	is_there(tree, "lib/shared", "d", "the link has become a directory");
	is_there(tree, "lib/shared/nested/deep", "d", "and directories in it too");
	is_there(tree, "lib/shared/empty", "d", "even one that only the first keg has");
	is_there(tree, "lib/shared/a.so", "l ../../Cellar/a/1/lib/shared/a.so",
		"with a link to the first keg's file");
	is_there(tree, "lib/shared/b.so", "l ../../Cellar/b/1/lib/shared/b.so",
		"and one to the second's");
	is_there(tree, "lib/shared/nested/deep/b",
		"l ../../../../Cellar/b/1/lib/shared/nested/deep/b", "at every depth");
	is_there(tree, "lib/shared/.DS_Store", "-", "a name that is never linked is not");
	is_int(bfs_keg_unlink(tree, "Cellar/b/1", NULL, NULL, NULL), 0,
		"the second one is unlinked");
	is_there(tree, "lib/shared", "d", "the directory is not merged back");
	is_there(tree, "lib/shared/a.so", "l ../../Cellar/a/1/lib/shared/a.so",
		"the first keg's links stay");
	is_there(tree, "lib/shared/b.so", "-", "the second one's are gone");
	is_int(bfs_keg_unlink(tree, "Cellar/a/1", NULL, NULL, NULL), 0,
		"the first one is unlinked");
	is_there(tree, "lib/shared", "-", "the emptied directory is gone");
	is_there(tree, "lib", "d", "the prefix's own are not");
}

/* Links that somebody made by hand lead to directories in their own ways. */
static void test_split_odd_links(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_sharer(tree, "Cellar/a/1", "a");
	put_sharer(tree, "Cellar/b/1", "b");
	put_link(tree, "opt/a", "../Cellar/a/1");
	put_link(tree, "lib/shared", "../opt/a/lib/shared");
	put_link(tree, "include/shared", "/home/linuxbrew/.linuxbrew/Cellar/a/1/include/shared");
	is_int(link_keg(tree, "Cellar/b/1"), 0, "links by way of opt and absolute ones are split");
	is_there(tree, "lib/shared/a.so", "l ../../Cellar/a/1/lib/shared/a.so",
		"one by way of opt, by the keg's real path");
	is_there(tree, "include/shared/a.h", "l ../../Cellar/a/1/include/shared/a.h",
		"an absolute one, in relative words");
}

/* To another place of the keg: that is where its files are linked. */
static void test_split_moved_links(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_sharer(tree, "Cellar/a/1", "a");
	put_sharer(tree, "Cellar/b/1", "b");
	put_link(tree, "share/shared", "../Cellar/a/1/lib/shared");
	is_int(link_keg(tree, "Cellar/b/1"), 0, "a link to another place of the keg is split");
	is_there(tree, "share/shared/b.txt", "l ../../Cellar/b/1/share/shared/b.txt",
		"and gives way");
	is_there(tree, "lib/shared/a.so", "l ../../Cellar/a/1/lib/shared/a.so",
		"what it led to is linked in its own place");
	is_there(tree, "lib/shared/b.so", "l ../../Cellar/b/1/lib/shared/b.so",
		"where the keg's own files come as well");
}

/* Whatever links are there, nothing is ever written into a keg. */
static void test_kegs_are_not_written(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_sharer(tree, "Cellar/a/1", "a");
	put_sharer(tree, "Cellar/b/1", "b");
	put_file(tree, "Cellar/c/1/lib/shared/c.so", "c");
	put_link(tree, "share/shared", "../Cellar/a/1/lib/shared");
	put_link(tree, "lib/shared", "../Cellar/c/1/lib/shared");
	is_int(link_keg(tree, "Cellar/b/1"), -EEXIST, "a link into a third keg is in the way");
	is_there(tree, "Cellar/c/1/lib/shared/a.so", "-", "nothing is linked into that keg");
	is_there(tree, "lib/shared", "l ../Cellar/c/1/lib/shared", "the link stays");
	must(bfs_tree_remove_path(tree, "lib"), "rm");
	put_link(tree, "lib", "Cellar/c/1/lib");
	put_file(tree, "Cellar/d/1/lib/d", "d");
	is_int(link_keg(tree, "Cellar/d/1"), -EEXIST, "nor is a prefix directory that is a keg's");
	is_there(tree, "Cellar/c/1/lib/d", "-", "written to");
	must(bfs_tree_remove_path(tree, "lib"), "rm");
	put_directory(tree, "var/lib64");
	put_link(tree, "lib", "var/lib64");
	is_int(link_keg(tree, "Cellar/d/1"), 0, "one that is a link to elsewhere in the prefix is");
	is_there(tree, "var/lib64/d", "l ../Cellar/d/1/lib/d", "gone through");
	must(bfs_tree_remove_path(tree, "lib"), "rm");
	must(bfs_keg_unlink(tree, "Cellar/d/1", NULL, NULL, NULL), "unlinking");
	put_link(tree, "lib", "/usr/lib");
	is_int(link_keg(tree, "Cellar/d/1"), -EEXIST, "one that leaves the prefix is in the way");
}

/* A real directory, or a link to one outside the Cellar that the table wants real, is descended
 * into. */
static void test_existing_directories(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/lib/foo/x", "x");
	put_file(tree, "Cellar/foo/1/bin/sub/y", "y");
	put_file(tree, "Cellar/foo/1/share/Foo.app/z", "z");
	put_file(tree, "Cellar/foo/1/share/doc/foo/manual", "manual");
	put_directory(tree, "lib/foo");
	put_directory(tree, "bin/sub");
	put_directory(tree, "share/Foo.app");
	put_directory(tree, "var/docs");
	put_link(tree, "share/doc", "../var/docs");
	is_int(link_keg(tree, "Cellar/foo/1"), 0, "a keg is linked beside what is there");
	is_there(tree, "lib/foo/x", "l ../../Cellar/foo/1/lib/foo/x",
		"an existing directory is descended into, whatever the table says");
	is_there(tree, "bin/sub/y", "l ../../Cellar/foo/1/bin/sub/y", "also in bin");
	is_there(tree, "share/Foo.app/z", "l ../../Cellar/foo/1/share/Foo.app/z",
		"also an application");
	is_there(tree, "var/docs/foo", "l ../../Cellar/foo/1/share/doc/foo",
		"a link to a directory outside the Cellar is gone through");
	is_int(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, NULL, NULL), 0, "and unlinked again");
	is_there(tree, "var/docs/foo", "-", "behind the link as well");
	is_there(tree, "share/doc", "l ../var/docs", "which is nobody's and stays");
}

static void test_existing_links(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/bin/same", "same");
	put_file(tree, "Cellar/foo/1/bin/absolute", "absolute");
	put_file(tree, "Cellar/foo/1/bin/dangling", "dangling");
	put_file(tree, "Cellar/foo/1/bin/loop", "loop");
	put_file(tree, "Cellar/foo/1/lib/foo/x", "x");
	put_file(tree, "Cellar/foo/1/lib/pkgconfig/x.pc", "x");
	put_link(tree, "bin/same", "../Cellar/foo/1/bin/same");
	put_link(tree, "bin/absolute", "/home/linuxbrew/.linuxbrew/Cellar/foo/1/bin/absolute");
	put_link(tree, "bin/dangling", "../Cellar/gone/1/bin/dangling");
	put_link(tree, "bin/loop", "loop");
	put_link(tree, "lib/foo", "../Cellar/foo/1/lib/foo");
	put_link(tree, "lib/pkgconfig", "../Cellar/gone/1/lib/pkgconfig");
	is_int(link_keg(tree, "Cellar/foo/1"), 0,
		"links that are right or lead nowhere do not stop it");
	is_there(tree, "bin/same", "l ../Cellar/foo/1/bin/same", "a right link stays");
	is_there(tree, "bin/absolute", "l /home/linuxbrew/.linuxbrew/Cellar/foo/1/bin/absolute",
		"a right one in other words stays as it is");
	is_there(tree, "bin/dangling", "l ../Cellar/foo/1/bin/dangling",
		"one that leads nowhere is replaced");
	is_there(tree, "bin/loop", "l ../Cellar/foo/1/bin/loop", "a loop is replaced");
	is_there(tree, "lib/foo", "l ../Cellar/foo/1/lib/foo", "a right directory link stays");
	is_there(tree, "lib/pkgconfig/x.pc", "l ../../Cellar/foo/1/lib/pkgconfig/x.pc",
		"a dangling link gives way to a directory");
}

static void test_aliases(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char *const aliases[] = {"foo@1", "foolib", NULL};
	char *const bad[] = {"../bin/x", NULL};
	struct bfs_link_options options = {.aliases = aliases};

	put_file(tree, "Cellar/foo/1/bin/foo", "old");
	put_file(tree, "Cellar/foo/2/bin/foo", "new");
	put_file(tree, "Cellar/other/1/bin/other", "other");
	put_link(tree, "opt/oldname", "../Cellar/foo/1");
	put_link(tree, "opt/older", "/home/linuxbrew/.linuxbrew/Cellar/foo/1");
	put_link(tree, "opt/other", "../Cellar/other/1");
	put_link(tree, "opt/foobar", "../Cellar/foobar/1");
	put_file(tree, "opt/foolib", "in the way");
	is_int(link_with(tree, "Cellar/foo/2", &options), 0, "a keg with aliases is linked");
	is_there(tree, "opt/foo", "l ../Cellar/foo/2", "opt by name");
	is_there(tree, "opt/foo@1", "l ../Cellar/foo/2", "by an alias with an @");
	is_there(tree, "opt/foolib", "l ../Cellar/foo/2", "by one without, whatever was there");
	is_there(tree, "opt/oldname", "l ../Cellar/foo/2",
		"an old name's link into the rack comes along");
	is_there(tree, "opt/older", "l ../Cellar/foo/2", "in absolute words as well");
	is_there(tree, "opt/other", "l ../Cellar/other/1", "another formula's does not");
	is_there(tree, "opt/foobar", "l ../Cellar/foobar/1", "nor one with a similar name");
	is_int(bfs_keg_optlink(tree, "Cellar/foo/2", bad, NULL), -EINVAL,
		"an alias that leads elsewhere is refused");
	put_link(tree, "opt/foo@3", "../Cellar/foo/3");
	put_link(tree, "opt/foo@4", "../Cellar/foo");
	put_link(tree, "opt/foo@5", "../Cellar/other/1");
	is_int(bfs_keg_unlink(tree, "Cellar/foo/2", aliases, NULL, NULL), 0, "it is unlinked");
	is_there(tree, "opt/foolib", "-", "the plain alias goes");
	is_there(tree, "opt/foo@1", "l ../Cellar/foo/2", "a versioned alias stays");
	is_there(tree, "opt/foo@3", "-", "a name@ that leads nowhere goes");
	is_there(tree, "opt/foo@4", "-", "one that leads to the rack goes");
	is_there(tree, "opt/foo@5", "l ../Cellar/other/1", "another formula's stays");
	is_there(tree, "opt/foo", "l ../Cellar/foo/2", "opt stays");
	put_directory(tree, "opt/full");
	put_file(tree, "opt/full/x", "x");
	{
		char *const full[] = {"full", NULL};

		is_int(bfs_keg_optlink(tree, "Cellar/foo/1", full, NULL), -ENOTEMPTY,
			"a directory with something in it is not replaced");
		is_there(tree, "opt/foo", "l ../Cellar/foo/2", "and then nothing is");
	}
}

static void test_keg_only(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct bfs_keg_only_case keg_only = {.versioned = true, .on_request = true};

	put_file(tree, "Cellar/keg/1/bin/keg", "keg");
	is_int(bfs_keg_optlink(tree, "Cellar/keg/1", NULL, NULL), 0, "a keg-only keg gets");
	is_there(tree, "opt/keg", "l ../Cellar/keg/1", "its opt link");
	is_there(tree, "bin/keg", "-", "and no other link");
	is_there(tree, "var/homebrew/linked/keg", "-", "nor a record");

	ok(bfs_keg_only_is_linked(&keg_only), "a version of its own, asked for, is linked");
	keg_only.on_request = false;
	ok(!bfs_keg_only_is_linked(&keg_only), "not as a dependency");
	keg_only = (struct bfs_keg_only_case){.on_request = true};
	ok(!bfs_keg_only_is_linked(&keg_only), "not where it is keg-only for another reason");
	keg_only = (struct bfs_keg_only_case){true, true, true, false, false};
	ok(!bfs_keg_only_is_linked(&keg_only), "not where a version of it is there already");
	keg_only = (struct bfs_keg_only_case){true, true, false, true, false};
	ok(!bfs_keg_only_is_linked(&keg_only), "not where a relative is");
	keg_only = (struct bfs_keg_only_case){true, true, false, false, true};
	ok(!bfs_keg_only_is_linked(&keg_only), "not where the formula without @ is keg-only");
}

/* Names are bytes, and may be as long as a file system allows. */
static void test_hostile_names(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char longest[BFS_NAME_MAX + 1], path[512], target[512];

	memset(longest, 'n', BFS_NAME_MAX);
	longest[BFS_NAME_MAX] = '\0';
	snprintf(path, sizeof(path), "Cellar/foo/1/bin/%s", longest);
	put_file(tree, path, "long");
	put_file(tree, "Cellar/foo/1/bin/\xff\xfe\x80", "bytes");
	put_file(tree, "Cellar/foo/1/bin/a\nb\tc", "control");
	put_file(tree, "Cellar/foo/1/bin/-rf *", "shell");
	put_file(tree, "Cellar/foo/1/share/locale/de/e\xcc\x81", "NFD");
	put_file(tree, "Cellar/foo/1/share/locale/de/\xc3\xa9", "NFC");
	put_file(tree, "Cellar/foo/1/bin/...", "dots");
	is_int(link_keg(tree, "Cellar/foo/1"), 0, "odd names are linked");
	snprintf(path, sizeof(path), "bin/%s", longest);
	snprintf(target, sizeof(target), "l ../Cellar/foo/1/bin/%s", longest);
	is_there(tree, path, target, "one of 255 bytes");
	is_there(tree, "bin/\xff\xfe\x80", "l ../Cellar/foo/1/bin/\xff\xfe\x80",
		"one that is no text");
	is_there(tree, "bin/a\nb\tc", "l ../Cellar/foo/1/bin/a\nb\tc",
		"one with control characters");
	is_there(tree, "share/locale/de/\xc3\xa9",
		"l ../../../Cellar/foo/1/share/locale/de/\xc3\xa9", "NFC and");
	is_there(tree, "share/locale/de/e\xcc\x81",
		"l ../../../Cellar/foo/1/share/locale/de/e\xcc\x81", "NFD are two names");
	is_there(tree, "bin/...", "l ../Cellar/foo/1/bin/...", "three dots are a name");
}

/* Deeper than any path can be opened: refused, and nothing has changed. */
static void test_too_deep(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_free_ char *before = NULL, *after = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	struct bfs_attributes here;
	uint64_t ino;

	put_file(tree, "Cellar/foo/1/bin/foo", "foo");
	put_directory(tree, "Cellar/foo/1/etc");
	must(bfs_tree_lstat_path(tree, "Cellar/foo/1/etc", &here), "etc");
	ino = here.ino;
	must(bfs_tree_begin(tree), "begin");
	for (int i = 0; i < 5000; i++)
		must(bfs_tree_make_directory(tree, ino, "d", 1, 0755, 0, &ino), "mkdir");
	must(bfs_tree_commit(tree), "commit");
	before = dump(tree);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, &error), -ENAMETOOLONG,
		"5000 directories deep is too deep");
	after = dump(tree);
	is_str(after, before, "and the prefix is as it was");
	ok(error.message && strncmp(error.message, "linking: etc/d/d/", 17) == 0,
		"the message names the step and the path");
}

static void test_bad_kegs(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/bin/foo", "foo");
	put_file(tree, "Cellar/foo/file", "file");
	is_int(link_keg(tree, "Cellar/foo/2"), -ENOENT, "a keg that is not there is not linked");
	is_int(link_keg(tree, "Cellar/foo"), -EINVAL, "nor is a rack");
	is_int(link_keg(tree, "Cellar/foo/1/bin"), -EINVAL, "nor a directory of a keg");
	is_int(link_keg(tree, "Cellar/foo/.."), -EINVAL, "nor a path that leads elsewhere");
	is_int(link_keg(tree, "opt/foo/1"), -EINVAL, "nor what is not in the Cellar");
	is_int(link_keg(tree, "Cellar/foo/file"), -ENOENT, "nor a file");
	is_int(bfs_keg_unlink(tree, "Cellar/foo", NULL, NULL, NULL), -EINVAL,
		"nor is any of them unlinked");
}

/* Links of 3000 files, each its own: the work of the biggest formulae. */
static void test_speed(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct bfs_attributes directory;
	struct bfs_content content = fake_content("page");
	struct timespec start, end;
	double seconds;

	must(bfs_tree_begin(tree), "begin");
	put_directory(tree, "Cellar/big/1/share/man/man3");
	must(bfs_tree_lstat_path(tree, "Cellar/big/1/share/man/man3", &directory), "man3");
	for (int i = 0; i < 3000; i++) {
		char name[16];
		int length = snprintf(name, sizeof(name), "page%d.3", i);

		must(bfs_tree_make_file(
			     tree, directory.ino, name, (size_t)length, 0644, 0, &content, NULL),
			"page");
	}
	must(bfs_tree_commit(tree), "commit");
	clock_gettime(CLOCK_MONOTONIC, &start);
	is_int(link_keg(tree, "Cellar/big/1"), 0, "3000 files are linked one by one");
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	printf("# linking 3000 files took %.0f ms\n", seconds * 1000);
	ok(seconds < 5, "and that takes no time to speak of");
	clock_gettime(CLOCK_MONOTONIC, &start);
	is_int(bfs_keg_unlink(tree, "Cellar/big/1", NULL, NULL, NULL), 0, "and unlinked");
	clock_gettime(CLOCK_MONOTONIC, &end);
	seconds = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
	printf("# unlinking 3000 files took %.0f ms\n", seconds * 1000);
	is_there(tree, "share/man", "-", "nothing is left of them");
}

int main(void)
{
	test_plain();
	test_leading_back();
	test_split();
	test_split_odd_links();
	test_split_moved_links();
	test_kegs_are_not_written();
	test_existing_directories();
	test_existing_links();
	test_aliases();
	test_keg_only();
	test_hostile_names();
	test_too_deep();
	test_bad_kegs();
	test_speed();
	return done();
}
