#include "installer/export_file.h"

#include "installer/export_contents.h"
#include "lib/file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* Names that are to be one file, as far as the number of links allows. */
struct group {
	struct bfs_export_files *files;
	struct bfs_content content; /* size 0: empty */
	enum bfs_export_store store;
	bool from_object; /* it may be a link to the store's object */
	struct bfs_export_file *names;
	size_t count;
	/* Where the next link is taken from: a name in a directory. */
	int source_fd;
	const char *source;
};

struct bfs_export_files {
	const struct bfs_export_write *write;
	struct bfs_workers *workers;
	struct group *open; /* more names may come */
	int64_t open_content;
	struct bfs_digest last_pack;
	atomic_bool no_store_links, no_current_links;
	pthread_mutex_t lock; /* protects what follows */
	struct bfs_export_counts counts;
	struct bfs_error failure;
};

int bfs_export_files_new(const struct bfs_export_write *write, struct bfs_workers *workers,
	struct bfs_export_files **ret_files)
{
	struct bfs_export_files *files = calloc(1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	files->write = write;
	files->workers = workers;
	pthread_mutex_init(&files->lock, NULL);
	*ret_files = files;
	return 0;
}

static void free_group(struct group *group)
{
	for (size_t i = 0; i < group->count; i++)
		free((char *)group->names[i].path);
	free(group->names);
	free(group);
}

void bfs_export_files_free(struct bfs_export_files *files)
{
	if (!files)
		return;
	if (files->open)
		free_group(files->open);
	bfs_error_clear(&files->failure);
	pthread_mutex_destroy(&files->lock);
	free(files);
}

static void count(struct bfs_export_files *files, uint64_t *counter, uint64_t bytes)
{
	pthread_mutex_lock(&files->lock);
	(*counter)++;
	files->counts.copied_bytes += bytes;
	pthread_mutex_unlock(&files->lock);
}

/* --- linking --- */

/*
 * 1 where the new name is a link to an old one; 0 where that cannot be: too many links, another
 * filesystem or mount, or the system does not let this user (fs.protected_hardlinks).
 */
static int try_link(const struct group *group, int from_fd, const char *from, const char *path)
{
	const struct bfs_export_write *write = group->files->write;
	struct stat st;

	errno = 0;
	if (fstatat(from_fd, from, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (st.st_nlink >= write->link_limit || !S_ISREG(st.st_mode))
		return 0;
	if ((uint64_t)st.st_size != group->content.size)
		return 0;
	if (linkat(from_fd, from, write->fd, path, 0) == 0)
		return 1;
	if (errno == EMLINK || errno == EXDEV || errno == EPERM || errno == EACCES ||
		errno == ENOENT)
		return 0;
	return -errno;
}

static int link_object(struct group *group, const char *path)
{
	struct bfs_export_files *files = group->files;
	struct bfs_store *store = files->write->stores[group->store];
	char name[BFS_STORE_NAME_SIZE];
	int r;

	if (!group->from_object || files->no_store_links)
		return 0;
	bfs_store_object_name(&group->content, name);
	r = try_link(group, bfs_store_fd(store), name, path);
	if (r == 0 && errno == EXDEV)
		files->no_store_links = true;
	if (r > 0)
		count(files, &files->counts.stored, 0);
	return r;
}

static int link_current(struct group *group, const struct bfs_export_file *file)
{
	struct bfs_export_files *files = group->files;
	int r;

	if (file->state != BFS_EXPORT_CURRENT || files->no_current_links)
		return 0;
	r = try_link(group, files->write->current_fd, file->path, file->path);
	if (r == 0 && errno == EXDEV)
		files->no_current_links = true;
	if (r > 0)
		count(files, &files->counts.reused, 0);
	return r;
}

static int link_source(struct group *group, const char *path)
{
	struct bfs_export_files *files = group->files;
	int r = group->source ? try_link(group, group->source_fd, group->source, path) : 0;

	if (r > 0)
		count(files, &files->counts.again, 0);
	return r;
}

/* --- copying --- */

static int copy_small(struct group *group, int fd)
{
	_cleanup_buffer_ struct bfs_buffer data = BFS_BUFFER_INIT;
	struct bfs_export_files *files = group->files;
	int r = bfs_content_load(files->write->readers[group->store], &group->content,
		BFS_CONTENT_PACK_LIMIT, &data, NULL);

	return r < 0 ? r : bfs_write_all(fd, data.data, data.length);
}

static int copy_object(struct group *group, int fd)
{
	struct bfs_content_reader *reader = group->files->write->readers[group->store];
	uint64_t offset;
	void *handle;
	int from, r = bfs_content_open(
			  reader, &group->content, 0, group->content.size, &from, &offset, &handle);

	if (r < 0)
		return r;
	r = bfs_copy_range(from, fd, group->content.size);
	bfs_content_close(reader, handle);
	return r == -ENODATA ? -EIO : r;
}

static int write_content(struct group *group, int fd)
{
	if (group->content.size == 0)
		return 0;
	return group->content.packed ? copy_small(group, fd) : copy_object(group, fd);
}

static int copy(struct group *group, const struct bfs_export_file *file)
{
	struct bfs_export_files *files = group->files;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
		{.tv_sec = file->mtime / 1000000000, .tv_nsec = file->mtime % 1000000000}};
	_cleanup_close_ int fd = openat(files->write->fd, file->path,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file->mode);
	int r;

	if (fd < 0)
		return -errno;
	if (times[1].tv_nsec < 0) {
		times[1].tv_sec--;
		times[1].tv_nsec += 1000000000;
	}
	r = write_content(group, fd);
	if (r == 0 && futimens(fd, times) < 0)
		r = -errno;
	if (close(bfs_steal_fd(&fd)) < 0 && r == 0) /* NFS reports failed writes here */
		r = -errno;
	if (r == 0)
		count(files, &files->counts.copied, group->content.size);
	return r;
}

/* --- groups --- */

/* What is made becomes where the next name comes from. */
static int make(struct group *group, const struct bfs_export_file *file)
{
	int r = link_current(group, file);

	if (r == 0)
		r = link_source(group, file->path);
	if (r == 0)
		r = link_object(group, file->path);
	if (r == 0)
		r = copy(group, file);
	if (r < 0)
		return r;
	group->source_fd = group->files->write->fd;
	group->source = file->path;
	return 0;
}

static int run_group(void *argument)
{
	struct group *group = argument;
	struct bfs_export_files *files = group->files;
	int r = 0;

	for (size_t i = 0; i < group->count && !group->source; i++) {
		if (group->names[i].state != BFS_EXPORT_RIGHT)
			continue;
		group->source_fd = files->write->fd;
		group->source = group->names[i].path;
	}
	for (size_t i = 0; r == 0 && i < group->count; i++) {
		const struct bfs_export_file *file = &group->names[i];

		if (file->state == BFS_EXPORT_RIGHT)
			continue;
		r = make(group, file);
		if (r < 0) {
			pthread_mutex_lock(&files->lock);
			bfs_error_set(
				&files->failure, r, "writing the export's file", file->path, NULL);
			pthread_mutex_unlock(&files->lock);
		}
	}
	free_group(group);
	return r;
}

static int submit_open(struct bfs_export_files *files)
{
	struct group *group = bfs_steal(&files->open);
	int r;

	if (!group)
		return 0;
	if (group->names[0].state == BFS_EXPORT_MISSING)
		bfs_export_contents_open_pack(
			files->write->readers[group->store], &group->content, &files->last_pack);
	r = bfs_workers_submit(files->workers, run_group, group);
	if (r < 0)
		free_group(group);
	return r;
}

/* Names of one object of the store belong together; of other files only those of one inode. */
static bool belongs(const struct bfs_export_files *files, const struct bfs_export_file *file)
{
	const struct group *group = files->open;
	const struct bfs_export_file *last;

	if (!group || files->open_content != file->content)
		return false;
	last = &group->names[group->count - 1];
	if (group->from_object)
		return !file->exact;
	return file->ino && last->ino == file->ino && last->mode == file->mode &&
	       last->mtime == file->mtime && last->exact == file->exact;
}

static int open_group(struct bfs_export_files *files, const struct bfs_export_file *file)
{
	struct group *group = calloc(1, sizeof(*group));
	int r = 0;

	if (!group)
		return -ENOMEM;
	group->files = files;
	if (file->content)
		r = bfs_export_plan_get_content(
			files->write->plan, file->content, &group->content, &group->store);
	group->from_object = group->content.size && !group->content.packed && !file->exact;
	files->open = group;
	files->open_content = file->content;
	return r;
}

int bfs_export_files_add(struct bfs_export_files *files, const struct bfs_export_file *file)
{
	struct bfs_export_file *grown;
	struct group *group;
	int r = 0;

	if (!belongs(files, file)) {
		r = submit_open(files);
		if (r == 0)
			r = open_group(files, file);
	}
	if (r < 0)
		return r;
	group = files->open;
	grown = reallocarray(group->names, group->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	group->names = grown;
	grown[group->count] = *file;
	grown[group->count].path = strdup(file->path);
	return grown[group->count++].path ? 0 : -ENOMEM;
}

int bfs_export_files_finish(struct bfs_export_files *files, int code,
	struct bfs_export_counts *counts, struct bfs_error *error)
{
	int r = code < 0 ? code : submit_open(files);
	int waited = bfs_workers_wait(files->workers);

	counts->reused += files->counts.reused;
	counts->stored += files->counts.stored;
	counts->again += files->counts.again;
	counts->copied += files->counts.copied;
	counts->copied_bytes += files->counts.copied_bytes;
	if (files->failure.code && error && !error->message) {
		*error = files->failure;
		files->failure = (struct bfs_error)BFS_ERROR_INIT;
	}
	return r < 0 ? r : waited;
}
