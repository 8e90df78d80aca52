#include "tests/posix/lower.h"
#include "tests/posix/posix.h"

#include <stdarg.h>

#define SEED 42

struct maker {
	bool script;
	const char *directory;
	bool failed;
};

static void below(const struct maker *maker, const char *path, char full[PATH_MAX])
{
	bool empty = !maker->directory[0];

	snprintf(full, PATH_MAX, "%s%s%s", maker->directory, empty ? "" : "/", path);
}

static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (strchr(" \n\\", *text))
			printf("\\x%02x", (unsigned char)*text);
		else
			putchar(*text);
	}
}

static void done(struct maker *maker, int r, const char *path)
{
	if (r < 0 && !maker->failed) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		maker->failed = true;
	}
}

static int finish_file(const char *path, mode_t mode)
{
	const struct timespec times[2] = {
		{LOWER_MTIME, LOWER_MTIME_NS}, {LOWER_MTIME, LOWER_MTIME_NS}};

	return chmod(path, mode) < 0 ? -1 : utimensat(AT_FDCWD, path, times, 0);
}

static void put_directory(struct maker *maker, const char *path)
{
	char full[PATH_MAX];

	below(maker, path, full);
	if (maker->script)
		printf("dir %s 755\n", full);
	else
		done(maker, mkdir(full, 0755), full);
}

static void put_text(struct maker *maker, const char *path, mode_t mode, const char *text)
{
	char full[PATH_MAX];

	below(maker, path, full);
	if (maker->script) {
		printf("text %s %o ", full, mode);
		print_escaped(text);
		putchar('\n');
	} else {
		done(maker, posix_write_file(full, text) < 0 ? -1 : finish_file(full, mode), full);
	}
}

static void put_big(struct maker *maker, const char *path)
{
	char full[PATH_MAX];
	unsigned char *data;
	int fd;

	below(maker, path, full);
	if (maker->script) {
		printf("fill %s 644 %d %d\n", full, LOWER_BIG, SEED);
		return;
	}
	data = malloc(LOWER_BIG);
	if (data)
		posix_lower_bytes(data);
	fd = open(full, O_CREAT | O_EXCL | O_WRONLY, 0644);
	done(maker,
		fd < 0 || !data || write(fd, data, LOWER_BIG) != LOWER_BIG ||
				finish_file(full, 0644) < 0
			? -1
			: 0,
		full);
	if (fd >= 0)
		close(fd);
	free(data);
}

static void put_link(struct maker *maker, const char *path, const char *target)
{
	char full[PATH_MAX];

	below(maker, path, full);
	if (maker->script)
		printf("link %s %s\n", full, target);
	else
		done(maker, symlink(target, full), full);
}

static void put_second(struct maker *maker, const char *path, const char *existing)
{
	char full[PATH_MAX], first[PATH_MAX];

	below(maker, path, full);
	below(maker, existing, first);
	if (maker->script)
		printf("hard %s %s\n", full, first);
	else
		done(maker, link(first, full), full);
}

static void put_many(struct maker *maker, const char *path)
{
	char full[PATH_MAX], name[PATH_MAX];

	below(maker, path, full);
	if (maker->script) {
		printf("many %s %d\n", full, LOWER_MANY);
		return;
	}
	put_directory(maker, path);
	for (int i = 0; i < LOWER_MANY; i++) {
		snprintf(name, sizeof(name), "%.*s/n%d", PATH_MAX - 20, full, i);
		done(maker, posix_make(REGULAR, name), name);
	}
}

/* --- the tree --- */

__attribute__((format(printf, 2, 3))) static const char *path_of(
	char path[256], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(path, 256, format, args);
	va_end(args);
	return path;
}

static void put_files(struct maker *maker, const char *area)
{
	char path[256], first[256];

	for (int i = 0; i < 60; i++)
		put_text(maker, path_of(path, "%s/f%d", area, i), 0644, LOWER_TEXT);
	for (int i = 0; i < 20; i++)
		put_big(maker, path_of(path, "%s/b%d", area, i));
	for (int i = 0; i < 4; i++)
		put_text(maker, path_of(path, "%s/x%d", area, i), 0755, "#!/bin/sh\nexit 7\n");
	for (int i = 0; i < 10; i++)
		put_link(maker, path_of(path, "%s/l%d", area, i), "plain");
	for (int i = 0; i < 10; i++) {
		put_text(maker, path_of(first, "%s/h%da", area, i), 0644, LOWER_TEXT);
		put_second(maker, path_of(path, "%s/h%db", area, i), first);
	}
}

