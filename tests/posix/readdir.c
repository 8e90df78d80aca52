/* Directories: every name once, also while others come and go; telldir and seekdir; types and
 * numbers. */
#include "tests/posix/posix.h"

#define MANY 10000

static int name_number(const char *name)
{
	return name[0] == 'n' && name[1] >= '0' && name[1] <= '9' ? atoi(name + 1) : -1;
}

/* How often each of n0 ... is listed. Returns the number of entries. */
static int list(const char *path, unsigned char *seen, int count)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int entries = 0;

	memset(seen, 0, (size_t)count);
	while (dir && (entry = readdir(dir))) {
		int number = name_number(entry->d_name);

		entries++;
		if (number >= 0 && number < count)
			seen[number]++;
	}
	if (dir)
		closedir(dir);
	return entries;
}

static void make_many(const char *path, int from, int to)
{
	char name[64];
	int fd;

	for (int i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%s/n%d", path, i);
		fd = open(name, O_CREAT | O_WRONLY, 0644);
		if (fd >= 0)
			close(fd);
	}
}

static bool once(const unsigned char *seen, int from, int to, int step, int times)
{
	for (int i = from; i < to; i += step)
		if (seen[i] != times)
			return false;
	return true;
}

static void case_entries(void)
{
	struct dirent *entry;
	DIR *dir;
	int found = 0, dots = 0;

	mkdir("d", 0755);
	is_int(list("d", (unsigned char[1]){0}, 1), 2, "an empty directory has . and ..");
	FOR_EACH_KIND (kind) {
		char name[16];

		snprintf(name, sizeof(name), "d/k%d", (int)kind);
		posix_make(kind, name);
	}
	dir = opendir("d");
	while ((entry = readdir(dir))) {
		char path[300];

		snprintf(path, sizeof(path), "d/%s", entry->d_name);
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
			dots += entry->d_ino == posix_ino(path);
			continue;
		}
		found++;
		ok(entry->d_type == DT_UNKNOWN ||
				entry->d_type == IFTODT(posix_lstat(path).st_mode),
			"type of a %s", posix_kind_name((enum posix_kind)(entry->d_name[1] - '0')));
		is_int(entry->d_ino, posix_ino(path), "and number");
	}
	closedir(dir);
	is_int(found, KINDS, "one of each kind");
	is_int(dots, 2, "and . and .. with their numbers");
	posix_remove_tree("d");
}

/* A listing that begins after a change shows it. */
static void case_fresh(void)
{
	unsigned char seen[100];
	char name[32];
	bool right = true;

	mkdir("d", 0755);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d/n%d", i);
		posix_make(REGULAR, name);
		list("d", seen, 100);
		right = right && once(seen, 0, i + 1, 1, 1) && once(seen, i + 1, 100, 1, 0);
	}
	ok(right, "each new name is listed at once");
	for (int i = 0; i < 100; i += 2) {
		snprintf(name, sizeof(name), "d/n%d", i);
		unlink(name);
		list("d", seen, 100);
		right = right && seen[i] == 0 && seen[i + 1] == 1;
	}
	ok(right, "each removed name is not");
	rename("d/n1", "d/n0");
	list("d", seen, 100);
	ok(seen[0] == 1 && seen[1] == 0, "nor the old name of a rename, but the new one");
	posix_remove_tree("d");
}

/* What stays is listed once, whatever goes and comes meanwhile. */
static void case_while_changing(void)
{
	static unsigned char seen[2 * MANY];
	char name[32], other[32];
	struct dirent *entry;
	DIR *dir;
	int steps = 0;

	mkdir("d", 0755);
	make_many("d", 0, MANY);
	is_int(list("d", seen, MANY), MANY + 2, "ten thousand names");
	ok(once(seen, 0, MANY, 1, 1), "each once");
	dir = opendir("d");
	memset(seen, 0, sizeof(seen));
	while ((entry = readdir(dir))) {
		int number = name_number(entry->d_name);

		if (number >= 0)
			seen[number]++;
		if (steps >= 3 * MANY / 4)
			continue;
		/* Those that 4 divides go, the next ones are renamed, new ones come. */
		if (steps % 4 == 0) {
			snprintf(name, sizeof(name), "d/n%d", steps);
			unlink(name);
		} else if (steps % 4 == 1) {
			snprintf(name, sizeof(name), "d/n%d", steps);
			snprintf(other, sizeof(other), "d/moved%d", steps);
			rename(name, other);
		} else {
			snprintf(name, sizeof(name), "d/n%d", MANY + steps);
			posix_make(REGULAR, name);
		}
		steps++;
	}
	ok(once(seen, 2, MANY, 4, 1) && once(seen, 3, MANY, 4, 1),
		"what stays is listed once while others come and go");
	for (int i = 0; i < 2 * MANY; i++)
		if (seen[i] > 1) {
			ok(false, "n%d is listed %d times", i, seen[i]);
			break;
		}
	rewinddir(dir);
	memset(seen, 0, sizeof(seen));
	while ((entry = readdir(dir)))
		if (name_number(entry->d_name) >= 0)
			seen[name_number(entry->d_name)]++;
	ok(once(seen, 0, 3 * MANY / 4, 4, 0) && once(seen, MANY + 2, MANY + 3 * MANY / 4, 4, 1),
		"rewinddir shows what has gone and come");
	closedir(dir);
	posix_remove_tree("d");
	ok(!posix_exists("d"), "all of it is removed");
}

