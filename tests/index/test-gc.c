/* Garbage collection and rollback: what is needed stays, whoever needs it and whoever dies; the
 * rest goes. */
#include "index/check_store.h"
#include "index/gc.h"
#include "index/gc_lock.h"
#include "index/lease.h"
#include "index/put.h"
#include "index/snapshot.h"
#include "tests/index/store_fixture.h"

#include <signal.h>
#include <sys/stat.h>
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

/* Puts a big and a small content in place of those that the generation before had. */
static int publish(struct bfs_store *store, const char *ref, uint64_t seed)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_free_ char *bytes = fixture_bytes(70000, seed);
	struct bfs_tree *tree;
	int r = bfs_publication_begin(store, ref, &publication, NULL);

	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, NULL);
	if (r < 0)
		return r;
	tree = bfs_publication_tree(publication);
	r = bfs_tree_remove_path(tree, "big");
	if (r == 0 || r == -ENOENT)
		r = bfs_tree_remove_path(tree, "small");
	if (r == 0 || r == -ENOENT)
		r = fixture_write(writer, tree, "big", 0755, bytes, 70000, NULL);
	if (r == 0)
		r = fixture_write(writer, tree, "small", 0644, bytes, 1000, NULL);
	if (r == 0)
		r = bfs_writer_commit(writer, &tree, 1, NULL);
	return r == 0 ? bfs_publication_commit(publication, "test", NULL, NULL) : r;
}

static int publish_some(struct bfs_store *store, const char *ref, uint64_t seed, int count)
{
	int r = 0;

	for (int i = 0; r == 0 && i < count; i++)
		r = publish(store, ref, seed + (uint64_t)i);
	return r;
}

static uint64_t check(struct bfs_store *store, struct bfs_check_store *ret_check)
{
	_cleanup_check_ struct bfs_check *found = NULL;
	uint64_t problems = UINT64_MAX;

	*ret_check = (struct bfs_check_store){.store = store};
	if (bfs_check_new(&found) < 0)
		return problems;
	ret_check->check = found;
	if (bfs_check_store(ret_check, NULL) == 0)
		problems = bfs_check_problems(found);
	for (const struct bfs_finding *f = bfs_check_findings(found); f; f = f->next)
		printf("# %s %s: %s\n", f->what, f->path, f->detail);
	return problems;
}

static int collect(struct bfs_store *store, uint64_t keep, int64_t grace, struct bfs_gc *ret_gc)
{
	*ret_gc = (struct bfs_gc){.store = store, .keep = keep, .grace = grace};
	return bfs_gc_run(ret_gc, NULL);
}

static int generation_of(struct bfs_store *store, uint64_t number, struct bfs_generation *ret)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_generation current;
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = bfs_snapshot_open(store, REF, &current, &tree, NULL);

	if (r == 0)
		r = bfs_publication_log(tree, &current, &entries, &count, NULL);
	if (r == 0)
		r = -ENOENT;
	for (size_t i = 0; i < count; i++)
		if (entries[i].generation.number == number) {
			*ret = entries[i].generation;
			r = 0;
		}
	bfs_log_entries_free(entries, count);
	return r;
}

static void test_keep(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("keep");
	struct bfs_check_store found;
	struct bfs_gc gc = {.store = store, .keep = 2, .dry_run = true};
	struct bfs_gc again;

	is_int(publish_some(store, REF, 1, 5), 0, "five generations");
	is_int(publish_some(store, "other", 100, 3), 0, "and three of another prefix");
	is_int(collect(store, 2, 3600, &again), 0, "what is young");
	is_int(again.generations + again.objects + again.packs + again.indexes, 0, "stays");
	is_int(bfs_gc_run(&gc, NULL), 0, "a dry run");
	is_int(gc.generations, 4, "finds four generations to remove");
	is_int(gc.objects + gc.packs, 8, "with what they had");
	check(store, &found);
	is_int(found.generations, 8, "and removes nothing");
	is_int(collect(store, 2, 0, &again), 0, "a real one");
	is_int(again.kept, 4, "keeps two of each");
	is_int(again.generations, 4, "and removes as many as it said");
	is_int(again.objects, gc.objects, "objects,");
	is_int(again.packs, gc.packs, "packs,");
	is_int(again.indexes, 4, "indexes,");
	is_int((int64_t)again.bytes, (int64_t)gc.bytes, "and bytes");
	is_int(check(store, &found), 0, "the store is whole");
	is_int(found.generations, 4, "has four generations");
	is_int(found.unused_files, 0, "and nothing that is not used");
	is_int(publish(store, REF, 3), 0, "a content that was removed comes again");
	is_int(check(store, &found), 0, "and is there");
}

