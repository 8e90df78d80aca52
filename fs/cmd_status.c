#include "fs/commands.h"
#include "fs/mountpoint.h"
#include "fs/status.h"
#include "index/store.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct status_arguments {
	const char *store;
	bool json;
};

static const struct bfs_option options_table[] = {
	{"store", 's', "DIR", "The store", offsetof(struct status_arguments, store)},
	{"json", 0, NULL, "Print JSON", offsetof(struct status_arguments, json)},
	{0},
};

/* "40 seconds", "12 minutes", "5 hours", "16 days": what is past, in the unit that a reader would
 * choose. */
static const char *format_age(int64_t since, char ret_text[32])
{
	const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	int64_t age = time(NULL) - since;
	size_t i = 0;

	if (age < 0)
		age = 0;
	while (i + 1 < BFS_ARRAY_LENGTH(units) && age < 2 * units[i].seconds)
		i++;
	age /= units[i].seconds;
	snprintf(ret_text, 32, "%" PRId64 " %s%s", age, units[i].unit, age == 1 ? "" : "s");
	return ret_text;
}

static int64_t get_int(const json_t *object, const char *key)
{
	int64_t value;

	return bfs_json_get_int(object, key, INT64_MIN, INT64_MAX, &value) < 0 ? 0 : value;
}

