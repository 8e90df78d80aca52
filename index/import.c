#include "index/import.h"

#include "index/commit_kegs.h"
#include "index/import_scan.h"
#include "index/rack.h"
#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#define RECEIPT "INSTALL_RECEIPT.json"

/* Bytes that are searched at once. */
#define PIECE (256 * 1024)

/* An import under way. */
struct import {
	struct bfs_store *store;
	const struct bfs_import_options *options;
	struct bfs_import_result *result;
	char *path;	      /* without symlinks */
	char *prefix;	      /* what it lies at: `path`, or what the keg's Cellar is in */
	char *place;	      /* below the prefix: "" or the keg */
	char *name, *version; /* of the keg; NULL for a prefix */
	int fd;
	struct bfs_ignore *ignore;
	struct bfs_import_scan scan;
	struct bfs_put_files files;
	struct bfs_commit_receipts receipts;
	struct bfs_merge_result merged;

	bool elsewhere;	      /* it does not lie at the store's prefix */
	pthread_mutex_t lock; /* protects what follows */
	uint64_t own_count;   /* files that name their own place */
	char *own_first;
};

void bfs_import_result_release(struct bfs_import_result *result)
{
	bfs_commit_conflicts_free(result->conflicts, result->conflict_count);
	free(result->keg);
	*result = (struct bfs_import_result){0};
}

static void release(struct import *import)
{
	bfs_import_scan_release(&import->scan);
	bfs_put_files_release(&import->files);
	bfs_commit_receipts_release(&import->receipts);
	bfs_merge_result_release(&import->merged);
	bfs_ignore_free(import->ignore);
	bfs_cleanup_close(&import->fd);
	pthread_mutex_destroy(&import->lock);
	free(import->own_first);
	free(import->path);
	free(import->prefix);
	free(import->place);
	free(import->name);
	free(import->version);
}

/* --- what it is --- */

/* Splits ".../Cellar/NAME/VERSION"; 0 for any other path. */
static int split_keg(struct import *import)
{
	char *version = strrchr(import->path, '/');
	char *name = version && version > import->path
			     ? memrchr(import->path, '/', (size_t)(version - import->path))
			     : NULL;
	size_t rest = name ? (size_t)(name - import->path) : 0;
	static const char cellar[] = "/" BFS_CELLAR_DIRECTORY;
	size_t length = sizeof(cellar) - 1;

	if (rest < length || strncmp(name - length, cellar, length) != 0)
		return 0;
	import->name = strndup(name + 1, (size_t)(version - name - 1));
	import->version = strdup(version + 1);
	import->prefix = strndup(import->path, rest - length);
	if (!import->name || !import->version || !import->prefix)
		return -ENOMEM;
	import->place = bfs_format(BFS_CELLAR_DIRECTORY "/%s/%s", import->name, import->version);
	import->result->keg = import->place ? strdup(import->place) : NULL;
	return import->result->keg ? 1 : -ENOMEM;
}

static bool ends_with(const char *path, const char *end)
{
	size_t length = strlen(path), tail = strlen(end);

	return length >= tail && strcmp(path + length - tail, end) == 0;
}

static int find_out(struct import *import, struct bfs_error *error)
{
	struct stat st;
	int r;

	import->path = realpath(import->options->path, NULL);
	if (!import->path)
		return bfs_error_set(error, -errno, "importing", import->options->path, NULL);
	import->fd = open(import->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->fd < 0)
		return bfs_error_set(error, -errno, "importing", import->path, NULL);
	r = split_keg(import);
	if (r < 0)
		return r;
	if (r == 0 &&
		(fstatat(import->fd, BFS_CELLAR_DIRECTORY, &st, 0) < 0 || !S_ISDIR(st.st_mode)))
		return bfs_error_set(error, -EINVAL, "importing", import->path,
			"neither a prefix, since it has no " BFS_CELLAR_DIRECTORY
			", nor a keg, since it is not in one");
	if (r == 0) {
		import->prefix = strdup(import->path);
		import->place = strdup("");
	}
	if (!import->prefix || !import->place)
		return -ENOMEM;
	/* That of an image ends with the path that it has when it runs. */
	import->elsewhere = !ends_with(import->prefix, bfs_store_prefix(import->store)) &&
			    strcmp(import->prefix, "/") != 0 && *import->prefix;
	return 0;
}

