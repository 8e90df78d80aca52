/* Stores, writers, packs, contents: what is written comes back, and nothing is seen before its
 * time. */
#include "index/known.h"
#include "index/pack.h"
#include "index/put.h"
#include "lib/json.h"
#include "tests/index/store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		ok(false, "%s can be written", path);
}

static int open_error(const char *path, struct bfs_error *error)
{
	struct bfs_store *store = NULL;
	int r = bfs_store_open(path, &store, error);

	bfs_store_close(store);
	return r;
}

static int create_error(const char *path, struct bfs_error *error)
{
	struct bfs_store *store = NULL;
	int r = bfs_store_create(path, &store, error);

	bfs_store_close(store);
	return r;
}

static void test_create(void)
{
	_cleanup_store_ struct bfs_store *store = NULL, *again = NULL;
	_cleanup_free_ char *path = strdup(fixture_path("deep/er/store"));

	is_int(open_error(path, NULL), -ENOENT, "there is no store before it is made");
	is_int(bfs_store_create(path, &store, NULL), 0, "one is made, with its parent directories");
	is_int(bfs_store_create(path, &again, NULL), 0, "making it again opens it");
	is_str(bfs_store_uuid(again), bfs_store_uuid(store), "it keeps its uuid");
	is_int(strlen(bfs_store_uuid(store)), 36, "which has 36 characters");
	is_str(bfs_store_prefix(store), "/home/linuxbrew/.linuxbrew", "its prefix is Homebrew's");
	is_int(fixture_count(path), 9, "eight directories and store.json, nothing else");
	is_int(fixture_count(fixture_path("deep/er/store/objects")), 0, "objects/ is empty");
}

/* Several processes make one store at once: all must agree on its uuid. */
static void test_create_race(void)
{
	char uuids[8][37] = {{0}};
	int pipes[2], same = 0;

	if (pipe(pipes) < 0)
		return;
	for (int i = 0; i < 8; i++) {
		if (fork() == 0) {
			struct bfs_store *store;

			if (bfs_store_create(fixture_path("race"), &store, NULL) < 0 ||
				write(pipes[1], bfs_store_uuid(store), 37) != 37)
				_exit(1);
			_exit(0);
		}
	}
	close(pipes[1]);
	for (int i = 0; i < 8; i++)
		if (read(pipes[0], uuids[i], 37) == 37)
			same += strcmp(uuids[i], uuids[0]) == 0;
	close(pipes[0]);
	while (wait(NULL) > 0)
		;
	is_int(same, 8, "eight processes that make a store at once agree on its uuid");
}

static void test_foreign(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *path = strdup(fixture_path("foreign"));

	mkdir(path, 0755);
	write_text(fixture_path("foreign/letter.txt"), "dear");
	is_int(open_error(path, &error), -ENOENT, "a directory with something else is no store");
	ok(strstr(bfs_error_message(&error, 0), "store.json is missing") != NULL,
		"and it says why");
	bfs_error_clear(&error);
	is_int(create_error(path, &error), -ENOTEMPTY, "and is not made one");
	ok(strstr(bfs_error_message(&error, 0), "not empty") != NULL, "with the reason");
	is_int(fixture_count(path), 1, "nothing was put into it");
	mkdir(fixture_path("lost"), 0755);
	mkdir(fixture_path("lost/lost+found"), 0700);
	is_int(create_error(fixture_path("lost"), NULL), 0, "an empty file system is made one");
	write_text(fixture_path("file"), "x");
	is_int(create_error(fixture_path("file"), NULL), -ENOTDIR, "a file is not");
}

static void test_formats(void)
{
	static const struct {
		const char *text;
		int code;
		const char *message;
	} cases[] = {
		{"{\"format\": 3, \"uuid\": \"x\"}", -EPROTONOSUPPORT, "a newer brewfs is needed"},
		{"{\"format\": 99999999999}", -EPROTONOSUPPORT, "format 99999999999"},
		{"{\"format\": 0}", -EBADMSG, "no format number"},
		{"{\"format\": \"1\"}", -EBADMSG, "no format number"},
		{"{}", -EBADMSG, "no format number"},
		{"[1]", -EBADMSG, "no format number"},
		{"{\"format\": 1, \"uuid\": \"short\", \"prefix\": \"/p\"}", -EBADMSG, "no uuid"},
		{"{\"format\": 1, \"uuid\": \"00000000-0000-0000-0000-000000000000\"}", -EBADMSG,
			"no prefix"},
		{"{\"format\": 1, \"uuid\": \"00000000-0000-0000-0000-000000000000\","
		 " \"prefix\": \"p\"}",
			-EBADMSG, "no prefix"},
		{"not json", -EBADMSG, "store.json"},
		{"", -EBADMSG, "store.json"},
	};
	_cleanup_free_ char *path = strdup(fixture_path("format"));

	is_int(create_error(path, NULL), 0, "a store to be damaged");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

		write_text(fixture_path("format/store.json"), cases[i].text);
		is_int(open_error(path, &error), cases[i].code, "store.json that is '%s'",
			cases[i].text);
		ok(strstr(bfs_error_message(&error, 0), cases[i].message) != NULL,
			"is refused with: %s", bfs_error_message(&error, 0));
		is_int(create_error(path, NULL), cases[i].code, "and is not overwritten");
	}
}

