#include "installer/export_cache.h"

#include "index/publish.h"
#include "index/snapshot.h"
#include "index/tree_path.h"
#include "index/writer.h"
#include "lib/file.h"
#include "lib/log.h"

#include <pthread.h>
#include <string.h>

/* Part of the ref's name: counted up when the same input gives another result. */
#define RECIPE 1

struct bfs_export_cache {
	pthread_mutex_t lock; /* of everything below, once it is open */
	struct bfs_store *store;
	struct bfs_store *own; /* where `store` is not the one that is exported */
	struct bfs_publication *publication;
	struct bfs_tree *tree; /* the publication's */
	struct bfs_writer *writer;
	bool changed;
	char *to;
};

void bfs_export_cache_close(struct bfs_export_cache *cache)
{
	if (!cache)
		return;
	bfs_writer_free(cache->writer);
	bfs_publication_end(cache->publication);
	bfs_store_close(cache->own);
	pthread_mutex_destroy(&cache->lock);
	free(cache->to);
	free(cache);
}

static int ref_name(const char *from, const char *to, char ret_name[32])
{
	_cleanup_free_ char *text = bfs_format("%d\n%s\n%s", RECIPE, from, to);
	char hex[BFS_DIGEST_HEX_SIZE];
	struct bfs_digest digest;
	int r = text ? bfs_digest_of(text, strlen(text), &digest) : -ENOMEM;

	if (r == 0)
		snprintf(ret_name, 32, "export.%.16s", bfs_digest_to_hex(&digest, hex));
	return r;
}

static int begin(struct bfs_export_cache *cache, const char *ref, struct bfs_error *error)
{
	int r = bfs_publication_begin(cache->store, ref, &cache->publication, error);

	if (r < 0)
		return r;
	cache->tree = bfs_publication_tree(cache->publication);
	r = bfs_writer_new(cache->store, cache->tree, &cache->writer, error);
	if (r < 0)
		bfs_publication_end(bfs_steal(&cache->publication));
	return r;
}

static int begin_elsewhere(struct bfs_export_cache *cache, const char *ref, struct bfs_error *error)
{
	_cleanup_free_ char *directory = NULL, *path = NULL;
	int r = bfs_cache_directory(&directory, error);

	if (r < 0)
		return r;
	path = bfs_format("%s/export", directory);
	if (!path)
		return -ENOMEM;
	r = bfs_store_create(path, &cache->own, error);
	if (r < 0)
		return r;
	cache->store = cache->own;
	return begin(cache, ref, error);
}

int bfs_export_cache_open(struct bfs_store *store, const char *from, const char *to,
	struct bfs_export_cache **ret_cache, struct bfs_error *error)
{
	_cleanup_export_cache_ struct bfs_export_cache *cache = calloc(1, sizeof(*cache));
	char ref[32];
	int r;

	if (!cache)
		return -ENOMEM;
	pthread_mutex_init(&cache->lock, NULL);
	cache->store = store;
	cache->to = strdup(to);
	r = cache->to ? ref_name(from, to, ref) : -ENOMEM;
	if (r == 0)
		r = begin(cache, ref, error);
	if (r == -EACCES || r == -EROFS || r == -EPERM) {
		bfs_log_debug(
			"export: the store cannot be written: %s", bfs_error_message(error, r));
		bfs_error_clear(error);
		r = begin_elsewhere(cache, ref, error);
	}
	if (r == 0)
		r = bfs_tree_begin(cache->tree);
	if (r == 0)
		*ret_cache = bfs_steal(&cache);
	return r;
}

struct bfs_store *bfs_export_cache_store(struct bfs_export_cache *cache)
{
	return cache->store;
}

static void facts_key(const struct bfs_digest *digest, char ret_key[80])
{
	char hex[BFS_DIGEST_HEX_SIZE];

	snprintf(ret_key, 80, "facts:%s", bfs_digest_to_hex(digest, hex));
}

int bfs_export_cache_get_facts(
	struct bfs_export_cache *cache, const struct bfs_digest *digest, char **ret_text)
{
	char key[80];
	int r;

	facts_key(digest, key);
	pthread_mutex_lock(&cache->lock);
	r = bfs_tree_get_value(cache->tree, key, ret_text);
	pthread_mutex_unlock(&cache->lock);
	return r;
}

int bfs_export_cache_put_facts(
	struct bfs_export_cache *cache, const struct bfs_digest *digest, const char *text)
{
	char key[80];
	int r;

	facts_key(digest, key);
	pthread_mutex_lock(&cache->lock);
	r = bfs_tree_set_value(cache->tree, key, text);
	cache->changed = true;
	pthread_mutex_unlock(&cache->lock);
	return r;
}

int bfs_export_cache_key(const struct bfs_digest *digest, bool executable, const char *rpath,
	char ret_key[BFS_EXPORT_CACHE_KEY_SIZE])
{
	char hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_free_ char *text = bfs_format(
		"%s\n%d\n%s", bfs_digest_to_hex(digest, hex), executable, rpath ? rpath : "");
	struct bfs_digest key;
	int r = text ? bfs_digest_of(text, strlen(text), &key) : -ENOMEM;

	if (r == 0)
		bfs_digest_to_hex(&key, ret_key);
	return r;
}

int bfs_export_cache_get(
	struct bfs_export_cache *cache, const char *key, struct bfs_content *ret_content)
{
	struct bfs_attributes attributes;
	int r;

	pthread_mutex_lock(&cache->lock);
	r = bfs_tree_lookup(cache->tree, BFS_TREE_ROOT, key, strlen(key), &attributes);
	if (r == 0)
		r = bfs_tree_content(cache->tree, attributes.ino, ret_content);
	pthread_mutex_unlock(&cache->lock);
	return r;
}

int bfs_export_cache_put(struct bfs_export_cache *cache, const char *key, bool executable,
	const void *data, size_t length, struct bfs_error *error)
{
	mode_t mode = executable ? 0755 : 0644;
	struct bfs_content content;
	int r;

	pthread_mutex_lock(&cache->lock);
	r = bfs_writer_add(cache->writer, data, length, mode, &content, error);
	if (r == 0)
		r = bfs_tree_write_path(cache->tree, key, mode, 0, &content);
	cache->changed = true;
	pthread_mutex_unlock(&cache->lock);
	return r;
}

int bfs_export_cache_commit(struct bfs_export_cache *cache, struct bfs_error *error)
{
	_cleanup_free_ char *message = bfs_format("export to %s", cache->to);
	int r;

	if (!message)
		return -ENOMEM;
	r = bfs_writer_commit(cache->writer, &cache->tree, 1, error);
	if (r == 0)
		r = bfs_tree_commit(cache->tree);
	if (r == 0 && cache->changed)
		r = bfs_publication_commit(cache->publication, message, NULL, error);
	return r;
}
