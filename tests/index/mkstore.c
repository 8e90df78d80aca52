/*
 * mkstore STORE REF TREE [NOTES]: publishes a directory tree as a generation of a store, for tests
 * of the commands.
 *
 * Kegs are recorded by their receipts. NOTES is a directory with what has no place in the tree:
 * NAME.pending, the steps not yet run of a formula, and NAME.brewfs, our own member of its record.
 */
#include "index/keg.h"
#include "index/publish.h"
#include "index/tree_path.h"
#include "index/writer.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"

#include <fcntl.h>
#include <string.h>

#define FILE_LIMIT (256 * 1024 * 1024)
#define LINKS_MAX  1024 /* hardlinked files that a test may have */

struct import {
	struct bfs_tree *tree;
	struct bfs_writer *writer;
	const char *notes;
	struct bfs_error *error;
	struct {
		ino_t source;
		uint64_t ino;
	} links[LINKS_MAX];
	size_t link_count;
};

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int import_link(struct import *import, const char *source, const struct stat *st,
	uint64_t parent, const char *name)
{
	char target[BFS_TARGET_MAX + 1];
	ssize_t length = readlink(source, target, sizeof(target));

	if (length < 0)
		return -errno;
	return bfs_tree_make_symlink(import->tree, parent, name, strlen(name), target,
		(size_t)length, mtime_of(st), NULL);
}

static int import_file(struct import *import, const char *source, const struct stat *st,
	uint64_t parent, const char *name)
{
	_cleanup_buffer_ struct bfs_buffer data = BFS_BUFFER_INIT;
	struct bfs_content content;
	uint64_t ino;
	int r;

	for (size_t i = 0; i < import->link_count; i++)
		if (import->links[i].source == st->st_ino)
			return bfs_tree_link(
				import->tree, import->links[i].ino, parent, name, strlen(name));
	r = bfs_read_file(AT_FDCWD, source, FILE_LIMIT, &data);
	if (r == 0)
		r = bfs_writer_add(import->writer, data.data, data.length, st->st_mode, &content,
			import->error);
	if (r == 0)
		r = bfs_tree_make_file(import->tree, parent, name, strlen(name), st->st_mode,
			mtime_of(st), &content, &ino);
	if (r == 0 && st->st_nlink > 1 && import->link_count < LINKS_MAX) {
		import->links[import->link_count].source = st->st_ino;
		import->links[import->link_count++].ino = ino;
	}
	return r;
}

static int import_directory(struct import *import, const char *source, uint64_t ino);

static int import_entry(
	struct import *import, const char *directory, uint64_t parent, const char *name)
{
	_cleanup_free_ char *source = bfs_path_join(directory, name);
	struct stat st;
	uint64_t ino;
	int r;

	if (!source || lstat(source, &st) < 0)
		return source ? -errno : -ENOMEM;
	if (S_ISLNK(st.st_mode))
		return import_link(import, source, &st, parent, name);
	if (S_ISREG(st.st_mode))
		return import_file(import, source, &st, parent, name);
	r = bfs_tree_make_directory(
		import->tree, parent, name, strlen(name), st.st_mode, mtime_of(&st), &ino);
	if (r == 0)
		r = import_directory(import, source, ino);
	return r == 0 ? bfs_tree_set_mtime(import->tree, ino, mtime_of(&st)) : r;
}

static int import_directory(struct import *import, const char *source, uint64_t ino)
{
	_cleanup_closedir_ DIR *dir = opendir(source);
	struct dirent *entry;
	int r = dir ? 0 : -errno;

	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = import_entry(import, source, ino, entry->d_name);
	return r;
}

/* The text of NOTES/NAME.ENDING, or NULL. */
static char *read_note(const struct import *import, const char *name, const char *ending)
{
	_cleanup_free_ char *path =
		import->notes ? bfs_format("%s/%s.%s", import->notes, name, ending) : NULL;
	struct bfs_buffer text = BFS_BUFFER_INIT;

	if (!path || bfs_read_file(AT_FDCWD, path, FILE_LIMIT, &text) < 0)
		return NULL;
	return bfs_buffer_steal(&text);
}

static int record_keg(
	const struct import *import, const char *tree, const char *name, const char *version)
{
	_cleanup_free_ char *path =
		bfs_format("%s/Cellar/%s/%s/INSTALL_RECEIPT.json", tree, name, version);
	_cleanup_free_ char *pending = read_note(import, name, "pending");
	_cleanup_free_ char *own = read_note(import, name, "brewfs"), *record = NULL;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *receipt = NULL;
	struct bfs_keg keg = {(char *)name, (char *)version, NULL, pending};
	int r = bfs_read_file(AT_FDCWD, path, FILE_LIMIT, &text);

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : r;
	r = bfs_json_parse(text.data, text.length, path, &receipt, import->error);
	if (r < 0)
		return r;
	json_object_del(receipt, "changed_files");
	if (own)
		json_object_set_new(receipt, "brewfs", json_loads(own, 0, NULL));
	record = json_dumps(receipt, JSON_COMPACT);
	keg.record = record;
	return bfs_keg_put(import->tree, &keg);
}

static int record_rack(const struct import *import, const char *tree, const char *name)
{
	_cleanup_free_ char *path = bfs_format("%s/Cellar/%s", tree, name);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = record_keg(import, tree, name, entry->d_name);
	return r;
}

static int record_kegs(const struct import *import, const char *tree)
{
	_cleanup_free_ char *path = bfs_path_join(tree, "Cellar");
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	while (dir && r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = record_rack(import, tree, entry->d_name);
	return r;
}

/* What the generation before had goes, but for its log. */
static int clear(struct bfs_tree *tree)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(tree, BFS_TREE_ROOT, &names);

	for (size_t i = 0; r == 0 && names[i]; i++)
		r = bfs_tree_remove(tree, BFS_TREE_ROOT, names[i], strlen(names[i]));
	return r == 0 ? sqlite3_exec(bfs_tree_db(tree), "DELETE FROM keg", NULL, NULL, NULL) : r;
}

static int publish(struct bfs_store *store, const char *ref, const char *tree, const char *notes,
	struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_writer_ struct bfs_writer *writer = NULL;
	_cleanup_free_ struct import *import = calloc(1, sizeof(*import));
	_cleanup_free_ char *message = bfs_format("import %s", bfs_path_base(tree));
	struct bfs_generation generation;
	int r = bfs_publication_begin(store, ref, &publication, error);

	if (r == 0)
		r = bfs_writer_new(store, NULL, &writer, error);
	if (r < 0)
		return r;
	*import = (struct import){.tree = bfs_publication_tree(publication),
		.writer = writer,
		.notes = notes,
		.error = error};
	r = bfs_tree_begin(import->tree);
	if (r == 0)
		r = clear(import->tree);
	if (r == 0)
		r = import_directory(import, tree, BFS_TREE_ROOT);
	if (r == 0)
		r = record_kegs(import, tree);
	if (r == 0)
		r = bfs_tree_commit(import->tree);
	if (r == 0)
		r = bfs_writer_commit(writer, &import->tree, 1, error);
	if (r == 0)
		r = bfs_publication_commit(publication, message, &generation, error);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_store_ struct bfs_store *store = NULL;
	int r;

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "Usage: mkstore STORE REF TREE [NOTES]\n");
		return 2;
	}
	r = bfs_store_create(argv[1], &store, &error);
	if (r == 0)
		r = publish(store, argv[2], argv[3], argc == 5 ? argv[4] : NULL, &error);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}