static void test_default_path(void)
{
	_cleanup_free_ char *given = NULL, *environment = NULL, *empty = NULL, *usual = NULL;

	setenv("BREWFS_STORE", "/from/environment", 1);
	bfs_store_default_path("/given", &given);
	bfs_store_default_path(NULL, &environment);
	bfs_store_default_path("", &empty);
	unsetenv("BREWFS_STORE");
	setenv("XDG_DATA_HOME", "/xdg", 1);
	bfs_store_default_path(NULL, &usual);
	is_str(given, "/given", "a store that is given counts");
	is_str(environment, "/from/environment", "else $BREWFS_STORE");
	is_str(empty, "/from/environment", "an empty one is none");
	is_str(usual, geteuid() == 0 ? "/var/lib/brewfs" : "/xdg/brewfs", "else the usual place");
}

/* As another user, who may not write there. */
static void test_permission(void)
{
	struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *closed = strdup(fixture_path("closed"));
	int status;

	if (geteuid() != 0) {
		ok(true, "no permission # SKIP only root can become another user");
		return;
	}
	is_int(create_error(closed, NULL), 0, "a store of root's");
	chmod(fixture_directory, 0755);
	if (fork() == 0) {
		struct bfs_publication *publication;
		struct bfs_store *store = NULL;
		int made, opened, begun;

		setenv("BREWFS_CACHE", "/tmp", 1);
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(9);
		made = create_error(fixture_path("closed/new/store"), NULL);
		opened = bfs_store_open(closed, &store, NULL);
		begun = opened == 0 ? bfs_publication_begin(store, REF, &publication, &error) : 0;
		_exit((made != -EACCES) + 2 * (opened != 0) +
			4 * (begun != -EACCES || !strstr(error.message, "locking the ref")));
	}
	wait(&status);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0,
		"another user may read it, and neither make nor change one there");
}

static int add(struct bfs_writer *writer, size_t size, uint64_t seed, mode_t mode,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *bytes = fixture_bytes(size, seed);

	return bfs_writer_add(writer, bytes, size, mode, ret_content, NULL);
}

static int count_found(const char *directory, const char *what)
{
	_cleanup_free_ char *command = bfs_format(
		"find '%s/%s' -type f %s | wc -l", fixture_directory, directory, what);
	FILE *pipe = popen(command, "r");
	int count = -1;

	if (!pipe || fscanf(pipe, "%d", &count) != 1)
		count = -1;
	if (pipe)
		pclose(pipe);
	return count;
}

static int count_objects(const char *store)
{
	_cleanup_free_ char *directory = bfs_format("%s/objects", store);

	return count_found(directory, "! -name '.*'");
}

