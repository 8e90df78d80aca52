/*
 * What exports to one path have found out and made before, kept in the store so that it is done
 * once: facts of contents (installer/export_facts.h), and rewritten contents.
 *
 * It is a ref of its own, "export.<16 hex digits>", named by the two prefixes. Its tree is no
 *prefix: its files are rewritten contents under the names that bfs_export_cache_key() gives, facts
 *are values "facts:<digest>" of the index. So contents lie in the store as all others do, shared,
 *checked by fsck, and kept as long as the ref has them. Any of it may be lost: it is made again.
 *
 * Where the store cannot be written, the cache is a store in this user's cache directory.
 *
 *	bfs_export_cache_open()		takes the ref's lock
 *	bfs_export_cache_get...(), bfs_export_cache_put...()
 *	bfs_export_cache_commit()	publishes what was put; contents have their final places
 *from then on bfs_export_cache_close()
 *
 * The puts and gets may be called from any thread, one at a time: each takes the cache's own lock.
 */
#ifndef BFS_INSTALLER_EXPORT_CACHE_H
#define BFS_INSTALLER_EXPORT_CACHE_H

#include "installer/export_facts.h"
#include "index/store.h"

struct bfs_export_cache;

/* `from` and `to` are the two prefixes. The store must outlive the cache. */
int bfs_export_cache_open(struct bfs_store *store, const char *from, const char *to,
	struct bfs_export_cache **ret_cache, struct bfs_error *error);
void bfs_export_cache_close(struct bfs_export_cache *cache);
BFS_DEFINE_CLEANUP(struct bfs_export_cache *, bfs_cleanup_export_cache, bfs_export_cache_close)
#define _cleanup_export_cache_ BFS_CLEANUP(bfs_cleanup_export_cache)

/* The store that has its contents: the one given, or the cache's own. */
struct bfs_store *bfs_export_cache_store(struct bfs_export_cache *cache);

/* JSON text, allocated. -ENOENT where nothing is known. */
int bfs_export_cache_get_facts(
	struct bfs_export_cache *cache, const struct bfs_digest *digest, char **ret_text);
int bfs_export_cache_put_facts(
	struct bfs_export_cache *cache, const struct bfs_digest *digest, const char *text);

/*
 * The name of what becomes of a content of that digest for a file that is executable or not and
 * gets that RPATH (NULL: its own).
 */
#define BFS_EXPORT_CACHE_KEY_SIZE BFS_DIGEST_HEX_SIZE
int bfs_export_cache_key(const struct bfs_digest *digest, bool executable, const char *rpath,
	char ret_key[BFS_EXPORT_CACHE_KEY_SIZE]);

/* -ENOENT where it was not made yet. */
int bfs_export_cache_get(
	struct bfs_export_cache *cache, const char *key, struct bfs_content *ret_content);
int bfs_export_cache_put(struct bfs_export_cache *cache, const char *key, bool executable,
	const void *data, size_t length, struct bfs_error *error);

/* Publishes, if anything was put. */
int bfs_export_cache_commit(struct bfs_export_cache *cache, struct bfs_error *error);

#endif
