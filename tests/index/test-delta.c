/* Indexes that are published as what has changed: every generation is what it was, whatever a
 * reader has of it, and whatever is damaged is told. */
#include "index/check_store.h"
#include "index/publish_delta.h"
#include "index/rebuild.h"
#include "index/snapshot.h"
#include "tests/index/store_fixture.h"

#include <sys/stat.h>

#define NAMES	    14000 /* make an index of 1.4 MB */
#define GENERATIONS 24

static struct bfs_store *store;
static struct bfs_generation generations[GENERATIONS];

/* Runs `change` on a new generation. */
static int publish(int (*change)(struct bfs_writer *, struct bfs_tree *, unsigned), unsigned number,
	struct bfs_generation *ret_generation, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	struct bfs_tree *tree;
	int r = bfs_publication_begin(store, REF, &publication, error);

	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, error);
	if (r < 0)
		return r;
	tree = bfs_publication_tree(publication);
	r = bfs_tree_begin(tree);
	if (r == 0)
		r = change(writer, tree, number);
	if (r == 0)
		r = bfs_writer_commit(writer, &tree, 1, error);
	if (r == 0)
		r = bfs_tree_commit(tree);
	return r == 0 ? bfs_publication_commit(publication, "test", ret_generation, error) : r;
}

static int add_file(struct bfs_writer *writer, struct bfs_tree *tree, const char *directory,
	unsigned number, size_t size)
{
	_cleanup_free_ char *path = bfs_format("%s/file-with-a-long-name-%u", directory, number);
	_cleanup_free_ char *bytes = fixture_bytes(size, number + 1);

	return fixture_write(writer, tree, path, 0644, bytes, size, NULL);
}

static int make_many(struct bfs_writer *writer, struct bfs_tree *tree, unsigned number)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < NAMES; i++) {
		char directory[32];

		snprintf(directory, sizeof(directory), "d%u/d%u", i % 7, i % 100);
		r = add_file(writer, tree, directory, i + number, i % 2 ? 0 : 20);
	}
	return r;
}

/* A few names more here and there; one less. */
static int make_few(struct bfs_writer *writer, struct bfs_tree *tree, unsigned number)
{
	char path[64], directory[32];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 5; i++) {
		snprintf(directory, sizeof(directory), "d%u/d%u", i % 7, (number * 13 + i) % 100);
		r = add_file(writer, tree, directory, NAMES + number * 5 + i, 30);
	}
	snprintf(path, sizeof(path), "d%u/d%u/file-with-a-long-name-%u", number % 7, number % 100,
		number);
	return r == 0 ? bfs_tree_remove_path(tree, path) : r;
}

static int remove_most(struct bfs_writer *writer, struct bfs_tree *tree, unsigned number)
{
	char path[8];
	int r = 0;

	(void)writer, (void)number;
	for (unsigned i = 1; r == 0 && i < 7; i++) {
		snprintf(path, sizeof(path), "d%u", i);
		r = bfs_tree_remove_path(tree, path);
	}
	return r;
}

static bool has_file(const struct bfs_generation *generation, bool delta)
{
	char name[BFS_STORE_NAME_SIZE];

	if (delta)
		bfs_store_delta_name(&generation->index, name);
	else
		bfs_store_index_name(&generation->index, name);
	return faccessat(bfs_store_fd(store), name, F_OK, 0) == 0;
}

static off_t delta_size(const struct bfs_generation *generation)
{
	char name[BFS_STORE_NAME_SIZE];
	struct stat st;

	bfs_store_delta_name(&generation->index, name);
	return fstatat(bfs_store_fd(store), name, &st, 0) == 0 ? st.st_size : -1;
}

static size_t chain_length(const struct bfs_generation *generation)
{
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;

	return bfs_rebuild_read_delta(store, generation, &delta) == 0 ? delta.chain_count : 0;
}

/* Another cache, with nothing in it. */
static void use_cache(const char *name)
{
	bfs_remove_tree(AT_FDCWD, fixture_path("%s", name));
	setenv("BREWFS_CACHE", fixture_path("%s", name), 1);
}

static int fetch(const struct bfs_generation *generation, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_snapshot_fetch(store, generation, &path, error);

	return r < 0 ? r : bfs_tree_open(path, BFS_TREE_READ, &tree, error);
}

static uint64_t count_problems(struct bfs_check_store *ret_check, const char *expected_path)
{
	_cleanup_check_ struct bfs_check *check = NULL;
	uint64_t problems = UINT64_MAX;

	*ret_check = (struct bfs_check_store){.store = store};
	if (bfs_check_new(&check) < 0)
		return problems;
	ret_check->check = check;
	if (bfs_check_store(ret_check, NULL) == 0)
		problems = bfs_check_problems(check);
	for (const struct bfs_finding *f = bfs_check_findings(check); f; f = f->next)
		if (!expected_path || strcmp(f->path, expected_path) != 0)
			printf("# %s %s: %s\n", f->what, f->path, f->detail);
	return problems;
}

