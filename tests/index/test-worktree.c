/* The tree of a session: what each call does, what it refuses, and which times it changes. */
#include "tests/index/session_fixture.h"

#include <sys/xattr.h>
#include <time.h>

static struct bfs_store *store;
static struct bfs_session *session;
static struct bfs_worktree *tree;

static void reopen(void)
{
	bfs_session_close(session);
	session = fixture_open(store, "test");
	if (!session) {
		fixture_end();
		exit(1);
	}
	tree = bfs_session_worktree(session);
	bfs_worktree_set_owner(tree, 500, 501);
}

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

/* Long enough for the clock of the filesystem to go on. */
static void tick(void)
{
	const struct timespec time = {.tv_nsec = 20 * 1000000};

	nanosleep(&time, NULL);
}

struct listing {
	unsigned count;
	uint64_t cookie;
	char names[4096];
};

static int list_name(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	struct listing *listing = context;

	if (cookie <= listing->cookie || stat->st_ino == 0)
		return -EINVAL;
	listing->cookie = cookie;
	listing->count++;
	strncat(listing->names, name, length);
	strcat(listing->names, " ");
	return 0;
}

static struct listing list(const char *path)
{
	struct listing listing = {0};

	if (bfs_worktree_read_directory(tree, ino_of(tree, path), 0, list_name, &listing) < 0)
		listing.count = 9999;
	return listing;
}

static void test_stored(void)
{
	struct stat st, again;
	char *target = NULL;
	uint64_t parent;

	is_int(find(tree, "lib/big.so", &st), 0, "a file of the base is found");
	ok(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0644 && st.st_nlink == 1,
		"it has its type, mode and link count");
	is_int(st.st_size, BIG_SIZE, "it has its size");
	is_int(st.st_blocks, (BIG_SIZE + 4095) / 4096 * 8, "it has blocks");
	is_int(st.st_uid, 500, "it belongs to the worktree's owner");
	is_int(st.st_gid, 501, "and to his group");
	is_int(nanoseconds(&st.st_ctim), nanoseconds(&st.st_mtim), "its ctime is its mtime");
	is_int(bfs_worktree_stat(tree, st.st_ino, &again), 0, "it is found by number");
	ok(memcmp(&st, &again, sizeof(st)) == 0, "and is the same");
	is_int(find(tree, "lib/none", &st), -ENOENT, "what is not there is not found");
	is_int(find(tree, "bin/tool/x", &st), -ENOTDIR, "nothing is below a file");
	is_int(bfs_worktree_stat(tree, 99999, &st), -ENOENT, "an unknown inode is not found");
	is_int(bfs_worktree_read_link(tree, ino_of(tree, "lib/link"), &target), 0,
		"a link is read");
	is_str(target, "big.so", "and has its target");
	free(target);
	is_int(bfs_worktree_read_link(tree, ino_of(tree, "bin/tool"), &target), -EINVAL,
		"a file is not read as a link");
	is_int(bfs_worktree_parent(tree, ino_of(tree, "share/doc"), &parent), 0,
		"a directory has a parent");
	is_int(parent, ino_of(tree, "share"), "the right one");
	is_int(bfs_worktree_parent(tree, ino_of(tree, "bin/tool"), &parent), -ENOTDIR,
		"a file is asked for its parent in vain");
	is_int(list("share/doc").count, 2, "a directory is read");
	is_int(list("opt").count, 0, "an empty one as well");
	is_int(bfs_worktree_read_directory(tree, ino_of(tree, "bin/tool"), 0, list_name, NULL),
		-ENOTDIR, "a file is not read as a directory");
	ok(has_bytes(store, tree, "bin/tool", "#!tool\n"), "a stored file has its bytes");
}

