#include "index/check_store.h"

#include "index/check_files.h"
#include "index/check_prefix.h"
#include "index/check_tree.h"
#include "index/check_unused.h"
#include "index/publish.h"
#include "index/rebuild.h"
#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* An index to be looked at. */
struct source {
	struct bfs_generation generation;
	char *ref; /* NULL: a remembered keg */
	bool current;
	char *file; /* what names it: "refs/x86_64_linux", "kegs/KEY.json" */
	bool sound; /* it was there, and what its name says */
};

struct walk {
	struct bfs_check_store *store_check;
	struct bfs_check *check;
	struct bfs_store *store;
	struct bfs_references *references;
	struct source *sources;
	size_t count;
	char *copy;    /* path of the local copy of the index at hand */
	bool complete; /* all that is used is known */
	struct bfs_check_files files;
};

static void walk_release(struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		free(walk->sources[i].ref);
		free(walk->sources[i].file);
	}
	free(walk->sources);
	if (walk->copy)
		unlink(walk->copy);
	free(walk->copy);
	free(walk->files.findings);
	bfs_references_free(walk->references);
}
#define _cleanup_walk_ BFS_CLEANUP(walk_release)

static int add_source(struct walk *walk, const struct bfs_generation *generation, const char *ref,
	bool current, const char *file)
{
	struct source *grown = reallocarray(walk->sources, walk->count + 1, sizeof(*grown));
	struct source source = {
		*generation, ref ? strdup(ref) : NULL, current, strdup(file), false};

	if (grown)
		walk->sources = grown;
	if (!grown || !source.file || (ref && !source.ref)) {
		free(source.ref);
		free(source.file);
		return -ENOMEM;
	}
	walk->sources[walk->count++] = source;
	return 0;
}

static int add_ref(struct walk *walk, const char *ref)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *file = bfs_path_join("refs", ref);
	struct bfs_generation generation;
	int r = bfs_ref_read(walk->store, ref, &generation, &error);

	if (!file)
		return -ENOMEM;
	walk->store_check->refs++;
	if (r == 0)
		return add_source(walk, &generation, ref, true, file);
	walk->complete = false;
	bfs_check_add(
		walk->check, BFS_CHECK_PROBLEM, "ref", file, "%s", bfs_error_message(&error, r));
	return r == -ENOMEM ? r : 0;
}

static int add_refs(struct walk *walk, struct bfs_error *error)
{
	_cleanup_free_ char **names = NULL;
	int r;

	if (walk->store_check->ref)
		return add_ref(walk, walk->store_check->ref);
	r = bfs_ref_list(walk->store, &names, error);
	for (size_t i = 0; r == 0 && names[i]; i++)
		r = add_ref(walk, names[i]);
	return r;
}

static int add_keg(struct walk *walk, const char *name)
{
	_cleanup_free_ char *file = bfs_path_join("kegs", name);
	struct bfs_generation generation;
	int r = file ? bfs_ref_read_keg(walk->store, file, &generation) : -ENOMEM;

	if (r == -ENOMEM)
		return r;
	if (r == 0)
		return add_source(walk, &generation, NULL, false, file);
	/* The keg will be poured again: no harm done. */
	bfs_check_add(
		walk->check, BFS_CHECK_NOTE, "keg-memory", file, "it does not name a poured keg");
	return 0;
}

static int add_kegs(struct walk *walk)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = openat(bfs_store_fd(walk->store), "kegs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0; /* nothing is remembered */
	}
	while (r == 0 && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);

		/* What a writer that died left beside one ends in .new. */
		if (length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0)
			r = add_keg(walk, entry->d_name);
	}
	return r;
}

static struct bfs_finding *report(struct walk *walk, const struct bfs_check_origin *origin,
	const char *what, const char *detail)
{
	struct bfs_finding *finding =
		bfs_check_add(walk->check, BFS_CHECK_PROBLEM, what, origin->index, "%s", detail);

	walk->complete = false;
	if (origin->ref) /* all of it */
		bfs_check_affect(walk->check, finding, origin, "");
	return finding;
}

