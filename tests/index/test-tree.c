/* The index of a prefix: names, links, cookies, transactions, grafts. */
#include "index/tree.h"
#include "index/tree_path.h"
#include "tests/tap.h"

#include <fcntl.h>

#include <string.h>

static struct bfs_content content_of(const char *text)
{
	struct bfs_content content = {.size = strlen(text), .packed = true, .offset = 16};

	bfs_digest_of(text, strlen(text), &content.digest);
	bfs_digest_of("a pack", 6, &content.pack);
	return content;
}

static uint64_t make_file(struct bfs_tree *tree, const char *path, const char *text)
{
	struct bfs_content content = content_of(text);
	struct bfs_attributes attributes = {0};

	bfs_tree_write_path(tree, path, 0644, 42, &content);
	bfs_tree_lstat_path(tree, path, &attributes);
	return attributes.ino;
}

static void test_names(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes a, b;
	uint64_t ino;
	char name[256];

	is_int(bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL), 0, "a private tree opens");
	is_int(bfs_tree_make_directory(tree, 1, "lib", 3, 0755, 7, &ino), 0, "a directory is made");
	is_int(bfs_tree_stat(tree, 1, &a), 0, "the root has attributes");
	is_int(a.nlink, 3, "the root counts its sub-directory");
	is_int(bfs_tree_make_directory(tree, 1, "lib", 3, 0755, 7, NULL), -EEXIST,
		"a name is taken once");
	is_int(bfs_tree_stat(tree, 1, &a), 0, "the root has attributes");
	is_int(a.nlink, 3, "a refused directory is not counted");
	is_int(bfs_tree_make_directory(tree, 99, "x", 1, 0755, 7, NULL), -ENOTDIR,
		"no entry in a directory that is none");
	is_int(bfs_tree_make_symlink(tree, ino, "a\xff\xfe", 3, "../x", 4, 9, NULL), 0,
		"names are bytes");
	is_int(bfs_tree_lookup(tree, ino, "a\xff\xfe", 3, &b), 0, "and are found as bytes");
	is_int(b.size, 4, "a link's size is its target's length");
	is_int(bfs_tree_make_symlink(tree, ino, "..", 2, "x", 1, 9, NULL), -EINVAL,
		"\"..\" is no name");
	is_int(bfs_tree_make_symlink(tree, ino, "a/b", 3, "x", 1, 9, NULL), -EINVAL,
		"a slash is in no name");
	memset(name, 'n', sizeof(name));
	is_int(bfs_tree_make_symlink(tree, ino, name, 255, "x", 1, 9, NULL), 0,
		"255 bytes are a name");
	is_int(bfs_tree_make_symlink(tree, ino, name, 256, "x", 1, 9, NULL), -ENAMETOOLONG,
		"256 are none");
	is_int(bfs_tree_remove_directory(tree, 1, "lib", 3), -ENOTEMPTY, "rmdir of a full directory");
	is_int(bfs_tree_remove(tree, 1, "lib", 3), 0, "rm -r");
	is_int(bfs_tree_stat(tree, 1, &a), 0, "the root has attributes");
	is_int(a.nlink, 2, "a removed sub-directory is not counted");
	is_int(bfs_tree_stat(tree, b.ino, &b), -ENOENT, "what was below is gone");
}

static void test_hardlinks(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes a;
	uint64_t ino, again;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	ino = make_file(tree, "one", "content");
	is_int(bfs_tree_link(tree, ino, 1, "two", 3), 0, "a second name");
	bfs_tree_stat(tree, ino, &a);
	is_int(a.nlink, 2, "is counted");
	is_int(bfs_tree_unlink(tree, 1, "one", 3), 0, "the first goes");
	bfs_tree_stat(tree, ino, &a);
	is_int(a.nlink, 1, "the file stays under the second");
	again = make_file(tree, "two", "other");
	ok(again != ino, "other content is another inode");
	is_int(bfs_tree_stat(tree, ino, &a), -ENOENT, "the old inode is gone");
	is_int(bfs_tree_link(tree, 1, 1, "root", 4), -EPERM, "no second name for a directory");
}