static int load_rules(struct import *import, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_free_ char *path = bfs_path_join(import->prefix, BFS_IGNORE_FILE);
	int r = path ? bfs_read_file(AT_FDCWD, path, BFS_IGNORE_SIZE_MAX, &text) : -ENOMEM;

	if (r == -ENOENT)
		r = 0;
	if (r == 0)
		r = bfs_ignore_new(
			bfs_store_prefix(import->store), text.data, text.length, &import->ignore);
	return r < 0 ? bfs_error_set(error, r, "reading the rules", path, NULL) : 0;
}

/* --- files --- */

/* Whether the bytes have a path below the place that the prefix lies at: "PLACE/lib", ... */
static bool names_place(const void *data, size_t length, const char *place)
{
	static const char *const directories[] = {
		"Cellar", "opt", "lib", "bin", "etc", "var", "share", "include", "sbin", "libexec"};
	const char *at = data, *end = at + length;
	size_t size = strlen(place);

	while ((at = memmem(at, (size_t)(end - at), place, size))) {
		at += size;
		for (size_t i = 0; at < end && *at == '/' && i < BFS_ARRAY_LENGTH(directories);
			i++) {
			size_t part = strlen(directories[i]);

			if ((size_t)(end - at) > part && memcmp(at + 1, directories[i], part) == 0)
				return true;
		}
	}
	return false;
}

/* Reads it piece by piece, each beginning with the end of the one before. */
static int search_place(const struct import *import, int fd, bool *ret_found)
{
	size_t overlap = strlen(import->prefix) + sizeof("/include/"), kept = 0;
	size_t capacity = overlap + PIECE;
	_cleanup_free_ char *piece = malloc(capacity);
	off_t offset = 0;

	*ret_found = false;
	if (!piece)
		return -ENOMEM;
	for (;;) {
		ssize_t n = pread(fd, piece + kept, PIECE, offset);
		size_t length;

		if (n <= 0)
			return n < 0 ? -errno : 0;
		length = kept + (size_t)n;
		*ret_found = names_place(piece, length, import->prefix);
		if (*ret_found)
			return 0;
		kept = length < overlap ? length : overlap;
		memmove(piece, piece + length - kept, kept);
		offset += n;
	}
}

static int look_for_place(
	struct import *import, const struct bfs_import_file *file, int fd, struct bfs_error *error)
{
	bool found = false;
	int r = import->elsewhere ? search_place(import, fd, &found) : 0;

	if (r < 0)
		return bfs_error_set(error, r, "reading", file->path, NULL);
	if (!found)
		return 0;
	pthread_mutex_lock(&import->lock);
	if (import->own_count++ == 0)
		import->own_first = strdup(file->path);
	pthread_mutex_unlock(&import->lock);
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int check_same(const struct import *import, const struct bfs_import_file *file, int fd,
	struct bfs_error *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bfs_error_set(error, -errno, "reading", file->path, NULL);
	if (is_same(&st, &file->stat))
		return 0;
	return bfs_error_set(error, -ESTALE, "importing", import->path,
		"%s changed while it was read", file->path);
}

static int open_file(void *context, const struct bfs_put_file *put, struct bfs_put_data *ret_data,
	struct bfs_error *error)
{
	struct import *import = context;
	const struct bfs_import_file *file = &import->scan.files[put->id];
	_cleanup_close_ int fd = -1;
	int r = bfs_import_open(&import->scan, file->path, &fd);

	if (r < 0)
		return bfs_error_set(error, r, "reading", file->path, NULL);
	r = check_same(import, file, fd, error);
	if (r == 0)
		r = look_for_place(import, file, fd, error);
	if (r < 0)
		return r;
	*ret_data = (struct bfs_put_data){.fd = bfs_steal_fd(&fd)};
	return 1;
}

static void close_file(void *context, struct bfs_put_data *data)
{
	(void)context;
	close(data->fd);
}

static int note_place(void *context, const struct bfs_put_file *put, struct bfs_put_data *data,
	const struct bfs_content *content, struct bfs_error *error)
{
	struct import *import = context;
	const struct bfs_import_file *file = &import->scan.files[put->id];
	struct bfs_merge_node *node = bfs_merge_nodes_find(&import->scan.nodes, file->ino);

	node->content = *content;
	node->known = node->placed = true;
	return check_same(import, file, data->fd, error);
}

static int put(
	struct import *import, const struct bfs_put_writers *writers, struct bfs_error *error)
{
	const struct bfs_put_source source = {
		.context = import, .open = open_file, .close = close_file, .placed = note_place};

