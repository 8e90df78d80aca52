/* The local cache of contents: what is read through it is right, whatever happens to it. */
#include "index/cache.h"
#include "index/fetch_blocks.h"
#include "tests/index/store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BIG	(5 * 1024 * 1024 + 123)
#define OBJECTS 6
#define SMALL	40

static struct bfs_store *store;
static struct bfs_content big, objects[OBJECTS], small[SMALL];

/* What each content is made of. */
static size_t size_of(const struct bfs_content *content)
{
	return (size_t)content->size;
}

static char *bytes_of(const struct bfs_content *content)
{
	if (content == &big)
		return fixture_bytes(BIG, 1);
	if (content >= objects && content < objects + OBJECTS)
		return fixture_bytes(200000, 10 + (uint64_t)(content - objects));
	return fixture_bytes(10000, 100 + (uint64_t)(content - small));
}

static void make_store(void)
{
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int wrong = bfs_store_create(fixture_path("store"), &store, NULL);
	char name[16];

	wrong += bfs_writer_new(store, NULL, &writer, NULL);
	wrong += bfs_tree_open(NULL, BFS_TREE_NEW, &tree, NULL);
	for (int i = -1; i < OBJECTS + SMALL; i++) {
		struct bfs_content *content = i < 0	    ? &big
					      : i < OBJECTS ? &objects[i]
							    : &small[i - OBJECTS];
		_cleanup_free_ char *bytes = bytes_of(content);
		size_t size = i < 0 ? BIG : i < OBJECTS ? 200000 : 10000;

		snprintf(name, sizeof(name), "f%d", i);
		wrong += fixture_write(writer, tree, name, 0644, bytes, size, content);
	}
	wrong += bfs_writer_commit(writer, &tree, 1, NULL);
	for (int i = 0; i < SMALL; i++) {
		struct bfs_attributes attributes;

		snprintf(name, sizeof(name), "f%d", OBJECTS + i);
		wrong += bfs_tree_lookup(tree, 1, name, strlen(name), &attributes);
		wrong += bfs_tree_content(tree, attributes.ino, &small[i]);
	}
	is_int(wrong, 0, "a store with a big object, small ones, and a pack");
}

/* A reader with a cache of its own name, or one that is shared. */
struct setup {
	struct bfs_cache *cache;
	struct bfs_content_reader *reader;
};

static int set_up(struct setup *setup, const char *name, uint64_t quota, bool verify)
{
	struct bfs_cache_config config = {fixture_path("%s", name), quota, verify};
	int r = bfs_make_directories(AT_FDCWD, config.directory, 0755);

	*setup = (struct setup){0};
	if (r == 0)
		r = bfs_cache_new(&config, &setup->cache);
	if (r == 0)
		r = bfs_content_reader_new(store, &setup->reader);
	return r == 0 ? bfs_content_reader_use_cache(setup->reader, setup->cache) : r;
}

static void tear_down(struct setup *setup)
{
	if (!bfs_content_reader_stop(setup->reader, 5000))
		ok(false, "the threads end");
	bfs_content_reader_free(setup->reader);
	bfs_cache_free(setup->cache);
}

static struct bfs_content_counts counts_of(const struct setup *setup)
{
	struct bfs_content_counts counts;

	bfs_content_reader_get_counts(setup->reader, &counts);
	return counts;
}

/* Reads the whole content in pieces: 0 if it is right. */
static int read_all(struct bfs_content_reader *reader, const struct bfs_content *content)
{
	_cleanup_free_ char *expected = bytes_of(content), *bytes = malloc(size_of(content));
	size_t piece = 70001;

	for (size_t at = 0; at < size_of(content); at += piece) {
		size_t want = piece < size_of(content) - at ? piece : size_of(content) - at;

		if (bfs_content_read(reader, content, bytes + at, want, at) != (ssize_t)want)
			return 1;
	}
	return memcmp(bytes, expected, size_of(content)) != 0;
}

/* Moves everything but the directory itself out of reach, or back. */
static void hide_store(bool hide)
{
	static const char *const names[] = {"objects", "packs"};

	for (int i = 0; i < 2; i++) {
		const char *here = fixture_path("store/%s", names[i]);
		const char *away = fixture_path("store/%s.away", names[i]);

		if (rename(hide ? here : away, hide ? away : here) < 0)
			ok(false, "the store can be hidden");
	}
}

static const char *cached_name(const char *cache, const struct bfs_content *content)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	if (content->packed)
		return fixture_path(
			"%s/packs/%s.pack", cache, bfs_digest_to_hex(&content->pack, hex));
	bfs_digest_to_hex(&content->digest, hex);
	return fixture_path("%s/objects/%.2s/%s", cache, hex, hex);
}