static void test_lease(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("lease");
	struct bfs_generation second;
	struct bfs_check_store found;
	struct bfs_lease *lease = NULL;
	struct bfs_gc gc;

	publish_some(store, REF, 1, 5);
	is_int(generation_of(store, 2, &second), 0, "a generation");
	bfs_lease_new(store, REF, "/mnt", &lease);
	is_int(bfs_lease_renew(lease, &second, 1, NULL), 0, "is mounted somewhere");
	is_int(collect(store, 1, 0, &gc), 0, "a collection");
	is_int(gc.kept, 2, "keeps it, and the current one");
	is_int(check(store, &found), 0, "with all that they have");
	is_int(found.generations, 2, "both");
	bfs_lease_free(lease);
	is_int(collect(store, 1, 0, &gc), 0, "when it is mounted no more");
	is_int(gc.generations, 1, "it goes");
	is_int(check(store, &found), 0, "the store is whole");
}

static void age(struct bfs_store *store, const char *name, int days)
{
	struct timespec times[2] = {{.tv_sec = time(NULL) - days * 86400}, {0}};

	times[1] = times[0];
	utimensat(bfs_store_fd(store), name, times, 0);
}

static void test_kegs(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("kegs");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_check_store found;
	struct bfs_gc gc;

	publish(store, "keg", 7);
	bfs_read_file(bfs_store_fd(store), "refs/keg", 1000, &text);
	unlinkat(bfs_store_fd(store), "refs/keg", 0);
	bfs_replace_file(bfs_store_fd(store), "kegs/1.json", text.data, text.length, 0644);
	publish(store, REF, 8);
	is_int(collect(store, 1, 0, &gc), 0, "a remembered keg");
	is_int(gc.kegs + gc.objects + gc.packs + gc.indexes, 0, "stays with what it has");
	is_int(check(store, &found), 0, "all of it");
	is_int(found.kegs, 1, "and is known");
	age(store, "kegs/1.json", BFS_GC_KEG_DAYS + 1);
	is_int(collect(store, 1, 0, &gc), 0, "after a month");
	is_int(gc.kegs, 1, "it is forgotten");
	is_int(gc.objects + gc.packs + gc.indexes, 3, "and what it had goes");
	is_int(check(store, &found), 0, "the store is whole");
	is_int(found.unused_files, 0, "and tidy");
}

static void test_staged(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("staged"), *other = NULL;
	_cleanup_free_ char *name = NULL;
	struct bfs_gc gc;
	int fd, status;
	pid_t child;

	publish(store, REF, 1);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		if (bfs_put_begin(store) < 0 ||
			bfs_put_stage(store, "packs/", 0444, &fd, &name) < 0)
			_exit(1);
		_exit(0); /* as if killed */
	}
	waitpid(child, &status, 0);
	is_int(status, 0, "a writer dies");
	is_int(collect(store, 1, 0, &gc), 0, "a collection");
	is_int(gc.staged, 1, "removes what it wrote");
	is_int(fixture_count(fixture_path("staged/staging")), 0, "and its directory");
	bfs_store_open(fixture_path("staged"), &other, NULL);
	is_int(bfs_gc_lock_share(other, &fd), 0, "a writer is at work");
	fflush(stdout);
	child = fork();
	if (child == 0) {
		close(fd); /* or it would hold the lock itself */
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		_exit(collect(store, 1, 0, &gc) == 0 ? 0 : 1);
	}
	nanosleep(&(struct timespec){0, 200000000}, NULL);
	is_int(waitpid(child, &status, WNOHANG), 0, "a collection waits");
	close(fd);
	is_int(waitpid(child, &status, 0), child, "until it is done");
	is_int(status, 0, "and then is done itself");
}

static void test_damaged(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("damaged");
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_gc gc = {.store = store, .keep = 2};
	struct bfs_generation old;
	char name[BFS_STORE_NAME_SIZE];

	publish_some(store, REF, 1, 4);
	generation_of(store, 3, &old);
	bfs_store_index_name(&old.index, name);
	fchmodat(bfs_store_fd(store), name, 0644, 0);
	truncate(fixture_path("damaged/%s", name), 5000);
	setenv("BREWFS_CACHE", fixture_path("cache-damaged"), 1);
	is_int(bfs_gc_run(&gc, &error), -EBADMSG, "where an index that is to stay is damaged");
	ok(strstr(bfs_error_message(&error, 0), name) != NULL, "which is said: %s",
		bfs_error_message(&error, 0));
	is_int(fixture_count(fixture_path("damaged/indexes")), 4, "nothing is removed");
	is_int(fixture_count(fixture_path("damaged/packs")), 4, "of all");
	setenv("BREWFS_CACHE", fixture_path("cache"), 1);
}

/* A child publishes and collects as fast as it can until it is killed. */
static void test_killed(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("killed");
	struct bfs_check_store found;
	struct bfs_gc gc;
	int wrong = 0;

	publish(store, REF, 1);
	for (unsigned round = 0; round < 15; round++) {
		struct timespec pause = {0, (5 + round * 11) * 1000 * 1000};
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0)
			for (uint64_t i = 0;; i++) {
				publish_some(store, REF, i * 10 + round * 1000, 4);
				collect(store, 2, 0, &gc);
			}
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		wrong += check(store, &found) != 0;
	}
	is_int(wrong, 0, "whenever a collection is killed, every generation that is left is whole");
	is_int(collect(store, 1, 0, &gc), 0, "the next one");
	is_int(check(store, &found), 0, "leaves a whole store");
	is_int(found.unused_files, 0, "without anything that is not used");
}

