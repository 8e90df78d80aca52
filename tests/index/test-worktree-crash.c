/*
 * A process that is killed while it changes a session: the session is sound when it is opened
 * again, shows what was true after one of the changes, none before the last that was synced, and
 * every file has the bytes of one of the writes into it.
 *
 * A child makes changes that follow from a seed, and after each renames a marker to its number. It
 * is killed after a random time; then the parent opens the session, looks at the marker, makes the
 * same changes in a model, and compares.
 */
#include "tests/index/session_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 40
#define SLOTS  48 /* names that may be there: 24 in each of two directories */
#define TEXT_SIZE                                                                                  \
	64 /* bytes of a content: the number of the change that wrote it, again and again */

struct shared {
	volatile uint64_t done, synced; /* changes */
};

struct slot {
	bool exists;
	uint64_t identity; /* the change that made the file; hardlinks share it */
	mode_t mode;
	uint64_t content; /* the change that wrote it; 0: empty */
};

struct model {
	struct slot slots[SLOTS];
};

enum action { MAKE, WRITE, UNLINK, RENAME, EXCHANGE, LINK, CHMOD, TRUNCATE, ACTIONS };

struct change {
	enum action action;
	unsigned slot, other;
	bool sync;
};

static struct bfs_store *store;

static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= UINT64_C(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64_C(0xc4ceb9fe1a85ec53);
	return value ^ value >> 33;
}

static struct change change_of(uint64_t seed, uint64_t number)
{
	uint64_t random = mix(seed * 1000003 + number);

	return (struct change){
		.action = random % ACTIONS,
		.slot = (unsigned)(random >> 8) % SLOTS,
		.other = (unsigned)(random >> 24) % SLOTS,
		.sync = (random >> 40) % 64 == 0,
	};
}

static const char *path_of(unsigned slot)
{
	static char paths[4][32];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/slot%u", slot % 2 ? "opt" : "var", slot);
	return path;
}

static void write_text(uint64_t number, char text[TEXT_SIZE])
{
	for (size_t i = 0; i < TEXT_SIZE; i += sizeof(number))
		memcpy(text + i, &number, sizeof(number));
}

/* --- the changes, in the session --- */

static void release(struct bfs_worktree *tree, uint64_t ino)
{
	struct stat st;

	if (ino && bfs_worktree_stat(tree, ino, &st) == 0 && st.st_nlink == 0)
		bfs_worktree_release(tree, ino);
}

static void apply_link(struct bfs_worktree *tree, const struct change *change)
{
	const char *name;
	uint64_t parent = parent_of(tree, path_of(change->other), &name);
	struct stat st;

	if (find(tree, path_of(change->slot), &st) == 0)
		bfs_worktree_link(tree, st.st_ino, parent, name, strlen(name), &st);
}

static void apply_attribute(struct bfs_worktree *tree, const struct change *change, uint64_t number)
{
	struct stat wanted = {.st_mode = 0600 | (number & 077)}, st;

	if (find(tree, path_of(change->slot), &st) == 0)
		bfs_worktree_set_attributes(tree, st.st_ino,
			change->action == CHMOD ? BFS_SET_MODE : BFS_SET_SIZE, &wanted, &st);
}

static void apply_rename(struct bfs_worktree *tree, const struct change *change)
{
	uint64_t replaced = 0;

	rename_path(tree, path_of(change->slot), path_of(change->other),
		change->action == EXCHANGE ? RENAME_EXCHANGE : 0, &replaced);
	release(tree, replaced);
}

static void apply(struct bfs_worktree *tree, const struct change *change, uint64_t number)
{
	const char *path = path_of(change->slot);
	char text[TEXT_SIZE];
	uint64_t ino = 0;
	struct stat st;

	switch (change->action) {
	case MAKE:
		make_file(tree, path, 0644, &st);
		break;
	case WRITE:
		write_text(number, text);
		if (find(tree, path, &st) == 0)
			write_at(tree, st.st_ino, text, TEXT_SIZE, 0);
		break;
	case UNLINK:
		unlink_path(tree, path, &ino);
		release(tree, ino);
		break;
	case RENAME:
	case EXCHANGE:
		apply_rename(tree, change);
		break;
	case LINK:
		apply_link(tree, change);
		break;
	default:
		apply_attribute(tree, change, number);
	}
}

