#include "fs/driver.h"

#include "fs/listing.h"
#include "lib/log.h"

#include <string.h>
#include <sys/statvfs.h>

#define STATFS_BLOCK 4096 /* bytes */

/* One request on its way, from begin() to end(). */
struct call {
	struct bfs_driver *driver;
	struct bfs_responder *responder;
	fuse_req_t request;
	enum bfs_op op;
	uint64_t started;
};

static struct call begin(fuse_req_t request, enum bfs_op op)
{
	struct bfs_driver *driver = fuse_req_userdata(request);
	struct call call = {
		driver, bfs_responders_self(driver->responders), request, op, bfs_stats_now()};

	bfs_lineage_enter(driver->lineage);
	return call;
}

/* `result` has been replied already, unless it is an error: that is replied here. */
static void end(struct call *call, int result)
{
	if (result < 0)
		bfs_reply_error(call->request, result);
	bfs_lineage_leave(call->driver->lineage);
	bfs_stats_add(call->driver->stats, call->op, call->started, result, 0);
}

/* Counts a request that is answered without a look at the index. */
static void count(fuse_req_t request, enum bfs_op op)
{
	struct bfs_driver *driver = fuse_req_userdata(request);

	bfs_stats_add(driver->stats, op, bfs_stats_now(), 0, 0);
}

static bool is_in_force(fuse_req_t request, enum bfs_feature feature)
{
	struct bfs_driver *driver = fuse_req_userdata(request);

	return (atomic_load(&driver->in_force) & BFS_FEATURE_BIT(feature)) != 0;
}

static int find(struct call *call, uint64_t ino, struct bfs_node *ret_node)
{
	return bfs_lineage_find(call->driver->lineage, ino, ret_node);
}

static void on_init(void *context, struct fuse_conn_info *connection)
{
	struct bfs_driver *driver = context;
	unsigned in_force = bfs_features_negotiate(driver->wanted, connection);
	uint64_t one = 1;

	connection->max_background = driver->background;
	if (!(in_force & BFS_FEATURE_BIT(BFS_FEATURE_CACHE_NAMES)))
		driver->look.timeout = 0;
	connection->max_read = BFS_READ_MAX;
	bfs_reads_configure(driver->reads, in_force & BFS_FEATURE_BIT(BFS_FEATURE_SPLICE),
		in_force & BFS_FEATURE_BIT(BFS_FEATURE_SINGLE_CACHE));
	atomic_store(&driver->in_force, in_force);
	bfs_log_debug("kernel protocol %u.%u", connection->proto_major, connection->proto_minor);
	for (int i = 0; i < BFS_FEATURE_COUNT; i++)
		bfs_log_debug("%s: %s", bfs_feature_name(i),
			in_force & BFS_FEATURE_BIT(i) ? "on" : "off");
	if (write(driver->initialised_fd, &one, sizeof(one)) < 0)
		bfs_log_warning("telling that the mount is ready: %s", strerror(errno));
}

/* "." and "..": asked by inode for file handles (FUSE_CAP_EXPORT_SUPPORT). */
static int lookup_dot(
	struct call *call, uint64_t ino, bool up, struct bfs_attributes *ret_attributes)
{
	struct bfs_node node;
	int r = find(call, ino, &node);

	if (r == 0 && up)
		r = S_ISDIR(node.attributes.mode) ? find(call, node.attributes.parent, &node)
						  : -ENOTDIR;
	if (r == 0)
		*ret_attributes = node.attributes;
	return r;
}

static void on_lookup(fuse_req_t request, fuse_ino_t parent, const char *name)
{
	struct call call = begin(request, BFS_OP_LOOKUP);
	struct fuse_entry_param entry = {.entry_timeout = call.driver->look.timeout};
	struct bfs_attributes attributes;
	bool current = true;
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		r = lookup_dot(&call, parent, name[1] == '.', &attributes);
	else
		r = bfs_lineage_lookup(call.driver->lineage, parent, name, &attributes, &current);
	if (r == 0)
		bfs_reply_fill_entry(&call.driver->look, &attributes, &entry);
	if (r == -ENOENT) /* inode 0: absent, and the kernel may remember that */
		r = 0;
	if (!current)
		entry.entry_timeout = 0;
	if (r == 0)
		fuse_reply_entry(request, &entry);
	end(&call, r);
}

