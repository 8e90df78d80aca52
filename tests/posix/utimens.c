/* utimensat(2): to the nanosecond, of anything. */
#include "tests/posix/posix.h"

static void check_times(const char *path, const struct timespec *atime,
	const struct timespec *mtime, const char *sentence)
{
	struct stat st = posix_lstat(path);

	ok(posix_time_order(&st.st_atim, atime) == 0 && posix_time_order(&st.st_mtim, mtime) == 0,
		"%s: atime and mtime", sentence);
	if (posix_time_order(&st.st_atim, atime) || posix_time_order(&st.st_mtim, mtime))
		printf("# got %lld.%09ld and %lld.%09ld\n", (long long)st.st_atim.tv_sec,
			st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void case_values(enum posix_kind kind)
{
	/* Up to 2262, where 64 bits of nanoseconds end. */
	static const struct timespec values[] = {{1, 2}, {1000000000, 999999999},
		{1700000000, 123456789}, {0, 0}, {4294967296, 1}, {-1, 0}, {-1000, 999999999},
		{2147483647, 999999999}, {2147483648, 1}, {9223372035, 5}};
	size_t count = sizeof(values) / sizeof(*values);
	const char *what = posix_kind_name(kind);
	struct stat before;

	posix_make(kind, "n");
	for (size_t i = 0; i < count; i++) {
		struct timespec times[2] = {values[i], values[(i + 3) % count]};

		works(utimensat(AT_FDCWD, "n", times, AT_SYMLINK_NOFOLLOW),
			"times of a %s to %lld and %lld", what, (long long)times[0].tv_sec,
			(long long)times[1].tv_sec);
		check_times("n", &times[0], &times[1], what);
	}
	before = posix_lstat("n");
	posix_tick();
	utimensat(AT_FDCWD, "n", (struct timespec[2]){before.st_atim, before.st_mtim},
		AT_SYMLINK_NOFOLLOW);
	moved(before, "n", CTIME, "setting the times of a %s moves the ctime", what);
	posix_remove("n");
}

static void case_special(enum posix_kind kind)
{
	const struct timespec old = {1000, 1};
	struct timespec begin, end;
	const char *what = posix_kind_name(kind);
	struct stat st;

	posix_make(kind, "n");
	for (int i = 0; i < 9; i++) {
		long a = (long[]){5, UTIME_NOW, UTIME_OMIT}[i % 3],
		     m = (long[]){6, UTIME_NOW, UTIME_OMIT}[i / 3];
		struct timespec times[2] = {{2000, a}, {3000, m}};
		bool right;

		utimensat(AT_FDCWD, "n", (struct timespec[2]){old, old}, AT_SYMLINK_NOFOLLOW);
		posix_tick();
		clock_gettime(CLOCK_REALTIME_COARSE, &begin);
		works(utimensat(AT_FDCWD, "n", times, AT_SYMLINK_NOFOLLOW),
			"times of a %s, combination %d", what, i);
		clock_gettime(CLOCK_REALTIME, &end);
		st = posix_lstat("n");
		right = a == UTIME_OMIT	 ? posix_time_order(&st.st_atim, &old) == 0
			: a == UTIME_NOW ? posix_time_order(&st.st_atim, &begin) >= 0 &&
						   posix_time_order(&st.st_atim, &end) <= 0
					 : st.st_atim.tv_sec == 2000 && st.st_atim.tv_nsec == 5;
		ok(right, "%s, combination %d: atime", what, i);
		right = m == UTIME_OMIT	 ? posix_time_order(&st.st_mtim, &old) == 0
			: m == UTIME_NOW ? posix_time_order(&st.st_mtim, &begin) >= 0 &&
						   posix_time_order(&st.st_mtim, &end) <= 0
					 : st.st_mtim.tv_sec == 3000 && st.st_mtim.tv_nsec == 6;
		ok(right, "%s, combination %d: mtime", what, i);
	}
	clock_gettime(CLOCK_REALTIME_COARSE, &begin);
	works(utimensat(AT_FDCWD, "n", NULL, AT_SYMLINK_NOFOLLOW), "both times of a %s to now",
		what);
	st = posix_lstat("n");
	ok(posix_time_order(&st.st_mtim, &begin) >= 0 && posix_time_order(&st.st_atim, &begin) >= 0,
		"are now");
	posix_remove("n");
}

static void case_errors(void)
{
	struct timespec *volatile nowhere = (struct timespec *)1;
	int fd;

	posix_make(REGULAR, "n");
	for (int i = 0; i < 4; i++) {
		struct timespec times[2] = {{1, 1}, {2, 2}};

		times[i / 2].tv_nsec = i & 1 ? 1000000000 : -5;
		fails(EINVAL, utimensat(AT_FDCWD, "n", times, 0),
			"nanoseconds out of range, way %d", i);
	}
	fails(EINVAL, utimensat(AT_FDCWD, "n", NULL, 0x10000000), "a flag that is none");
	fails(EFAULT, utimensat(AT_FDCWD, "n", nowhere, 0), "times outside of memory");
	fd = open("n", O_RDONLY);
	works(futimens(fd, (struct timespec[2]){{1, 2}, {3, 4}}),
		"futimens of a descriptor to read");
	check_times("n", &(struct timespec){1, 2}, &(struct timespec){3, 4}, "futimens");
	close(fd);
	symlink("n", "l");
	works(utimensat(AT_FDCWD, "l", (struct timespec[2]){{5, 6}, {7, 8}}, 0),
		"times of a symlink, following");
	check_times("n", &(struct timespec){5, 6}, &(struct timespec){7, 8}, "what it leads to");
	works(utimensat(
		      AT_FDCWD, "l", (struct timespec[2]){{9, 10}, {11, 12}}, AT_SYMLINK_NOFOLLOW),
		"not following");
	check_times("n", &(struct timespec){5, 6}, &(struct timespec){7, 8}, "what it leads to");
	check_times("l", &(struct timespec){9, 10}, &(struct timespec){11, 12}, "the link");
	unlink("l");
	unlink("n");
}

/* Times that are set stay until something happens. */
static void case_kept(void)
{
	const struct timespec set[2] = {{1000, 1}, {2000, 2}};
	struct timespec later[2] = {{0, UTIME_OMIT}, {4000, 4}};
	int fd;

	posix_write_file("n", "text");
	fd = open("n", O_RDWR);
	pwrite(fd, "TEXT", 4, 0);
	works(futimens(fd, set), "times of a file that was just written");
	check_times("n", &set[0], &set[1], "before the close");
	close(fd);
	check_times("n", &set[0], &set[1], "and after it");
	chmod("n", 0600);
	chown("n", USER, GROUP);
	link("n", "m");
	rename("n", "o");
	unlink("m");
	check_times("o", &set[0], &set[1], "after chmod, chown, link, rename and unlink");
	fd = open("o", O_WRONLY);
	close(fd);
	works(utimensat(AT_FDCWD, "o", later, 0), "only one of the times");
	check_times("o", &set[0], &later[1], "is set");
	posix_tick();
	fd = open("o", O_RDWR | O_SYNC);
	is_int(write(fd, "", 0), 0, "a write of nothing");
	close(fd);
	check_times("o", &set[0], &later[1], "leaves the times");
	unlink("o");
	mkdir("d", 0755);
	posix_make(REGULAR, "d/n");
	utimensat(AT_FDCWD, "d", set, 0);
	posix_write_file("d/n", "text");
	chmod("d/n", 0600);
	check_times("d", &set[0], &set[1], "of a directory when a file in it is written");
	unlink("d/n");
	ok(posix_lstat("d").st_mtim.tv_sec != set[1].tv_sec, "until a name goes");
	rmdir("d");
}

void posix_area_utimens(const struct posix_place *place)
{
	(void)place;
	FOR_EACH_KIND (kind) {
		case_values(kind);
		case_special(kind);
	}
	case_errors();
	case_kept();
}
