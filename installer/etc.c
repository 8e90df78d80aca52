#include "installer/etc.h"

#include "index/tree_path.h"
#include "installer/listing.h"
#include "installer/prefix.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <limits.h>
#include <string.h>
#include <time.h>

struct copy {
	struct bfs_tree *tree;
	const char *keg;
	const char *name; /* of the formula */
	int64_t mtime;
	struct bfs_buffer path; /* in the prefix: "etc/x.conf"; in the keg it is below .bottle */
	struct bfs_error *error;
};

static int copy_directory(struct copy *copy, uint64_t ino);

/* The bottled file of any keg of the rack. NULL when out of memory. */
static char *bottled_path(const struct copy *copy, const char *keg)
{
	return bfs_format("%s/.bottle/%s", keg, copy->path.data);
}

static bool is_nowhere(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP;
}

static int have_same_content(struct bfs_tree *tree, uint64_t a, uint64_t b)
{
	struct bfs_content left, right;
	int r = bfs_tree_content(tree, a, &left);

	if (r == 0)
		r = bfs_tree_content(tree, b, &right);
	if (r < 0)
		return r;
	return left.size == right.size && bfs_digest_equal(&left.digest, &right.digest);
}

/* 1 where another installed version brought exactly what is in the file. */
static int is_untouched(const struct copy *copy, uint64_t ino)
{
	_cleanup_free_ char **versions = NULL;
	int r = bfs_rack_versions(copy->tree, copy->name, &versions);

	for (size_t i = 0; r == 0 && versions[i]; i++) {
		_cleanup_free_ char *keg = bfs_keg_path(copy->name, versions[i]);
		_cleanup_free_ char *bottled = keg ? bottled_path(copy, keg) : NULL;
		struct bfs_attributes attributes;

		if (!bottled)
			return -ENOMEM;
		if (strcmp(keg, copy->keg) == 0)
			continue;
		r = bfs_tree_stat_path(copy->tree, bottled, &attributes);
		if (r == 0 && S_ISREG(attributes.mode))
			r = have_same_content(copy->tree, ino, attributes.ino);
		else if (is_nowhere(r) || r == -EXDEV)
			r = 0;
	}
	return r;
}

/*
 * The mode cp leaves: an existing file's own, a new one's after the umask. Big contents are kept by
 * whether they are executable, so the mode must agree with that.
 */
static mode_t choose_mode(const struct bfs_attributes *source, const struct bfs_attributes *there)
{
	bool executable = (source->mode & 0111) != 0;

	if (there && ((there->mode & 0111) != 0) == executable)
		return there->mode & 0777;
	return source->mode & 0755;
}

/* 0 and the path a file can be written to; 1 where it is none of ours: a directory, in a keg, or
 * out of the prefix. */
static int find_place(const struct copy *copy, const char *path, char **ret_real,
	struct bfs_attributes *ret_there)
{
	_cleanup_free_ char *real = NULL;
	int r = bfs_tree_resolve_path(copy->tree, path, &real);

	if (is_nowhere(r) || r == -EXDEV)
		return 1;
	if (r == 0)
		r = bfs_tree_lstat_path(copy->tree, real, ret_there);
	if (r == -ENOENT)
		ret_there->mode = 0;
	else if (r < 0)
		return r;
	if (S_ISDIR(ret_there->mode) || bfs_path_below(real, BFS_CELLAR))
		return 1;
	*ret_real = bfs_steal(&real);
	return 0;
}

static int write_file(const struct copy *copy, const char *path,
	const struct bfs_attributes *source, const struct bfs_attributes *there)
{
	struct bfs_content content;
	int r = bfs_tree_content(copy->tree, source->ino, &content);

	if (r < 0)
		return r;
	return bfs_tree_write_path(copy->tree, path,
		choose_mode(source, there->mode ? there : NULL), copy->mtime, &content);
}

static int write_default(const struct copy *copy, const struct bfs_attributes *source)
{
	_cleanup_free_ char *path = bfs_format("%s.default", copy->path.data), *real = NULL;
	struct bfs_attributes there;
	int r = path ? find_place(copy, path, &real, &there) : -ENOMEM;

	if (r < 0)
		return r;
	if (r > 0) {
		bfs_log_warning("%s is not a file of the prefix; the new default of %s is in %s",
			path, copy->path.data, copy->keg);
		return 0;
	}
	bfs_log_debug("%s differs; wrote %s", copy->path.data, path);
	return write_file(copy, real, source, &there);
}

enum verdict {
	KEEP,	 /* what is there */
	WRITE,	 /* nothing is there, or what nobody changed */
	DEFAULT, /* beside it */
};

static int judge_file(const struct copy *copy, uint64_t source, const struct bfs_attributes *there)
{
	int r;

	if (!S_ISREG(there->mode)) {
		bfs_log_warning("%s is a directory; the file of that name is in %s",
			copy->path.data, copy->keg);
		return KEEP;
	}
	r = have_same_content(copy->tree, there->ino, source);
	if (r != 0)
		return r > 0 ? KEEP : r;
	r = is_untouched(copy, there->ino);
	return r < 0 ? r : r > 0 ? WRITE : DEFAULT;
}

