/* Listings of directories. */
#include "tests/bench/slowfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct open_directory {
	DIR *stream;
	off_t at;
	unsigned left; /* names before the next READDIR */
};

static struct open_directory *directory_of(const struct fuse_file_info *info)
{
	return (struct open_directory *)(uintptr_t)info->fh;
}

static void on_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct open_directory *directory = calloc(1, sizeof(*directory));
	int fd = nodes_open(ino, O_RDONLY | O_DIRECTORY);

	if (directory && fd >= 0)
		directory->stream = fdopendir(fd);
	if (!directory || !directory->stream) {
		fuse_reply_err(req, fd < 0 ? -fd : ENOMEM);
		if (fd >= 0)
			close(fd);
		free(directory);
		return;
	}
	info->fh = (uintptr_t)directory;
	info->cache_readdir = info->keep_cache = 1;
	fuse_reply_open(req, info);
}

struct listing {
	fuse_req_t req;
	char *text;
	size_t size, used;
	bool plus; /* with attributes, each entry a reference */
};

/* Adds an entry; false where it does not fit. */
static bool add_entry(struct listing *listing, int fd, const struct dirent *dirent)
{
	struct fuse_entry_param entry = {
		.attr = {.st_ino = dirent->d_ino, .st_mode = (mode_t)dirent->d_type << 12}};
	bool dots = strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0;
	bool known = listing->plus && !dots && nodes_find(fd, dirent->d_name, &entry) == 0;
	char *to = listing->text + listing->used;
	size_t room = listing->size - listing->used, length;

	if (listing->plus)
		length = fuse_add_direntry_plus(
			listing->req, to, room, dirent->d_name, &entry, dirent->d_off);
	else
		length = fuse_add_direntry(
			listing->req, to, room, dirent->d_name, &entry.attr, dirent->d_off);
	if (length <= room)
		listing->used += length;
	else if (known)
		nodes_forget(entry.ino, 1);
	return length <= room;
}

static void list(struct listing *listing, struct open_directory *directory, off_t offset)
{
	const struct dirent *dirent;

	if (offset != directory->at) {
		seekdir(directory->stream, offset);
		directory->left = 0;
	}
	directory->at = offset;
	while ((dirent = readdir(directory->stream))) {
		if (!add_entry(listing, dirfd(directory->stream), dirent)) {
			seekdir(directory->stream, directory->at);
			break;
		}
		if (directory->left == 0) {
			delay_charge(OP_READDIR);
			directory->left = slowfs_dirents;
		}
		directory->left--;
		directory->at = dirent->d_off;
	}
}

static void read_directory(
	fuse_req_t req, size_t size, off_t offset, const struct fuse_file_info *info, bool plus)
{
	struct listing listing = {req, malloc(size), size, 0, plus};

	if (!listing.text) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	list(&listing, directory_of(info), offset);
	fuse_reply_buf(req, listing.text, listing.used);
	free(listing.text);
}

static void on_readdir(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)ino;
	read_directory(req, size, offset, info, false);
}

static void on_readdirplus(
	fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)ino;
	read_directory(req, size, offset, info, true);
}

static void on_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct open_directory *directory = directory_of(info);

	(void)ino;
	closedir(directory->stream);
	free(directory);
	fuse_reply_err(req, 0);
}

void slowfs_list_operations(struct fuse_lowlevel_ops *operations)
{
	operations->opendir = on_opendir;
	operations->readdir = on_readdir;
	operations->readdirplus = on_readdirplus;
	operations->releasedir = on_releasedir;
}