static void test_make(void)
{
	char name[300];
	struct stat st, before, after;

	find(tree, "opt", &before);
	tick();
	is_int(make_file(tree, "opt/f", 0640, &st), 0, "a file is made");
	ok(st.st_mode == (S_IFREG | 0640) && st.st_nlink == 1 && st.st_size == 0 &&
			st.st_blocks == 0 && st.st_uid == 1000 && st.st_gid == 1001,
		"it is empty and belongs to its maker");
	find(tree, "opt", &after);
	ok(nanoseconds(&after.st_mtim) > nanoseconds(&before.st_mtim) &&
			nanoseconds(&after.st_ctim) == nanoseconds(&after.st_mtim),
		"its directory has new times");
	is_int(make_file(tree, "opt/f", 0640, &st), -EEXIST, "it is not made twice");
	is_int(make_file(tree, "bin/tool/f", 0640, &st), -ENOTDIR, "nothing is made below a file");
	memset(name, 'n', sizeof(name));
	is_int(bfs_worktree_make_node(tree, &maker, 1, name, 256, S_IFREG, 0, &st), -ENAMETOOLONG,
		"a name of 256 bytes is too long");
	is_int(bfs_worktree_make_node(tree, &maker, 1, name, 255, S_IFREG, 0, &st), 0,
		"one of 255 is not");
	is_int(bfs_worktree_lookup(tree, 1, name, 256, &st), -ENAMETOOLONG, "nor is it looked up");
	is_int(bfs_worktree_unlink(tree, 1, name, 255, NULL), 0, "it is unlinked");
	is_int(make_file(tree, "opt/..", 0, &st), -EINVAL, ".. is no name to be made");
	is_int(bfs_worktree_make_node(tree, &maker, 1, "fifo", 4, S_IFIFO | 0600, 7, &st), 0,
		"a fifo is made");
	ok(S_ISFIFO(st.st_mode) && st.st_rdev == 0, "and is one, without a device number");
	is_int(bfs_worktree_make_node(tree, &maker, 1, "sock", 4, S_IFSOCK | 0600, 0, &st), 0,
		"a socket is made");
	is_int(bfs_worktree_make_node(tree, &maker, 1, "null", 4, S_IFCHR | 0600, 0x103, &st), 0,
		"a device is made");
	is_int(st.st_rdev, 0x103, "with its number");
	is_int(bfs_worktree_make_node(tree, &maker, 1, "d", 1, S_IFDIR | 0700, 0, &st), -EPERM,
		"mknod makes no directories");
	is_int(bfs_worktree_make_symlink(tree, &maker, 1, "s", 1, "a/b", &st), 0, "a link is made");
	ok(S_ISLNK(st.st_mode) && st.st_size == 3, "its size is its target's");
	is_int(bfs_worktree_make_symlink(tree, &maker, 1, "s2", 2, "", &st), -ENOENT,
		"a link to nothing is refused");
	find(tree, "", &before);
	is_int(make_directory(tree, "d", 0750, &st), 0, "a directory is made");
	ok(S_ISDIR(st.st_mode) && st.st_nlink == 2, "with two links");
	find(tree, "", &after);
	is_int(after.st_nlink, before.st_nlink + 1, "the one above has one more");
	is_int(make_directory(tree, "d/e", 0750, &st), 0, "one in it is made");
	reopen();
	ok(find(tree, "fifo", &st) == 0 && S_ISFIFO(st.st_mode),
		"the fifo is there after reopening");
	ok(find(tree, "null", &st) == 0 && st.st_rdev == 0x103, "the device too");
	ok(find(tree, "opt/f", &st) == 0 && st.st_uid == 1000, "the file too");
	ok(find(tree, "d", &st) == 0 && st.st_nlink == 3, "and the directories");
	ok(is_sound(tree), "the session is sound");
}

static void test_setgid(void)
{
	struct stat st = {.st_mode = 02775, .st_gid = 77}, made;

	make_directory(tree, "team", 0755, &made);
	bfs_worktree_set_attributes(tree, made.st_ino, BFS_SET_MODE | BFS_SET_GID, &st, &made);
	is_int(made.st_mode, S_IFDIR | 02775, "a directory is setgid");
	make_file(tree, "team/f", 0644, &made);
	is_int(made.st_gid, 77, "what is made in it has its group");
	is_int(made.st_mode, S_IFREG | 0644, "a file does not inherit the bit");
	make_directory(tree, "team/d", 0755, &made);
	is_int(made.st_mode, S_IFDIR | 02755, "a directory does");
	is_int(made.st_gid, 77, "and has the group");
}

