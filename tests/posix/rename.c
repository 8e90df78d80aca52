/* rename(2): every pair of kinds, times and link counts, what is open, subtrees. */
#include "tests/posix/posix.h"

/* What rename answers to `from` and `to` (an empty directory, if one). */
static int wanted(enum posix_kind from, enum posix_kind to)
{
	if (from == DIRECTORY)
		return to == DIRECTORY ? 0 : ENOTDIR;
	return to == DIRECTORY ? EISDIR : 0;
}

static void case_pair(enum posix_kind from, enum posix_kind to)
{
	const char *a = posix_kind_name(from), *b = posix_kind_name(to);
	struct stat before, replaced;
	int error = wanted(from, to);

	mkdir("x", 0755);
	mkdir("y", 0755);
	posix_make(from, "x/n");
	posix_make(to, "y/n");
	before = posix_lstat("x/n");
	replaced = posix_lstat("y/n");
	fails(error, rename("x/n", "y/n"), "a %s over a %s", a, b);
	ok(posix_exists("x/n") == (error != 0), "a %s over a %s: the old name", a, b);
	is_int(posix_ino("y/n"), error ? replaced.st_ino : before.st_ino, "the new name");
	is_int(posix_lstat("y/n").st_mode, error ? replaced.st_mode : before.st_mode,
		"its type and mode");
	is_int(posix_links("x"), error && from == DIRECTORY ? 3 : 2,
		"link count of the old directory");
	is_int(posix_links("y"), (error ? to : from) == DIRECTORY ? 3 : 2,
		"link count of the new directory");
	posix_remove_tree("x");
	posix_remove_tree("y");
}

static void case_times(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat before, x, y;

	mkdir("x", 0755);
	mkdir("y", 0755);
	posix_make(kind, "x/n");
	before = posix_lstat("x/n");
	x = posix_lstat("x");
	y = posix_lstat("y");
	posix_tick();
	works(rename("x/n", "y/m"), "rename of a %s", what);
	moved(before, "y/m", CTIME, "moves its ctime");
	moved(x, "x", CTIME | MTIME, "the times of the directory that it left");
	moved(y, "y", CTIME | MTIME, "and of that which it came to");
	is_int(posix_links("x"), 2, "link count of the old directory");
	is_int(posix_links("y"), kind == DIRECTORY ? 3 : 2, "link count of the new directory");
	is_int(posix_ino("y/m"), before.st_ino, "it keeps its number");
	fails(ENOENT, access("x/n", F_OK), "the old name is gone");
	x = posix_lstat("x");
	y = posix_lstat("y");
	before = posix_lstat("y/m");
	posix_tick();
	fails(ENOENT, rename("x/n", "y/m"), "it is not renamed again");
	moved(y, "y", 0, "which moves nothing");
	moved(before, "y/m", 0, "of it either");
	works(rename("y/m", "y/n"), "rename of a %s within a directory", what);
	moved(y, "y", CTIME | MTIME, "moves the times of the directory");
	moved(x, "x", 0, "and of no other");
	posix_remove_tree("x");
	posix_remove_tree("y");
}

/* The replaced file's other names see that one is gone. */
static void case_replaced(enum posix_kind kind)
{
	struct stat before;

	if (kind == DIRECTORY)
		return;
	posix_make(kind, "n");
	link("n", "other");
	posix_make(REGULAR, "m");
	before = posix_lstat("other");
	posix_tick();
	works(rename("m", "n"), "a file over a %s with another name", posix_kind_name(kind));
	is_int(posix_links("other"), 1, "which has one link then");
	moved(before, "other", CTIME, "and a new ctime");
	unlink("n");
	unlink("other");
}

static void case_not_empty(enum posix_kind kind)
{
	mkdir("x", 0755);
	mkdir("y", 0755);
	posix_make(kind, "y/n");
	fails_either(ENOTEMPTY, EEXIST, rename("x", "y"), "over a directory with a %s",
		posix_kind_name(kind));
	ok(posix_exists("x") && posix_exists("y/n"), "leaves both");
	posix_remove_tree("x");
	posix_remove_tree("y");
}

