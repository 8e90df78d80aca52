#include "installer/steps_private.h"

#include "lib/file.h"
#include "lib/gunzip.h"
#include "lib/path.h"

/* A gzipped content on its way into a staged file. */
struct unpacking {
	struct bfs_steps_runner *runner;
	const char *path; /* of the source, for messages */
	struct bfs_gunzip *gunzip;
	int fd;
	uint64_t written;
	char packed[64 * 1024], plain[256 * 1024];
};

static int unpack_block(struct unpacking *unpacking, const void *data, size_t length)
{
	size_t produced;

	do {
		int r = bfs_gunzip_run(unpacking->gunzip, &data, &length, unpacking->plain,
			sizeof(unpacking->plain), &produced, unpacking->runner->error);

		if (r < 0)
			return r;
		unpacking->written += produced;
		if (unpacking->written > BFS_STEPS_GUNZIP_MAX)
			return bfs_steps_fail(unpacking->runner, -EFBIG, unpacking->path,
				"it unpacks to more than an executable can be");
		r = bfs_write_all(unpacking->fd, unpacking->plain, produced);
		if (r < 0)
			return bfs_steps_fail(unpacking->runner, r, unpacking->path, NULL);
	} while (length > 0 || produced == sizeof(unpacking->plain));
	return 0;
}

static int unpack_content(struct unpacking *unpacking, const struct bfs_content *content)
{
	uint64_t offset = 0;

	while (offset < content->size) {
		ssize_t n = bfs_content_read(unpacking->runner->order->reader, content,
			unpacking->packed, sizeof(unpacking->packed), offset);
		int r = n > 0 ? unpack_block(unpacking, unpacking->packed, (size_t)n) : (int)n;

		if (n == 0)
			r = -EIO;
		if (r < 0)
			return bfs_steps_fail(unpacking->runner, r, unpacking->path, NULL);
		offset += (uint64_t)n;
	}
	return bfs_gunzip_finish(unpacking->gunzip, unpacking->runner->error);
}

/* The content of the gzipped file, as that of a new executable. */
static int unpack(struct bfs_steps_runner *runner, const char *path,
	const struct bfs_content *content, struct bfs_content *ret_content)
{
	_cleanup_free_ struct unpacking *unpacking = calloc(1, sizeof(*unpacking));
	_cleanup_gunzip_ struct bfs_gunzip *gunzip = NULL;
	_cleanup_free_ char *name = NULL;
	int fd, r = unpacking ? bfs_gunzip_new(&gunzip) : -ENOMEM;

	if (r == 0)
		r = bfs_writer_stage(runner->order->writer, &fd, &name, runner->error);
	if (r < 0)
		return r;
	unpacking->runner = runner;
	unpacking->path = path;
	unpacking->gunzip = gunzip;
	unpacking->fd = fd;
	r = unpack_content(unpacking, content);
	if (r < 0) {
		close(fd);
		return r;
	}
	runner->dirty = true;
	return bfs_writer_add_staged(
		runner->order->writer, fd, name, 0755, ret_content, runner->error);
}

static int install(struct bfs_steps_runner *runner, const char *source,
	const struct bfs_attributes *attributes, const char *target)
{
	struct bfs_tree *tree = runner->order->tree;
	struct bfs_content packed, content;
	int r = bfs_tree_content(tree, attributes->ino, &packed);

	if (r < 0)
		return bfs_steps_fail(runner, r, source, NULL);
	r = unpack(runner, source, &packed, &content);
	if (r == 0)
		r = bfs_steps_clear_name(runner, target);
	if (r == 0) {
		r = bfs_tree_write_path(tree, target, 0755, runner->order->mtime, &content);
		if (r < 0)
			return bfs_steps_fail(runner, r, target, NULL);
	}
	return r < 0 ? r : bfs_steps_clear_name(runner, source);
}

int bfs_step_install_gzipped_executable(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *source = NULL, *target = NULL;
	struct bfs_attributes attributes;
	int r = bfs_steps_locate_key(runner, step, "source", &source);

	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "target", &target);
	if (r != 0)
		return r;
	r = bfs_steps_find(runner, source, &attributes);
	if (r < 1)
		return r < 0 ? r : BFS_STEP_NOTHING;
	r = bfs_steps_make_parent(runner, target);
	if (r == 0)
		r = bfs_steps_check_writable(runner, source, false);
	if (r == 0)
		r = bfs_steps_check_writable(runner, target, false);
	return r < 0 ? r : install(runner, source, &attributes, target);
}
