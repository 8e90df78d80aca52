#include "index/receipt.h"

#include "index/keg.h"
#include "lib/path.h"

#include <string.h>

static int read_dependency(const json_t *item, struct bfs_dependency *ret_dependency)
{
	struct bfs_dependency dependency = {.direct = true};
	int r = bfs_json_get_string(item, "full_name", &dependency.full_name);

	if (r < 0 || !*dependency.full_name)
		return -EBADMSG;
	dependency.name = bfs_path_base(dependency.full_name);
	dependency.pkg_version =
		bfs_json_string_or(item, "pkg_version", bfs_json_string_or(item, "version", ""));
	/* Receipts of old versions of Homebrew do not tell. */
	r = bfs_json_get_bool(item, "declared_directly", &dependency.direct);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_dependency = dependency;
	return bfs_name_is_valid(dependency.name, strlen(dependency.name)) ? 0 : -EBADMSG;
}

static int read_dependencies(struct bfs_receipt *receipt)
{
	json_t *array;
	int r = bfs_json_get_array(receipt->document, "runtime_dependencies", &array);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	receipt->dependencies = calloc(json_array_size(array) + 1, sizeof(*receipt->dependencies));
	if (!receipt->dependencies)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
		r = read_dependency(json_array_get(array, i), &receipt->dependencies[i]);
		receipt->count += r == 0;
	}
	return r;
}

int bfs_receipt_load(struct bfs_tree *tree, const char *name, const char *version,
	struct bfs_receipt *ret_receipt, struct bfs_error *error)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	struct bfs_keg keg;
	int r = bfs_keg_get(tree, name, version, &keg);

	if (r < 0)
		return bfs_error_set(error, r, "reading the record of", name,
			r == -ENOENT ? "nothing was recorded of version %s" : NULL, version);
	r = bfs_json_parse(keg.record, strlen(keg.record), name, &receipt.document, error);
	if (r == 0)
		receipt.pending = bfs_steal(&keg.pending);
	bfs_keg_release(&keg);
	if (r == 0)
		r = json_is_object(receipt.document) ? read_dependencies(&receipt) : -EBADMSG;
	if (r < 0)
		return bfs_error_set(error, r, "reading the record of", name, NULL);
	*ret_receipt = receipt;
	receipt = (struct bfs_receipt){0};
	return 0;
}

void bfs_receipt_release(struct bfs_receipt *receipt)
{
	json_decref(receipt->document);
	free(receipt->dependencies);
	free(receipt->pending);
	*receipt = (struct bfs_receipt){0};
}

static const char *own_member(const struct bfs_receipt *receipt, const char *key)
{
	json_t *own;

	if (bfs_json_get_object(receipt->document, "brewfs", &own) < 0)
		return NULL;
	return bfs_json_string_or(own, key, NULL);
}

const char *bfs_receipt_keg_only(const struct bfs_receipt *receipt)
{
	return own_member(receipt, "keg_only");
}

const char *bfs_receipt_caveats(const struct bfs_receipt *receipt)
{
	return own_member(receipt, "caveats");
}

const struct bfs_dependency *bfs_receipt_find(const struct bfs_receipt *receipt, const char *name)
{
	for (size_t i = 0; i < receipt->count; i++)
		if (strcmp(receipt->dependencies[i].name, name) == 0)
			return &receipt->dependencies[i];
	return NULL;
}
