/* The prefix's own directories, and what it says about kegs. */
#include "installer/prefix.h"

#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

static void test_prepare(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_tree();
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *first = NULL, *second = NULL;

	is_int(bfs_prefix_prepare(tree, NULL), 0, "an empty prefix is prepared");
	first = dump(tree);
	is_str(first,
		"bin d\netc d\ninclude d\nlib d\nopt d\nsbin d\nshare d\nvar d\nvar/homebrew d\n"
		"var/homebrew/linked d\nvar/homebrew/tmp d\nvar/homebrew/tmp/.cellar d\n",
		"it has the directories that Homebrew makes");
	is_there(tree, "Cellar", "d", "and a Cellar");
	is_int(bfs_prefix_prepare(tree, NULL), 0, "a prepared one is prepared again");
	second = dump(tree);
	is_str(second, first, "and stays as it is");
	must(bfs_tree_remove_path(tree, "sbin"), "rm");
	put_file(tree, "sbin", "a file");
	is_int(bfs_prefix_prepare(tree, &error), -ENOTDIR, "a file in the way is an error");
	is_str(error.message, "preparing the prefix: sbin: Not a directory", "and named");
}

static void test_paths(void)
{
	char *keg = NULL, *name = NULL, *version = NULL;

	is_int(bfs_keg_split("Cellar/openssl@3/3.5.0_1", &name, &version), 0,
		"a keg's path is split");
	is_str(name, "openssl@3", "into the name");
	is_str(version, "3.5.0_1", "and the version");
	free(name);
	free(version);
	is_int(bfs_keg_split("Cellar/a", &name, &version), -EINVAL, "a rack is no keg");
	is_int(bfs_keg_split("Cellar/a/b/c", &name, &version), -EINVAL, "nor what is in one");
	is_int(bfs_keg_split("Cellar/a/..", &name, &version), -EINVAL, "nor what leads out of it");
	is_int(bfs_keg_split("Cellar//b", &name, &version), -EINVAL, "nor one without a name");
	is_int(bfs_keg_split("/Cellar/a/b", &name, &version), -EINVAL, "nor an absolute path");
	is_int(bfs_keg_of("Cellar/a/b/c/d", &keg), 0, "the keg of a path");
	is_str(keg, "Cellar/a/b", "is found");
	free(keg);
	is_int(bfs_keg_of("Cellar/a", &keg), -ENOENT, "but not of a rack");
	is_int(bfs_keg_of("Cellarx/a/b", &keg), -ENOENT, "nor of what is elsewhere");
	is_int(bfs_keg_of("", &keg), -ENOENT, "nor of the prefix itself");
}

static void test_racks(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char **versions = NULL;

	put_directory(tree, "Cellar/foo/1.10");
	put_directory(tree, "Cellar/foo/1.9_2");
	put_directory(tree, "Cellar/foo/1.9");
	put_directory(tree, "Cellar/foo/HEAD-abc");
	put_directory(tree, "Cellar/foo/1.10rc1");
	put_file(tree, "Cellar/foo/file", "file");
	put_link(tree, "Cellar/foo/link", "1.9");
	put_link(tree, "Cellar/oldname", "foo");
	must(bfs_rack_versions(tree, "foo", &versions), "listing");
	{
		_cleanup_free_ char *text =
			bfs_format("%s %s %s %s %s %s", versions[0], versions[1], versions[2],
				versions[3], versions[4], versions[5] ? "more" : "end");

		is_str(text, "1.9 1.9_2 1.10rc1 1.10 HEAD-abc end",
			"versions of a rack come in Homebrew's order, and only directories");
	}
	free(versions);
	is_int(bfs_rack_versions(tree, "oldname", &versions), 0, "a renamed rack is followed");
	is_str(versions[0], "1.9", "to its versions");
	free(versions);
	is_int(bfs_rack_versions(tree, "none", &versions), 0, "a rack that is not there");
	ok(!versions[0], "has none");
	free(versions);
	is_int(bfs_rack_versions(tree, "..", &versions), 0, "nor has what is no name");
	ok(!versions[0], "any");
	free(versions);
}

