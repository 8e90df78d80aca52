/* Generations: published whole or not at all, one after the other, whoever dies and whatever is
 * full. */
#include "index/check_store.h"
#include "index/keg.h"
#include "index/snapshot.h"
#include "tests/index/store_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

static struct bfs_store *make_store(const char *name)
{
	struct bfs_store *store = NULL;

	if (bfs_store_create(fixture_path("%s", name), &store, NULL) < 0) {
		printf("Bail out! no store can be made\n");
		exit(1);
	}
	return store;
}

/* Publishes a generation with one more file, of `size` bytes. */
static int publish(struct bfs_store *store, const char *ref, const char *path, size_t size,
	uint64_t seed, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_free_ char *bytes = fixture_bytes(size, seed);
	struct bfs_tree *tree;
	struct bfs_content content;
	int r = bfs_publication_begin(store, ref, &publication, error);

	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, error);
	if (r < 0)
		return r;
	tree = bfs_publication_tree(publication);
	r = bfs_writer_add(writer, bytes, size, 0644, &content, error);
	if (r == 0)
		r = bfs_tree_write_path(tree, path, 0644, 0, &content);
	if (r == 0)
		r = bfs_writer_commit(writer, &tree, 1, error);
	return r == 0 ? bfs_publication_commit(publication, path, NULL, error) : r;
}

static uint64_t current_number(struct bfs_store *store, const char *ref)
{
	struct bfs_generation generation;

	return bfs_ref_read(store, ref, &generation, NULL) == 0 ? generation.number : 0;
}

/* Whether the path is in the current generation. */
static bool has_path(struct bfs_store *store, const char *ref, const char *path)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes attributes;

	return bfs_snapshot_open(store, ref, NULL, &tree, NULL) == 0 &&
	       bfs_tree_lstat_path(tree, path, &attributes) == 0;
}

static uint64_t count_problems(struct bfs_store *store)
{
	_cleanup_check_ struct bfs_check *check = NULL;
	struct bfs_check_store store_check = {.store = store};
	uint64_t problems = UINT64_MAX;

	if (bfs_check_new(&check) == 0) {
		store_check.check = check;
		if (bfs_check_store(&store_check, NULL) == 0)
			problems = bfs_check_problems(check);
		for (const struct bfs_finding *f = bfs_check_findings(check); f; f = f->next)
			printf("# %s %s: %s\n", f->what, f->path, f->detail);
	}
	return problems;
}

static void test_log(struct bfs_store *store)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_generation current;
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;

	is_int(bfs_snapshot_open(store, REF, &current, &tree, NULL), 0, "the generation opens");
	is_int(bfs_publication_log(tree, &current, &entries, &count, NULL), 0, "its log is read");
	is_int(count, 2, "two generations");
	if (count == 2) {
		is_int(entries[0].generation.number, 2, "the newest first");
		ok(bfs_digest_equal(&entries[0].generation.index, &current.index),
			"is the current");
		is_str(entries[1].message, "first", "each has its message");
		ok(entries[1].generation.size > 0, "an old one has the size of its index");
		ok(llabs(entries[1].time - time(NULL)) < 60, "and its time");
		ok(*entries[1].host != '\0', "and its host");
	}
	bfs_log_entries_free(entries, count);
}

