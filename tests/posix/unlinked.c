/* What has no name any more and is still open. */
#include "tests/posix/posix.h"

#include <sys/mman.h>
#include <sys/xattr.h>

/* An open file with "text" in it and no name; `way` says how it lost it. */
static int lost(int way, const char **ret_way)
{
	int fd;

	posix_write_file("n", "text");
	fd = open("n", O_RDWR);
	switch (way) {
	case 0:
		*ret_way = "unlink";
		unlink("n");
		break;
	case 1:
		*ret_way = "rename over it";
		posix_write_file("m", "other");
		rename("m", "n");
		break;
	case 2:
		*ret_way = "two unlinks";
		link("n", "m");
		unlink("n");
		unlink("m");
		break;
	default:
		*ret_way = "unlink and another of the name";
		unlink("n");
		posix_write_file("n", "other");
	}
	return fd;
}

#define WAYS 4

static void case_contents(int way)
{
	const char *how;
	int fd = lost(way, &how);
	struct stat before = posix_fstat(fd), after;

	is_int(before.st_nlink, 0, "%s: no link is left", how);
	ok(posix_fd_is(fd, "text"), "%s: it is read", how);
	posix_tick();
	works(pwrite(fd, " and more", 9, 4), "%s: it is written", how);
	ok(posix_fd_is(fd, "text and more"), "%s: and read", how);
	after = posix_fstat(fd);
	posix_moved(&before, &after, CTIME | MTIME, CTIME | MTIME, __LINE__, "%s: times move", how);
	works(ftruncate(fd, 2), "%s: it is truncated", how);
	is_int(posix_fstat(fd).st_size, 2, "%s: to its size", how);
	works(ftruncate(fd, 8192), "%s: it grows", how);
	is_int(lseek(fd, 0, SEEK_END), 8192, "%s: to its size", how);
	works(fallocate(fd, 0, 0, 16384), "%s: space is reserved", how);
	works(fsync(fd), "%s: fsync", how);
	if (way & 1)
		ok(posix_file_is("n", "other"), "%s: the other file is as it was", how);
	close(fd);
	unlink("n");
}

static void case_attributes(int way)
{
	const struct timespec times[2] = {
		{.tv_sec = 100, .tv_nsec = 1}, {.tv_sec = 200, .tv_nsec = 2}};
	const char *how;
	int fd = lost(way, &how);
	struct stat st;

	works(fchmod(fd, 0604), "%s: fchmod", how);
	works(fchown(fd, USER, GROUP), "%s: fchown", how);
	works(futimens(fd, times), "%s: futimens", how);
	st = posix_fstat(fd);
	is_int(st.st_mode, S_IFREG | 0604, "%s: mode", how);
	is_int(st.st_uid, USER, "%s: owner", how);
	is_int(st.st_mtim.tv_sec, 200, "%s: mtime", how);
	is_int(st.st_mtim.tv_nsec, 2, "%s: mtime's fraction", how);
	works(fsetxattr(fd, "user.a", "b", 1, 0), "%s: fsetxattr", how);
	is_int(fgetxattr(fd, "user.a", (char[4]){0}, 4), 1, "%s: fgetxattr", how);
	if (way & 1)
		is_int(posix_mode("n"), 0644, "%s: the other file keeps its mode", how);
	close(fd);
	unlink("n");
}

static void case_mapping(int way)
{
	const char *how;
	int fd = lost(way, &how);
	char *map;

	ftruncate(fd, 4096);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!ok(map != MAP_FAILED, "%s: it is mapped", how))
		return;
	ok(memcmp(map, "text", 4) == 0, "%s: the mapping shows it", how);
	memcpy(map, "TEXT", 4);
	ok(pread(fd, (char[4]){0}, 4, 0) == 4, "%s: it is read", how);
	close(fd);
	memcpy(map + 4000, "tail", 4);
	works(msync(map, 4096, MS_SYNC), "%s: msync after the last close", how);
	ok(memcmp(map, "TEXT", 4) == 0 && memcmp(map + 4000, "tail", 4) == 0,
		"%s: the mapping lives on", how);
	munmap(map, 4096);
	unlink("n");
}

static void case_no_way_back(void)
{
	char name[40];
	const char *how;
	int fd = lost(0, &how);

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	fails(ENOENT, linkat(AT_FDCWD, name, AT_FDCWD, "n", AT_SYMLINK_FOLLOW),
		"what had a name gets none again");
	close(fd);
}

static void case_many(void)
{
	int fds[200];
	char text[16];
	bool right = true;

	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		fds[i] = open("n", O_CREAT | O_EXCL | O_RDWR, 0644);
		right = right && fds[i] >= 0 && write(fds[i], text, strlen(text)) > 0 &&
			unlink("n") == 0;
	}
	ok(right, "two hundred files of one name after another, all open");
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		right = right && posix_fd_is(fds[i], text);
		close(fds[i]);
	}
	ok(right, "each keeps its contents");
}

static void case_renamed(void)
{
	int fd;

	posix_write_file("a", "a");
	fd = open("a", O_RDWR);
	works(rename("a", "b"), "rename of an open file");
	works(pwrite(fd, "A", 1, 0), "which is written then");
	ok(posix_file_is("b", "A"), "under the new name");
	is_int(posix_fstat(fd).st_nlink, 1, "it has one link");
	mkdir("d", 0755);
	works(rename("b", "d/c"), "rename into a directory");
	works(rename("d", "e"), "which is renamed");
	works(pwrite(fd, "B", 1, 0), "it is written again");
	ok(posix_file_is("e/c", "B"), "under the new name");
	close(fd);
	posix_remove_tree("e");
}

void posix_area_unlinked(const struct posix_place *place)
{
	(void)place;
	for (int way = 0; way < WAYS; way++) {
		case_contents(way);
		case_attributes(way);
		case_mapping(way);
	}
	case_no_way_back();
	case_many();
	case_renamed();
}