static void put_trees(struct maker *maker, const char *area)
{
	char path[256];

	for (int i = 0; i < 30; i++) {
		put_directory(maker, path_of(path, "%s/t%d", area, i));
		put_directory(maker, path_of(path, "%s/t%d/b", area, i));
		put_directory(maker, path_of(path, "%s/t%d/b/e", area, i));
		put_text(maker, path_of(path, "%s/t%d/a", area, i), 0644, LOWER_TEXT);
		put_text(maker, path_of(path, "%s/t%d/b/c", area, i), 0644, LOWER_TEXT);
		put_link(maker, path_of(path, "%s/t%d/b/d", area, i), "c");
		put_text(maker, path_of(path, "%s/t%d/b/e/f", area, i), 0644, LOWER_TEXT);
		put_text(maker, path_of(path, "%s/t%d/x", area, i), 0755, LOWER_TEXT);
	}
	for (int i = 0; i < 10; i++)
		put_directory(maker, path_of(path, "%s/e%d", area, i));
	put_many(maker, path_of(path, "%s/many", area));
}

static void put_pair(struct maker *maker, enum lower_pair kind, const char *path)
{
	char file[256];

	switch (kind) {
	case PAIR_FILE:
		put_text(maker, path, 0644, LOWER_TEXT);
		break;
	case PAIR_EMPTY:
		put_directory(maker, path);
		break;
	case PAIR_TREE:
		put_directory(maker, path);
		put_text(maker, path_of(file, "%.200s/n", path), 0644, LOWER_TEXT);
		break;
	case PAIR_LINK:
		put_link(maker, path, "plain");
		break;
	}
}

/* Bits of ORIGIN: 1 the first is stored, 2 the second. */
static void put_pairs(struct maker *maker, const char *area)
{
	char path[256];

	put_directory(maker, path_of(path, "%s/pairs", area));
	for (int i = 0; i < PAIRS * PAIRS * 4; i++) {
		int from = i / 4 / PAIRS, to = i / 4 % PAIRS, origin = i % 4;

		put_directory(maker, path_of(path, "%s/pairs/%d-%d-%d", area, from, to, origin));
		if (origin & 1)
			put_pair(maker, (enum lower_pair)from,
				path_of(path, "%s/pairs/%d-%d-%d/a", area, from, to, origin));
		if (origin & 2)
			put_pair(maker, (enum lower_pair)to,
				path_of(path, "%s/pairs/%d-%d-%d/b", area, from, to, origin));
	}
}

int posix_lower_make_pair(enum lower_pair kind, const char *path)
{
	struct maker maker = {.directory = ""};

	put_pair(&maker, kind, path);
	return maker.failed ? -1 : 0;
}

int posix_lower(const char *how, const char *directory)
{
	static const char *const areas[] = {"union-directories", "union-files", "union-names"};
	struct maker maker = {.script = strcmp(how, "script") == 0, .directory = directory};
	char path[256];

	for (size_t i = 0; i < sizeof(areas) / sizeof(*areas); i++) {
		put_directory(&maker, areas[i]);
		put_text(&maker, path_of(path, "%s/plain", areas[i]), 0644, LOWER_TEXT);
		put_link(&maker, path_of(path, "%s/link", areas[i]), "plain");
		put_directory(&maker, path_of(path, "%s/dir", areas[i]));
		put_text(&maker, path_of(path, "%s/dir/file", areas[i]), 0644, LOWER_TEXT);
		put_files(&maker, areas[i]);
		put_trees(&maker, areas[i]);
		put_pairs(&maker, areas[i]);
	}
	return maker.failed ? 1 : 0;
}

/* As mktree's `fill` makes them. */
void posix_lower_bytes(unsigned char bytes[LOWER_BIG])
{
	uint64_t value = SEED;

	for (size_t i = 0; i < LOWER_BIG; i += 8) {
		value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		memcpy(bytes + i, &value, 8);
	}
}
