#include "installer/checkpoint.h"

#include "index/snapshot.h"
#include "lib/file.h"
#include "lib/log.h"

#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

/*
 * To be raised whenever the same bottle would become another keg than before: new rules for
 * extraction or relocation.
 */
#define POUR_RULES 1

#define TAB_LIMIT (64 * 1024 * 1024)

int bfs_checkpoint_key(const struct bfs_bottle_order *order, struct bfs_digest *ret_key)
{
	char hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_free_ char *tab =
		order->tab ? json_dumps(order->tab, JSON_SORT_KEYS | JSON_COMPACT) : strdup("");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r;

	if (!tab)
		return -ENOMEM;
	r = bfs_buffer_append_format(&text, "pour %d\n%s\n%s\n%s\n%d\n%s\n%s\n%s\n", POUR_RULES,
		bfs_digest_to_hex(&order->digest, hex), order->name, order->version,
		order->skip_elf, order->prefix,
		order->java_dependency ? order->java_dependency : "", tab);
	return r < 0 ? r : bfs_digest_of(text.data, text.length, ret_key);
}

static char *checkpoint_name(const struct bfs_digest *key)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	return bfs_format("kegs/%s.json", bfs_digest_to_hex(key, hex));
}

static int get_count(struct bfs_tree *tree, const char *key, uint64_t *ret_count)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	int r = bfs_tree_get_value(tree, key, &text);

	if (r < 0)
		return r;
	errno = 0;
	*ret_count = strtoull(text, &end, 10);
	return errno || end == text || *end ? -EUCLEAN : 0;
}

static int get_tab(struct bfs_tree *tree, json_t **ret_tab)
{
	_cleanup_free_ char *text = NULL;
	int r = bfs_tree_get_value(tree, "tab", &text);

	if (r == -ENOENT) {
		*ret_tab = NULL;
		return 0;
	}
	if (r < 0)
		return r;
	return strlen(text) > TAB_LIMIT ? -EUCLEAN
					: bfs_json_parse(text, strlen(text), "tab", ret_tab, NULL);
}

int bfs_checkpoint_load(
	struct bfs_store *store, const struct bfs_digest *key, struct bfs_keg_tree *ret_keg)
{
	_cleanup_tree_ struct bfs_tree *tree = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_keg_tree keg = {0};
	_cleanup_free_ char *name = checkpoint_name(key);
	struct bfs_generation generation;
	int r = name ? bfs_ref_read_keg(store, name, &generation) : -ENOMEM;

	if (r == 0)
		r = bfs_snapshot_fetch(store, &generation, &path, &error);
	if (r == 0)
		r = bfs_tree_open(path, BFS_TREE_READ, &tree, &error);
	if (r == 0)
		r = get_count(tree, "files", &keg.files);
	if (r == 0)
		r = get_count(tree, "bytes", &keg.bytes);
	if (r == 0)
		r = get_tab(tree, &keg.tab);
	if (r < 0) {
		if (r != -ENOENT)
			bfs_log_debug("a poured keg cannot be taken over: %s",
				bfs_error_message(&error, r));
		return -ENOENT;
	}
	keg.tree = bfs_steal(&tree);
	*ret_keg = keg;
	return 0;
}

static int set_values(struct bfs_keg_tree *keg)
{
	_cleanup_free_ char *files = bfs_format("%" PRIu64, keg->files),
			    *bytes = bfs_format("%" PRIu64, keg->bytes),
			    *tab = keg->tab ? json_dumps(keg->tab, JSON_COMPACT) : NULL;
	int r;

	if (!files || !bytes || (keg->tab && !tab))
		return -ENOMEM;
	r = bfs_tree_set_value(keg->tree, "files", files);
	if (r == 0)
		r = bfs_tree_set_value(keg->tree, "bytes", bytes);
	if (r == 0 && tab)
		r = bfs_tree_set_value(keg->tree, "tab", tab);
	return r;
}

/* A name in the cache directory that no other thread or process uses. */
static char *temporary_path(const char *cache)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return NULL;
	return bfs_format("%s/keg.%d.%016" PRIx64 ".sqlite", cache, (int)getpid(), random);
}

static int put(struct bfs_store *store, const struct bfs_digest *key, struct bfs_keg_tree *keg,
	const char *path, struct bfs_error *error)
{
	char hex[BFS_DIGEST_HEX_SIZE];
	_cleanup_free_ char *name = checkpoint_name(key), *text = NULL;
	struct bfs_generation generation = {0};
	int r = bfs_tree_write_copy(keg->tree, path, error);

	if (r == 0)
		r = bfs_snapshot_put(store, path, &generation, error);
	if (r < 0)
		return r;
	text = bfs_format("{\n  \"index\": \"%s\",\n  \"size\": %" PRIu64 "\n}\n",
		bfs_digest_to_hex(&generation.index, hex), generation.size);
	if (!name || !text)
		return -ENOMEM;
	r = bfs_replace_file(bfs_store_fd(store), name, text, strlen(text), 0644);
	return r < 0 ? bfs_error_set(error, r, "writing into the store", name, NULL) : 0;
}

int bfs_checkpoint_save(struct bfs_store *store, const struct bfs_digest *key,
	struct bfs_keg_tree *keg, struct bfs_error *error)
{
	_cleanup_free_ char *cache = NULL, *path = NULL;
	int r = set_values(keg);

	if (r == 0)
		r = bfs_cache_directory(&cache, error);
	if (r < 0)
		return r;
	path = temporary_path(cache);
	if (!path)
		return -ENOMEM;
	r = put(store, key, keg, path, error);
	unlink(path);
	return r;
}
