/* What happens where something is in the way of a link: every kind of it, what is said, what may be
 * overwritten. */
#include "installer/link.h"
#include "installer/opt.h"
#include "installer/unlink.h"

#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

/* A keg that links much before it comes to lib/x, which is in the way of it. */
static struct bfs_tree *new_conflict(void)
{
	struct bfs_tree *tree = new_prefix();

	put_file(tree, "Cellar/foo/1/bin/foo", "foo");
	put_file(tree, "Cellar/foo/1/etc/foo/conf", "conf");
	put_file(tree, "Cellar/foo/1/lib/x", "x");
	put_file(tree, "Cellar/foo/1/lib/y", "y");
	put_file(tree, "Cellar/foo/1/share/man/man1/foo.1", "man");
	put_file(tree, "Cellar/bar/1/lib/x", "bar's x");
	put_file(tree, "Cellar/bar/1/lib/y", "bar's y");
	return tree;
}

/* Everything that must be true after a conflict at lib/x. */
static void check_refused(struct bfs_tree *tree, const char *kind, const char *there)
{
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, NULL), -EEXIST, "%s is in the way",
		kind);
	is_there(tree, "lib/x", there, "%s is not touched", kind);
	is_there(tree, "opt/foo", "l ../Cellar/foo/1", "%s: the opt link stays", kind);
	is_there(tree, "bin/foo", "-", "%s: no link of the keg is left", kind);
	is_there(tree, "etc/foo", "-", "%s: no directory it made is left", kind);
	is_there(tree, "share/man", "-", "%s: not even deep ones", kind);
	is_there(tree, "lib/y", "-", "%s: nothing after the conflict is linked", kind);
	is_there(tree, "var/homebrew/linked/foo", "-", "%s: the keg is not recorded as linked",
		kind);
	is_int(report.links, 0, "%s: no link is counted", kind);
	is_int(report.conflict_count, 1, "%s: one conflict is reported", kind);
	is_str(report.conflict_count ? report.conflicts[0].path : "", "lib/x", "%s: it is this one",
		kind);
}

static void test_kinds(void)
{
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_file(tree, "lib/x", "mine");
		check_refused(tree, "a file", "f");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_directory(tree, "lib/x");
		check_refused(tree, "a directory", "d");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_link(tree, "lib/x", "../Cellar/bar/1/lib/x");
		check_refused(tree, "another keg's link", "l ../Cellar/bar/1/lib/x");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_file(tree, "var/mine", "mine");
		put_link(tree, "lib/x", "../var/mine");
		check_refused(tree, "a link to a file of the prefix", "l ../var/mine");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_link(tree, "lib/x", "/usr/lib/x");
		check_refused(tree, "a link out of the prefix", "l /usr/lib/x");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_link(tree, "lib/x", "../../../../usr/lib/x");
		check_refused(tree, "one in relative words", "l ../../../../usr/lib/x");
	}
	{
		_cleanup_tree_ struct bfs_tree *tree = new_conflict();

		put_link(tree, "opt/foo", "../Cellar/foo/1");
		put_link(tree, "lib/x", "../opt/foo/lib/x");
		check_refused(tree, "a link to the file by another way", "l ../opt/foo/lib/x");
	}
}

/* Conflicts of directories: what is no directory where one must be, links that cannot be split. */
static void check_directory(const char *kind, const char *keg_path, const char *path,
	const char *target, int expected, const char *after)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	put_file(tree, keg_path, "x");
	put_directory(tree, "var/dir");
	put_file(tree, "Cellar/bar/1/bin/bar", "bar");
	if (target)
		put_link(tree, path, target);
	else
		put_file(tree, path, "mine");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, NULL), expected, "%s: %s", kind,
		expected ? "refused" : "linked");
	is_there(tree, path, after, "%s: what is there is right", kind);
}

static void test_directories(void)
{
	check_directory("a file where a real directory must be",
		"Cellar/foo/1/share/man/man1/foo.1", "share/man", NULL, -EEXIST, "f");
	check_directory("a file where a directory would be linked", "Cellar/foo/1/lib/foo/x",
		"lib/foo", NULL, -EEXIST, "f");
	check_directory("a link to a directory outside the Cellar where one would be linked",
		"Cellar/foo/1/lib/foo/x", "lib/foo", "../var/dir", -EEXIST, "l ../var/dir");
	check_directory("a link out of the prefix where one would be linked",
		"Cellar/foo/1/lib/foo/x", "lib/foo", "/usr/lib/foo", -EEXIST, "l /usr/lib/foo");
	check_directory("a link out of the prefix where a real directory must be",
		"Cellar/foo/1/share/doc/x", "share/doc", "/usr/share/doc", -EEXIST,
		"l /usr/share/doc");
	check_directory("a link to a whole keg", "Cellar/foo/1/lib/foo/x", "lib/foo",
		"../Cellar/bar/1", -EEXIST, "l ../Cellar/bar/1");
	check_directory("a link to a whole keg where a real directory must be",
		"Cellar/foo/1/share/doc/x", "share/doc", "../Cellar/bar/1", -EEXIST,
		"l ../Cellar/bar/1");
	check_directory("a link to a rack", "Cellar/foo/1/lib/foo/x", "lib/foo", "../Cellar/bar",
		-EEXIST, "l ../Cellar/bar");
	check_directory("a link to a link that leads nowhere where a real directory must be",
		"Cellar/foo/1/share/doc/x", "share/doc", "doc", 0, "d");
}

