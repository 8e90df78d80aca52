/*
 * Many threads in one session at once, with freezes and syncs among them: nothing is lost, nothing
 * is in two states, and the session is sound at the end. Best run under a sanitizer.
 */
#include "tests/index/session_fixture.h"

#include <pthread.h>
#include <time.h>

#define THREADS 6
#define STEPS	1500
#define SECONDS 20 /* after which slow machines stop */

static struct bfs_store *store;
static struct bfs_worktree *tree;
static time_t deadline;
static int failures; /* atomic */

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	if (__atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) < 10)
		printf("# %s\n", what);
}

static uint64_t random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Makes, writes, renames, reads and unlinks a file of its own in the directory of all. */
static void work_alone(unsigned thread, unsigned step, uint64_t directory)
{
	char name[64], new_name[64], text[64], found[64];
	uint64_t ino = 0;
	struct stat st;
	int length = snprintf(name, sizeof(name), "t%u-%u", thread, step);
	int new_length = snprintf(new_name, sizeof(new_name), "renamed-%u-%u", thread, step);
	int size = snprintf(text, sizeof(text), "this is thread %u in step %u", thread, step);

	expect(bfs_worktree_make_node(
		       tree, &maker, directory, name, (size_t)length, S_IFREG | 0600, 0, &st) == 0,
		"a file is made");
	expect(write_at(tree, st.st_ino, text, (size_t)size, 0) == 0, "it is written");
	expect(bfs_worktree_rename(tree, directory, name, (size_t)length, directory, new_name,
		       (size_t)new_length, 0, NULL) == 0,
		"it is renamed");
	expect(read_all(store, tree, st.st_ino, found, sizeof(found)) == size &&
			memcmp(found, text, (size_t)size) == 0,
		"it has its bytes");
	if (step % 16 == 0)
		expect(bfs_worktree_fsync(tree, st.st_ino, step % 32 == 0) == 0, "it is synced");
	if (step % 4 == 0)
		return;
	expect(bfs_worktree_unlink(tree, directory, new_name, (size_t)new_length, &ino) == 0 &&
			ino == st.st_ino,
		"it is unlinked");
	expect(bfs_worktree_stat(tree, ino, &st) == 0 && st.st_nlink == 0, "it is an orphan");
	bfs_worktree_release(tree, ino);
}

/* All threads at the same few names: any result that a system call may have, and no other. */
static void work_together(uint64_t *state, uint64_t directory)
{
	char name[16], other[16];
	uint64_t replaced = 0;
	struct stat st, wanted = {.st_mode = 0640, .st_size = (off_t)(random_of(state) % 5000)};
	size_t length = (size_t)snprintf(name, sizeof(name), "c%d", (int)(random_of(state) % 8));
	size_t other_length =
		(size_t)snprintf(other, sizeof(other), "c%d", (int)(random_of(state) % 8));
	int r = 0;

	switch (random_of(state) % 6) {
	case 0:
		r = bfs_worktree_make_node(
			tree, &maker, directory, name, length, S_IFREG | 0644, 0, &st);
		break;
	case 1:
		r = bfs_worktree_unlink(tree, directory, name, length, &replaced);
		break;
	case 2:
		r = bfs_worktree_rename(tree, directory, name, length, directory, other,
			other_length, 0, &replaced);
		break;
	case 3:
		r = bfs_worktree_lookup(tree, directory, name, length, &st);
		if (r == 0)
			r = write_at(tree, st.st_ino, name, length, 4000);
		break;
	case 4:
		r = bfs_worktree_lookup(tree, directory, name, length, &st);
		if (r == 0)
			r = bfs_worktree_set_attributes(
				tree, st.st_ino, BFS_SET_MODE | BFS_SET_SIZE, &wanted, &st);
		break;
	default:
		r = bfs_worktree_lookup(tree, directory, name, length, &st);
		if (r == 0)
			r = bfs_worktree_link(tree, st.st_ino, directory, other, other_length, &st);
	}
	expect(r == 0 || r == -ENOENT || r == -EEXIST, "what happens together is possible");
	if (replaced)
		bfs_worktree_release(tree, replaced);
}

