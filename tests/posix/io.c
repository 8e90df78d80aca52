/* read(2), write(2) and their kin; times that they move; several descriptors and processes at once.
 */
#include "tests/posix/posix.h"

#include <sys/uio.h>
#include <sys/wait.h>

static void case_offsets(void)
{
	int fd = open("n", O_CREAT | O_RDWR, 0644), again;
	char buffer[16], *volatile nowhere = (char *)1;

	is_int(write(fd, "0123456789", 10), 10, "write");
	is_int(lseek(fd, 0, SEEK_CUR), 10, "moves the place");
	is_int(pwrite(fd, "ab", 2, 4), 2, "pwrite");
	is_int(lseek(fd, 0, SEEK_CUR), 10, "does not");
	is_int(lseek(fd, -3, SEEK_END), 7, "lseek from the end");
	is_int(read(fd, buffer, 16), 3, "read up to the end");
	is_int(read(fd, buffer, 16), 0, "and no further");
	is_int(pread(fd, buffer, 4, 3), 4, "pread");
	ok(memcmp(buffer, "3ab6", 4) == 0, "from its place");
	is_int(pread(fd, buffer, 4, 100), 0, "behind the end is nothing");
	fails(EINVAL, lseek(fd, -1, SEEK_SET), "before the beginning is no place");
	fails(EINVAL, pread(fd, buffer, 4, -1), "nor for pread");
	again = dup(fd);
	lseek(again, 2, SEEK_SET);
	is_int(lseek(fd, 0, SEEK_CUR), 2, "duplicates share their place");
	close(again);
	again = open("n", O_RDONLY);
	is_int(lseek(again, 0, SEEK_CUR), 0, "another open does not");
	fails(EBADF, write(again, "x", 1), "write to a descriptor to read");
	close(again);
	again = open("n", O_WRONLY);
	fails(EBADF, read(again, buffer, 1), "read from a descriptor to write");
	close(again);
	fails(EFAULT, write(fd, nowhere, 4), "write from outside of memory");
	fails(EFAULT, pread(fd, nowhere, 4, 0), "read to outside of memory");
	close(fd);
	mkdir("d", 0755);
	fd = open("d", O_RDONLY);
	fails(EISDIR, read(fd, buffer, 1), "read of a directory");
	close(fd);
	rmdir("d");
	unlink("n");
}

static void case_vectors(void)
{
	struct iovec out[3] = {{"one", 3}, {"", 0}, {"three", 5}};
	char a[4] = "", b[8] = "";
	struct iovec in[2] = {{a, 2}, {b, 6}};
	int fd = open("n", O_CREAT | O_RDWR, 0644);

	is_int(writev(fd, out, 3), 8, "writev");
	is_int(preadv(fd, in, 2, 0), 8, "preadv");
	ok(strcmp(a, "on") == 0 && strcmp(b, "ethree") == 0, "each its part");
	is_int(pwritev(fd, out, 1, 8), 3, "pwritev");
	ok(posix_fd_is(fd, "onethreeone"), "at its place");
	close(fd);
	unlink("n");
}

/* Sizes around pages and the largest requests. */
static void case_sizes(void)
{
	static const size_t sizes[] = {
		1, 4095, 4096, 4097, 131071, 131072, 131073, 1048575, 1048576, 1048577, 3000000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *data = malloc(sizes[i]), *back = malloc(sizes[i]);
		int fd = open("n", O_CREAT | O_TRUNC | O_RDWR, 0644);

		for (size_t k = 0; k < sizes[i]; k++)
			data[k] = (unsigned char)(k * 13 + k / 4099 + i);
		is_int(pwrite(fd, data, sizes[i], 77), sizes[i], "%zu bytes are written at once",
			sizes[i]);
		is_int(posix_fstat(fd).st_size, sizes[i] + 77, "and counted");
		close(fd);
		fd = open("n", O_RDONLY);
		ok(pread(fd, back, sizes[i], 77) == (ssize_t)sizes[i] &&
				memcmp(data, back, sizes[i]) == 0,
			"and read");
		ok(pread(fd, back, 1, 0) == 1 && back[0] == 0, "behind a hole");
		close(fd);
		free(data);
		free(back);
	}
	unlink("n");
}

