#include "tests/bench/slowfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS	     (1u << 17)
#define HANDLE_BYTES 64 /* ext4 and xfs need 8 to 24, btrfs 40 */

struct node {
	struct node *next;
	dev_t device;
	ino_t inode;
	uint64_t references;
	unsigned timeout; /* seconds */
	struct timespec change;
	struct file_handle handle; /* its bytes follow */
};

struct node_timeouts node_timeouts = {3, 60, 30, 60};

static int root_fd = -1;
static struct node root_node;
static struct node *table[BUCKETS];
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root_node : (struct node *)ino;
}

static struct node **bucket_of(dev_t device, ino_t inode)
{
	return &table[(inode ^ device) % BUCKETS];
}

/* A node for the handle of `name`; the caller holds no lock. */
static int make_node(int directory, const char *name, const struct stat *st, struct node **ret_node)
{
	struct node *node = calloc(1, sizeof(*node) + HANDLE_BYTES);
	int mount_id;

	if (!node)
		return -ENOMEM;
	node->handle.handle_bytes = HANDLE_BYTES;
	if (name_to_handle_at(directory, name, &node->handle, &mount_id, 0) < 0) {
		int r = -errno;

		free(node);
		return r;
	}
	node->device = st->st_dev;
	node->inode = st->st_ino;
	*ret_node = node;
	return 0;
}

int nodes_start(const char *source)
{
	struct node *probe;
	struct stat st;
	int r;

	root_fd = open(source, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || fstat(root_fd, &st) < 0)
		return -errno;
	r = make_node(root_fd, ".", &st, &probe);
	if (r < 0)
		return r;
	r = open_by_handle_at(root_fd, &probe->handle, O_PATH | O_CLOEXEC);
	free(probe);
	if (r < 0)
		return -errno;
	close(r);
	return 0;
}

int nodes_open(fuse_ino_t ino, int flags)
{
	int fd;

	if (ino == FUSE_ROOT_ID)
		fd = openat(root_fd, ".", flags | O_CLOEXEC);
	else
		fd = open_by_handle_at(root_fd, &node_of(ino)->handle, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The known node, or `fresh`, which is then in the table and no longer the caller's. */
static struct node *take_node(struct node **fresh)
{
	struct node **bucket = bucket_of((*fresh)->device, (*fresh)->inode), *node;

	pthread_mutex_lock(&table_lock);
	for (node = *bucket; node; node = node->next)
		if (node->inode == (*fresh)->inode && node->device == (*fresh)->device)
			break;
	if (node && memcmp(&node->handle, &(*fresh)->handle,
			    sizeof(node->handle) + (*fresh)->handle.handle_bytes) != 0)
		node = NULL; /* the number was given to another file */
	if (!node) {
		node = *fresh;
		node->next = *bucket;
		*bucket = node;
		*fresh = NULL;
	}
	node->references++;
	pthread_mutex_unlock(&table_lock);
	return node;
}

int nodes_find(int directory, const char *name, struct fuse_entry_param *ret_entry)
{
	struct node *fresh;
	int r;

	memset(ret_entry, 0, sizeof(*ret_entry));
	ret_entry->entry_timeout = node_timeouts.directory_min;
	if (fstatat(directory, name, &ret_entry->attr, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = make_node(directory, name, &ret_entry->attr, &fresh);
	if (r < 0)
		return r;
	ret_entry->ino = (fuse_ino_t)take_node(&fresh);
	free(fresh);
	ret_entry->attr_timeout = nodes_attr_timeout(ret_entry->ino, &ret_entry->attr);
	return 0;
}

void nodes_forget(fuse_ino_t ino, uint64_t references)
{
	struct node *node = node_of(ino), **place;

	if (node == &root_node)
		return;
	pthread_mutex_lock(&table_lock);
	node->references -= references;
	if (node->references == 0) {
		for (place = bucket_of(node->device, node->inode); *place != node;)
			place = &(*place)->next;
		*place = node->next;
		free(node);
	}
	pthread_mutex_unlock(&table_lock);
}

double nodes_attr_timeout(fuse_ino_t ino, const struct stat *st)
{
	bool is_directory = S_ISDIR(st->st_mode);
	unsigned low = is_directory ? node_timeouts.directory_min : node_timeouts.file_min;
	unsigned high = is_directory ? node_timeouts.directory_max : node_timeouts.file_max;
	struct node *node = node_of(ino);
	unsigned timeout;

	pthread_mutex_lock(&table_lock);
	timeout = node->timeout * 2 > high ? high : node->timeout * 2;
	if (timeout == 0 || memcmp(&node->change, &st->st_ctim, sizeof(node->change)) != 0)
		timeout = low;
	node->timeout = timeout;
	node->change = st->st_ctim;
	pthread_mutex_unlock(&table_lock);
	return timeout;
}
