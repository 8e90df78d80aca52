#include "index/import_scan.h"

#include "index/merge.h"
#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <fcntl.h>
#include <string.h>

/* A directory under way. */
struct place {
	const struct place *above;
	int fd;
	uint64_t ino;	   /* in the tree */
	uint64_t theirs;   /* the directory of that path there; 0: none */
	const char *path;  /* below the directory that is read */
	const char *place; /* below the prefix */
	unsigned depth;
};

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int fail(
	const struct bfs_import_scan *scan, const char *path, int code, struct bfs_error *error)
{
	_cleanup_free_ char *full = bfs_format("%s%s%s", scan->path, *path ? "/" : "", path);

	return bfs_error_set(error, code, "reading", full, NULL);
}

/* --- entries --- */

static int add_symlink(struct bfs_import_scan *scan, const struct place *place, const char *name,
	const struct stat *st, uint64_t *ret_ino)
{
	char target[BFS_TARGET_MAX + 1];
	ssize_t length = readlinkat(place->fd, name, target, sizeof(target));

	if (length < 0)
		return -errno;
	if ((size_t)length == sizeof(target))
		return -ENAMETOOLONG;
	scan->symlinks++;
	return bfs_tree_make_symlink(scan->tree, place->ino, name, strlen(name), target,
		(size_t)length, nanoseconds(&st->st_mtim), ret_ino);
}

static int note_file(
	struct bfs_import_scan *scan, const char *path, uint64_t ino, const struct stat *st)
{
	struct bfs_merge_node *node;
	int r;

	if (scan->count == scan->capacity) {
		size_t capacity = scan->capacity ? scan->capacity * 2 : 256;
		struct bfs_import_file *grown =
			reallocarray(scan->files, capacity, sizeof(*scan->files));

		if (!grown)
			return -ENOMEM;
		scan->files = grown;
		scan->capacity = capacity;
	}
	r = bfs_merge_nodes_add(&scan->nodes, ino, &node);
	if (r < 0)
		return r;
	node->touched = node->local = true;
	node->size = (uint64_t)st->st_size;
	node->mtime = nanoseconds(&st->st_mtim);
	scan->files[scan->count] = (struct bfs_import_file){strdup(path), ino, *st};
	return scan->files[scan->count++].path ? 0 : -ENOMEM;
}

static int add_file(struct bfs_import_scan *scan, const struct place *place, const char *name,
	const char *path, const struct stat *st, uint64_t *ret_ino)
{
	const struct bfs_content nothing = {.size = 0};
	int r = bfs_tree_make_file(scan->tree, place->ino, name, strlen(name), st->st_mode & 07777,
		nanoseconds(&st->st_mtim), &nothing, ret_ino);

	scan->names++;
	return r == 0 ? note_file(scan, path, *ret_ino, st) : r;
}

/* The inode in the tree of another name of the same file; 0 where this is the first. */
static int find_link(
	struct bfs_import_scan *scan, const struct stat *st, struct bfs_merge_node **ret_node)
{
	int r;

	*ret_node = NULL;
	if (st->st_nlink < 2)
		return 0;
	r = bfs_merge_nodes_add(&scan->links, st->st_ino, ret_node);
	if (r == 0 && (*ret_node)->published && (*ret_node)->size != (uint64_t)st->st_dev)
		(*ret_node)->published = 0; /* of another filesystem */
	return r;
}

static int add_leaf(struct bfs_import_scan *scan, const struct place *place, const char *name,
	const char *path, const struct stat *st)
{
	struct bfs_merge_node *link;
	uint64_t ino = 0;
	int r = find_link(scan, st, &link);

	if (r < 0)
		return r;
	if (link && link->published) {
		scan->names += S_ISREG(st->st_mode);
		scan->symlinks += S_ISLNK(st->st_mode);
		return bfs_tree_link(scan->tree, link->published, place->ino, name, strlen(name));
	}
	r = S_ISLNK(st->st_mode) ? add_symlink(scan, place, name, st, &ino)
				 : add_file(scan, place, name, path, st, &ino);
	if (r == 0 && link) {
		link->published = ino;
		link->size = (uint64_t)st->st_dev;
	}
	return r;
}

static int scan_directory(struct bfs_import_scan *scan, struct place *place, const struct stat *st,
	struct bfs_error *error);

