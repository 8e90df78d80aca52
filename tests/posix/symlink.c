/* symlink(2) and readlink(2). */
#include "tests/posix/posix.h"

static bool leads_to(const char *path, const char *target)
{
	char buffer[PATH_MAX + 1];
	ssize_t n = readlink(path, buffer, sizeof(buffer));

	return n == (ssize_t)strlen(target) && memcmp(buffer, target, (size_t)n) == 0;
}

static void case_targets(void)
{
	static const int lengths[] = {1, 2, 59, 60, 61, 255, 256, 1000, 4094, 4095};
	char target[PATH_MAX + 1];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		memset(target, 't', sizeof(target));
		target[lengths[i]] = '\0';
		works(symlink(target, "n"), "a target of %d bytes", lengths[i]);
		ok(leads_to("n", target), "which readlink gives");
		is_int(posix_size("n"), lengths[i], "and whose length is the size");
		is_int(posix_lstat("n").st_mode, S_IFLNK | 0777, "with the mode of a link");
		unlink("n");
	}
	memset(target, 't', sizeof(target));
	target[PATH_MAX] = '\0';
	fails(ENAMETOOLONG, symlink(target, "n"), "a target of 4096 bytes");
	fails(ENOENT, symlink("", "n"), "an empty target");
	ok(!posix_exists("n"), "which leave nothing");
	works(symlink("a//b/../\1\377 \n", "n"), "a target of strange bytes");
	ok(leads_to("n", "a//b/../\1\377 \n"), "is kept to the byte");
	unlink("n");
}

static void case_readlink(void)
{
	char buffer[8] = "zzzzzzz";

	symlink("target", "n");
	is_int(readlink("n", buffer, 3), 3, "a buffer that is too small gets what fits");
	ok(memcmp(buffer, "tarzzzz", 7) == 0, "and no more");
	fails(EINVAL, readlink("n", buffer, 0), "an empty buffer");
	unlink("n");
	FOR_EACH_KIND (kind) {
		if (kind == SYMLINK)
			continue;
		posix_make(kind, "n");
		fails(EINVAL, readlink("n", buffer, sizeof(buffer)), "readlink of a %s",
			posix_kind_name(kind));
		posix_remove("n");
	}
}

static void case_replaced(void)
{
	mkdir("d", 0755);
	for (int i = 0; i < 20; i++) {
		char target[16];

		snprintf(target, sizeof(target), "target-%d", i);
		symlink(target, "d/new");
		rename("d/new", "d/link");
		if (!leads_to("d/link", target)) {
			ok(false, "a link that is replaced by rename leads to the new target");
			break;
		}
	}
	ok(leads_to("d/link", "target-19"), "after twenty replacements the last target counts");
	for (int i = 0; i < 20; i++) {
		char target[16];

		snprintf(target, sizeof(target), "again-%d", i);
		unlink("d/link");
		symlink(target, "d/link");
		if (!leads_to("d/link", target))
			break;
	}
	ok(leads_to("d/link", "again-19"), "also when it is removed and made anew");
	posix_remove_tree("d");
}

static void case_through(void)
{
	char name[16], target[16];
	int fd;

	mkdir("d", 0755);
	symlink("d", "l");
	works(posix_write_file("l/n", "text"), "a file through a symlink to its directory");
	ok(posix_file_is("d/n", "text"), "is in the directory");
	works(mkdir("l/e", 0755), "a directory through it");
	works(rename("l/n", "l/e/m"), "and a rename");
	ok(posix_file_is("d/e/m", "text"), "are in the directory");
	symlink("../d/e/m", "d/relative");
	ok(posix_file_is("l/relative", "text"), "a relative target counts from where the link is");
	unlink("l");
	posix_remove_tree("d");
	posix_write_file("0", "text");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(target, sizeof(target), "%d", i - 1);
		symlink(target, name);
	}
	works(fd = open("40", O_RDONLY), "forty symlinks in a row");
	close(fd);
	fails(ELOOP, open("41", O_RDONLY), "forty-one");
	for (int i = 0; i <= 41; i++) {
		snprintf(name, sizeof(name), "%d", i);
		unlink(name);
	}
}

static void case_attributes(void)
{
	const struct timespec times[2] = {
		{.tv_sec = 100, .tv_nsec = 1}, {.tv_sec = 200, .tv_nsec = 2}};
	struct stat st;

	AS (USER, GROUP)
		works(symlink("target", "n"), "a user's symlink");
	st = posix_lstat("n");
	ok(st.st_uid == USER && st.st_gid == GROUP, "is the user's");
	works(lchown("n", OTHER_USER, OTHER_GROUP), "lchown");
	works(utimensat(AT_FDCWD, "n", times, AT_SYMLINK_NOFOLLOW), "times of a symlink");
	st = posix_lstat("n");
	ok(st.st_uid == OTHER_USER && st.st_mtim.tv_sec == 200 && st.st_mtim.tv_nsec == 2,
		"are kept");
	ok(leads_to("n", "target"), "and the target is");
	is_int(st.st_nlink, 1, "one link");
	unlink("n");
}

void posix_area_symlink(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_targets();
	case_readlink();
	case_replaced();
	case_through();
	case_attributes();
}
