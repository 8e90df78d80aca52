/* open(2): each flag, on each kind of file. */
#include "tests/posix/posix.h"

static int open_close(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd >= 0)
		close(fd);
	return fd;
}

static void case_exclusive(void)
{
	FOR_EACH_KIND (kind) {
		posix_make(kind, "n");
		fails(EEXIST, open_close("n", O_CREAT | O_EXCL | O_RDWR),
			"O_CREAT and O_EXCL where a %s is", posix_kind_name(kind));
		posix_remove("n");
	}
	posix_write_file("file", "text");
	symlink("file", "n");
	fails(EEXIST, open_close("n", O_CREAT | O_EXCL | O_RDWR),
		"O_CREAT and O_EXCL where a symlink to a file is");
	unlink("n");
	ok(posix_file_is("file", "text"), "the file that it leads to is as it was");
	unlink("file");
}

static void case_create_existing(void)
{
	struct stat before;
	int fd;

	posix_write_file("n", "text");
	chmod("n", 0640);
	before = posix_lstat("n");
	posix_tick();
	works(fd = open("n", O_CREAT | O_RDWR, 0777), "O_CREAT where a file is");
	ok(posix_fd_is(fd, "text"), "opens it");
	close(fd);
	is_int(posix_mode("n"), 0640, "and keeps its mode");
	moved(before, "n", 0, "and its times");
	unlink("n");
	fails(EISDIR, open_close(".", O_CREAT | O_RDONLY), "O_CREAT of a directory");
	symlink("target", "n");
	works(open_close("n", O_CREAT | O_WRONLY), "O_CREAT of a dangling symlink");
	ok(S_ISREG(posix_lstat("target").st_mode), "makes what it leads to");
	unlink("n");
	unlink("target");
	fd = open("n", O_CREAT | O_RDWR, 0);
	works(write(fd, "text", 4), "a file made with mode 0 can be written by who made it");
	close(fd);
	is_int(posix_mode("n"), 0, "its mode is 0");
	unlink("n");
	AS (USER, GROUP) {
		works(fd = open("n", O_CREAT | O_RDWR, 0444), "a user makes a read-only file");
		works(write(fd, "text", 4), "and writes it");
		close(fd);
		fails(EACCES, open_close("n", O_WRONLY), "but does not open it to write again");
		fails(EACCES, open_close("n", O_CREAT | O_WRONLY), "also not with O_CREAT");
	}
	unlink("n");
}

static void case_truncate(void)
{
	struct stat before;

	for (int i = 0; i < 3; i++) {
		int flags = (int[]){O_WRONLY, O_RDWR, O_WRONLY | O_CREAT}[i];

		posix_write_file("n", "text");
		before = posix_lstat("n");
		posix_tick();
		works(open_close("n", flags | O_TRUNC), "O_TRUNC, way %d", i);
		is_int(posix_size("n"), 0, "empties the file");
		is_int(posix_lstat("n").st_blocks, 0, "which takes no blocks then");
		moved(before, "n", CTIME | MTIME, "and moves its times");
		is_int(posix_ino("n"), before.st_ino, "and keeps its inode number");
		before = posix_lstat("n");
		posix_tick();
		works(open_close("n", flags | O_TRUNC), "O_TRUNC of an empty file, way %d", i);
		moved(before, "n", CTIME | MTIME, "moves its times as well");
		unlink("n");
	}
	posix_write_file("n", "text");
	before = posix_lstat("n");
	posix_tick();
	works(open_close("n", O_WRONLY), "opening without O_TRUNC");
	moved(before, "n", 0, "leaves the times");
	ok(posix_file_is("n", "text"), "and the text");
	chmod("n", 0644);
	chown("n", OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP)
		fails(EACCES, open_close("n", O_RDONLY | O_TRUNC),
			"O_TRUNC without the right to write");
	ok(posix_file_is("n", "text"), "leaves the text");
	unlink("n");
}

static void case_append(void)
{
	int fd, other;

	posix_write_file("n", "one");
	fd = open("n", O_RDWR | O_APPEND);
	other = open("n", O_WRONLY | O_APPEND);
	write(fd, "two", 3);
	write(other, "three", 5);
	write(fd, "four", 4);
	lseek(fd, 0, SEEK_SET);
	write(fd, "five", 4);
	ok(posix_file_is("n", "onetwothreefourfive"),
		"O_APPEND writes at the end, whoever wrote before");
	is_int(lseek(fd, 0, SEEK_CUR), 19, "and moves the offset there");
	pwrite(fd, "six", 3, 0);
	ok(posix_file_is("n", "onetwothreefourfivesix"), "pwrite as well, on Linux");
	ftruncate(fd, 3);
	write(other, "!", 1);
	ok(posix_file_is("n", "one!"), "the end is where truncation put it");
	fcntl(fd, F_SETFL, 0);
	pwrite(fd, "O", 1, 0);
	ok(posix_file_is("n", "One!"), "O_APPEND is taken away by fcntl");
	close(fd);
	close(other);
	unlink("n");
}