/* Everybody copies up the same stored file, reads it, and sees what it was. */
static void work_stored(unsigned thread, uint64_t big)
{
	struct bfs_worktree_data data;
	_cleanup_free_ char *found = malloc(BIG_SIZE), *bytes = fixture_bytes(BIG_SIZE, BIG_SEED);

	expect(bfs_worktree_data_open(tree, big, thread % 2, &data) == 0, "the big file is opened");
	bfs_worktree_data_close(tree, &data, false);
	expect(read_all(store, tree, big, found, BIG_SIZE) == BIG_SIZE &&
			memcmp(found, bytes, BIG_SIZE) == 0,
		"it is as it was");
}

static void *work(void *context)
{
	unsigned thread = (unsigned)(uintptr_t)context;
	uint64_t state = thread * 7919 + 1, directory = ino_of(tree, "opt");

	work_stored(thread, ino_of(tree, "lib/big.so"));
	for (unsigned step = 0; step < STEPS && time(NULL) < deadline; step++) {
		work_alone(thread, step, directory);
		work_together(&state, directory);
	}
	return NULL;
}

static int count_node(void *context, uint64_t ino, bool local, bool orphan)
{
	struct stat st;

	(void)orphan;
	*(unsigned *)context += local;
	expect(bfs_worktree_stat(tree, ino, &st) == 0, "a node is there while frozen");
	return 0;
}

static int visit_name(void *context, const char *name, size_t length, uint64_t cookie,
	const struct bfs_attributes *attributes)
{
	(void)name, (void)length, (void)cookie;
	*(unsigned *)context += attributes->nlink > 0;
	return 0;
}

/* Sees the same as often as it looks, while the others wait. */
static void *freeze(void *context)
{
	bool *stop = context;

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		const struct timespec pause = {.tv_nsec = 5000000};
		unsigned first = 0, second = 0, names[2] = {0};
		struct bfs_attributes opt;

		expect(bfs_worktree_freeze(tree) == 0, "it is frozen");
		expect(bfs_worktree_visit_nodes(tree, count_node, &first) == 0,
			"nodes are visited");
		bfs_tree_lookup(bfs_worktree_tree(tree), 1, "opt", 3, &opt);
		for (unsigned i = 0; i < 2; i++)
			expect(bfs_tree_read_directory(bfs_worktree_tree(tree), opt.ino, 0,
				       visit_name, &names[i]) == 0,
				"its tree is read");
		expect(bfs_worktree_visit_nodes(tree, count_node, &second) == 0 &&
				first == second && names[0] == names[1],
			"nothing changes while it is frozen");
		bfs_worktree_thaw(tree);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int check_name(
	void *context, const char *name, size_t length, uint64_t cookie, const struct stat *stat)
{
	(void)name, (void)length, (void)cookie;
	*(unsigned *)context += stat->st_nlink > 0;
	return 0;
}

int main(void)
{
	struct bfs_session *session;
	pthread_t threads[THREADS], freezer;
	bool stop = false;
	unsigned names = 0;

	deadline = time(NULL) + SECONDS;
	fixture_begin();
	store = fixture_store();
	bfs_session_create(store, REF, "threads", NULL);
	session = fixture_open(store, "threads");
	tree = bfs_session_worktree(session);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i);
	pthread_create(&freezer, NULL, freeze, &stop);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(freezer, NULL);
	is_int(failures, 0, "threads do not disturb each other");
	ok(is_sound(tree), "the session is sound");
	bfs_session_close(session);
	session = fixture_open(store, "threads");
	tree = bfs_session_worktree(session);
	bfs_worktree_read_directory(tree, ino_of(tree, "opt"), 0, check_name, &names);
	ok(names > 0, "what they made is there after reopening");
	ok(is_sound(tree), "and the session is sound");
	bfs_session_close(session);
	bfs_store_close(store);
	fixture_end();
	return done();
}