static bool is_cached(const char *cache, const struct bfs_content *content)
{
	return access(cached_name(cache, content), R_OK) == 0;
}

/* Reading is enough: what was begun is completed in the background. */
static bool wait_cached(const char *cache, const struct bfs_content *content)
{
	for (int i = 0; i < 500; i++) {
		if (is_cached(cache, content))
			return true;
		usleep(10000);
	}
	return false;
}

static void test_fill(void)
{
	struct setup setup;
	int wrong = 0;

	is_int(set_up(&setup, "fill", 0, false), 0, "a cache");
	is_int(read_all(setup.reader, &small[20]), 0, "one small content is right");
	ok(wait_cached("fill", &small[0]), "with it its pack comes");
	ok(!is_cached("fill", &big), "and nothing else");
	is_int(read_all(setup.reader, &big), 0, "a big object is right");
	ok(wait_cached("fill", &big), "and kept");
	for (int i = 0; i < OBJECTS; i++)
		wrong += read_all(setup.reader, &objects[i]);
	is_int(wrong, 0, "so are smaller ones");
	ok(wait_cached("fill", &objects[OBJECTS - 1]), "which are kept too");
	is_int(counts_of(&setup).store_opens, 0, "nothing is read beside the cache");
	for (int i = 0; i < OBJECTS; i++)
		wait_cached("fill", &objects[i]);
	is_int(counts_of(&setup).cache_kept, OBJECTS + 2, "that many files are kept");
	tear_down(&setup);
	is_int(fixture_count(fixture_path("fill/incoming")), 0, "nothing is left on its way");
	hide_store(true);
	is_int(set_up(&setup, "fill", 0, false), 0, "the same cache again, without the store");
	for (int i = 0; i < SMALL; i++)
		wrong += read_all(setup.reader, &small[i]);
	is_int(wrong + read_all(setup.reader, &big), 0, "all of it is right");
	is_int(counts_of(&setup).fetch_reads, 0, "and nothing was fetched");
	tear_down(&setup);
	hide_store(false);
}

static void test_partial(void)
{
	struct bfs_content_counts counts;
	struct setup setup;
	char byte;

	set_up(&setup, "partial", 0, false);
	is_int(bfs_content_read(setup.reader, &big, &byte, 1, BIG / 2), 1,
		"a byte of a big object");
	counts = counts_of(&setup);
	ok(counts.fetch_bytes < BIG && counts.fetch_reads >= 1,
		"is there before the whole has come");
	tear_down(&setup);
	ok(!is_cached("partial", &big), "what did not come whole is not kept");
	is_int(fixture_count(fixture_path("partial/incoming")), 0, "and leaves nothing");
}

static void flip(const char *path, bool keep_time)
{
	struct timespec times[2];
	struct stat st;
	int fd;

	stat(path, &st);
	chmod(path, 0644);
	fd = open(path, O_RDWR | O_CLOEXEC);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (fd < 0 || pwrite(fd, "!", 1, 5000) != 1 || (keep_time && futimens(fd, times) < 0))
		ok(false, "%s can be damaged", path);
	close(fd);
}

static void test_damage(void)
{
	struct setup setup;
	uint64_t bytes;

	set_up(&setup, "damage", 0, false);
	is_int(bfs_content_bring(setup.reader, &objects[0], &bytes), 1, "an object is brought");
	is_int(bytes, 200000, "of that size");
	is_int(bfs_content_bring(setup.reader, &objects[0], &bytes), 0, "and is there then");
	is_int(bfs_content_bring(setup.reader, &small[0], &bytes), 1, "so is a pack");
	bfs_content_bring(setup.reader, &objects[1], &bytes);
	tear_down(&setup);
	flip(cached_name("damage", &objects[0]), false);
	if (truncate(cached_name("damage", &small[0]), 50000) < 0 ||
		truncate(cached_name("damage", &objects[1]), 0) < 0)
		ok(false, "cached files can be truncated");
	set_up(&setup, "damage", 0, false);
	is_int(read_all(setup.reader, &objects[0]), 0, "one that was changed is not used");
	is_int(read_all(setup.reader, &small[3]), 0, "nor one that was truncated");
	is_int(read_all(setup.reader, &objects[1]), 0, "nor an empty one");
	is_int(counts_of(&setup).cache_damaged, 3, "which is noted");
	ok(wait_cached("damage", &objects[0]) && wait_cached("damage", &small[0]) &&
			wait_cached("damage", &objects[1]),
		"they are fetched again");
	tear_down(&setup);
	flip(cached_name("damage", &objects[0]), true);
	set_up(&setup, "damage", 0, true);
	is_int(read_all(setup.reader, &objects[0]), 0,
		"a change that left no trace is found if each file is hashed");
	is_int(counts_of(&setup).cache_damaged, 1, "and noted");
	tear_down(&setup);
}