static void case_nofollow_directory(void)
{
	FOR_EACH_KIND (kind) {
		int fd;

		posix_make(kind, "n");
		if (kind == SYMLINK) {
			posix_make(REGULAR, "target");
			fails(ELOOP, open_close("n", O_RDONLY | O_NOFOLLOW),
				"O_NOFOLLOW of a symlink");
			fails(ELOOP, open_close("n", O_CREAT | O_WRONLY | O_NOFOLLOW),
				"O_NOFOLLOW and O_CREAT of a symlink");
			fails(ENOTDIR, open_close("n", O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
				"O_NOFOLLOW and O_DIRECTORY of a symlink");
			unlink("target");
		} else if (kind == REGULAR || kind == DIRECTORY) {
			works(open_close("n", O_RDONLY | O_NOFOLLOW), "O_NOFOLLOW of a %s",
				posix_kind_name(kind));
		}
		if (kind == DIRECTORY)
			works(open_close("n", O_RDONLY | O_DIRECTORY),
				"O_DIRECTORY of a directory");
		else if (kind != SYMLINK)
			fails(ENOTDIR, open_close("n", O_RDONLY | O_DIRECTORY | O_NONBLOCK),
				"O_DIRECTORY of a %s", posix_kind_name(kind));
		works(fd = open("n", O_PATH | O_NOFOLLOW), "O_PATH of a %s", posix_kind_name(kind));
		is_int(posix_fstat(fd).st_mode & S_IFMT, posix_kind_type(kind),
			"whose type fstat shows");
		close(fd);
		posix_remove("n");
	}
	mkdir("d", 0755);
	for (int i = 0; i < 3; i++)
		fails(EISDIR, open_close("d", (int[]){O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC}[i]),
			"a directory is not opened to write, way %d", i);
	rmdir("d");
}

static void case_path(void)
{
	char text[16], name[40];
	int fd, again;

	posix_write_file("n", "text");
	fd = open("n", O_PATH);
	fails(EBADF, read(fd, text, sizeof(text)), "read of an O_PATH descriptor");
	fails(EBADF, write(fd, text, 1), "write of one");
	fails(EBADF, ftruncate(fd, 0), "ftruncate of one");
	fails(EBADF, fchmod(fd, 0600), "fchmod of one");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	works(again = open(name, O_RDWR), "it is opened again through /proc");
	ok(posix_fd_is(again, "text"), "and read then");
	unlink("n");
	is_int(posix_fstat(fd).st_nlink, 0, "an O_PATH descriptor sees that the name is gone");
	close(again);
	works(again = open(name, O_RDONLY), "and is opened again all the same");
	ok(posix_fd_is(again, "text"), "with the text");
	close(again);
	close(fd);
	mkdir("d", 0755);
	posix_write_file("d/n", "text");
	fd = open("d", O_PATH | O_DIRECTORY);
	rename("d", "e");
	works(again = openat(fd, "n", O_RDONLY),
		"openat below an O_PATH directory that was renamed");
	close(again);
	close(fd);
	posix_remove_tree("e");
	symlink("to", "l");
	fd = open("l", O_PATH | O_NOFOLLOW);
	is_int(readlinkat(fd, "", text, sizeof(text)), 2, "readlinkat of an O_PATH symlink");
	close(fd);
	unlink("l");
}

static void case_tmpfile(void)
{
	char name[40];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);
	struct stat st;

	if (fd < 0) {
		ok(errno == EOPNOTSUPP || errno == EISDIR,
			"O_TMPFILE is refused in a way that programs know");
		return;
	}
	st = posix_fstat(fd);
	is_int(st.st_nlink, 0, "a file of O_TMPFILE has no name");
	is_int(st.st_mode, S_IFREG | 0640, "and the mode that was asked for");
	works(write(fd, "text", 4), "it is written");
	ok(posix_fd_is(fd, "text"), "and read");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	works(linkat(AT_FDCWD, name, AT_FDCWD, "n", AT_SYMLINK_FOLLOW), "it is given a name");
	ok(posix_file_is("n", "text"), "under which it is read");
	is_int(posix_links("n"), 1, "it has one link");
	is_int(posix_ino("n"), st.st_ino, "and its number");
	close(fd);
	ok(posix_file_is("n", "text"), "and stays when it is closed");
	unlink("n");
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	fails(ENOENT, linkat(AT_FDCWD, name, AT_FDCWD, "n", AT_SYMLINK_FOLLOW),
		"with O_EXCL it gets no name");
	close(fd);
}

static void case_special(void)
{
	int reader, writer;

	posix_make(FIFO, "f");
	fails(ENXIO, open_close("f", O_WRONLY | O_NONBLOCK), "a fifo without a reader");
	works(reader = open("f", O_RDONLY | O_NONBLOCK), "a fifo is opened to read");
	works(writer = open("f", O_WRONLY | O_NONBLOCK), "and then to write");
	is_int(write(writer, "text", 4), 4, "what is written to it");
	is_int(read(reader, (char[8]){0}, 8), 4, "is read from it");
	is_int(posix_size("f"), 0, "and is no part of the filesystem");
	close(reader);
	close(writer);
	unlink("f");
	posix_make(SOCKET, "s");
	fails(ENXIO, open_close("s", O_RDONLY), "a socket is not opened");
	unlink("s");
	posix_make_owned(REGULAR, "n", 0666, OTHER_USER, OTHER_GROUP);
	AS (USER, GROUP) {
		fails(EPERM, open_close("n", O_RDONLY | O_NOATIME), "O_NOATIME of another's file");
		works(open_close("n", O_RDONLY), "which is readable otherwise");
	}
	unlink("n");
	fails(EINVAL, open_close("n", O_CREAT | O_DIRECTORY | O_RDWR), "O_CREAT and O_DIRECTORY");
	ok(!posix_exists("n"), "leave nothing");
}

void posix_area_open(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_exclusive();
	case_create_existing();
	case_truncate();
	case_append();
	case_nofollow_directory();
	case_path();
	case_tmpfile();
	case_special();
}
