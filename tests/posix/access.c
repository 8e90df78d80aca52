/* Who may read, write and run what: every class against every bit, and what it takes to change
 * attributes. */
#include "tests/posix/posix.h"

#include <sys/xattr.h>

static const struct {
	const char *name;
	uid_t uid; /* of the file */
	gid_t gid;
	int shift;
} classes[] = {
	{"owner", USER, OTHER_GROUP, 6},
	{"group", OTHER_USER, GROUP, 3},
	{"supplementary group", OTHER_USER, THIRD_GROUP, 3},
	{"others", OTHER_USER, OTHER_GROUP, 0},
};

#define CLASSES (sizeof(classes) / sizeof(*classes))

static const gid_t third[] = {THIRD_GROUP};

static int open_close(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd >= 0)
		close(fd);
	return fd;
}

/* Only the bits of the class count, in each of the eight values, whatever the other classes have.
 */
static void case_file(enum posix_kind kind, size_t class, int bits)
{
	mode_t mode = (0777 & ~(7 << classes[class].shift)) | (mode_t)bits << classes[class].shift;
	const char *who = classes[class].name, *what = posix_kind_name(kind);

	posix_make_owned(kind, "n", mode, classes[class].uid, classes[class].gid);
	AS_GROUPS (USER, GROUP, 1, third) {
		fails(bits & 4 ? 0 : EACCES, access("n", R_OK), "%s, mode %#o, %s: R_OK", what,
			mode, who);
		fails(bits & 2 ? 0 : EACCES, access("n", W_OK), "%s, mode %#o, %s: W_OK", what,
			mode, who);
		fails(bits & 1 ? 0 : EACCES, access("n", X_OK), "%s, mode %#o, %s: X_OK", what,
			mode, who);
		fails((bits & 5) == 5 ? 0 : EACCES, access("n", R_OK | X_OK),
			"%s, mode %#o, %s: R_OK | X_OK", what, mode, who);
		works(access("n", F_OK), "%s, mode %#o, %s: F_OK", what, mode, who);
		fails(bits & 4 ? 0 : EACCES, open_close("n", O_RDONLY | O_NONBLOCK),
			"%s, mode %#o, %s: open to read", what, mode, who);
		if (kind == REGULAR) {
			fails(bits & 2 ? 0 : EACCES, open_close("n", O_WRONLY),
				"%s, mode %#o, %s: open to write", what, mode, who);
			fails(bits & 2 ? 0 : EACCES, open_close("n", O_WRONLY | O_TRUNC),
				"%s, mode %#o, %s: O_TRUNC", what, mode, who);
			fails((bits & 6) == 6 ? 0 : EACCES, open_close("n", O_RDWR),
				"%s, mode %#o, %s: open for both", what, mode, who);
			fails(bits & 2 ? 0 : EACCES, truncate("n", 0), "%s, mode %#o, %s: truncate",
				what, mode, who);
			fails_either(bits & 4 ? 0 : EACCES, bits & 4 ? ENODATA : EACCES,
				getxattr("n", "user.a", (char[8]){0}, 8),
				"%s, mode %#o, %s: getxattr", what, mode, who);
			fails(bits & 2 ? 0 : EACCES, setxattr("n", "user.a", "b", 1, 0),
				"%s, mode %#o, %s: setxattr", what, mode, who);
		}
		if (kind == FIFO && bits & 2)
			fails(ENXIO, open_close("n", O_WRONLY | O_NONBLOCK),
				"%s, mode %#o, %s: open to write", what, mode, who);
	}
	posix_remove("n");
}

static void case_directory(size_t class, int bits)
{
	mode_t mode = (0777 & ~(7 << classes[class].shift)) | (mode_t)bits << classes[class].shift;
	const char *who = classes[class].name;
	bool search = bits & 1, change = (bits & 3) == 3;

	posix_make_owned(DIRECTORY, "d", mode, classes[class].uid, classes[class].gid);
	posix_make_owned(REGULAR, "d/n", 0666, 0, 0);
	AS_GROUPS (USER, GROUP, 1, third) {
		fails(bits & 4 ? 0 : EACCES, open_close("d", O_RDONLY),
			"directory, mode %#o, %s: open", mode, who);
		fails(search ? 0 : EACCES, access("d/n", F_OK),
			"directory, mode %#o, %s: access below", mode, who);
		fails(search ? 0 : EACCES, open_close("d/n", O_RDWR),
			"directory, mode %#o, %s: open below", mode, who);
		fails(search ? ENOENT : EACCES, access("d/missing", F_OK),
			"directory, mode %#o, %s: missing below", mode, who);
		fails(change ? 0 : EACCES, posix_make(REGULAR, "d/m"),
			"directory, mode %#o, %s: create", mode, who);
		fails(change ? 0 : EACCES, mkdir("d/e", 0755), "directory, mode %#o, %s: mkdir",
			mode, who);
		fails(change ? 0 : EACCES, rename("d/n", "d/o"), "directory, mode %#o, %s: rename",
			mode, who);
		fails(change ? 0 : EACCES, unlink(change ? "d/m" : "d/n"),
			"directory, mode %#o, %s: unlink", mode, who);
		fails(search ? 0 : EACCES, chdir("d"), "directory, mode %#o, %s: chdir", mode, who);
		if (search)
			chdir("..");
	}
	posix_remove_tree("d");
}