/* The store itself is damaged: nothing of that is kept. */
static void test_damaged_store(void)
{
	char name[BFS_STORE_NAME_SIZE], byte = 0;
	struct setup setup;
	uint64_t bytes;

	bfs_store_object_name(&objects[2], name);
	flip(fixture_path("store/%s", name), false);
	set_up(&setup, "bad", 0, false);
	is_int(bfs_content_bring(setup.reader, &objects[2], &bytes), -EBADMSG,
		"an object that has another digest is not kept");
	ok(!is_cached("bad", &objects[2]), "under no name");
	is_int(fixture_count(fixture_path("bad/incoming")), 0, "and leaves nothing");
	is_int(bfs_content_read(setup.reader, &objects[2], &byte, 1, 5000), 1,
		"reading it gives what the store has");
	is_int(byte, '!', "as without a cache");
	is_int(counts_of(&setup).store_opens, 1, "from the store itself");
	if (truncate(fixture_path("store/%s", name), 1000) < 0)
		ok(false, "the object can be truncated");
	tear_down(&setup);
	set_up(&setup, "bad", 0, false);
	is_int(bfs_content_read(setup.reader, &objects[2], &byte, 1, 5000), -EIO,
		"one that is too short is an error");
	unlink(fixture_path("store/%s", name));
	is_int(bfs_content_read(setup.reader, &objects[2], &byte, 1, 500), 1,
		"an open file is read although its name went");
	tear_down(&setup);
	set_up(&setup, "bad", 0, false);
	is_int(bfs_content_read(setup.reader, &objects[2], &byte, 1, 5000), -ENOENT,
		"one that is missing is missing");
	tear_down(&setup);
}

static void set_used(const char *path, int64_t seconds)
{
	const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_nsec = UTIME_OMIT}};

	if (utimensat(AT_FDCWD, path, times, 0) < 0)
		ok(false, "the time of %s can be set", path);
}

static void test_quota(void)
{
	struct setup setup;
	uint64_t bytes;
	int wrong = 0;

	set_up(&setup, "quota", 900000, false);
	is_int(bfs_content_bring(setup.reader, &big, &bytes), -EFBIG,
		"what is more than a quarter of the quota is not kept");
	is_int(read_all(setup.reader, &big), 0, "but read");
	for (int i = 0; i < 2; i++)
		wrong += bfs_content_bring(setup.reader, &objects[i], &bytes) != 1;
	set_used(cached_name("quota", &objects[0]), 2000);
	set_used(cached_name("quota", &objects[1]), 1000);
	for (int i = 3; i < 5; i++)
		wrong += bfs_content_bring(setup.reader, &objects[i], &bytes) != 1;
	is_int(wrong, 0, "four objects of 200,000 bytes fit into 900,000");
	ok(is_cached("quota", &objects[0]) && is_cached("quota", &objects[1]), "all are kept");
	is_int(bfs_content_bring(setup.reader, &objects[5], &bytes), 1, "one more");
	ok(!is_cached("quota", &objects[1]), "drives out the one longest unused");
	ok(is_cached("quota", &objects[0]), "and no other");
	is_int(counts_of(&setup).cache_evicted, 1, "which is counted");
	tear_down(&setup);
	set_up(&setup, "quota", 900000, false);
	is_int(read_all(setup.reader, &objects[0]), 0, "what is used");
	is_int(bfs_content_bring(setup.reader, &objects[1], &bytes), 1, "when another one comes");
	ok(is_cached("quota", &objects[0]), "stays");
	tear_down(&setup);
}

/* In a process of its own: a filesystem that becomes full. */
static int fill_disk(void)
{
	const char *mountpoint = fixture_path("full");
	struct setup setup;
	char block[4096] = {1}, byte;
	int fd, wrong;

	mkdir(mountpoint, 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("brewfs-test", mountpoint, "tmpfs", 0, "size=8m") < 0)
		return 77;
	wrong = set_up(&setup, "full", UINT64_C(1) << 30, false) != 0;
	wrong += bfs_content_read(setup.reader, &big, &byte, 1, 0) != 1;
	fd = open(fixture_path("full/other"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) == sizeof(block))
		;
	wrong += read_all(setup.reader, &big);
	wrong += read_all(setup.reader, &objects[0]);
	wrong += read_all(setup.reader, &small[7]);
	close(fd);
	tear_down(&setup);
	wrong += fixture_count(fixture_path("full/incoming")) != 0;
	umount2(mountpoint, MNT_DETACH);
	return wrong;
}

