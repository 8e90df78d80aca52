#include "index/efs_mount.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/mountinfo.h"
#include "lib/program.h"
#include "lib/system.h"

#include <fcntl.h>
#include <string.h>

#define STEP	  "mounting the EFS file system"
#define DIRECTORY "/run/brewfs/efs"

/* What mount(8) is to be told. */
struct command {
	char *type, *options, *source, *directory;
	char *words; /* the whole, for messages */
};

static void release_command(struct command *command)
{
	free(command->type);
	free(command->options);
	free(command->source);
	free(command->directory);
	free(command->words);
}

static int complete(struct command *command)
{
	if (!command->type || !command->options || !command->source || !command->directory)
		return -ENOMEM;
	command->words =
		bfs_format("mount -t %s%s%s %s %s", command->type, *command->options ? " -o " : "",
			command->options, command->source, command->directory);
	return command->words ? 0 : -ENOMEM;
}

/* mount.efs(8): TLS unless it is not wanted; the region where it is told, for it finds it else. */
static int use_helper(const struct bfs_efs *efs, struct command *command)
{
	_cleanup_free_ char *options = bfs_format("%s%s%s%s%s%s%s", efs->no_tls ? "" : ",tls",
		efs->iam ? ",iam" : "", efs->access_point ? ",accesspoint=" : "",
		efs->access_point ? efs->access_point : "", efs->region ? ",region=" : "",
		efs->region ? efs->region : "", efs->others);

	if (!options)
		return -ENOMEM;
	command->type = strdup("efs");
	command->options = strdup(*options ? options + 1 : "");
	command->source = bfs_format("%s:/", efs->id);
	return complete(command);
}

static int use_nfs(const struct bfs_efs *efs, struct command *command, struct bfs_error *error)
{
	_cleanup_free_ char *region = NULL, *host = NULL;
	int r;

	if (efs->needs_tls || *efs->others)
		return bfs_error_set(error, -EINVAL, STEP, efs->id,
			"tls, iam, accesspoint= and the like need the efs mount helper: install "
			"amazon-efs-utils");
	r = bfs_efs_find_region(efs, &region);
	if (r == -ENOENT)
		return bfs_error_set(error, -EINVAL, STEP, efs->id,
			"its region is not known here: say region=..., or set AWS_REGION");
	if (r < 0)
		return r;
	host = bfs_efs_host(efs, region);
	command->type = strdup("nfs4");
	command->options = strdup(BFS_EFS_NFS_OPTIONS);
	command->source = host ? bfs_format("%s:/", host) : NULL;
	return complete(command);
}

static int make_directory(const struct command *command, struct bfs_error *error)
{
	int r = bfs_make_directories(AT_FDCWD, command->directory, 0755);

	if (r == -EACCES || r == -EPERM)
		return bfs_error_set(error, -EPERM, STEP, command->source,
			"only root may mount; as root: %s", command->words);
	return r < 0 ? bfs_error_set(error, r, STEP, command->directory, NULL) : 0;
}

static int run_mount(const struct command *command, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer said = BFS_BUFFER_INIT;
	const char *arguments[8] = {"mount", "-t", command->type};
	size_t count = 3;
	int r;

	if (*command->options) {
		arguments[count++] = "-o";
		arguments[count++] = command->options;
	}
	arguments[count++] = command->source;
	arguments[count] = command->directory;
	bfs_log_debug("%s", command->words);
	r = bfs_program_run(arguments, &said);
	if (r == 0)
		return 0;
	while (said.length > 0 && said.data[said.length - 1] == '\n')
		said.data[--said.length] = '\0';
	if (r < 0)
		return bfs_error_set(error, r, STEP, command->words, NULL);
	return bfs_error_set(error, -EIO, STEP, command->words, "exit status %d: %s", r,
		said.length ? said.data : "it said nothing");
}

/* Without it a sequential read of a cold file waits for each 128 KiB; only a hint, so no error. */
static void set_readahead(const char *directory)
{
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	_cleanup_free_ char *file = NULL, *path = NULL;
	const struct bfs_mount *mount = NULL;
	_cleanup_close_ int fd = -1;

	if (bfs_mounts_read(&mounts, NULL) == 0)
		mount = bfs_mounts_find(&mounts, directory);
	if (!mount)
		return;
	file = bfs_format("/sys/class/bdi/%u:%u/read_ahead_kb", mount->major, mount->minor);
	path = file ? bfs_system_path(file) : NULL;
	fd = path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0 || dprintf(fd, "%d\n", BFS_EFS_READAHEAD) < 0)
		bfs_log_debug("%s: the read-ahead could not be set", directory);
}

int bfs_efs_mount(const struct bfs_efs *efs, struct bfs_error *error)
{
	BFS_CLEANUP(release_command) struct command command = {0};
	_cleanup_free_ char *helper = NULL;
	int r = bfs_program_find("mount.efs", &helper);
	bool has_helper = r == 0;

	if (r < 0 && r != -ENOENT)
		return r;
	command.directory = bfs_format(DIRECTORY "/%s%s%s", efs->id, efs->access_point ? "." : "",
		efs->access_point ? efs->access_point : "");
	r = has_helper ? use_helper(efs, &command) : use_nfs(efs, &command, error);
	if (r == 0)
		r = make_directory(&command, error);
	if (r == 0)
		r = run_mount(&command, error);
	if (r < 0)
		return r;
	if (!has_helper)
		set_readahead(command.directory);
	bfs_log_info("Mounted %s at %s with %s (%s)", efs->id, command.directory,
		has_helper ? "the efs helper" : "NFS 4.1", command.options);
	if (!has_helper)
		bfs_log_info("The connection is not encrypted: for TLS, install amazon-efs-utils");
	return 0;
}