static int make_many(struct bfs_store *store, int number, int count)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	struct bfs_content empty = {.size = 0};
	struct bfs_tree *tree;
	int r = bfs_publication_begin(store, REF, &publication, NULL);

	if (r < 0)
		return r;
	tree = bfs_publication_tree(publication);
	r = bfs_tree_begin(tree);
	for (int i = 0; r == 0 && i < count; i++) {
		char name[64];
		int length =
			snprintf(name, sizeof(name), "a-file-with-a-long-name-%d-%d", number, i);

		r = bfs_tree_make_file(
			tree, BFS_TREE_ROOT, name, (size_t)length, 0644, 0, &empty, NULL);
	}
	if (r == 0)
		r = bfs_tree_commit(tree);
	return r == 0 ? bfs_publication_commit(publication, "many", NULL, NULL) : r;
}

static void test_deltas(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("deltas");
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_check_store found;
	struct bfs_gc gc;
	int failed = make_many(store, 0, 15000);

	for (int i = 1; i < 12; i++)
		failed |= make_many(store, i, i % 4 ? 3 : 700);
	is_int(failed, 0, "generations that are deltas");
	is_int(collect(store, 1, 0, &gc), 0, "of which one is kept");
	is_int(gc.generations, 11, "and eleven are not");
	setenv("BREWFS_CACHE", fixture_path("cache-deltas"), 1);
	is_int(bfs_snapshot_open(store, REF, NULL, &tree, NULL), 0,
		"with the indexes that it is made from");
	is_int(check(store, &found), 0, "the store is whole");
	is_int(found.unused_files, 0, "and tidy");
	ok(fixture_count(fixture_path("deltas/indexes")) <= 4, "few files are left");
	setenv("BREWFS_CACHE", fixture_path("cache"), 1);
}

static int restore(struct bfs_store *store, uint64_t number, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	int r = bfs_publication_begin(store, REF, &publication, error);

	if (r == 0)
		r = bfs_publication_restore(publication, number, error);
	return r == 0 ? bfs_publication_commit(publication, "rollback", NULL, error) : r;
}

static uint64_t next_ino(struct bfs_store *store)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_free_ char *text = NULL;

	if (bfs_snapshot_open(store, REF, NULL, &tree, NULL) < 0 ||
		bfs_tree_get_value(tree, "next_ino", &text) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

static void content_of(struct bfs_store *store, const char *path, struct bfs_digest *ret_digest)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_attributes attributes;
	struct bfs_content content = {.size = 0};

	if (bfs_snapshot_open(store, REF, NULL, &tree, NULL) == 0 &&
		bfs_tree_lstat_path(tree, path, &attributes) == 0)
		bfs_tree_content(tree, attributes.ino, &content);
	*ret_digest = content.digest;
}

static void test_rollback(void)
{
	_cleanup_store_ struct bfs_store *store = make_store("rollback");
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_digest first, third, now;
	struct bfs_generation generation;
	struct bfs_check_store found;
	struct bfs_gc gc;
	uint64_t highest;

	publish(store, REF, 1);
	content_of(store, "big", &first);
	publish_some(store, REF, 2, 2);
	content_of(store, "big", &third);
	highest = next_ino(store);
	is_int(restore(store, 1, NULL), 0, "the first generation comes back");
	content_of(store, "big", &now);
	ok(bfs_digest_equal(&now, &first) && !bfs_digest_equal(&now, &third), "as it was");
	ok(next_ino(store) >= highest, "but no inode number comes again");
	is_int(generation_of(store, 4, &generation), 0, "as generation 4");
	is_int(generation_of(store, 3, &generation), 0, "after those that there were");
	is_int(restore(store, 3, NULL), 0, "the third comes back");
	content_of(store, "big", &now);
	ok(bfs_digest_equal(&now, &third), "as it was");
	is_int(restore(store, 9, &error), -ENOENT, "one that there never was does not");
	ok(strstr(bfs_error_message(&error, 0), "no generation 9") != NULL, "which is said");
	bfs_error_clear(&error);
	is_int(collect(store, 1, 0, &gc), 0, "after a collection");
	setenv("BREWFS_CACHE", fixture_path("cache-rollback"), 1);
	is_int(restore(store, 1, &error), -ENOENT, "what was removed does not either");
	ok(strstr(bfs_error_message(&error, 0), "was removed") != NULL, "which is said: %s",
		bfs_error_message(&error, 0));
	is_int(check(store, &found), 0, "the store is whole");
}

int main(void)
{
	fixture_begin();
	test_keep();
	test_lease();
	test_kegs();
	test_staged();
	test_damaged();
	test_killed();
	test_deltas();
	test_rollback();
	fixture_end();
	return done();
}