static void test_full(void)
{
	struct setup setup;
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(fill_disk());
	waitpid(child, &status, 0);
	if (geteuid() != 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77)
		ok(true, "a full disk # SKIP only root can mount one");
	else
		is_int(status, 0, "a disk that becomes full fails no read");
	set_up(&setup, "gone", 0, false);
	bfs_remove_tree(AT_FDCWD, fixture_path("gone"));
	is_int(read_all(setup.reader, &objects[0]) + read_all(setup.reader, &small[1]), 0,
		"nor does a cache that is gone");
	tear_down(&setup);
}

static int read_at_random(struct bfs_content_reader *reader, unsigned seed)
{
	_cleanup_free_ char *expected = bytes_of(&big), *bytes = malloc(300000);
	int wrong = 0;

	for (int i = 0; i < 60; i++) {
		size_t at = (size_t)rand_r(&seed) % BIG, want = (size_t)rand_r(&seed) % 300000 + 1;
		size_t least = want < BIG - at ? want : BIG - at;

		wrong += bfs_content_read(reader, &big, bytes, want, at) != (ssize_t)least ||
			 memcmp(bytes, expected + at, least) != 0;
		wrong += read_all(reader, &small[(unsigned)rand_r(&seed) % SMALL]);
	}
	return wrong;
}

static void *run_reader(void *context)
{
	struct bfs_content_reader *reader = context;

	return (void *)(intptr_t)read_at_random(reader, (unsigned)pthread_self());
}

static void test_many(void)
{
	pthread_t threads[8];
	struct setup setup;
	intptr_t wrong = 0;
	int status;

	set_up(&setup, "many", 0, false);
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, run_reader, setup.reader);
	for (int i = 0; i < 8; i++) {
		void *result;

		pthread_join(threads[i], &result);
		wrong += (intptr_t)result;
	}
	is_int(wrong, 0, "eight threads that read at random see what is right");
	is_int(counts_of(&setup).fetch_completed + counts_of(&setup).fetch_under_way, 2,
		"and share the fetches");
	tear_down(&setup);
	fflush(stdout);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			int bad = set_up(&setup, "shared", 30000000, false) != 0 ||
				  read_at_random(setup.reader, (unsigned)i);

			tear_down(&setup);
			_exit(bad);
		}
	for (int i = 0; i < 4; i++) {
		wait(&status);
		wrong += status != 0;
	}
	is_int(wrong, 0, "so do four processes with one cache");
	is_int(fixture_count(fixture_path("shared/incoming")), 0, "which leave nothing");
}

static void test_blocks(void)
{
	struct bfs_blocks blocks;
	struct bfs_run run;
	uint64_t offset;
	size_t brought = 0;

	bfs_blocks_init(&blocks, 10 * BFS_BLOCK_SIZE + 1);
	is_int(blocks.count, 11, "a byte more is a block more");
	run = bfs_blocks_range(&blocks, 3 * BFS_BLOCK_SIZE - 1, UINT64_MAX);
	ok(run.first == 2 && run.count == 9, "a range ends with the file");
	is_int(bfs_blocks_range(&blocks, UINT64_MAX, 1).count, 0, "nothing is behind it");
	bfs_blocks_want(&blocks, 8 * BFS_BLOCK_SIZE, 1);
	run = bfs_blocks_take_wanted(&blocks);
	ok(run.first == 8 && run.count == 1, "what is wanted comes first, and alone");
	bfs_blocks_put(&blocks, run, false);
	is_int(bfs_blocks_take_wanted(&blocks).count, 0, "when it failed it is no longer wanted");
	run = bfs_blocks_take_first(&blocks, bfs_blocks_range(&blocks, 0, 5 * BFS_BLOCK_SIZE));
	ok(run.first == 0 && run.count == BFS_RUN_MAX, "a run has at most 1 MiB");
	bfs_blocks_put(&blocks, run, true);
	brought += run.count;
	while ((run = bfs_blocks_take_next(&blocks)).count > 0) {
		brought += run.count;
		bfs_blocks_put(&blocks, run, true);
	}
	ok(brought == 11 && bfs_blocks_complete(&blocks), "each block is brought once");
	is_int(bfs_blocks_bytes(&blocks, (struct bfs_run){10, 1}, &offset), 1,
		"the last one has one byte");
	bfs_blocks_release(&blocks);
}

int main(void)
{
	fixture_begin();
	make_store();
	test_blocks();
	test_fill();
	test_partial();
	test_damage();
	test_quota();
	test_full();
	test_many();
	test_damaged_store();
	bfs_store_close(store);
	fixture_end();
	return done();
}
