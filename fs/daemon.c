#include "fs/daemon.h"

#include "fs/control.h"
#include "fs/driver.h"
#include "fs/handshake.h"
#include "fs/mountpoint.h"
#include "fs/report.h"
#include "index/cache.h"
#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/* Threads above those that may be in the store, so that names are answered even when all of those
 * are stuck. */
#define SPARE_THREADS 4

#define STOP_TIME      3000  /* ms that threads have to end */
#define WRITE_OUT_TIME 30000 /* ms that the kernel has to write out what it holds */

enum event {
	EVENT_SIGNAL,
	EVENT_ENDED,	   /* the mount has gone */
	EVENT_INITIALISED, /* the kernel's INIT has come */
	EVENT_CONTROL,	   /* somebody asks */
	EVENT_COUNT
};

struct bfs_daemon {
	struct bfs_daemon_config config;
	struct bfs_stats stats;
	struct bfs_cache *cache; /* of contents; NULL without one */
	struct bfs_content_reader *reader;
	struct bfs_responders *responders;
	struct bfs_service_context context;
	void *service;
	struct fuse_session *session;
	bool mounted, answering; /* how far it got */
	int fds[EVENT_COUNT];	 /* -1 where there is none */
	char *control_path;
	int64_t started;    /* seconds since the epoch */
	unsigned readahead; /* KiB in force */
};

static unsigned thread_count(const struct bfs_daemon *daemon)
{
	return daemon->config.options->threads + SPARE_THREADS;
}

/* --- making it --- */

static int make_events(struct bfs_daemon *daemon)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	daemon->fds[EVENT_SIGNAL] = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon->fds[EVENT_ENDED] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	daemon->fds[EVENT_INITIALISED] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return daemon->fds[EVENT_SIGNAL] < 0 || daemon->fds[EVENT_ENDED] < 0 ||
			       daemon->fds[EVENT_INITIALISED] < 0
		       ? -errno
		       : 0;
}

static bool wants_cache(const struct bfs_daemon *daemon)
{
	enum bfs_cache_use use = daemon->config.options->cache;

	return use == BFS_CACHE_ON ||
	       (use == BFS_CACHE_AUTO && bfs_cache_suits(bfs_store_fd(daemon->config.store)));
}

/* Contents can be read without a cache: what fails here costs time, no more. */
static void make_cache(struct bfs_daemon *daemon)
{
	_cleanup_free_ char *directory = NULL;
	struct bfs_cache_config config = {.quota = daemon->config.options->cache_quota,
		.verify = daemon->config.options->cache_verify};
	int r = bfs_cache_directory(&directory, NULL);

	config.directory = directory;
	if (r == 0)
		r = bfs_cache_new(&config, &daemon->cache);
	if (r == 0)
		r = bfs_content_reader_use_cache(daemon->reader, daemon->cache);
	if (r < 0)
		bfs_log_warning("contents are not kept in the local cache%s%s: %s",
			directory ? " " : "", directory ? directory : "", strerror(-r));
}

static int make_parts(struct bfs_daemon *daemon, struct bfs_error *error)
{
	const struct bfs_daemon_config *config = &daemon->config;
	int r = make_events(daemon);

	if (r == 0)
		r = bfs_content_reader_new(config->store, &daemon->reader);
	if (r == 0 && wants_cache(daemon))
		make_cache(daemon);
	if (r == 0)
		r = bfs_responders_new(thread_count(daemon), &daemon->responders);
	if (r < 0)
		return r;
	daemon->context = (struct bfs_service_context){
		.store = config->store,
		.mountpoint = config->mountpoint,
		.ref = config->ref,
		.options = config->options,
		.reader = daemon->reader,
		.cache = daemon->cache,
		.responders = daemon->responders,
		.stats = &daemon->stats,
		.initialised_fd = daemon->fds[EVENT_INITIALISED],
	};
	return config->kind->open(&daemon->context, &daemon->service, error);
}

int bfs_daemon_new(const struct bfs_daemon_config *config, struct bfs_daemon **ret_daemon,
	struct bfs_error *error)
{
	struct bfs_daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->config = *config;
	daemon->started = time(NULL);
	for (int i = 0; i < EVENT_COUNT; i++)
		daemon->fds[i] = -1;
	r = make_parts(daemon, error);
	if (r < 0) {
		bfs_daemon_free(daemon);
		return r;
	}
	*ret_daemon = daemon;
	return 0;
}

/* --- mounting it --- */

static int add_argument(struct fuse_args *arguments, const char *argument)
{
	return fuse_opt_add_arg(arguments, argument) < 0 ? -ENOMEM : 0;
}

/* What libfuse and the kernel are told; the user's own options come last and win. */
static int make_options(const struct bfs_daemon *daemon, char **ret_options)
{
	const struct bfs_mount_options *given = daemon->config.options;
	_cleanup_free_ char *source = bfs_format("fsname=%s", daemon->config.source);
	_cleanup_free_ char *options =
		bfs_format("%s,nosuid,nodev,default_permissions,subtype=brewfs,max_read=%d%s%s%s",
			daemon->config.kind->mount_options, BFS_READ_MAX,
			given->allow_other ? ",allow_other" : "", given->debug ? ",debug" : "",
			given->kernel.data ? given->kernel.data : "");

	if (!source || !options || fuse_opt_add_opt_escaped(&options, source) < 0)
		return -ENOMEM;
	*ret_options = bfs_steal(&options);
	return 0;
}

