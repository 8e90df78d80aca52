/*
 * mktree STORE REF - publishes a generation made from a script on standard input, for the tests of
 *the mount.
 *
 * One command a line, words separated by single spaces; \xNN in a word is that byte. Paths are
 *relative to the prefix; what is missing on the way is made.
 *
 *	dir PATH MODE
 *	text PATH MODE CONTENT		a file that holds the word
 *	fill PATH MODE SIZE SEED	a file of SIZE bytes made from SEED
 *	link PATH TARGET		a symlink
 *	hard PATH EXISTING		a second name
 *	many PATH COUNT			COUNT empty files n0... in the directory
 *	import PATH HOSTDIR		a copy of a host directory
 *	mtime PATH NS			without following a last symlink
 *	mode PATH MODE
 *	value KEY VALUE
 *	rm PATH				as rm -r
 *	mv PATH NEWPATH
 *	publish				commits what there is so far and goes on
 *
 * At the end it commits. Prints the number of each generation.
 */
#include "index/publish.h"
#include "index/tree_path.h"
#include "index/writer.h"
#include "lib/file.h"
#include "lib/path.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define WORDS 5

struct maker {
	struct bfs_store *store;
	const char *ref;
	struct bfs_publication *publication;
	struct bfs_tree *tree;
	struct bfs_writer *writer;
	struct bfs_error error;
	size_t line;
};

static int begin(struct maker *maker)
{
	int r = bfs_publication_begin(maker->store, maker->ref, &maker->publication, &maker->error);

	if (r < 0)
		return r;
	maker->tree = bfs_publication_tree(maker->publication);
	r = bfs_tree_begin(maker->tree);
	if (r < 0)
		return r;
	return bfs_writer_new(maker->store, NULL, &maker->writer, &maker->error);
}

static int commit(struct maker *maker)
{
	struct bfs_generation generation;
	int r = bfs_writer_commit(maker->writer, &maker->tree, 1, &maker->error);

	if (r == 0)
		r = bfs_tree_commit(maker->tree);
	if (r == 0)
		r = bfs_publication_commit(
			maker->publication, "mktree", &generation, &maker->error);
	if (r < 0)
		return r;
	bfs_writer_free(bfs_steal(&maker->writer));
	bfs_publication_end(bfs_steal(&maker->publication));
	printf("%" PRIu64 "\n", generation.number);
	fflush(stdout);
	return 0;
}

static int make_parent(struct maker *maker, const char *path)
{
	_cleanup_free_ char *parent = bfs_path_parent(path);
	struct bfs_attributes attributes;

	return parent ? bfs_tree_make_directories(maker->tree, parent, &attributes) : -ENOMEM;
}

static int put(struct maker *maker, const char *path, mode_t mode, const void *data, size_t length,
	int64_t mtime)
{
	struct bfs_content content = {0};
	int r = make_parent(maker, path);

	if (r == 0)
		r = bfs_writer_add(maker->writer, data, length, mode, &content, &maker->error);
	return r < 0 ? r : bfs_tree_write_path(maker->tree, path, mode, mtime, &content);
}

static int do_dir(struct maker *maker, char **words)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_make_directories(maker->tree, words[1], &attributes);

	return r < 0 ? r
		     : bfs_tree_set_mode(
			       maker->tree, attributes.ino, (mode_t)strtoul(words[2], NULL, 8));
}

static int do_text(struct maker *maker, char **words)
{
	return put(maker, words[1], (mode_t)strtoul(words[2], NULL, 8), words[3], strlen(words[3]),
		INT64_C(1700000000123456789));
}

/* Any reader can make the same bytes: 8-byte words of a linear congruential generator. */
static int do_fill(struct maker *maker, char **words)
{
	size_t size = strtoull(words[3], NULL, 10);
	uint64_t value = strtoull(words[4], NULL, 10);
	_cleanup_free_ char *data = malloc(size + 8);

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < size; i += 8) {
		value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		memcpy(data + i, &value, 8);
	}
	return put(maker, words[1], (mode_t)strtoul(words[2], NULL, 8), data, size,
		INT64_C(1700000000123456789));
}

static int do_link(struct maker *maker, char **words)
{
	int r = make_parent(maker, words[1]);

	if (r == 0)
		r = bfs_tree_remove_path(maker->tree, words[1]);
	return r < 0 ? r : bfs_tree_symlink_path(maker->tree, words[2], words[1]);
}

static int do_hard(struct maker *maker, char **words)
{
	_cleanup_free_ char *parent = bfs_path_parent(words[1]);
	const char *base = bfs_path_base(words[1]);
	struct bfs_attributes directory, existing;
	int r = parent ? bfs_tree_make_directories(maker->tree, parent, &directory) : -ENOMEM;

	if (r == 0)
		r = bfs_tree_lstat_path(maker->tree, words[2], &existing);
	return r < 0 ? r
		     : bfs_tree_link(maker->tree, existing.ino, directory.ino, base, strlen(base));
}

static int do_many(struct maker *maker, char **words)
{
	const struct bfs_content empty = {0};
	struct bfs_attributes directory;
	unsigned long count = strtoul(words[2], NULL, 10);
	int r = bfs_tree_make_directories(maker->tree, words[1], &directory);

	for (unsigned long i = 0; r == 0 && i < count; i++) {
		char name[32];
		uint64_t ino;

		snprintf(name, sizeof(name), "n%lu", i);
		r = bfs_tree_make_file(
			maker->tree, directory.ino, name, strlen(name), 0644, 0, &empty, &ino);
	}
	return r;
}