static void test_link(void)
{
	struct stat st, before;
	uint64_t tool = ino_of(tree, "bin/tool"), ino;

	find(tree, "bin/tool", &before);
	tick();
	is_int(bfs_worktree_link(tree, tool, ino_of(tree, "opt"), "tool2", 5, &st), 0,
		"a second name is made");
	is_int(st.st_nlink, 2, "the link count is two");
	ok(nanoseconds(&st.st_ctim) > nanoseconds(&before.st_ctim) &&
			nanoseconds(&st.st_mtim) == nanoseconds(&before.st_mtim),
		"ctime is new, mtime is not");
	is_int(bfs_worktree_link(tree, tool, 1, "bin", 3, &st), -EEXIST, "a taken name is refused");
	is_int(bfs_worktree_link(tree, 1, 1, "x", 1, &st), -EPERM, "directories have one name");
	is_int(unlink_path(tree, "bin/tool", &ino), 0, "the first name is unlinked");
	is_int(ino, tool, "it says whose name it was");
	ok(find(tree, "opt/tool2", &st) == 0 && st.st_ino == tool && st.st_nlink == 1,
		"the other one stays");
	is_int(unlink_path(tree, "opt", NULL), -EISDIR, "a directory is not unlinked");
	is_int(unlink_path(tree, "opt/none", NULL), -ENOENT, "nor what is not there");
	rename_path(tree, "opt/tool2", "bin/tool", 0, NULL);
	reopen();
	ok(find(tree, "bin/tool", &st) == 0 && st.st_nlink == 1, "so it is after reopening");
	ok(is_sound(tree), "the session is sound");
}

static void test_orphan(void)
{
	struct stat st, made;
	char found[16];
	uint64_t ino;

	make_file(tree, "opt/open", 0600, &made);
	write_at(tree, made.st_ino, "hello", 5, 0);
	bfs_worktree_sync(tree);
	is_int(unlink_path(tree, "opt/open", &ino), 0, "an open file is unlinked");
	is_int(bfs_worktree_stat(tree, ino, &st), 0, "it can still be asked");
	is_int(st.st_nlink, 0, "and has no name");
	is_int(read_all(store, tree, ino, found, sizeof(found)), 5, "it is read");
	bfs_worktree_sync(tree);
	is_int(write_at(tree, ino, "more", 4, 5), 0, "and written");
	is_int(bfs_worktree_link(tree, ino, 1, "again", 5, &st), -ENOENT,
		"it gets no name any more");
	bfs_worktree_release(tree, ino);
	is_int(bfs_worktree_stat(tree, ino, &st), -ENOENT, "once released it is gone");
	find(tree, "lib/big.so", &made);
	bfs_worktree_release(tree, made.st_ino);
	is_int(find(tree, "lib/big.so", &st), 0, "releasing what has a name does nothing");

	is_int(bfs_worktree_make_anonymous(tree, &maker, 1, 0600, &made), 0,
		"a file without a name");
	is_int(made.st_nlink, 0, "has no links");
	write_at(tree, made.st_ino, "tmp", 3, 0);
	bfs_worktree_sync(tree);
	is_int(bfs_worktree_link(tree, made.st_ino, 1, "named", 5, &st), 0, "it gets a name");
	ok(st.st_nlink == 1 && has_bytes(store, tree, "named", "tmp"), "and is as any other");
	bfs_worktree_make_anonymous(tree, &maker, 1, 0600, &made);
	write_at(tree, made.st_ino, "lost", 4, 0);
	reopen();
	is_int(bfs_worktree_stat(tree, made.st_ino, &st), -ENOENT, "one that got none is gone");
	ok(has_bytes(store, tree, "named", "tmp"), "one that got one is there");
	is_int(unlink_path(tree, "named", NULL), 0, "it is unlinked");
	ok(is_sound(tree), "the session is sound");

	make_directory(tree, "opt/cwd", 0700, &made);
	is_int(bfs_worktree_remove_directory(tree, ino_of(tree, "opt"), "cwd", 3, &ino), 0,
		"a directory is removed");
	is_int(bfs_worktree_make_node(tree, &maker, ino, "x", 1, S_IFREG, 0, &st), -ENOENT,
		"nothing is made in it any more");
	is_int(bfs_worktree_read_directory(tree, ino, 0, list_name, NULL), 0, "it is read");
	bfs_worktree_release(tree, ino);
}

