/*
 * wl - the benchmark's workloads, timed inside one process.
 *
 *	wl [-j JOBS] [-n TIMES] WORKLOAD ARGUMENT...
 *
 *	walk DIR		readdir and lstat of everything below DIR
 *	links DIR LIST		readlink, and stat through the link, of each path in LIST
 *	stats DIR LIST		lstat of each path in LIST
 *	small DIR LIST		open, fstat, read to the end and close of each path in LIST
 *	seq DIR LIST		the files in LIST by read(2) of 1 MiB
 *	rand DIR LIST N		N pread(2) of 4 KiB at random places of the files in LIST
 *	mmap DIR LIST		map the files in LIST and touch every page in order
 *	mrand DIR LIST N	map them and touch N pages at random places
 *	run PROGRAM [ARG]...	fork, execute and wait; its output is dropped
 *	resident PATH...	how much of the files at and below PATH is in the page cache
 *
 * Paths in LIST are relative to DIR, one a line; they are looked up by their absolute names, as
 * programs do. JOBS processes do the same work at once, and are timed from their common start to
 * the end of the last one. Each of the TIMES repetitions prints a line: seconds, operations (of all
 * jobs together), bytes.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	  4096
#define JOBS_MAX  1024
#define TIMES_MAX 1000000

struct tally {
	uint64_t operations;
	uint64_t bytes;
};

struct work {
	char **arguments;
	char **paths; /* of the list, made absolute */
	size_t count; /* of paths */
	uint64_t random_count;
	struct tally *tally; /* of this job, shared with the parent */
};

struct workload {
	const char *name;
	int arguments; /* at least so many */
	bool lists;    /* DIR and LIST come first */
	void (*run)(struct work *work);
};

static char buffer[1 << 20];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* xorshift: the same places in every run and on every filesystem. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void walk_directory(int at, const char *name, struct tally *tally)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!directory)
		err(1, "%s", name);
	while ((entry = readdir(directory))) {
		if (is_dots(entry->d_name))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			err(1, "%s", entry->d_name);
		tally->operations++;
		if (S_ISDIR(st.st_mode))
			walk_directory(fd, entry->d_name, tally);
	}
	closedir(directory);
}

static void do_walk(struct work *work)
{
	walk_directory(AT_FDCWD, work->arguments[0], work->tally);
}

static void do_links(struct work *work)
{
	struct stat st;

	for (size_t i = 0; i < work->count; i++) {
		ssize_t n = readlink(work->paths[i], buffer, sizeof(buffer));

		/* A link may lead nowhere; asking is the work here. */
		if (n < 0 || (stat(work->paths[i], &st) < 0 && errno != ENOENT))
			err(1, "%s", work->paths[i]);
		work->tally->bytes += (uint64_t)n;
		work->tally->operations += 2;
	}
}

static void do_stats(struct work *work)
{
	struct stat st;

	for (size_t i = 0; i < work->count; i++) {
		if (lstat(work->paths[i], &st) < 0)
			err(1, "%s", work->paths[i]);
		work->tally->operations++;
	}
}

static int open_file(const char *path, off_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	*ret_size = st.st_size;
	return fd;
}

/* Reads to the end, as cat does. */
static void read_whole(const char *path, struct tally *tally)
{
	off_t size;
	int fd = open_file(path, &size);
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		tally->bytes += (uint64_t)n;
	if (n < 0)
		err(1, "%s", path);
	close(fd);
	tally->operations++;
}

static void do_whole(struct work *work)
{
	for (size_t i = 0; i < work->count; i++)
		read_whole(work->paths[i], work->tally);
}

static void do_rand(struct work *work)
{
	uint64_t state = 88172645463325252;

	for (size_t i = 0; i < work->count; i++) {
		off_t size;
		int fd = open_file(work->paths[i], &size);
		uint64_t pages = (uint64_t)size / PAGE, n = work->random_count / work->count;

		for (; n > 0 && pages > 0; n--) {
			off_t offset = (off_t)(next_random(&state) % pages * PAGE);

			if (pread(fd, buffer, PAGE, offset) != PAGE)
				err(1, "%s", work->paths[i]);
			work->tally->operations++;
		}
		close(fd);
	}
}

/* Every page in order, or `count` at random. */
static void touch(const volatile char *map, uint64_t pages, uint64_t count, uint64_t *state)
{
	for (uint64_t page = 0; count == 0 && page < pages; page++)
		(void)map[page * PAGE];
	for (; count > 0; count--)
		(void)map[next_random(state) % pages * PAGE];
}

static void do_map(struct work *work)
{
	uint64_t state = 88172645463325252, count = work->random_count / work->count;

	for (size_t i = 0; i < work->count; i++) {
		off_t size;
		int fd = open_file(work->paths[i], &size);
		uint64_t pages = ((uint64_t)size + PAGE - 1) / PAGE;
		void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);

		if (map == MAP_FAILED)
			err(1, "mmap %s", work->paths[i]);
		touch(map, pages, count, &state);
		work->tally->operations += count ? count : pages;
		munmap(map, (size_t)size);
		close(fd);
	}
}