static void case_same(void)
{
	struct stat before;

	FOR_EACH_KIND (kind) {
		posix_make(kind, "n");
		before = posix_lstat("n");
		posix_tick();
		works(rename("n", "n"), "a %s to its own name", posix_kind_name(kind));
		moved(before, "n", 0, "changes nothing");
		if (kind != DIRECTORY) {
			link("n", "m");
			works(rename("n", "m"), "a %s to another name of itself",
				posix_kind_name(kind));
			ok(posix_exists("n") && posix_exists("m") && posix_links("n") == 2,
				"changes nothing");
			unlink("m");
		}
		posix_remove("n");
	}
}

static void case_subtree(void)
{
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	mkdir("d/e/f", 0755);
	fails(EINVAL, rename("d", "d/e/g"), "into the own subtree");
	fails(EINVAL, rename("d", "d/g"), "into itself");
	fails(EINVAL, rename("d/e", "d/e/f/g"), "into the own subtree, deeper");
	fails_either(EINVAL, ENOTEMPTY, rename("d", "d/e"), "over the own child");
	fails_either(ENOTEMPTY, EEXIST, rename("d/e/f", "d"), "over the own ancestor");
	fails_either(ENOTEMPTY, EEXIST, rename("d/e/f", "d/e"), "over the own parent");
	for (int i = 0; i < 4; i++) {
		const char *dot = (const char *[]){"d/.", "d/e/..", "d/./.", "d/e/../."}[i];

		fails_either(EBUSY, EINVAL, rename(dot, "g"), "%s", dot);
		fails_either(EBUSY, EINVAL, rename("d/e/f", dot), "to %s", dot);
	}
	works(rename("d/e/f", "d/f"), "out of a subtree");
	works(rename("d/e", "d/f/e"), "and the former parent into it");
	works(rmdir("d/f/e"), "where it is");
	posix_remove_tree("d");
}

static void case_slash(void)
{
	mkdir("d", 0755);
	works(rename("d/", "e"), "a directory with a slash behind it");
	works(rename("e", "d/"), "to a name with a slash behind it");
	posix_write_file("n", "text");
	fails(ENOTDIR, rename("n", "m/"), "a file to a name with a slash behind it");
	fails(ENOTDIR, rename("n/", "m"), "a file with a slash behind it");
	fails(ENOTDIR, rename("d", "n/"), "a directory over a file with a slash behind it");
	fails(ENOENT, rename("", "m"), "an empty name");
	fails(ENOENT, rename("n", ""), "to an empty name");
	fails(ENOTDIR, rename("n", "n/m"), "below itself, a file");
	unlink("n");
	rmdir("d");
}

static void case_open(void)
{
	int fd, source;

	posix_write_file("n", "old");
	posix_write_file("m", "new");
	fd = open("n", O_RDWR);
	source = open("m", O_RDWR);
	works(rename("m", "n"), "over an open file");
	ok(posix_fd_is(fd, "old"), "whose descriptor has the old text");
	ok(posix_fd_is(source, "new") && posix_file_is("n", "new"), "the name has the new text");
	works(pwrite(fd, "OLD", 3, 0), "the old one is written");
	works(pwrite(source, "NEW", 3, 0), "and the new one");
	ok(posix_fd_is(fd, "OLD") && posix_file_is("n", "NEW"), "each for itself");
	is_int(posix_fstat(fd).st_nlink, 0, "the old one has no link");
	is_int(posix_fstat(source).st_nlink, 1, "the new one has one");
	close(fd);
	close(source);
	unlink("n");
	mkdir("d", 0755);
	mkdir("e", 0755);
	fd = open("e", O_RDONLY | O_DIRECTORY);
	works(rename("d", "e"), "over an open directory");
	is_int(posix_fstat(fd).st_nlink, 0, "which has no link then");
	fails(ENOENT, openat(fd, "n", O_CREAT | O_WRONLY, 0644), "and takes no name");
	works(posix_make(REGULAR, "e/n"), "unlike that which took its place");
	close(fd);
	posix_remove_tree("e");
}

