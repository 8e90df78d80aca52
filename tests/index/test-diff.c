/*
 * What differs between two trees: each kind of change on its own, none where there is none, and
 * many at once against a plain comparison.
 */
#include "index/diff.h"
#include "index/tree_path.h"
#include "lib/buffer.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <inttypes.h>

static const char *const kinds[] = {
	[BFS_DIFF_NAME_ADDED] = "+",
	[BFS_DIFF_NAME_REMOVED] = "-",
	[BFS_DIFF_NAME_CHANGED] = "~",
	[BFS_DIFF_INODE_REMOVED] = "gone",
	[BFS_DIFF_INODE_CHANGED] = "changed",
	[BFS_DIFF_CONTENT_CHANGED] = "content",
};

static int record(void *context, const struct bfs_diff_change *change)
{
	struct bfs_buffer *text = context;

	if (change->name)
		return bfs_buffer_append_format(text, "%s%" PRIu64 "/%.*s ", kinds[change->kind],
			change->ino, (int)change->length, change->name);
	return bfs_buffer_append_format(text, "%s:%" PRIu64 " ", kinds[change->kind], change->ino);
}

static struct bfs_tree *new_tree(void)
{
	struct bfs_tree *tree = NULL;

	if (bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL) < 0)
		printf("Bail out! no tree can be made\n");
	return tree;
}

static uint64_t make_file(struct bfs_tree *tree, uint64_t parent, const char *name, unsigned seed)
{
	struct bfs_content content = {.size = 10 + seed, .packed = true, .offset = 8 * seed};
	uint64_t ino = 0;

	bfs_digest_of(&seed, sizeof(seed), &content.digest);
	bfs_tree_make_file(tree, parent, name, strlen(name), 0644, 5, &content, &ino);
	return ino;
}

/* root: 2 "d", 3 "f", 4 "link", 5 "d/g" */
static struct bfs_tree *base_tree(void)
{
	struct bfs_tree *tree = new_tree();
	uint64_t ino;

	bfs_tree_make_directory(tree, BFS_TREE_ROOT, "d", 1, 0755, 5, &ino);
	make_file(tree, BFS_TREE_ROOT, "f", 1);
	bfs_tree_make_symlink(tree, BFS_TREE_ROOT, "link", 4, "f", 1, 5, &ino);
	make_file(tree, ino - 2, "g", 2);
	for (ino = 1; ino <= 2; ino++)
		bfs_tree_set_mtime(tree, ino, 5);
	return tree;
}

/* Times of directories follow every change of a name; they are tested once and set back elsewhere.
 */
static void reset_times(struct bfs_tree *tree)
{
	bfs_tree_set_mtime(tree, 1, 5);
	bfs_tree_set_mtime(tree, 2, 5);
}

static void expect(struct bfs_tree *new_one, const char *wanted, const char *what)
{
	_cleanup_tree_ struct bfs_tree *old_one = base_tree();
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	is_int(bfs_diff_trees(old_one, new_one, record, &text), 0, "%s: compared", what);
	is_str(text.data ? text.data : "", wanted, "%s: is what is told", what);
	bfs_tree_close(new_one);
}

static void test_single_changes(void)
{
	struct bfs_tree *tree;
	uint64_t ino;

	expect(base_tree(), "", "nothing");

	tree = base_tree();
	make_file(tree, 2, "new", 3);
	reset_times(tree);
	expect(tree, "+2/new ", "a new name");

	tree = base_tree();
	bfs_tree_unlink(tree, 2, "g", 1);
	reset_times(tree);
	expect(tree, "-2/g gone:5 ", "a name that went");

	tree = base_tree();
	bfs_tree_unlink(tree, 2, "g", 1);
	make_file(tree, 2, "g", 7);
	reset_times(tree);
	expect(tree, "~2/g gone:5 ", "another file under the same name");

	tree = base_tree();
	bfs_tree_link(tree, 5, 2, "g2", 2);
	reset_times(tree);
	expect(tree, "+2/g2 changed:5 ", "a second link, which changes the count");

	tree = base_tree();
	bfs_tree_set_mode(tree, 3, 0600);
	expect(tree, "changed:3 ", "permissions");

	tree = base_tree();
	bfs_tree_set_mtime(tree, 4, 6);
	expect(tree, "changed:4 ", "a time");

	tree = base_tree();
	bfs_tree_rename(tree, BFS_TREE_ROOT, "d", 1, BFS_TREE_ROOT, "e", 1);
	reset_times(tree);
	/* in the order of cookies, which are hashes */
	expect(tree, "+1/e -1/d ", "a renamed directory: its names stay where they are");

	tree = base_tree();
	bfs_tree_remove(tree, BFS_TREE_ROOT, "d", 1);
	bfs_tree_set_mtime(tree, 1, 5);
	expect(tree, "-1/d -2/g changed:1 gone:2 gone:5 ",
		"a removed directory, with the parent's links");

	tree = base_tree();
	bfs_tree_make_directory(tree, 2, "sub", 3, 0755, 5, &ino);
	bfs_tree_set_mtime(tree, 2, 5);
	expect(tree, "+2/sub changed:2 ", "a new directory, with the parent's links");
}

