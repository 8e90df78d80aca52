/* Stored directories: what is in them is listed once, moves along, and does not come back. */
#include "tests/posix/lower.h"
#include "tests/posix/posix.h"

#include <sys/xattr.h>

/* Names in a directory, sorted, separated by spaces; . and .. left out. */
static const char *names(const char *path, char text[4096])
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	size_t length = 0;

	text[0] = '\0';
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && length < 3800)
			length += (size_t)snprintf(
				text + length, 4096 - length, "%s%s", length ? " " : "", name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? "(cannot be listed)" : text;
}

static void lists(const char *path, const char *expected, const char *sentence)
{
	char text[4096];
	const char *found = names(path, text);

	if (!ok(strcmp(found, expected) == 0, "%s", sentence))
		printf("# got '%s', expected '%s'\n", found, expected);
}

static bool whole_tree(const char *top)
{
	char path[256], text[4096];

	if (strcmp(names(top, text), "a b x") != 0)
		return false;
	snprintf(path, sizeof(path), "%s/b", top);
	if (strcmp(names(path, text), "c d e") != 0)
		return false;
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", top,
			(const char *[]){"a", "b/c", "b/d", "b/e/f"}[i]);
		if (!posix_file_is(path, LOWER_TEXT))
			return false;
	}
	return true;
}

static void case_merged(void)
{
	lists("t0", "a b x", "a stored directory");
	posix_write_file("t0/new", "text");
	lists("t0", "a b new x", "with a new name");
	unlink("t0/a");
	lists("t0", "b new x", "with a stored one less");
	rename("t0/x", "t0/y");
	lists("t0", "b new y", "with a stored one renamed");
	posix_write_file("t0/a", "text");
	lists("t0", "a b new y", "with the removed name made again");
	posix_write_file("t0/y", "text");
	lists("t0", "a b new y", "with a stored one written");
	chmod("t0/b", 0700);
	lists("t0", "a b new y", "with a stored directory changed");
	rename("t0/new", "t0/a");
	lists("t0", "a b y", "with one renamed over another");
	lists("t0/b", "c d e", "what is below is as it was");
}

static void case_removed(void)
{
	struct stat before = posix_lstat(".");

	fails(ENOTEMPTY, rmdir("t1"), "rmdir of a stored directory that is not empty");
	works(posix_remove_tree("t1"), "rm -r of a stored tree");
	fails(ENOENT, access("t1", F_OK), "it is gone");
	fails(ENOENT, access("t1/b/c", F_OK), "and what was below");
	is_int(posix_links("."), before.st_nlink - 1, "link count of the directory");
	works(mkdir("t1", 0755), "it is made again");
	lists("t1", "", "and empty");
	fails(ENOENT, access("t1/a", F_OK), "nothing stored shines through");
	is_int(posix_links("t1"), 2, "link count of the new one");
	works(mkdir("t1/b", 0755), "a directory below");
	lists("t1/b", "", "is empty as well");
	posix_write_file("t1/b/c", "new text");
	ok(posix_file_is("t1/b/c", "new text"), "a file of a stored name is new");
	works(posix_remove_tree("t1"), "it is removed again");
	works(posix_write_file("t1", "text"), "a file takes its name");
	works(unlink("t1"), "which is removed");
	works(mkdir("t1", 0755), "and a directory again");
	lists("t1", "", "is empty");
	rmdir("t1");
	works(rmdir("e0"), "rmdir of an empty stored directory");
	works(mkdir("e0", 0700), "which is made again");
	is_int(posix_mode("e0"), 0700, "with its own mode");
}

static void case_renamed(void)
{
	struct stat before = posix_lstat("t2"), child = posix_lstat("t2/b/c");
	int fd = open("t2/b/c", O_RDWR), dir = open("t2", O_RDONLY | O_DIRECTORY);

	works(rename("t2", "moved"), "rename of a stored tree");
	ok(whole_tree("moved"), "all of it is below the new name");
	is_int(posix_ino("moved"), before.st_ino, "the directory keeps its number");
	is_int(posix_ino("moved/b/c"), child.st_ino, "and what is below");
	fails(ENOENT, access("t2/b/c", F_OK), "nothing is below the old name");
	works(faccessat(dir, "b/c", F_OK, 0), "who has it open finds what is below");
	pwrite(fd, "S", 1, 0);
	ok(posix_file_is("moved/b/c", "Stored text"), "and who has a file open writes it");
	close(fd);
	close(dir);
	works(mkdir("t2", 0755), "the old name is free");
	lists("t2", "", "and an empty directory takes it");
	posix_write_file("t2/a", "new text");
	ok(posix_file_is("moved/a", LOWER_TEXT), "which is another than the renamed one");
	works(rename("moved/b", "t2/b"), "a part goes to the new one");
	ok(posix_file_is("t2/b/c", "Stored text"), "with what is below");
	lists("moved", "a x", "and is missing in the renamed one");
	works(rename("t3", "moved/t3"), "another stored tree into the renamed one");
	works(rename("moved", "t3"), "which takes the name of that");
	ok(whole_tree("t3/t3"), "all is where it was put");
	works(rename("t3/t3/b/e", "e"), "a stored subtree out of it");
	ok(posix_file_is("e/f", LOWER_TEXT), "with its file");
}