/* Names below a renamed directory: the old ones gone, the new ones there, also where they were
 * looked up before. */
static void case_tree(void)
{
	char path[64];
	int here = open(".", O_PATH), fd;
	bool right = true;

	mkdir("a", 0755);
	mkdir("a/b", 0755);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "a/b/%d", i);
		posix_write_file(path, path + 4);
	}
	fails(ENOENT, access("z/b/1", F_OK), "what is not there yet");
	fd = open("a/b", O_RDONLY | O_DIRECTORY);
	chdir("a/b");
	works(renameat(here, "a", here, "z"), "rename of a directory with a subtree");
	ok(posix_file_is("7", "7") && posix_file_is("../b/7", "7"),
		"the working directory in it moves along");
	works(faccessat(fd, "1", F_OK, 0), "and what is open");
	fchdir(here);
	fails(ENOENT, access("a/b/1", F_OK), "an old name is gone");
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "z/b/%d", i);
		right = right && posix_file_is(path, path + 4);
	}
	ok(right, "all files are below the new name");
	works(mkdir("a", 0755), "the old name is free");
	works(rename("z/b", "a/b"), "the subtree goes back");
	ok(posix_file_is("a/b/49", "49"), "with its files");
	is_int(posix_ino("a/b/.."), posix_ino("a"), "and .. of it is the new parent");
	close(fd);
	close(here);
	posix_remove_tree("a");
	posix_remove_tree("z");
}

/* Moving a directory to another one changes its .. and takes the right to write it. */
static void case_rights(void)
{
	mkdir("x", 0777);
	mkdir("y", 0777);
	posix_make_owned(DIRECTORY, "x/d", 0755, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP) {
		works(rename("x/d", "x/e"), "another's directory within a writable one");
		fails(EACCES, rename("x/e", "y/d"), "but not to another");
	}
	chmod("x/e", 0757);
	AS (USER, GROUP)
		works(rename("x/e", "y/d"), "unless it may be written");
	posix_make_owned(REGULAR, "x/n", 0600, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP)
		works(rename("x/n", "y/n"), "another's file to another directory");
	chmod("y", 0755);
	AS (USER, GROUP) {
		fails(EACCES, rename("y/n", "x/n"), "out of a directory that may not be written");
		posix_make(REGULAR, "x/m");
		fails(EACCES, rename("x/m", "y/m"), "into one");
		fails(EACCES, rename("x/m", "y/n"), "into one over a file");
	}
	posix_remove_tree("x");
	posix_remove_tree("y");
}

static void case_filesystems(const struct posix_place *place)
{
	char path[PATH_MAX];

	if (!place->other)
		return;
	snprintf(path, sizeof(path), "%s/posix-rename", place->other);
	posix_write_file("n", "text");
	fails(EXDEV, rename("n", path), "to another filesystem");
	posix_write_file(path, "text");
	fails(EXDEV, rename(path, "m"), "from another filesystem");
	fails(EXDEV, rename(path, "n"), "over a file from another filesystem");
	unlink(path);
	unlink("n");
}

void posix_area_rename(const struct posix_place *place)
{
	chmod(".", 0777);
	FOR_EACH_KIND (from)
		FOR_EACH_KIND (to)
			case_pair(from, to);
	FOR_EACH_KIND (kind) {
		case_times(kind);
		case_replaced(kind);
		case_not_empty(kind);
	}
	case_same();
	case_subtree();
	case_slash();
	case_open();
	case_tree();
	case_rights();
	case_filesystems(place);
}
