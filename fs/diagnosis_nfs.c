#include "fs/diagnosis.h"

#include "index/efs.h"
#include "index/efs_mount.h"
#include "index/efs_mounted.h"
#include "index/metadata.h"
#include "lib/file.h"
#include "lib/mountinfo.h"
#include "lib/program.h"
#include "lib/system.h"
#include "lib/tcp.h"

#include <fcntl.h>
#include <string.h>

#define NFS_PORT	"2049"
#define CONNECT_TIMEOUT 3000 /* ms; within a region an answer takes one */

/* --- port 2049 --- */

/* The command that puts this instance into the group, as far as its metadata tell who it is. */
static int membership_command(char **ret_command)
{
	_cleanup_free_ char *instance = NULL, *mac = NULL, *path = NULL, *groups = NULL;

	if (bfs_metadata_get("instance-id", &instance) < 0 || bfs_metadata_get("mac", &mac) < 0)
		return -ENOENT;
	path = bfs_format("network/interfaces/macs/%s/security-group-ids", mac);
	if (!path)
		return -ENOMEM;
	if (bfs_metadata_get(path, &groups) < 0)
		return -ENOENT;
	*ret_command = bfs_format("aws ec2 modify-instance-attribute --instance-id %s --groups %s "
				  "SECURITY-GROUP-OF-THE-FILE-SYSTEM",
		instance, groups);
	return *ret_command ? 0 : -ENOMEM;
}

static int report_silence(struct bfs_diagnosis *diagnosis, const char *host)
{
	_cleanup_free_ char *join = NULL, *fix = NULL;
	const char *id = diagnosis->efs ? diagnosis->efs->id : "fs-ID";
	int r = membership_command(&join);

	if (r == -ENOMEM)
		return r;
	fix = bfs_format("aws efs describe-mount-targets --file-system-id %s; for one of them: aws "
			 "efs describe-mount-target-security-groups --mount-target-id fsmt-ID; "
			 "then %s%saws ec2 authorize-security-group-ingress --group-id THAT-GROUP "
			 "--protocol tcp --port 2049 --source-group GROUP-OF-THIS-HOST",
		id, join ? join : "", join ? ", or " : "");
	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "port-2049", BFS_OUTCOME_PROBLEM, fix,
		"%s does not answer on TCP port 2049: a security group keeps this host out", host);
}

static int report_no_name(struct bfs_diagnosis *diagnosis, const char *host)
{
	_cleanup_free_ char *fix = bfs_format(
		"aws efs describe-mount-targets --file-system-id %s shows the zones that have one; "
		"in the VPC: aws ec2 modify-vpc-attribute --vpc-id VPC --enable-dns-hostnames, and "
		"--enable-dns-support",
		diagnosis->efs ? diagnosis->efs->id : "fs-ID");

	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "port-2049", BFS_OUTCOME_PROBLEM, fix,
		"%s does not resolve: no mount target in this zone, another VPC, or one without "
		"DNS host names",
		host);
}

static int look_at_port(struct bfs_diagnosis *diagnosis, const char *host)
{
	_cleanup_close_ int fd = -1;
	int r = bfs_tcp_connect(host, NFS_PORT, CONNECT_TIMEOUT, &fd);

	if (r == 0)
		return bfs_diagnosis_add(diagnosis, "port-2049", BFS_OUTCOME_GOOD, NULL,
			"%s answers on TCP port 2049", host);
	if (r == -ENOENT)
		return report_no_name(diagnosis, host);
	if (r == -ETIMEDOUT)
		return report_silence(diagnosis, host);
	return bfs_diagnosis_add(diagnosis, "port-2049", BFS_OUTCOME_PROBLEM,
		"check the address and the route to it",
		"%s cannot be reached on TCP port 2049: %s", host, strerror(-r));
}

/* --- mount options --- */

/* What AWS recommends (index/efs_mount.h), and what it is for. */
static const struct {
	const char *name, *value, *why;
	bool at_least;
} wanted[] = {
	{"vers", "4.1", "4.0 opens files one after the other", false},
	{"rsize", "1048576", "smaller reads mean more round trips", true},
	{"wsize", "1048576", "smaller writes mean more round trips", true},
	{"hard", "", "a soft mount loses writes", false},
	{"timeo", "600", "an answer that is late is no answer that is lost", true},
	{"noresvport", "", "without it, a broken connection may not come back", false},
};

static bool is_good(const char *value, size_t which)
{
	if (wanted[which].at_least)
		return strtoul(value, NULL, 10) >= strtoul(wanted[which].value, NULL, 10);
	return strcmp(value, wanted[which].value) == 0;
}