static void test_message(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	must(bfs_keg_link(tree, "Cellar/bar/1", NULL, &report, NULL), "linking");
	bfs_link_report_release(&report);
	put_file(tree, "share/man/man1/foo.1", "mine");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, &error), -EEXIST,
		"several things in the way");
	is_str(error.message,
		"linking: foo: Could not symlink share/man/man1/foo.1\n"
		"Target /home/linuxbrew/.linuxbrew/share/man/man1/foo.1\n"
		"already exists.\n"
		"Possible conflicting files are:\n"
		"  share/man/man1/foo.1\n"
		"  lib/x -> ../Cellar/bar/1/lib/x\n"
		"  lib/y -> ../Cellar/bar/1/lib/y\n"
		"To replace what is in the way, say so in a Brewfile:\n"
		"  brew \"foo\", link: :overwrite",
		"are all named");
	is_int(report.conflict_count, 3, "and reported");
	is_str(report.conflicts[1].owner, "bar", "with the formula they belong to");
	is_str(report.conflicts[1].target, "../Cellar/bar/1/lib/x", "what they point to");
	is_str(report.conflicts[1].source, "Cellar/foo/1/lib/x", "and what should be there");
	ok(!report.conflicts[0].owner && !report.conflicts[0].target, "a file belongs to none");
	must(bfs_tree_remove_path(tree, "share/man/man1/foo.1"), "rm");
	bfs_error_clear(&error);
	bfs_link_report_release(&report);
	bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, &error);
	ok(error.message &&
			strstr(error.message, "Could not symlink lib/x\n"
					      "Target /home/linuxbrew/.linuxbrew/lib/x\n"
					      "is a symlink belonging to bar.\n"),
		"a link of another formula is said to be one");
	must(bfs_tree_set_value(tree, "prefix", "/opt/elsewhere"), "prefix");
	bfs_error_clear(&error);
	bfs_link_report_release(&report);
	bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, &error);
	ok(error.message && strstr(error.message, "Target /opt/elsewhere/lib/x\n"),
		"paths are those of the tree's own prefix");
}

/* As Homebrew leaves them: directories that were split before the conflict stay so. */
static void test_splits_stay(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	put_file(tree, "Cellar/foo/1/include/shared/foo.h", "h");
	put_file(tree, "Cellar/bar/1/include/shared/bar.h", "h");
	put_file(tree, "Cellar/foo/1/lib/z/foo", "z");
	put_file(tree, "Cellar/bar/1/lib/z/bar", "z");
	must(bfs_keg_link(tree, "Cellar/bar/1", NULL, &report, NULL), "linking");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, NULL), -EEXIST,
		"a conflict in lib");
	is_there(tree, "include/shared", "d", "a directory split before it stays so");
	is_there(tree, "include/shared/bar.h", "l ../../Cellar/bar/1/include/shared/bar.h",
		"with the other keg's links");
	is_there(tree, "include/shared/foo.h", "-", "and none of this one");
	is_there(tree, "lib/z", "l ../Cellar/bar/1/lib/z", "one that comes after it is not split");
}

static void test_overwrite(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	struct bfs_link_options options = {.overwrite = true};

	put_link(tree, "lib/x", "../Cellar/bar/1/lib/x");
	put_directory(tree, "lib/y");
	put_file(tree, "bin/foo", "mine");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), 0,
		"--overwrite links over everything");
	is_there(tree, "lib/x", "l ../Cellar/foo/1/lib/x", "over another keg's link");
	is_there(tree, "lib/y", "l ../Cellar/foo/1/lib/y", "over an empty directory");
	is_there(tree, "bin/foo", "l ../Cellar/foo/1/bin/foo", "over a file");
	is_int(report.replaced_count, 3, "what went is reported");
	is_str(report.replaced[0].path, "bin/foo", "by its path");
	is_str(report.replaced[1].owner, "bar", "and owner");
	is_int(report.conflict_count, 0, "no conflict is");
	must(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, NULL, NULL), "unlinking");
	put_file(tree, "lib/y/full", "mine");
	bfs_link_report_release(&report);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), -EEXIST,
		"but not over a directory with something in it");
	is_there(tree, "lib/y/full", "f", "which stays");
}

