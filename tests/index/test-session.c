/* Sessions: made whole or not at all, open in one process at a time, gone without a trace. */
#include "tests/index/session_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

static struct bfs_store *store;

static int create(const char *name, struct bfs_error *error)
{
	bfs_error_clear(error);
	return bfs_session_create(store, REF, name, error);
}

static bool exists(const char *name)
{
	return access(fixture_path("sessions/%s", name), F_OK) == 0;
}

/* Entries of the directory of sessions, hidden ones too. */
static int count_entries(void)
{
	DIR *dir = opendir(fixture_path("sessions"));
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (dir)
		closedir(dir);
	return count;
}

static void test_create(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_session_info info = {0}, *infos = NULL;
	size_t count = 0;

	ok(!bfs_session_name_is_valid("") && !bfs_session_name_is_valid(".x") &&
			!bfs_session_name_is_valid("a/b") && bfs_session_name_is_valid("a-1._B"),
		"names are checked");
	is_int(create("a/b", &error), -EINVAL, "a session with an impossible name is refused");
	is_int(bfs_session_create(store, "no/ref", "x", NULL), -EINVAL, "and one with such a ref");
	is_int(create("one", &error), 0, "a session is made");
	is_int(create("one", &error), -EEXIST, "it is not made twice");
	is_int(create("two", &error), 0, "another one is");
	is_int(count_entries(), 2, "nothing else is in the directory");
	is_int(bfs_session_read_info("one", &info, NULL), 0, "it is described");
	ok(strcmp(info.name, "one") == 0 && strcmp(info.ref, REF) == 0 && info.base.number == 1 &&
			strcmp(info.store_uuid, bfs_store_uuid(store)) == 0 && info.created > 0,
		"with what it was made from");
	bfs_session_info_release(&info);
	is_int(bfs_session_read_info("none", &info, NULL), -ENOENT, "one that is not there is not");
	mkdir(fixture_path("sessions/damaged"), 0700);
	is_int(bfs_session_list(&infos, &count, NULL), 0, "they are listed");
	ok(count == 2 && strcmp(infos[0].name, "one") == 0 && strcmp(infos[1].name, "two") == 0,
		"by name, without what is damaged");
	bfs_session_infos_free(infos, count);
	rmdir(fixture_path("sessions/damaged"));
}

/* Tries to open it in another process; the negative errno, and whether the error names `holder`. */
static int open_elsewhere(const char *name, const char *holder)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct bfs_error error = BFS_ERROR_INIT;
		struct bfs_session *session;
		int r = bfs_session_open(store, name, "the other", &session, &error);

		_exit(r == -EBUSY && holder && strstr(error.message, holder) ? 200 : -r);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_open(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_store *other = NULL;
	struct bfs_session *session, *again;
	struct stat st;

	is_int(bfs_session_open(store, "none", "x", &session, NULL), -ENOENT,
		"what is not there is not opened");
	session = fixture_open(store, "one");
	ok(session, "a session is opened");
	is_int(bfs_session_open(store, "one", "x", &again, NULL), -EBUSY, "once");
	is_int(open_elsewhere("one", "the test"), 200, "in one process, which the error names");
	is_int(bfs_session_discard("one", NULL), -EBUSY, "nor is it discarded meanwhile");
	ok(access(bfs_session_base_path(session), R_OK) == 0, "its base can be read");
	is_int(find(bfs_session_worktree(session), "bin/tool", &st), 0, "it has the base's files");
	bfs_session_close(session);
	is_int(open_elsewhere("one", NULL), 0, "once closed it is opened elsewhere");
	bfs_store_create(fixture_path("other"), &other, NULL);
	is_int(bfs_session_open(other, "one", "x", &session, &error), -EINVAL,
		"with another store it is not");
	bfs_store_close(other);
}

static void test_empty(void)
{
	struct bfs_session *session;
	struct stat st;

	is_int(bfs_session_create(store, "never", "empty", NULL), 0,
		"a session of a ref that was never published");
	session = fixture_open(store, "empty");
	ok(!bfs_session_base_path(session), "has no base");
	is_int(bfs_session_info(session)->base.number, 0, "and generation 0");
	is_int(make_file(bfs_session_worktree(session), "f", 0600, &st), 0, "it can be written");
	ok(is_sound(bfs_session_worktree(session)), "and is sound");
	bfs_session_close(session);
	is_int(bfs_session_discard("empty", NULL), 0, "it is discarded");
}

static void test_create_from(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_session *session;
	struct bfs_attributes attributes;
	struct stat st;

	bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	bfs_tree_make_directories(tree, "Cellar/x", &attributes);
	bfs_tree_write_copy(tree, fixture_path("copy.sqlite"), NULL);
	is_int(bfs_session_create_from(store, REF, "from", fixture_path("copy.sqlite"), &error), 0,
		"a session from an index that was not published");
	unlink(fixture_path("copy.sqlite"));
	session = fixture_open(store, "from");
	ok(session && find(bfs_session_worktree(session), "Cellar/x", &st) == 0, "has its files");
	ok(session && bfs_session_base_path(session) && bfs_session_info(session)->base.number == 0,
		"has a base, and generation 0");
	bfs_session_close(session);
	bfs_session_discard("from", NULL);
	is_int(bfs_session_create_from(store, REF, "from", fixture_path("none"), NULL), -EACCES,
		"from what is not there none is made");
	ok(!exists("from"), "nothing of it is left");
}

