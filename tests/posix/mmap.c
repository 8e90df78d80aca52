/* mmap(2): shared and private mappings, and reads and writes beside them. */
#include "tests/posix/posix.h"

#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096

static char *map(int fd, size_t size, int protection, int flags)
{
	char *r = mmap(NULL, size, protection, flags, fd, 0);

	return r == MAP_FAILED ? NULL : r;
}

static int paged(size_t pages)
{
	int fd = open("n", O_CREAT | O_TRUNC | O_RDWR, 0644);
	char page[PAGE];

	for (size_t i = 0; i < pages; i++) {
		memset(page, 'a' + (int)i, PAGE);
		pwrite(fd, page, PAGE, (off_t)(i * PAGE));
	}
	return fd;
}

static void case_shared(void)
{
	int fd = paged(4), other = open("n", O_RDWR);
	char *m = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), buffer[8] = {0};

	if (!ok(m, "a shared mapping to write"))
		return;
	ok(m[0] == 'a' && m[4 * PAGE - 1] == 'd', "shows the file");
	memcpy(m + PAGE, "mapped", 6);
	is_int(pread(fd, buffer, 6, PAGE), 6, "read after a store");
	ok(memcmp(buffer, "mapped", 6) == 0, "sees it without msync");
	is_int(pread(other, buffer, 6, PAGE), 6, "read by another descriptor");
	ok(memcmp(buffer, "mapped", 6) == 0, "sees it as well");
	pwrite(other, "written", 7, 2 * PAGE);
	ok(memcmp(m + 2 * PAGE, "written", 7) == 0, "a write is seen in the mapping");
	works(msync(m, 4 * PAGE, MS_SYNC), "msync");
	memcpy(m + 3 * PAGE, "again", 5);
	works(msync(m, 4 * PAGE, MS_ASYNC), "msync without waiting");
	close(fd);
	close(other);
	memcpy(m, "closed", 6);
	munmap(m, 4 * PAGE);
	fd = open("n", O_RDONLY);
	ok(pread(fd, buffer, 6, 0) == 6 && memcmp(buffer, "closed", 6) == 0,
		"a store after the last close is kept");
	ok(pread(fd, buffer, 5, 3 * PAGE) == 5 && memcmp(buffer, "again", 5) == 0,
		"and those before");
	close(fd);
	unlink("n");
}

static void case_two_mappings(void)
{
	int fd = paged(2), other = open("n", O_RDWR);
	char *a = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *b = map(other, 2 * PAGE, PROT_READ, MAP_SHARED);
	char *c = map(other, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	if (!ok(a && b && c, "three mappings of one file"))
		return;
	a[PAGE] = '!';
	ok(b[PAGE] == '!' && c[PAGE] == '!', "a store is seen in the others");
	c[PAGE] = '?';
	ok(a[PAGE] == '!' && b[PAGE] == '!', "one to the private mapping is not");
	pwrite(fd, "#", 1, 0);
	ok(a[0] == '#' && b[0] == '#', "a write is seen in the shared ones");
	munmap(a, 2 * PAGE);
	munmap(b, 2 * PAGE);
	munmap(c, 2 * PAGE);
	close(fd);
	fd = open("n", O_RDONLY);
	ok(pread(other, (char[1]){0}, 1, PAGE) == 1, "the file is read");
	close(fd);
	close(other);
	unlink("n");
}

static void case_truncated(void)
{
	int fd = paged(3);
	char *m = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	if (!ok(m, "a mapping of three pages"))
		return;
	works(ftruncate(fd, PAGE + 10), "the file is cut within the second");
	ok(m[PAGE + 9] == 'b' && m[PAGE + 10] == 0, "where zeros follow the end");
	works(ftruncate(fd, 3 * PAGE), "it grows again");
	ok(m[PAGE + 100] == 0 && m[2 * PAGE] == 0, "with zeros");
	m[2 * PAGE + 5] = 'z';
	ok(pread(fd, m, 1, 2 * PAGE + 5) == 1 && m[0] == 'z', "and is written through the mapping");
	munmap(m, 3 * PAGE);
	close(fd);
	unlink("n");
}

/* Bytes behind the end in its page are no part of the file. */
static void case_tail(void)
{
	int fd = open("n", O_CREAT | O_RDWR, 0644);
	char *m, buffer[16] = {0};

	write(fd, "short", 5);
	m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!ok(m && m[5] == 0, "behind a short file the page is zeros"))
		return;
	m[10] = 'x';
	msync(m, PAGE, MS_SYNC);
	is_int(posix_fstat(fd).st_size, 5, "a store there does not make it longer");
	munmap(m, PAGE);
	close(fd);
	works(truncate("n", 16), "when it grows");
	fd = open("n", O_RDONLY);
	ok(pread(fd, buffer, 16, 0) == 16 && memcmp(buffer, "short\0\0\0\0\0\0\0\0\0\0", 16) == 0,
		"what was stored there does not come up");
	close(fd);
	unlink("n");
}

