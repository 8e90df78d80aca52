/* Stored files that are changed: they stay the same files, for whoever has them open too. */
#include "tests/posix/lower.h"
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* What the stored file is, and what it shall be. */
struct subject {
	const char *name;
	size_t size;
	unsigned char *bytes;
};

static int change_write(int fd, struct subject *subject)
{
	memcpy(subject->bytes + 3, "CHANGED", 7);
	return (int)pwrite(fd, "CHANGED", 7, 3);
}

static int change_append(int fd, struct subject *subject)
{
	memcpy(subject->bytes + subject->size, "CHANGED", 7);
	fcntl(fd, F_SETFL, O_APPEND);
	subject->size += 7;
	return (int)write(fd, "CHANGED", 7);
}

static int change_shorten(int fd, struct subject *subject)
{
	subject->size -= 4;
	return ftruncate(fd, (off_t)subject->size);
}

static int change_lengthen(int fd, struct subject *subject)
{
	memset(subject->bytes + subject->size, 0, 5);
	subject->size += 5;
	return ftruncate(fd, (off_t)subject->size);
}

static int change_empty(int fd, struct subject *subject)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_WRONLY | O_TRUNC);
	subject->size = 0;
	return fd < 0 ? -1 : close(fd);
}

static int change_map(int fd, struct subject *subject)
{
	char *map = mmap(NULL, subject->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	memcpy(subject->bytes + 3, "CHANGED", 7);
	memcpy(map + 3, "CHANGED", 7);
	return munmap(map, subject->size);
}

static int change_allocate(int fd, struct subject *subject)
{
	memset(subject->bytes + subject->size, 0, 100);
	subject->size += 100;
	return fallocate(fd, 0, 0, (off_t)subject->size);
}

static int change_copy(int fd, struct subject *subject)
{
	loff_t in = 0, out = 2;
	int from = open("plain", O_RDONLY), r;

	memcpy(subject->bytes + 2, LOWER_TEXT, 6);
	r = (int)copy_file_range(from, &in, fd, &out, 6, 0);
	close(from);
	return r;
}

static const struct {
	const char *name;
	int (*run)(int fd, struct subject *subject);
} changes[] = {
	{"write", change_write},
	{"append", change_append},
	{"truncate", change_shorten},
	{"truncate to more", change_lengthen},
	{"O_TRUNC", change_empty},
	{"a store through a mapping", change_map},
	{"fallocate", change_allocate},
	{"copy_file_range", change_copy},
};

#define CHANGES (sizeof(changes) / sizeof(*changes))

static bool has(int fd, const struct subject *subject)
{
	unsigned char *data = malloc(subject->size + 1);
	bool r = pread(fd, data, subject->size + 1, 0) == (ssize_t)subject->size &&
		 memcmp(data, subject->bytes, subject->size) == 0;

	free(data);
	return r;
}

static bool path_has(const char *path, const struct subject *subject)
{
	int fd = open(path, O_RDONLY);
	bool r = fd >= 0 && has(fd, subject);

	if (fd >= 0)
		close(fd);
	return r;
}

static void load(struct subject *subject, bool big)
{
	subject->bytes = calloc(1, LOWER_BIG + 1000);
	subject->size = big ? LOWER_BIG : strlen(LOWER_TEXT);
	if (big)
		posix_lower_bytes(subject->bytes);
	else
		memcpy(subject->bytes, LOWER_TEXT, subject->size);
}

static void case_change(size_t i, bool big)
{
	char path[16];
	struct subject subject;
	struct stat before;
	int reader, writer;
	char *map;

	snprintf(path, sizeof(path), "%c%zu", big ? 'b' : 'f', i);
	load(&subject, big);
	before = posix_lstat(path);
	is_int(before.st_size, subject.size, "%s: size of a stored file", path);
	is_int(before.st_mtim.tv_sec, LOWER_MTIME, "%s: its mtime", path);
	reader = open(path, O_RDONLY);
	map = mmap(NULL, subject.size, PROT_READ, MAP_SHARED, reader, 0);
	ok(has(reader, &subject) && memcmp(map, subject.bytes, subject.size) == 0,
		"%s: it is read and mapped", path);
	posix_tick();
	works(writer = open(path, O_RDWR), "%s is opened to write", path);
	moved(before, path, 0, "%s: which moves nothing", path);
	works(changes[i].run(writer, &subject), "%s of %s", changes[i].name, path);
	ok(has(writer, &subject), "%s: who wrote sees it", path);
	ok(has(reader, &subject), "%s: who has opened it before sees it", path);
	ok(!subject.size || memcmp(map, subject.bytes, subject.size < 11 ? subject.size : 11) == 0,
		"%s: who has mapped it before sees it", path);
	ok(path_has(path, &subject), "%s: who opens it now sees it", path);
	is_int(posix_ino(path), before.st_ino, "%s: it keeps its number", path);
	is_int(posix_fstat(reader).st_ino, before.st_ino,
		"%s: for who has opened it before as well", path);
	is_int(posix_fstat(reader).st_size, subject.size, "%s: who sees the size", path);
	is_int(posix_lstat(path).st_mode, before.st_mode, "%s: it keeps its mode", path);
	is_int(posix_links(path), 1, "%s: it has one link", path);
	moved(before, path, CTIME | MTIME, "%s: its times move", path);
	munmap(map, big ? LOWER_BIG : strlen(LOWER_TEXT));
	close(writer);
	ok(path_has(path, &subject), "%s: after the close as well", path);
	close(reader);
	free(subject.bytes);
}

/* Attributes, without a change of contents; each on its own stored file, with a reader from before.
 */
static void case_attributes(bool big)
{
	const struct timespec times[2] = {{1000, 1}, {2000, 2}};
	const char *chmoded = big ? "b10" : "f10", *chowned = big ? "b11" : "f11",
		   *timed = big ? "b12" : "f12", *extended = big ? "b13" : "f13";
	struct subject subject;
	struct stat before;
	int reader;

	load(&subject, big);
	reader = open(chmoded, O_RDONLY);
	before = posix_lstat(chmoded);
	posix_tick();
	works(chmod(chmoded, 0600), "chmod of %s", chmoded);
	moved(before, chmoded, CTIME, "moves the ctime only");
	is_int(posix_fstat(reader).st_mode, S_IFREG | 0600,
		"and is seen by who has opened it before");
	ok(has(reader, &subject) && path_has(chmoded, &subject), "the contents stay");
	is_int(posix_ino(chmoded), before.st_ino, "and the number");
	close(reader);
	before = posix_lstat(chowned);
	posix_tick();
	works(chown(chowned, USER, GROUP), "chown of %s", chowned);
	moved(before, chowned, CTIME, "moves the ctime only");
	ok(posix_lstat(chowned).st_uid == USER && posix_lstat(chowned).st_gid == GROUP,
		"gives it away");
	AS (USER, GROUP)
		works(truncate(chowned, 5), "its new owner writes it");
	is_int(posix_ino(chowned), before.st_ino, "it keeps its number");
	before = posix_lstat(timed);
	works(utimensat(AT_FDCWD, timed, times, 0), "times of %s", timed);
	ok(posix_lstat(timed).st_mtim.tv_sec == 2000 && posix_lstat(timed).st_mtim.tv_nsec == 2,
		"are set");
	ok(path_has(timed, &subject), "the contents stay");
	works(setxattr(extended, "user.a", "value", 5, 0), "an attribute of %s", extended);
	is_int(getxattr(extended, "user.a", NULL, 0), 5, "is read");
	ok(path_has(extended, &subject), "the contents stay");
	is_int(posix_lstat(extended).st_mtim.tv_sec, LOWER_MTIME, "and the mtime");
	free(subject.bytes);
}

/* Names of stored files. */
static void case_names(bool big)
{
	const char *linked = big ? "b14" : "f14", *renamed = big ? "b15" : "f15",
		   *removed = big ? "b16" : "f16", *replaced = big ? "b17" : "f17";
	struct subject subject;
	struct stat before;
	int fd;

	load(&subject, big);
	before = posix_lstat(linked);
	works(link(linked, "new"), "a second name of %s", linked);
	ok(posix_ino("new") == before.st_ino && posix_links(linked) == 2, "is the same file");
	fd = open(linked, O_WRONLY);
	pwrite(fd, "XY", 2, 0);
	close(fd);
	memcpy(subject.bytes, "XY", 2);
	ok(path_has("new", &subject), "a write by the stored name is seen by the new one");
	unlink(linked);
	ok(path_has("new", &subject) && posix_links("new") == 1, "which outlives the stored one");
	unlink("new");
	load(&subject, big);
	fd = open(renamed, O_RDWR);
	before = posix_lstat(renamed);
	works(rename(renamed, "new"), "rename of %s", renamed);
	ok(posix_ino("new") == before.st_ino && path_has("new", &subject), "is the same file");
	fails(ENOENT, access(renamed, F_OK), "the stored name is gone");
	pwrite(fd, "XY", 2, 0);
	memcpy(subject.bytes, "XY", 2);
	ok(path_has("new", &subject), "a descriptor from before writes the renamed file");
	close(fd);
	works(posix_make(REGULAR, renamed), "the stored name is taken again");
	is_int(posix_size(renamed), 0, "by an empty file");
	unlink("new");
	load(&subject, big);
	fd = open(removed, O_RDWR);
	works(unlink(removed), "unlink of %s", removed);
	ok(has(fd, &subject) && posix_fstat(fd).st_nlink == 0, "which who has it open reads on");
	pwrite(fd, "XY", 2, 0);
	memcpy(subject.bytes, "XY", 2);
	ok(has(fd, &subject), "and writes");
	fails(ENOENT, access(removed, F_OK), "the name is gone");
	posix_write_file(removed, "new text");
	ok(posix_file_is(removed, "new text") && has(fd, &subject),
		"another of its name is another file");
	close(fd);
	load(&subject, big);
	fd = open(replaced, O_RDONLY);
	posix_write_file("new", "new text");
	works(rename("new", replaced), "a new file over %s", replaced);
	ok(posix_file_is(replaced, "new text") && has(fd, &subject),
		"is the new one, while the stored one is still open");
	is_int(posix_fstat(fd).st_nlink, 0, "which has no link");
	close(fd);
	free(subject.bytes);
}

/* Two names of one stored file. */
static void case_hard_links(void)
{
	struct stat before = posix_lstat("h0a");
	int fd = open("h0b", O_RDWR), reader = open("h0a", O_RDONLY);

	ok(before.st_nlink == 2 && posix_ino("h0b") == before.st_ino,
		"two stored names of one file");
	pwrite(fd, "S", 1, 0);
	ok(posix_file_is("h0a", "Stored text") && posix_fd_is(reader, "Stored text"),
		"a write by the one is seen by the other");
	ok(posix_ino("h0a") == before.st_ino && posix_ino("h0b") == before.st_ino &&
			posix_links("h0a") == 2,
		"they are the same file as before");
	close(fd);
	close(reader);
	works(unlink("h1a"), "one of two is removed");
	ok(posix_file_is("h1b", LOWER_TEXT) && posix_links("h1b") == 1, "the other stays, alone");
	works(chmod("h2a", 0600), "chmod of one");
	is_int(posix_mode("h2b"), 0600, "is for both");
	works(rename("h3a", "h3b"), "rename of one to the other");
	ok(posix_exists("h3a") && posix_exists("h3b"), "does nothing, as they are one file");
	works(link("h4a", "h4c"), "a third name");
	ok(posix_links("h4b") == 3 && posix_ino("h4c") == posix_ino("h4b"), "is counted by all");
	works(rename("h5a", "dir/h5a"), "rename of one to a directory");
	posix_write_file("dir/h5a", "written");
	ok(posix_file_is("h5b", "written"), "they still are one file");
	posix_write_file("new", "new text");
	works(rename("new", "h6a"), "a new file over one");
	ok(posix_file_is("h6b", LOWER_TEXT) && posix_links("h6b") == 1,
		"leaves the other as it was, alone");
	works(truncate("h7b", 3), "truncate by one");
	is_int(posix_size("h7a"), 3, "is for both");
	works(setxattr("h8a", "user.a", "v", 1, 0), "an attribute by one");
	is_int(getxattr("h8b", "user.a", NULL, 0), 1, "is read by the other");
}

static void case_opens(void)
{
	int fd;

	fails(EEXIST, open("f20", O_CREAT | O_EXCL | O_WRONLY, 0644), "O_EXCL of a stored name");
	works(fd = open("f20", O_CREAT | O_RDWR, 0600), "O_CREAT of a stored name");
	ok(posix_fd_is(fd, LOWER_TEXT), "opens it");
	close(fd);
	is_int(posix_mode("f20"), 0644, "and keeps its mode");
	unlink("f20");
	works(fd = open("f20", O_CREAT | O_EXCL | O_RDWR, 0600), "O_EXCL when it is removed");
	is_int(posix_fstat(fd).st_size, 0, "makes an empty file");
	close(fd);
	is_int(posix_mode("f20"), 0600, "with its own mode");
	unlink("f20");
	works(symlink("f21", "f20"), "a symlink in its place");
	ok(posix_file_is("f20", LOWER_TEXT), "leads to another stored file");
	AS (USER, GROUP) {
		works(open("f22", O_RDONLY), "an ordinary user reads a stored file");
		fails(EACCES, open("f22", O_WRONLY), "but does not write what is root's");
		fails(EACCES, open("f22", O_RDONLY | O_TRUNC), "nor empty it");
		fails(EPERM, chmod("f22", 0666), "nor change its mode");
	}
	ok(posix_file_is("f22", LOWER_TEXT), "it is as it was");
	is_int(posix_lstat("f22").st_mtim.tv_nsec, LOWER_MTIME_NS, "with its mtime");
}

static void case_exec(void)
{
	int fd;

	is_int(posix_run("./x0", NULL), 7, "a stored script runs");
	chmod("x0", 0644);
	is_int(posix_run("./x0", NULL), 125, "not without the right");
	chmod("x0", 0755);
	fd = open("x0", O_WRONLY | O_TRUNC);
	is_int(posix_run("./x0", NULL), 126, "not while it is open to write");
	write(fd, "#!/bin/sh\nexit 9\n", 17);
	close(fd);
	is_int(posix_run("./x0", NULL), 9, "the new text runs");
	chmod("f23", 0755);
	is_int(posix_mode("f23"), 0755, "a stored text becomes a program");
}

/* Four processes write different parts of one stored file, none of which was changed before. */
static void case_together(void)
{
	struct subject subject;
	pid_t pids[4];
	int status;

	load(&subject, true);
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int fd = open("b18", O_RDWR);

			for (int k = i; k < 200; k += 4)
				pwrite(fd, &"abcd"[i], 1, k * 1499);
			_exit(close(fd));
		}
	}
	for (int i = 0; i < 4; i++)
		waitpid(pids[i], &status, 0);
	for (int k = 0; k < 200; k++)
		subject.bytes[k * 1499] = (unsigned char)"abcd"[k % 4];
	ok(path_has("b18", &subject),
		"four processes write one stored file at once, and nothing is lost");
	free(subject.bytes);
}

void posix_area_union_files(const struct posix_place *place)
{
	(void)place;
	for (size_t i = 0; i < CHANGES; i++) {
		case_change(i, false);
		case_change(i, true);
	}
	case_attributes(false);
	case_attributes(true);
	case_names(false);
	case_names(true);
	case_hard_links();
	case_opens();
	case_exec();
	case_together();
}