static int count_node(void *context, uint64_t ino, bool local, bool orphan)
{
	(void)ino, (void)local, (void)orphan;
	++*(int *)context;
	return 0;
}

/* Of those that changed since the base was made. */
static int count_nodes(struct bfs_worktree *tree)
{
	int count = 0;

	bfs_worktree_freeze(tree);
	bfs_worktree_visit_nodes(tree, count_node, &count);
	bfs_worktree_thaw(tree);
	return count;
}

static void test_set_base(void)
{
	struct bfs_generation generation = {.number = 9, .size = 5};
	_cleanup_tree_ struct bfs_tree *base = NULL;
	struct bfs_session *session = fixture_open(store, "two");
	struct bfs_worktree *tree = bfs_session_worktree(session);
	struct bfs_attributes attributes;
	struct stat st;

	make_directory(tree, "new", 0755, &st);
	make_file(tree, "new/local", 0644, &st);
	write_at(tree, st.st_ino, "x", 1, 0);
	make_file(tree, "new/empty", 0644, &st);
	bfs_worktree_make_node(tree, &maker, 1, "fifo", 4, S_IFIFO | 0600, 0, &st);
	bfs_worktree_freeze(tree);
	is_int(bfs_session_set_base(session, &generation, NULL), 0, "the base is replaced");
	bfs_worktree_thaw(tree);
	is_int(count_nodes(tree), 1, "only local contents have changed since");
	bfs_worktree_set_attributes(tree, ino_of(tree, "opt"), BFS_SET_MODE, &st, &st);
	is_int(count_nodes(tree), 2, "and what is changed");
	is_int(bfs_session_info(session)->base.number, 9, "it has another generation");
	is_int(bfs_tree_open(bfs_session_base_path(session), BFS_TREE_READ, &base, NULL), 0,
		"it is an index as any other");
	is_int(bfs_tree_stat(base, ino_of(tree, "new/empty"), &attributes), 0,
		"what was made is in it");
	is_int(bfs_tree_stat(base, ino_of(tree, "new/local"), &attributes), -ENOENT,
		"but for local contents");
	is_int(bfs_tree_lookup(base, 1, "fifo", 4, &attributes), -ENOENT, "and fifos");
	bfs_session_close(session);
	ok(!exists("two/base.sqlite"), "the old base is gone");
	session = fixture_open(store, "two");
	is_int(bfs_session_info(session)->base.number, 9, "so it is after reopening");
	is_int(count_nodes(bfs_session_worktree(session)), 2, "and what changed since is known");
	ok(has_bytes(store, bfs_session_worktree(session), "new/local", "x"),
		"the working copy is as it was");
	ok(is_sound(bfs_session_worktree(session)), "and sound");
	bfs_session_close(session);
}

/* What processes leave that die while they make or discard a session. */
static void test_leftovers(void)
{
	struct bfs_session *session;

	mkdir(fixture_path("sessions/.dead.1.new"), 0700);
	mkdir(fixture_path("sessions/.dead.1.new/data"), 0700);
	close(open(fixture_path("sessions/.dead.1.new/lock"), O_CREAT | O_WRONLY, 0600));
	mkdir(fixture_path("sessions/.young.1.new"), 0700);
	close(open(fixture_path("sessions/two/base.dead.sqlite"), O_CREAT | O_WRONLY, 0600));
	mkdir(fixture_path("sessions/two/data/ff"), 0700);
	close(open(fixture_path("sessions/two/data/ff/fffff"), O_CREAT | O_WRONLY, 0600));
	close(open(fixture_path("sessions/two/data/junk"), O_CREAT | O_WRONLY, 0600));
	session = fixture_open(store, "two");
	ok(!exists(".dead.1.new"), "a session that was not finished is removed");
	ok(exists(".young.1.new"), "one that may be being made is not");
	rmdir(fixture_path("sessions/.young.1.new"));
	ok(!exists("two/base.dead.sqlite"), "a base that was not finished is removed");
	ok(!exists("two/data/ff/fffff"), "data of no file is removed");
	ok(!exists("two/data/junk"), "and what is no data");
	bfs_session_close(session);
}

/* A row came to the disk before a power cut, and its bytes did not. */
static void test_lost_bytes(void)
{
	struct bfs_session *session = fixture_open(store, "two");
	struct bfs_worktree *tree = bfs_session_worktree(session);
	struct stat st;

	make_file(tree, "lost", 0600, &st);
	write_at(tree, st.st_ino, "bytes", 5, 0);
	bfs_session_close(session);
	unlink(fixture_path("sessions/two/data/%02x/%x", (unsigned)(st.st_ino >> 8 & 0xff),
		(unsigned)st.st_ino));
	session = fixture_open(store, "two");
	tree = bfs_session_worktree(session);
	ok(find(tree, "lost", &st) == 0 && st.st_size == 0, "a file whose bytes are lost is empty");
	ok(is_sound(tree), "and the session is sound");
	bfs_session_close(session);
}