static void test_transactions(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes a;
	uint64_t first, second;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_begin(tree);
	first = make_file(tree, "x", "1");
	bfs_tree_begin(tree);
	make_file(tree, "y", "2");
	bfs_tree_rollback(tree);
	is_int(bfs_tree_lstat_path(tree, "y", &a), -ENOENT, "a nested rollback undoes its own");
	is_int(bfs_tree_lstat_path(tree, "x", &a), 0, "and not what was before");
	bfs_tree_rollback(tree);
	is_int(bfs_tree_lstat_path(tree, "x", &a), -ENOENT, "the outer one undoes the rest");
	second = make_file(tree, "x", "3");
	ok(second > first, "inode numbers of undone files do not come again");
}

struct listing {
	unsigned count;
	uint64_t last, stop_after;
	bool sorted;
};

static int note_entry(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	struct listing *listing = context;

	(void)name, (void)length, (void)attributes;
	if (cookie <= listing->last)
		listing->sorted = false;
	listing->last = cookie;
	return ++listing->count == listing->stop_after ? 1 : 0;
}

static void test_cookies(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct listing listing = {.sorted = true, .stop_after = 600};
	char name[16];

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_begin(tree);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		bfs_tree_make_symlink(tree, 1, name, strlen(name), "x", 1, 0, NULL);
	}
	bfs_tree_commit(tree);
	is_int(bfs_tree_read_directory(tree, 1, 0, note_entry, &listing), 1, "a listing stops");
	bfs_tree_make_symlink(tree, 1, "new", 3, "x", 1, 0, NULL);
	is_int(bfs_tree_read_directory(tree, 1, listing.last, note_entry, &listing), 0,
		"and goes on from its cookie");
	ok(listing.count == 1000 || listing.count == 1001,
		"every old name once, the new one at most (%u)", listing.count);
	ok(listing.sorted, "cookies only grow");
}

static void test_rename(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes a, b;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_make_directories(tree, "a/b/c", &a);
	bfs_tree_make_directories(tree, "d", &b);
	is_int(bfs_tree_rename_path(tree, "a", "a/b/x"), -EINVAL, "not into itself");
	is_int(bfs_tree_rename_path(tree, "a/b", "d/e"), 0, "a directory moves");
	is_int(bfs_tree_stat_path(tree, "d/e/c", &b), 0, "with what is in it");
	is_int(b.ino, a.ino, "as one row");
	bfs_tree_stat_path(tree, "a", &a);
	is_int(a.nlink, 2, "the old parent has one link less");
	bfs_tree_stat_path(tree, "d", &a);
	is_int(a.nlink, 3, "the new one more");
	make_file(tree, "f", "1");
	is_int(bfs_tree_rename_path(tree, "f", "d"), -EISDIR, "a file does not replace a directory");
	is_int(bfs_tree_rename_path(tree, "d", "f"), -ENOTDIR, "nor a directory a file");
	make_file(tree, "g", "2");
	is_int(bfs_tree_rename_path(tree, "f", "g"), 0, "a file replaces a file");
}

static void test_paths(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_free_ char *path = NULL, *destination = NULL;
	struct bfs_attributes a;
	char **names;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_make_directories(tree, "Cellar/x/1/lib", &a);
	bfs_tree_make_directories(tree, "opt", &a);
	make_file(tree, "Cellar/x/1/lib/f", "1");
	is_int(bfs_tree_symlink_path(tree, "../Cellar/x/1", "opt/x"), 0, "a relative link");
	is_int(bfs_tree_symlink_path(tree, "/home/linuxbrew/.linuxbrew/opt/x/lib", "lib"), 0,
		"an absolute one into the prefix");
	is_int(bfs_tree_symlink_path(tree, "/usr/lib", "out"), 0, "one that leaves it");
	is_int(bfs_tree_symlink_path(tree, "loop", "loop"), 0, "and one to itself");
	is_int(bfs_tree_stat_path(tree, "lib/f", &a), 0, "both are followed");
	is_int(bfs_tree_resolve_path(tree, "lib/new", &path), 0, "a path whose end is missing");
	is_str(path, "Cellar/x/1/lib/new", "resolves to where it would be");
	is_int(bfs_tree_link_destination(tree, "lib", &destination), 0, "one step of a link");
	is_str(destination, "opt/x/lib", "is what its text says");
	is_int(bfs_tree_stat_path(tree, "out/x", &a), -EXDEV, "outside is outside");
	is_int(bfs_tree_stat_path(tree, "loop", &a), -ELOOP, "a loop ends");
	is_int(bfs_tree_stat_path(tree, "lib/f/x", &a), -ENOTDIR, "a file is no directory");
	is_int(bfs_tree_stat_path(tree, "opt/../..", &a), -EXDEV, "nothing is above the prefix");
	is_int(bfs_tree_list(tree, 1, &names), 0, "a list of names");
	is_str(names[0], "Cellar", "is sorted");
	free(names);
}

