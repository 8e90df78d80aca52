#include "fs/background.h"
#include "fs/commands.h"
#include "fs/control.h"
#include "fs/daemon.h"
#include "fs/mountpoint.h"
#include "fs/published.h"
#include "fs/session_service.h"
#include "index/efs.h"
#include "index/ref.h"
#include "index/session.h"
#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <string.h>
#include <time.h>

#define WAIT_INTERVAL 200 /* ms between looks for a store that is waited for */

struct mount_arguments {
	const char *store;
	const char *ref;
	const char *options;
	const char *wait;
	bool foreground;
};

static const struct bfs_option options_table[] = {
	{"store", 's', "DIR", "The store, where it is not given as an argument",
		offsetof(struct mount_arguments, store)},
	{"ref", 'r', "REF", "The ref to mount and to follow",
		offsetof(struct mount_arguments, ref)},
	{"options", 'o', "OPTIONS", "Mount options, separated by commas",
		offsetof(struct mount_arguments, options)},
	{"wait", 'w', "SECONDS", "Wait so long for the store to appear",
		offsetof(struct mount_arguments, wait)},
	{"foreground", 'f', NULL, "Stay in the foreground",
		offsetof(struct mount_arguments, foreground)},
	{0},
};

/* What a mount needs before its daemon. */
struct plan {
	struct bfs_mount_options options;
	struct bfs_store *store;
	char *source; /* the store's resolved path */
	char *mountpoint;
	char *ref;
};

static void release_plan(struct plan *plan)
{
	bfs_mount_options_release(&plan->options);
	bfs_store_close(plan->store);
	free(plan->source);
	free(plan->mountpoint);
	free(plan->ref);
}

static int try_store(struct plan *plan, const char *name, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (bfs_efs_is_name(name))
		r = bfs_efs_attach(name, plan->options.efs.data, &path, error);
	else if (plan->options.efs.length > 0)
		return bfs_error_set(error, -EINVAL, "reading the mount options",
			plan->options.efs.data, "they are for an EFS file system, fs-...");
	if (r < 0)
		return r;
	free(plan->source);
	plan->source = realpath(path ? path : name, NULL);
	if (!plan->source)
		return bfs_error_set(error, -errno, "opening the store", path ? path : name, NULL);
	return bfs_store_open(plan->source, &plan->store, error);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What may come with time: the directory, the store in it, the network to its file system. */
static bool may_come(int code)
{
	return code == -ENOENT || code == -ENOTDIR || code == -EIO || code == -ESTALE ||
	       code == -EHOSTDOWN || code == -ENOTCONN;
}

static int open_store(struct plan *plan, const char *given, struct bfs_error *error)
{
	const struct timespec interval = {.tv_nsec = WAIT_INTERVAL * 1000000L};
	_cleanup_free_ char *name = NULL;
	int64_t end = now_ms() + (int64_t)plan->options.wait * 1000;
	int r = bfs_store_default_path(given, &name);

	if (r == 0)
		r = try_store(plan, name, error);
	while (r < 0 && may_come(r) && now_ms() < end) {
		nanosleep(&interval, NULL);
		bfs_error_clear(error);
		r = try_store(plan, name, error);
	}
	if (r < 0 && may_come(r) && plan->options.wait > 0)
		bfs_error_prefix(error, "it did not appear in time");
	return r;
}

/* --wait says what the mount option of that name does. */
static int parse_wait(struct plan *plan, const char *seconds, struct bfs_error *error)
{
	_cleanup_free_ char *option = bfs_format("wait=%s", seconds);

	if (!option)
		return -ENOMEM;
	if (strchr(seconds, ','))
		return bfs_error_set(
			error, -EINVAL, "mounting", option, "a number of seconds is needed");
	return bfs_mount_options_parse(&plan->options, option, error);
}

/* The session's ref, where it exists already; else the machine's own. */
static int default_ref(const struct bfs_mount_options *options, char **ret_ref)
{
	_cleanup_session_info_ struct bfs_session_info info = {0};

	if (options->writable && bfs_session_read_info(options->session, &info, NULL) == 0)
		*ret_ref = strdup(info.ref);
	else
		*ret_ref = strdup(bfs_ref_default());
	return *ret_ref ? 0 : -ENOMEM;
}

static int choose_ref(
	struct plan *plan, const struct mount_arguments *arguments, struct bfs_error *error)
{
	const char *given = arguments->ref ? arguments->ref : plan->options.ref;
	int r = 0;

	if (given)
		plan->ref = strdup(given);
	else
		r = default_ref(&plan->options, &plan->ref);
	if (!plan->ref)
		return r < 0 ? r : -ENOMEM;
	return bfs_ref_name_is_valid(plan->ref) ? 0
						: bfs_error_set(error, -EINVAL, "mounting",
							  plan->ref, "not a name for a ref");
}

static int choose_session(struct bfs_mount_options *options)
{
	if (options->writable && !options->session)
		options->session = strdup(BFS_SESSION_DEFAULT_NAME);
	return options->writable && !options->session ? -ENOMEM : 0;
}

/* STORE and MOUNTPOINT: with --store, the only operand is the mountpoint. */
static int make_plan(struct plan *plan, const struct mount_arguments *arguments, int count,
	char **operands, struct bfs_error *error)
{
	const char *store = arguments->store, *mountpoint;
	int r = 0;

	if (!store && count > 0) {
		store = *operands++;
		count--;
	}
	if (count > 1)
		return bfs_error_set(error, -EINVAL, "mounting", operands[1],
			"the store is given twice: by --store and as an argument");
	if (arguments->options)
		r = bfs_mount_options_parse(&plan->options, arguments->options, error);
	if (r == 0 && arguments->wait)
		r = parse_wait(plan, arguments->wait, error);
	if (r == 0)
		r = choose_session(&plan->options);
	if (r == 0)
		r = open_store(plan, store, error);
	if (r == 0)
		r = choose_ref(plan, arguments, error);
	if (r < 0)
		return r;
	mountpoint = count > 0 ? operands[0] : bfs_store_prefix(plan->store);
	return bfs_mountpoint_make(mountpoint, &plan->mountpoint, error);
}

/* Whether a daemon serves what is to be mounted; told from what it says of itself. */
static int check_same(const struct plan *plan, const json_t *daemon, struct bfs_error *error)
{
	const char *mounted = bfs_json_string_or(json_object_get(daemon, "session"), "name", NULL);
	const char *wanted = plan->options.writable ? plan->options.session : NULL;

	if (!daemon || (!mounted && !wanted) || (mounted && wanted && strcmp(mounted, wanted) == 0))
		return 1;
	return bfs_error_set(error, -EBUSY, "mounting", plan->mountpoint,
		"%s%s is mounted there already", mounted ? "the session " : "the store, read-only,",
		mounted ? mounted : "");
}

/* 1 where the store is mounted there already; an error where something else is. */
static int check_mounted(const struct plan *plan, struct bfs_error *error)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	_cleanup_json_ json_t *daemon = NULL;
	const struct bfs_mount *mount;
	pid_t pid;
	int r = bfs_mounts_read(&mounts, error);

	if (r < 0)
		return r;
	mount = bfs_mounts_find(&mounts, plan->mountpoint);
	if (!mount)
		return 0;
	if (!bfs_mount_is_brewfs(mount) || strcmp(mount->source, plan->source) != 0)
		return bfs_error_set(error, -EBUSY, "mounting", plan->mountpoint,
			"%s (%s) is mounted there already", mount->source, mount->type);
	if (bfs_control_ask(mount, &pid, &daemon) != -ECONNREFUSED)
		return check_same(plan, daemon, error);
	bfs_log_warning(
		"%s: the daemon of the last mount has died; mounting anew", plan->mountpoint);
	return bfs_mountpoint_unmount(plan->mountpoint, true, error);
}