static int make_session(struct bfs_daemon *daemon)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	_cleanup_free_ char *options = NULL;
	int r = make_options(daemon, &options);

	if (r == 0)
		r = add_argument(&arguments, "brewfs");
	if (r == 0)
		r = add_argument(&arguments, "-o");
	if (r == 0)
		r = add_argument(&arguments, options);
	if (r == 0) {
		daemon->session = fuse_session_new(&arguments, daemon->config.kind->operations(),
			sizeof(struct fuse_lowlevel_ops),
			daemon->config.kind->driver(daemon->service));
		r = daemon->session ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&arguments);
	return r;
}

static __attribute__((format(printf, 2, 0))) void log_libfuse(
	enum fuse_log_level level, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		return;
	}
	for (char *c = text; (c = strchr(c, '\n')); c++)
		*c = c[1] ? ' ' : '\0';
	if (level <= FUSE_LOG_WARNING)
		bfs_log_warning("%s", text);
	else
		bfs_log_debug("%s", text);
}

static const char *explain_mount_failure(void)
{
	if (access("/dev/fuse", F_OK) < 0)
		return "/dev/fuse is missing: the kernel has no FUSE, or this container may not "
		       "use it";
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		return "no permission to use /dev/fuse";
	return "the kernel or fusermount3 refused it";
}

/* Waits for one of the events up to and with `last`; returns it. */
static enum event wait_for_event(const struct bfs_daemon *daemon, enum event last)
{
	struct pollfd polled[EVENT_COUNT];

	for (int i = 0; i < EVENT_COUNT; i++)
		polled[i] = (struct pollfd){.fd = daemon->fds[i], .events = POLLIN};
	for (;;) {
		if (poll(polled, last + 1, -1) < 0)
			continue;
		for (int i = 0; i <= (int)last; i++)
			if (polled[i].revents)
				return (enum event)i;
	}
}

static int wait_for_init(struct bfs_daemon *daemon, struct bfs_error *error)
{
	enum event event = wait_for_event(daemon, EVENT_INITIALISED);
	uint64_t count;

	/* Once read it is not to be heard of again. */
	if (event == EVENT_INITIALISED)
		return read(daemon->fds[event], &count, sizeof(count)) < 0 ? -errno : 0;
	return bfs_error_set(error, event == EVENT_SIGNAL ? -EINTR : -EPROTO, "mounting",
		daemon->config.mountpoint, "%s",
		event == EVENT_SIGNAL ? "interrupted" : "the kernel gave it up");
}

/* The kernel's own limit is 128 KiB; above it, big files come in fewer requests. Only root can
 * raise it. */
static void set_readahead(struct bfs_daemon *daemon, const struct bfs_mount *mount)
{
	_cleanup_free_ char *path =
		bfs_format("/sys/class/bdi/%u:%u/read_ahead_kb", mount->major, mount->minor);
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	char text[16];
	ssize_t n;

	if (daemon->config.options->readahead && fd >= 0 &&
		dprintf(fd, "%u", daemon->config.options->readahead) < 0)
		bfs_log_debug("setting the read-ahead: %s", strerror(errno));
	if (fd < 0)
		fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	if (n > 0) {
		text[n] = '\0';
		daemon->readahead = (unsigned)strtoul(text, NULL, 10);
	}
}

/* What needs the mount's device number; none of it is needed for the mount to work. */
static void set_up_extras(struct bfs_daemon *daemon)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	const struct bfs_mount *mount = NULL;
	int r = bfs_mounts_read(&mounts, &error);

	if (r == 0)
		mount = bfs_mounts_find(&mounts, daemon->config.mountpoint);
	if (r == 0 && !mount)
		r = -ENOENT;
	if (r == 0) {
		set_readahead(daemon, mount);
		r = bfs_control_listen(mount, daemon->config.options->allow_other,
			&daemon->fds[EVENT_CONTROL], &daemon->control_path, &error);
	}
	if (r < 0)
		bfs_log_warning("'brewfs status' will not reach this mount: %s",
			bfs_error_message(&error, r));
}

int bfs_daemon_mount(struct bfs_daemon *daemon, struct bfs_error *error)
{
	const char *mountpoint = daemon->config.mountpoint;
	int r;

	fuse_set_log_func(log_libfuse);
	r = make_session(daemon);
	if (r < 0)
		return bfs_error_set(
			error, r, "mounting", mountpoint, "libfuse refused its options");
	if (fuse_session_mount(daemon->session, mountpoint) < 0)
		return bfs_error_set(
			error, -EPERM, "mounting", mountpoint, "%s", explain_mount_failure());
	daemon->mounted = true;
	r = bfs_handshake(daemon->session, daemon->config.kind->kernel_flags);
	if (r < 0)
		return bfs_error_set(
			error, r, "mounting", mountpoint, "the kernel's first request failed");
	r = bfs_responders_start(daemon->responders, daemon->session, daemon->fds[EVENT_ENDED]);
	if (r < 0)
		return bfs_error_set(error, r, "starting threads", NULL, NULL);
	daemon->answering = true;
	r = wait_for_init(daemon, error);
	if (r < 0)
		return r;
	set_up_extras(daemon);
	return daemon->config.kind->start(daemon->service, daemon->session, error);
}