static void test_graft(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL, *keg = NULL;
	struct bfs_tree_counts counts;
	struct bfs_attributes a, b;
	struct bfs_content content;
	uint64_t ino;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_open(NULL, BFS_TREE_NEW, &keg, NULL);
	make_file(tree, "same", "shared");
	bfs_tree_make_directories(keg, "bin", &a);
	ino = make_file(keg, "bin/one", "shared");
	bfs_tree_link(keg, ino, a.ino, "two", 3);
	make_file(keg, "other", "different");
	bfs_tree_symlink_path(keg, "one", "bin/three");
	bfs_tree_make_directories(tree, "Cellar/x", &a);
	is_int(bfs_tree_graft(tree, a.ino, "1", 1, keg), 0, "a tree is grafted");
	is_int(bfs_tree_lstat_path(tree, "Cellar/x/1/bin/one", &a), 0, "its files are there");
	is_int(bfs_tree_lstat_path(tree, "Cellar/x/1/bin/two", &b), 0, "its links too");
	ok(a.ino == b.ino && a.nlink == 2, "hardlinks are one inode");
	is_int(bfs_tree_content(tree, a.ino, &content), 0, "contents are found");
	bfs_tree_count(tree, &counts);
	is_int(counts.objects, 2, "equal contents are one object");
	bfs_tree_stat_path(tree, "Cellar/x", &b);
	is_int(b.nlink, 3, "the directory above counts the new one");
	bfs_tree_stat_path(tree, "Cellar/x/1/bin", &a);
	bfs_tree_stat_path(tree, "Cellar/x/1", &b);
	is_int(a.parent, b.ino, "directories know their parents");
	make_file(tree, "after", "3");
	bfs_tree_lstat_path(tree, "after", &a);
	ok(a.ino > b.ino, "new numbers come after the grafted ones");
}

static void test_file(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL, *copy = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	char path[] = "/tmp/brewfs-test-XXXXXX", copied[64];
	struct bfs_attributes a;
	int fd = mkstemp(path);

	close(fd);
	unlink(path);
	snprintf(copied, sizeof(copied), "%s.copy", path);
	is_int(bfs_tree_open(path, BFS_TREE_NEW, &tree, &error), 0, "a tree in a file");
	make_file(tree, "x", "1");
	is_int(bfs_tree_write_copy(tree, copied, &error), 0, "is copied for publication");
	is_int(bfs_tree_open(copied, BFS_TREE_READ, &copy, &error), 0, "and opened to read");
	is_int(bfs_tree_lstat_path(copy, "x", &a), 0, "with all that was in it");
	is_int(bfs_tree_make_directory(copy, 1, "d", 1, 0755, 0, NULL), -EROFS, "but not to change");
	bfs_tree_close(bfs_steal(&copy));
	fd = open(copied, O_WRONLY | O_TRUNC);
	ok(write(fd, "not a database, not by far......", 32) == 32, "something else is written there");
	close(fd);
	is_int(bfs_tree_open(copied, BFS_TREE_READ, &copy, &error), -EUCLEAN, "which is refused");
	ok(error.message && strstr(error.message, copied), "with its path: %s",
		bfs_error_message(&error, 0));
	unlink(path);
	unlink(copied);
}

int main(void)
{
	test_names();
	test_hardlinks();
	test_transactions();
	test_cookies();
	test_rename();
	test_paths();
	test_graft();
	test_file();
	return done();
}