static void sync_change(struct bfs_worktree *tree, uint64_t number)
{
	char marker[32];
	struct stat st;

	snprintf(marker, sizeof(marker), "marker-%llu", (unsigned long long)number);
	if (number % 2 == 0)
		bfs_worktree_sync(tree);
	else if (find(tree, marker, &st) == 0)
		bfs_worktree_fsync(tree, st.st_ino, false);
}

static void run_child(struct shared *shared, uint64_t seed, uint64_t first)
{
	struct bfs_session *session = fixture_open(store, "crash");
	struct bfs_worktree *tree;
	char old[32], new[32];

	if (!session)
		_exit(1);
	tree = bfs_session_worktree(session);
	for (uint64_t number = first;; number++) {
		struct change change = change_of(seed, number);

		apply(tree, &change, number);
		snprintf(old, sizeof(old), "marker-%llu", (unsigned long long)number - 1);
		snprintf(new, sizeof(new), "marker-%llu", (unsigned long long)number);
		if (rename_path(tree, old, new, 0, NULL) < 0)
			_exit(2);
		shared->done = number;
		if (change.sync) {
			sync_change(tree, number);
			shared->synced = number;
		}
	}
}

/* --- the same in the model --- */

static void set_content(struct model *model, uint64_t identity, uint64_t content)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (model->slots[i].exists && model->slots[i].identity == identity)
			model->slots[i].content = content;
}

static void set_mode(struct model *model, uint64_t identity, mode_t mode)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (model->slots[i].exists && model->slots[i].identity == identity)
			model->slots[i].mode = mode;
}

static void model_rename(struct slot *from, struct slot *to, bool exchange)
{
	struct slot moved = *from;

	if (!from->exists || (exchange && !to->exists) ||
		(to->exists && to->identity == from->identity))
		return;
	*from = exchange ? *to : (struct slot){0};
	*to = moved;
}

static void model_apply(struct model *model, const struct change *change, uint64_t number)
{
	struct slot *slot = &model->slots[change->slot], *other = &model->slots[change->other];

	if (change->action == MAKE) {
		if (!slot->exists)
			*slot = (struct slot){true, number, 0644, 0};
	} else if (!slot->exists) {
		return;
	} else if (change->action == WRITE) {
		set_content(model, slot->identity, number);
	} else if (change->action == UNLINK) {
		*slot = (struct slot){0};
	} else if (change->action == RENAME || change->action == EXCHANGE) {
		model_rename(slot, other, change->action == EXCHANGE);
	} else if (change->action == LINK) {
		if (!other->exists)
			*other = *slot;
	} else if (change->action == CHMOD) {
		set_mode(model, slot->identity, 0600 | (number & 077));
	} else {
		set_content(model, slot->identity, 0);
	}
}

/* --- comparing --- */

/* Bytes are in the data file at once, so they may be of a change that is not in the tree any more.
 */
static bool content_fits(struct bfs_worktree *tree, uint64_t ino, uint64_t content, uint64_t done)
{
	char found[TEXT_SIZE + 1], expected[TEXT_SIZE];
	uint64_t number;
	ssize_t n = read_all(store, tree, ino, found, sizeof(found));

	if (n == 0) /* empty still, or truncated by a later change */
		return true;
	if (n != TEXT_SIZE)
		return false;
	memcpy(&number, found, sizeof(number));
	write_text(number, expected);
	/* Numbers of changes that were lost come again, so the model may have one beyond `done`. */
	return memcmp(found, expected, TEXT_SIZE) == 0 && number >= content &&
	       (number <= done + 1 || number == content);
}

static bool slot_fits(
	struct bfs_worktree *tree, const struct model *model, unsigned index, uint64_t done)
{
	const struct slot *slot = &model->slots[index];
	unsigned links = 0;
	struct stat st;
	int r = find(tree, path_of(index), &st);

	if (!slot->exists)
		return r == -ENOENT;
	for (unsigned i = 0; i < SLOTS; i++)
		links += model->slots[i].exists && model->slots[i].identity == slot->identity;
	if (r < 0 || (st.st_mode & 07777) != slot->mode || st.st_nlink != links)
		return false;
	return content_fits(tree, st.st_ino, slot->content, done);
}