static int touch_behind(void *argument)
{
	int fd = open(argument, O_RDWR);
	volatile char *m = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);

	m[0] = 'x';
	return m[PAGE];
}

static void case_errors(void)
{
	int fd;

	fd = paged(1);
	close(fd);
	is_int(posix_child(touch_behind, "n"), 128 + SIGBUS, "a page behind the end is no memory");
	fd = open("n", O_RDONLY);
	fails(EACCES, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
		"a shared mapping to write of a descriptor to read");
	ok(map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), "a private one");
	close(fd);
	fd = open("n", O_WRONLY);
	fails(EACCES, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
		"a mapping of a descriptor to write");
	close(fd);
	unlink("n");
	mkdir("d", 0755);
	fd = open("d", O_RDONLY);
	fails(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0,
		"a mapping of a directory");
	close(fd);
	rmdir("d");
}

static void case_times(void)
{
	int fd = paged(1);
	char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	struct stat before, after;

	fsync(fd);
	before = posix_fstat(fd);
	posix_tick();
	m[0] = 'x';
	msync(m, PAGE, MS_SYNC);
	after = posix_fstat(fd);
	posix_moved(&before, &after, CTIME | MTIME, CTIME | MTIME, __LINE__,
		"a store through a mapping moves the times");
	munmap(m, PAGE);
	close(fd);
	unlink("n");
}

/* A process that only has the mapping, after rename and truncation by others. */
static int store_in_child(void *argument)
{
	char *m = argument;

	memcpy(m, "child", 5);
	return 0;
}

static void case_processes(void)
{
	int fd = paged(1);
	char *m = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED), buffer[5];

	is_int(posix_child(store_in_child, m), 0, "a child stores into the mapping");
	ok(memcmp(m, "child", 5) == 0, "which the parent sees");
	rename("n", "m");
	memcpy(m + 5, "moved", 5);
	close(fd);
	fd = open("m", O_RDONLY);
	ok(pread(fd, buffer, 5, 5) == 5 && memcmp(buffer, "moved", 5) == 0,
		"a store is seen under the new name");
	munmap(m, PAGE);
	close(fd);
	unlink("m");
}

static void case_large(void)
{
	size_t size = 8 << 20;
	int fd = open("n", O_CREAT | O_RDWR, 0644);
	unsigned long *m;
	bool right = true;

	ftruncate(fd, (off_t)size);
	m = (unsigned long *)(void *)map(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!ok(m, "a mapping of 8 MiB of a hole"))
		return;
	for (size_t i = 0; i < size / sizeof(*m); i += 100)
		m[i] = i ^ 0x5555;
	munmap(m, size);
	works(fsync(fd), "fsync after it");
	for (size_t i = 0; i < size / sizeof(*m); i += 100) {
		unsigned long value;

		right = right &&
			pread(fd, &value, sizeof(value), (off_t)(i * sizeof(value))) ==
				sizeof(value) &&
			value == (i ^ 0x5555);
	}
	ok(right, "all that was stored is read");
	close(fd);
	unlink("n");
}

void posix_area_mmap(const struct posix_place *place)
{
	(void)place;
	case_shared();
	case_two_mappings();
	case_truncated();
	case_tail();
	case_errors();
	case_times();
	case_processes();
	case_large();
}