static void test_publish(void)
{
	size_t longest = 0;
	int failed = 0, deltas = 0;
	off_t largest = 0;

	is_int(publish(make_many, 0, &generations[0], NULL), 0, "a big prefix is published");
	ok(has_file(&generations[0], false), "whole");
	ok(generations[0].size > BFS_REBUILD_WHOLE, "it is big enough for deltas");
	for (unsigned i = 1; i < GENERATIONS; i++) {
		failed += publish(make_few, i, &generations[i], NULL) != 0;
		deltas += has_file(&generations[i], true) && !has_file(&generations[i], false);
		if (chain_length(&generations[i]) > longest)
			longest = chain_length(&generations[i]);
		if (delta_size(&generations[i]) > largest)
			largest = delta_size(&generations[i]);
	}
	is_int(failed, 0, "and then %d small changes", GENERATIONS - 1);
	ok(deltas > GENERATIONS / 2, "%d of them are deltas", deltas);
	ok(longest >= 1 && longest <= 3, "at most 3 are applied to a whole one: %zu", longest);
	ok(largest < (off_t)generations[0].size / 3, "none is large: %lld", (long long)largest);
	ok(delta_size(&generations[1]) < 400000, "the first has %lld bytes",
		(long long)delta_size(&generations[1]));
}

static void test_readers(void)
{
	int cold = 0, after = 0, skipping = 0, back = 0;

	for (int i = 0; i < GENERATIONS; i += 3) {
		use_cache("cold");
		cold += fetch(&generations[i], NULL) != 0;
	}
	is_int(cold, 0, "each generation comes out of the store alone, with its digest");
	use_cache("warm");
	for (int i = 0; i < GENERATIONS; i++)
		after += fetch(&generations[i], NULL) != 0;
	is_int(after, 0, "or is made of the one before");
	use_cache("warm");
	for (int i = 0; i < GENERATIONS; i += 7)
		skipping += fetch(&generations[i], NULL) != 0;
	is_int(skipping, 0, "or of an older one");
	use_cache("warm");
	for (int i = GENERATIONS; i-- > 0;)
		back += fetch(&generations[i], NULL) != 0;
	is_int(back, 0, "or after a newer one");
}

/* What a reader takes from the store who has the generation before: its delta alone. */
static void test_follow(void)
{
	char whole[BFS_STORE_NAME_SIZE], aside[BFS_STORE_NAME_SIZE + 8];
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	int last = GENERATIONS - 1, r;

	while (last && !has_file(&generations[last], true))
		last--;
	is_int(bfs_rebuild_read_delta(store, &generations[last], &delta), 0, "a delta is read");
	use_cache("warm");
	is_int(fetch(&generations[last - 1], NULL), 0, "a reader has the generation before");
	bfs_store_index_name(&delta.chain[delta.chain_count - 1].index, whole);
	snprintf(aside, sizeof(aside), "%s.aside", whole);
	renameat(bfs_store_fd(store), whole, bfs_store_fd(store), aside);
	r = fetch(&generations[last], NULL);
	is_int(r, 0, "and needs the delta alone for the next");
	use_cache("cold");
	is_int(fetch(&generations[last], NULL), -ENOENT, "which without anything is not enough");
	renameat(bfs_store_fd(store), aside, bfs_store_fd(store), whole);
}

static void flip(int dir_fd, const char *path, off_t offset)
{
	_cleanup_close_ int fd = -1;
	char byte;

	fchmodat(dir_fd, path, 0644, 0);
	fd = openat(dir_fd, path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, &byte, 1, offset) != 1)
		return;
	byte = (char)(byte ^ 1);
	if (pwrite(fd, &byte, 1, offset) != 1)
		perror(path);
}

static void test_damage(void)
{
	static const off_t offsets[] = {0, 20, 50, 56, 64, 72, 90, 130, 300, 5000, 30000};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_generation *last = &generations[GENERATIONS - 1];
	struct bfs_check_store check;
	char name[BFS_STORE_NAME_SIZE];
	int accepted = 0;
	uint64_t problems;

	while (!has_file(last, true))
		last--;
	bfs_store_delta_name(&last->index, name);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(offsets); i++) {
		flip(bfs_store_fd(store), name, offsets[i]);
		use_cache("cold");
		bfs_error_clear(&error);
		if (fetch(last, &error) != -EBADMSG ||
			!strstr(bfs_error_message(&error, 0), "damaged")) {
			printf("# offset %lld: %s\n", (long long)offsets[i],
				bfs_error_message(&error, 0));
			accepted++;
		}
		flip(bfs_store_fd(store), name, offsets[i]);
	}
	is_int(accepted, 0, "a delta with a wrong bit anywhere is refused");
	flip(bfs_store_fd(store), name, 5000);
	problems = count_problems(&check, name);
	is_int(problems, 1, "and found by a check");
	flip(bfs_store_fd(store), name, 5000);
	is_int(count_problems(&check, NULL), 0, "which has nothing to say of the right one");
	is_int(check.generations, GENERATIONS, "looks at all generations");
	ok(check.unused_known, "and knows what is not used");
	is_int(check.unused_files, 0, "nothing");
}