static void test_remove_directory(void)
{
	struct stat before, after, st;

	find(tree, "share", &before);
	is_int(bfs_worktree_remove_directory(tree, before.st_ino, "doc", 3, NULL), -ENOTEMPTY,
		"a directory with names is not removed");
	is_int(bfs_worktree_remove_directory(tree, ino_of(tree, "bin"), "tool", 4, NULL), -ENOTDIR,
		"a file is not removed as a directory");
	make_directory(tree, "share/empty", 0700, &st);
	bfs_worktree_remove_directory(tree, before.st_ino, "empty", 5, NULL);
	find(tree, "share", &after);
	is_int(after.st_nlink, before.st_nlink,
		"a directory that came and went leaves the link count");
}

static void test_rename(void)
{
	struct stat st, before, after;
	uint64_t replaced = 1, ino;

	make_file(tree, "a", 0600, &st);
	make_file(tree, "b", 0600, &before);
	ino = st.st_ino;
	tick();
	is_int(rename_path(tree, "a", "b", 0, &replaced), 0, "a file takes the place of another");
	is_int(replaced, before.st_ino, "it says of which");
	ok(find(tree, "b", &after) == 0 && after.st_ino == ino, "the name leads to it");
	ok(nanoseconds(&after.st_ctim) > nanoseconds(&st.st_ctim), "its ctime is new");
	ok(bfs_worktree_stat(tree, replaced, &st) == 0 && st.st_nlink == 0,
		"the other has no name");
	bfs_worktree_release(tree, replaced);
	is_int(rename_path(tree, "a", "c", 0, NULL), -ENOENT, "what is not there is not renamed");
	is_int(rename_path(tree, "b", "none/c", 0, NULL), -ENOENT, "nor to where nothing is");
	is_int(rename_path(tree, "b", "lib", 0, NULL), -EISDIR,
		"a file does not replace a directory");
	is_int(rename_path(tree, "lib", "b", 0, NULL), -ENOTDIR, "nor a directory a file");
	is_int(rename_path(tree, "lib", "share", 0, NULL), -ENOTEMPTY, "nor one that is not empty");
	is_int(rename_path(tree, "share", "share/doc/x", 0, NULL), -EINVAL,
		"a directory does not move into itself");
	is_int(rename_path(tree, "b", "lib/link", RENAME_NOREPLACE, NULL), -EEXIST,
		"NOREPLACE replaces nothing");
	is_int(rename_path(tree, "b", "c", RENAME_EXCHANGE, NULL), -ENOENT, "EXCHANGE needs both");
	is_int(rename_path(tree, "b", "c", 1 << 5, NULL), -EINVAL, "unknown flags are refused");
	is_int(rename_path(tree, "share", "share/doc", RENAME_EXCHANGE, NULL), -EINVAL,
		"a directory is not exchanged with what is in it");
	is_int(rename_path(tree, "share/doc", "share", RENAME_EXCHANGE, NULL), -EINVAL,
		"nor with what it is in");
	bfs_worktree_link(tree, ino, 1, "b2", 2, &st);
	find(tree, "", &before);
	is_int(rename_path(tree, "b", "b2", 0, &replaced), 0,
		"one name over another of the same file");
	is_int(replaced, 0, "replaces nothing");
	is_int(find(tree, "b", &st), 0, "both stay");
	unlink_path(tree, "b2", NULL);

	find(tree, "opt", &before);
	is_int(rename_path(tree, "share/doc", "opt/doc", 0, NULL), 0, "a directory moves");
	find(tree, "opt", &after);
	is_int(after.st_nlink, before.st_nlink + 1, "the link counts with it");
	ok(find(tree, "share", &st) == 0 && st.st_nlink == 2, "of both");
	ok(bfs_worktree_parent(tree, ino_of(tree, "opt/doc"), &ino) == 0 &&
			ino == ino_of(tree, "opt"),
		"it knows its new parent");
	is_int(rename_path(tree, "opt/doc", "b", RENAME_EXCHANGE, &replaced), 0,
		"a directory and a file change places");
	ok(find(tree, "b", &st) == 0 && S_ISDIR(st.st_mode), "here is the one");
	ok(find(tree, "opt/doc", &st) == 0 && S_ISREG(st.st_mode), "there the other");
	ok(find(tree, "opt", &st) == 0 && st.st_nlink == before.st_nlink, "link counts follow");
	make_directory(tree, "empty", 0700, &st);
	is_int(rename_path(tree, "b", "empty", 0, NULL), 0, "a directory replaces an empty one");
	reopen();
	ok(has_bytes(store, tree, "empty/a", "aaa\n"), "what is in it came with it");
	ok(is_sound(tree), "the session is sound");
	rename_path(tree, "empty", "share/doc", 0, NULL);
	unlink_path(tree, "opt/doc", NULL);
}