static bool protects_bar(void *context, const char *owner)
{
	(*(int *)context)++;
	return strcmp(owner, "bar") == 0;
}

/* A formula's link_overwrite, its family, and what the caller protects. */
static void test_link_overwrite(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	char *const patterns[] = {"lib/x", "bin/*", NULL};
	char *const family[] = {"bar@2", "bar", NULL};
	int asked = 0;
	struct bfs_link_options options = {.link_overwrite = patterns};

	put_link(tree, "lib/x", "../Cellar/bar/1/lib/x");
	put_file(tree, "bin/foo", "mine");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), 0,
		"link_overwrite lets a formula take paths over");
	is_there(tree, "lib/x", "l ../Cellar/foo/1/lib/x", "from another formula");
	is_there(tree, "bin/foo", "l ../Cellar/foo/1/bin/foo", "and from a file");
	is_int(report.replaced_count, 2, "both are reported");
	bfs_link_report_warn(&report, 7);
	bfs_link_report_warn(&report, 0);

	must(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, NULL, NULL), "unlinking");
	put_link(tree, "lib/y", "../Cellar/bar/1/lib/y");
	bfs_link_report_release(&report);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), -EEXIST,
		"other paths are in the way as ever");
	is_int(report.conflict_count, 1, "alone");
	options.family = family;
	bfs_link_report_release(&report);
	options.protects = protects_bar;
	options.context = &asked;
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), -EEXIST,
		"what the caller protects is in the way");
	ok(asked > 0, "it was asked");
	options.protects = NULL;
	bfs_link_report_release(&report);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), 0,
		"links of the family's formulae are taken over");
	is_there(tree, "lib/y", "l ../Cellar/foo/1/lib/y", "all of them");
}

static void test_dry_run(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	_cleanup_free_ char *before = NULL, *after = NULL;
	struct bfs_link_options options = {.dry_run = true};

	put_file(tree, "Cellar/foo/1/include/shared/foo.h", "h");
	put_file(tree, "Cellar/bar/1/include/shared/bar.h", "h");
	must(bfs_keg_link(tree, "Cellar/bar/1", NULL, &report, NULL), "linking");
	bfs_link_report_release(&report);
	before = dump(tree);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), 0,
		"a dry run succeeds");
	after = dump(tree);
	is_str(after, before, "and changes nothing");
	is_int(report.conflict_count, 2, "it tells all that is in the way");
	is_int(report.links, 5, "and counts what would be made, splits as well");
	options.overwrite = true;
	bfs_link_report_release(&report);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", &options, &report, NULL), 0,
		"a dry run of --overwrite as well");
	is_int(report.replaced_count, 2, "tells what would go");
	is_int(report.links, 7, "and counts what would be made");
}

/* A caller's own transaction goes on as it was after any outcome. */
static void test_nesting(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_conflict();
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;
	_cleanup_free_ char *before = dump(tree), *after = NULL;

	put_file(tree, "Cellar/ok/1/bin/ok", "ok");
	must(bfs_tree_begin(tree), "begin");
	must(bfs_keg_link(tree, "Cellar/bar/1", NULL, &report, NULL), "linking");
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, NULL), -EEXIST,
		"a conflict inside");
	is_int(bfs_keg_link(tree, "Cellar/none/1", NULL, &report, NULL), -ENOENT,
		"an error inside");
	is_int(bfs_keg_link(tree, "Cellar/ok/1", NULL, &report, NULL), 0, "a link inside");
	is_there(tree, "bin/ok", "l ../Cellar/ok/1/bin/ok", "is there");
	bfs_tree_rollback(tree);
	after = dump(tree);
	is_str(after, before, "until the caller takes all of it back");
}

static void test_read_only(void)
{
	_cleanup_free_ char *path = bfs_format("/tmp/test-link-conflict.%d.sqlite", getpid());
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_link_report_ struct bfs_link_report report = BFS_LINK_REPORT_INIT;

	{
		_cleanup_tree_ struct bfs_tree *writable = new_conflict();

		must(bfs_tree_write_copy(writable, path, NULL), path);
	}
	must(bfs_tree_open(path, BFS_TREE_READ, &tree, NULL), path);
	unlink(path);
	is_int(bfs_keg_link(tree, "Cellar/foo/1", NULL, &report, NULL), -EROFS,
		"a published tree cannot be linked in");
	is_int(bfs_keg_unlink(tree, "Cellar/foo/1", NULL, NULL, NULL), -EROFS, "nor unlinked");
}

int main(void)
{
	test_kinds();
	test_directories();
	test_message();
	test_splits_stay();
	test_overwrite();
	test_link_overwrite();
	test_dry_run();
	test_nesting();
	test_read_only();
	return done();
}
