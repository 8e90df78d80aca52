/* link(2), linkat(2). */
#include "tests/posix/posix.h"

static bool same(const char *a, const char *b)
{
	struct stat x = posix_lstat(a), y = posix_lstat(b);

	return x.st_ino && x.st_ino == y.st_ino && x.st_dev == y.st_dev && x.st_mode == y.st_mode &&
	       x.st_uid == y.st_uid && x.st_gid == y.st_gid && x.st_size == y.st_size &&
	       x.st_nlink == y.st_nlink && posix_time_order(&x.st_ctim, &y.st_ctim) == 0 &&
	       posix_time_order(&x.st_mtim, &y.st_mtim) == 0;
}

static void case_kind(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat before, parent;

	mkdir("parent", 0755);
	posix_make(kind, "n");
	before = posix_lstat("n");
	parent = posix_lstat("parent");
	posix_tick();
	works(link("n", "parent/m"), "a second name for a %s", what);
	is_int(posix_links("n"), 2, "link count of a %s", what);
	ok(same("n", "parent/m"), "both names of a %s are the same", what);
	moved(before, "n", CTIME, "link moves the ctime of a %s", what);
	moved(parent, "parent", CTIME | MTIME, "and the times of the directory");
	works(link("parent/m", "o"), "a third name for a %s", what);
	is_int(posix_links("n"), 3, "link count");
	works(lchown("o", USER, GROUP), "chown by the third name");
	ok(same("n", "o") && posix_lstat("n").st_uid == USER, "is seen by the first");
	if (kind != SYMLINK) {
		works(chmod("parent/m", 0201), "chmod by the second name");
		ok(same("n", "o") && posix_mode("n") == 0201, "is seen by the others");
	}
	fails(EEXIST, link("n", "o"), "a name that is taken");
	parent = posix_lstat("parent");
	before = posix_lstat("n");
	posix_tick();
	fails(EEXIST, link("n", "parent/m"), "a name that is taken by the same");
	moved(parent, "parent", 0, "leaves the directory's times");
	moved(before, "n", 0, "and the file's");
	works(unlink("n"), "unlink of the first name");
	is_int(posix_links("o"), 2, "link count");
	works(unlink("parent/m"), "unlink of the second name");
	is_int(posix_links("o"), 1, "link count");
	is_int(posix_lstat("o").st_mode & S_IFMT, posix_kind_type(kind),
		"the third name still is a %s", what);
	unlink("o");
	rmdir("parent");
}

static void case_contents(void)
{
	int fd, other;

	mkdir("a", 0755);
	mkdir("b", 0755);
	posix_write_file("a/n", "text");
	link("a/n", "b/m");
	fd = open("a/n", O_RDWR);
	other = open("b/m", O_RDWR);
	pwrite(fd, "TE", 2, 0);
	ok(posix_fd_is(other, "TExt"), "what is written by one name is read by the other");
	pwrite(other, "XT!", 3, 2);
	ok(posix_fd_is(fd, "TEXT!"), "and the other way round");
	unlink("a/n");
	pwrite(fd, "t", 1, 0);
	ok(posix_file_is("b/m", "tEXT!"), "also when the one name is gone");
	works(truncate("b/m", 1), "truncate by the name that is left");
	ok(posix_fd_is(fd, "t"), "is seen by the descriptor");
	close(fd);
	close(other);
	posix_remove_tree("a");
	posix_remove_tree("b");
}

static void case_taken(void)
{
	posix_write_file("n", "text");
	FOR_EACH_KIND (kind) {
		posix_make(kind, "m");
		fails(EEXIST, link("n", "m"), "where a %s is", posix_kind_name(kind));
		posix_remove("m");
	}
	unlink("n");
	mkdir("d", 0755);
	fails(EPERM, link("d", "e"), "a second name for a directory");
	AS (USER, GROUP)
		fails(EPERM, link("d", "e"), "also by an ordinary user");
	rmdir("d");
}

static void case_follow(void)
{
	posix_write_file("n", "text");
	symlink("n", "l");
	works(link("l", "m"), "link of a symlink");
	ok(same("l", "m") && S_ISLNK(posix_lstat("m").st_mode), "is the symlink itself");
	unlink("m");
	works(linkat(AT_FDCWD, "l", AT_FDCWD, "m", AT_SYMLINK_FOLLOW), "linkat that follows");
	ok(same("n", "m"), "is what the symlink leads to");
	unlink("m");
	fails(EINVAL, linkat(AT_FDCWD, "n", AT_FDCWD, "m", 0x40000000),
		"linkat with a flag that is none");
	fails(ENOENT, link("n", "m/"), "a slash behind the new name");
	unlink("l");
	unlink("n");
}

static void case_many(void)
{
	char name[16];
	int made = 0;

	posix_write_file("n", "text");
	mkdir("d", 0755);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		made += link("n", name) == 0;
	}
	is_int(made, 1000, "a thousand links are made");
	is_int(posix_links("n"), 1001, "and counted");
	posix_remove_tree("d");
	is_int(posix_links("n"), 1, "and gone");
	ok(posix_file_is("n", "text"), "and the file is as it was");
	unlink("n");
}

void posix_area_link(const struct posix_place *place)
{
	chmod(".", 0777);
	FOR_EACH_KIND (kind)
		if (kind != DIRECTORY)
			case_kind(kind);
	case_contents();
	case_taken();
	case_follow();
	case_many();
	if (place->other) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/posix-link", place->other);
		posix_write_file("n", "text");
		fails(EXDEV, link("n", path), "link to another filesystem");
		posix_write_file(path, "text");
		fails(EXDEV, link(path, "m"), "link from another filesystem");
		unlink(path);
		unlink("n");
	}
}