static void test_write(void)
{
	struct bfs_worktree_data data;
	struct stat before, st;
	uint64_t big = ino_of(tree, "lib/big.so"), a = ino_of(tree, "share/doc/a");
	_cleanup_free_ char *bytes = fixture_bytes(BIG_SIZE, BIG_SEED);
	_cleanup_free_ char *found = malloc(BIG_SIZE + 10);

	bfs_worktree_stat(tree, big, &before);
	is_int(bfs_worktree_data_open(tree, big, true, &data), 0,
		"a stored file is opened to write");
	ok(data.fd >= 0, "it is local then");
	bfs_worktree_stat(tree, big, &st);
	ok(st.st_size == BIG_SIZE && nanoseconds(&st.st_mtim) == nanoseconds(&before.st_mtim) &&
			nanoseconds(&st.st_ctim) == nanoseconds(&before.st_ctim) &&
			st.st_mode == before.st_mode,
		"stat says the same as before");
	tick();
	ok(pwrite(data.fd, "XYZ", 3, 100) == 3, "it is written");
	bfs_worktree_data_close(tree, &data, true);
	memcpy(bytes + 100, "XYZ", 3);
	is_int(read_all(store, tree, big, found, BIG_SIZE + 10), BIG_SIZE, "it is read");
	ok(memcmp(found, bytes, BIG_SIZE) == 0, "and is what it was, but for that");
	bfs_worktree_stat(tree, big, &st);
	ok(nanoseconds(&st.st_mtim) > nanoseconds(&before.st_mtim) &&
			nanoseconds(&st.st_ctim) > nanoseconds(&before.st_ctim),
		"mtime and ctime are new");
	is_int(st.st_ino, big, "its number is the same");
	is_int(write_at(tree, a, "bbbb", 4, 2), 0, "a packed one is written");
	ok(has_bytes(store, tree, "share/doc/a", "aabbbb"), "and is what it should be");
	is_int(bfs_worktree_data_open(tree, 1, true, &data), -EISDIR, "a directory has no bytes");
	is_int(bfs_worktree_data_open(tree, ino_of(tree, "fifo"), false, &data), -EINVAL,
		"nor has a fifo");
	bfs_worktree_stat(tree, a, &before);
	reopen();
	bfs_worktree_stat(tree, a, &st);
	ok(memcmp(&st, &before, sizeof(st)) == 0, "stat says the same after reopening");
	ok(has_bytes(store, tree, "share/doc/a", "aabbbb"), "and so do its bytes");
	ok(is_sound(tree), "the session is sound");
}

/* Whether neither mtime nor ctime of a file goes back; `last` is what it was. */
static bool goes_on(uint64_t ino, struct stat *last)
{
	struct stat st;
	bool right = bfs_worktree_stat(tree, ino, &st) == 0 &&
		     nanoseconds(&st.st_mtim) >= nanoseconds(&last->st_mtim) &&
		     nanoseconds(&st.st_ctim) >= nanoseconds(&last->st_ctim);

	*last = st;
	return right;
}