/* Only the owner and root change modes and set times; who may write may set them to now. */
static void case_attributes(enum posix_kind kind)
{
	const struct timespec some[2] = {
		{.tv_sec = 1000, .tv_nsec = 1}, {.tv_sec = 2000, .tv_nsec = 2}};
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	const struct timespec half[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
	const char *what = posix_kind_name(kind);

	posix_make_owned(kind, "n", 0644, OTHER_USER, GROUP);
	AS (USER, GROUP) {
		fails(EPERM, chmod("n", 0666), "chmod of another's %s", what);
		fails(EPERM, chown("n", USER, (gid_t)-1), "chown of another's %s", what);
		fails(EPERM, chown("n", (uid_t)-1, GROUP), "chown of another's %s to its group",
			what);
		fails(EPERM, utimensat(AT_FDCWD, "n", some, 0), "utimensat of another's %s", what);
		fails(EACCES, utimensat(AT_FDCWD, "n", NULL, 0), "utimensat to now of another's %s",
			what);
		fails(EACCES, utimensat(AT_FDCWD, "n", now, 0), "UTIME_NOW of another's %s", what);
		fails(EPERM, utimensat(AT_FDCWD, "n", half, 0),
			"UTIME_NOW and UTIME_OMIT of another's %s", what);
	}
	chmod("n", 0664);
	AS (USER, GROUP) {
		works(utimensat(AT_FDCWD, "n", NULL, 0),
			"utimensat to now of another's writable %s", what);
		works(utimensat(AT_FDCWD, "n", now, 0), "UTIME_NOW of another's writable %s", what);
		fails(EPERM, utimensat(AT_FDCWD, "n", half, 0),
			"UTIME_NOW and UTIME_OMIT of another's writable %s", what);
		fails(EPERM, utimensat(AT_FDCWD, "n", some, 0),
			"utimensat of another's writable %s", what);
		fails(EPERM, chmod("n", 0666), "chmod of another's writable %s", what);
	}
	AS (OTHER_USER, OTHER_GROUP) {
		works(chmod("n", 0), "chmod of one's own %s", what);
		works(utimensat(AT_FDCWD, "n", some, 0), "utimensat of one's own unreadable %s",
			what);
		works(utimensat(AT_FDCWD, "n", NULL, 0), "utimensat to now of it");
		works(chmod("n", 0600), "chmod back");
	}
	posix_remove("n");
}

static void case_root(void)
{
	posix_make_owned(REGULAR, "n", 0, USER, GROUP);
	works(open_close("n", O_RDWR), "root opens a file of mode 0");
	fails(EACCES, access("n", X_OK), "but does not run it");
	chmod("n", 0001);
	works(access("n", X_OK), "unless somebody may");
	unlink("n");
	posix_make_owned(DIRECTORY, "d", 0, USER, GROUP);
	works(posix_make(REGULAR, "d/n"), "root changes a directory of mode 0");
	works(access("d", X_OK), "and enters it");
	posix_remove_tree("d");
}

/* Rights are those of the time of opening. */
static void case_descriptor(void)
{
	int fd;

	posix_make_owned(REGULAR, "n", 0600, USER, GROUP);
	AS (USER, GROUP) {
		fd = open("n", O_RDWR);
		chmod("n", 0);
		works(write(fd, "text", 4), "a descriptor writes after the mode has become 0");
		ok(posix_fd_is(fd, "text"), "and reads");
		works(ftruncate(fd, 2), "and truncates");
		fails(EACCES, open_close("n", O_RDONLY), "while the name is not opened again");
		close(fd);
	}
	unlink("n");
}

/* As an ordinary user asks who has just lost a right: nothing old may answer. */
static void case_change(void)
{
	posix_make_owned(DIRECTORY, "d", 0755, USER, GROUP);
	posix_make_owned(REGULAR, "d/n", 0644, USER, GROUP);
	for (int i = 0; i < 3; i++) {
		AS (OTHER_USER, OTHER_GROUP)
			works(open_close("d/n", O_RDONLY),
				"a readable file in a directory that may be searched");
		chmod("d", 0700);
		AS (OTHER_USER, OTHER_GROUP)
			fails(EACCES, open_close("d/n", O_RDONLY),
				"no more when the directory is closed");
		chmod("d", 0755);
		chmod("d/n", 0600);
		AS (OTHER_USER, OTHER_GROUP)
			fails(EACCES, open_close("d/n", O_RDONLY),
				"no more when the file is closed");
		chown("d/n", OTHER_USER, OTHER_GROUP);
		AS (OTHER_USER, OTHER_GROUP)
			works(open_close("d/n", O_RDONLY), "but when it is given to who asks");
		AS (USER, GROUP)
			fails(EACCES, open_close("d/n", O_RDONLY), "and not for the former owner");
		chown("d/n", USER, GROUP);
		chmod("d/n", 0644);
	}
	posix_remove_tree("d");
}

void posix_area_access(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	for (size_t class = 0; class < CLASSES; class ++) {
		for (int bits = 0; bits < 8; bits++) {
			case_file(REGULAR, class, bits);
			case_file(FIFO, class, bits);
			case_directory(class, bits);
		}
	}
	FOR_EACH_KIND (kind)
		if (kind != SYMLINK)
			case_attributes(kind);
	case_root();
	case_descriptor();
	case_change();
}
