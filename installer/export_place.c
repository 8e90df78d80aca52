#include "installer/export_place.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define PARTIAL "partial"

/* A whole tree beside DIR. */
struct tree {
	char *name;
	uint64_t sequence;
};

struct bfs_export_place {
	char *parent;  /* absolute */
	char *name;    /* of DIR in it */
	char *path;    /* of DIR */
	char *current; /* path of the tree that it leads to; NULL */
	int fd;	       /* of `parent` */
	int lock_fd;
	struct tree *trees; /* newest first */
	size_t tree_count;
	char *partial, *final; /* names, between begin and finish */
	int partial_fd;
};

void bfs_export_place_close(struct bfs_export_place *place)
{
	if (!place)
		return;
	if (place->partial_fd >= 0)
		close(place->partial_fd);
	if (place->partial)
		bfs_remove_tree(place->fd, place->partial);
	for (size_t i = 0; i < place->tree_count; i++)
		free(place->trees[i].name);
	free(place->trees);
	if (place->lock_fd >= 0)
		close(place->lock_fd);
	if (place->fd >= 0)
		close(place->fd);
	free(place->partial);
	free(place->final);
	free(place->current);
	free(place->parent);
	free(place->name);
	free(place->path);
	free(place);
}

const char *bfs_export_place_path(const struct bfs_export_place *place)
{
	return place->path;
}

const char *bfs_export_place_current(const struct bfs_export_place *place)
{
	return place->current;
}

int bfs_export_place_fd(const struct bfs_export_place *place)
{
	return place->fd;
}

/* --- opening --- */

/* DIR's directory and name; DIR itself is not resolved. */
static int split(const char *dir, struct bfs_export_place *place, struct bfs_error *error)
{
	_cleanup_free_ char *copy = strdup(dir), *parent = NULL;
	size_t length = strlen(dir);
	const char *base;
	int r;

	if (!copy)
		return -ENOMEM;
	while (length > 1 && copy[length - 1] == '/')
		copy[--length] = '\0';
	base = bfs_path_base(copy);
	if (!bfs_name_is_valid(base, strlen(base)) || strlen(base) > BFS_NAME_MAX - 64)
		return bfs_error_set(error, -EINVAL, "exporting to", dir, "not a name for it");
	place->name = strdup(base);
	parent = base == copy ? strdup(".") : strndup(copy, (size_t)(base - copy));
	if (!place->name || !parent)
		return -ENOMEM;
	r = bfs_make_directories(AT_FDCWD, parent, 0755);
	place->parent = r == 0 ? realpath(parent, NULL) : NULL;
	if (!place->parent)
		return bfs_error_set(
			error, r < 0 ? r : -errno, "making the directory", parent, NULL);
	place->path =
		bfs_format("%s/%s", strcmp(place->parent, "/") ? place->parent : "", place->name);
	return place->path ? 0 : -ENOMEM;
}