/* Copies the index to local disk and compares the copy with its name. 1 if it is right, 0 after a
 * finding. */
static int copy_index(struct walk *walk, const struct bfs_check_origin *origin,
	const struct bfs_generation *generation, int from)
{
	_cleanup_close_ int to = -1;
	struct bfs_digest digest;
	struct stat st;
	int r;

	if (fstat(from, &st) < 0 || !S_ISREG(st.st_mode)) {
		report(walk, origin, "file-type", "it is no regular file");
		return 0;
	}
	if ((uint64_t)st.st_size != generation->size) {
		report(walk, origin, "file-size", "its size is not what the ref says");
		return 0;
	}
	unlink(walk->copy);
	to = open(walk->copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = bfs_copy_range(from, to, generation->size);
	if (r == 0)
		r = bfs_digest_of_fd(to, &digest, NULL);
	if (r == -EIO || r == -ENODATA) {
		report(walk, origin, "file-unreadable", strerror(-r));
		return 0;
	}
	if (r == 0 && !bfs_digest_equal(&digest, &generation->index)) {
		report(walk, origin, "file-digest", "its SHA-256 is not its name");
		return 0;
	}
	return r < 0 ? r : 1;
}

/* What a delta makes of what it is applied to, all of it out of the store. As copy_index(). */
static int rebuild_index(struct walk *walk, const struct bfs_check_origin *origin,
	const struct bfs_generation *generation)
{
	struct bfs_rebuild rebuild = {.store = walk->store};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_check_origin damaged = *origin;
	_cleanup_close_ int to = -1;
	int r;

	unlink(walk->copy);
	to = open(walk->copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = bfs_rebuild_index(&rebuild, generation, to, &error);
	if (r == 0)
		return 1;
	damaged.index = rebuild.file;
	if (!*rebuild.file)
		return r;
	if (r == -ENOENT)
		report(walk, &damaged, "file-missing", "it is missing");
	else if (r == -EBADMSG)
		report(walk, &damaged, "file-digest", bfs_error_message(&error, r));
	else
		report(walk, &damaged, "file-unreadable", strerror(-r));
	return 0;
}

static bool is_delta(const struct bfs_check_origin *origin)
{
	size_t length = strlen(origin->index);

	return length > 6 && strcmp(origin->index + length - 6, ".delta") == 0;
}

/* 1 where the index is there and whole, 0 where not; old ones may have been removed. */
static int fetch(
	struct walk *walk, const struct source *source, const struct bfs_check_origin *origin)
{
	_cleanup_close_ int fd = openat(bfs_store_fd(walk->store), origin->index,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && is_delta(origin))
		return rebuild_index(walk, origin, &source->generation);
	if (fd >= 0)
		return copy_index(walk, origin, &source->generation, fd);
	if (errno == ENOENT && !source->current && source->ref)
		return 0;
	if (errno == ENOENT && !source->ref) /* the keg will be poured again */
		bfs_check_add(walk->check, BFS_CHECK_NOTE, "keg-memory", source->file,
			"its index %s is missing", origin->index);
	else if (errno == ENOENT)
		report(walk, origin, "file-missing", "it is missing");
	else
		report(walk, origin, "file-unreadable", strerror(errno));
	return 0;
}

/* Older generations, as far as their indexes are still in the store. */
static int add_history(struct walk *walk, const struct source *source, struct bfs_tree *tree)
{
	_cleanup_free_ char *ref = strdup(source->ref), *file = strdup(source->file);
	struct bfs_log_entry *entries = NULL;
	size_t count = 0;
	int r = ref && file ? bfs_publication_log(tree, &source->generation, &entries, &count, NULL)
			    : -ENOMEM;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (entries[i].generation.number < source->generation.number)
			r = add_source(walk, &entries[i].generation, ref, false, file);
	bfs_log_entries_free(entries, count);
	return r == -EUCLEAN ? 0 : r; /* reported by the check of the tree */
}

/* Told by the name of the index, or of the delta where there is only that. */
static struct bfs_check_origin origin_of(
	struct walk *walk, const struct source *source, char name[BFS_STORE_NAME_SIZE])
{
	int fd = bfs_store_fd(walk->store);

	bfs_store_delta_name(&source->generation.index, name);
	if (faccessat(fd, name, F_OK, 0) < 0)
		bfs_store_index_name(&source->generation.index, name);
	return (struct bfs_check_origin){name, source->ref, source->generation.number};
}

static int check_contents(
	struct walk *walk, const struct source *source, const struct bfs_check_origin *origin)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	int r = bfs_check_tree(walk->check, origin, walk->copy, walk->store_check->quick, &tree);

	if (r < 0 || !tree) {
		walk->complete = false;
		return r;
	}
	if (source->ref)
		r = bfs_check_prefix(walk->check, origin, walk->store, tree);
	if (r == 0)
		r = bfs_references_add_tree(walk->references, tree);
	if (r == 0 && source->current && !walk->store_check->quick)
		r = add_history(walk, source, tree);
	return r;
}

static int check_source(struct walk *walk, size_t which)
{
	char name[BFS_STORE_NAME_SIZE];
	struct source source = walk->sources[which]; /* the array may move */
	struct bfs_check_origin origin = origin_of(walk, &source, name);
	struct bfs_file mark = {
		BFS_FILE_GENERATION, source.generation.index, source.generation.size};
	int r = bfs_references_has(walk->references, BFS_FILE_GENERATION, &mark.digest);

	if (r != 0 && !source.current) /* looked at already, for another ref */
		return r < 0 ? r : 0;
	r = bfs_references_add(walk->references, &mark);
	if (r == 0)
		r = bfs_references_add_index(walk->references, walk->store, &source.generation);
	if (r == 0 || r == -EBADMSG) /* which then is found again */
		r = fetch(walk, &source, &origin);
	if (r <= 0)
		return r;
	walk->sources[which].sound = true;
	*(source.ref ? &walk->store_check->generations : &walk->store_check->kegs) += 1;
	return check_contents(walk, &source, &origin);
}

static int check_sources(struct walk *walk)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < walk->count; i++)
		r = check_source(walk, i);
	unlink(walk->copy);
	return r;
}