static void on_forget(fuse_req_t request, fuse_ino_t ino, uint64_t lookups)
{
	(void)ino;
	(void)lookups;
	count(request, BFS_OP_FORGET);
	fuse_reply_none(request);
}

static void on_forget_multi(fuse_req_t request, size_t length, struct fuse_forget_data *forgets)
{
	(void)forgets;
	for (size_t i = 0; i < length; i++)
		count(request, BFS_OP_FORGET);
	fuse_reply_none(request);
}

static void on_getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct call call = begin(request, BFS_OP_GETATTR);
	struct bfs_node node;
	struct stat stat;
	int r = find(&call, ino, &node);

	(void)file;
	if (r == 0) {
		bfs_reply_fill_stat(&call.driver->look, &node.attributes, &stat);
		fuse_reply_attr(request, &stat, call.driver->look.timeout);
	}
	end(&call, r);
}

static int read_link(struct call *call, const struct bfs_node *node)
{
	_cleanup_free_ char *target = NULL;
	struct bfs_tree *tree;
	int r;

	if (!S_ISLNK(node->attributes.mode))
		return -EINVAL;
	if (node->computed) {
		fuse_reply_readlink(call->request, node->computed->content);
		return 0;
	}
	r = bfs_loaded_acquire(node->loaded, &tree);
	if (r < 0)
		return r;
	r = bfs_tree_read_link(tree, node->attributes.ino, &target);
	bfs_loaded_release(node->loaded, tree);
	if (r == 0)
		fuse_reply_readlink(call->request, target);
	return r;
}

static void on_readlink(fuse_req_t request, fuse_ino_t ino)
{
	struct call call = begin(request, BFS_OP_READLINK);
	struct bfs_node node;
	int r = find(&call, ino, &node);

	if (r == 0)
		r = read_link(&call, &node);
	end(&call, r);
}

/* Once one open of an inode is passed through, all of them have to be: a failure is an error. */
static int pass_through(fuse_req_t request, uint64_t ino, struct fuse_file_info *file)
{
	struct call call = begin(request, BFS_OP_OPEN);
	struct bfs_content content = {0};
	int r = ino < BFS_TREE_INO_LIMIT
			? bfs_lineage_content(call.driver->lineage, ino, &content)
			: 0;

	bfs_lineage_leave(call.driver->lineage);
	if (r == 0 && bfs_passthrough_suits(&content))
		r = bfs_passthrough_open(call.driver->passthrough, request, ino, &content, file);
	return r;
}

static void on_open(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	int r = 0;

	count(request, BFS_OP_OPEN);
	if (is_in_force(request, BFS_FEATURE_ZERO_OPEN)) {
		fuse_reply_err(request, ENOSYS);
		return;
	}
	file->keep_cache = 1;
	if (is_in_force(request, BFS_FEATURE_PASSTHROUGH))
		r = pass_through(request, ino, file);
	if (r < 0) {
		bfs_reply_error(request, r);
		return;
	}
#if FUSE_MAJOR_VERSION > 3 || FUSE_MINOR_VERSION >= 11
	file->noflush = 1;
#endif
	fuse_reply_open(request, file);
}

static void on_release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	struct bfs_driver *driver = fuse_req_userdata(request);

	if (file->fh)
		bfs_passthrough_release(driver->passthrough, request, ino);
	count(request, BFS_OP_RELEASE);
	fuse_reply_err(request, 0);
}

/* Bytes that a READ at `offset` may have of a file of `length`. */
static size_t clamp(uint64_t length, off_t offset, size_t size)
{
	if (offset < 0 || (uint64_t)offset >= length)
		return 0;
	return size < length - (uint64_t)offset ? size : (size_t)(length - (uint64_t)offset);
}

/* What a READ is to have: `computed`, if that is set, or bytes of the content. */
static int find_bytes(struct call *call, uint64_t ino, const struct bfs_host_name **ret_computed,
	struct bfs_content *ret_content)
{
	struct bfs_node node;
	int r;

	*ret_computed = NULL;
	if (ino < BFS_TREE_INO_LIMIT)
		return bfs_lineage_content(call->driver->lineage, ino, ret_content);
	r = find(call, ino, &node);
	if (r == 0 && !S_ISREG(node.attributes.mode))
		r = -EINVAL;
	if (r == 0) {
		*ret_computed = node.computed;
		ret_content->size = node.attributes.size;
	}
	return r;
}

