/* Names that come and go: what a lookup has found or missed must not outlive the name. statfs. */
#include "tests/posix/posix.h"

#include <sys/statvfs.h>

/* A missed lookup, then each way to make the name; a found one, then each way to lose it. */
static void case_negative(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);

	for (int i = 0; i < 3; i++) {
		fails(ENOENT, access("n", F_OK), "a missing name");
		works(posix_make(kind, "n"), "becomes a %s", what);
		ok(posix_lstat("n").st_ino != 0, "which is found");
		works(posix_remove("n"), "is removed");
	}
	fails(ENOENT, access("n", F_OK), "and missed");
	posix_make(kind, "m");
	works(rename("m", "n"), "becomes a %s by rename", what);
	ok(posix_exists("n") && !posix_exists("m"), "which is found, and the old name is not");
	works(rename("n", "m"), "and back");
	ok(posix_exists("m") && !posix_exists("n"), "found and missed");
	if (kind != DIRECTORY) {
		works(link("m", "n"), "becomes a %s by link", what);
		ok(posix_exists("n") && posix_ino("n") == posix_ino("m"), "which is found");
		unlink("n");
	}
	posix_remove("m");
}

static void case_replaced(enum posix_kind from, enum posix_kind to)
{
	ino_t before;

	posix_make(from, "n");
	before = posix_ino("n");
	posix_remove("n");
	posix_make(to, "n");
	is_int(posix_lstat("n").st_mode & S_IFMT, posix_kind_type(to), "a %s in the place of a %s",
		posix_kind_name(to), posix_kind_name(from));
	(void)before;
	posix_remove("n");
}

static void case_parent(void)
{
	char path[PATH_MAX];

	mkdir("a", 0755);
	mkdir("a/b", 0755);
	is_int(posix_ino("a/b/.."), posix_ino("a"), ".. is the parent");
	is_int(posix_ino("a/b/."), posix_ino("a/b"), ". is itself");
	is_int(posix_ino("a/b/../../a/./b/.."), posix_ino("a"), "both in a path");
	rename("a/b", "b");
	is_int(posix_ino("b/.."), posix_ino("."), ".. is the new parent after a rename");
	chdir("b");
	rename("../b", "../a/c");
	is_int(posix_ino(".."), posix_ino("../../a"), ".. of the working directory as well");
	ok(getcwd(path, sizeof(path)) && strcmp(path + strlen(path) - 4, "/a/c") == 0,
		"and getcwd tells its new name");
	chdir("../..");
	posix_remove_tree("a");
}

static void case_numbers(void)
{
	enum { COUNT = 500 };
	ino_t numbers[COUNT];
	bool right = true;
	char name[16];

	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		posix_make(i % 2 ? REGULAR : DIRECTORY, name);
		numbers[i] = posix_ino(name);
		for (int k = 0; k < i; k++)
			right = right && numbers[k] != numbers[i];
	}
	ok(right, "no two files have the same number");
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		right = right && posix_ino(name) == numbers[i];
		posix_remove(name);
	}
	ok(right, "and each keeps it");
}

static void case_statfs(void)
{
	struct statvfs before, after;
	char *data = calloc(1, 4 << 20);
	int fd;

	works(statvfs(".", &before), "statvfs");
	is_int(before.f_namemax, 255, "names have up to 255 bytes");
	ok(before.f_blocks > 0 && before.f_bfree > 0 && before.f_bavail <= before.f_bfree &&
			before.f_bfree <= before.f_blocks,
		"blocks make sense");
	ok(before.f_files > 0 && before.f_ffree > 0 && before.f_ffree <= before.f_files,
		"inodes make sense");
	ok(before.f_bsize >= 512 && before.f_frsize >= 512, "block sizes make sense");
	ok(!(before.f_flag & ST_RDONLY), "it is writable");
	memset(data, 'x', 4 << 20);
	fd = open("n", O_CREAT | O_WRONLY, 0644);
	write(fd, data, 4 << 20);
	fsync(fd);
	works(fstatvfs(fd, &after), "fstatvfs");
	ok(after.f_blocks == before.f_blocks || after.f_bfree != before.f_bfree,
		"which counts what is written");
	close(fd);
	unlink("n");
	free(data);
	is_int(pathconf(".", _PC_NAME_MAX), 255, "pathconf knows the length of names");
}

void posix_area_names(const struct posix_place *place)
{
	(void)place;
	FOR_EACH_KIND (from) {
		case_negative(from);
		FOR_EACH_KIND (to)
			case_replaced(from, to);
	}
	case_parent();
	case_numbers();
	case_statfs();
}
