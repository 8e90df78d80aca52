/*
 * slowfs - a directory seen through the delay of a network filesystem.
 *
 *	slowfs [-f] [-o OPTION,...] SOURCE MOUNTPOINT
 *
 * Passes every operation on to SOURCE and makes it take as long as a round trip to an NFSv4.1
 * server (AWS EFS by default) would, behind an attribute cache like that of the Linux NFS client.
 * What the kernel answers from its cache costs nothing here, as it costs nothing there. Two
 *requests that are one round trip in NFS are counted and charged as one. Needs root.
 *
 *	lookup= getattr= readlink= open= close= readdir= read= write= create= setattr= remove=
 *	rename= lock=
 *		microseconds of one round trip; a READ or WRITE is one for each MiB
 *	rmbps=500 wmbps=100 clientmbps=500
 *		MB/s of one stream read, one written, and of all together; 0: no limit
 *	inflight=16
 *		WRITEs that the client keeps under way at once
 *	dirents=1000
 *		names in one READDIR, which also brings their attributes
 *	acregmin=3 acregmax=60 acdirmin=30 acdirmax=60
 *		seconds, as in nfs(5)
 *	scale=100
 *		percent of all the delays; 0 makes none and still counts
 *
 * The extended attribute user.slowfs.counters of the mountpoint is a text of lines "NAME COUNT
 * MILLISECONDS" and the sum, "total"; whatever is written to it sets them to zero.
 *
 * Written data is sent at fsync and close. Not modelled: delegations, jitter, credits. The kernel
 * reads ahead as for other FUSE filesystems unless told by
 * /sys/class/bdi/MAJOR:MINOR/read_ahead_kb; on EFS that is 15360.
 */
#include "tests/bench/slowfs.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COUNTERS    "user.slowfs.counters"
#define REPORT_SIZE 1024

unsigned slowfs_dirents = 1000;

static char *source;

static void on_init(void *data, struct fuse_conn_info *connection)
{
	(void)data;
	connection->max_readahead = connection->max_write = TRANSFER_SIZE;
	connection->max_background = SLOWFS_THREADS;
	connection->congestion_threshold = SLOWFS_THREADS * 3 / 4;
	connection->want |=
		connection->capable &
		(FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ASYNC_READ |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_CACHE_SYMLINKS |
			FUSE_CAP_POSIX_LOCKS);
}

static void on_statfs(fuse_req_t req, fuse_ino_t ino)
{
	int fd = nodes_open(ino, O_PATH);
	struct statvfs st;
	int r = fd < 0 ? fd : slowfs_result(fstatvfs(fd, &st));

	if (fd >= 0)
		close(fd);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_statfs(req, &st);
}

static bool is_counters(fuse_ino_t ino, const char *name)
{
	return ino == FUSE_ROOT_ID && strcmp(name, COUNTERS) == 0;
}

static void on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char text[REPORT_SIZE];
	size_t length;

	if (!is_counters(ino, name)) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	length = delay_report(text, sizeof(text));
	if (size == 0)
		fuse_reply_xattr(req, sizeof(text)); /* room for counters that grow meanwhile */
	else if (size < length)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, text, length);
}

static void on_setxattr(
	fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	(void)value;
	(void)size;
	(void)flags;
	if (is_counters(ino, name))
		delay_reset();
	fuse_reply_err(req, is_counters(ino, name) ? 0 : EOPNOTSUPP);
}

#define NUMBER(name, place)                                                                        \
	{                                                                                          \
		name "=", place                                                                    \
	}