static void case_times(void)
{
	struct stat before, after;
	char buffer[8];
	int fd;

	posix_write_file("n", "text");
	before = posix_lstat("n");
	posix_tick();
	fd = open("n", O_RDWR);
	pread(fd, buffer, 4, 0);
	moved(before, "n", 0, "a read moves neither ctime nor mtime");
	pwrite(fd, "TEXT", 4, 0);
	after = posix_fstat(fd);
	posix_moved(&before, &after, CTIME | MTIME, CTIME | MTIME, __LINE__,
		"a write moves both, before the close");
	before = posix_fstat(fd);
	posix_tick();
	pwrite(fd, "more", 4, 4);
	close(fd);
	moved(before, "n", CTIME | MTIME, "a write moves both, after the close");
	before = posix_lstat("n");
	posix_tick();
	fd = open("n", O_RDWR);
	close(fd);
	moved(before, "n", 0, "open and close move nothing");
	unlink("n");
}

static int append_lines(void *argument)
{
	int fd = open("n", O_WRONLY | O_APPEND);
	char line[32];

	for (int i = 0; i < 200; i++) {
		int length = snprintf(line, sizeof(line), "%d %04d\n", *(int *)argument, i);

		if (write(fd, line, (size_t)length) != length)
			return 1;
	}
	return 0;
}

static void case_append_together(void)
{
	pid_t pids[4];
	int status, next[4] = {0}, writer, number;
	bool right = true;
	FILE *file;

	posix_make(REGULAR, "n");
	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(append_lines(&i));
	}
	for (int i = 0; i < 4; i++)
		right = waitpid(pids[i], &status, 0) > 0 && WIFEXITED(status) &&
			WEXITSTATUS(status) == 0 && right;
	ok(right, "four processes append to one file");
	is_int(posix_size("n"), 800 * 7, "none overwrites another");
	file = fopen("n", "r");
	while (file && fscanf(file, "%d %d\n", &writer, &number) == 2)
		right = right && writer >= 0 && writer < 4 && number == next[writer]++;
	ok(right && next[0] == 200 && next[1] == 200 && next[2] == 200 && next[3] == 200,
		"each line is whole, each writer's in order");
	if (file)
		fclose(file);
	unlink("n");
}

static int count_exclusive(void *argument)
{
	int made = 0;
	char name[16];

	(void)argument;
	for (int i = 0; i < 100; i++) {
		int fd;

		snprintf(name, sizeof(name), "e%d", i);
		fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
		made += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return made;
}

/* Of four that make a name with O_EXCL one succeeds. */
static void case_exclusive_together(void)
{
	pid_t pids[4];
	int status, made = 0;
	char name[16];

	fflush(stdout);
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(count_exclusive(NULL));
	}
	for (int i = 0; i < 4; i++) {
		waitpid(pids[i], &status, 0);
		made += WEXITSTATUS(status);
	}
	is_int(made, 100, "four processes make a hundred names with O_EXCL, each once");
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "e%d", i);
		unlink(name);
	}
}

/* As a save by rename: who reads sees the old text or the new one, and always the name. */
static void case_replaced_while_read(void)
{
	int status, missed = 0, mixed = 0, seen = 0;
	pid_t pid;

	posix_write_file("n", "0000000000");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 500; i++) {
			char text[11];

			memset(text, '0' + i % 10, 10);
			text[10] = '\0';
			posix_write_file("new", text);
			rename("new", "n");
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		char text[16];
		int fd = open("n", O_RDONLY);
		ssize_t n = fd < 0 ? -1 : pread(fd, text, 16, 0);

		missed += fd < 0;
		mixed += fd >= 0 && (n != 10 || memcmp(text, text + 1, 9) != 0);
		seen++;
		if (fd >= 0)
			close(fd);
	}
	is_int(missed, 0, "a name that is replaced by rename is always there (%s)",
		seen ? "read while replaced" : "never read");
	is_int(mixed, 0, "with the one text or the other");
	unlink("n");
}

void posix_area_io(const struct posix_place *place)
{
	(void)place;
	case_offsets();
	case_vectors();
	case_sizes();
	case_times();
	case_append_together();
	case_exclusive_together();
	case_replaced_while_read();
}