/* All within a tick of the clock, more or less: data files have times of their own. */
static void test_clock(void)
{
	const struct stat mode = {.st_mode = 0600};
	bool right = true;
	struct stat st, changed;

	for (int i = 0; i < 300; i++) {
		make_file(tree, "clock", 0600, &st);
		write_at(tree, st.st_ino, "a", 1, 0);
		right = right && goes_on(st.st_ino, &st);
		bfs_worktree_set_attributes(tree, st.st_ino, BFS_SET_MODE, &mode, &changed);
		right = right && goes_on(st.st_ino, &st);
		write_at(tree, st.st_ino, "b", 1, 0);
		right = right && goes_on(st.st_ino, &st);
		unlink_path(tree, "clock", NULL);
		right = right && goes_on(st.st_ino, &st);
		bfs_worktree_release(tree, st.st_ino);
	}
	ok(right, "times never go back");
	find(tree, "lib/other.so", &st);
	write_at(tree, st.st_ino, "a", 1, 0);
	find(tree, "lib/other.so", &changed);
	ok(changed.st_mtim.tv_sec != st.st_mtim.tv_sec &&
			changed.st_ctim.tv_sec != st.st_ctim.tv_sec,
		"a write that follows at once upon the copy is seen in both times");
}

static void set_size(uint64_t ino, off_t size, int expected, const char *what)
{
	struct stat st = {.st_size = size}, after = {0};

	is_int(bfs_worktree_set_attributes(tree, ino, BFS_SET_SIZE, &st, &after), expected, "%s",
		what);
	if (expected == 0)
		is_int(after.st_size, size, "%s: the size is right", what);
}

static void test_truncate(void)
{
	struct bfs_worktree_counts before, after;
	uint64_t b = ino_of(tree, "share/doc/b"), tool = ino_of(tree, "bin/tool");
	struct stat st;

	bfs_worktree_count(tree, &before);
	set_size(b, 0, 0, "truncating a stored file to nothing");
	bfs_worktree_count(tree, &after);
	is_int(after.local, before.local, "copies nothing");
	ok(has_bytes(store, tree, "share/doc/b", ""), "it is empty");
	set_size(tool, 3, 0, "truncating one to a part");
	ok(has_bytes(store, tree, "bin/tool", "#!t"), "keeps that part");
	set_size(tool, 1 << 20, 0, "making it longer");
	bfs_worktree_stat(tree, tool, &st);
	ok(st.st_blocks < 100, "makes a hole");
	set_size(tool, 3, 0, "and shorter again");
	set_size(1, 0, -EISDIR, "a directory is not truncated");
	set_size(tool, -1, -EINVAL, "nor to less than nothing");
	set_size(tool, (off_t)1 << 62, -EFBIG, "nor to more than there is");
	set_size(ino_of(tree, "fifo"), 0, -EINVAL, "nor is a fifo");
}