static void test_discard(void)
{
	is_int(bfs_session_discard("none", NULL), -ENOENT, "what is not there is not discarded");
	is_int(bfs_session_discard("one", NULL), 0, "a session is discarded");
	is_int(bfs_session_discard("two", NULL), 0, "the other too");
	is_int(count_entries(), 0, "nothing is left");
}

/* Writes into a new file until the disk is full; the bytes. */
static off_t fill_disk(struct bfs_worktree *tree, const char *path)
{
	_cleanup_free_ char *bytes = fixture_bytes(1 << 20, 3);
	struct stat st;
	off_t size = 0;

	make_file(tree, path, 0600, &st);
	while (size < 1 << 28 && write_at(tree, st.st_ino, bytes, 1 << 20, size) == 0)
		size += 1 << 20;
	return size;
}

/* Makes empty files until that fails; how many, and how it fails. */
static unsigned make_many(struct bfs_worktree *tree, int *ret_r)
{
	unsigned count = 0;
	struct stat st;
	char name[128];
	int r = 0;

	while (r == 0 && count < 1000000) {
		int length = snprintf(name, sizeof(name),
			"a name that is rather long, so that the log gets as well, and ends in %u",
			count);

		r = bfs_worktree_make_node(
			tree, &maker, 1, name, (size_t)length, S_IFREG | 0600, 0, &st);
		count += r == 0;
	}
	*ret_r = r;
	return count;
}

static int count_name(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	(void)cookie, (void)stat;
	*(unsigned *)context += length > 40 && memcmp(name, "a name", 6) == 0;
	return 0;
}

static void run_full_disk(void)
{
	struct bfs_session *session;
	struct bfs_worktree *tree;
	unsigned made, found = 0;
	struct stat st;
	uint64_t ino;
	int r;

	bfs_session_create(store, REF, "full", NULL);
	session = fixture_open(store, "full");
	tree = bfs_session_worktree(session);
	ok(fill_disk(tree, "opt/filler") > 1 << 20, "a file fills the disk");
	made = make_many(tree, &r);
	is_int(r, -ENOSPC, "new names are refused in the end");
	is_int(unlink_path(tree, "lib/link", NULL), 0, "one can still be unlinked");
	is_int(rename_path(tree, "bin/tool", "bin/renamed", 0, NULL), 0, "and renamed");
	ok(is_sound(tree), "the session is sound");
	bfs_session_close(session);
	session = fixture_open(store, "full");
	tree = bfs_session_worktree(session);
	bfs_worktree_read_directory(tree, BFS_TREE_ROOT, 0, count_name, &found);
	is_int(found, made, "what was made is there after reopening");
	is_int(find(tree, "bin/renamed", &st), 0, "what was renamed too");
	ok(fill_disk(tree, "opt/rest") < 1 << 20, "the disk is as full as before");
	unlink_path(tree, "opt/filler", &ino);
	bfs_worktree_release(tree, ino);
	ok(bfs_worktree_reclaim(tree), "what was unlinked is reclaimed");
	ok(fill_disk(tree, "opt/again") > 1 << 20, "there is room at once");
	ok(!bfs_worktree_reclaim(tree), "once");
	unlink_path(tree, "opt/again", NULL);
	bfs_session_close(session);
	session = fixture_open(store, "full");
	tree = bfs_session_worktree(session);
	is_int(make_file(tree, "new", 0600, &st), 0, "with room again new names are made");
	ok(is_sound(tree), "and the session is sound");
	bfs_session_close(session);
	is_int(bfs_session_discard("full", NULL), 0, "it is discarded");
}

/* With a small filesystem of its own in the place of the sessions' directory, that nobody else
 * sees. */
static void test_full_disk(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", fixture_path("sessions"), "tmpfs", 0, "size=112m") < 0) {
		ok(true, "a full disk # SKIP no filesystem can be mounted: %s", strerror(errno));
		return;
	}
	run_full_disk();
	umount(fixture_path("sessions"));
}

/* An index of a session is never taken for a published one. */
static void test_schema(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_tree *tree = NULL;

	create("schema", &error);
	is_int(bfs_tree_open(
		       fixture_path("sessions/schema/index.sqlite"), BFS_TREE_READ, &tree, NULL),
		-EUCLEAN, "a session's index is not opened as a published one");
	is_int(bfs_tree_open(fixture_path("sessions/schema/base.sqlite"), BFS_TREE_SESSION_READ,
		       &tree, NULL),
		-EUCLEAN, "nor a published one as a session's");
	bfs_session_discard("schema", NULL);
}

int main(void)
{
	fixture_begin();
	store = fixture_store();
	test_create();
	test_open();
	test_empty();
	test_create_from();
	test_set_base();
	test_leftovers();
	test_lost_bytes();
	test_discard();
	test_schema();
	test_full_disk();
	bfs_store_close(store);
	fixture_end();
	return done();
}
