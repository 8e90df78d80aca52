/*
 * stuckfs SOURCE MOUNTPOINT - a directory seen through a daemon in the foreground, for the tests of
 * the mount: while that is stopped by SIGSTOP, whoever asks for anything waits, as on a network
 * filesystem whose server is gone.
 */
#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Paths are relative to the source, which is the working directory. */
static const char *below(const char *path)
{
	return path[1] ? path + 1 : ".";
}

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int on_getattr(const char *path, struct stat *stat, struct fuse_file_info *file)
{
	(void)file;
	return result(lstat(below(path), stat));
}

static int on_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
	struct fuse_file_info *file, enum fuse_readdir_flags flags)
{
	DIR *dir = opendir(below(path));
	struct dirent *entry;

	(void)offset;
	(void)file;
	(void)flags;
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		fill(buffer, entry->d_name, NULL, 0, 0);
	closedir(dir);
	return 0;
}

static int on_open(const char *path, struct fuse_file_info *file)
{
	int fd = open(below(path), file->flags & ~O_NOFOLLOW);

	file->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int on_create(const char *path, mode_t mode, struct fuse_file_info *file)
{
	int fd = open(below(path), file->flags, mode);

	file->fh = (uint64_t)fd;
	return fd < 0 ? -errno : 0;
}

static int on_read(
	const char *path, char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)path;
	return result((int)pread((int)file->fh, data, size, offset));
}

static int on_write(
	const char *path, const char *data, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)path;
	return result((int)pwrite((int)file->fh, data, size, offset));
}

static int on_release(const char *path, struct fuse_file_info *file)
{
	(void)path;
	return result(close((int)file->fh));
}

static int on_fsync(const char *path, int datasync, struct fuse_file_info *file)
{
	(void)path;
	(void)datasync;
	(void)file;
	return 0;
}

static int on_unlink(const char *path)
{
	return result(unlink(below(path)));
}

static int on_mkdir(const char *path, mode_t mode)
{
	return result(mkdir(below(path), mode));
}

static int on_rename(const char *from, const char *to, unsigned flags)
{
	return flags ? -EINVAL : result(rename(below(from), below(to)));
}

static void *on_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	/* libfuse went to "/" in the meantime. */
	if (fchdir((int)(intptr_t)fuse_get_context()->private_data) < 0)
		perror("stuckfs");
	/* Nothing is remembered, so that everything has to be asked for. */
	config->entry_timeout = 0;
	config->attr_timeout = 0;
	config->negative_timeout = 0;
	config->direct_io = 1;
	return NULL;
}

static const struct fuse_operations operations = {
	.getattr = on_getattr,
	.readdir = on_readdir,
	.open = on_open,
	.create = on_create,
	.read = on_read,
	.write = on_write,
	.release = on_release,
	.fsync = on_fsync,
	.fsyncdir = on_fsync,
	.unlink = on_unlink,
	.mkdir = on_mkdir,
	.rename = on_rename,
	.init = on_init,
};

int main(int argc, char **argv)
{
	char *arguments[] = {argv[0], "-f", argc == 3 ? argv[2] : NULL, NULL};
	int source = argc == 3 ? open(argv[1], O_RDONLY | O_DIRECTORY) : -1;

	if (source < 0) {
		fprintf(stderr, "usage: stuckfs SOURCE MOUNTPOINT\n");
		return 2;
	}
	return fuse_main(3, arguments, &operations, (void *)(intptr_t)source);
}