static void do_run(struct work *work)
{
	int status;
	pid_t pid = vfork();

	if (pid < 0)
		err(1, "vfork");
	if (pid == 0) {
		execv(work->arguments[0], work->arguments);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(1, "%s: it ended with status %x", work->arguments[0], (unsigned)status);
	work->tally->operations++;
}

static void count_resident(const char *path, off_t size, struct tally *tally)
{
	size_t pages = ((size_t)size + PAGE - 1) / PAGE;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
	unsigned char *present = malloc(pages);

	if (map == MAP_FAILED || !present || mincore(map, (size_t)size, present) < 0)
		err(1, "%s", path);
	for (size_t i = 0; i < pages; i++)
		tally->bytes += (present[i] & 1) * (uint64_t)PAGE;
	tally->operations++;
	free(present);
	munmap(map, (size_t)size);
	close(fd);
}

static void visit_resident(const char *path, struct tally *tally)
{
	struct dirent *entry;
	struct stat st;
	DIR *directory;
	char *below;

	if (lstat(path, &st) < 0)
		err(1, "%s", path);
	if (S_ISREG(st.st_mode) && st.st_size > 0)
		count_resident(path, st.st_size, tally);
	if (!S_ISDIR(st.st_mode))
		return;
	directory = opendir(path);
	if (!directory)
		err(1, "%s", path);
	while ((entry = readdir(directory))) {
		if (is_dots(entry->d_name))
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
			err(1, NULL);
		visit_resident(below, tally);
		free(below);
	}
	closedir(directory);
}

static void do_resident(struct work *work)
{
	for (char **path = work->arguments; *path; path++)
		visit_resident(*path, work->tally);
}

static const struct workload workloads[] = {
	{"walk", 1, false, do_walk},
	{"links", 2, true, do_links},
	{"stats", 2, true, do_stats},
	{"small", 2, true, do_whole},
	{"seq", 2, true, do_whole},
	{"rand", 3, true, do_rand},
	{"mmap", 2, true, do_map},
	{"mrand", 3, true, do_map},
	{"run", 1, false, do_run},
	{"resident", 1, false, do_resident},
	{NULL, 0, false, NULL},
};

static void read_list(struct work *work)
{
	FILE *list = fopen(work->arguments[1], "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	if (!list)
		err(1, "%s", work->arguments[1]);
	while ((length = getline(&line, &capacity, list)) > 0) {
		work->paths = reallocarray(work->paths, work->count + 1, sizeof(*work->paths));
		line[length - 1] = '\0';
		if (!work->paths || asprintf(&work->paths[work->count++], "%s/%s",
					    work->arguments[0], line) < 0)
			err(1, NULL);
	}
	if (work->count == 0)
		errx(1, "%s: it lists nothing", work->arguments[1]);
	free(line);
	fclose(list);
	if (work->arguments[2])
		work->random_count = strtoull(work->arguments[2], NULL, 10);
}

/* A job waits until the parent closes the other end of the pipe, then works. */
static void start_job(const struct workload *workload, struct work *work, const int gate[2])
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid > 0)
		return;
	close(gate[1]);
	if (read(gate[0], buffer, 1) != 0)
		_exit(1);
	workload->run(work);
	_exit(0);
}

static double run_jobs(const struct workload *workload, struct work *work, int jobs, int *ret_bad)
{
	struct tally *tallies = work->tally;
	int gate[2], status;
	double start;

	if (pipe(gate) < 0)
		err(1, "pipe");
	for (int i = 0; i < jobs; i++) {
		work->tally = &tallies[i];
		start_job(workload, work, gate);
	}
	work->tally = tallies;
	close(gate[0]);
	start = now();
	close(gate[1]);
	while (wait(&status) > 0)
		*ret_bad |= status;
	return now() - start;
}

static int repeat(const struct workload *workload, struct work *work, int jobs)
{
	struct tally sum = {0};
	int bad = 0;
	double seconds = now();

	memset(work->tally, 0, JOBS_MAX * sizeof(*work->tally));
	if (jobs > 1) {
		seconds = run_jobs(workload, work, jobs, &bad);
	} else {
		workload->run(work);
		seconds = now() - seconds;
	}
	for (int i = 0; i < jobs; i++) {
		sum.operations += work->tally[i].operations;
		sum.bytes += work->tally[i].bytes;
	}
	printf("%.6f %" PRIu64 " %" PRIu64 "\n", seconds, sum.operations, sum.bytes);
	return bad ? 1 : 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: wl [-j JOBS] [-n TIMES] WORKLOAD ARGUMENT... (see wl.c)\n");
	return 2;
}

static int run_all(const struct workload *workload, struct work *work, int jobs, int times)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), out = dup(STDOUT_FILENO);
	int r = 0;

	work->tally = mmap(NULL, JOBS_MAX * sizeof(*work->tally), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (null < 0 || out < 0 || work->tally == MAP_FAILED)
		err(1, "preparing");
	if (workload->lists)
		read_list(work);
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (int i = 0; r == 0 && i < times; i++) {
		if (workload->run == do_run)
			dup2(null, STDOUT_FILENO);
		r = repeat(workload, work, jobs);
	}
	dup2(out, STDOUT_FILENO);
	return r;
}

int main(int argc, char **argv)
{
	const struct workload *workload = workloads;
	struct work work = {0};
	int jobs = 1, times = 1, option;

	while ((option = getopt(argc, argv, "+j:n:")) != -1) {
		if (option == 'j')
			jobs = atoi(optarg);
		else if (option == 'n')
			times = atoi(optarg);
		else
			return usage();
	}
	work.arguments = argv + optind + 1;
	while (argc > optind && workload->name && strcmp(workload->name, argv[optind]) != 0)
		workload++;
	if (!workload->name || argc - optind - 1 < workload->arguments || jobs < 1 ||
		jobs > JOBS_MAX || times < 1 || times > TIMES_MAX)
		return usage();
	return run_all(workload, &work, jobs, times);
}