static __attribute__((format(printf, 2, 3))) void print_line(
	const char *label, const char *format, ...)
{
	va_list args;

	printf("  %-12s", label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void print_features(const json_t *daemon)
{
	const char *key, *separator = "";
	json_t *value;

	printf("  %-12s", "features");
	json_object_foreach(json_object_get(daemon, "features"), key, value)
	{
		printf("%s%s%s", separator, json_is_true(value) ? "" : "no ", key);
		separator = ", ";
	}
	putchar('\n');
}

/* Whether the mount still follows its ref, and since when not. */
static void print_follow(const json_t *daemon)
{
	const json_t *follow = json_object_get(daemon, "follow");
	const char *problem = bfs_json_string_or(follow, "problem", NULL);
	const char *lease = bfs_json_string_or(follow, "lease_problem", NULL);
	int64_t checked = get_int(follow, "checked"), busy = get_int(follow, "busy_since");
	char age[32];

	if (checked)
		print_line("checked", "%s ago", format_age(checked, age));
	if (problem)
		print_line("problem", "%s", problem);
	if (busy && time(NULL) - busy > 5)
		print_line("problem", "the store has not answered for %s", format_age(busy, age));
	if (lease)
		print_line("no lease", "%s", lease);
}

/* Requests since the start: "lookup 12, read 3". */
static void print_requests(const json_t *daemon)
{
	const json_t *requests = json_object_get(json_object_get(daemon, "stats"), "requests");
	const char *key, *separator = "";
	json_t *value;

	printf("  %-12s", "requests");
	json_object_foreach((json_t *)requests, key, value)
	{
		printf("%s%s %" PRId64, separator, key, get_int(value, "count"));
		separator = ", ";
	}
	printf("%s\n", *separator ? "" : "none");
}

/* "12 hits, 3 misses, 45.6MB fetched in 50 reads; up to 25GB", or "off". */
static void print_cache(const json_t *daemon)
{
	const json_t *cache = json_object_get(json_object_get(daemon, "contents"), "cache");
	char bytes[BFS_SIZE_TEXT_SIZE], quota[BFS_SIZE_TEXT_SIZE];

	if (!json_is_object(cache)) {
		print_line("cache", "off");
		return;
	}
	print_line("cache",
		"%" PRId64 " hits, %" PRId64 " misses, %s fetched in %" PRId64 " reads; up to %s",
		get_int(cache, "hits"), get_int(cache, "misses"),
		bfs_size_text((uint64_t)get_int(cache, "fetch_bytes"), bytes),
		get_int(cache, "fetch_reads"),
		bfs_size_text((uint64_t)get_int(cache, "quota"), quota));
}

/* What a session is, where it came from, and what was changed in it. */
static void print_session(const json_t *session)
{
	char size[BFS_SIZE_TEXT_SIZE], age[32];
	int64_t base = get_int(session, "base");

	print_line("session", "%s, made %s ago%s", bfs_json_string_or(session, "name", "?"),
		format_age(get_int(session, "created"), age),
		json_is_true(json_object_get(session, "busy")) ? ", being committed" : "");
	if (base)
		print_line("base", "generation %" PRId64, base);
	else
		print_line("base", "an empty prefix");
	print_line("changed",
		"%" PRId64 " inodes, %" PRId64 " of them files with local content, %s",
		get_int(session, "inodes"), get_int(session, "files"),
		bfs_size_text((uint64_t)get_int(session, "local_bytes"), size));
}

static void print_generation(const json_t *daemon)
{
	const json_t *generations = json_object_get(daemon, "generations");
	char age[32];

	print_line("generation", "%" PRId64 "%s, mounted for %s", get_int(daemon, "generation"),
		get_int(daemon, "generation") ? "" : " (nothing installed yet)",
		format_age(get_int(json_object_get(daemon, "follow"), "switched"), age));
	if (json_array_size(generations) > 1)
		print_line("earlier", "%zu generations that open files still need",
			json_array_size(generations) - 1);
	print_follow(daemon);
}

static void print_daemon(const json_t *daemon)
{
	const json_t *session = json_object_get(daemon, "session");
	char age[32];

	print_line("ref", "%s", bfs_json_string_or(daemon, "ref", "?"));
	if (session)
		print_session(session);
	else
		print_generation(daemon);
	print_line("daemon",
		"pid %" PRId64 ", up for %s, %" PRId64 " threads, read-ahead %" PRId64 " KiB",
		get_int(daemon, "pid"), format_age(get_int(daemon, "started"), age),
		get_int(daemon, "threads"), get_int(daemon, "readahead_kib"));
	print_features(daemon);
	print_cache(daemon);
	print_requests(daemon);
}

static void print_mount(const json_t *mount)
{
	const json_t *daemon = json_object_get(mount, "daemon");
	const char *problem = bfs_json_string_or(mount, "problem", NULL);

	bfs_log_headline("%s", bfs_json_string_or(mount, "mountpoint", "?"));
	print_line("store", "%s", bfs_json_string_or(mount, "source", "?"));
	print_line("options", "%s", bfs_json_string_or(mount, "options", "?"));
	if (problem)
		print_line("problem", "%s", problem);
	if (json_is_object(daemon))
		print_daemon(daemon);
}

static void print_ref(const json_t *ref)
{
	const char *name = bfs_json_string_or(ref, "ref", "?");
	const char *problem = bfs_json_string_or(ref, "problem", NULL);
	const char *target = bfs_json_string_or(ref, "target_glibc", "?");
	bool chosen = json_is_true(json_object_get(ref, "target_glibc_chosen"));
	int64_t published = get_int(ref, "published");
	char age[32];

	if (problem) {
		print_line("ref", "%s: %s", name, problem);
		return;
	}
	print_line("ref", "%s, generation %" PRId64 "%s%s%s, for glibc %s%s", name, get_int(ref, "generation"),
		published ? ", published " : "", published ? format_age(published, age) : "",
		published ? " ago" : "", target, chosen ? "" : " (this host's)");
}

static void print_lease(const json_t *lease)
{
	char age[32];

	print_line(json_is_true(json_object_get(lease, "stale")) ? "stale lease" : "lease",
		"%s on %s: generation %" PRId64 " of %s (pid %" PRId64 "), %s ago",
		bfs_json_string_or(lease, "mountpoint", "?"),
		bfs_json_string_or(lease, "host", "?"),
		(int64_t)json_integer_value(
			json_array_get(json_object_get(lease, "generations"), 0)),
		bfs_json_string_or(lease, "ref", "?"), get_int(lease, "pid"),
		format_age(get_int(lease, "time"), age));
}

static void print_store(const json_t *store)
{
	json_t *value;
	size_t i;

	bfs_log_headline("Store %s", bfs_json_string_or(store, "path", "?"));
	print_line("prefix", "%s", bfs_json_string_or(store, "prefix", "?"));
	if (json_array_size(json_object_get(store, "refs")) == 0)
		print_line("ref", "none: nothing is installed yet");
	json_array_foreach(json_object_get(store, "refs"), i, value)
	{
		print_ref(value);
	}
	json_array_foreach(json_object_get(store, "leases"), i, value)
	{
		print_lease(value);
	}
}

/* One mount where a mountpoint is given, else all; and the path of the store to look at after them.
 */
static int gather_mounts(const char *mountpoint, const char *store, json_t **ret_mounts,
	char **ret_path, struct bfs_error *error)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	_cleanup_free_ char *path = NULL;
	const struct bfs_mount *mount = NULL;
	int r = bfs_mounts_read(&mounts, error);

	if (r == 0 && mountpoint)
		r = bfs_mountpoint_resolve(mountpoint, &path, error);
	if (r < 0)
		return r;
	if (path)
		mount = bfs_mounts_find(&mounts, path);
	if (path && (!mount || !bfs_mount_is_brewfs(mount)))
		return bfs_error_set(
			error, -EINVAL, "looking at the mount", path, "no brewfs is mounted there");
	r = bfs_status_mounts(&mounts, path, ret_mounts);
	return r < 0 ? r
		     : bfs_store_default_path(store || !mount ? store : mount->source, ret_path);
}

static void print_mounts(const json_t *mounts)
{
	json_t *mount;
	size_t i;

	json_array_foreach(mounts, i, mount)
	{
		print_mount(mount);
	}
	fflush(stdout);
}

/* The mounts are printed before the store is asked, which may be stuck. A missing default store is
 * no failure. */
static int show(
	const struct status_arguments *arguments, const char *mountpoint, struct bfs_error *error)
{
	_cleanup_json_ json_t *mounts = NULL, *store = NULL, *document = NULL;
	_cleanup_free_ char *path = NULL;
	int r = gather_mounts(mountpoint, arguments->store, &mounts, &path, error);

	if (r < 0)
		return r;
	if (!arguments->json)
		print_mounts(mounts);
	r = bfs_status_store(path, &store, error);
	if (r == -ENOENT && !arguments->store) {
		bfs_error_clear(error);
		r = 0;
	}
	if (r == 0 && !arguments->json) {
		if (store)
			print_store(store);
		else
			bfs_log_info("No store at %s", path);
		return 0;
	}
	if (r == 0) {
		document = json_pack("{s:O, s:O?}", "mounts", mounts, "store", store);
		r = document ? bfs_json_print(document) : -ENOMEM;
	}
	return r;
}

static int run(const void *options, int count, char **operands)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = show(options, count > 0 ? operands[0] : NULL, &error);

	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_status = {
	.name = "status",
	.synopsis = "[MOUNTPOINT]",
	.summary = "Show mounts, what they serve, and the store behind them",
	.options = options_table,
	.options_size = sizeof(struct status_arguments),
	.maximum_operands = 1,
	.run = run,
};