static void tell_slot(struct bfs_worktree *tree, const struct slot *slot, unsigned index)
{
	uint64_t text[TEXT_SIZE / 8 + 1] = {0};
	struct stat st = {0};
	int r = find(tree, path_of(index), &st);
	ssize_t n = r < 0 ? r : read_all(store, tree, st.st_ino, text, sizeof(text));

	printf("# %s: mode %o, %d links, %zd bytes of change %llu; expected %s, mode %o, change "
	       "%llu\n",
		path_of(index), st.st_mode, (int)st.st_nlink, n, (unsigned long long)text[0],
		slot->exists ? "it" : "nothing", slot->mode, (unsigned long long)slot->content);
}

static bool fits(struct bfs_worktree *tree, const struct model *model, uint64_t done, bool tell)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (!slot_fits(tree, model, i, done)) {
			if (tell)
				tell_slot(tree, &model->slots[i], i);
			return false;
		}
	return true;
}

static int note_marker(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	unsigned long long number;
	char text[300];

	(void)cookie, (void)stat;
	snprintf(text, sizeof(text), "%.*s", (int)length, name);
	if (sscanf(text, "marker-%llu", &number) == 1)
		*(uint64_t *)context = number;
	return 0;
}

/* Compares, and tells the change from which the next child goes on. */
static void check_round(struct shared *shared, struct model *model, uint64_t seed, uint64_t first,
	uint64_t *ret_next)
{
	struct bfs_session *session = fixture_open(store, "crash");
	struct bfs_worktree *tree = session ? bfs_session_worktree(session) : NULL;
	uint64_t marker = 0;
	struct change half;

	if (!ok(session, "the session is opened after its process was killed"))
		exit(1);
	ok(is_sound(tree), "it is sound");
	bfs_worktree_read_directory(tree, BFS_TREE_ROOT, 0, note_marker, &marker);
	ok(marker >= shared->synced && marker <= shared->done + 1,
		"change %llu is in it: not before %llu, the last synced, nor after %llu, the last "
		"done",
		(unsigned long long)marker, (unsigned long long)shared->synced,
		(unsigned long long)shared->done);
	for (uint64_t number = first; number <= marker; number++) {
		struct change change = change_of(seed, number);

		model_apply(model, &change, number);
	}
	if (!fits(tree, model, shared->done, false)) { /* one change further than its marker? */
		half = change_of(seed, marker + 1);
		model_apply(model, &half, marker + 1);
	}
	ok(fits(tree, model, shared->done, true), "every name is as it was after that change");
	bfs_session_close(session);
	*ret_next = marker + 1;
}

/* From here on both agree: what was written and not committed is what the model has. */
static void settle(struct model *model)
{
	struct bfs_session *session = fixture_open(store, "crash");
	struct bfs_worktree *tree = bfs_session_worktree(session);

	for (unsigned i = 0; i < SLOTS; i++) {
		char found[TEXT_SIZE];
		ssize_t n = 0;

		if (!model->slots[i].exists)
			continue;
		n = read_all(store, tree, ino_of(tree, path_of(i)), found, sizeof(found));
		model->slots[i].content = 0;
		if (n == TEXT_SIZE)
			memcpy(&model->slots[i].content, found, sizeof(uint64_t));
	}
	bfs_session_close(session);
}

static void prepare(void)
{
	struct bfs_session *session;
	struct stat st;

	bfs_session_create(store, REF, "crash", NULL);
	session = fixture_open(store, "crash");
	make_directory(bfs_session_worktree(session), "var", 0755, &st);
	make_file(bfs_session_worktree(session), "marker-0", 0600, &st);
	bfs_session_close(session);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL), next = 1;
	struct shared *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct model model = {0};

	printf("# seed %llu\n", (unsigned long long)seed);
	fixture_begin();
	store = fixture_store();
	prepare();
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t first = next;
		struct timespec delay = {
			.tv_nsec = (long)(mix(seed + round) % 200) * 1000000 + 20000000};
		pid_t pid;

		shared->done = shared->synced = first - 1;
		pid = fork();
		if (pid == 0)
			run_child(shared, seed, first);
		nanosleep(&delay, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		check_round(shared, &model, seed, first, &next);
		settle(&model);
	}
	bfs_store_close(store);
	fixture_end();
	return done();
}