/* The same number with other content: only where the trees do not descend from each other. */
static void test_foreign_trees(void)
{
	struct bfs_tree *tree = new_tree();
	uint64_t ino;

	bfs_tree_make_directory(tree, BFS_TREE_ROOT, "d", 1, 0755, 5, &ino);
	make_file(tree, BFS_TREE_ROOT, "f", 9);
	bfs_tree_make_symlink(tree, BFS_TREE_ROOT, "link", 4, "g", 1, 5, &ino);
	bfs_tree_make_symlink(tree, 2, "g", 1, "x", 1, 5, &ino);
	reset_times(tree);
	expect(tree, "content:3 content:4 content:5 ", "other bytes, another target, another type");
}

/* Row numbers of contents differ where one tree has seen contents that the other has not. */
static void test_renumbered_contents(void)
{
	struct bfs_tree *tree = new_tree();
	uint64_t ino;

	make_file(tree, BFS_TREE_ROOT, "scratch", 50);
	bfs_tree_close(tree);
	tree = new_tree();
	bfs_tree_make_directory(tree, BFS_TREE_ROOT, "d", 1, 0755, 5, &ino);
	is_int(sqlite3_exec(bfs_tree_db(tree),
		       "INSERT INTO pack VALUES(90, x'"
		       "0000000000000000000000000000000000000000000000000000000000000001');"
		       "INSERT INTO object VALUES(90, x'"
		       "0000000000000000000000000000000000000000000000000000000000000002',"
		       " 5, 0, 90, 0)",
		       NULL, NULL, NULL),
		SQLITE_OK, "a row is added");
	make_file(tree, BFS_TREE_ROOT, "f", 1);
	bfs_tree_make_symlink(tree, BFS_TREE_ROOT, "link", 4, "f", 1, 5, &ino);
	make_file(tree, 2, "g", 2);
	reset_times(tree);
	expect(tree, "", "equal contents in other rows");
}

struct tally {
	unsigned added, removed, changed, other, calls;
};

static int tally(void *context, const struct bfs_diff_change *change)
{
	struct tally *counts = context;

	counts->calls++;
	counts->added += change->kind == BFS_DIFF_NAME_ADDED;
	counts->removed += change->kind == BFS_DIFF_NAME_REMOVED;
	counts->changed += change->kind == BFS_DIFF_NAME_CHANGED;
	counts->other += change->kind > BFS_DIFF_NAME_CHANGED;
	return 0;
}

static int stop_at_third(void *context, const struct bfs_diff_change *change)
{
	unsigned *calls = context;

	(void)change;
	return ++*calls == 3 ? 42 : 0;
}

static struct bfs_tree *many(unsigned from, unsigned to, unsigned step)
{
	struct bfs_tree *tree = new_tree();

	bfs_tree_begin(tree);
	for (unsigned i = 0; i < 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%u", i);
		if (i >= from && i < to)
			make_file(tree, BFS_TREE_ROOT, name, i % step);
		else
			make_file(tree, BFS_TREE_ROOT, "scratch", 1),
				bfs_tree_unlink(tree, BFS_TREE_ROOT, "scratch", 7);
	}
	bfs_tree_commit(tree);
	bfs_tree_set_mtime(tree, 1, 5);
	return tree;
}

static void test_many(void)
{
	_cleanup_tree_ struct bfs_tree *a = many(0, 15000, 97), *b = many(5000, 20000, 97);
	struct tally counts = {0};
	unsigned calls = 0;

	is_int(bfs_diff_trees(a, b, tally, &counts), 0, "20,000 names are compared");
	is_int(counts.added, 5000, "those that came");
	is_int(counts.removed, 5000, "those that went");
	is_int(counts.changed, 0, "none that changed, since numbers are equal");
	is_int(counts.other, 5000, "inodes that went");
	is_int(bfs_diff_trees(a, b, stop_at_third, &calls), 42, "a visitor can end it");
	is_int(calls, 3, "and is not called again");
}

static void test_damage(void)
{
	_cleanup_tree_ struct bfs_tree *a = base_tree(), *b = base_tree();
	struct tally counts = {0};

	sqlite3_exec(bfs_tree_db(b), "UPDATE dirent SET ino=77, name='a/b' WHERE parent=2", NULL,
		NULL, NULL);
	is_int(bfs_diff_trees(a, b, tally, &counts), -EUCLEAN, "a name with a slash is damage");
	sqlite3_exec(bfs_tree_db(b), "UPDATE dirent SET name='g', parent=-2 WHERE parent=2", NULL,
		NULL, NULL);
	is_int(bfs_diff_trees(a, b, tally, &counts), -EUCLEAN, "so is a negative parent");
}

int main(void)
{
	test_single_changes();
	test_foreign_trees();
	test_renumbered_contents();
	test_many();
	test_damage();
	return done();
}