static void test_generations(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("generations");
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_generation generation;

	is_int(bfs_ref_read(store, REF, &generation, &error), -ENOENT, "no generation at first");
	ok(strstr(bfs_error_message(&error, 0), "nothing was installed there yet") != NULL,
		"and it is said");
	is_int(publish(store, REF, "first", 100, 1, NULL), 0, "the first one is published");
	is_int(current_number(store, REF), 1, "it has number 1");
	is_int(publish(store, REF, "second", 100, 2, NULL), 0, "a second one");
	is_int(current_number(store, REF), 2, "has number 2");
	ok(has_path(store, REF, "first") && has_path(store, REF, "second"),
		"it goes on from the first");
	is_int(fixture_count(fixture_path("generations/indexes")), 2, "both indexes are kept");
	test_log(store);
	is_int(publish(store, "other", "third", 100, 3, NULL), 0, "another ref");
	is_int(current_number(store, "other"), 1, "counts for itself");
	ok(!has_path(store, REF, "third"), "and is another prefix");
	is_int(bfs_publication_begin(store, REF, &publication, NULL), 0, "a publication begins");
	is_int(bfs_publication_base(publication)->number, 2, "with the current generation");
	is_int(bfs_tree_remove_path(bfs_publication_tree(publication), "first"), 0, "changes it");
	bfs_publication_end(bfs_steal(&publication));
	is_int(current_number(store, REF), 2, "and without a commit");
	ok(has_path(store, REF, "first"), "has changed nothing");
	is_int(fixture_count(fixture_path("generations/staging")), 0, "nor left anything");
	is_int(count_problems(store), 0, "the store is whole");
}

static void test_refs(void)
{
	static const char *const bad[] = {"", ".", ".hidden", "a/b", "a b", "..", "x\n",
		"12345678901234567890123456789012345678901234567890123456789012345"};
	_cleanup_store_ struct bfs_store *store = make_store("refs");
	_cleanup_free_ char **names = NULL;
	struct bfs_publication *publication = NULL;
	struct bfs_generation generation = {.number = 7, .size = 8};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(bad); i++)
		is_int(bfs_publication_begin(store, bad[i], &publication, NULL), -EINVAL,
			"'%s' is no name for a ref", bad[i]);
	ok(bfs_ref_name_is_valid("Prod-2.0_x"), "letters, digits, dot, dash and underscore are");
	is_int(bfs_ref_write(store, "b", &generation, NULL), 0, "a ref is written");
	is_int(bfs_ref_write(store, "a", &generation, NULL), 0, "and another");
	bfs_replace_file(bfs_store_fd(store), "refs/a.host.1.new", "", 0, 0644);
	is_int(bfs_ref_list(store, &names, NULL), 0, "refs are listed");
	is_str(names[0], "a", "sorted");
	is_str(names[1], "b", "all of them");
	ok(names[2] == NULL, "and not what a killed writer left");
	is_int(bfs_ref_read(store, "a", &generation, NULL), 0, "one is read");
	is_int(generation.number, 7, "as it was written");
	bfs_replace_file(bfs_store_fd(store), "refs/a", "{\"generation\": 0}", 17, 0644);
	is_int(bfs_ref_read(store, "a", &generation, NULL), -EBADMSG,
		"one that is none is refused");
}

/* Begins a publication in a child that tells by a pipe when it has the lock, and ends by SIGUSR1.
 */
static pid_t hold_lock(struct bfs_store *store, int *ret_ready)
{
	sigset_t signals;
	int ready[2], number;
	pid_t child;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	if (pipe(ready) < 0)
		exit(1);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		struct bfs_publication *publication;

		sigprocmask(SIG_BLOCK, &signals, NULL);
		/* What it says while it waits is no TAP. */
		if (!freopen("/dev/null", "w", stdout) ||
			bfs_publication_begin(store, REF, &publication, NULL) < 0 ||
			write(ready[1], "x", 1) != 1 || sigwait(&signals, &number) != 0)
			_exit(1);
		bfs_publication_end(publication);
		_exit(0);
	}
	close(ready[1]);
	*ret_ready = ready[0];
	return child;
}

static bool is_ready(int fd, int timeout_ms)
{
	struct timespec pause = {0, 10 * 1000 * 1000};
	char byte;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < timeout_ms / 10; i++) {
		if (read(fd, &byte, 1) == 1)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void test_lock(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("lock");
	_cleanup_buffer_ struct bfs_buffer holder = BFS_BUFFER_INIT;
	int ready[3], status;
	pid_t first = hold_lock(store, &ready[0]), second, third;
	char expected[32];

	ok(is_ready(ready[0], 5000), "one process has the lock");
	bfs_read_file(bfs_store_fd(store), "locks/" REF, 1000, &holder);
	snprintf(expected, sizeof(expected), "process %d", (int)first);
	ok(holder.data && strstr(holder.data, expected) != NULL, "and wrote its name into it");
	second = hold_lock(store, &ready[1]);
	ok(!is_ready(ready[1], 200), "a second one waits");
	kill(first, SIGUSR1);
	ok(is_ready(ready[1], 5000), "until the first has ended");
	waitpid(first, &status, 0);
	kill(second, SIGKILL);
	waitpid(second, &status, 0);
	third = hold_lock(store, &ready[2]);
	ok(is_ready(ready[2], 5000), "the lock of a killed process is free");
	kill(third, SIGUSR1);
	waitpid(third, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0, "and its next holder ends well");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(ready); i++)
		close(ready[i]);
}

