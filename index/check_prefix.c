#include "index/check_prefix.h"

#include "index/keg.h"
#include "index/rack.h"
#include "index/store.h"
#include "index/tree_path.h"
#include "lib/db.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/path.h"

#include <string.h>

#define RECEIPT	      "INSTALL_RECEIPT.json"
#define RECEIPT_LIMIT (64 * 1024 * 1024) /* bytes; those with many changed files have 1 MB */

struct prefix_check {
	struct bfs_check *check;
	const struct bfs_check_origin *origin;
	struct bfs_tree *tree;
	struct bfs_content_reader *reader;
};

static struct bfs_finding *report(
	struct prefix_check *prefix_check, const char *what, const char *path, const char *detail)
{
	struct bfs_finding *finding = bfs_check_add(prefix_check->check, BFS_CHECK_PROBLEM, what,
		prefix_check->origin->index, "%s", detail);

	bfs_check_affect(prefix_check->check, finding, prefix_check->origin, path);
	return finding;
}

static int check_value(struct prefix_check *prefix_check, struct bfs_store *store)
{
	_cleanup_free_ char *prefix = NULL;
	int r = bfs_tree_get_value(prefix_check->tree, "prefix", &prefix);

	if (r == -ENOENT || r == -EUCLEAN) {
		report(prefix_check, "index-prefix", "", "it does not say what its prefix is");
		return 0;
	}
	if (r == 0 && strcmp(prefix, bfs_store_prefix(store)) != 0)
		report(prefix_check, "index-prefix", "", "its prefix is not the store's");
	return r;
}

/* "" where the link leads to a keg that is there, else what is wrong. */
static int judge_link(struct bfs_tree *tree, const char *path, const char **ret_detail)
{
	_cleanup_free_ char *destination = NULL;
	struct bfs_attributes keg;
	const char *below, *slash;
	int r = bfs_tree_link_destination(tree, path, &destination);

	*ret_detail = "it is no link to a keg";
	if (r < 0)
		return r == -EINVAL || r == -EXDEV ? 0 : r;
	below = bfs_path_below(destination, BFS_CELLAR_DIRECTORY);
	slash = below ? strchr(below, '/') : NULL;
	if (!slash || strchr(slash + 1, '/'))
		return 0;
	r = bfs_tree_lstat_path(tree, destination, &keg);
	if (r == 0 && S_ISDIR(keg.mode))
		*ret_detail = "";
	else if (r == 0 || r == -ENOENT || r == -ENOTDIR)
		*ret_detail = "it leads to a keg that is not there";
	else
		return r;
	return 0;
}

static int check_links(struct prefix_check *prefix_check, const char *directory)
{
	_cleanup_free_ char **names = NULL;
	struct bfs_attributes attributes;
	int r = bfs_tree_stat_path(prefix_check->tree, directory, &attributes);

	if (r < 0 || !S_ISDIR(attributes.mode))
		return r == -ENOENT || r == -ENOTDIR || r == -EXDEV || r == 0 ? 0 : r;
	r = bfs_tree_list(prefix_check->tree, attributes.ino, &names);
	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_free_ char *path = bfs_path_join(directory, names[i]);
		const char *detail;

		r = path ? judge_link(prefix_check->tree, path, &detail) : -ENOMEM;
		if (r == 0 && *detail)
			report(prefix_check, "keg-link", path, detail);
	}
	return r;
}

/*
 * The receipt's text. 1 where it was read, 0 where there is none, or only a damaged content that is
 * reported elsewhere
 * (`ret_exists` tells them apart).
 */
static int load_receipt(struct prefix_check *prefix_check, const char *path,
	struct bfs_buffer *text, bool *ret_exists)
{
	struct bfs_attributes attributes;
	struct bfs_content content;
	int r = bfs_tree_lstat_path(prefix_check->tree, path, &attributes);

	*ret_exists = r == 0 && S_ISREG(attributes.mode);
	if (!*ret_exists)
		return r == -ENOENT || r == -ENOTDIR || r == -EXDEV || r == 0 ? 0 : r;
	r = bfs_tree_content(prefix_check->tree, attributes.ino, &content);
	if (r == 0 && content.size)
		r = bfs_content_load(prefix_check->reader, &content, RECEIPT_LIMIT, text, NULL);
	return r == -ENOMEM ? r : r == 0;
}

/* Whether the record says what the receipt says, but for what each may have alone
 * (index/receipt.h). */