static int add_directory(struct bfs_import_scan *scan, const struct place *above, const char *name,
	const char *path, const char *at, const struct stat *st, struct bfs_error *error)
{
	_cleanup_close_ int fd =
		openat(above->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct place place = {
		.above = above, .fd = fd, .path = path, .place = at, .depth = above->depth + 1};
	struct bfs_attributes theirs;
	int r = fd < 0 ? -errno : 0;

	if (r == 0 && place.depth > BFS_MERGE_DEPTH_MAX)
		r = -ENAMETOOLONG;
	if (r == 0)
		r = bfs_tree_make_directory(
			scan->tree, above->ino, name, strlen(name), 0755, 0, &place.ino);
	if (r < 0)
		return fail(scan, path, r, error);
	if (above->theirs &&
		bfs_tree_lookup(scan->theirs, above->theirs, name, strlen(name), &theirs) == 0 &&
		S_ISDIR(theirs.mode))
		place.theirs = theirs.ino;
	return scan_directory(scan, &place, st, error);
}

static const char *type_name(mode_t mode)
{
	return S_ISFIFO(mode) ? "a fifo" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static int add_entry(struct bfs_import_scan *scan, const struct place *place, const char *name,
	struct bfs_error *error)
{
	_cleanup_free_ char *path = bfs_path_join(place->path, name);
	_cleanup_free_ char *at = bfs_path_join(place->place, name);
	struct stat st;
	int r;

	if (!path || !at)
		return -ENOMEM;
	if (fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(scan, path, -errno, error);
	if (bfs_ignore_matches(scan->ignore, at, S_ISDIR(st.st_mode))) {
		scan->ignored++;
		return 0;
	}
	if (S_ISDIR(st.st_mode))
		return add_directory(scan, place, name, path, at, &st, error);
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
		scan->skipped++;
		bfs_log_warning(
			"%s/%s is %s, and left out", scan->path, path, type_name(st.st_mode));
		return 0;
	}
	r = add_leaf(scan, place, name, path, &st);
	return r < 0 ? fail(scan, path, r, error) : 0;
}

/* --- directories --- */

static int list_names(int fd, struct bfs_buffer *names)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return -errno;
	copy = -1;
	while (r == 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = bfs_buffer_append(names, entry->d_name, strlen(entry->d_name) + 1);
	}
	return r;
}

/* What the ref's directory has, else its own; and its time, which its entries changed. */
static int set_attributes(
	struct bfs_import_scan *scan, const struct place *place, const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;
	struct bfs_attributes theirs;
	int r = 0;

	if (place->theirs) {
		r = bfs_tree_stat(scan->theirs, place->theirs, &theirs);
		mode = theirs.mode & 07777;
	}
	if (r == 0)
		r = bfs_tree_set_mode(scan->tree, place->ino, mode);
	if (r == 0)
		r = bfs_tree_set_mtime(scan->tree, place->ino, nanoseconds(&st->st_mtim));
	return r;
}

static int scan_directory(struct bfs_import_scan *scan, struct place *place, const struct stat *st,
	struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer names = BFS_BUFFER_INIT;
	int r = list_names(place->fd, &names);

	if (r < 0)
		return fail(scan, place->path, r, error);
	scan->directories++;
	for (size_t i = 0; r == 0 && i < names.length; i += strlen(names.data + i) + 1)
		r = add_entry(scan, place, names.data + i, error);
	if (r == 0) {
		r = set_attributes(scan, place, st);
		if (r < 0)
			fail(scan, place->path, r, error);
	}
	return r;
}

int bfs_import_scan_run(
	struct bfs_import_scan *scan, uint64_t parent, const char *place, struct bfs_error *error)
{
	struct place top = {.fd = scan->fd, .ino = parent, .path = "", .place = place};
	struct bfs_attributes theirs;
	struct stat st;
	int r;

	if (fstat(scan->fd, &st) < 0)
		return fail(scan, "", -errno, error);
	if (scan->theirs && bfs_tree_lstat_path(scan->theirs, place, &theirs) == 0 &&
		S_ISDIR(theirs.mode))
		top.theirs = theirs.ino;
	r = bfs_tree_begin(scan->tree);
	if (r == 0)
		r = scan_directory(scan, &top, &st, error);
	if (r == 0)
		r = bfs_tree_commit(scan->tree);
	return r;
}

void bfs_import_scan_release(struct bfs_import_scan *scan)
{
	for (size_t i = 0; i < scan->count; i++)
		free(scan->files[i].path);
	free(scan->files);
	bfs_merge_nodes_release(&scan->nodes);
	bfs_merge_nodes_release(&scan->links);
	bfs_tree_close(scan->tree);
	scan->files = NULL;
	scan->count = 0;
	scan->tree = NULL;
}

int bfs_import_open(const struct bfs_import_scan *scan, const char *path, int *ret_fd)
{
	_cleanup_close_ int directory = -1;

	for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
		_cleanup_free_ char *name = strndup(path, (size_t)(slash - path));
		int next;

		if (!name)
			return -ENOMEM;
		next = openat(directory < 0 ? scan->fd : directory, name,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		if (directory >= 0)
			close(directory);
		directory = next;
	}
	*ret_fd = openat(directory < 0 ? scan->fd : directory, path,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}