static int check_files(struct walk *walk)
{
	struct bfs_check_store *store_check = walk->store_check;
	uint64_t bytes, pack_bytes, files, total = 0;
	int r = bfs_references_count(
		walk->references, BFS_FILE_PACK, &store_check->packs, &pack_bytes);

	total = pack_bytes;
	for (int kind = BFS_FILE_OBJECT; r == 0 && kind <= BFS_FILE_EXECUTABLE; kind++) {
		r = bfs_references_count(
			walk->references, (enum bfs_file_kind)kind, &files, &bytes);
		store_check->objects += r == 0 ? files : 0;
		total += r == 0 ? bytes : 0;
	}
	if (r < 0)
		return r;
	walk->files.check = walk->check;
	walk->files.store = walk->store;
	walk->files.references = walk->references;
	walk->files.quick = store_check->quick;
	walk->files.bar = bfs_progress_add(store_check->progress, "contents", (int64_t)total);
	r = bfs_check_files(&walk->files);
	bfs_progress_bar_finish(walk->files.bar);
	store_check->bytes = walk->files.bytes;
	return r;
}

/* A tree in which the paths that damage touches are looked for. */
struct search {
	struct walk *walk;
	const struct bfs_check_origin *origin;
	struct bfs_tree *tree;
	const bool *wanted; /* by number of the damage */
};

static int affect(void *context, uint64_t parent, const char *name, size_t length, size_t number)
{
	struct search *search = context;
	_cleanup_free_ char *directory = NULL, *base = strndup(name, length), *path = NULL;
	struct bfs_finding *finding;
	int r = 0;

	if (number >= search->walk->files.finding_count || !search->wanted[number])
		return 0;
	finding = search->walk->files.findings[number];
	if (finding->affected_count >= BFS_CHECK_AFFECTED) { /* only counted */
		bfs_check_affect(search->walk->check, finding, search->origin, "");
		return 0;
	}
	r = bfs_check_path_of(search->tree, parent, &directory);
	if (r < 0)
		return r;
	path = base ? bfs_path_join(directory, base) : NULL;
	if (!path)
		return -ENOMEM;
	bfs_check_affect(search->walk->check, finding, search->origin, path);
	return 0;
}

