/* What makes a name: attributes of what is made, times of the directory, names that are taken. */
#include "tests/posix/posix.h"

#include <sys/sysmacros.h>

static const struct {
	const char *name;
	enum posix_kind kind;
} makers[] = {
	{"open", REGULAR},
	{"mkdir", DIRECTORY},
	{"mkfifo", FIFO},
	{"mknod of a socket", SOCKET},
	{"mknod of a character device", CHARACTER},
	{"mknod of a block device", BLOCK},
};

#define MAKERS (sizeof(makers) / sizeof(*makers))

static int make_mode(enum posix_kind kind, const char *path, mode_t mode)
{
	int fd;

	switch (kind) {
	case REGULAR:
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, mode);
		return fd < 0 ? -1 : close(fd);
	case DIRECTORY:
		return mkdir(path, mode);
	case FIFO:
		return mkfifo(path, mode);
	default:
		return mknod(path, posix_kind_type(kind) | mode, makedev(1, 3));
	}
}

static void case_modes(size_t i)
{
	static const struct {
		mode_t mask, asked;
	} modes[] = {{0, 0755}, {0, 0151}, {022, 0777}, {077, 0151}, {070, 0345}, {0501, 0345},
		{0777, 0777}, {0, 0}, {022, 0666}, {027, 0640}};

	for (size_t k = 0; k < sizeof(modes) / sizeof(*modes); k++) {
		umask(modes[k].mask);
		works(make_mode(makers[i].kind, "n", modes[k].asked),
			"%s with mode %#o and umask %#o", makers[i].name, modes[k].asked,
			modes[k].mask);
		umask(0);
		is_int(posix_lstat("n").st_mode,
			posix_kind_type(makers[i].kind) | (modes[k].asked & ~modes[k].mask),
			"%s with mode %#o and umask %#o gives type and mode", makers[i].name,
			modes[k].asked, modes[k].mask);
		posix_remove("n");
	}
}

static void case_special_bits(size_t i)
{
	mode_t asked = makers[i].kind == DIRECTORY ? 01755 : 07755;
	/* mkdir takes the sticky bit and no other. */
	make_mode(makers[i].kind, "n", asked);
	is_int(posix_mode("n"), asked, "%s with mode %#o", makers[i].name, asked);
	posix_remove("n");
}

static void case_owner(size_t i)
{
	bool device = makers[i].kind == CHARACTER || makers[i].kind == BLOCK;

	AS (USER, GROUP) {
		if (device)
			fails(EPERM, make_mode(makers[i].kind, "n", 0644), "%s by an ordinary user",
				makers[i].name);
		else
			works(make_mode(makers[i].kind, "n", 0644), "%s by an ordinary user",
				makers[i].name);
	}
	if (device)
		return;
	is_int(posix_lstat("n").st_uid, USER, "%s: the owner is the user", makers[i].name);
	is_int(posix_lstat("n").st_gid, GROUP, "%s: the group is the user's", makers[i].name);
	posix_remove("n");
	AS (OTHER_USER, OTHER_GROUP)
		make_mode(makers[i].kind, "n", 0644);
	is_int(posix_lstat("n").st_uid, OTHER_USER, "%s: the owner is the other user",
		makers[i].name);
	is_int(posix_lstat("n").st_gid, OTHER_GROUP, "%s: the group is the other user's",
		makers[i].name);
	posix_remove("n");
}

static void case_times(const char *name, enum posix_kind kind)
{
	struct stat parent, made;
	struct timespec now;

	mkdir("parent", 0755);
	parent = posix_lstat("parent");
	posix_tick();
	posix_make(kind, "parent/n");
	moved(parent, "parent", CTIME | MTIME, "%s moves the times of the directory", name);
	made = posix_lstat("parent/n");
	clock_gettime(CLOCK_REALTIME, &now);
	ok(posix_time_order(&made.st_mtim, &parent.st_mtim) > 0 &&
			posix_time_order(&made.st_mtim, &now) <= 0,
		"%s: mtime is now", name);
	ok(posix_time_order(&made.st_ctim, &parent.st_mtim) > 0 &&
			posix_time_order(&made.st_ctim, &now) <= 0,
		"%s: ctime is now", name);
	ok(posix_time_order(&made.st_atim, &parent.st_mtim) > 0 &&
			posix_time_order(&made.st_atim, &now) <= 0,
		"%s: atime is now", name);
	is_int(made.st_nlink, kind == DIRECTORY ? 2 : 1, "%s: link count", name);
	is_int(posix_links("parent"), kind == DIRECTORY ? 3 : 2, "%s: link count of the directory",
		name);
	parent = posix_lstat("parent");
	posix_tick();
	fails(EEXIST, posix_make(kind, "parent/n"), "%s of a name that is there", name);
	moved(parent, "parent", 0, "%s that fails leaves the times of the directory", name);
	moved(made, "parent/n", 0, "%s that fails leaves the times of what is there", name);
	posix_remove("parent/n");
	is_int(posix_links("parent"), 2, "%s: link count of the directory when it is gone", name);
	rmdir("parent");
}