static void test_attributes(void)
{
	struct stat st = {.st_mode = 06755, .st_uid = 9, .st_gid = 8}, before, after;
	struct bfs_worktree_counts counts, counted;
	uint64_t b = ino_of(tree, "share/doc/b"), link = ino_of(tree, "lib/link");
	uint64_t big;

	make_file(tree, "stored", 0644, &after);
	write_at(tree, after.st_ino, "x", 1, 0);
	big = after.st_ino;
	bfs_worktree_count(tree, &counts);
	bfs_worktree_stat(tree, b, &before);
	tick();
	is_int(bfs_worktree_set_attributes(tree, b, BFS_SET_MODE, &st, &after), 0, "chmod");
	ok(after.st_mode == (S_IFREG | 06755) &&
			nanoseconds(&after.st_ctim) > nanoseconds(&before.st_ctim) &&
			nanoseconds(&after.st_mtim) == nanoseconds(&before.st_mtim),
		"changes mode and ctime");
	bfs_worktree_set_attributes(tree, b, BFS_SET_UID, &st, &after);
	ok(after.st_uid == 9 && after.st_gid == before.st_gid, "chown changes the owner");
	is_int(after.st_mode, S_IFREG | 0755, "and clears the set-user-id and set-group-id bits");
	bfs_worktree_set_attributes(tree, b, BFS_SET_GID, &st, &after);
	is_int(after.st_gid, 8, "chgrp the group");
	st.st_atim = (struct timespec){-5, 999999999};
	st.st_mtim = (struct timespec){1234567890, 123456789};
	bfs_worktree_set_attributes(tree, b, BFS_SET_ATIME | BFS_SET_MTIME, &st, &after);
	ok(after.st_atim.tv_sec == -5 && after.st_atim.tv_nsec == 999999999 &&
			after.st_mtim.tv_sec == 1234567890 && after.st_mtim.tv_nsec == 123456789,
		"utimens sets times to the nanosecond, before 1970 as well");
	bfs_worktree_count(tree, &counted);
	is_int(counted.local, counts.local, "none of that copies a content");
	bfs_worktree_set_attributes(tree, big, BFS_SET_ATIME | BFS_SET_MTIME, &st, &after);
	ok(after.st_atim.tv_sec == -5 && after.st_mtim.tv_nsec == 123456789,
		"times of a local file are set as well");
	bfs_worktree_set_attributes(tree, big, BFS_SET_MTIME_NOW, &st, &after);
	ok(after.st_atim.tv_sec == -5 && after.st_mtim.tv_sec > 1700000000, "mtime to now alone");
	st.st_ctim = (struct timespec){1500000000, 5};
	bfs_worktree_set_attributes(tree, big, BFS_SET_CTIME, &st, &after);
	ok(after.st_ctim.tv_sec == 1500000000 && after.st_ctim.tv_nsec == 5,
		"ctime where it is given");
	bfs_worktree_set_attributes(
		tree, link, BFS_SET_ATIME | BFS_SET_MTIME | BFS_SET_UID, &st, &after);
	ok(after.st_mtim.tv_sec == 1234567890 && after.st_uid == 9, "a link has owner and times");
	reopen();
	ok(bfs_worktree_stat(tree, big, &st) == 0 && st.st_atim.tv_sec == -5 &&
			st.st_ctim.tv_sec == 1500000000,
		"times stay after reopening");
	ok(bfs_worktree_stat(tree, b, &st) == 0 && st.st_uid == 9 && st.st_gid == 8 &&
			st.st_mtim.tv_nsec == 123456789,
		"of a stored file too");
	ok(is_sound(tree), "the session is sound");
}

static void test_xattr(void)
{
	uint64_t ino = ino_of(tree, "bin");
	char value[64], names[64];

	is_int(bfs_worktree_get_xattr(tree, ino, "user.a", value, 64), -ENODATA, "none is there");
	is_int(bfs_worktree_set_xattr(tree, ino, "user.a", "one", 3, XATTR_REPLACE), -ENODATA,
		"nothing is replaced");
	is_int(bfs_worktree_set_xattr(tree, ino, "user.a", "one", 3, 0), 0, "one is set");
	is_int(bfs_worktree_set_xattr(tree, ino, "user.a", "two", 3, XATTR_CREATE), -EEXIST,
		"it is not created twice");
	is_int(bfs_worktree_set_xattr(tree, ino, "user.empty", "", 0, 0), 0, "an empty one is set");
	is_int(bfs_worktree_set_xattr(tree, ino, "trusted.a", "", 0, 0), -EOPNOTSUPP,
		"other name spaces are refused");
	is_int(bfs_worktree_set_xattr(tree, ino, "user.", "", 0, 0), -EINVAL, "an empty name too");
	is_int(bfs_worktree_get_xattr(tree, ino, "user.a", NULL, 0), 3, "its length is told");
	is_int(bfs_worktree_get_xattr(tree, ino, "user.a", value, 2), -ERANGE, "too little room");
	ok(bfs_worktree_get_xattr(tree, ino, "user.a", value, 3) == 3 && !memcmp(value, "one", 3),
		"it is got");
	is_int(bfs_worktree_get_xattr(tree, ino, "user.empty", value, 3), 0, "the empty one too");
	is_int(bfs_worktree_list_xattrs(tree, ino, NULL, 0), 18, "the length of the list");
	is_int(bfs_worktree_list_xattrs(tree, ino, names, 17), -ERANGE, "too little room for it");
	ok(bfs_worktree_list_xattrs(tree, ino, names, 18) == 18 &&
			!memcmp(names, "user.a\0user.empty", 18),
		"the list");
	is_int(bfs_worktree_remove_xattr(tree, ino, "user.empty"), 0, "one is removed");
	is_int(bfs_worktree_remove_xattr(tree, ino, "user.empty"), -ENODATA, "once");
	reopen();
	is_int(bfs_worktree_get_xattr(tree, ino, "user.a", value, 64), 3, "the other stays");
}