	return bfs_put_files_run(&import->files, &source, writers, error);
}

static int check_place(const struct import *import, struct bfs_error *error)
{
	if (!import->own_count)
		return 0;
	return bfs_error_set(error, -EXDEV, "importing", import->path,
		"it was made for %s and works only there, not at %s: %llu files name that place, "
		"%s for one. Install its formulae with brewfs install instead",
		import->prefix, bfs_store_prefix(import->store),
		(unsigned long long)import->own_count, import->own_first ? import->own_first : "?");
}

/* --- the tree --- */

/* The directory that the keg or prefix comes to be in, in a tree of its own. */
static int make_tree(struct import *import, uint64_t *ret_parent, struct bfs_error *error)
{
	struct bfs_attributes parent = {.ino = BFS_TREE_ROOT};
	int r = bfs_tree_open(NULL, BFS_TREE_NEW, &import->scan.tree, error);

	if (r == 0 && *import->place)
		r = bfs_tree_make_directories(import->scan.tree, import->place, &parent);
	*ret_parent = parent.ino;
	return r;
}

/* Directories above a keg are as theirs has them. */
static int copy_attributes(struct import *import, struct bfs_tree *theirs, const char *path)
{
	struct bfs_attributes ours, attributes;
	int r = bfs_tree_lstat_path(theirs, path, &attributes);

	if (r < 0 || !S_ISDIR(attributes.mode))
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	r = bfs_tree_lstat_path(import->scan.tree, path, &ours);
	if (r == 0)
		r = bfs_tree_set_mode(import->scan.tree, ours.ino, attributes.mode);
	return r;
}

static int copy_attributes_above(struct import *import, struct bfs_tree *theirs)
{
	_cleanup_free_ char *rack =
		bfs_format(BFS_CELLAR_DIRECTORY "/%s", import->name ? import->name : "");
	int r = rack ? 0 : -ENOMEM;

	if (r == 0 && import->name)
		r = copy_attributes(import, theirs, "");
	if (r == 0 && import->name)
		r = copy_attributes(import, theirs, BFS_CELLAR_DIRECTORY);
	if (r == 0 && import->name)
		r = copy_attributes(import, theirs, rack);
	return r;
}

/* A new prefix is as the imported one; one that is there keeps its permissions. */
static int prepare_root(struct import *import, struct bfs_tree *theirs, bool is_new)
{
	struct stat st;

	if (!is_new || *import->place)
		return 0;
	if (fstat(import->fd, &st) < 0)
		return -errno;
	return bfs_tree_set_mode(theirs, BFS_TREE_ROOT, st.st_mode & 07777);
}

static int scan(
	struct import *import, struct bfs_tree *theirs, bool is_new, struct bfs_error *error)
{
	uint64_t parent = BFS_TREE_ROOT;
	int r = prepare_root(import, theirs, is_new);

	if (r == 0)
		r = make_tree(import, &parent, error);
	if (r < 0)
		return bfs_error_set(error, r, "importing", import->path, NULL);
	import->scan.path = import->path;
	import->scan.fd = import->fd;
	import->scan.ignore = import->ignore;
	import->scan.theirs = theirs;
	r = bfs_import_scan_run(&import->scan, parent, import->place, error);
	if (r == 0)
		r = copy_attributes_above(import, theirs);
	for (size_t i = 0; r == 0 && i < import->scan.count; i++)
		r = bfs_put_files_add(&import->files, i,
			(uint64_t)import->scan.files[i].stat.st_size,
			import->scan.files[i].stat.st_mode);
	import->result->directories = import->scan.directories;
	import->result->files = import->scan.names;
	import->result->links = import->scan.symlinks;
	import->result->ignored = import->scan.ignored;
	import->result->skipped = import->scan.skipped;
	return r;
}

/* --- kegs --- */

static int add_receipt(struct import *import, const struct bfs_import_file *file)
{
	_cleanup_free_ char *path = bfs_path_join(import->place, file->path);
	const struct bfs_change change = {.path = path, .ino = file->ino, .mode = S_IFREG};

	return path ? bfs_commit_receipts_add(&import->receipts, &change) : -ENOMEM;
}

/* `context` is the import. */
static int read_receipt(void *context, uint64_t ino, size_t limit, struct bfs_buffer *buffer,
	struct bfs_error *error)
{
	struct import *import = context;

