/* unlink(2) and rmdir(2). */
#include "tests/posix/posix.h"

#include <sys/mount.h>

static void case_unlink(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat parent, before;

	mkdir("parent", 0755);
	posix_make(kind, "parent/n");
	parent = posix_lstat("parent");
	posix_tick();
	if (kind == DIRECTORY) {
		fails(EISDIR, unlink("parent/n"), "unlink of a directory");
		moved(parent, "parent", 0, "which leaves the times");
		works(rmdir("parent/n"), "rmdir of it");
	} else {
		fails(ENOTDIR, rmdir("parent/n"), "rmdir of a %s", what);
		moved(parent, "parent", 0, "which leaves the times");
		works(unlink("parent/n"), "unlink of it");
	}
	moved(parent, "parent", CTIME | MTIME, "moves the times of the directory");
	ok(!posix_exists("parent/n"), "the name is gone");
	is_int(posix_links("parent"), 2, "link count of the directory");
	fails(ENOENT, unlink("parent/n"), "it is not removed again");
	works(posix_make(kind, "parent/n"), "a new %s takes the name", what);
	if (kind != DIRECTORY) {
		works(link("parent/n", "second"), "a second name");
		before = posix_lstat("second");
		posix_tick();
		works(unlink("parent/n"), "unlink of the first");
		is_int(posix_links("second"), 1, "one link is left");
		moved(before, "second", CTIME, "and its ctime has moved");
		unlink("second");
	} else {
		rmdir("parent/n");
	}
	works(rmdir("parent"), "the directory is empty");
}

static void case_not_empty(enum posix_kind kind)
{
	struct stat before;

	mkdir("d", 0755);
	posix_make(kind, "d/n");
	before = posix_lstat("d");
	posix_tick();
	fails_either(ENOTEMPTY, EEXIST, rmdir("d"), "rmdir of a directory with a %s",
		posix_kind_name(kind));
	moved(before, "d", 0, "leaves its times");
	ok(posix_exists("d/n"), "and what is in it");
	posix_remove("d/n");
	works(rmdir("d"), "until it is empty");
}

static void case_dots(void)
{
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	fails(EINVAL, rmdir("d/."), "rmdir of .");
	fails_either(ENOTEMPTY, EEXIST, rmdir("d/e/.."), "rmdir of ..");
	fails(EISDIR, unlink("d/."), "unlink of .");
	fails(EISDIR, unlink("d/e/.."), "unlink of ..");
	works(rmdir("d/e/"), "rmdir with a slash behind the name");
	fails(EISDIR, unlink("d/"), "unlink of a directory with a slash");
	symlink("d", "l");
	fails(ENOTDIR, rmdir("l"), "rmdir of a symlink to a directory");
	fails(ENOTDIR, rmdir("l/"), "also with a slash behind it");
	works(unlinkat(AT_FDCWD, "l", 0), "unlinkat of the symlink");
	works(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), "unlinkat of the directory");
	fails(EINVAL, unlinkat(AT_FDCWD, "d", 0x800000), "unlinkat with a flag that is none");
}

/* In a mount namespace of the suite's own: what is mounted on cannot be removed or renamed. */
static void case_busy(void)
{
	mkdir("d", 0755);
	if (mount("none", "d", "tmpfs", 0, "size=64k") < 0) {
		ok(errno == EPERM, "mounting a tmpfs is allowed or forbidden");
		rmdir("d");
		return;
	}
	fails(EBUSY, rmdir("d"), "rmdir of a mount point");
	fails(EBUSY, rename("d", "e"), "rename of a mount point");
	posix_write_file("n", "text");
	fails(EXDEV, rename("n", "d/n"), "rename into another filesystem");
	fails(EXDEV, link("n", "d/n"), "link into another filesystem");
	unlink("n");
	umount("d");
	works(rmdir("d"), "rmdir when it is unmounted");
}

/* A directory that is somebody's working directory or open goes all the same. */
static void case_removed_directory(void)
{
	DIR *dir;
	int fd, here = open(".", O_PATH);

	mkdir("d", 0755);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	works(rmdir("d"), "rmdir of an open directory");
	is_int(posix_fstat(fd).st_nlink, 0, "which has no links then");
	fails(ENOENT, openat(fd, "n", O_CREAT | O_WRONLY, 0644), "nothing is made in it");
	fails(ENOENT, mkdirat(fd, "n", 0755), "no directory either");
	fails(ENOENT, symlinkat("target", fd, "n"), "nor a symlink");
	fails(ENOENT, openat(fd, "n", O_RDONLY), "nothing is found in it");
	dir = fdopendir(fd);
	errno = 0;
	ok(!dir || !readdir(dir), "and nothing is listed");
	if (dir)
		closedir(dir);
	mkdir("d", 0755);
	works(chdir("d"), "into a directory");
	works(rmdir("../d"), "which is removed");
	fails(ENOENT, posix_make(REGULAR, "n"), "nothing is made there");
	ok(getcwd((char[PATH_MAX]){0}, PATH_MAX) == NULL && errno == ENOENT,
		"getcwd says that it is gone");
	fchdir(here);
	mkdir("d", 0755);
	works(posix_make(REGULAR, "d/n"), "a new one of the same name is another");
	posix_remove_tree("d");
	close(here);
}

void posix_area_unlink(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	FOR_EACH_KIND (kind) {
		case_unlink(kind);
		case_not_empty(kind);
	}
	case_dots();
	case_busy();
	case_removed_directory();
}