static int search_source(struct walk *walk, const struct source *source, const bool *wanted)
{
	char name[BFS_STORE_NAME_SIZE];
	struct bfs_check_origin origin = origin_of(walk, source, name);
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	struct search search = {walk, &origin, NULL, wanted};
	int r = fetch(walk, source, &origin);

	if (r <= 0)
		return r;
	if (bfs_tree_open(walk->copy, BFS_TREE_READ, &tree, NULL) < 0)
		return 0;
	search.tree = tree;
	return bfs_references_visit_damage(walk->references, tree, affect, &search);
}

/* Which findings are still without a path. */
static bool choose_wanted(const struct walk *walk, bool *ret_wanted)
{
	bool any = false;

	for (size_t i = 0; i < walk->files.finding_count; i++) {
		ret_wanted[i] = walk->files.findings[i]->affected_count == 0;
		any = any || ret_wanted[i];
	}
	return any;
}

/*
 * Tells what damaged files touch: in all current generations; and for what none of those uses, in
 * the newest of the others, or in a remembered keg.
 */
static int find_affected(struct walk *walk)
{
	_cleanup_free_ bool *wanted = calloc(walk->files.finding_count + 1, sizeof(*wanted));
	int r = wanted ? 0 : -ENOMEM;

	if (r == 0)
		choose_wanted(walk, wanted);
	for (size_t i = 0; r == 0 && i < walk->count; i++)
		if (walk->sources[i].current && walk->sources[i].sound)
			r = search_source(walk, &walk->sources[i], wanted);
	for (size_t i = 0; r == 0 && i < walk->count && choose_wanted(walk, wanted); i++)
		if (!walk->sources[i].current && walk->sources[i].sound)
			r = search_source(walk, &walk->sources[i], wanted);
	unlink(walk->copy);
	return r == -EUCLEAN ? 0 : r;
}

static int check_directories(struct walk *walk)
{
	static const char *const directories[] = {
		"refs", "indexes", "objects", "packs", "kegs", "leases", "locks", "staging"};
	struct stat st;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(directories); i++)
		if (fstatat(bfs_store_fd(walk->store), directories[i], &st, 0) < 0 ||
			!S_ISDIR(st.st_mode))
			bfs_check_add(walk->check, BFS_CHECK_PROBLEM, "store-directory",
				directories[i], "the directory is missing");
	return bfs_check_error(walk->check);
}

static int run(struct walk *walk, struct bfs_error *error)
{
	struct bfs_check_store *store_check = walk->store_check;
	bool all = !store_check->ref && !store_check->quick;
	int r = check_directories(walk);

	if (r == 0)
		r = add_refs(walk, error);
	if (r == 0 && all)
		r = add_kegs(walk);
	if (r == 0)
		r = check_sources(walk);
	if (r == 0)
		r = check_files(walk);
	if (r == 0 && walk->files.finding_count)
		r = find_affected(walk);
	store_check->unused_known = all && walk->complete;
	if (r == 0 && store_check->unused_known)
		r = bfs_check_unused(store_check, walk->references);
	return r == 0 ? bfs_check_error(walk->check) : r;
}

int bfs_check_store(struct bfs_check_store *store_check, struct bfs_error *error)
{
	_cleanup_walk_ struct walk walk = {.store_check = store_check,
		.check = store_check->check,
		.store = store_check->store,
		.complete = true};
	_cleanup_free_ char *cache = NULL;
	int r = bfs_cache_directory(&cache, error);

	if (r < 0)
		return r;
	/* Named like a working copy (index/publish.c), so that it is removed if this process is
	 * killed. */
	walk.copy = bfs_cache_work_path(cache, ".fsck");
	r = walk.copy ? bfs_references_new(&walk.references) : -ENOMEM;
	if (r == 0)
		r = run(&walk, error);
	return r < 0 ? bfs_error_set(error, r, "checking the store",
			       bfs_store_path(store_check->store), NULL)
		     : 0;
}
