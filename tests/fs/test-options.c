/*
 * Mount options: what is understood, what is passed on, what is ignored, what is refused.
 */
#include "fs/features.h"
#include "fs/options.h"
#include "tests/tap.h"

#include <string.h>

static struct bfs_mount_options options;

static int parse(const char *text, struct bfs_error *error)
{
	bfs_mount_options_release(&options);
	bfs_mount_options_init(&options);
	return bfs_mount_options_parse(&options, text, error);
}

static void refuse(const char *text, int code, const char *wanted)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	is_int(parse(text, &error), code, "'%s' is refused", text);
	ok(error.message && strstr(error.message, wanted), "and the message has '%s'", wanted);
}

static bool has(enum bfs_feature feature)
{
	return (options.features & BFS_FEATURE_BIT(feature)) != 0;
}

static void test_values(void)
{
	is_int(parse("", NULL), 0, "no options");
	is_int(options.uid, geteuid(), "the owner is the caller");
	is_int(options.features, BFS_FEATURES_DEFAULT, "almost everything is wanted");
	is_int(parse("uid=12,gid=0,threads=3,interval=50,readahead=0,ref=staging", NULL), 0,
		"values");
	is_int(options.uid, 12, "uid");
	is_int(options.gid, 0, "gid");
	is_int(options.threads, 3, "threads");
	is_int(options.interval, 50, "interval");
	is_int(options.readahead, 0, "readahead");
	is_str(options.ref, "staging", "ref");
	is_int(parse("uid=1,,uid=2,", NULL), 0, "empty options are nothing");
	is_int(options.uid, 2, "the last value counts");
	is_int(parse("ref=a\\,b", NULL), 0, "a comma in a value");
	is_str(options.ref, "a,b", "is written with a backslash");
}

static void test_cache(void)
{
	is_int(parse("", NULL), 0, "the cache of contents");
	is_int(options.cache, BFS_CACHE_AUTO, "depends on the store");
	is_int(parse("cache=off", NULL), 0, "off");
	is_int(options.cache, BFS_CACHE_OFF, "is off");
	is_int(parse("cache=20G,cache_verify", NULL), 0, "a size");
	ok(options.cache == BFS_CACHE_ON && options.cache_quota == UINT64_C(20) << 30 &&
			options.cache_verify,
		"is a quota");
	is_int(parse("cache=512M,cache=on", NULL), 0, "on");
	ok(options.cache == BFS_CACHE_ON && options.cache_quota == 0, "has the default quota");
	refuse("cache=20", -EINVAL, "512M");
	refuse("cache=", -EINVAL, "512M");
	refuse("cache=-1G", -EINVAL, "512M");
	refuse("cache=0G", -EINVAL, "512M");
	refuse("cache=1GB", -EINVAL, "512M");
	refuse("cache=99999999999999999999G", -EINVAL, "512M");
}

static void test_features(void)
{
	is_int(parse("answer_open,no_readdirplus", NULL), 0, "features");
	ok(!has(BFS_FEATURE_ZERO_OPEN) && has(BFS_FEATURE_ZERO_OPENDIR),
		"answer_open turns one off");
	ok(!has(BFS_FEATURE_READDIRPLUS) && has(BFS_FEATURE_READDIRPLUS_AUTO), "no_NAME another");
	is_int(parse("no_zero_open,zero_open", NULL), 0, "and on again");
	ok(has(BFS_FEATURE_ZERO_OPEN), "by its name");
	for (int i = 0; i < BFS_FEATURE_COUNT; i++) {
		char text[64];

		snprintf(text, sizeof(text), "no_%s", bfs_feature_name(i));
		is_int(parse(text, NULL), 0, "%s is understood", text);
		is_int(options.features, BFS_FEATURES_DEFAULT & ~BFS_FEATURE_BIT(i),
			"and turns just that off");
	}
}

static void test_others(void)
{
	is_int(parse("noexec,suid,ro,_netdev,nofail,x-systemd.automount,user,relatime,comment=a",
		       NULL),
		0, "options of mount(8)");
	is_str(options.kernel.data, ",noexec,suid", "only some are for the kernel");
	is_int(parse("noallow_other", NULL), 0, "noallow_other");
	is_int(options.allow_other, 0, "is off");
	is_int(parse("allow_other,debug", NULL), 0, "allow_other, debug");
	is_int(options.allow_other && options.debug, 1, "are on");
	is_int(parse("rw,ro", NULL), 0, "ro after rw");
	ok(!options.writable, "wins");
	is_int(parse("rw,session=my.work-1", NULL), 0, "a session");
	ok(options.writable, "is writable");
	is_str(options.session, "my.work-1", "and has its name");
	refuse("rw,session=../x", -EINVAL, "not a name");
	refuse("rw,session=", -EINVAL, "not a name");
	refuse("session=x", -EINVAL, "mounted rw");
	refuse("bogus", -EINVAL, "bogus: no such option");
	refuse("no_bogus", -EINVAL, "no_bogus: no such option");
	refuse("answer_bogus", -EINVAL, "answer_bogus: no such option");
	refuse("uid=", -EINVAL, "uid=");
	refuse("uid=-1", -EINVAL, "uid=-1");
	refuse("uid=4294967295", -EINVAL, "a number from 0 to 4294967294");
	refuse("gid=1x", -EINVAL, "gid=1x");
	refuse("threads=0", -EINVAL, "a number from 1 to");
	refuse("threads=99999999999999999999", -EINVAL, "threads=");
	refuse("interval=1", -EINVAL, "a number from 10");
}

int main(void)
{
	bfs_mount_options_init(&options);
	test_values();
	test_cache();
	test_features();
	test_others();
	bfs_mount_options_release(&options);
	return done();
}