static void test_writer(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	struct bfs_writer_counts counts;
	struct bfs_content small, same, big, executable, edge, below, empty;
	char name[BFS_STORE_NAME_SIZE];
	struct stat st;

	bfs_store_create(fixture_path("writer"), &store, NULL);
	is_int(bfs_writer_new(store, NULL, &writer, NULL), 0, "a writer");
	is_int(add(writer, 1000, 1, 0644, &small), 0, "adds a small content");
	is_int(add(writer, 1000, 1, 0755, &same), 0, "and the same for an executable file");
	is_int(add(writer, 100000, 2, 0644, &big), 0, "a big one");
	is_int(add(writer, 100000, 2, 0755, &executable), 0, "and the same as executable");
	is_int(add(writer, 100000, 2, 0711, &executable), 0, "twice");
	is_int(add(writer, 65536, 3, 0644, &edge), 0, "one of exactly 64 KiB");
	is_int(add(writer, 65535, 3, 0644, &below), 0, "and of a byte less");
	is_int(bfs_writer_add(writer, "", 0, 0644, &empty, NULL), 0, "and the empty one");
	ok(small.packed && same.packed && below.packed, "small contents are packed");
	ok(!big.packed && !executable.packed && !edge.packed, "big ones are objects");
	ok(bfs_digest_equal(&small.pack, &same.pack) && small.offset == same.offset,
		"equal small contents lie in one place");
	ok(!big.executable && executable.executable, "executable objects are another file");
	ok(empty.size == 0 && !empty.packed, "the empty content has no place");
	is_int(count_objects("writer"), 0, "no object is seen before the commit");
	is_int(fixture_count(fixture_path("writer/packs")), 0, "and no pack");
	is_int(fixture_count(fixture_path("writer/staging")), 1, "all is under one staging directory's name");
	is_int(bfs_writer_commit(writer, NULL, 0, NULL), 0, "commit");
	is_int(count_objects("writer"), 3, "makes three objects");
	is_int(fixture_count(fixture_path("writer/packs")), 1, "and a pack");
	bfs_writer_get_counts(writer, &counts);
	is_int(counts.added, 8, "eight were added");
	is_int(counts.reused, 3, "three of them were there or need no place");
	fstatat(bfs_store_fd(store), bfs_store_object_name(&executable, name), &st, 0);
	is_int(st.st_mode & 07777, 0555, "an executable object has mode 0555");
	is_str(name + strlen(name) - 2, ".x", "and a name that ends in .x");
	fstatat(bfs_store_fd(store), bfs_store_object_name(&big, name), &st, 0);
	is_int(st.st_mode & 07777, 0444, "any other 0444");
	is_int(add(writer, 1000, 1, 0644, &same), 0, "the writer can be used on");
	bfs_writer_get_counts(writer, &counts);
	is_int(counts.reused, 4, "and knows what it wrote");
	bfs_writer_free(bfs_steal(&writer));
	is_int(fixture_count(fixture_path("writer/staging")), 0, "nothing is left in staging");
}

static void test_writer_freed(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	struct bfs_writer *writer = NULL;
	struct bfs_content content;
	int fd;
	char *name;

	bfs_store_create(fixture_path("freed"), &store, NULL);
	bfs_writer_new(store, NULL, &writer, NULL);
	add(writer, 1000, 1, 0644, &content);
	add(writer, 100000, 2, 0644, &content);
	is_int(bfs_writer_stage(writer, &fd, &name, NULL), 0, "a writer with all kinds of files");
	close(fd);
	free(name);
	bfs_writer_free(writer);
	is_int(fixture_count(fixture_path("freed/staging")), 0, "leaves nothing when it is freed");
	is_int(count_found("freed", "! -name store.json ! -name .gc"), 0, "neither there nor elsewhere");
}

static int stage(struct bfs_writer *writer, size_t size, uint64_t seed, mode_t mode,
	struct bfs_content *ret_content)
{
	_cleanup_free_ char *bytes = fixture_bytes(size, seed), *name = NULL;
	int fd, r = bfs_writer_stage(writer, &fd, &name, NULL);

	if (r == 0)
		r = bfs_write_all(fd, bytes, size);
	return r < 0 ? r : bfs_writer_add_staged(writer, fd, name, mode, ret_content, NULL);
}

static void test_staged(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	struct bfs_content big, small, again;

	bfs_store_create(fixture_path("staged"), &store, NULL);
	bfs_writer_new(store, NULL, &writer, NULL);
	is_int(stage(writer, 300000, 1, 0755, &big), 0, "a staged file that is big");
	ok(!big.packed && big.executable && big.size == 300000, "becomes an object");
	is_int(stage(writer, 10, 2, 0644, &small), 0, "one that turned out small");
	ok(small.packed && small.size == 10, "goes into a pack");
	is_int(stage(writer, 300000, 1, 0755, &again), 0, "a staged file that is known");
	ok(bfs_digest_equal(&big.digest, &again.digest), "has the same digest");
	is_int(stage(writer, 0, 2, 0644, &small), 0, "an empty one");
	is_int(small.size, 0, "is empty");
	is_int(bfs_writer_commit(writer, NULL, 0, NULL), 0, "commit");
	is_int(count_objects("staged"), 1, "makes one object");
}