static int count_node(void *context, uint64_t ino, bool local, bool orphan)
{
	unsigned *counts = context;
	struct stat st;

	counts[0]++;
	counts[1] += local;
	return orphan ? -EINVAL : bfs_worktree_stat(tree, ino, &st);
}

static void test_freeze(void)
{
	unsigned counts[2] = {0};
	struct bfs_worktree_counts counted;
	struct bfs_attributes attributes;
	struct bfs_content content = {.size = 6, .packed = true, .offset = 16};
	struct stat before, st;
	uint64_t a = ino_of(tree, "share/doc/a");

	unlink_path(tree, "stored", NULL); /* and not released */
	bfs_worktree_count(tree, &counted);
	is_int(bfs_worktree_freeze(tree), 0, "the worktree is frozen");
	is_int(bfs_worktree_visit_nodes(tree, count_node, counts), 0, "its nodes are visited");
	is_int(counts[0], counted.nodes, "all of them");
	is_int(counts[1], counted.local, "the local ones too");
	is_int(bfs_tree_lookup(bfs_worktree_tree(tree), 1, "fifo", 4, &attributes), 0,
		"its tree can be read");
	bfs_worktree_stat(tree, a, &before);
	is_int(bfs_worktree_set_stored(tree, a, &content), 0, "a content is stored now");
	bfs_worktree_stat(tree, a, &st);
	st.st_blocks = before.st_blocks;
	ok(memcmp(&st, &before, sizeof(st)) == 0, "stat says the same");
	content.size = 7;
	is_int(bfs_worktree_set_stored(tree, ino_of(tree, "bin/tool"), &content), -ESTALE,
		"one of another size is refused");
	is_int(bfs_worktree_set_stored(tree, a, &content), -EINVAL, "and one that is not local");
	bfs_worktree_thaw(tree);
	reopen();
	ok(bfs_worktree_stat(tree, a, &st) == 0 && st.st_size == 6, "it is so after reopening");
	is_int(unlink_path(tree, "share/doc/a", NULL), 0, "and can be unlinked");
	ok(is_sound(tree), "the session is sound");
}

static int note_host(void *context, const char *path, uint64_t ino)
{
	struct listing *listing = context;

	snprintf(listing->names + strlen(listing->names), 100, "%s=%d ", path, (int)ino);
	return 0;
}

static void test_host(void)
{
	struct listing listing = {0};

	is_int(bfs_worktree_set_host_name(tree, "lib/ld.so", 5), 0, "a name of the host is noted");
	bfs_worktree_set_host_name(tree, "lib/hidden", 0);
	bfs_worktree_set_host_name(tree, "lib/old", 7);
	bfs_worktree_set_host_name(tree, "lib/old", UINT64_MAX);
	is_int(bfs_worktree_set_host_name(tree, "/lib", 5), -EINVAL,
		"a path that is none is refused");
	bfs_worktree_visit_host_names(tree, note_host, &listing);
	is_str(listing.names, "lib/hidden=0 lib/ld.so=5 ", "they are told in order");
}

int main(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	fixture_begin();
	store = fixture_store();
	if (bfs_session_create(store, REF, "test", &error) < 0) {
		printf("Bail out! %s\n", bfs_error_message(&error, 0));
		fixture_end();
		return 1;
	}
	reopen();
	test_stored();
	test_make();
	test_setgid();
	test_link();
	test_orphan();
	test_remove_directory();
	test_rename();
	test_write();
	test_clock();
	test_truncate();
	test_attributes();
	test_xattr();
	test_freeze();
	test_host();
	bfs_session_close(session);
	bfs_store_close(store);
	fixture_end();
	return done();
}
