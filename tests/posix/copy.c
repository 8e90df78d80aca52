/* copy_file_range(2), sendfile(2), splice(2), and copies as tools make them. */
#include "tests/posix/posix.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <linux/fs.h>

#define SIZE 300000

static char byte_at(size_t i)
{
	return (char)(i * 31 + i / 257);
}

static int make_source(void)
{
	int fd = open("from", O_CREAT | O_TRUNC | O_RDWR, 0644);
	char *data = malloc(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		data[i] = byte_at(i);
	pwrite(fd, data, SIZE, 0);
	free(data);
	return fd;
}

static bool is_copy(int fd, size_t to, size_t from, size_t length)
{
	char *data = malloc(length);
	bool right = pread(fd, data, length, (off_t)to) == (ssize_t)length;

	for (size_t i = 0; right && i < length; i++)
		right = data[i] == byte_at(from + i);
	free(data);
	return right;
}

static void case_range(void)
{
	int from = make_source(), to = open("to", O_CREAT | O_RDWR, 0644);
	loff_t in = 0, out = 0;
	ssize_t n, total = 0;

	while ((n = copy_file_range(from, &in, to, &out, SIZE, 0)) > 0)
		total += n;
	is_int(total, SIZE, "copy_file_range of a whole file");
	works(n, "up to its end");
	is_int(posix_fstat(to).st_size, SIZE, "gives the size");
	ok(is_copy(to, 0, 0, SIZE), "and the bytes");
	in = 12345;
	out = 2 * SIZE;
	is_int(copy_file_range(from, &in, to, &out, 1000, 0), 1000, "a part of it behind the end");
	ok(is_copy(to, 2 * SIZE, 12345, 1000), "arrives there");
	is_int(posix_fstat(to).st_size, 2 * SIZE + 1000, "and makes it longer");
	lseek(from, 100, SEEK_SET);
	lseek(to, 0, SEEK_SET);
	is_int(copy_file_range(from, NULL, to, NULL, 50, 0), 50,
		"with the descriptors' own places");
	is_int(lseek(from, 0, SEEK_CUR), 150, "which move");
	is_int(lseek(to, 0, SEEK_CUR), 50, "both");
	in = 0;
	out = 100000;
	is_int(copy_file_range(from, &in, from, &out, 1000, 0), 1000, "within one file");
	in = 0;
	out = 500;
	fails(EINVAL, copy_file_range(from, &in, from, &out, 1000, 0), "not over itself");
	in = SIZE + 10;
	is_int(copy_file_range(from, &in, to, NULL, 10, 0), 0, "nothing from behind the end");
	close(to);
	to = open("to", O_WRONLY | O_APPEND);
	in = 0;
	fails(EBADF, copy_file_range(from, &in, to, NULL, 10, 0),
		"not to a descriptor that appends");
	close(to);
	to = open("to", O_RDONLY);
	fails(EBADF, copy_file_range(from, &in, to, NULL, 10, 0), "not to one to read");
	close(to);
	close(from);
	unlink("to");
}

/* From what was just written through a mapping or a write, without fsync. */
static void case_fresh(void)
{
	int from = open("from", O_CREAT | O_TRUNC | O_RDWR, 0644),
	    to = open("to", O_CREAT | O_TRUNC | O_RDWR, 0644);
	loff_t in = 0, out = 0;

	write(from, "fresh text", 10);
	is_int(copy_file_range(from, &in, to, &out, 100, 0), 10,
		"copy_file_range of what was just written");
	ok(posix_fd_is(to, "fresh text"), "has it");
	pwrite(to, "FRESH", 5, 0);
	in = out = 0;
	is_int(copy_file_range(from, &in, to, &out, 5, 0), 5, "over what was just written");
	ok(posix_fd_is(to, "fresh text"), "wins");
	close(from);
	close(to);
	unlink("to");
}

static void case_sendfile(void)
{
	int from = make_source(), to = open("to", O_CREAT | O_TRUNC | O_RDWR, 0644);
	off_t offset = 0;
	ssize_t n;

	while (offset < SIZE && (n = sendfile(to, from, &offset, SIZE)) > 0)
		;
	is_int(offset, SIZE, "sendfile to a file");
	ok(is_copy(to, 0, 0, SIZE), "copies it");
	close(to);
	close(from);
	unlink("to");
}

static void case_splice(void)
{
	int from = make_source(), to = open("to", O_CREAT | O_TRUNC | O_RDWR, 0644), pipes[2];
	size_t total = 0;

	if (pipe(pipes) < 0)
		return;
	while (total < SIZE) {
		ssize_t n = splice(from, NULL, pipes[1], NULL, 65536, 0), moved = 0, m = 0;

		while (n > 0 && moved < n &&
			(m = splice(pipes[0], NULL, to, NULL, (size_t)(n - moved), 0)) > 0)
			moved += m;
		if (n <= 0 || m <= 0)
			break;
		total += (size_t)n;
	}
	is_int(total, SIZE, "splice from a file to a file");
	ok(is_copy(to, 0, 0, SIZE), "copies it");
	close(pipes[0]);
	close(pipes[1]);
	close(to);
	close(from);
	unlink("to");
}

/* FICLONE works or is refused as cp knows it. */
static void case_clone(void)
{
	int from = make_source(), to = open("to", O_CREAT | O_TRUNC | O_RDWR, 0644);

	if (ioctl(to, FICLONE, from) < 0)
		ok(errno == EOPNOTSUPP || errno == ENOTTY || errno == EXDEV || errno == EINVAL ||
				errno == ENOSYS,
			"FICLONE is refused as cp knows it");
	else
		ok(is_copy(to, 0, 0, SIZE), "FICLONE makes a copy");
	close(to);
	close(from);
	unlink("to");
}

static void case_other_filesystem(const struct posix_place *place)
{
	char path[PATH_MAX];
	int from, to;
	loff_t in = 0;
	ssize_t n;

	if (!place->other)
		return;
	snprintf(path, sizeof(path), "%s/posix-copy", place->other);
	from = make_source();
	to = open(path, O_CREAT | O_TRUNC | O_RDWR, 0644);
	n = copy_file_range(from, &in, to, NULL, SIZE, 0);
	ok(n > 0 || errno == EXDEV, "copy_file_range to another filesystem copies or says EXDEV");
	in = 0;
	while (sendfile(to, from, &in, SIZE) > 0)
		;
	is_int(in, SIZE, "sendfile to another filesystem");
	close(to);
	close(from);
	unlink(path);
}

void posix_area_copy(const struct posix_place *place)
{
	case_range();
	case_fresh();
	case_sendfile();
	case_splice();
	case_clone();
	case_other_filesystem(place);
	unlink("from");
}
