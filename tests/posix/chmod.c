/* chmod(2): modes, their special bits, times; and what a write or another owner does to the special
 * bits. */
#include "tests/posix/posix.h"

static void case_modes(enum posix_kind kind)
{
	const char *what = posix_kind_name(kind);
	struct stat before;

	posix_make(kind, "n");
	for (mode_t mode = 0; mode <= 07777; mode += 0111) {
		works(chmod("n", mode), "chmod of a %s to %#o", what, mode);
		is_int(posix_lstat("n").st_mode, posix_kind_type(kind) | mode, "which stat shows");
	}
	before = posix_lstat("n");
	posix_tick();
	works(chmod("n", 0700), "chmod of a %s", what);
	moved(before, "n", CTIME, "moves its ctime only");
	before = posix_lstat("n");
	posix_tick();
	works(chmod("n", 0700), "chmod of a %s to what it is", what);
	moved(before, "n", CTIME, "moves its ctime as well");
	before = posix_lstat("n");
	posix_tick();
	AS (USER, GROUP)
		fails(EPERM, chmod("n", 0777), "chmod of another's %s", what);
	moved(before, "n", 0, "moves nothing");
	is_int(posix_mode("n"), 0700, "and changes nothing");
	symlink("n", "l");
	works(chmod("l", 0755), "chmod of a symlink to a %s", what);
	is_int(posix_mode("n"), 0755, "is for what it leads to");
	is_int(posix_mode("l"), 0777, "not for the link");
	fails(EOPNOTSUPP, fchmodat(AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW),
		"chmod of the symlink itself");
	unlink("l");
	posix_remove("n");
}

static void case_descriptor(void)
{
	int fd;

	for (int directory = 0; directory < 2; directory++) {
		posix_make(directory ? DIRECTORY : REGULAR, "n");
		fd = open("n", O_RDONLY);
		works(fchmod(fd, 0741), "fchmod");
		is_int(posix_mode("n"), 0741, "changes the mode");
		rename("n", "m");
		works(fchmod(fd, 0714), "fchmod after a rename");
		is_int(posix_mode("m"), 0714, "changes the mode");
		posix_remove("m");
		works(fchmod(fd, 0700), "fchmod when the name is gone");
		is_int(posix_fstat(fd).st_mode & 07777, 0700, "changes the mode");
		close(fd);
	}
}

/* S_ISGID is only for members of the file's group. */
static void case_setgid(void)
{
	const gid_t third = THIRD_GROUP;

	for (int kind = REGULAR; kind <= DIRECTORY; kind++) {
		posix_make_owned((enum posix_kind)kind, "n", 0755, USER, GROUP);
		AS (USER, GROUP)
			works(chmod("n", 02755), "S_ISGID by the owner who is of the group");
		is_int(posix_mode("n"), 02755, "is set");
		AS (USER, GROUP)
			chmod("n", 0755);
		is_int(posix_mode("n"), 0755, "and taken away");
		AS (USER, OTHER_GROUP)
			works(chmod("n", 02755), "S_ISGID by the owner who is not of the group");
		is_int(posix_mode("n"), 0755, "is not set");
		chmod("n", 02755);
		AS (USER, OTHER_GROUP)
			works(chmod("n", 02750), "chmod that keeps S_ISGID, not of the group");
		is_int(posix_mode("n"), 0750, "takes it away");
		chown("n", USER, THIRD_GROUP);
		AS_GROUPS (USER, GROUP, 1, &third)
			works(chmod("n", 02755),
				"S_ISGID by the owner with the group as a supplementary one");
		is_int(posix_mode("n"), 02755, "is set");
		AS (USER, OTHER_GROUP)
			works(chmod("n", 04755), "S_ISUID by the owner");
		is_int(posix_mode("n"), 04755, "is set");
		posix_remove("n");
	}
}

static void case_sticky(enum posix_kind kind)
{
	posix_make_owned(kind, "n", 0644, USER, GROUP);
	AS (USER, GROUP)
		works(chmod("n", 01644), "the sticky bit of a %s by its owner",
			posix_kind_name(kind));
	is_int(posix_mode("n"), 01644, "is set");
	posix_remove("n");
}

static int write_one(const char *path)
{
	int fd = open(path, O_WRONLY), r;

	if (fd < 0)
		return -1;
	r = (int)write(fd, "x", 1);
	close(fd);
	return r;
}

static int truncate_one(const char *path)
{
	return truncate(path, 1);
}

static int truncate_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	return fd < 0 ? -1 : close(fd);
}

static int append_one(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND), r;

	if (fd < 0)
		return -1;
	r = (int)write(fd, "x", 1);
	close(fd);
	return r;
}

static int allocate(const char *path)
{
	int fd = open(path, O_WRONLY), r;

	if (fd < 0)
		return -1;
	r = fallocate(fd, 0, 0, 100);
	close(fd);
	return r;
}

/* What a write takes away: S_ISUID; S_ISGID of what the group may run. Not from root. */
static void case_write(void)
{
	static const struct {
		const char *name;
		int (*run)(const char *path);
	} writes[] = {{"write", write_one}, {"truncate", truncate_one},
		{"open with O_TRUNC", truncate_open}, {"append", append_one},
		{"fallocate", allocate}};
	static const struct {
		mode_t before, after;
	} modes[] = {{04777, 0777}, {02777, 0777}, {06777, 0777}, {04666, 0666}, {01777, 01777}};

	for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++) {
		for (size_t k = 0; k < sizeof(modes) / sizeof(*modes); k++) {
			posix_write_file("n", "text");
			chown("n", OTHER_USER, OTHER_GROUP);
			chmod("n", modes[k].before);
			AS (USER, GROUP)
				works(writes[i].run("n"), "%s by another of a file of mode %#o",
					writes[i].name, modes[k].before);
			is_int(posix_mode("n"), modes[k].after, "leaves of its mode");
			chmod("n", modes[k].before);
			AS (OTHER_USER, GROUP)
				works(writes[i].run("n"), "%s by the owner of a file of mode %#o",
					writes[i].name, modes[k].before);
			is_int(posix_mode("n"), modes[k].after, "leaves of its mode");
			chmod("n", modes[k].before);
			works(writes[i].run("n"), "%s by root of a file of mode %#o",
				writes[i].name, modes[k].before);
			is_int(posix_mode("n"), modes[k].before, "leaves its mode");
			unlink("n");
		}
	}
}

void posix_area_chmod(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	FOR_EACH_KIND (kind) {
		if (kind == SYMLINK)
			continue;
		case_modes(kind);
		case_sticky(kind);
	}
	case_descriptor();
	case_setgid();
	case_write();
}