	for (size_t i = 0; i < import->scan.count; i++) {
		const struct bfs_import_file *file = &import->scan.files[i];
		_cleanup_close_ int fd = -1;
		int r;

		if (file->ino != ino)
			continue;
		if ((uint64_t)file->stat.st_size > limit)
			return -EFBIG;
		r = bfs_import_open(&import->scan, file->path, &fd);
		if (r == 0)
			r = bfs_buffer_reserve(buffer, (size_t)file->stat.st_size);
		if (r == 0)
			r = bfs_pread_all(fd, buffer->data, (size_t)file->stat.st_size, 0);
		if (r < 0)
			return bfs_error_set(error, r, "reading", file->path, NULL);
		buffer->length = (size_t)file->stat.st_size;
		buffer->data[buffer->length] = '\0';
		return 0;
	}
	return -ENOENT;
}

/* As brew has it: the keg that dependents use. One that is there stays. */
static int add_opt(struct import *import, struct bfs_tree *theirs)
{
	_cleanup_free_ char *path = bfs_format("opt/%s", import->name);
	_cleanup_free_ char *target =
		bfs_format("../" BFS_CELLAR_DIRECTORY "/%s/%s", import->name, import->version);
	struct bfs_attributes attributes;
	int r = path && target ? bfs_tree_lstat_path(theirs, path, &attributes) : -ENOMEM;

	if (r != -ENOENT)
		return r;
	r = bfs_tree_make_directories(theirs, "opt", &attributes);
	return r == 0 ? bfs_tree_symlink_path(theirs, target, path) : r;
}

static int note_kegs(struct import *import, struct bfs_tree *theirs, struct bfs_error *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < import->scan.count; i++)
		if (ends_with(import->scan.files[i].path, RECEIPT))
			r = add_receipt(import, &import->scan.files[i]);
	if (r == 0)
		r = bfs_commit_note_kegs(
			&import->receipts, read_receipt, import, &import->merged, theirs, error);
	if (r == 0 && import->name)
		r = add_opt(import, theirs);
	return r < 0 ? bfs_error_set(error, r, "noting the kegs", import->path, NULL) : 0;
}

/* --- all --- */

static int refuse(const struct import *import, struct bfs_error *error)
{
	const struct bfs_import_result *result = import->result;

	return bfs_error_set(error, -ENOTUNIQ, "importing", import->path,
		"%zu %s in the store with other content, the first is %s", result->conflict_count,
		result->conflict_count == 1 ? "path is" : "paths are", result->conflicts[0].path);
}

static int merge(struct import *import, struct bfs_tree *theirs, struct bfs_error *error)
{
	const struct bfs_merge_order order = {
		.ours = {.tree = import->scan.tree, .nodes = &import->scan.nodes},
		.theirs = theirs,
		.ignore = import->ignore,
		.side = import->options->side,
	};
	int r = bfs_merge_run(&order, &import->merged, error);

	import->result->conflicts = bfs_steal(&import->merged.conflicts);
	import->result->conflict_count = import->merged.conflict_count;
	import->merged.conflict_count = 0;
	if (r == -ENOTUNIQ)
		return refuse(import, error);
	return r == 0 ? note_kegs(import, theirs, error) : r;
}

static int publish(
	struct import *import, struct bfs_publication *publication, struct bfs_error *error)
{
	_cleanup_free_ char *made = bfs_format("import %s", import->path);
	const char *message = import->options->message ? import->options->message : made;

	return message ? bfs_publication_commit(
				 publication, message, &import->result->generation, error)
		       : -ENOMEM;
}

static int run(struct import *import, struct bfs_publication *publication, struct bfs_error *error)
{
	_cleanup_put_writers_ struct bfs_put_writers writers = {.count = 0};
	struct bfs_tree *theirs = bfs_publication_tree(publication);
	bool is_new = bfs_publication_base(publication)->number == 0;
	int r = scan(import, theirs, is_new, error);

	if (r == 0)
		r = bfs_put_writers_make(&writers, import->store,
			bfs_publication_base_path(publication), &import->files, error);
	if (r == 0)
		r = put(import, &writers, error);
	if (r == 0)
		r = check_place(import, error);
	if (r == 0)
		r = merge(import, theirs, error);
	if (r < 0 || !import->merged.changed)
		return r;
	r = bfs_put_writers_commit(&writers, theirs, &import->result->stored_bytes, error);
	return r == 0 ? publish(import, publication, error) : r;
}

int bfs_import(struct bfs_store *store, const char *ref, const struct bfs_import_options *options,
	struct bfs_import_result *ret_result, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	struct import import = {.store = store, .options = options, .result = ret_result, .fd = -1};
	int r;

	*ret_result = (struct bfs_import_result){0};
	pthread_mutex_init(&import.lock, NULL);
	r = find_out(&import, error);
	if (r == 0)
		r = load_rules(&import, error);
	if (r == 0)
		r = bfs_publication_begin(store, ref, &publication, error);
	if (r == 0)
		r = run(&import, publication, error);
	release(&import);
	return r < 0 ? bfs_error_set(error, r, "importing", options->path, NULL) : 0;
}
