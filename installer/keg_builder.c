#include "installer/keg_builder.h"

#include "lib/buffer.h"
#include "lib/path.h"

#include <stdbool.h>
#include <string.h>

#define STEP "unpacking"

struct directory_time {
	uint64_t ino;
	int64_t mtime;
};

struct bfs_keg_builder {
	struct bfs_tree *tree;
	bool open;		  /* the transaction is */
	bool has_root;		  /* the root has its attributes */
	struct bfs_buffer parent; /* the directory that the last member was in, */
	uint64_t parent_ino;	  /* and its inode; 0 while not known */
	struct directory_time *times;
	size_t time_count, time_capacity;
};

int bfs_keg_builder_new(struct bfs_tree *tree, struct bfs_keg_builder **ret_builder)
{
	_cleanup_free_ struct bfs_keg_builder *builder = calloc(1, sizeof(*builder));
	int r;

	if (!builder)
		return -ENOMEM;
	r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	builder->tree = tree;
	builder->open = true;
	*ret_builder = bfs_steal(&builder);
	return 0;
}

void bfs_keg_builder_free(struct bfs_keg_builder *builder)
{
	if (!builder)
		return;
	if (builder->open)
		bfs_tree_rollback(builder->tree);
	bfs_buffer_release(&builder->parent);
	free(builder->times);
	free(builder);
}

static int note_time(struct bfs_keg_builder *builder, uint64_t ino, int64_t mtime)
{
	if (builder->time_count == builder->time_capacity) {
		size_t capacity = builder->time_capacity ? 2 * builder->time_capacity : 64;
		void *times = reallocarray(builder->times, capacity, sizeof(*builder->times));

		if (!times)
			return -ENOMEM;
		builder->times = times;
		builder->time_capacity = capacity;
	}
	builder->times[builder->time_count++] = (struct directory_time){ino, mtime};
	return 0;
}

static int make_directory(struct bfs_keg_builder *builder, uint64_t parent, const char *name,
	size_t length, mode_t mode, int64_t mtime, uint64_t *ret_ino)
{
	int r = bfs_tree_make_directory(builder->tree, parent, name, length, mode, mtime, ret_ino);

	return r < 0 ? r : note_time(builder, *ret_ino, mtime);
}

/* One component on the way to a member: an existing directory, or a new one. */
static int enter(struct bfs_keg_builder *builder, uint64_t *ino, const char *name, size_t length,
	int64_t mtime)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lookup(builder->tree, *ino, name, length, &attributes);

	if (r == -ENOENT)
		return make_directory(builder, *ino, name, length, 0755, mtime, ino);
	if (r == 0 && !S_ISDIR(attributes.mode))
		return S_ISLNK(attributes.mode) ? -ELOOP : -ENOTDIR;
	if (r == 0)
		*ino = attributes.ino;
	return r;
}

static int walk(struct bfs_keg_builder *builder, const char *path, size_t length, int64_t mtime,
	uint64_t *ret_ino)
{
	const char *end = path + length;
	uint64_t ino = BFS_TREE_ROOT;
	int r = 0;

	while (r == 0 && path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;

		r = enter(builder, &ino, path, (size_t)(stop - path), mtime);
		path = slash ? slash + 1 : end;
	}
	if (r == 0)
		*ret_ino = ino;
	return r;
}

/* What changes directories that exist makes the remembered one doubtful. */
static void forget_parent(struct bfs_keg_builder *builder)
{
	builder->parent_ino = 0;
}