static bool is_record_of(const char *record_text, const struct bfs_buffer *receipt_text)
{
	_cleanup_json_ json_t *record = NULL, *receipt = NULL;

	if (bfs_json_parse(record_text, strlen(record_text), "", &record, NULL) < 0 ||
		bfs_json_parse(receipt_text->data ? receipt_text->data : "", receipt_text->length,
			"", &receipt, NULL) < 0)
		return false;
	json_object_del(receipt, "changed_files");
	json_object_del(record, "brewfs");
	return json_equal(record, receipt);
}

static bool is_array(const char *text)
{
	_cleanup_json_ json_t *document = NULL;

	return bfs_json_parse(text, strlen(text), "", &document, NULL) == 0 &&
	       json_is_array(document);
}

static int check_record(struct prefix_check *prefix_check, const char *name, const char *version,
	const char *record, const char *pending)
{
	_cleanup_free_ char *keg = bfs_format("%s/%s/%s", BFS_CELLAR_DIRECTORY, name, version);
	_cleanup_free_ char *path = keg ? bfs_path_join(keg, RECEIPT) : NULL;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	struct bfs_attributes attributes;
	bool exists;
	int r;

	if (!path)
		return -ENOMEM;
	if (pending && !is_array(pending))
		report(prefix_check, "keg-record", keg, "its pending steps are no JSON array");
	r = bfs_rack_keg(prefix_check->tree, name, version, &attributes);
	if (r == -ENOENT) {
		report(prefix_check, "keg-missing", keg, "it is recorded, but not there");
		return 0;
	}
	if (r == 0)
		r = load_receipt(prefix_check, path, &text, &exists);
	if (r == 0 && !exists)
		report(prefix_check, "keg-record", path, "the keg is recorded, but has no receipt");
	else if (r > 0 && !is_record_of(record, &text))
		report(prefix_check, "keg-record", path, "the record of the keg differs from it");
	return r < 0 ? r : 0;
}

static int check_records(struct prefix_check *prefix_check)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(prefix_check->tree),
		"SELECT name, version, record, pending FROM keg ORDER BY name, version", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const char *version = (const char *)sqlite3_column_text(stmt, 1);
		const char *record = (const char *)sqlite3_column_text(stmt, 2);

		if (!name || !version || !record)
			return -ENOMEM;
		r = check_record(prefix_check, name, version, record,
			(const char *)sqlite3_column_text(stmt, 3));
	}
	return r;
}

static int check_recorded(struct prefix_check *prefix_check, const char *name, const char *version)
{
	_cleanup_free_ char *path =
		bfs_format("%s/%s/%s/%s", BFS_CELLAR_DIRECTORY, name, version, RECEIPT);
	struct bfs_attributes receipt;
	struct bfs_keg keg;
	int r = path ? bfs_tree_lstat_path(prefix_check->tree, path, &receipt) : -ENOMEM;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = bfs_keg_get(prefix_check->tree, name, version, &keg);
	if (r == 0)
		bfs_keg_release(&keg);
	if (r == -ENOENT)
		report(prefix_check, "keg-record", path, "the index has no record of the keg");
	return r == -ENOENT ? 0 : r;
}

/* Every keg that has a receipt must be recorded. */
static int check_kegs(struct prefix_check *prefix_check)
{
	struct bfs_rack *racks = NULL;
	size_t count = 0;
	int r = bfs_rack_list(prefix_check->tree, &racks, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		for (size_t j = 0; r == 0 && j < racks[i].count; j++)
			r = check_recorded(prefix_check, racks[i].name, racks[i].versions[j]);
	bfs_racks_free(racks, count);
	return r;
}

int bfs_check_prefix(struct bfs_check *check, const struct bfs_check_origin *origin,
	struct bfs_store *store, struct bfs_tree *tree)
{
	static const char *const directories[] = {
		"opt", "var/homebrew/linked", "var/homebrew/pinned"};
	_cleanup_content_reader_ struct bfs_content_reader *reader = NULL;
	struct prefix_check prefix_check = {check, origin, tree, NULL};
	int r = bfs_content_reader_new(store, &reader);

	prefix_check.reader = reader;
	if (r == 0)
		r = check_value(&prefix_check, store);
	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(directories); i++)
		r = check_links(&prefix_check, directories[i]);
	if (r == 0)
		r = check_records(&prefix_check);
	if (r == 0)
		r = check_kegs(&prefix_check);
	/* Rows that cannot be were found, and reported, by the check of the tree. */
	return r == -EUCLEAN ? 0 : r;
}