static int count_files(const char *directory)
{
	_cleanup_free_ char *command =
		bfs_format("find '%s' -type f | wc -l", fixture_path("%s", directory));
	FILE *pipe = popen(command, "r");
	int count = -1;

	if (!pipe || fscanf(pipe, "%d", &count) != 1)
		count = -1;
	if (pipe)
		pclose(pipe);
	return count;
}

/* A child publishes as fast as it can until it is killed, at another moment each time. */
static void test_killed(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("killed");
	int wrong = 0;

	publish(store, REF, "before", 200000, 1, NULL);
	for (int round = 0; round < 12; round++) {
		struct timespec pause = {0, (3 + round * 7) * 1000 * 1000};
		uint64_t before = current_number(store, REF), after;
		pid_t child;
		int status;

		fflush(stdout);
		child = fork();
		if (child == 0)
			for (uint64_t i = 0;; i++)
				publish(store, REF, "during", 70000 + i, i + (uint64_t)round * 1000,
					NULL);
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		after = current_number(store, REF);
		wrong += after < before || !has_path(store, REF, "before");
	}
	is_int(wrong, 0, "whenever a publishing process is killed, a whole generation is current");
	is_int(publish(store, REF, "after", 100, 2, NULL), 0, "the next one can publish");
	/* An empty directory without a lock may belong to a writer that just begins. */
	is_int(count_files("killed/staging"), 0, "and has cleared up");
	is_int(count_problems(store), 0, "no object, index or count is wrong");
}

static void test_snapshot(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("snapshot");
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *path = NULL, *again = NULL, *cached = NULL;
	struct bfs_generation generation;
	char name[BFS_STORE_NAME_SIZE];
	int fd;

	publish(store, REF, "file", 100, 1, NULL);
	bfs_ref_read(store, REF, &generation, NULL);
	is_int(bfs_snapshot_fetch(store, &generation, &path, NULL), 0, "an index is fetched");
	ok(strncmp(path, fixture_path("cache"), strlen(fixture_path("cache"))) == 0,
		"into $BREWFS_CACHE");
	bfs_store_index_name(&generation.index, name);
	fchmodat(bfs_store_fd(store), name, 0644, 0);
	fd = openat(bfs_store_fd(store), name, O_WRONLY | O_CLOEXEC);
	bfs_pwrite_all(fd, "X", 1, 3000);
	close(fd);
	is_int(bfs_snapshot_fetch(store, &generation, &again, NULL), 0, "once");
	unlink(path);
	is_int(bfs_snapshot_fetch(store, &generation, &cached, &error), -EBADMSG,
		"a damaged index is refused");
	ok(strstr(bfs_error_message(&error, 0), "the store is damaged") != NULL, "and it is said");
	bfs_error_clear(&error);
	generation.size++;
	is_int(bfs_snapshot_fetch(store, &generation, &cached, &error), -EBADMSG,
		"so is one of another size");
	bfs_error_clear(&error);
	unlinkat(bfs_store_fd(store), name, 0);
	is_int(bfs_snapshot_fetch(store, &generation, &cached, &error), -ENOENT,
		"or a missing one");
	is_int(publish(store, REF, "file", 100, 2, &error), -ENOENT,
		"nothing is published on top of what cannot be read");
}