static unsigned *find_number(const char *text)
{
	const struct {
		const char *name;
		unsigned *place;
	} numbers[] = {
		NUMBER("lookup", &delay_options.us[OP_LOOKUP]),
		NUMBER("getattr", &delay_options.us[OP_GETATTR]),
		NUMBER("readlink", &delay_options.us[OP_READLINK]),
		NUMBER("open", &delay_options.us[OP_OPEN]),
		NUMBER("close", &delay_options.us[OP_CLOSE]),
		NUMBER("readdir", &delay_options.us[OP_READDIR]),
		NUMBER("read", &delay_options.us[OP_READ]),
		NUMBER("write", &delay_options.us[OP_WRITE]),
		NUMBER("create", &delay_options.us[OP_CREATE]),
		NUMBER("setattr", &delay_options.us[OP_SETATTR]),
		NUMBER("remove", &delay_options.us[OP_REMOVE]),
		NUMBER("rename", &delay_options.us[OP_RENAME]),
		NUMBER("lock", &delay_options.us[OP_LOCK]),
		NUMBER("rmbps", &delay_options.read_mbps),
		NUMBER("wmbps", &delay_options.write_mbps),
		NUMBER("clientmbps", &delay_options.client_mbps),
		NUMBER("inflight", &delay_options.inflight),
		NUMBER("scale", &delay_options.scale),
		NUMBER("dirents", &slowfs_dirents),
		NUMBER("acregmin", &node_timeouts.file_min),
		NUMBER("acregmax", &node_timeouts.file_max),
		NUMBER("acdirmin", &node_timeouts.directory_min),
		NUMBER("acdirmax", &node_timeouts.directory_max),
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (strncmp(text, numbers[i].name, strlen(numbers[i].name)) == 0)
			return numbers[i].place;
	return NULL;
}

/* 0 where it was an option of ours, 1 where it is one of libfuse's, -1 on an error. */
static int take_option(void *data, const char *text, int key, struct fuse_args *args)
{
	unsigned *number = key == FUSE_OPT_KEY_OPT ? find_number(text) : NULL;
	char *end;

	(void)data;
	(void)args;
	if (number) {
		*number = (unsigned)strtoul(strchr(text, '=') + 1, &end, 10);
		return *end ? -1 : 0;
	}
	if (key != FUSE_OPT_KEY_NONOPT || source)
		return 1;
	source = strdup(text);
	return source ? 0 : -1;
}

static int serve(struct fuse_session *session)
{
#if FUSE_USE_VERSION >= 312
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, SLOWFS_THREADS);
	fuse_loop_cfg_set_idle_threads(config, SLOWFS_THREADS);
	r = fuse_session_loop_mt(session, config);
	fuse_loop_cfg_destroy(config);
	return r;
#else
	struct fuse_loop_config config = {.max_idle_threads = SLOWFS_THREADS};

	return fuse_session_loop_mt(session, &config);
#endif
}

static void fill_operations(struct fuse_lowlevel_ops *operations)
{
	operations->init = on_init;
	operations->statfs = on_statfs;
	operations->getxattr = on_getxattr;
	operations->setxattr = on_setxattr;
	slowfs_tree_operations(operations);
	slowfs_list_operations(operations);
	slowfs_file_operations(operations);
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct fuse_cmdline_opts command;
	struct fuse_lowlevel_ops operations = {0};
	struct fuse_session *session;
	int r;

	if (fuse_opt_parse(&args, NULL, NULL, take_option) || fuse_parse_cmdline(&args, &command) ||
		!source || !command.mountpoint || !delay_options.inflight || !slowfs_dirents)
		errx(2, "usage: slowfs [-f] [-o OPTION,...] SOURCE MOUNTPOINT (see slowfs.c)");
	r = nodes_start(source);
	if (r < 0)
		errx(1, "%s: %s", source, strerror(-r));
	umask(0);
	fill_operations(&operations);
	prctl(PR_SET_TIMERSLACK, 1);
	session = fuse_session_new(&args, &operations, sizeof(operations), NULL);
	if (!session || fuse_set_signal_handlers(session) ||
		fuse_session_mount(session, command.mountpoint))
		errx(1, "cannot mount on %s", command.mountpoint);
	fuse_daemonize(command.foreground);
	r = serve(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	return r ? 1 : 0;
}