static int import_entry(struct maker *maker, const char *path, const char *host);

static int import_directory(struct maker *maker, const char *path, const char *host)
{
	_cleanup_closedir_ DIR *dir = opendir(host);
	struct bfs_attributes attributes;
	struct dirent *entry;
	int r = dir ? bfs_tree_make_directories(maker->tree, path, &attributes) : -errno;

	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *to = bfs_path_join(path, entry->d_name);
		_cleanup_free_ char *from = bfs_format("%s/%s", host, entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = to && from ? import_entry(maker, to, from) : -ENOMEM;
	}
	return r;
}

static int import_entry(struct maker *maker, const char *path, const char *host)
{
	_cleanup_buffer_ struct bfs_buffer data = BFS_BUFFER_INIT;
	struct stat st;
	int64_t mtime;
	int r;

	if (lstat(host, &st) < 0)
		return -errno;
	mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
	if (S_ISDIR(st.st_mode))
		return import_directory(maker, path, host);
	if (S_ISLNK(st.st_mode)) {
		char target[BFS_TARGET_MAX + 1];
		ssize_t n = readlink(host, target, sizeof(target) - 1);

		if (n < 0)
			return -errno;
		target[n] = '\0';
		return bfs_tree_symlink_path(maker->tree, target, path);
	}
	if (!S_ISREG(st.st_mode))
		return 0;
	r = bfs_read_file(AT_FDCWD, host, SIZE_MAX / 2, &data);
	return r < 0 ? r
		     : put(maker, path, st.st_mode & 07777, data.data ? data.data : "", data.length,
			       mtime);
}

static int do_import(struct maker *maker, char **words)
{
	return import_directory(maker, words[1], words[2]);
}

static int do_mtime(struct maker *maker, char **words)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(maker->tree, words[1], &attributes);

	return r < 0 ? r
		     : bfs_tree_set_mtime(maker->tree, attributes.ino, strtoll(words[2], NULL, 10));
}

static int do_mode(struct maker *maker, char **words)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lstat_path(maker->tree, words[1], &attributes);

	return r < 0 ? r
		     : bfs_tree_set_mode(
			       maker->tree, attributes.ino, (mode_t)strtoul(words[2], NULL, 8));
}

static int do_value(struct maker *maker, char **words)
{
	return bfs_tree_set_value(maker->tree, words[1], words[2]);
}

static int do_rm(struct maker *maker, char **words)
{
	return bfs_tree_remove_path(maker->tree, words[1]);
}

static int do_mv(struct maker *maker, char **words)
{
	int r = make_parent(maker, words[2]);

	return r < 0 ? r : bfs_tree_rename_path(maker->tree, words[1], words[2]);
}

static int do_publish(struct maker *maker, char **words)
{
	int r = commit(maker);

	(void)words;
	return r < 0 ? r : begin(maker);
}

static const struct {
	const char *name;
	int words;
	int (*run)(struct maker *maker, char **words);
} commands[] = {
	{"dir", 3, do_dir},
	{"text", 4, do_text},
	{"fill", 5, do_fill},
	{"link", 3, do_link},
	{"hard", 3, do_hard},
	{"many", 3, do_many},
	{"import", 3, do_import},
	{"mtime", 3, do_mtime},
	{"mode", 3, do_mode},
	{"value", 3, do_value},
	{"rm", 2, do_rm},
	{"mv", 3, do_mv},
	{"publish", 1, do_publish},
};

static void unescape(char *word)
{
	char *to = word;
	unsigned byte;

	while (*word) {
		if (word[0] == '\\' && word[1] == 'x' && sscanf(word + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			word += 4;
		} else {
			*to++ = *word++;
		}
	}
	*to = '\0';
}

static int run_line(struct maker *maker, char *line)
{
	char *words[WORDS] = {NULL};
	int count = 0;

	line[strcspn(line, "\n")] = '\0';
	while (count < WORDS && (words[count] = strsep(&line, " ")))
		unescape(words[count++]);
	if (count == 0 || !*words[0])
		return 0;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(commands); i++)
		if (strcmp(commands[i].name, words[0]) == 0 && commands[i].words == count)
			return commands[i].run(maker, words);
	return bfs_error_set(&maker->error, -EINVAL, "reading the script", words[0],
		"no such command, or another number of words");
}

static int run_script(struct maker *maker)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = begin(maker);

	while (r == 0 && getline(&line, &size, stdin) > 0) {
		maker->line++;
		r = run_line(maker, line);
	}
	return r < 0 ? r : commit(maker);
}

int main(int argc, char **argv)
{
	struct maker maker = {.error = BFS_ERROR_INIT};
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: mktree STORE REF < SCRIPT\n");
		return 2;
	}
	maker.ref = argv[2];
	r = bfs_store_create(argv[1], &maker.store, &maker.error);
	if (r == 0)
		r = run_script(&maker);
	bfs_writer_free(maker.writer);
	bfs_publication_end(maker.publication);
	bfs_store_close(maker.store);
	if (r < 0) {
		fprintf(stderr, "line %zu\n", maker.line);
		return bfs_error_report(&maker.error, r);
	}
	return 0;
}