static void case_replaced(void)
{
	works(posix_remove_tree("t4"), "a stored tree is removed");
	works(posix_write_file("t4", "file"), "a file takes its place");
	ok(posix_file_is("t4", "file"), "and is read");
	fails(ENOTDIR, access("t4/a", F_OK), "nothing is below");
	unlink("t4");
	works(mkdir("t4", 0755), "and back");
	lists("t4", "", "empty");
	works(unlink("f30"), "a stored file is removed");
	works(mkdir("f30", 0755), "a directory takes its place");
	works(posix_write_file("f30/n", "text"), "with a file");
	ok(posix_file_is("f30/n", "text"), "which is read");
	posix_remove_tree("f30");
	works(posix_write_file("f30", "again"), "and back");
	ok(posix_file_is("f30", "again"), "with the new text");
	fails(ENOTEMPTY, rename("e1", "t5"), "an empty stored directory over a stored tree");
	works(rename("t5", "e1"), "the tree over the empty one");
	ok(whole_tree("e1"), "is whole");
	mkdir("new", 0755);
	posix_write_file("new/n", "text");
	works(rename("new", "e2"), "a new directory over an empty stored one");
	lists("e2", "n", "has its own names");
	posix_remove_tree("t6");
	mkdir("t6", 0755);
	works(rename("t6", "t7") < 0 && errno == ENOTEMPTY ? 0 : -1,
		"an emptied one over a stored tree is refused");
	for (int i = 0; i < 3; i++)
		posix_remove_tree((const char *[]){"t7/a", "t7/b", "t7/x"}[i]);
	works(rename("t8", "t7"), "a stored tree over one that was emptied");
	ok(whole_tree("t7"), "is whole");
	fails(ENOTDIR, rename("t9", "f31"), "a stored tree over a stored file");
	fails(EISDIR, rename("f31", "e3"), "a stored file over a stored directory");
	fails(EINVAL, rename("t9", "t9/b/e/t9"), "a stored tree into itself");
}

static void case_attributes(void)
{
	const struct timespec times[2] = {{1000, 1}, {2000, 2}};
	struct stat before = posix_lstat("t10");

	posix_tick();
	works(chmod("t10", 0750), "chmod of a stored directory");
	moved(before, "t10", CTIME, "moves its ctime only");
	is_int(posix_ino("t10"), before.st_ino, "it keeps its number");
	is_int(posix_links("t10"), 3, "and its links");
	ok(whole_tree("t10"), "and what is in it");
	works(chown("t10", USER, GROUP), "chown of it");
	AS (USER, GROUP) {
		works(posix_write_file("t10/new", "text"), "its new owner makes a name");
		works(unlink("t10/a"), "and removes a stored one");
		works(rename("t10/x", "t10/a"), "and renames one");
	}
	works(setxattr("t10", "user.a", "v", 1, 0), "an attribute of it");
	is_int(getxattr("t10", "user.a", NULL, 0), 1, "is read");
	works(utimensat(AT_FDCWD, "t10", times, 0), "its times");
	ok(posix_lstat("t10").st_mtim.tv_sec == 2000 && posix_lstat("t10").st_mtim.tv_nsec == 2,
		"are set");
	before = posix_lstat("t11");
	posix_tick();
	posix_write_file("t11/new", "text");
	moved(before, "t11", CTIME | MTIME, "a new name moves the times of a stored directory");
	before = posix_lstat("t11");
	posix_tick();
	unlink("t11/a");
	moved(before, "t11", CTIME | MTIME, "a removed name as well");
	before = posix_lstat("t11");
	posix_tick();
	posix_write_file("t11/x", "text");
	moved(before, "t11", 0, "a write to a stored file does not");
	mkdir("t11/d", 0755);
	is_int(posix_links("t11"), 4, "a directory in it is counted");
	rename("t11/b", "b");
	is_int(posix_links("t11"), 3, "one that leaves as well");
	chown("t12", 0, GROUP);
	chmod("t12", 02775);
	AS (USER, GROUP)
		mkdir("t12/d", 0755);
	ok(posix_lstat("t12/d").st_gid == GROUP && posix_mode("t12/d") == 02755,
		"S_ISGID of a stored directory is passed on");
	chmod("t13", 01777);
	AS (USER, GROUP)
		fails(EPERM, unlink("t13/a"), "a sticky stored directory protects what is root's");
	chmod("t13/b", 0700);
	AS (USER, GROUP)
		fails(EACCES, access("t13/b/c", F_OK), "a closed stored directory is closed");
}

static void case_many(void)
{
	DIR *dir = opendir("many");
	struct dirent *entry;
	int count = 0, removed = 0;
	char name[32];

	for (int i = 0; i < LOWER_MANY; i += 2) {
		snprintf(name, sizeof(name), "many/new%d", i);
		posix_make(REGULAR, name);
	}
	for (int i = 0; i < LOWER_MANY; i += 3) {
		snprintf(name, sizeof(name), "many/n%d", i);
		removed += unlink(name) == 0;
	}
	while ((entry = readdir(dir)))
		count += strncmp(entry->d_name, "n", 1) == 0;
	closedir(dir);
	dir = opendir("many");
	count = 0;
	while ((entry = readdir(dir)))
		count += entry->d_name[0] == 'n';
	is_int(count, LOWER_MANY - removed + LOWER_MANY / 2,
		"each stored and new name is listed once");
	rewinddir(dir);
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	lists("many", "", "all of them are removed while they are read");
	works(rmdir("many"), "and then the directory");
}

void posix_area_union_directories(const struct posix_place *place)
{
	(void)place;
	case_merged();
	case_removed();
	case_renamed();
	case_replaced();
	case_attributes();
	case_many();
}