static void test_kegs(void)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_keg a = {"b", "1.0", "{}", NULL}, b = {"a", "2", "{\"x\":1}", "[]"}, found;
	struct bfs_keg *kegs = NULL;
	size_t count = 0;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	is_int(bfs_keg_get(tree, "b", "1.0", &found), -ENOENT, "a keg that is not recorded");
	is_int(bfs_keg_put(tree, &a), 0, "is recorded");
	is_int(bfs_keg_put(tree, &b), 0, "as well as another");
	is_int(bfs_keg_get(tree, "a", "2", &found), 0, "and found");
	is_str(found.record, "{\"x\":1}", "with its record");
	is_str(found.pending, "[]", "and its pending steps");
	bfs_keg_release(&found);
	b.record = "{}";
	b.pending = NULL;
	is_int(bfs_keg_put(tree, &b), 0, "a record is replaced");
	is_int(bfs_keg_list(tree, &kegs, &count), 0, "all are listed");
	is_int(count, 2, "each once");
	is_str(kegs[0].name, "a", "by name");
	ok(kegs[0].pending == NULL, "nothing is pending any more");
	bfs_kegs_free(kegs, count);
	is_int(bfs_keg_remove(tree, "a", "2"), 0, "one is removed");
	is_int(bfs_keg_get(tree, "a", "2", &found), -ENOENT, "and gone");
	is_int(bfs_keg_remove(tree, "a", "2"), 0, "removing it again is no error");
}

/* In a small file system that nobody else sees, and that goes with this process. Returns false with
 * the reason. */
static bool mount_small(const char *directory, const char **ret_reason)
{
	_cleanup_free_ char *command =
		bfs_format("cd '%s' && truncate -s 8M image &&"
			   " mkfs.ext4 -q -F -m 0 -N 512 image && mkdir small &&"
			   " mount -o loop image small",
			directory);
	_cleanup_free_ char *quiet = bfs_format("(%s) >/dev/null 2>&1", command);

	*ret_reason = "only root can mount a small file system";
	if (geteuid() != 0)
		return false;
	*ret_reason = "no mount namespace can be made";
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	*ret_reason = "no loop device with ext4 can be mounted";
	return system(quiet) == 0;
}

static int fill_disk(struct bfs_store *store, struct bfs_error *error)
{
	int r = 0;

	for (int i = 0; r == 0 && i < 100; i++) {
		char path[32];

		snprintf(path, sizeof(path), "big%d", i);
		r = publish(store, REF, path, 400000, (uint64_t)i + 100, error);
	}
	return r;
}

static void run_full_disk(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("small/store");
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	uint64_t number;

	is_int(publish(store, REF, "first", 100000, 1, NULL), 0, "a store on a small disk");
	is_int(fill_disk(store, &error), -ENOSPC, "becomes full");
	ok(strstr(bfs_error_message(&error, 0), "No space left on device") != NULL,
		"which is said: %s", bfs_error_message(&error, 0));
	number = current_number(store, REF);
	ok(number > 3 && has_path(store, REF, "first"),
		"the generation before is current and whole");
	is_int(fixture_count(fixture_path("small/store/staging")), 0, "nothing is left in staging");
	is_int(publish(store, REF, "bigger", 3000000, 2, NULL), -ENOSPC, "again");
	is_int(current_number(store, REF), number, "the same generation");
	is_int(count_problems(store), 0, "the store is whole");
}

static void test_full_disk(void)
{
	const char *reason;
	int status;
	pid_t child;

	fflush(stdout);
	child = fork(); /* the namespace, and with it the mount, ends with this child */
	if (child == 0) {
		if (!mount_small(fixture_directory, &reason))
			ok(true, "a full disk # SKIP %s", reason);
		else
			run_full_disk();
		fflush(stdout);
		_exit(tap_failures ? 100 : tap_count);
	}
	waitpid(child, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 100)
		tap_failures++;
	else
		tap_count = WEXITSTATUS(status);
}

int main(void)
{
	fixture_begin();
	test_generations();
	test_refs();
	test_lock();
	test_killed();
	test_snapshot();
	test_kegs();
	test_full_disk();
	fixture_end();
	return done();
}
