/* Holes: SEEK_HOLE and SEEK_DATA, fallocate(2), st_blocks. */
#include "tests/posix/posix.h"

#define MIB 1048576

/* A filesystem may keep no holes, as FUSE ones without lseek do: then all is data. */
static void case_seek(void)
{
	int fd = open("n", O_CREAT | O_RDWR, 0644);
	off_t data, hole;

	ftruncate(fd, 4 * MIB);
	pwrite(fd, "data", 4, 2 * MIB);
	data = lseek(fd, 0, SEEK_DATA);
	ok(data == 0 || (data <= 2 * MIB && data > MIB),
		"SEEK_DATA finds the data or takes all for data");
	hole = lseek(fd, 2 * MIB, SEEK_HOLE);
	ok(hole == 4 * MIB || (hole > 2 * MIB && hole < 3 * MIB),
		"SEEK_HOLE finds the hole or the end");
	fails(ENXIO, lseek(fd, 4 * MIB, SEEK_DATA), "SEEK_DATA at the end");
	fails(ENXIO, lseek(fd, 5 * MIB, SEEK_HOLE), "SEEK_HOLE behind the end");
	fails(ENXIO, lseek(fd, -1, SEEK_DATA), "SEEK_DATA before the beginning");
	is_int(posix_fstat(fd).st_size, 4 * MIB, "the size counts the holes");
	close(fd);
	unlink("n");
}

/* What ext4 does to the full; of others only that copies with holes are right. */
static void case_blocks(void)
{
	int fd = open("n", O_CREAT | O_RDWR, 0644);
	char *buffer = malloc(MIB);

	memset(buffer, 'x', MIB);
	ftruncate(fd, 64 * MIB);
	fsync(fd);
	ok(posix_fstat(fd).st_blocks < 2048, "a file of one hole takes hardly any blocks");
	for (int i = 0; i < 4; i++)
		pwrite(fd, buffer, MIB, i * 16 * MIB);
	fsync(fd);
	ok(posix_fstat(fd).st_blocks >= 8192 && posix_fstat(fd).st_blocks < 16384,
		"four MiB in it take their blocks");
	ftruncate(fd, 0);
	fsync(fd);
	ok(posix_fstat(fd).st_blocks < 64, "and none when it is emptied");
	is_int(pwrite(fd, buffer, MIB, 0), MIB, "a MiB");
	fsync(fd);
	ok(posix_fstat(fd).st_blocks >= 2048 && posix_fstat(fd).st_blocks < 4096,
		"takes two thousand blocks");
	free(buffer);
	close(fd);
	unlink("n");
}

static void case_far(void)
{
	static const off_t places[] = {
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x200000000};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int fd = open("n", O_CREAT | O_RDWR, 0644);
		char buffer[4] = {0};

		is_int(pwrite(fd, "far", 3, places[i]), 3, "a write at %#llx",
			(long long)places[i]);
		is_int(posix_fstat(fd).st_size, places[i] + 3, "makes the size");
		ok(pread(fd, buffer, 4, places[i]) == 3 && memcmp(buffer, "far", 3) == 0,
			"and is read");
		ok(pread(fd, buffer, 4, places[i] - 2) == 4 && memcmp(buffer, "\0\0fa", 4) == 0,
			"behind zeros");
		close(fd);
		unlink("n");
	}
}

static bool all(int fd, off_t from, off_t to, char byte)
{
	char buffer[4096];

	for (off_t at = from; at < to;) {
		ssize_t n = pread(fd, buffer, to - at < 4096 ? (size_t)(to - at) : 4096, at);

		if (n <= 0)
			return false;
		for (ssize_t i = 0; i < n; i++)
			if (buffer[i] != byte)
				return false;
		at += n;
	}
	return true;
}

static int fill(off_t size)
{
	int fd = open("n", O_CREAT | O_TRUNC | O_RDWR, 0644);
	char *buffer = malloc((size_t)size);

	memset(buffer, 'x', (size_t)size);
	pwrite(fd, buffer, (size_t)size, 0);
	free(buffer);
	return fd;
}

