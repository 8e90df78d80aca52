/*
 * Leases: written, renewed, listed, stale, removed; and what is no lease is left out.
 */
#include "index/lease.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <time.h>

static struct bfs_store *store;

static void list(struct bfs_lease_record **ret_records, size_t *ret_count)
{
	*ret_records = NULL;
	*ret_count = 99;
	is_int(bfs_lease_list(store, ret_records, ret_count, NULL), 0, "leases are listed");
}

static void test_life(void)
{
	struct bfs_generation generations[2] = {{.number = 12, .size = 5}, {.number = 11}};
	struct bfs_lease_record *records;
	struct bfs_lease *lease = NULL;
	size_t count;

	memset(generations[0].index.bytes, 0xab, BFS_DIGEST_SIZE);
	list(&records, &count);
	is_int(count, 0, "a new store has none");
	is_int(bfs_lease_new(store, "x86_64_linux", "/mnt/\xff", &lease), 0, "a lease is made");
	list(&records, &count);
	is_int(count, 0, "but not written yet");
	is_int(bfs_lease_renew(lease, generations, 2, NULL), 0, "it is written");
	list(&records, &count);
	if (ok(count == 1, "and is there")) {
		is_str(records[0].ref, "x86_64_linux", "with its ref");
		is_str(records[0].mountpoint, "/mnt/\xef\xbf\xbd",
			"its mountpoint, as far as it is UTF-8");
		is_int(records[0].pid, getpid(), "its process");
		is_int(records[0].stale, 0, "it is fresh");
		ok(records[0].time <= time(NULL) && records[0].time > time(NULL) - 60,
			"it was renewed now");
		is_int(records[0].count, 2, "it names both generations");
		is_int(records[0].generations[0].number, 12, "the current one first");
		is_int(records[0].generations[1].number, 11, "then the other");
		ok(bfs_digest_equal(&records[0].generations[0].index, &generations[0].index),
			"by digest");
	}
	bfs_lease_records_free(records, count);
	is_int(bfs_lease_renew(lease, generations, 1, NULL), 0, "it is renewed");
	list(&records, &count);
	ok(count == 1 && records[0].count == 1, "in place of the old one");
	bfs_lease_records_free(records, count);
	bfs_lease_free(lease);
	list(&records, &count);
	is_int(count, 0, "at the end it is removed");
	bfs_lease_records_free(records, count);
}

static void write_lease(const char *name, const char *text)
{
	int fd = openat(bfs_store_fd(store), name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	ok(fd >= 0 && bfs_write_all(fd, text, strlen(text)) == 0, "%s is written by hand", name);
	close(fd);
}

#define LEASE(time)                                                                                \
	"{\"ref\": \"r\", \"host\": \"h\", \"pid\": 7, \"mountpoint\": \"/m\", \"time\": " time    \
	", \"generations\": [{\"generation\": 3, \"index\": "                                      \
	"\"0123456789012345678901234567890123456789012345678901234567890123\"}]}"

static void set_time(const char *name, time_t when)
{
	const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};

	utimensat(bfs_store_fd(store), name, times, 0);
}

static void test_staleness(void)
{
	struct bfs_lease_record *records;
	size_t count;

	write_lease("leases/a.json", LEASE("1000"));
	set_time("leases/a.json", 1000);
	write_lease("leases/b.json", LEASE("1000"));
	write_lease("leases/c.json", LEASE("4000000000"));
	set_time("leases/c.json", 1000);
	list(&records, &count);
	if (ok(count == 3, "three leases, sorted by name")) {
		is_int(records[0].stale, 1, "old by both times: stale");
		is_int(records[1].stale, 0, "the file is new: the host's clock may be wrong");
		is_int(records[2].stale, 0, "the text is new: the server's clock may be wrong");
	}
	bfs_lease_records_free(records, count);
}

static void test_garbage(void)
{
	struct bfs_lease_record *records;
	size_t count;

	write_lease("leases/bad1.json", "");
	write_lease("leases/bad2.json", "{}");
	write_lease("leases/bad3.json", "[1, 2]");
	write_lease("leases/bad4.json", "{\"ref\": 5}");
	write_lease("leases/bad5.json", "{\"ref\": \"r\", \"host\": \"h\", \"pid\": -1, "
					"\"mountpoint\": \"/m\", \"time\": 1,"
					" \"generations\": []}");
	write_lease("leases/bad6.json",
		"{\"ref\": \"r\", \"host\": \"h\", \"pid\": 1, \"mountpoint\": \"/m\", \"time\": 1,"
		" \"generations\": [{\"generation\": 1, \"index\": \"xyz\"}]}");
	write_lease("leases/note.txt", LEASE("1"));
	write_lease("leases/.hidden.json", LEASE("1"));
	ok(mkdirat(bfs_store_fd(store), "leases/dir.json", 0755) == 0, "a directory is made");
	list(&records, &count);
	is_int(count, 3, "what is no lease is left out");
	bfs_lease_records_free(records, count);
}

static void test_failure(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_generation generation = {.number = 1};
	struct bfs_lease_record *records = NULL;
	struct bfs_lease *lease = NULL;
	size_t count = 0;

	is_int(bfs_remove_tree(bfs_store_fd(store), "leases"), 0, "leases/ is removed");
	is_int(bfs_lease_new(store, "r", "/m", &lease), 0, "a lease is made all the same");
	is_int(bfs_lease_renew(lease, &generation, 1, &error), -ENOENT, "but cannot be written");
	ok(error.message && strstr(error.message, "writing the lease: leases/"),
		"and it is said where");
	bfs_lease_free(lease);
	bfs_error_clear(&error);
	is_int(bfs_lease_list(store, &records, &count, &error), -ENOENT, "nor listed");
}

int main(void)
{
	char path[] = "/tmp/brewfs-test-lease.XXXXXX";

	if (!mkdtemp(path) || bfs_store_create(path, &store, NULL) < 0) {
		printf("Bail out! no store can be made in %s\n", path);
		return 1;
	}
	test_life();
	test_staleness();
	test_garbage();
	test_failure();
	bfs_store_close(store);
	bfs_remove_tree(AT_FDCWD, path);
	return done();
}
