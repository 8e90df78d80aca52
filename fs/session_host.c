#include "fs/session_host.h"

#include "fs/host.h"
#include "lib/file.h"
#include "lib/path.h"

#include <string.h>

struct work {
	struct bfs_worktree *worktree;
	const struct bfs_maker *maker;
	const struct bfs_host_name *name;
	size_t length; /* of the name */
};

/* Whether the bytes of the local file are the name's. What is in the store is another one. */
static int has_bytes(const struct work *work, uint64_t ino)
{
	size_t length = strlen(work->name->content);
	_cleanup_free_ char *bytes = malloc(length + 1);
	struct bfs_worktree_data data;
	int r = bytes ? bfs_worktree_data_open(work->worktree, ino, false, &data) : -ENOMEM;

	if (r < 0)
		return r;
	r = data.fd < 0 ? -ENODATA : bfs_pread_all(data.fd, bytes, length, 0);
	bfs_worktree_data_close(work->worktree, &data, false);
	if (r == -ENODATA)
		return 0;
	return r < 0 ? r : memcmp(bytes, work->name->content, length) == 0;
}

/* Whether what has the name is as it should be. */
static int is_right(const struct work *work, const struct stat *stat)
{
	const struct bfs_host_name *name = work->name;
	_cleanup_free_ char *target = NULL;
	int r;

	if (name->hidden || (stat->st_mode & S_IFMT) != (name->attributes.mode & S_IFMT) ||
		(uint64_t)stat->st_size != name->attributes.size)
		return 0;
	if (!S_ISLNK(stat->st_mode))
		return has_bytes(work, stat->st_ino);
	r = bfs_worktree_read_link(work->worktree, stat->st_ino, &target);
	return r < 0 ? r : strcmp(target, name->content) == 0;
}

static int remove_name(const struct work *work)
{
	uint64_t ino = 0;
	int r = bfs_worktree_unlink(
		work->worktree, work->name->parent, work->name->name, work->length, &ino);

	if (r == 0)
		bfs_worktree_release(work->worktree, ino);
	return r;
}

static int write_bytes(const struct work *work, uint64_t ino)
{
	struct bfs_worktree_data data;
	int r = bfs_worktree_data_open(work->worktree, ino, true, &data);

	if (r < 0)
		return r;
	r = bfs_pwrite_all(data.fd, work->name->content, strlen(work->name->content), 0);
	bfs_worktree_data_close(work->worktree, &data, true);
	return r;
}

static int make_name(const struct work *work)
{
	const struct bfs_host_name *name = work->name;
	struct stat stat;
	int r;

	if (S_ISLNK(name->attributes.mode))
		return bfs_worktree_make_symlink(work->worktree, work->maker, name->parent,
			name->name, work->length, name->content, &stat);
	r = bfs_worktree_make_node(work->worktree, work->maker, name->parent, name->name,
		work->length, name->attributes.mode, 0, &stat);
	return r == 0 ? write_bytes(work, stat.st_ino) : r;
}

/* Notes what the name leads to now, so that it is no change of the session. */
static int note(const struct work *work)
{
	const struct bfs_host_name *name = work->name;
	_cleanup_free_ char *path = bfs_path_join(name->directory, name->name);
	struct stat stat = {.st_ino = 0};
	int r = path ? bfs_worktree_lookup(
			       work->worktree, name->parent, name->name, work->length, &stat)
		     : -ENOMEM;

	if (r < 0 && r != -ENOENT)
		return r;
	return bfs_worktree_set_host_name(work->worktree, path, r < 0 ? 0 : stat.st_ino);
}

/* A directory of that name is left alone: nobody but a program in the session has made it. */
static int apply(const struct work *work)
{
	struct stat stat;
	int r = bfs_worktree_lookup(
		work->worktree, work->name->parent, work->name->name, work->length, &stat);

	if (r == -ENOENT)
		return work->name->hidden ? 0 : make_name(work);
	if (r < 0 || S_ISDIR(stat.st_mode))
		return r;
	r = is_right(work, &stat);
	if (r != 0)
		return r < 0 ? r : 0;
	r = remove_name(work);
	return r == 0 && !work->name->hidden ? make_name(work) : r;
}

/* Nobody uses the worktree yet, so the tree can be read and let go of before anything changes. */
static int compute(struct bfs_worktree *worktree, const char *prefix, struct bfs_host **ret_host)
{
	int r = bfs_worktree_freeze(worktree);

	if (r < 0)
		return r;
	r = bfs_host_new(bfs_worktree_tree(worktree), prefix, ret_host);
	bfs_worktree_thaw(worktree);
	return r;
}

int bfs_session_host_apply(struct bfs_worktree *worktree, const char *prefix,
	const struct bfs_maker *maker, struct bfs_error *error)
{
	_cleanup_host_ struct bfs_host *host = NULL;
	const struct bfs_host_name *names;
	size_t count;
	int r = compute(worktree, prefix, &host);

	if (r < 0)
		return bfs_error_set(error, r, "computing the names of the host", NULL, NULL);
	names = bfs_host_names(host, &count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct work work = {worktree, maker, &names[i], strlen(names[i].name)};

		r = apply(&work);
		if (r == 0)
			r = note(&work);
		if (r < 0)
			bfs_error_set(error, r, "making the host's name", names[i].name, NULL);
	}
	return r;
}