/* Adds what is wrong with one option to a sentence. */
static int add_fault(const struct bfs_mount *mount, size_t which, struct bfs_buffer *faults)
{
	_cleanup_free_ char *value = NULL;
	int r = bfs_mount_option(mount, wanted[which].name, &value);

	if (r == -ENOMEM || (r == 0 && is_good(value, which)))
		return r;
	return bfs_buffer_append_format(faults, "%s%s%s%s instead of %s%s%s (%s)",
		faults->length ? "; " : "", r == 0 ? wanted[which].name : "no ",
		r == 0 ? "=" : wanted[which].name, r == 0 ? value : "", wanted[which].name,
		*wanted[which].value ? "=" : "", wanted[which].value, wanted[which].why);
}

static int find_faults(const struct bfs_mount *mount, bool is_efs, struct bfs_buffer *faults)
{
	_cleanup_free_ char *nconnect = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(wanted); i++)
		if (is_efs || strcmp(wanted[i].name, "hard") == 0)
			r = add_fault(mount, i, faults);
	if (r == 0 && is_efs && bfs_mount_option(mount, "nconnect", &nconnect) == 0)
		r = bfs_buffer_append_format(faults, "%snconnect, which EFS does not support",
			faults->length ? "; " : "");
	return r;
}

static int look_at_options(
	struct bfs_diagnosis *diagnosis, const struct bfs_mount *mount, const char *host)
{
	bool is_efs = diagnosis->efs != NULL;
	_cleanup_buffer_ struct bfs_buffer faults = BFS_BUFFER_INIT;
	_cleanup_free_ char *fix = NULL;
	int r = find_faults(mount, is_efs, &faults);

	if (r < 0)
		return r;
	if (faults.length == 0)
		return bfs_diagnosis_add(diagnosis, "mount-options", BFS_OUTCOME_GOOD, NULL,
			"%s is mounted with the right options", mount->mountpoint);
	if (is_efs && strncmp(host, "127.", 4) == 0)
		fix = bfs_format("umount %s && mount -t efs -o tls %s:/ %s", mount->mountpoint,
			diagnosis->efs->id, mount->mountpoint);
	else
		fix = bfs_format("umount %s && mount -t nfs4 -o " BFS_EFS_NFS_OPTIONS " %s %s",
			mount->mountpoint, mount->source, mount->mountpoint);
	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "mount-options", BFS_OUTCOME_PROBLEM, fix,
		"%s is mounted with %s", mount->mountpoint, faults.data);
}

/* --- read-ahead --- */

static int look_at_readahead(struct bfs_diagnosis *diagnosis, const struct bfs_mount *mount)
{
	_cleanup_free_ char *file =
		bfs_format("/sys/class/bdi/%u:%u/read_ahead_kb", mount->major, mount->minor);
	_cleanup_free_ char *path = file ? bfs_system_path(file) : NULL, *fix = NULL;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	unsigned long now;

	if (!path)
		return -ENOMEM;
	if (bfs_read_file(AT_FDCWD, path, 64, &text) < 0 || !text.data)
		return bfs_diagnosis_add(diagnosis, "read-ahead", BFS_OUTCOME_NOTE, NULL,
			"%s cannot be read, so the read-ahead of %s is not known", file,
			mount->mountpoint);
	now = strtoul(text.data, NULL, 10);
	if (now >= BFS_EFS_READAHEAD)
		return bfs_diagnosis_add(diagnosis, "read-ahead", BFS_OUTCOME_GOOD, NULL,
			"%s reads %lu KiB ahead", mount->mountpoint, now);
	fix = bfs_format("echo %d > %s (the efs helper does it by itself, with "
			 "optimize_readahead = true in /etc/amazon/efs/efs-utils.conf)",
		BFS_EFS_READAHEAD, file);
	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "read-ahead", BFS_OUTCOME_PROBLEM, fix,
		"%s reads only %lu KiB ahead: big files come in many small pieces",
		mount->mountpoint, now);
}

/* --- efs-utils and what is behind --- */

/* "... Version: 2.0.4" (efs-utils, mount_efs/__init__.py); 0 where it says something else. */
static unsigned long read_version(const char *said, const char **ret_text)
{
	const char *version = said ? strstr(said, "Version: ") : NULL;

	*ret_text = version ? version + 9 : "";
	return version ? strtoul(version + 9, NULL, 10) : 0;
}

