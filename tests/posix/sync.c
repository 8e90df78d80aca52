/* fsync(2), fdatasync(2), syncfs(2), O_SYNC and O_DIRECT. */
#include "tests/posix/posix.h"

static void case_sync(void)
{
	int fd;

	posix_write_file("n", "text");
	fd = open("n", O_RDWR);
	pwrite(fd, "TEXT", 4, 0);
	works(fsync(fd), "fsync of a file");
	works(fdatasync(fd), "fdatasync");
	works(syncfs(fd), "syncfs");
	works(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER),
		"sync_file_range");
	ok(posix_fd_is(fd, "TEXT"), "which change nothing");
	close(fd);
	fails(EBADF, fsync(fd), "fsync of a closed descriptor");
	fd = open("n", O_RDONLY);
	works(fsync(fd), "fsync of a descriptor to read");
	close(fd);
	unlink("n");
	mkdir("d", 0755);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	works(fsync(fd), "fsync of a directory");
	posix_make(REGULAR, "d/n");
	works(fsync(fd), "with a new name");
	unlink("d/n");
	works(fdatasync(fd), "fdatasync with one less");
	rmdir("d");
	works(fsync(fd), "fsync of one that is gone");
	close(fd);
	posix_make(FIFO, "f");
	fd = open("f", O_RDWR);
	fails(EINVAL, fsync(fd), "fsync of a fifo");
	close(fd);
	unlink("f");
}

static void case_open_flags(void)
{
	static const struct {
		const char *name;
		int flag;
	} flags[] = {{"O_SYNC", O_SYNC}, {"O_DSYNC", O_DSYNC},
		{"O_SYNC and O_APPEND", O_SYNC | O_APPEND}};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		int fd = open("n", O_CREAT | O_RDWR | flags[i].flag, 0644);

		works(fd, "%s", flags[i].name);
		is_int(write(fd, "some", 4), 4, "it is written");
		is_int(write(fd, "thing", 5), 5, "and again");
		ok(posix_fd_is(fd, "something"), "and read");
		is_int(posix_fstat(fd).st_size, 9, "the size counts at once");
		close(fd);
		unlink("n");
	}
}

/* Works, aligned, or is refused with EINVAL, as databases expect. */
static void case_direct(void)
{
	int fd = open("n", O_CREAT | O_RDWR | O_DIRECT, 0644), plain;
	char *block = aligned_alloc(4096, 8192);

	if (fd < 0) {
		is_int(errno, EINVAL, "O_DIRECT is refused with EINVAL");
		unlink("n");
		free(block);
		return;
	}
	memset(block, 'd', 8192);
	is_int(pwrite(fd, block, 8192, 0), 8192, "O_DIRECT writes blocks");
	memset(block, 0, 8192);
	is_int(pread(fd, block, 8192, 0), 8192, "and reads them");
	ok(block[0] == 'd' && block[8191] == 'd', "as they were");
	plain = open("n", O_RDWR);
	is_int(pread(plain, block, 1, 5000), 1, "a plain descriptor reads them");
	pwrite(plain, "p", 1, 5000);
	is_int(pread(fd, block, 4096, 4096), 4096, "O_DIRECT reads what the plain one wrote");
	ok(block[5000 - 4096] == 'p' && block[0] == 'd', "as it is");
	memset(block, 'e', 4096);
	is_int(pwrite(fd, block, 4096, 4096), 4096, "O_DIRECT writes over it");
	is_int(pread(plain, block + 4096, 1, 5000), 1, "the plain one reads");
	is_int(block[4096], 'e', "what O_DIRECT wrote");
	is_int(pread(fd, block, 4096, 8192), 0, "nothing is behind the end");
	close(plain);
	close(fd);
	unlink("n");
	free(block);
}

void posix_area_sync(const struct posix_place *place)
{
	(void)place;
	case_sync();
	case_open_flags();
	case_direct();
}
