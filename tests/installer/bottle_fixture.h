/* A store of the test's own, and what it takes to pour a bottle from memory into it. */
#ifndef BFS_TESTS_BOTTLE_FIXTURE_H
#define BFS_TESTS_BOTTLE_FIXTURE_H

#include "index/content.h"
#include "index/tree_path.h"
#include "installer/bottle.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <fcntl.h>

struct fixture {
	char directory[64];
	struct bfs_store *store;
	struct bfs_content_reader *reader;
};

static inline bool fixture_open(struct fixture *fixture)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	snprintf(fixture->directory, sizeof(fixture->directory), "/tmp/brewfs-test-XXXXXX");
	if (!mkdtemp(fixture->directory))
		return false;
	path = bfs_format("%s/store", fixture->directory);
	return bfs_store_create(path, &fixture->store, &error) == 0 &&
	       bfs_content_reader_new(fixture->store, &fixture->reader) == 0;
}

static inline void fixture_close(struct fixture *fixture)
{
	bfs_content_reader_free(fixture->reader);
	bfs_store_close(fixture->store);
	bfs_remove_tree(AT_FDCWD, fixture->directory);
}

/* How many names there are in a directory of the store. */
static inline int fixture_count(const struct fixture *fixture, const char *name)
{
	_cleanup_free_ char *path = bfs_format("%s/store/%s", fixture->directory, name);
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	return count;
}

/*
 * Pours the bytes in pieces of `piece` bytes. The order's digest is filled in unless `given` has
 * one.
 */
static inline int fixture_pour(struct fixture *fixture, const struct bfs_bottle_order *given,
	const void *data, size_t length, size_t piece, struct bfs_keg_tree *ret_keg,
	struct bfs_error *error)
{
	static const struct bfs_digest none;
	_cleanup_bottle_ struct bfs_bottle *bottle = NULL;
	struct bfs_bottle_order order = *given;
	int r;

	if (bfs_digest_equal(&order.digest, &none))
		bfs_digest_of(data, length, &order.digest);
	r = bfs_bottle_new(fixture->store, NULL, &order, &bottle, error);
	for (size_t done_bytes = 0; r == 0 && done_bytes < length;) {
		size_t n = length - done_bytes < piece ? length - done_bytes : piece;

		r = bfs_bottle_write(bottle, (const char *)data + done_bytes, n, error);
		done_bytes += n;
	}
	return r < 0 ? r : bfs_bottle_finish(bottle, ret_keg, error);
}

static inline void keg_release(struct bfs_keg_tree *keg)
{
	bfs_tree_close(keg->tree);
	json_decref(keg->tab);
	*keg = (struct bfs_keg_tree){.tree = NULL};
}
#define _cleanup_keg_ BFS_CLEANUP(keg_release)

/* The content of a file in the keg; -ENOENT and so on as bfs_tree_lstat_path(). */
static inline int keg_read(struct fixture *fixture, struct bfs_keg_tree *keg, const char *path,
	struct bfs_buffer *content)
{
	struct bfs_attributes attributes;
	struct bfs_content place;
	int r = bfs_tree_lstat_path(keg->tree, path, &attributes);

	bfs_buffer_clear(content);
	if (r == 0)
		r = bfs_tree_content(keg->tree, attributes.ino, &place);
	if (r < 0)
		return r;
	return bfs_content_load(fixture->reader, &place, 1 << 30, content, NULL);
}

#endif
