/* The first half of a garbage collection: what stays. */
#include "index/gc.h"
#include "index/lease.h"
#include "index/publish.h"
#include "index/rebuild.h"
#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <fcntl.h>
#include <string.h>

#define STEP "finding out what is in use"

struct mark {
	struct bfs_gc *gc;
	struct bfs_references *references;
	struct bfs_lease_record *leases;
	size_t lease_count;
	char *cache;
	char *copy; /* an index that is not in the cache */
};

static void mark_release(struct mark *mark)
{
	bfs_lease_records_free(mark->leases, mark->lease_count);
	if (mark->copy)
		unlink(mark->copy);
	free(mark->copy);
	free(mark->cache);
}

/* A local copy that was checked when it got its name, or one that is made now. */
static int open_tree(struct mark *mark, const struct bfs_generation *generation,
	struct bfs_tree **ret_tree, struct bfs_error *error)
{
	struct bfs_rebuild rebuild = {.store = mark->gc->store, .cache = mark->cache};
	char name[BFS_STORE_NAME_SIZE];
	_cleanup_free_ char *cached =
		bfs_path_join(mark->cache, bfs_store_index_name(&generation->index, name));
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!cached)
		return -ENOMEM;
	if (stat(cached, &st) == 0 && (uint64_t)st.st_size == generation->size)
		return bfs_tree_open(cached, BFS_TREE_READ, ret_tree, error);
	unlink(mark->copy);
	fd = open(mark->copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return bfs_error_set(error, -errno, STEP, mark->copy, NULL);
	r = bfs_rebuild_index(&rebuild, generation, fd, error);
	return r < 0 ? r : bfs_tree_open(mark->copy, BFS_TREE_READ, ret_tree, error);
}

/* Its files, and all that it uses. -ENOENT where it was removed before. */
static int mark_index(
	struct mark *mark, const struct bfs_generation *generation, struct bfs_error *error)
{
	struct bfs_file mark_of_it = {BFS_FILE_GENERATION, generation->index, generation->size};
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_references_has(mark->references, BFS_FILE_GENERATION, &generation->index);

	if (r != 0)
		return r < 0 ? r : 0;
	r = open_tree(mark, generation, &tree, error);
	if (r == 0)
		r = bfs_references_add(mark->references, &mark_of_it);
	if (r == 0)
		r = bfs_references_add_index(mark->references, mark->gc->store, generation);
	if (r == 0)
		r = bfs_references_add_files(mark->references, tree);
	return r;
}

/* The generation's delta or its whole index, as far as it is there. */
static bool stat_index(
	struct mark *mark, const struct bfs_generation *generation, struct stat *ret_st)
{
	char name[BFS_STORE_NAME_SIZE];
	int fd = bfs_store_fd(mark->gc->store);

	return fstatat(fd, bfs_store_delta_name(&generation->index, name), ret_st,
		       AT_SYMLINK_NOFOLLOW) == 0 ||
	       fstatat(fd, bfs_store_index_name(&generation->index, name), ret_st,
		       AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_leased(const struct mark *mark, const struct bfs_generation *generation)
{
	for (size_t i = 0; i < mark->lease_count; i++)
		for (size_t j = 0; !mark->leases[i].stale && j < mark->leases[i].count; j++)
			if (bfs_digest_equal(
				    &mark->leases[i].generations[j].index, &generation->index))
				return true;
	return false;
}

static int mark_generation(struct mark *mark, const struct bfs_generation *current,
	const struct bfs_generation *generation, struct bfs_error *error)
{
	struct bfs_gc *gc = mark->gc;
	bool is_current = generation->number == current->number;
	struct stat st;
	int r;

	if (!stat_index(mark, generation, &st) && !is_current)
		return 0; /* removed before */
	if (!is_current && generation->number + gc->keep <= current->number &&
		!is_leased(mark, generation) && st.st_mtime <= gc->now - gc->grace) {
		gc->generations++;
		return 0;
	}
	r = mark_index(mark, generation, error);
	gc->kept += r == 0;
	return r;
}

static int mark_ref(struct mark *mark, const char *name, struct bfs_error *error)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct bfs_generation current;
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = bfs_ref_read(mark->gc->store, name, &current, error);

	if (r == 0)
		r = open_tree(mark, &current, &tree, error);
	if (r == 0)
		r = bfs_publication_log(tree, &current, &entries, &count, error);
	/* The copy of an index that is not cached may be needed for the next. */
	bfs_tree_close(bfs_steal(&tree));
	for (size_t i = 0; r == 0 && i < count; i++)
		r = mark_generation(mark, &current, &entries[i].generation, error);
	bfs_log_entries_free(entries, count);
	return r;
}

static int mark_refs(struct mark *mark, struct bfs_error *error)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_ref_list(mark->gc->store, &names, error);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = mark_ref(mark, names[i], error);
	return r;
}