static int judge(const struct copy *copy, uint64_t source)
{
	struct bfs_attributes there;
	int r = bfs_tree_stat_path(copy->tree, copy->path.data, &there);

	if (r == 0)
		return judge_file(copy, source, &there);
	if (r == -EXDEV)
		return DEFAULT;
	return is_nowhere(r) ? WRITE : r;
}

static int make_directories(const struct copy *copy, const char *path)
{
	struct bfs_attributes attributes;

	return bfs_tree_make_directories(copy->tree, path, &attributes);
}

static int copy_file(const struct copy *copy, const struct bfs_attributes *source)
{
	_cleanup_free_ char *parent = bfs_path_parent(copy->path.data), *real = NULL;
	struct bfs_attributes there;
	int verdict, r = parent ? make_directories(copy, parent) : -ENOMEM;

	if (r < 0)
		return r;
	verdict = judge(copy, source->ino);
	if (verdict == WRITE) {
		r = find_place(copy, copy->path.data, &real, &there);
		if (r == 0)
			return write_file(copy, real, source, &there);
		verdict = r > 0 ? DEFAULT : r;
	}
	return verdict == DEFAULT ? write_default(copy, source) : verdict;
}

/* Follows an entry that is a symlink. 1 where it leaves the prefix. */
static int find_source(const struct copy *copy, struct bfs_attributes *source)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (!S_ISLNK(source->mode))
		return 0;
	path = bottled_path(copy, copy->keg);
	r = path ? bfs_tree_stat_path(copy->tree, path, source) : -ENOMEM;
	if (r != -EXDEV)
		return r;
	bfs_log_warning(
		"%s is a link out of the prefix, and is not copied to %s", path, copy->path.data);
	return 1;
}

/* A link to a directory becomes an empty one: Homebrew's walk does not go through links either. */
static int copy_entry(struct copy *copy, const struct bfs_attributes *entry)
{
	struct bfs_attributes source = *entry;
	int r = find_source(copy, &source);

	if (r != 0)
		return r > 0 ? 0 : r;
	if (!S_ISDIR(source.mode))
		return copy_file(copy, &source);
	r = make_directories(copy, copy->path.data);
	if (r == 0 && S_ISDIR(entry->mode))
		r = copy_directory(copy, entry->ino);
	return r;
}

static int visit(struct copy *copy, const struct bfs_listing_entry *entry)
{
	size_t length = copy->path.length;
	int r = length ? bfs_buffer_append(&copy->path, "/", 1) : 0;

	if (r == 0)
		r = bfs_buffer_append(&copy->path, entry->name, entry->length);
	if (r == 0 &&
		copy->path.length >= PATH_MAX) /* nobody could open it; bounds the recursion */
		r = -ENAMETOOLONG;
	if (r == 0)
		r = copy_entry(copy, &entry->attributes);
	if (r < 0)
		bfs_error_set(copy->error, r, "copying the default of", copy->path.data, NULL);
	copy->path.length = length;
	if (copy->path.data)
		copy->path.data[length] = '\0';
	return r;
}

static int copy_directory(struct copy *copy, uint64_t ino)
{
	_cleanup_listing_ struct bfs_listing listing = BFS_LISTING_INIT;
	int r = bfs_listing_read(copy->tree, ino, &listing);

	for (size_t i = 0; r == 0 && i < listing.count; i++)
		r = visit(copy, &listing.entries[i]);
	return r;
}

/* .bottle/etc and .bottle/var, where they are directories. */
static int copy_bottled(struct copy *copy, uint64_t bottle)
{
	static const char *const names[] = {"etc", "var"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(names); i++) {
		struct bfs_listing_entry entry = {
			.name = (char *)names[i], .length = strlen(names[i])};

		r = bfs_tree_lookup(
			copy->tree, bottle, entry.name, entry.length, &entry.attributes);
		if (r == 0 && S_ISDIR(entry.attributes.mode))
			r = visit(copy, &entry);
		else if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int copy_keg(struct copy *copy, uint64_t keg_ino)
{
	struct bfs_attributes bottle;
	int r = bfs_tree_lookup(copy->tree, keg_ino, ".bottle", 7, &bottle);

	if (r < 0 || !S_ISDIR(bottle.mode))
		return r == -ENOENT ? 0 : r;
	r = bfs_tree_begin(copy->tree);
	if (r < 0)
		return r;
	r = copy_bottled(copy, bottle.ino);
	if (r == 0)
		r = bfs_tree_commit(copy->tree);
	if (r < 0)
		bfs_tree_rollback(copy->tree);
	return r;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int bfs_etc_install(struct bfs_tree *tree, const char *keg, struct bfs_error *error)
{
	_cleanup_free_ char *name = NULL;
	struct copy copy = {.tree = tree, .keg = keg, .mtime = now(), .error = error};
	uint64_t ino;
	int r = bfs_keg_open(tree, keg, &name, &ino, error);

	if (r < 0)
		return r;
	copy.name = name;
	r = copy_keg(&copy, ino);
	bfs_buffer_release(&copy.path);
	return r < 0 ? bfs_error_set(error, r, "copying etc and var of", keg, NULL) : 0;
}