static void test_damaged_cache(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_generation *last = &generations[GENERATIONS - 1];
	struct bfs_generation next;
	char name[BFS_STORE_NAME_SIZE];

	while (!has_file(last, true))
		last--;
	use_cache("cache");
	is_int(fetch(last - 1, NULL), 0, "a reader has a generation");
	bfs_store_index_name(&last[-1].index, name);
	flip(AT_FDCWD, fixture_path("cache/%s", name), 1000000);
	is_int(fetch(last, NULL), 0, "of which a bit goes wrong: then the store's is taken");
	use_cache("cache");
	is_int(fetch(&generations[GENERATIONS - 1], NULL), 0, "a writer has the current one");
	bfs_store_index_name(&generations[GENERATIONS - 1].index, name);
	flip(AT_FDCWD, fixture_path("cache/%s", name), 1000000);
	is_int(publish(make_few, 500, &next, &error), -EBADMSG,
		"of which a bit goes wrong: nothing is published on top of it");
	ok(strstr(bfs_error_message(&error, 0), "try again") != NULL, "%s",
		bfs_error_message(&error, 0));
	is_int(publish(make_few, 500, &next, NULL), 0, "the next time it is fetched anew");
}

/* A hostile head must not be believed. */
static void test_hostile(void)
{
	struct bfs_generation fake = {.size = 4 * BFS_REBUILD_WHOLE};
	char name[BFS_STORE_NAME_SIZE], bytes[400] = "brewfs delta 1\n";
	static const uint64_t numbers[] = {0, 1, 2, 9, 257, 1025, UINT32_MAX, UINT64_MAX / 40,
		UINT64_MAX / 4 - 1, INT64_MAX, UINT64_MAX};
	int accepted = 0;

	memset(fake.index.bytes, 7, BFS_DIGEST_SIZE);
	bfs_store_delta_name(&fake.index, name);
	memcpy(bytes + 16, fake.index.bytes, BFS_DIGEST_SIZE);
	memcpy(bytes + 48, &fake.size, 8);
	for (size_t i = 0; i < 3 * BFS_ARRAY_LENGTH(numbers); i++) {
		uint64_t one = 1;

		for (int field = 0; field < 3; field++)
			memcpy(bytes + 56 + 8 * field, &one, 8);
		memcpy(bytes + 56 + 8 * (i % 3), &numbers[i / 3], 8);
		bfs_replace_file(bfs_store_fd(store), name, bytes, sizeof(bytes), 0644);
		accepted += fetch(&fake, NULL) != -EBADMSG;
	}
	is_int(accepted, 0, "heads with made-up numbers are refused");
	unlinkat(bfs_store_fd(store), name, 0);
}

static void test_whole_again(void)
{
	struct bfs_generation generation;
	struct bfs_check_store check;

	use_cache("cache");
	is_int(publish(make_many, 1000000, &generation, NULL), 0, "much is added");
	ok(has_file(&generation, false) && !has_file(&generation, true), "and put whole");
	is_int(publish(make_few, 600, &generation, NULL), 0, "a small change follows");
	ok(has_file(&generation, true), "as a delta");
	is_int(publish(remove_most, 0, &generation, NULL), 0, "most is removed");
	ok(generation.size < BFS_REBUILD_WHOLE, "and the index shrinks: it has %llu bytes",
		(unsigned long long)generation.size);
	is_int(count_problems(&check, NULL), 0, "the store is whole");
}

static void test_format(void)
{
	_cleanup_store_ struct bfs_store *other = NULL, *again = NULL;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	bfs_read_file(bfs_store_fd(store), "store.json", 10000, &text);
	ok(strstr(text.data, "\"format\": 2") != NULL, "a store with deltas has format 2");
	bfs_buffer_clear(&text);
	bfs_store_create(fixture_path("other"), &other, NULL);
	bfs_read_file(bfs_store_fd(other), "store.json", 10000, &text);
	ok(strstr(text.data, "\"format\": 1") != NULL, "one without has format 1");
	is_int(bfs_store_require_format(other, 2, NULL), 0, "until it needs more");
	is_int(bfs_store_open(fixture_path("other"), &again, NULL), 0, "it opens as before");
	is_str(bfs_store_uuid(again), bfs_store_uuid(other), "and is the same");
}

int main(void)
{
	fixture_begin();
	if (bfs_store_create(fixture_path("store"), &store, NULL) < 0) {
		printf("Bail out! no store can be made\n");
		return 1;
	}
	test_publish();
	test_readers();
	test_follow();
	test_damage();
	test_damaged_cache();
	test_hostile();
	test_whole_again();
	test_format();
	bfs_store_close(store);
	fixture_end();
	return done();
}