static int remove_file(struct mark *mark, const char *name)
{
	if (!mark->gc->dry_run && unlinkat(bfs_store_fd(mark->gc->store), name, 0) < 0 &&
		errno != ENOENT)
		return -errno;
	return 0;
}

/* A keg that was remembered long ago, or whose index is gone, is forgotten. */
static int mark_keg(struct mark *mark, const char *name, struct bfs_error *error)
{
	struct bfs_gc *gc = mark->gc;
	_cleanup_error_ struct bfs_error missing = BFS_ERROR_INIT;
	struct bfs_generation generation;
	struct stat st;
	int r = bfs_ref_read_keg(gc->store, name, &generation);

	if (fstatat(bfs_store_fd(gc->store), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : bfs_error_set(error, -errno, STEP, name, NULL);
	if (r == 0 && st.st_mtime >= gc->now - (int64_t)BFS_GC_KEG_DAYS * 86400)
		r = mark_index(mark, &generation, &missing);
	else if (r == 0)
		r = -ENOENT;
	if (r == 0 || r == -ENOMEM)
		return r;
	bfs_log_debug("%s is forgotten: %s", name, bfs_error_message(&missing, r));
	gc->kegs++;
	gc->bytes += (uint64_t)st.st_size;
	r = remove_file(mark, name);
	return r < 0 ? bfs_error_set(error, r, "removing a file of the store", name, NULL) : 0;
}

static int mark_kegs(struct mark *mark, struct bfs_error *error)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int r = 0,
	    fd = openat(bfs_store_fd(mark->gc->store), "kegs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return bfs_error_set(error, errno ? -errno : -ENOMEM, STEP, "kegs", NULL);
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *name = bfs_path_join("kegs", entry->d_name);
		size_t length = strlen(entry->d_name);

		if (!name)
			r = -ENOMEM;
		else if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
			r = mark_keg(mark, name, error);
	}
	return r;
}

static int remove_stale_leases(struct mark *mark, struct bfs_error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < mark->lease_count; i++) {
		_cleanup_free_ char *name = bfs_path_join("leases", mark->leases[i].name);

		if (!mark->leases[i].stale)
			continue;
		mark->gc->leases++;
		r = name ? remove_file(mark, name) : -ENOMEM;
		if (r < 0)
			bfs_error_set(error, r, "removing a lease", name, NULL);
	}
	return r;
}

int bfs_gc_mark(struct bfs_gc *gc, struct bfs_references *references, struct bfs_error *error)
{
	BFS_CLEANUP(mark_release) struct mark mark = {.gc = gc, .references = references};
	int r = bfs_cache_directory(&mark.cache, error);

	if (r < 0)
		return r;
	mark.copy = bfs_cache_work_path(mark.cache, ".gc");
	if (!mark.copy)
		return -ENOMEM;
	r = bfs_lease_list(gc->store, &mark.leases, &mark.lease_count, error);
	if (r == 0)
		r = mark_refs(&mark, error);
	if (r == 0)
		r = mark_kegs(&mark, error);
	if (r == 0)
		r = remove_stale_leases(&mark, error);
	if (r < 0)
		return bfs_error_set(error, r, STEP, bfs_store_path(gc->store), NULL);
	return 0;
}