/* The directory of a member, made where it is missing, and the member's name in it. */
static int find_parent(struct bfs_keg_builder *builder, const char *path, int64_t mtime,
	uint64_t *ret_ino, const char **ret_name)
{
	const char *name = bfs_path_base(path);
	size_t length = name == path ? 0 : (size_t)(name - path) - 1;
	int r;

	*ret_name = name;
	if (!builder->has_root) {
		builder->has_root = true;
		r = bfs_tree_set_mode(builder->tree, BFS_TREE_ROOT, 0755);
		if (r == 0)
			r = note_time(builder, BFS_TREE_ROOT, mtime);
		if (r < 0)
			return r;
	}
	if (builder->parent_ino && builder->parent.length == length &&
		memcmp(builder->parent.data, path, length) == 0) {
		*ret_ino = builder->parent_ino;
		return 0;
	}
	r = walk(builder, path, length, mtime, ret_ino);
	forget_parent(builder);
	bfs_buffer_clear(&builder->parent);
	if (r == 0)
		r = bfs_buffer_append(&builder->parent, path, length);
	if (r == 0)
		builder->parent_ino = *ret_ino;
	return r;
}

/* Makes way for a member whose name is taken. */
static int remove_old(
	struct bfs_keg_builder *builder, uint64_t parent, const char *name, bool for_directory)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_lookup(builder->tree, parent, name, strlen(name), &attributes);

	forget_parent(builder);
	if (r < 0)
		return r;
	if (!S_ISDIR(attributes.mode))
		return bfs_tree_unlink(builder->tree, parent, name, strlen(name));
	return for_directory ? -EEXIST
			     : bfs_tree_remove_directory(builder->tree, parent, name, strlen(name));
}

static int describe(int code, const char *path, struct bfs_error *error)
{
	const char *reason = NULL;

	switch (code) {
	case 0:
		return 0;
	case -ELOOP:
		reason = "it would pass through a symlink";
		break;
	case -ENOTDIR:
		reason = "it would lie below something that is no directory";
		break;
	case -ENOTEMPTY:
		reason = "it would replace a directory that is not empty";
		break;
	case -ENOENT:
		reason = "it is a hardlink to something that does not come before it";
		break;
	case -EISDIR:
		reason = "it is a hardlink to a directory";
		break;
	case -ENAMETOOLONG:
		reason = "a name in it is too long";
		break;
	case -EMLINK:
		reason = "it has too many hardlinks";
		break;
	case -EINVAL:
		reason = "a name in it is not allowed";
		break;
	}
	if (reason)
		return bfs_error_set(error, -EBADMSG, STEP, path, "%s", reason);
	return bfs_error_set(error, code, STEP, path, NULL);
}

static int set_directory(struct bfs_keg_builder *builder, uint64_t ino, mode_t mode, int64_t mtime)
{
	int r = bfs_tree_set_mode(builder->tree, ino, mode);

	return r < 0 ? r : note_time(builder, ino, mtime);
}

static int add_directory(
	struct bfs_keg_builder *builder, const char *path, mode_t mode, int64_t mtime)
{
	struct bfs_attributes attributes;
	uint64_t parent, ino;
	const char *name;
	int r = find_parent(builder, path, mtime, &parent, &name);

	if (r < 0)
		return r;
	r = make_directory(builder, parent, name, strlen(name), mode, mtime, &ino);
	if (r != -EEXIST)
		return r;
	r = bfs_tree_lookup(builder->tree, parent, name, strlen(name), &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		return set_directory(builder, attributes.ino, mode, mtime);
	if (r == 0)
		r = remove_old(builder, parent, name, true);
	if (r == 0)
		r = make_directory(builder, parent, name, strlen(name), mode, mtime, &ino);
	return r;
}

int bfs_keg_builder_add_directory(struct bfs_keg_builder *builder, const char *path, mode_t mode,
	int64_t mtime, struct bfs_error *error)
{
	int r;

	if (*path == '\0') {
		builder->has_root = true;
		r = set_directory(builder, BFS_TREE_ROOT, mode, mtime);
	} else {
		r = add_directory(builder, path, mode, mtime);
	}
	return describe(r, path, error);
}

int bfs_keg_builder_add_symlink(struct bfs_keg_builder *builder, const char *path,
	const char *target, int64_t mtime, uint64_t *ret_ino, struct bfs_error *error)
{
	uint64_t parent;
	const char *name;
	int r = find_parent(builder, path, mtime, &parent, &name);

	if (r == 0)
		r = bfs_tree_make_symlink(builder->tree, parent, name, strlen(name), target,
			strlen(target), mtime, ret_ino);
	if (r == -EEXIST) {
		r = remove_old(builder, parent, name, false);
		if (r == 0)
			r = bfs_tree_make_symlink(builder->tree, parent, name, strlen(name), target,
				strlen(target), mtime, ret_ino);
	}
	return describe(r, path, error);
}

int bfs_keg_builder_add_file(struct bfs_keg_builder *builder, const char *path, mode_t mode,
	int64_t mtime, const struct bfs_content *content, uint64_t *ret_ino,
	struct bfs_error *error)
{
	uint64_t parent;
	const char *name;
	int r = find_parent(builder, path, mtime, &parent, &name);