static int look_at_helper(struct bfs_diagnosis *diagnosis)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_buffer_ struct bfs_buffer said = BFS_BUFFER_INIT;
	const char *text;
	unsigned long major;
	int r = bfs_program_find("mount.efs", &path);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return bfs_diagnosis_add(diagnosis, "efs-utils", BFS_OUTCOME_NOTE,
			"dnf install amazon-efs-utils",
			"without amazon-efs-utils there is no TLS, no IAM and no access point");
	r = bfs_program_run((const char *const[]){path, "--version", NULL}, &said);
	major = read_version(said.data, &text);
	if (r != 0 || major == 0)
		return bfs_diagnosis_add(diagnosis, "efs-utils", BFS_OUTCOME_NOTE, NULL,
			"%s does not tell its version", path);
	if (major >= 2)
		return bfs_diagnosis_add(diagnosis, "efs-utils", BFS_OUTCOME_GOOD, NULL,
			"amazon-efs-utils %.*s", (int)strcspn(text, "\n"), text);
	return bfs_diagnosis_add(diagnosis, "efs-utils", BFS_OUTCOME_PROBLEM,
		"dnf upgrade amazon-efs-utils",
		"amazon-efs-utils %.*s is old: before 2.0 a client gets 500 MiB/s at most, not "
		"1500",
		(int)strcspn(text, "\n"), text);
}

/* NFS does not tell, and neither do the instance's metadata: only the API of EFS knows. */
static int note_throughput(struct bfs_diagnosis *diagnosis)
{
	_cleanup_free_ char *fix = bfs_format(
		"aws efs describe-file-systems --file-system-id %s --query "
		"'FileSystems[0].ThroughputMode'; if it says bursting: aws efs update-file-system "
		"--file-system-id %s --throughput-mode elastic",
		diagnosis->efs->id, diagnosis->efs->id);

	if (!fix)
		return -ENOMEM;
	return bfs_diagnosis_add(diagnosis, "throughput", BFS_OUTCOME_NOTE, fix,
		"the throughput mode of %s cannot be known from here; bursting gives a store of a "
		"few GiB about 1 MiB/s once its credits are used up",
		diagnosis->efs->id);
}

static int look_at_efs(struct bfs_diagnosis *diagnosis)
{
	_cleanup_free_ char *region = NULL;
	int r = look_at_helper(diagnosis);

	if (r == 0)
		r = note_throughput(diagnosis);
	if (r < 0 || diagnosis->efs_host)
		return r;
	r = bfs_efs_find_region(diagnosis->efs, &region);
	if (r == -ENOENT)
		return bfs_diagnosis_add(diagnosis, "region", BFS_OUTCOME_PROBLEM,
			"export AWS_REGION=..., or -o region=...",
			"the region of %s is not known here: no variable, no efs-utils.conf and no "
			"instance metadata tell it",
			diagnosis->efs->id);
	if (r < 0)
		return r;
	diagnosis->efs_host = bfs_efs_host(diagnosis->efs, region);
	if (!diagnosis->efs_host)
		return -ENOMEM;
	return look_at_port(diagnosis, diagnosis->efs_host);
}

/* --- the mount that the store is on --- */

static int name_efs(struct bfs_diagnosis *diagnosis, const struct bfs_mount *mount)
{
	_cleanup_free_ char *id = NULL;
	int r = diagnosis->efs ? -ENOENT : bfs_efs_id_of_mount(mount, &id);

	if (r == 0)
		r = bfs_efs_new(id, NULL, &diagnosis->efs, NULL);
	return r == -ENOMEM ? r : 0;
}

static int look_at_mount(struct bfs_diagnosis *diagnosis, const struct bfs_mount *mount)
{
	_cleanup_free_ char *host = strndup(mount->source, strcspn(mount->source, ":"));
	int r = host ? name_efs(diagnosis, mount) : -ENOMEM;

	if (r == 0)
		r = look_at_options(diagnosis, mount, host);
	if (r == 0)
		r = look_at_readahead(diagnosis, mount);
	/* At the near end of a tunnel something always answers. */
	if (r == 0 && strncmp(host, "127.", 4) != 0) {
		r = look_at_port(diagnosis, host);
		diagnosis->efs_host = bfs_steal(&host);
	}
	return r;
}

int bfs_diagnosis_look_at_nfs(struct bfs_diagnosis *diagnosis)
{
	_cleanup_free_ char *path = diagnosis->store ? realpath(diagnosis->store, NULL) : NULL;
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	const struct bfs_mount *mount = NULL;
	int r = 0;

	if (path && bfs_mounts_read(&mounts, NULL) == 0)
		mount = bfs_mounts_find_around(&mounts, path);
	if (mount && bfs_mount_is_nfs(mount))
		r = look_at_mount(diagnosis, mount);
	return r == 0 && diagnosis->efs ? look_at_efs(diagnosis) : r;
}
