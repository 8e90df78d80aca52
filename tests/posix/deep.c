/* Deep trees, long paths, and moving them. */
#include "tests/posix/posix.h"

#define DEPTH 200

static bool descend(int depth, bool make)
{
	for (int i = 0; i < depth; i++) {
		if (make && mkdir("level", 0755) < 0)
			return false;
		if (chdir("level") < 0)
			return false;
	}
	return true;
}

static void case_deep(void)
{
	int here = open(".", O_PATH);
	char path[PATH_MAX];

	ok(descend(DEPTH, true), "two hundred directories in each other");
	works(posix_write_file("bottom", "text"), "a file at the bottom");
	ok(getcwd(path, sizeof(path)) && strlen(path) > DEPTH * 6, "getcwd tells the way");
	fchdir(here);
	works(rename("level", "moved"), "the top is renamed");
	mkdir("level", 0755);
	works(rename("moved", "level/level"), "and put a level deeper");
	ok(descend(DEPTH + 1, false) && posix_file_is("bottom", "text"),
		"the file is at the bottom");
	for (int i = 0; i < DEPTH / 2; i++)
		chdir("..");
	works(renameat(AT_FDCWD, "level", here, "half"), "the lower half is moved to the top");
	fchdir(here);
	ok(posix_exists("half/level/level"), "where it is");
	works(renameat(here, "half", AT_FDCWD, "level/level/again"),
		"and back into the upper half");
	posix_remove_tree("level");
	ok(!posix_exists("level"), "all of it is removed");
	close(here);
}

/* A path of more than PATH_MAX bytes can only be walked in steps. */
static void case_too_long(void)
{
	char name[201], path[PATH_MAX];
	int here = open(".", O_PATH), made = 0;

	memset(name, 'l', 200);
	name[200] = '\0';
	for (int i = 0; i < 30; i++)
		if (mkdir(name, 0755) == 0 && chdir(name) == 0)
			made++;
	is_int(made, 30, "thirty directories with names of 200 bytes");
	works(posix_write_file("bottom", "text"), "a file at the bottom");
	ok(posix_file_is("bottom", "text"), "is read");
	ok(!getcwd(path, sizeof(path)) && (errno == ERANGE || errno == ENAMETOOLONG),
		"the whole path is too long");
	for (int i = 0; i < 30; i++) {
		unlink("bottom");
		if (chdir("..") < 0 || rmdir(name) < 0)
			made--;
	}
	is_int(made, 30, "and removed step by step");
	fchdir(here);
	close(here);
}

static void case_wide(void)
{
	char name[64];
	bool right = true;

	mkdir("w", 0755);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "w/%d", i);
		right = right && mkdir(name, 0755) == 0;
	}
	ok(right, "three hundred directories");
	is_int(posix_links("w"), 302, "are counted in the links of their parent");
	mkdir("v", 0755);
	for (int i = 0; i < 300; i += 3) {
		char to[64];

		snprintf(name, sizeof(name), "w/%d", i);
		snprintf(to, sizeof(to), "v/%d", i);
		right = right && rename(name, to) == 0;
	}
	ok(right, "a third of them moves");
	is_int(posix_links("w"), 202, "link count of the old parent");
	is_int(posix_links("v"), 102, "link count of the new one");
	posix_remove_tree("w");
	posix_remove_tree("v");
}

void posix_area_deep(const struct posix_place *place)
{
	(void)place;
	case_deep();
	case_too_long();
	case_wide();
}