/* Contents for more than one pack, read back. */
static void test_packs(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_content_reader_ struct bfs_content_reader *reader = NULL;
	struct bfs_content content;
	int wrong = 0;

	bfs_store_create(fixture_path("packs"), &store, NULL);
	bfs_writer_new(store, NULL, &writer, NULL);
	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	for (int i = 0; i < 320; i++) {
		char name[16];
		int length = snprintf(name, sizeof(name), "%d", i);

		wrong += add(writer, 60000, (uint64_t)i, 0644, &content) != 0 ||
			 bfs_tree_make_file(tree, 1, name, (size_t)length, 0644, 0, &content, NULL);
	}
	is_int(wrong, 0, "320 contents of 60 KB are added");
	is_int(bfs_writer_commit(writer, &tree, 1, NULL), 0, "and committed");
	is_int(fixture_count(fixture_path("packs/packs")), 2, "in two packs");
	bfs_content_reader_new(store, &reader);
	for (uint64_t i = 0; i < 320; i++) {
		_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
		_cleanup_free_ char *expected = fixture_bytes(60000, i);

		wrong += bfs_tree_content(tree, i + 2, &content) != 0 ||
			 bfs_content_load(reader, &content, 60000, &buffer, NULL) != 0 ||
			 buffer.length != 60000 || memcmp(buffer.data, expected, 60000) != 0;
	}
	is_int(wrong, 0, "all of them are read back under the packs' final names");
}

/* What a published tree has is not written again. */
static void test_base(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *first = NULL, *second = NULL;
	_cleanup_tree_ struct bfs_tree *base = NULL;
	struct bfs_writer_counts counts;
	struct bfs_content content, again;

	bfs_store_create(fixture_path("base"), &store, NULL);
	bfs_tree_open(NULL, BFS_TREE_NEW, &base, NULL);
	bfs_writer_new(store, NULL, &first, NULL);
	fixture_write(first, base, "a", 0644, "content", 7, &content);
	add(first, 100000, 1, 0644, &content);
	bfs_writer_commit(first, &base, 1, NULL);
	bfs_writer_new(store, base, &second, NULL);
	bfs_writer_add(second, "content", 7, 0755, &again, NULL);
	add(second, 100000, 1, 0644, &content);
	bfs_writer_get_counts(second, &counts);
	is_int(counts.reused, 1, "a content of the base is known");
	is_int(bfs_writer_commit(second, NULL, 0, NULL), 0,
		"an object that lies in the store already");
	is_int(count_objects("base"), 1, "is not written twice");
	is_int(fixture_count(fixture_path("base/packs")), 1, "no new pack");
}