static int check_apart_from_sessions(const struct plan *plan, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL;
	int r = plan->options.writable ? bfs_session_directory(&directory, error) : 0;

	return r == 0 && directory ? bfs_mountpoint_check_apart(plan->mountpoint, directory,
					     "the directory of sessions", error)
				   : r;
}

static int check_place(const struct plan *plan, struct bfs_error *error)
{
	_cleanup_free_ char *cache = NULL;
	int r = bfs_mountpoint_check(plan->mountpoint, error);

	if (r == 0)
		r = bfs_mountpoint_check_apart(plan->mountpoint, plan->source, "the store", error);
	if (r == 0)
		r = bfs_cache_directory(&cache, error);
	if (r == 0)
		r = bfs_mountpoint_check_apart(plan->mountpoint, cache, "the cache", error);
	return r == 0 ? check_apart_from_sessions(plan, error) : r;
}

/* Mounts and serves. `ready_fd`: of the caller who waits; -1 in the foreground. */
static int serve(const struct plan *plan, int ready_fd, struct bfs_error *error)
{
	const struct bfs_daemon_config config = {plan->store, plan->source, plan->mountpoint,
		plan->ref, &plan->options,
		plan->options.writable ? bfs_session_service_kind() : bfs_published_kind()};
	struct bfs_daemon *daemon = NULL;
	int r = bfs_daemon_new(&config, &daemon, error);

	if (r == 0)
		r = bfs_daemon_mount(daemon, error);
	if (r == 0) {
		if (ready_fd >= 0)
			bfs_background_ready(ready_fd);
		bfs_daemon_serve(daemon);
	}
	if (!bfs_daemon_free(daemon))
		r = r < 0 ? r : -ETIMEDOUT;
	return r;
}

static int mount_planned(const struct plan *plan, bool foreground, struct bfs_error *error)
{
	int status = 0, ready_fd = -1;
	int r = check_mounted(plan, error);

	if (r > 0) {
		bfs_log_info("%s is mounted at %s already", plan->source, plan->mountpoint);
		return 0;
	}
	if (r == 0)
		r = check_place(plan, error);
	if (r == 0 && !foreground)
		r = bfs_background_start(&ready_fd, NULL, &status, error);
	if (r > 0)
		return status;
	if (r == 0)
		r = serve(plan, ready_fd, error);
	return r;
}

static int run(const void *options, int count, char **operands)
{
	const struct mount_arguments *arguments = options;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct plan plan = {0};
	int r;

	if (!arguments->foreground)
		bfs_background_begin();
	bfs_mount_options_init(&plan.options);
	r = make_plan(&plan, arguments, count, operands, &error);
	if (plan.options.debug)
		bfs_log_set_debug(true);
	if (r == 0)
		r = mount_planned(&plan, arguments->foreground, &error);
	/* Threads that are stuck in the store may still use what the plan holds. */
	if (r != -ETIMEDOUT)
		release_plan(&plan);
	return r < 0 ? bfs_error_report(&error, r) : r;
}

const struct bfs_command bfs_cmd_mount = {
	.name = "mount",
	.synopsis = "[STORE] [MOUNTPOINT]",
	.summary = "Mount the prefix that a store holds",
	.options = options_table,
	.options_size = sizeof(struct mount_arguments),
	.maximum_operands = 2,
	.joined = 'o',
	.run = run,
};