static void case_allocate(void)
{
	int fd = fill(8192);
	struct stat before;

	before = posix_fstat(fd);
	posix_tick();
	works(fallocate(fd, 0, 0, 65536), "fallocate");
	is_int(posix_fstat(fd).st_size, 65536, "makes the file longer");
	ok(all(fd, 0, 8192, 'x') && all(fd, 8192, 65536, 0), "with zeros behind what there was");
	ok(posix_fstat(fd).st_blocks >= 128, "and takes the blocks");
	moved(before, "n", CTIME | MTIME, "and moves the times");
	works(fallocate(fd, 0, 100, 100), "fallocate of what there is");
	is_int(posix_fstat(fd).st_size, 65536, "leaves the size");
	ok(all(fd, 0, 8192, 'x'), "and the data");
	works(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), "FALLOC_FL_KEEP_SIZE");
	is_int(posix_fstat(fd).st_size, 65536, "keeps the size");
	fails(EINVAL, fallocate(fd, 0, 0, 0), "of no length");
	fails(EINVAL, fallocate(fd, 0, -1, 10), "before the beginning");
	fails(EINVAL, fallocate(fd, 0, 10, -1), "of negative length");
	fails_either(
		EFBIG, EINVAL, fallocate(fd, 0, LLONG_MAX - 10, 100), "beyond the largest size");
	close(fd);
	fails(EBADF, fallocate(fd, 0, 0, 10), "of a closed descriptor");
	fd = open("n", O_RDONLY);
	fails(EBADF, fallocate(fd, 0, 0, 10), "of a descriptor to read");
	close(fd);
	unlink("n");
	fd = open("n", O_CREAT | O_RDWR, 0644);
	is_int(posix_fallocate(fd, 0, 567), 0, "posix_fallocate of an empty file");
	is_int(posix_fstat(fd).st_size, 567, "gives it the size");
	is_int(posix_fallocate(fd, 20000, 3456), 0, "posix_fallocate further");
	is_int(posix_fstat(fd).st_size, 23456, "gives it the size");
	is_int(posix_fallocate(fd, -1, 10), EINVAL, "posix_fallocate before the beginning");
	is_int(posix_fallocate(fd, 0, 0), EINVAL, "posix_fallocate of nothing");
	close(fd);
	unlink("n");
	posix_make(FIFO, "f");
	fd = open("f", O_RDWR);
	fails(ESPIPE, fallocate(fd, 0, 0, 10), "fallocate of a fifo");
	close(fd);
	unlink("f");
}

static void case_punch(void)
{
	int fd = fill(262144);
	blkcnt_t blocks;

	fsync(fd);
	blocks = posix_fstat(fd).st_blocks;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 65536) < 0) {
		is_int(errno, EOPNOTSUPP, "punching holes is refused as programs know it");
	} else {
		ok(all(fd, 0, 65536, 'x') && all(fd, 65536, 131072, 0) &&
				all(fd, 131072, 262144, 'x'),
			"a punched hole is zeros");
		is_int(posix_fstat(fd).st_size, 262144, "and keeps the size");
		fsync(fd);
		ok(posix_fstat(fd).st_blocks < blocks, "and gives blocks back");
		works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 5000),
			"a hole within blocks");
		ok(all(fd, 0, 100, 'x') && all(fd, 100, 5100, 0) && all(fd, 5100, 65536, 'x'),
			"is zeros to the byte");
		works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 262144, 65536),
			"a hole behind the end");
		is_int(posix_fstat(fd).st_size, 262144, "keeps the size");
		fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 100),
			"a hole that would not keep the size");
	}
	close(fd);
	fd = fill(8192);
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 10000) < 0) {
		is_int(errno, EOPNOTSUPP, "zeroing is refused as programs know it");
	} else {
		ok(all(fd, 0, 100, 'x') && all(fd, 100, 10100, 0), "zeroed to the byte");
		is_int(posix_fstat(fd).st_size, 10100, "which makes the file longer");
	}
	close(fd);
	unlink("n");
}

/* A copy by holes is equal. */
static void case_copy(void)
{
	int fd = open("n", O_CREAT | O_RDWR, 0644), copy = open("m", O_CREAT | O_RDWR, 0644);
	char *buffer = malloc(MIB);
	off_t data = 0, end = 8 * MIB + 123;

	for (int i = 0; i < 8; i += 3)
		pwrite(fd, "island", 6, i * MIB + 4321);
	ftruncate(fd, end);
	ftruncate(copy, end);
	while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
		off_t hole = lseek(fd, data, SEEK_HOLE);

		for (; data < hole; data += MIB) {
			ssize_t n = pread(
				fd, buffer, hole - data < MIB ? (size_t)(hole - data) : MIB, data);

			pwrite(copy, buffer, (size_t)n, data);
		}
		data = hole;
	}
	ok(lseek(copy, 0, SEEK_END) == end, "a copy by holes has the size");
	for (int i = 0; i < 8; i++)
		ok(all(copy, i * MIB + 5000, (i + 1) * MIB, 0) &&
				(i % 3 || (pread(copy, buffer, 6, i * MIB + 4321) == 6 &&
						  memcmp(buffer, "island", 6) == 0)),
			"and the contents, MiB %d", i);
	free(buffer);
	close(fd);
	close(copy);
	unlink("n");
	unlink("m");
}

void posix_area_sparse(const struct posix_place *place)
{
	(void)place;
	case_seek();
	case_blocks();
	case_far();
	case_allocate();
	case_punch();
	case_copy();
}