/* --- serving --- */

static json_t *describe(struct bfs_daemon *daemon)
{
	const struct bfs_report_sources sources = {
		.context = &daemon->context,
		.cache = daemon->cache,
		.threads = thread_count(daemon),
		.readahead = daemon->readahead,
		.started = daemon->started,
	};
	json_t *document = bfs_report_build(&sources);

	if (document && daemon->config.kind->describe(daemon->service, document) < 0) {
		json_decref(document);
		document = NULL;
	}
	return document;
}

static void answer(struct bfs_daemon *daemon)
{
	const struct bfs_service_kind *kind = daemon->config.kind;
	struct bfs_control_peer peer;

	if (bfs_control_accept(daemon->fds[EVENT_CONTROL], &peer) < 0)
		return;
	if (!peer.request)
		bfs_control_answer(&peer, describe(daemon));
	else if (!kind->request)
		bfs_control_refuse(&peer, "this mount takes no requests");
	else if (peer.uid != 0 && peer.uid != geteuid())
		bfs_control_refuse(&peer, "only the mount's owner and root may make requests");
	else
		kind->request(daemon->service, &peer);
}

void bfs_daemon_serve(struct bfs_daemon *daemon)
{
	while (wait_for_event(daemon, EVENT_CONTROL) == EVENT_CONTROL)
		answer(daemon);
}

/* --- the end --- */

/* Whether the child has ended within `timeout` ms. */
static bool wait_for_child(pid_t child, int timeout)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, child, 0);
	struct pollfd polled = {.fd = fd, .events = POLLIN};

	if (poll(&polled, 1, timeout) == 0)
		return false;
	waitpid(child, NULL, 0);
	return true;
}

/*
 * What programs wrote by mmap may still be in the kernel alone: it writes it out while somebody
 * answers, here before the mount goes, and again if it goes at once. By a child, since it may have
 * to wait for the store.
 */
static void write_out(const struct bfs_daemon *daemon)
{
	pid_t child = fork();

	if (child == 0) {
		int fd = open(daemon->config.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		_exit(fd >= 0 && syncfs(fd) == 0 ? 0 : 1);
	}
	if (child > 0 && !wait_for_child(child, WRITE_OUT_TIME)) {
		bfs_log_warning("%s: what was written by mmap could not all be written out",
			daemon->config.mountpoint);
		kill(child, SIGKILL);
	}
}

static void leave_mount(struct bfs_daemon *daemon)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct pollfd ended = {.fd = daemon->fds[EVENT_ENDED], .events = POLLIN};

	if (!daemon->config.kind->writable || poll(&ended, 1, 0) > 0)
		return;
	write_out(daemon);
	if (bfs_mountpoint_unmount(daemon->config.mountpoint, true, &error) == 0)
		poll(&ended, 1, STOP_TIME);
}

/* Ends the threads; those of the service first, which may wait until a request is answered. */
static bool stop_threads(struct bfs_daemon *daemon)
{
	bool stopped = !daemon->service || daemon->config.kind->stop(daemon->service, STOP_TIME);

	if (daemon->answering && !bfs_responders_stop(daemon->responders, STOP_TIME))
		stopped = false;
	if (daemon->service && daemon->config.kind->stop_reading &&
		!daemon->config.kind->stop_reading(daemon->service, STOP_TIME))
		stopped = false;
	if (daemon->reader && !bfs_content_reader_stop(daemon->reader, STOP_TIME))
		stopped = false;
	return stopped;
}

bool bfs_daemon_free(struct bfs_daemon *daemon)
{
	bool stopped;

	if (!daemon)
		return true;
	if (daemon->answering)
		leave_mount(daemon);
	stopped = stop_threads(daemon);
	if (daemon->control_path)
		unlink(daemon->control_path);
	if (daemon->mounted)
		fuse_session_unmount(daemon->session);
	if (!stopped) {
		bfs_log_warning("%s: the store does not answer; leaving without waiting for it",
			daemon->config.mountpoint);
		return false;
	}
	daemon->config.kind->close(daemon->service);
	if (daemon->session)
		fuse_session_destroy(daemon->session);
	bfs_responders_free(daemon->responders);
	bfs_content_reader_free(daemon->reader);
	bfs_cache_free(daemon->cache);
	for (int i = 0; i < EVENT_COUNT; i++)
		if (daemon->fds[i] >= 0)
			close(daemon->fds[i]);
	free(daemon->control_path);
	free(daemon);
	return true;
}