/* As rm -r does: remove what is read, until nothing is left. */
static void case_remove_while_reading(void)
{
	struct dirent *entry;
	DIR *dir;
	int removed = 0;

	mkdir("d", 0755);
	make_many("d", 0, 3000);
	dir = opendir("d");
	while ((entry = readdir(dir)))
		removed += unlinkat(dirfd(dir), entry->d_name, 0) == 0;
	closedir(dir);
	is_int(removed, 3000, "all names are removed while they are read");
	works(rmdir("d"), "after which the directory is empty");
}

static void case_seek(void)
{
	enum { COUNT = 3000 };
	static char names[COUNT + 2][256];
	static long places[COUNT + 2];
	struct dirent *entry;
	DIR *dir;
	int count = 0;
	bool right = true;

	mkdir("d", 0755);
	make_many("d", 0, COUNT);
	dir = opendir("d");
	places[0] = telldir(dir);
	while (count < COUNT + 2 && (entry = readdir(dir))) {
		snprintf(names[count++], sizeof(names[0]), "%s", entry->d_name);
		if (count < COUNT + 2)
			places[count] = telldir(dir);
	}
	is_int(count, COUNT + 2, "names with places");
	for (int i = 0; i < 500; i++) {
		int at = (i * 1237 + 5) % count;

		seekdir(dir, places[at]);
		entry = readdir(dir);
		right = right && entry && strcmp(entry->d_name, names[at]) == 0;
	}
	ok(right, "seekdir finds each place again");
	unlink("d/n7");
	unlink("d/n2990");
	for (int i = 0; i < 500; i++) {
		int at = (i * 733 + 11) % count;

		if (strcmp(names[at], "n7") == 0 || strcmp(names[at], "n2990") == 0)
			continue;
		seekdir(dir, places[at]);
		entry = readdir(dir);
		right = right && entry && strcmp(entry->d_name, names[at]) == 0;
	}
	ok(right, "also after names have gone");
	closedir(dir);
	posix_remove_tree("d");
}

static void case_times(void)
{
	struct stat before;
	unsigned char seen[1];

	mkdir("d", 0755);
	posix_make(REGULAR, "d/n0");
	before = posix_lstat("d");
	posix_tick();
	list("d", seen, 1);
	moved(before, "d", 0, "a listing moves neither ctime nor mtime");
	posix_remove_tree("d");
	fails(ENOENT, opendir("d") ? 0 : -1, "opendir of what is gone");
	posix_make(REGULAR, "n");
	fails(ENOTDIR, opendir("n") ? 0 : -1, "opendir of a file");
	unlink("n");
}

static void case_long_names(void)
{
	char name[260] = "d/";
	int count = 0;
	struct dirent *entry;
	DIR *dir;

	mkdir("d", 0755);
	for (int i = 0; i < 300; i++) {
		memset(name + 2, 'a' + i % 26, 255);
		snprintf(name + 2, 10, "%08d", i);
		name[10] = '-';
		name[257] = '\0';
		posix_make(REGULAR, name);
	}
	dir = opendir("d");
	while ((entry = readdir(dir)))
		count += strlen(entry->d_name) == 255;
	closedir(dir);
	is_int(count, 300, "names of 255 bytes are listed whole");
	posix_remove_tree("d");
}

void posix_area_readdir(const struct posix_place *place)
{
	(void)place;
	case_entries();
	case_fresh();
	case_while_changing();
	case_remove_while_reading();
	case_seek();
	case_times();
	case_long_names();
}