static void test_killed_writer(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *alive = NULL;
	struct bfs_content content;
	int status;

	bfs_store_create(fixture_path("killed"), &store, NULL);
	if (fork() == 0) {
		struct bfs_writer *writer;

		if (bfs_writer_new(store, NULL, &writer, NULL) < 0 ||
			add(writer, 100000, 1, 0644, &content) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	wait(&status);
	ok(WIFSIGNALED(status), "a writer is killed");
	bfs_writer_new(store, NULL, &alive, NULL);
	is_int(fixture_count(fixture_path("killed/staging")), 2, "what it staged is there");
	is_int(bfs_put_clean_staging(store), 0, "staging is cleaned");
	is_int(fixture_count(fixture_path("killed/staging")), 1, "what a living writer has stays");
	is_int(add(alive, 100000, 1, 0644, &content), 0, "which goes on");
	is_int(bfs_writer_commit(alive, NULL, 0, NULL), 0, "and commits");
}

static void test_put(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	bfs_store_create(fixture_path("put"), &store, NULL);
	write_text(fixture_path("local"), "12345");
	fd = open(fixture_path("local"), O_RDONLY | O_CLOEXEC);
	is_int(bfs_put_file(store, fd, 5, "packs/x", NULL), 0, "a file is put into the store");
	stat(fixture_path("put/packs/x"), &st);
	is_int(st.st_mode & 07777, 0444, "read-only");
	is_int(bfs_put_file(store, fd, 5, "packs/x", NULL), 0, "putting it again is success");
	chmod(fixture_path("put/packs/x"), 0644);
	write_text(fixture_path("put/packs/x"), "12");
	is_int(bfs_put_file(store, fd, 5, "packs/x", NULL), 0, "one that is truncated");
	ok(bfs_put_exists(store, "packs/x", 5), "is replaced");
	ok(!bfs_put_exists(store, "packs/x", 4), "a size tells a damaged file");
	ok(!bfs_put_exists(store, "packs", 0), "a directory is no file");
	is_int(fixture_count(fixture_path("put/staging")), 0, "nothing is left in staging");
}

static void test_reader(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_content_reader_ struct bfs_content_reader *reader = NULL;
	_cleanup_free_ char *bytes = fixture_bytes(100000, 7);
	_cleanup_buffer_ struct bfs_buffer buffer = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_content content, missing;
	char block[100], name[BFS_STORE_NAME_SIZE];
	int fd;

	bfs_store_create(fixture_path("reader"), &store, NULL);
	bfs_writer_new(store, NULL, &writer, NULL);
	bfs_writer_add(writer, bytes, 100000, 0644, &content, NULL);
	bfs_writer_commit(writer, NULL, 0, NULL);
	bfs_content_reader_new(store, &reader);
	is_int(bfs_content_read(reader, &content, block, 100, 99950), 50, "a read ends at the end");
	ok(memcmp(block, bytes + 99950, 50) == 0, "with the right bytes");
	is_int(bfs_content_read(reader, &content, block, 100, 100000), 0,
		"there is nothing behind");
	is_int(bfs_content_read(reader, &content, block, 100, UINT64_MAX), 0, "and far behind");
	is_int(bfs_content_load(reader, &content, 99999, &buffer, NULL), -EFBIG, "a limit holds");
	is_int(bfs_content_load(reader, &content, 100000, &buffer, NULL), 0, "a whole content");
	ok(buffer.length == 100000 && memcmp(buffer.data, bytes, 100000) == 0,
		"is what was put in");
	bfs_store_object_name(&content, name);
	fchmodat(bfs_store_fd(store), name, 0644, 0);
	fd = openat(bfs_store_fd(store), name, O_WRONLY | O_CLOEXEC);
	bfs_pwrite_all(fd, "X", 1, 50000);
	bfs_buffer_clear(&buffer);
	is_int(bfs_content_load(reader, &content, 100000, &buffer, &error), -EBADMSG,
		"a flipped byte is detected");
	ok(strstr(bfs_error_message(&error, 0), "the store is damaged") != NULL, "and said");
	is_int(buffer.length, 0, "and nothing is handed out");
	if (ftruncate(fd, 10) < 0)
		ok(false, "the object can be truncated");
	close(fd);
	is_int(bfs_content_read(reader, &content, block, 100, 50), -EIO,
		"a short file is an error");
	missing = content;
	missing.digest.bytes[0] ^= 1;
	is_int(bfs_content_read(reader, &missing, block, 100, 0), -ENOENT, "so is a missing one");
}

/* More files than the process may have open. */
static void test_open_files(void)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_content_reader_ struct bfs_content_reader *reader = NULL;
	struct bfs_content contents[300];
	struct rlimit limit = {40, 40}, before;
	int wrong = 0, fd;
	uint64_t offset;
	void *handle;
	char block[100];

	bfs_store_create(fixture_path("open"), &store, NULL);
	bfs_writer_new(store, NULL, &writer, NULL);
	for (int i = 0; i < 300; i++)
		wrong += add(writer, 65536, (uint64_t)i, 0644, &contents[i]) != 0;
	wrong += bfs_writer_commit(writer, NULL, 0, NULL) != 0;
	is_int(wrong, 0, "300 objects");
	bfs_content_reader_new(store, &reader);
	is_int(bfs_content_open(reader, &contents[0], 0, 100, &fd, &offset, &handle), 0,
		"one stays in use");
	for (int i = 0; i < 300; i++)
		wrong += bfs_content_read(reader, &contents[i], block, 100, 0) != 100;
	is_int(wrong, 0, "all are read, though at most 128 stay open");
	ok(pread(fd, block, 1, (off_t)offset) == 1, "the one in use is still open");
	bfs_content_close(reader, handle);
	bfs_content_reader_free(bfs_steal(&reader));
	getrlimit(RLIMIT_NOFILE, &before);
	limit.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	bfs_content_reader_new(store, &reader);
	for (int i = 0; i < 300; i++)
		wrong += bfs_content_read(reader, &contents[i], block, 100, 0) != 100;
	is_int(wrong, 0, "and where not even 40 files may be open");
	setrlimit(RLIMIT_NOFILE, &before);
}

static int footer_code(const void *data, size_t length)
{
	_cleanup_close_ int fd =
		open(fixture_path("footer"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct bfs_pack_entry *entries = NULL;
	size_t count = 0;
	int r;

	if (fd < 0 || bfs_write_all(fd, data, length) < 0)
		return -EIO;
	r = bfs_pack_read_footer(fd, length, &entries, &count);
	free(entries);
	return r;
}

/* Makes a pack of one content of three bytes in `buffer`: 16 + 3 + 48 + 24 bytes. */
static size_t make_pack(char *buffer)
{
	struct bfs_pack_writer *writer = NULL;
	struct bfs_digest digest, name;
	uint64_t offset = 0, size = 0;
	int fd = open(fixture_path("pack"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct bfs_buffer file = BFS_BUFFER_INIT;

	bfs_digest_of("abc", 3, &digest);
	if (bfs_pack_writer_new(fd, &writer) < 0 ||
		bfs_pack_writer_add(writer, "abc", 3, &digest, &offset) < 0 ||
		bfs_pack_writer_finish(writer, &name, &size) < 0 ||
		bfs_read_file(AT_FDCWD, fixture_path("pack"), 1000, &file) < 0)
		ok(false, "a pack can be made");
	bfs_pack_writer_free(writer);
	is_int(offset, 16, "the first content of a pack lies behind its header");
	is_int(size, file.length, "a pack's size is told");
	bfs_digest_of(file.data, file.length, &digest);
	ok(bfs_digest_equal(&digest, &name), "a pack is named by its digest");
	memcpy(buffer, file.data, file.length);
	bfs_buffer_release(&file);
	return size;
}

static void test_footers(void)
{
	static const struct {
		size_t offset;
		const char bytes[9];
		const char *what;
	} cases[] = {
		{90, "X", "another magic"},
		{67, "\2\0\0\0\0\0\0\0", "too many contents"},
		{67, "\0\0\0\0\0\0\0\0", "too few"},
		{67, "\xff\xff\xff\xff\xff\xff\xff\xff", "a number of contents that overflows"},
		{67, "\x56\x55\x55\x55\x55\x55\x55\x05", "one whose size wraps around"},
		{75, "\0\0\0\0\0\0\0\0", "a footer in the header"},
		{75, "\xff\xff\xff\xff\xff\xff\xff\xff", "a footer behind the end"},
		{51, "\0\0\0\0\0\0\0\0", "a content in the header"},
		{51, "\x12\0\0\0\0\0\0\0", "a content that reaches into the footer"},
		{51, "\xff\xff\xff\xff\xff\xff\xff\xff", "a content far behind the end"},
		{59, "\0\0\0\0\0\0\0\0", "an empty content"},
		{59, "\xff\xff\xff\xff\xff\xff\xff\xff", "a content that is endless"},
	};
	char pack[200], damaged[200];
	size_t size = make_pack(pack);

	is_int(size, 91, "16 bytes, the content, 48 and 24 bytes");
	is_int(footer_code(pack, size), 0, "its footer is read");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		memcpy(damaged, pack, size);
		memcpy(damaged + cases[i].offset, cases[i].bytes, cases[i].offset == 90 ? 1 : 8);
		is_int(footer_code(damaged, size), -EBADMSG, "%s is refused", cases[i].what);
	}
	for (size_t length = 0; length < size; length++)
		if (footer_code(pack, length) != -EBADMSG)
			ok(false, "a pack cut to %zu bytes is refused", length);
	ok(true, "a pack cut to any length is refused");
}

static void test_known(void)
{
	struct bfs_known known = {0};
	int wrong = 0;

	for (unsigned i = 0; i < 50000; i++) {
		struct bfs_content content = {.size = i + 1, .packed = i % 2};

		bfs_digest_of(&i, sizeof(i), &content.digest);
		wrong += bfs_known_add(&known, &content) != 0;
	}
	for (unsigned i = 0; i < 50000; i++) {
		struct bfs_digest digest;
		const struct bfs_content *found;

		bfs_digest_of(&i, sizeof(i), &digest);
		found = bfs_known_find(&known, &digest, false);
		wrong += !found || found->size != i + 1;
		wrong += (bfs_known_find(&known, &digest, true) != NULL) != (i % 2);
	}
	is_int(wrong, 0,
		"50,000 contents are found again, packed ones for executable files as well");
	bfs_known_release(&known);
}

int main(void)
{
	fixture_begin();
	test_create();
	test_create_race();
	test_foreign();
	test_formats();
	test_default_path();
	test_permission();
	test_writer();
	test_writer_freed();
	test_staged();
	test_packs();
	test_base();
	test_killed_writer();
	test_put();
	test_reader();
	test_open_files();
	test_footers();
	test_known();
	fixture_end();
	return done();
}