static int take_lock(struct bfs_export_place *place)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_free_ char *name = bfs_format(".%s.lock", place->name);

	if (!name)
		return -ENOMEM;
	place->lock_fd = openat(place->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (place->lock_fd < 0)
		return -errno;
	if (fcntl(place->lock_fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return -errno;
	bfs_log_info("Waiting for another brewfs that exports to %s", place->path);
	while (fcntl(place->lock_fd, F_OFD_SETLKW, &lock) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* Whether it is "NAME.GENERATION" or "NAME.GENERATION-N"; with ".partial" after it if so asked. */
static bool is_tree_name(const char *name, const char *base, bool partial)
{
	size_t length = strlen(base);

	if (strncmp(name, base, length) != 0 || name[length] != '.')
		return false;
	name += length + 1;
	length = strspn(name, "0123456789");
	if (length == 0)
		return false;
	name += length;
	if (*name == '-') {
		length = strspn(name + 1, "0123456789");
		if (length == 0)
			return false;
		name += length + 1;
	}
	return partial ? strcmp(name, "." PARTIAL) == 0 : *name == '\0';
}

static int read_current(struct bfs_export_place *place, struct bfs_error *error)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(place->fd, place->name, target, sizeof(target) - 1);

	if (length < 0 && errno == ENOENT)
		return 0;
	if (length >= 0) {
		target[length] = '\0';
		if (is_tree_name(target, place->name, false)) {
			place->current = bfs_path_join(place->parent, target);
			return place->current ? 0 : -ENOMEM;
		}
	}
	return bfs_error_set(error, -EEXIST, "exporting to", place->path,
		"it is there and was not made by brewfs export, which makes a link of that name");
}

static int add_tree(struct bfs_export_place *place, const char *name)
{
	_cleanup_free_ char *path = bfs_path_join(place->parent, name);
	_cleanup_export_manifest_ struct bfs_export_manifest *manifest = NULL;
	struct tree *grown;
	int r = path ? bfs_export_manifest_open(path, &manifest) : -ENOMEM;

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	grown = reallocarray(place->trees, place->tree_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	place->trees = grown;
	grown[place->tree_count] =
		(struct tree){strdup(name), bfs_export_manifest_sequence(manifest)};
	return grown[place->tree_count++].name ? 0 : -ENOMEM;
}

static int compare_trees(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;

	return x->sequence == y->sequence ? 0 : x->sequence < y->sequence ? 1 : -1;
}

/* --- removing --- */

struct removal {
	int fd;
	char *name;
};

static int remove_one(void *argument)
{
	struct removal *removal = argument;
	int r = bfs_remove_tree(removal->fd, removal->name);

	free(removal->name);
	free(removal);
	return r;
}

static int submit_removal(struct bfs_workers *workers, int fd, char *name)
{
	struct removal *removal = name ? malloc(sizeof(*removal)) : NULL;
	int r;

	if (!removal) {
		free(name);
		return -ENOMEM;
	}
	*removal = (struct removal){fd, name};
	r = bfs_workers_submit(workers, remove_one, removal);
	if (r < 0) {
		free(name);
		free(removal);
	}
	return r;
}

/* Queues what lies `depth` directories down: kegs are removed side by side. */
static int submit_below(struct bfs_workers *workers, int root, const char *path, unsigned depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r == -ENOTDIR || r == -ELOOP || r == -ENOENT ? 0 : r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		char *name;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		name = bfs_path_join(path, entry->d_name);
		if (!name || depth == 0) {
			r = submit_removal(workers, root, name);
			continue;
		}
		r = submit_below(workers, root, name, depth - 1);
		free(name);
	}
	return r;
}

/* A tree has some ten thousand files, and each removal waits for the server. */
static int remove_tree(struct bfs_export_place *place, const char *name)
{
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	int r = bfs_workers_new(32, &workers), waited;

	if (r < 0)
		return r;
	for (int depth = 2; r == 0 && depth >= 0; depth--) {
		r = submit_below(workers, place->fd, name, (unsigned)depth);
		waited = bfs_workers_wait(workers);
		r = r < 0 ? r : waited;
	}
	return r < 0 ? r : bfs_remove_tree(place->fd, name);
}

/* --- looking around --- */

/* Reads the directory once: whole trees are noted, garbage is removed. */
static int look_around(struct bfs_export_place *place)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (is_tree_name(entry->d_name, place->name, true))
			r = remove_tree(place, entry->d_name);
		else if (is_tree_name(entry->d_name, place->name, false))
			r = add_tree(place, entry->d_name);
	}
	if (place->tree_count)
		qsort(place->trees, place->tree_count, sizeof(*place->trees), compare_trees);
	return r;
}

int bfs_export_place_open(
	const char *dir, struct bfs_export_place **ret_place, struct bfs_error *error)
{
	_cleanup_export_place_ struct bfs_export_place *place = calloc(1, sizeof(*place));
	int r;

	if (!place)
		return -ENOMEM;
	place->fd = place->lock_fd = place->partial_fd = -1;
	r = split(dir, place, error);
	if (r < 0)
		return r;
	place->fd = open(place->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->fd < 0)
		return bfs_error_set(error, -errno, "exporting to", place->path, NULL);
	r = take_lock(place);
	if (r < 0)
		return bfs_error_set(error, r, "locking the export", place->path, NULL);
	r = read_current(place, error);
	if (r == 0)
		r = look_around(place);
	if (r < 0)
		return bfs_error_set(error, r, "looking for earlier exports", place->path, NULL);
	*ret_place = bfs_steal(&place);
	return 0;
}

/* --- the next tree --- */

uint64_t bfs_export_place_sequence(const struct bfs_export_place *place)
{
	return place->tree_count ? place->trees[0].sequence + 1 : 1;
}

static bool is_current(const struct bfs_export_place *place, const struct tree *tree)
{
	return place->current && strcmp(bfs_path_base(place->current), tree->name) == 0;
}

/* The first name that nothing has. */
static int choose_names(struct bfs_export_place *place, uint64_t generation)
{
	struct stat st;

	for (unsigned i = 1;; i++) {
		free(bfs_steal(&place->final));
		place->final = i == 1 ? bfs_format("%s.%" PRIu64, place->name, generation)
				      : bfs_format("%s.%" PRIu64 "-%u", place->name, generation, i);
		if (!place->final)
			return -ENOMEM;
		if (fstatat(place->fd, place->final, &st, AT_SYMLINK_NOFOLLOW) < 0)
			break;
	}
	if (errno != ENOENT)
		return -errno;
	place->partial = bfs_format("%s." PARTIAL, place->final);
	return place->partial ? 0 : -ENOMEM;
}

/* Of the trees that would be removed the newest, which differs least; NULL for none. */
static struct tree *choose_base(struct bfs_export_place *place, unsigned keep)
{
	unsigned old = place->current ? 1 : 0;

	for (size_t i = 0; i < place->tree_count; i++) {
		struct tree *tree = &place->trees[i];

		if (is_current(place, tree))
			continue;
		if (old >= keep)
			return tree;
		old++;
	}
	return NULL;
}

static void forget_tree(struct bfs_export_place *place, struct tree *tree)
{
	size_t index = (size_t)(tree - place->trees);

	free(tree->name);
	memmove(tree, tree + 1, (place->tree_count - index - 1) * sizeof(*tree));
	place->tree_count--;
}

/* From here on it is no tree any more, whatever happens. */
static int take_base(struct bfs_export_place *place, struct tree *base,
	struct bfs_export_manifest **ret_manifest)
{
	_cleanup_free_ char *path = bfs_path_join(place->parent, place->partial);
	int r;

	if (!path)
		return -ENOMEM;
	if (renameat(place->fd, base->name, place->fd, place->partial) < 0)
		return -errno;
	forget_tree(place, base);
	r = bfs_export_manifest_open(path, ret_manifest);
	if (r == 0 || r == -ENOMEM)
		return r;
	return remove_tree(place, place->partial);
}

int bfs_export_place_begin(struct bfs_export_place *place, uint64_t generation, unsigned keep,
	int *ret_fd, struct bfs_export_manifest **ret_base, struct bfs_error *error)
{
	_cleanup_export_manifest_ struct bfs_export_manifest *manifest = NULL;
	struct tree *base = choose_base(place, keep);
	int r = choose_names(place, generation);

	if (r == 0 && base)
		r = take_base(place, base, &manifest);
	if (r == 0 && !manifest && mkdirat(place->fd, place->partial, 0755) < 0)
		r = -errno;
	if (r == 0) {
		place->partial_fd = openat(
			place->fd, place->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = place->partial_fd < 0 ? -errno : 0;
	}
	if (r < 0)
		return bfs_error_set(error, r, "making the export", place->path, NULL);
	*ret_fd = place->partial_fd;
	*ret_base = bfs_steal(&manifest);
	return 0;
}

/* --- the switch --- */

static int move_link(struct bfs_export_place *place)
{
	_cleanup_free_ char *link = bfs_format(".%s.link", place->name);

	if (!link)
		return -ENOMEM;
	unlinkat(place->fd, link, 0);
	if (symlinkat(place->final, place->fd, link) < 0 ||
		renameat(place->fd, link, place->fd, place->name) < 0)
		return -errno;
	return fsync(place->fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* Under another name first, so that a tree is whole or none. */
static int retire(struct bfs_export_place *place, const struct tree *tree)
{
	_cleanup_free_ char *name = bfs_format("%s." PARTIAL, tree->name);

	if (!name)
		return -ENOMEM;
	if (renameat(place->fd, tree->name, place->fd, name) < 0)
		return -errno;
	return remove_tree(place, name);
}

/* The tree that was current is the first of the old ones. */
static int remove_old(struct bfs_export_place *place, unsigned keep, unsigned *ret_removed)
{
	unsigned old = place->current ? 1 : 0, removed = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < place->tree_count; i++) {
		const struct tree *tree = &place->trees[i];

		if (is_current(place, tree) ? keep > 0 : old < keep) {
			old += !is_current(place, tree);
			continue;
		}
		r = retire(place, tree);
		removed += r == 0;
	}
	*ret_removed = removed;
	return r;
}

int bfs_export_place_finish(struct bfs_export_place *place, unsigned keep, unsigned *ret_removed,
	struct bfs_error *error)
{
	int r = syncfs(place->partial_fd) < 0 ? -errno : 0;

	if (r == 0 && renameat(place->fd, place->partial, place->fd, place->final) < 0)
		r = -errno;
	if (r < 0)
		return bfs_error_set(error, r, "finishing the export", place->path, NULL);
	free(bfs_steal(&place->partial));
	r = move_link(place);
	if (r < 0)
		return bfs_error_set(error, r, "moving the link", place->path, NULL);
	r = remove_old(place, keep, ret_removed);
	if (r < 0)
		return bfs_error_set(error, r, "removing old exports", place->path, NULL);
	free(place->current);
	place->current = bfs_path_join(place->parent, place->final);
	return place->current ? 0 : -ENOMEM;
}