static void on_read(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *file)
{
	struct call call = begin(request, BFS_OP_READ);
	const struct bfs_host_name *computed;
	struct bfs_content content;
	int r = find_bytes(&call, ino, &computed, &content);

	(void)file;
	size = r == 0 ? clamp(content.size, offset, size) : 0;
	if (r == 0 && (size == 0 || computed))
		fuse_reply_buf(request, size ? computed->content + offset : NULL, size);
	if (r < 0 || size == 0 || computed) {
		end(&call, r);
		return;
	}
	/* What follows may wait for the store, and no longer needs the generation. */
	bfs_lineage_leave(call.driver->lineage);
	bfs_reads_submit(call.driver->reads, call.responder, request, &content, (uint64_t)offset,
		size, call.started);
}

static void on_opendir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	count(request, BFS_OP_OPENDIR);
	if (is_in_force(request, BFS_FEATURE_ZERO_OPENDIR)) {
		fuse_reply_err(request, ENOSYS);
		return;
	}
	file->cache_readdir = is_in_force(request, BFS_FEATURE_CACHE_DIRS);
	file->keep_cache = file->cache_readdir;
	fuse_reply_open(request, file);
}

static void list(fuse_req_t request, uint64_t ino, size_t size, off_t cookie, bool plus)
{
	struct call call = begin(request, plus ? BFS_OP_READDIRPLUS : BFS_OP_READDIR);
	int r = cookie < 0 ? -EINVAL
			   : bfs_listing_fill(call.driver->lineage, call.responder, request,
				     &call.driver->look, ino, (uint64_t)cookie, size, plus);

	if (r == 0)
		fuse_reply_buf(
			request, call.responder->scratch.data, call.responder->scratch.length);
	end(&call, r);
}

static void on_readdir(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, cookie, false);
}

static void on_readdirplus(
	fuse_req_t request, fuse_ino_t ino, size_t size, off_t cookie, struct fuse_file_info *file)
{
	(void)file;
	list(request, ino, size, cookie, true);
}

static void on_releasedir(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *file)
{
	(void)ino;
	(void)file;
	count(request, BFS_OP_RELEASEDIR);
	fuse_reply_err(request, 0);
}

/* A full filesystem that holds what the prefix holds. */
static void on_statfs(fuse_req_t request, fuse_ino_t ino)
{
	struct call call = begin(request, BFS_OP_STATFS);
	struct bfs_tree_counts counts;
	struct statvfs statvfs;
	int r = bfs_loaded_count(bfs_lineage_at(call.driver->lineage, 0), &counts);

	(void)ino;
	if (r == 0) {
		statvfs = (struct statvfs){
			.f_bsize = STATFS_BLOCK,
			.f_frsize = STATFS_BLOCK,
			.f_blocks =
				((uint64_t)counts.content_bytes + STATFS_BLOCK - 1) / STATFS_BLOCK,
			.f_files = (uint64_t)(counts.directories + counts.files + counts.symlinks),
			.f_namemax = 255,
		};
		fuse_reply_statfs(request, &statvfs);
	}
	end(&call, r);
}

/* Some programs and overlayfs ask for file attributes (FS_IOC_GETFLAGS); ENOTTY is what they take
 * for "none". */
static void on_ioctl(fuse_req_t request, fuse_ino_t ino, unsigned command, void *argument,
	struct fuse_file_info *file, unsigned flags, const void *in, size_t in_size,
	size_t out_size)
{
	(void)ino;
	(void)command;
	(void)argument;
	(void)file;
	(void)flags;
	(void)in;
	(void)in_size;
	(void)out_size;
	count(request, BFS_OP_IOCTL);
	fuse_reply_err(request, ENOTTY);
}

const struct fuse_lowlevel_ops *bfs_driver_operations(void)
{
	static const struct fuse_lowlevel_ops operations = {
		.init = on_init,
		.lookup = on_lookup,
		.forget = on_forget,
		.forget_multi = on_forget_multi,
		.getattr = on_getattr,
		.readlink = on_readlink,
		.open = on_open,
		.read = on_read,
		.release = on_release,
		.opendir = on_opendir,
		.readdir = on_readdir,
		.readdirplus = on_readdirplus,
		.releasedir = on_releasedir,
		.statfs = on_statfs,
		.ioctl = on_ioctl,
	};

	return &operations;
}
