/* Requests about names, and what makes and removes them. */
#include "fs/session_calls.h"

#include <string.h>

/* Ends a request that made an inode, or found one. */
static void end_with_entry(struct bfs_session_call *call, const struct stat *stat, int result)
{
	if (result == 0)
		result = bfs_session_reply_entry(call, stat);
	bfs_session_call_end(call, result);
}

void bfs_session_on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_LOOKUP);
	struct fuse_entry_param absent = {.entry_timeout = call.driver->timeout};
	struct stat stat;
	int r = bfs_worktree_lookup(call.worktree, parent, name, strlen(name), &stat);

	if (r != -ENOENT) {
		end_with_entry(&call, &stat, r);
		return;
	}
	fuse_reply_entry(
		request, &absent); /* inode 0: the kernel may remember that there is none */
	bfs_session_call_end(&call, 0);
}

void bfs_session_on_forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_FORGET);

	bfs_session_forget(call.driver, ino, lookups);
	fuse_reply_none(request);
	bfs_session_call_end(&call, 0);
}

void bfs_session_on_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
	struct bfs_session_driver *driver = fuse_req_userdata(request);

	for (size_t i = 0; i < count; i++) {
		uint64_t started = bfs_stats_now();

		bfs_session_forget(driver, forgets[i].ino, forgets[i].nlookup);
		bfs_stats_add(driver->stats, BFS_OP_FORGET, started, 0, 0);
	}
	fuse_reply_none(request);
}

void bfs_session_on_readlink(fuse_req_t request, fuse_ino_t ino)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_READLINK);
	_cleanup_free_ char *target = NULL;
	int r = bfs_worktree_read_link(call.worktree, ino, &target);

	if (r == 0)
		fuse_reply_readlink(request, target);
	bfs_session_call_end(&call, r);
}

void bfs_session_on_mknod(
	fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_MKNOD);
	struct bfs_maker maker = bfs_session_call_maker(&call);
	struct stat stat;
	int r = bfs_worktree_make_node(
		call.worktree, &maker, parent, name, strlen(name), mode, rdev, &stat);

	end_with_entry(&call, &stat, r);
}

/* A file without a name: what the kernel knows it by is all that keeps it. */
static int create_anonymous(
	struct bfs_session_call *call, uint64_t directory, mode_t mode, struct fuse_file_info *file)
{
	struct bfs_maker maker = bfs_session_call_maker(call);
	struct fuse_entry_param entry;
	struct stat stat;
	int r = bfs_worktree_make_anonymous(call->worktree, &maker, directory, mode, &stat);

	if (r < 0)
		return r;
	r = bfs_lookups_add(call->driver->lookups, stat.st_ino);
	bfs_session_doom(call->driver, stat.st_ino);
	if (r < 0)
		return r;
	bfs_session_fill_entry(call->driver, &stat, &entry);
	file->keep_cache = 1;
	if (fuse_reply_create(call->request, &entry, file) < 0)
		bfs_session_forget(call->driver, stat.st_ino, 1);
	return 0;
}

/* See bfs_session_driver_prepare(). A CREATE that is none is not answered, so that MKNOD comes. */
void bfs_session_on_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
	struct fuse_file_info *file)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_CREATE);

	(void)name;
	if (call.responder->anonymous)
		bfs_session_call_end(&call, create_anonymous(&call, parent, mode, file));
	else
		bfs_session_call_end(&call, -ENOSYS);
}

void bfs_session_on_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_MKDIR);
	struct bfs_maker maker = bfs_session_call_maker(&call);
	struct stat stat;
	int r = bfs_worktree_make_directory(
		call.worktree, &maker, parent, name, strlen(name), mode, &stat);

	end_with_entry(&call, &stat, r);
}

void bfs_session_on_symlink(
	fuse_req_t request, const char *target, fuse_ino_t parent, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_SYMLINK);
	struct bfs_maker maker = bfs_session_call_maker(&call);
	struct stat stat;
	int r = bfs_worktree_make_symlink(
		call.worktree, &maker, parent, name, strlen(name), target, &stat);

	end_with_entry(&call, &stat, r);
}

void bfs_session_on_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_LINK);
	struct stat stat;
	int r = bfs_worktree_link(call.worktree, ino, parent, name, strlen(name), &stat);

	end_with_entry(&call, &stat, r);
}

/* Ends a request that took a name from `ino`, if that is not 0. The kernel still holds it, so it
 * cannot be forgotten before the reply. */
static void end_with_loss(struct bfs_session_call *call, uint64_t ino, int result)
{
	if (result == 0 && ino)
		bfs_session_doom(call->driver, ino);
	bfs_session_call_finish(call, result);
}

void bfs_session_on_unlink(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_UNLINK);
	uint64_t ino = 0;
	int r = bfs_worktree_unlink(call.worktree, parent, name, strlen(name), &ino);

	end_with_loss(&call, ino, r);
}

void bfs_session_on_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_RMDIR);
	uint64_t ino = 0;
	int r = bfs_worktree_remove_directory(call.worktree, parent, name, strlen(name), &ino);

	end_with_loss(&call, ino, r);
}

void bfs_session_on_rename(fuse_req_t request, fuse_ino_t parent, const char *name,
	fuse_ino_t new_parent, const char *new_name, unsigned flags)
{
	struct bfs_session_call call = bfs_session_call_begin(request, BFS_OP_RENAME);
	uint64_t replaced = 0;
	int r = bfs_worktree_rename(call.worktree, parent, name, strlen(name), new_parent, new_name,
		strlen(new_name), flags, &replaced);

	end_with_loss(&call, replaced, r);
}