	if (r == 0)
		r = bfs_tree_make_file(
			builder->tree, parent, name, strlen(name), mode, mtime, content, ret_ino);
	if (r == -EEXIST) {
		r = remove_old(builder, parent, name, false);
		if (r == 0)
			r = bfs_tree_make_file(builder->tree, parent, name, strlen(name), mode,
				mtime, content, ret_ino);
	}
	return describe(r, path, error);
}

static int add_hardlink(
	struct bfs_keg_builder *builder, const char *path, uint64_t ino, int64_t mtime)
{
	struct bfs_attributes old;
	uint64_t parent;
	const char *name;
	int r = find_parent(builder, path, mtime, &parent, &name);

	if (r == 0)
		r = bfs_tree_link(builder->tree, ino, parent, name, strlen(name));
	if (r != -EEXIST)
		return r;
	r = bfs_tree_lookup(builder->tree, parent, name, strlen(name), &old);
	if (r < 0 || old.ino == ino)
		return r;
	r = remove_old(builder, parent, name, false);
	if (r == 0)
		r = bfs_tree_link(builder->tree, ino, parent, name, strlen(name));
	return r;
}

int bfs_keg_builder_add_hardlink(struct bfs_keg_builder *builder, const char *path,
	const char *source, int64_t mtime, uint64_t *ret_ino, struct bfs_error *error)
{
	struct bfs_attributes attributes;
	int r = bfs_keg_builder_find(builder, source, &attributes);

	if (r == 0 && S_ISDIR(attributes.mode))
		r = -EISDIR;
	if (r == 0)
		r = add_hardlink(builder, path, attributes.ino, mtime);
	if (r == 0)
		*ret_ino = attributes.ino;
	return describe(r, path, error);
}

int bfs_keg_builder_find(
	struct bfs_keg_builder *builder, const char *path, struct bfs_attributes *ret_attributes)
{
	struct bfs_attributes attributes;
	int r = bfs_tree_stat(builder->tree, BFS_TREE_ROOT, &attributes);

	while (r == 0 && *path) {
		const char *slash = strchrnul(path, '/');

		if (!S_ISDIR(attributes.mode))
			return S_ISLNK(attributes.mode) ? -ELOOP : -ENOTDIR;
		r = bfs_tree_lookup(
			builder->tree, attributes.ino, path, (size_t)(slash - path), &attributes);
		path = *slash ? slash + 1 : slash;
	}
	if (r == 0)
		*ret_attributes = attributes;
	return r;
}

int bfs_keg_builder_finish(struct bfs_keg_builder *builder, struct bfs_error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < builder->time_count; i++) {
		r = bfs_tree_set_mtime(
			builder->tree, builder->times[i].ino, builder->times[i].mtime);
		/* A directory that another member took the place of. */
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = bfs_tree_commit(builder->tree);
	if (r == 0)
		builder->open = false;
	return r < 0 ? bfs_error_set(error, r, "building the keg", NULL, NULL) : 0;
}
