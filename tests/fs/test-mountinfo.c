/*
 * Reading mountinfo: odd names, optional fields, what is on top, and lines that are none.
 */
#include "fs/mountinfo.h"
#include "tests/tap.h"

static const char text[] =
	"22 27 0:21 / /proc rw,relatime shared:5 master:1 - proc proc rw\n"
	"40 27 0:45 / /home/linuxbrew/.linuxbrew ro,nosuid - fuse.brewfs /mnt/efs/store"
	" ro,user_id=1000,group_id=1000,allow_other\n"
	"41 27 0:46 / /with\\040space\\134and\\011tab rw - ext4 /dev/x\\012y rw\n"
	"42 27 0:47 / /top rw - ext4 below rw\n"
	"43 42 0:48 / /top rw - fuse.brewfs above rw,user_id=0\n"
	"no line at all\n"
	"1 2 x:y / /bad rw - ext4 a rw\n"
	"1 2 0:1 / /short\n"
	"44 27 0:49 / /odd\\9 rw - ext4 a\\04 rw\n"
	"\n";

static void test_text(void)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	_cleanup_free_ char *copy = strdup(text);
	const struct bfs_mount *mount;

	is_int(bfs_mounts_parse(copy, &mounts), 0, "the text is parsed");
	is_int(mounts.count, 6, "lines that are none are left out");
	mount = bfs_mounts_find(&mounts, "/home/linuxbrew/.linuxbrew");
	if (ok(mount != NULL, "a mount is found by its path")) {
		ok(bfs_mount_is_brewfs(mount), "it is ours");
		is_str(mount->source, "/mnt/efs/store", "its source");
		is_str(mount->options, "ro,nosuid", "its options");
		is_int(mount->owner, 1000, "its owner");
		is_int(mount->major * 1000 + mount->minor, 45, "its device");
	}
	mount = bfs_mounts_find(&mounts, "/with space\\and\ttab");
	if (ok(mount != NULL, "escapes are resolved"))
		is_str(mount->source, "/dev/x\ny", "in the source as well");
	mount = bfs_mounts_find(&mounts, "/top");
	is_str(mount ? mount->source : NULL, "above", "the last mount at a path is on top");
	mount = bfs_mounts_find(&mounts, "/odd\\9");
	is_str(mount ? mount->source : NULL, "a\\04", "what is no escape stays");
	ok(!bfs_mounts_find(&mounts, "/nowhere"), "nothing is found where nothing is");
}

static void is_option(const struct bfs_mount *mount, const char *name, const char *wanted)
{
	_cleanup_free_ char *value = NULL;
	int r = bfs_mount_option(mount, name, &value);

	is_int(r, wanted ? 0 : -ENOENT, "option %s", name);
	if (wanted)
		is_str(value, wanted, "its value");
}

static void test_network_mounts(void)
{
	char lines[] = "20 1 8:1 / / rw - ext4 /dev/root rw\n"
		       "30 20 0:30 / /mnt/efs rw,nosuid - nfs4 127.0.0.1:/ "
		       "rw,vers=4.1,hard,noresvport,port=20049\n"
		       "31 30 0:31 /tools /mnt/efs/tools rw - nfs4 nas:/export rw,vers=3\n";
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	const struct bfs_mount *mount;

	is_int(bfs_mounts_parse(lines, &mounts), 0, "mounts of a network are parsed");
	mount = bfs_mounts_find_around(&mounts, "/mnt/efs/brewfs/refs");
	is_str(mount ? mount->mountpoint : NULL, "/mnt/efs", "a path lies in the mount around it");
	ok(mount && bfs_mount_is_nfs(mount), "which is NFS");
	if (mount) {
		is_option(mount, "port", "20049");
		is_option(mount, "vers", "4.1");
		is_option(mount, "hard", "");
		is_option(mount, "nosuid", "");
		is_option(mount, "soft", NULL);
		is_option(mount, "por", NULL);
		is_option(mount, "ver", NULL);
	}
	mount = bfs_mounts_find_around(&mounts, "/mnt/efs/tools");
	is_str(mount ? mount->root : NULL, "/tools", "a mountpoint itself in what is mounted there");
	mount = bfs_mounts_find_around(&mounts, "/mnt/efs-2");
	is_str(mount ? mount->mountpoint : NULL, "/", "a name that only begins alike in another");
	ok(mount && !bfs_mount_is_nfs(mount), "which is none");
}

int main(void)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};

	test_text();
	test_network_mounts();
	is_int(bfs_mounts_read(&mounts, NULL), 0, "this process's own mounts can be read");
	ok(bfs_mounts_find(&mounts, "/proc") != NULL, "and /proc is among them");
	return done();
}