static void case_taken(enum posix_kind kind)
{
	FOR_EACH_KIND (there) {
		posix_make(there, "n");
		fails(EEXIST, posix_make(kind, "n"), "a %s where a %s is", posix_kind_name(kind),
			posix_kind_name(there));
		is_int(posix_lstat("n").st_mode & S_IFMT, posix_kind_type(there), "which stays");
		posix_remove("n");
	}
}

static void case_rest(void)
{
	mknod("n", S_IFREG | 0640, 0);
	is_int(posix_lstat("n").st_mode, S_IFREG | 0640, "mknod makes a regular file");
	is_int(posix_size("n"), 0, "of no size");
	unlink("n");
	works(mknod("n", 0640, 0), "mknod without a type");
	is_int(posix_lstat("n").st_mode, S_IFREG | 0640, "makes a regular file");
	unlink("n");
	fails_either(EPERM, EINVAL, mknod("n", S_IFDIR | 0755, 0), "mknod of a directory");
	fails_either(EINVAL, EPERM, mknod("n", S_IFLNK | 0755, 0), "mknod of a symlink");
	works(mknod("n", S_IFCHR | 0600, makedev(12, 34567)), "mknod with large numbers");
	is_int(posix_lstat("n").st_rdev, makedev(12, 34567), "which stat shows");
	unlink("n");
	works(mknod("n", S_IFBLK | 0600, makedev(4000, 255)),
		"mknod of a block device with large numbers");
	is_int(posix_lstat("n").st_rdev, makedev(4000, 255), "which stat shows");
	unlink("n");
	fails(EEXIST, mkdir("/", 0755), "mkdir of the root");
	works(mkdir("n/", 0755), "mkdir with a slash behind the name");
	fails(EEXIST, mkdir("n/", 0755), "which is taken then");
	rmdir("n");
	fails(ENOENT, mknod("n/", S_IFREG | 0644, 0), "mknod with a slash behind the name");
	fails(ENOENT, symlink("target", "n/"), "symlink with a slash behind the name");
	fails(EISDIR, open("n/", O_CREAT | O_WRONLY, 0644),
		"open with O_CREAT and a slash behind the name");
	ok(!posix_exists("n"), "none of them left anything");
}

/* Bytes of names: anything but a slash and NUL. */
static void case_bytes(void)
{
	for (int byte = 1; byte < 256; byte++) {
		char name[4] = {(char)byte, 'x', (char)byte, '\0'};
		DIR *dir;
		struct dirent *entry;
		bool found = false;

		if (byte == '/')
			continue;
		mkdir("bytes", 0755);
		if (chdir("bytes") < 0)
			return;
		found = posix_make(REGULAR, name) == 0 && posix_exists(name);
		dir = opendir(".");
		while (found && (entry = readdir(dir)) && strcmp(entry->d_name, name) != 0)
			found = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
		closedir(dir);
		ok(found && unlink(name) == 0,
			"a name with the byte %#04x is made, listed and removed", byte);
		if (chdir("..") < 0)
			return;
		rmdir("bytes");
	}
}

void posix_area_create(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	for (size_t i = 0; i < MAKERS; i++) {
		case_modes(i);
		case_special_bits(i);
		case_owner(i);
		case_times(makers[i].name, makers[i].kind);
		case_taken(makers[i].kind);
	}
	case_times("symlink", SYMLINK);
	case_taken(SYMLINK);
	case_rest();
	case_bytes();
}
