#include "index/worktree_private.h"

#include <fcntl.h>
#include <string.h>

#define DIRECTORY_LENGTH 2   /* of "3f" */
#define REMOVED_AT_ONCE	 128 /* files; 0.1 s where each is discarded on a slow disk */

/*
 * Inodes made one after the other lie in one directory, 256 of them before the next: what is
 * unpacked together stays together on the disk, and no directory gets long.
 */
char *bfs_file_local_name(uint64_t ino, char ret_name[WORKTREE_DATA_NAME_SIZE])
{
	snprintf(ret_name, WORKTREE_DATA_NAME_SIZE, "%02x/%llx", (unsigned)(ino >> 8 & 0xff),
		(unsigned long long)ino);
	return ret_name;
}

static int open_data(struct bfs_worktree *worktree, const char *name, int flags)
{
	int fd = openat(
		worktree->data_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | flags, 0600);

	return fd < 0 ? -errno : fd;
}

static int make_directory_of(struct bfs_worktree *worktree, const char *name)
{
	char directory[DIRECTORY_LENGTH + 1];

	memcpy(directory, name, DIRECTORY_LENGTH);
	directory[DIRECTORY_LENGTH] = '\0';
	if (mkdirat(worktree->data_fd, directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	__atomic_add_fetch(&worktree->directories_made, 1, __ATOMIC_RELEASE);
	return 0;
}

int bfs_file_create(struct bfs_worktree *worktree, uint64_t ino, int *ret_fd)
{
	char name[WORKTREE_DATA_NAME_SIZE];
	int fd = open_data(worktree, bfs_file_local_name(ino, name), O_CREAT | O_TRUNC);

	if (fd == -ENOENT) {
		int r = make_directory_of(worktree, name);

		fd = r < 0 ? r : open_data(worktree, name, O_CREAT | O_TRUNC);
	}
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static void close_file(struct bfs_worktree *worktree, struct worktree_file *file)
{
	if (file->inode)
		file->inode->file = NULL;
	close(file->fd);
	free(file);
	worktree->open_files--;
}

bool bfs_file_evict(struct bfs_worktree *worktree)
{
	struct worktree_file *file = TAILQ_FIRST(&worktree->idle_files);

	if (!file)
		return false;
	TAILQ_REMOVE(&worktree->idle_files, file, idle);
	close_file(worktree, file);
	return true;
}

int bfs_file_adopt(struct bfs_worktree *worktree, struct worktree_inode *inode, int fd)
{
	struct worktree_file *file = calloc(1, sizeof(*file));

	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	file->fd = fd;
	file->inode = inode;
	inode->file = file;
	worktree->open_files++;
	TAILQ_INSERT_TAIL(&worktree->idle_files, file, idle);
	return 0;
}

static int open_existing(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	char name[WORKTREE_DATA_NAME_SIZE];
	int fd;

	bfs_file_local_name(inode->ino, name);
	do
		fd = open_data(worktree, name, 0);
	while ((fd == -EMFILE || fd == -ENFILE) && bfs_file_evict(worktree));
	if (fd < 0)
		return fd == -ENOENT ? -EIO : fd;
	return bfs_file_adopt(worktree, inode, fd);
}

int bfs_file_get(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct worktree_file **ret_file)
{
	int r = inode->file ? 0 : open_existing(worktree, inode);

	if (r < 0)
		return r;
	if (inode->file->users++ == 0)
		TAILQ_REMOVE(&worktree->idle_files, inode->file, idle);
	*ret_file = inode->file;
	return 0;
}

void bfs_file_put(struct bfs_worktree *worktree, struct worktree_file *file)
{
	struct worktree_inode *inode = file->inode;

	if (--file->users)
		return;
	if (!inode) {
		close_file(worktree, file);
		return;
	}
	TAILQ_INSERT_TAIL(&worktree->idle_files, file, idle);
	while (worktree->open_files > worktree->open_limit && bfs_file_evict(worktree))
		;
	bfs_inode_settle(worktree, inode);
}

void bfs_file_detach(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	struct worktree_file *file = inode->file;

	if (!file)
		return;
	file->inode = NULL;
	inode->file = NULL;
	if (file->users == 0) {
		TAILQ_REMOVE(&worktree->idle_files, file, idle);
		close_file(worktree, file);
	}
}

int64_t bfs_file_time(const struct timespec *time)
{
	const int64_t second = 1000000000;

	if (time->tv_sec > INT64_MAX / second - 1)
		return INT64_MAX;
	if (time->tv_sec < INT64_MIN / second + 1)
		return INT64_MIN;
	return (int64_t)time->tv_sec * second + time->tv_nsec;
}

struct timespec bfs_file_timespec(int64_t time)
{
	const int64_t second = 1000000000;
	struct timespec result = {.tv_sec = time / second, .tv_nsec = time % second};

	if (result.tv_nsec < 0) {
		result.tv_nsec += second;
		result.tv_sec--;
	}
	return result;
}

int bfs_file_stat(struct bfs_worktree *worktree, struct worktree_inode *inode,
	struct worktree_data_stat *ret_stat)
{
	char name[WORKTREE_DATA_NAME_SIZE];
	struct stat st;
	int r;

	if (inode->data_known) {
		*ret_stat = inode->data;
		return 0;
	}
	if (inode->file)
		r = fstat(inode->file->fd, &st);
	else
		r = fstatat(worktree->data_fd, bfs_file_local_name(inode->ino, name), &st,
			AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return errno == ENOENT ? -EIO : -errno;
	inode->data = (struct worktree_data_stat){
		.size = (uint64_t)st.st_size,
		.blocks = (uint64_t)st.st_blocks,
		.atime = bfs_file_time(&st.st_atim),
		.mtime = bfs_file_time(&st.st_mtim),
		.ctime = bfs_file_time(&st.st_ctim),
	};
	if (inode->data.ctime > worktree->latest)
		worktree->latest = inode->data.ctime;
	inode->data_known = !inode->file || inode->file->users == 0;
	*ret_stat = inode->data;
	return 0;
}

int bfs_file_quieten(struct bfs_worktree *worktree, struct worktree_inode *inode)
{
	struct worktree_data_stat data;
	int r;

	inode->data_known = false;
	r = bfs_file_stat(worktree, inode, &data);
	if (r == 0) {
		inode->quiet = data.ctime;
		inode->mtime = data.mtime;
	}
	return r;
}

int bfs_file_set_times(
	struct bfs_worktree *worktree, struct worktree_inode *inode, const struct timespec times[2])
{
	char name[WORKTREE_DATA_NAME_SIZE];
	int r;

	if (inode->file)
		r = futimens(inode->file->fd, times);
	else
		r = utimensat(worktree->data_fd, bfs_file_local_name(inode->ino, name), times,
			AT_SYMLINK_NOFOLLOW);
	return r < 0 ? -errno : bfs_file_quieten(worktree, inode);
}

bool bfs_inos_add(struct worktree_inos *inos, uint64_t ino)
{
	if (inos->count == inos->capacity) {
		size_t capacity = inos->capacity ? inos->capacity * 2 : 64;
		uint64_t *grown = reallocarray(inos->inos, capacity, sizeof(*grown));

		if (!grown)
			return false;
		inos->inos = grown;
		inos->capacity = capacity;
	}
	inos->inos[inos->count++] = ino;
	return true;
}

void bfs_file_doom(struct bfs_worktree *worktree, uint64_t ino)
{
	bfs_inos_add(&worktree->doomed, ino); /* without memory the next opening sweeps it */
}

void bfs_file_remove_some(struct bfs_worktree *worktree)
{
	struct worktree_inos *removable = &worktree->removable;
	uint64_t taken[REMOVED_AT_ONCE];
	size_t count = removable->count < REMOVED_AT_ONCE ? removable->count : REMOVED_AT_ONCE;

	removable->count -= count;
	memcpy(taken, removable->inos + removable->count, count * sizeof(*taken));
	worktree->removing++;
	pthread_mutex_unlock(&worktree->lock);
	for (size_t i = 0; i < count; i++) {
		char name[WORKTREE_DATA_NAME_SIZE];

		unlinkat(worktree->data_fd, bfs_file_local_name(taken[i], name), 0);
	}
	pthread_mutex_lock(&worktree->lock);
	if (--worktree->removing == 0)
		pthread_cond_broadcast(&worktree->idle);
}

void bfs_file_remove_doomed(struct bfs_worktree *worktree)
{
	while (worktree->removable.count)
		bfs_file_remove_some(worktree);
}
