#include "fs/reply.h"

#include "lib/log.h"

#define BLOCK_SIZE     4096 /* st_blksize: ext4's; the kernel's read-ahead makes the big reads */
#define SECTOR	       512  /* the unit of st_blocks, by definition */
#define DIRECTORY_SIZE 4096 /* of every directory, so that du(1) says what it says of ext4 */
#define NS_PER_SECOND  1000000000

void bfs_reply_error(fuse_req_t request, int error)
{
	if (error == -EUCLEAN) {
		bfs_log_error("the index is damaged; remove its copy from the cache, mount again, "
			      "and run 'brewfs fsck' if it is still so");
		error = -EIO;
	}
	fuse_reply_err(request, -error);
}

static struct timespec to_timespec(int64_t ns)
{
	struct timespec time = {.tv_sec = ns / NS_PER_SECOND, .tv_nsec = ns % NS_PER_SECOND};

	if (time.tv_nsec < 0) {
		time.tv_nsec += NS_PER_SECOND;
		time.tv_sec--;
	}
	return time;
}

void bfs_reply_fill_stat(
	const struct bfs_look *look, const struct bfs_attributes *attributes, struct stat *ret_stat)
{
	struct timespec time = to_timespec(attributes->mtime);
	off_t size = S_ISDIR(attributes->mode) ? DIRECTORY_SIZE : (off_t)attributes->size;

	*ret_stat = (struct stat){
		.st_ino = attributes->ino,
		.st_mode = attributes->mode,
		.st_nlink = attributes->nlink,
		.st_uid = look->uid,
		.st_gid = look->gid,
		.st_size = size,
		.st_blksize = BLOCK_SIZE,
		.st_blocks = (size + SECTOR - 1) / SECTOR,
		.st_atim = time,
		.st_mtim = time,
		.st_ctim = time,
	};
}

void bfs_reply_fill_entry(const struct bfs_look *look, const struct bfs_attributes *attributes,
	struct fuse_entry_param *ret_entry)
{
	*ret_entry = (struct fuse_entry_param){
		.ino = attributes->ino,
		.generation = 1, /* numbers are never reused, so one will do */
		.attr_timeout = look->timeout,
		.entry_timeout = look->timeout,
	};
	bfs_reply_fill_stat(look, attributes, &ret_entry->attr);
}
