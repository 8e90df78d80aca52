/* rename(2), link(2) and unlink(2) of every pair of stored and new things. */
#include "tests/posix/lower.h"
#include "tests/posix/posix.h"

static const char *pair_name(int kind)
{
	return (const char *[]){"file", "empty directory", "tree", "symlink"}[kind];
}

static const char *origin_name(int stored)
{
	return stored ? "stored" : "new";
}

static bool is_directory(int kind)
{
	return kind == PAIR_EMPTY || kind == PAIR_TREE;
}

static int wanted(int from, int to)
{
	if (is_directory(from) != is_directory(to))
		return is_directory(from) ? ENOTDIR : EISDIR;
	return to == PAIR_TREE ? ENOTEMPTY : 0;
}

/* Whether a path is one of those things, with what belongs to it. */
static bool is_whole(int kind, const char *path)
{
	char target[64] = "";
	char file[64];

	switch (kind) {
	case PAIR_FILE:
		return S_ISREG(posix_lstat(path).st_mode) && posix_file_is(path, LOWER_TEXT);
	case PAIR_LINK:
		return readlink(path, target, sizeof(target) - 1) == 5 &&
		       strcmp(target, "plain") == 0;
	default:
		snprintf(file, sizeof(file), "%s/n", path);
		return S_ISDIR(posix_lstat(path).st_mode) &&
		       (kind == PAIR_TREE ? posix_file_is(file, LOWER_TEXT) : !posix_exists(file));
	}
}

static void case_rename(int from, int to, int origin)
{
	char directory[32];
	ino_t number;
	int error = wanted(from, to);
	int here = open(".", O_PATH);

	snprintf(directory, sizeof(directory), "pairs/%d-%d-%d", from, to, origin);
	works(chdir(directory), "%s", directory);
	if (!(origin & 1))
		posix_lower_make_pair((enum lower_pair)from, "a");
	if (!(origin & 2))
		posix_lower_make_pair((enum lower_pair)to, "b");
	ok(is_whole(from, "a") && is_whole(to, "b"), "a %s %s and a %s %s", origin_name(origin & 1),
		pair_name(from), origin_name(origin & 2), pair_name(to));
	number = posix_ino("a");
	fails(error, rename("a", "b"), "the first over the second");
	if (error) {
		ok(is_whole(from, "a") && is_whole(to, "b"), "leaves both");
	} else {
		ok(!posix_exists("a") && is_whole(from, "b"), "replaces it");
		is_int(posix_ino("b"), number, "and keeps its number");
	}
	if (!error)
		rename("b", "a");
	else
		posix_remove_tree("b");
	ok(is_whole(from, "a") && !posix_exists("b"), "the first alone");
	works(mkdir("c", 0755), "a new directory");
	works(rename("a", "c/d"), "takes it");
	ok(is_whole(from, "c/d") && !posix_exists("a"), "where it is whole");
	works(rename("c", "a"), "and takes its name");
	ok(is_whole(from, "a/d"), "where it is whole");
	works(posix_remove_tree("a"), "all of it is removed");
	for (int again = 0; again < PAIRS; again++) {
		works(posix_lower_make_pair((enum lower_pair)again, "a"), "a %s of the first name",
			pair_name(again));
		ok(is_whole(again, "a"), "is new");
		posix_remove_tree("a");
	}
	fchdir(here);
	works(rmdir(directory), "nothing is left");
	close(here);
}

static void case_flags(void)
{
	for (int i = 0; i < 4; i++) {
		const char *a = (const char *[]){"f0", "f1", "t0", "l0"}[i],
			   *b = (const char *[]){"f2", "t1", "t2", "f3"}[i];
		int r = renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE);
		ino_t first = posix_ino(a), second = posix_ino(b);

		ok(r < 0 && (errno == EEXIST || errno == EINVAL),
			"RENAME_NOREPLACE of the stored %s to the stored %s", a, b);
		r = renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
		ok(r == 0 ? posix_ino(a) == second && posix_ino(b) == first : errno == EINVAL,
			"RENAME_EXCHANGE of the stored %s and the stored %s", a, b);
	}
}

static void case_symlinks(void)
{
	char target[64] = "";

	works(unlink("l1"), "a stored symlink is removed");
	works(symlink("other", "l1"), "and made with another target");
	ok(readlink("l1", target, sizeof(target)) == 5 && memcmp(target, "other", 5) == 0,
		"which it has");
	works(symlink("another", "new"), "a new symlink");
	works(rename("new", "l2"), "over a stored one");
	ok(readlink("l2", target, sizeof(target)) == 7 && memcmp(target, "another", 7) == 0,
		"which leads where the new one did");
	works(lchown("l3", USER, GROUP), "lchown of a stored symlink");
	ok(posix_lstat("l3").st_uid == USER && posix_file_is("l3", LOWER_TEXT),
		"gives it away, and it leads where it did");
	works(link("l4", "l4b"), "a second name of a stored symlink");
	ok(posix_ino("l4") == posix_ino("l4b") && posix_links("l4") == 2, "is the same");
	posix_write_file("l5", "through");
	ok(posix_file_is("plain", "through") && S_ISLNK(posix_lstat("l5").st_mode),
		"a write through a stored symlink");
	works(mkdir("real", 0755), "a directory");
	unlink("l6");
	works(symlink("real", "l6"), "a symlink to it in the place of a stored one");
	works(posix_write_file("l6/n", "text"), "leads to it");
	ok(posix_file_is("real/n", "text"), "when names are made");
}

void posix_area_union_names(const struct posix_place *place)
{
	(void)place;
	for (int i = 0; i < PAIRS * PAIRS * 4; i++)
		case_rename(i / 4 / PAIRS, i / 4 % PAIRS, i % 4);
	case_flags();
	case_symlinks();
}