static void test_records(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char *found = NULL;

	put_directory(tree, "Cellar/foo/1");
	put_directory(tree, "Cellar/foo/2");
	is_int(bfs_opt_keg(tree, "foo", &found), -ENOENT, "without an opt link there is no keg");
	must(bfs_record_write(tree, BFS_OPT, "foo", "Cellar/foo/1"), "opt");
	is_there(tree, "opt/foo", "l ../Cellar/foo/1", "a record is a relative link");
	is_int(bfs_opt_keg(tree, "foo", &found), 0, "opt names a keg");
	is_str(found, "Cellar/foo/1", "this one");
	free(found);
	must(bfs_opt_version(tree, "foo", &found), "version");
	is_str(found, "1", "of this version");
	free(found);
	is_int(bfs_keg_is_optlinked(tree, "Cellar/foo/1"), 1, "so it is opt-linked");
	is_int(bfs_keg_is_optlinked(tree, "Cellar/foo/2"), 0, "and the other one is not");
	is_int(bfs_keg_is_linked(tree, "Cellar/foo/1"), 0, "neither is linked");
	must(bfs_record_write(tree, BFS_LINKED_RECORDS, "foo", "Cellar/foo/2"), "linked");
	is_there(tree, "var/homebrew/linked/foo", "l ../../../Cellar/foo/2", "until it is");
	is_int(bfs_keg_is_linked(tree, "Cellar/foo/2"), 1, "recorded");
	must(bfs_linked_version(tree, "foo", &found), "version");
	is_str(found, "2", "by its version");
	free(found);
	put_link(tree, "opt/alias", "/home/linuxbrew/.linuxbrew/Cellar/foo/2");
	must(bfs_opt_version(tree, "alias", &found), "version");
	is_str(found, "2", "an absolute link is understood");
	free(found);
	put_link(tree, "opt/gone", "../Cellar/foo/3");
	is_int(bfs_opt_keg(tree, "gone", &found), -ENOENT, "a keg that is gone is none");
	put_link(tree, "opt/inside", "../Cellar/foo/1/bin");
	is_int(bfs_opt_keg(tree, "inside", &found), -ENOENT, "nor what is in one");
	put_link(tree, "opt/rack", "../Cellar/foo");
	is_int(bfs_opt_keg(tree, "rack", &found), -ENOENT, "nor a rack");
	put_directory(tree, "opt/dir");
	is_int(bfs_opt_keg(tree, "dir", &found), -ENOENT, "nor a directory");
	put_link(tree, "opt/host", "/usr");
	is_int(bfs_opt_keg(tree, "host", &found), -ENOENT, "nor what is out of the prefix");
	is_int(bfs_opt_keg(tree, "../Cellar", &found), -ENOENT, "nor what is no name");
	is_int(bfs_record_write(tree, BFS_OPT, "a/b", "Cellar/foo/1"), -EINVAL,
		"a record needs a name that can be one");
	must(bfs_record_remove(tree, BFS_OPT, "foo", "Cellar/foo/2"), "remove");
	is_there(tree, "opt/foo", "l ../Cellar/foo/1", "a record of another keg is not removed");
	must(bfs_record_remove(tree, BFS_OPT, "foo", "Cellar/foo/1"), "remove");
	is_there(tree, "opt/foo", "-", "its own is");
	is_int(bfs_record_remove(tree, BFS_OPT, "foo", "Cellar/foo/1"), 0, "a missing one is fine");
}

static void test_conflicts(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_conflict conflicts[] = {{(char *)"blast", (char *)"both install `proj`"},
		{(char *)"other", NULL}, {(char *)"third", (char *)"because of its name"}};
	struct bfs_formula formula = {
		.name = (char *)"proj", .conflicts = conflicts, .conflict_count = 3};

	put_directory(tree, "Cellar/blast/1");
	put_directory(tree, "Cellar/other/1");
	put_directory(tree, "Cellar/third/1");
	is_int(bfs_formula_check_conflicts(tree, &formula, NULL), 0, "kegs alone do not conflict");
	must(bfs_record_write(tree, BFS_OPT, "blast", "Cellar/blast/1"), "opt");
	is_int(bfs_formula_check_conflicts(tree, &formula, NULL), 0, "nor with an opt link");
	must(bfs_record_write(tree, BFS_LINKED_RECORDS, "other", "Cellar/other/1"), "linked");
	is_int(bfs_formula_check_conflicts(tree, &formula, NULL), 0,
		"nor with a linked record alone");
	must(bfs_record_write(tree, BFS_LINKED_RECORDS, "blast", "Cellar/blast/1"), "linked");
	must(bfs_record_write(tree, BFS_OPT, "third", "Cellar/third/1"), "opt");
	must(bfs_record_write(tree, BFS_LINKED_RECORDS, "third", "Cellar/third/1"), "linked");
	is_int(bfs_formula_check_conflicts(tree, &formula, &error), -EEXIST, "with both they do");
	is_str(error.message,
		"Cannot install: proj: conflicting formulae are installed\n"
		"  blast: because both install `proj`\n"
		"  third: because of its name\n"
		"As an entry of a Brewfile it takes the place of blast third; --force installs it beside.",
		"and the message names them and why");
}

static void test_absolute(void)
{
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	char *path = NULL;

	must(bfs_prefix_absolute(tree, "bin/x", &path), "path");
	is_str(path, "/home/linuxbrew/.linuxbrew/bin/x",
		"paths are shown below the default prefix");
	free(path);
	must(bfs_tree_set_value(tree, "prefix", "/opt/p"), "prefix");
	must(bfs_prefix_absolute(tree, "bin/x", &path), "path");
	is_str(path, "/opt/p/bin/x", "or the tree's own");
	free(path);
}

int main(void)
{
	test_prepare();
	test_paths();
	test_racks();
	test_records();
	test_conflicts();
	test_absolute();
	return done();
}
