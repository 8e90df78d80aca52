/*
 * A machine that loses its power: what fsync returned for is there, and the rest is old or new, not
 * lost.
 *
 * The sessions lie in an ext4 in a file, mounted by loop, whose periodic writes are put off. A copy
 * of the file is the disk as it would be found: without what only memory had. It is mounted, and
 * the session in it opened.
 */
#include "tests/index/session_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define ROUNDS 8

static struct bfs_store *store;
static struct bfs_worktree *tree;

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
	char command[2048];
	va_list args;
	int length = snprintf(command, sizeof(command), "cd '%s' && ", fixture_directory);

	va_start(args, format);
	length += vsnprintf(command + length, sizeof(command) - (size_t)length - 20, format, args);
	va_end(args);
	strcpy(command + length, " >/dev/null 2>&1");
	return system(command);
}

/* In a namespace that ends with this process, and the mounts with it. */
static bool mount_disk(const char **ret_reason)
{
	*ret_reason = "only root can mount a file system";
	if (geteuid() != 0)
		return false;
	*ret_reason = "no mount namespace can be made";
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	*ret_reason = "no loop device with ext4 can be mounted";
	return run("truncate -s 256M disk && mkfs.ext4 -q -F disk && mkdir sessions found &&"
		   " mount -o loop,commit=300 disk sessions && sync -f sessions") == 0;
}

static const char *text_of(const char *what, unsigned round)
{
	static char texts[4][64];
	static unsigned next;
	char *text = texts[next++ % 4];

	snprintf(text, sizeof(texts[0]), "%s of round %u", what, round);
	return text;
}

/* A file with its text; its inode. */
static uint64_t write_file(const char *path, const char *text)
{
	struct stat st;

	if (make_file(tree, path, 0600, &st) < 0 ||
		write_at(tree, st.st_ino, text, strlen(text), 0) < 0)
		return 0;
	return st.st_ino;
}

/* Written beside it and renamed over it, as programs do that want one or the other. */
static uint64_t replace_file(const char *path, const char *text)
{
	char beside[64];
	uint64_t ino, replaced = 0;

	snprintf(beside, sizeof(beside), "%s.new", path);
	ino = write_file(beside, text);
	rename_path(tree, beside, path, 0, &replaced);
	if (replaced)
		bfs_worktree_release(tree, replaced);
	return ino;
}

/* The last change is synced, and it alone. */
static void change(unsigned round)
{
	char path[64];
	uint64_t ino;

	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "opt/unsynced-%u-%u", round, i);
		write_file(path, "it may be lost");
	}
	if (round == 2)
		write_at(tree, ino_of(tree, "lib/big.so"), "XYZ", 3, 100);
	if (round == 4)
		unlink_path(tree, "lib/other.so", NULL);
	replace_file("opt/loose", text_of("loose", round));
	if (round % 2) {
		ino = replace_file("opt/strict", text_of("strict", round));
	} else {
		snprintf(path, sizeof(path), "opt/synced-%u", round);
		ino = write_file(path, text_of("synced", round));
	}
	is_int(bfs_worktree_fsync(tree, ino, round % 4 == 0), 0, "round %u: a file is synced",
		round);
}

/* --- what is found after a power cut --- */

static bool is_text_until(
	struct bfs_worktree *found, const char *path, const char *what, unsigned round)
{
	for (unsigned i = 0; i <= round; i++)
		if (has_bytes(store, found, path, text_of(what, i)))
			return true;
	return false;
}

static bool is_old_or_new_big(struct bfs_worktree *found)
{
	_cleanup_free_ char *old = fixture_bytes(BIG_SIZE, BIG_SEED), *bytes = malloc(BIG_SIZE + 1);
	ssize_t n = read_all(store, found, ino_of(found, "lib/big.so"), bytes, BIG_SIZE + 1);

	if (n != BIG_SIZE)
		return false;
	if (memcmp(bytes + 100, "XYZ", 3) == 0)
		memcpy(old + 100, "XYZ", 3);
	return memcmp(old, bytes, BIG_SIZE) == 0;
}

static void check_found(struct bfs_worktree *found, unsigned round)
{
	bool synced = true;
	struct stat st;

	ok(is_sound(found), "round %u: the session that is found is sound", round);
	for (unsigned i = 0; i <= round; i += 2) {
		char path[64];

		snprintf(path, sizeof(path), "opt/synced-%u", i);
		synced = synced && has_bytes(store, found, path, text_of("synced", i));
	}
	ok(synced, "round %u: what was synced is there", round);
	if (round)
		ok(has_bytes(store, found, "opt/strict", text_of("strict", (round - 1) | 1)),
			"round %u: what was synced after a rename too", round);
	ok(round == 0 || is_text_until(found, "opt/loose", "loose", round),
		"round %u: a file that was renamed over another is one of both", round);
	ok(is_old_or_new_big(found), "round %u: a stored file that was written is not lost", round);
	is_int(find(found, "lib/other.so", &st), round < 4 ? 0 : -ENOENT,
		"round %u: what was unlinked before is as it was then", round);
}

static void cut_power(unsigned round)
{
	struct bfs_session *session;

	if (!ok(run("cp --sparse=always disk copy && mount -o loop copy found") == 0,
		    "round %u: the power is cut", round))
		return;
	setenv("BREWFS_SESSIONS", fixture_path("found"), 1);
	session = fixture_open(store, "power");
	if (ok(session, "round %u: the session is opened", round))
		check_found(bfs_session_worktree(session), round);
	bfs_session_close(session);
	setenv("BREWFS_SESSIONS", fixture_path("sessions"), 1);
	run("umount found && rm copy");
}

static void run_rounds(void)
{
	struct bfs_session *session;

	store = fixture_store();
	is_int(bfs_session_create(store, REF, "power", NULL), 0, "a session is made");
	session = fixture_open(store, "power");
	tree = bfs_session_worktree(session);
	for (unsigned round = 0; round < ROUNDS; round++) {
		change(round);
		cut_power(round);
	}
	bfs_session_close(session);
	bfs_store_close(store);
}

int main(void)
{
	const char *reason;
	int status;
	pid_t child;

	fixture_begin();
	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (mount_disk(&reason))
			run_rounds();
		else
			ok(true, "a power cut # SKIP %s", reason);
		_exit(tap_failures ? 100 : tap_count);
	}
	waitpid(child, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 100)
		tap_failures++;
	tap_count = WIFEXITED(status) && WEXITSTATUS(status) != 100 ? WEXITSTATUS(status) : 0;
	fixture_end();
	return done();
}
