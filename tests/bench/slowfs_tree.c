/* Names and attributes. */
#include "tests/bench/slowfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* nodes_find() by the number of the directory. */
static int find(fuse_ino_t parent, const char *name, struct fuse_entry_param *entry)
{
	int directory = nodes_open(parent, O_PATH | O_DIRECTORY), r;

	if (directory < 0)
		return directory;
	r = nodes_find(directory, name, entry);
	close(directory);
	return r;
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry;
	int r = find(parent, name, &entry);

	delay_charge(OP_LOOKUP);
	delay_remember(OP_LOOKUP, slowfs_caller(req), r < 0 ? parent : entry.ino);
	if (r == 0 || r == -ENOENT) /* an absent name is cached too */
		fuse_reply_entry(req, &entry);
	else
		fuse_reply_err(req, slowfs_errno(r));
}

static void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t references)
{
	nodes_forget(ino, references);
	fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		nodes_forget(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void reply_attributes(fuse_req_t req, fuse_ino_t ino)
{
	int fd = nodes_open(ino, O_PATH);
	struct stat st;
	int r = fd < 0 ? fd : slowfs_result(fstat(fd, &st));

	if (fd >= 0)
		close(fd);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_attr(req, &st, nodes_attr_timeout(ino, &st));
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	(void)info;
	delay_charge_rest(OP_GETATTR, slowfs_caller(req), ino, OP_CLOSE);
	delay_remember(OP_GETATTR, slowfs_caller(req), ino);
	reply_attributes(req, ino);
}

static void on_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[4097];
	int fd = nodes_open(ino, O_PATH | O_NOFOLLOW);
	ssize_t n = fd < 0 ? fd : readlinkat(fd, "", target, sizeof(target) - 1);
	int r = fd < 0 ? fd : n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	delay_charge(OP_READLINK);
	if (r < 0) {
		fuse_reply_err(req, slowfs_errno(r));
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

/* --- changing the tree --- */

/* What a call that makes a name came to: `r` is its result, the directory is closed. */
static void reply_made(fuse_req_t req, fuse_ino_t parent, int directory, const char *name, int r)
{
	struct fuse_entry_param entry;

	if (r == 0)
		r = nodes_find(directory, name, &entry);
	if (directory >= 0)
		close(directory);
	delay_charge_rest(OP_CREATE, slowfs_caller(req), parent, OP_LOOKUP);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		fuse_reply_entry(req, &entry);
}

static int open_parent(fuse_ino_t parent)
{
	return nodes_open(parent, O_PATH | O_DIRECTORY);
}

static void on_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	int directory = open_parent(parent);

	reply_made(req, parent, directory, name,
		directory < 0 ? directory : slowfs_result(mkdirat(directory, name, mode)));
}

static void on_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device)
{
	int directory = open_parent(parent);

	reply_made(req, parent, directory, name,
		directory < 0 ? directory : slowfs_result(mknodat(directory, name, mode, device)));
}

static void on_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	int directory = open_parent(parent);

	reply_made(req, parent, directory, name,
		directory < 0 ? directory : slowfs_result(symlinkat(target, directory, name)));
}

static void on_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	int directory = open_parent(parent), file = nodes_open(ino, O_PATH);
	int r = directory < 0 ? directory : file;

	if (r >= 0)
		r = slowfs_result(linkat(file, "", directory, name, AT_EMPTY_PATH));
	if (file >= 0)
		close(file);
	reply_made(req, parent, directory, name, r);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, int flags)
{
	int directory = open_parent(parent);
	int r = directory < 0 ? directory : slowfs_result(unlinkat(directory, name, flags));

	if (directory >= 0)
		close(directory);
	delay_charge(OP_REMOVE);
	fuse_reply_err(req, slowfs_errno(r));
}

static void on_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

static void on_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	remove_name(req, parent, name, AT_REMOVEDIR);
}

static void on_rename(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to,
	const char *new_name, unsigned flags)
{
	int source = open_parent(from), target = open_parent(to);
	int r = source < 0 ? source : target;

	if (r >= 0)
		r = slowfs_result(renameat2(source, name, target, new_name, flags));
	if (source >= 0)
		close(source);
	if (target >= 0)
		close(target);
	delay_charge(OP_RENAME);
	fuse_reply_err(req, slowfs_errno(r));
}

static int set_times(const char *path, const struct stat *st, int set)
{
	struct timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};

	if (set & FUSE_SET_ATTR_ATIME)
		times[0] = st->st_atim;
	if (set & FUSE_SET_ATTR_MTIME)
		times[1] = st->st_mtim;
	if (set & FUSE_SET_ATTR_ATIME_NOW)
		times[0] = (struct timespec){0, UTIME_NOW};
	if (set & FUSE_SET_ATTR_MTIME_NOW)
		times[1] = (struct timespec){0, UTIME_NOW};
	return slowfs_result(utimensat(AT_FDCWD, path, times, 0));
}

static int set_attributes(fuse_ino_t ino, const struct stat *st, int set)
{
	int fd = nodes_open(ino, O_PATH | O_NOFOLLOW), r = 0;
	char path[32];

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (set & FUSE_SET_ATTR_MODE)
		r = slowfs_result(chmod(path, st->st_mode));
	if (r == 0 && (set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)))
		r = slowfs_result(fchownat(fd, "", set & FUSE_SET_ATTR_UID ? st->st_uid : (uid_t)-1,
			set & FUSE_SET_ATTR_GID ? st->st_gid : (gid_t)-1, AT_EMPTY_PATH));
	if (r == 0 && (set & FUSE_SET_ATTR_SIZE))
		r = slowfs_result(truncate(path, st->st_size));
	if (r == 0 && (set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)))
		r = set_times(path, st, set);
	close(fd);
	return r;
}

static void on_setattr(
	fuse_req_t req, fuse_ino_t ino, struct stat *st, int set, struct fuse_file_info *info)
{
	int r = set_attributes(ino, st, set);

	(void)info;
	delay_charge_rest(OP_SETATTR, slowfs_caller(req), ino, OP_GETATTR);
	if (r < 0)
		fuse_reply_err(req, slowfs_errno(r));
	else
		reply_attributes(req, ino);
}

void slowfs_tree_operations(struct fuse_lowlevel_ops *operations)
{
	operations->lookup = on_lookup;
	operations->forget = on_forget;
	operations->forget_multi = on_forget_multi;
	operations->getattr = on_getattr;
	operations->setattr = on_setattr;
	operations->readlink = on_readlink;
	operations->mknod = on_mknod;
	operations->mkdir = on_mkdir;
	operations->unlink = on_unlink;
	operations->rmdir = on_rmdir;
	operations->symlink = on_symlink;
	operations->rename = on_rename;
	operations->link = on_link;
}
