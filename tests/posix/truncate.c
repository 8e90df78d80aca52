/* truncate(2), ftruncate(2). */
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/resource.h>

static const off_t sizes[] = {
	0, 1, 511, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 1000000, 1234567};

#define SIZES (sizeof(sizes) / sizeof(*sizes))

static unsigned char pattern(off_t at)
{
	return (unsigned char)(at * 7 + at / 251 + 1) | 1;
}

static bool fill(const char *path, off_t size)
{
	unsigned char *data = malloc((size_t)size + 1);
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	bool r;

	for (off_t i = 0; i < size; i++)
		data[i] = pattern(i);
	r = fd >= 0 && write(fd, data, (size_t)size) == size;
	free(data);
	close(fd);
	return r;
}

/* The pattern up to `kept`, then zeros up to `size`, and no more. */
static bool filled(const char *path, off_t kept, off_t size)
{
	unsigned char *data = malloc((size_t)size + 1);
	int fd = open(path, O_RDONLY);
	bool r = fd >= 0 && pread(fd, data, (size_t)size + 1, 0) == size;

	for (off_t i = 0; r && i < size; i++)
		r = data[i] == (i < kept ? pattern(i) : 0);
	free(data);
	close(fd);
	return r;
}

static int by_path(const char *path, off_t size)
{
	return truncate(path, size);
}

static int by_descriptor(const char *path, off_t size)
{
	int fd = open(path, O_WRONLY), r = ftruncate(fd, size);

	close(fd);
	return r;
}

static void case_sizes(const char *name, int (*set)(const char *, off_t))
{
	for (size_t i = 0; i < SIZES; i++) {
		for (size_t k = 0; k < SIZES; k++) {
			off_t kept = sizes[k] < sizes[i] ? sizes[k] : sizes[i];

			fill("n", sizes[i]);
			if (set("n", sizes[k]) < 0 || posix_size("n") != sizes[k] ||
				!filled("n", kept, sizes[k]))
				ok(false, "%s of %lld bytes to %lld", name, (long long)sizes[i],
					(long long)sizes[k]);
			/* What was cut off must not come back. */
			set("n", 1300000);
			if (!filled("n", kept, 1300000))
				ok(false, "%s of %lld bytes to %lld and then longer", name,
					(long long)sizes[i], (long long)sizes[k]);
			unlink("n");
		}
		ok(true, "%s of %lld bytes to every size", name, (long long)sizes[i]);
	}
}

static void case_times(const char *name, int (*set)(const char *, off_t))
{
	struct stat before;

	for (int i = 0; i < 3; i++) {
		off_t size = (off_t[]){2, 4, 10}[i];

		posix_write_file("n", "text");
		before = posix_lstat("n");
		posix_tick();
		works(set("n", size), "%s to %lld", name, (long long)size);
		moved(before, "n", CTIME | MTIME, "moves the times");
		unlink("n");
	}
	posix_write_file("n", "text");
	chmod("n", 0444);
	chown("n", USER, GROUP);
	before = posix_lstat("n");
	posix_tick();
	AS (USER, GROUP)
		fails(EACCES, truncate("n", 2), "truncate of a read-only file");
	moved(before, "n", 0, "leaves the times");
	is_int(posix_size("n"), 4, "and the size");
	unlink("n");
}

static void case_errors(void)
{
	int fd;

	posix_write_file("n", "text");
	fails(EINVAL, truncate("n", -1), "truncate to a negative size");
	fails(EINVAL, truncate("n", LLONG_MIN), "to the least size");
	fails_either(EFBIG, EINVAL, truncate("n", LLONG_MAX), "to the largest size");
	is_int(posix_size("n"), 4, "which leave the size");
	fd = open("n", O_RDONLY);
	fails_either(EINVAL, EBADF, ftruncate(fd, 0), "ftruncate of a descriptor to read");
	close(fd);
	fd = open("n", O_RDWR);
	fails(EINVAL, ftruncate(fd, -1), "ftruncate to a negative size");
	close(fd);
	fails(EBADF, ftruncate(fd, 0), "ftruncate of a closed descriptor");
	unlink("n");
	mkdir("d", 0755);
	fails(EISDIR, truncate("d", 0), "truncate of a directory");
	fd = open("d", O_RDONLY);
	fails_either(EINVAL, EBADF, ftruncate(fd, 0), "ftruncate of a directory");
	close(fd);
	rmdir("d");
	posix_make(FIFO, "f");
	fails_either(EINVAL, 0, truncate("f", 0), "truncate of a fifo");
	unlink("f");
	symlink("n", "l");
	posix_write_file("n", "text");
	works(truncate("l", 1), "truncate of a symlink");
	is_int(posix_size("n"), 1, "is for what it leads to");
	unlink("l");
	unlink("n");
}

static void case_descriptors(void)
{
	int reader, writer;

	posix_write_file("n", "some text");
	reader = open("n", O_RDONLY);
	writer = open("n", O_WRONLY);
	lseek(reader, 6, SEEK_SET);
	works(ftruncate(writer, 4), "ftruncate of what another has open");
	is_int(read(reader, (char[8]){0}, 8), 0, "which is behind the end then");
	is_int(posix_fstat(reader).st_size, 4, "and sees the size");
	works(truncate("n", 20), "and grows");
	is_int(read(reader, (char[20]){0}, 20), 14, "and reads on");
	lseek(writer, 30, SEEK_SET);
	write(writer, "!", 1);
	is_int(posix_size("n"), 31, "a write behind the end makes it longer");
	is_int(lseek(writer, 0, SEEK_CUR), 31, "truncation does not move offsets");
	close(reader);
	close(writer);
	unlink("n");
	AS (USER, GROUP) {
		writer = open("n", O_CREAT | O_RDWR, 0);
		works(ftruncate(writer, 100), "ftruncate asks how it was opened, not the mode");
		fails(EACCES, truncate("n", 0), "truncate asks the mode");
		close(writer);
	}
	unlink("n");
}

static int beyond_limit(void *argument)
{
	const struct rlimit limit = {4096, 4096};
	int fd = open(argument, O_RDWR);

	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_IGN);
	if (ftruncate(fd, 4096) < 0)
		return 1;
	if (ftruncate(fd, 4097) == 0 || errno != EFBIG)
		return 2;
	if (pwrite(fd, "xx", 2, 4095) != 1)
		return 3;
	return pwrite(fd, "x", 1, 4096) < 0 && errno == EFBIG ? 0 : 4;
}

void posix_area_truncate(const struct posix_place *place)
{
	(void)place;
	chmod(".", 0777);
	case_sizes("truncate", by_path);
	case_sizes("ftruncate", by_descriptor);
	case_times("truncate", by_path);
	case_times("ftruncate", by_descriptor);
	case_errors();
	case_descriptors();
	posix_make(REGULAR, "n");
	is_int(posix_child(beyond_limit, "n"), 0, "a limit on file sizes counts");
	unlink("n");
}
