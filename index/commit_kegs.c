#include "index/commit_kegs.h"

#include "index/keg.h"
#include "index/rack.h"
#include "index/receipt.h"
#include "index/tree_path.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"

#include <string.h>

#define RECEIPT "INSTALL_RECEIPT.json"

/* Room for 100,000 changed files with long names. */
#define RECEIPT_SIZE_MAX (16 * 1024 * 1024)

/* What a record has beside the receipt (index/receipt.h). */
#define OWN "brewfs"

/* --- which --- */

int bfs_commit_receipts_add_keg(
	struct bfs_commit_receipts *receipts, const char *name, const char *version, uint64_t ino)
{
	struct bfs_commit_receipt receipt = {strdup(name), strdup(version), ino};
	struct bfs_commit_receipt *grown = NULL;

	if (receipt.name && receipt.version)
		grown = reallocarray(receipts->receipts, receipts->count + 1, sizeof(*grown));
	if (!grown) {
		free(receipt.name);
		free(receipt.version);
		return -ENOMEM;
	}
	receipts->receipts = grown;
	grown[receipts->count++] = receipt;
	receipts->cellar = true;
	return 0;
}

int bfs_commit_receipts_add(struct bfs_commit_receipts *receipts, const struct bfs_change *change)
{
	const char *keg = bfs_path_below(change->path, BFS_CELLAR_DIRECTORY);
	const char *version = keg ? strchr(keg, '/') : NULL;
	const char *rest = version ? strchr(version + 1, '/') : NULL;
	_cleanup_free_ char *name = NULL, *number = NULL;

	receipts->cellar = receipts->cellar || keg;
	if (!S_ISREG(change->mode) || !rest || strcmp(rest + 1, RECEIPT) != 0)
		return 0;
	name = strndup(keg, (size_t)(version - keg));
	number = strndup(version + 1, (size_t)(rest - version - 1));
	return name && number ? bfs_commit_receipts_add_keg(receipts, name, number, change->ino)
			      : -ENOMEM;
}

void bfs_commit_receipts_release(struct bfs_commit_receipts *receipts)
{
	for (size_t i = 0; i < receipts->count; i++) {
		free(receipts->receipts[i].name);
		free(receipts->receipts[i].version);
	}
	free(receipts->receipts);
	*receipts = (struct bfs_commit_receipts){0};
}

/* --- a record --- */

/*
 * Beside the receipt, what was noted of the formula stays. Steps that are still to be run are those
 * of the same pour; brew runs its own.
 */
static int complete(struct bfs_tree *theirs, const struct bfs_commit_receipt *receipt,
	json_t *record, char **ret_pending)
{
	struct bfs_receipt old = {0};
	json_t *own;
	int r = bfs_receipt_load(theirs, receipt->name, receipt->version, &old, NULL);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	own = json_object_get(old.document, OWN);
	if (own && json_object_set(record, OWN, own) < 0)
		r = -ENOMEM;
	if (json_equal(json_object_get(old.document, "time"), json_object_get(record, "time")))
		*ret_pending = bfs_steal(&old.pending);
	bfs_receipt_release(&old);
	return r;
}

static int put_record(
	struct bfs_tree *theirs, const struct bfs_commit_receipt *receipt, json_t *record)
{
	struct bfs_keg keg = {.name = receipt->name, .version = receipt->version};
	int r;

	json_object_del(record, "changed_files");
	json_object_del(record, OWN);
	r = complete(theirs, receipt, record, &keg.pending);
	if (r == 0) {
		keg.record = json_dumps(record, JSON_COMPACT);
		r = keg.record ? bfs_keg_put(theirs, &keg) : -ENOMEM;
	}
	free(keg.record);
	free(keg.pending);
	return r;
}

/* Where receipts are read from. */
struct source {
	bfs_commit_reader *read;
	void *context;
};

static int read_receipt(const struct source *source, const struct bfs_commit_receipt *receipt,
	const char *path, json_t **ret_document)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *document = NULL;
	int r = source->read(source->context, receipt->ino, RECEIPT_SIZE_MAX, &text, &error);

	if (r == 0)
		r = bfs_json_parse(
			text.data ? text.data : "", text.length, path, &document, &error);
	if (r == 0 && !json_is_object(document))
		r = bfs_error_set(
			&error, -EBADMSG, "reading the receipt", path, "it is not an object");
	if (r == 0)
		*ret_document = bfs_steal(&document);
	else if (r == -EBADMSG || r == -EFBIG)
		bfs_log_warning("%s", bfs_error_message(&error, r));
	return r;
}

/* Whether the merged tree has this very receipt: a conflict may have been decided otherwise. */
static bool was_taken(const struct bfs_commit_receipt *receipt, const char *path,
	const struct bfs_merge_result *merged, struct bfs_tree *theirs)
{
	const struct bfs_merge_node *node = bfs_merge_nodes_find(&merged->placed, receipt->ino);
	struct bfs_attributes attributes;

	return node && bfs_tree_lstat_path(theirs, path, &attributes) == 0 &&
	       attributes.ino == node->published;
}

static int note_keg(const struct source *source, const struct bfs_commit_receipt *receipt,
	const struct bfs_merge_result *merged, struct bfs_tree *theirs)
{
	_cleanup_free_ char *path = bfs_format(
		"%s/%s/%s/%s", BFS_CELLAR_DIRECTORY, receipt->name, receipt->version, RECEIPT);
	_cleanup_json_ json_t *document = NULL;
	int r;

	if (!path)
		return -ENOMEM;
	if (!was_taken(receipt, path, merged, theirs))
		return 0;
	r = read_receipt(source, receipt, path, &document);
	if (r == -EBADMSG || r == -EFBIG)
		return bfs_keg_remove(theirs, receipt->name, receipt->version);
	return r == 0 ? put_record(theirs, receipt, document) : r;
}

/* --- all --- */

static int remove_if_gone(struct bfs_tree *theirs, const struct bfs_keg *keg)
{
	struct bfs_attributes attributes;
	int r = bfs_rack_keg(theirs, keg->name, keg->version, &attributes);

	if (r == -ENOENT || r == -ENOTDIR)
		return bfs_keg_remove(theirs, keg->name, keg->version);
	return r;
}

int bfs_commit_note_kegs(const struct bfs_commit_receipts *receipts, bfs_commit_reader *read,
	void *context, const struct bfs_merge_result *merged, struct bfs_tree *theirs,
	struct bfs_error *error)
{
	const struct source source = {read, context};
	struct bfs_keg *kegs = NULL;
	size_t count = 0;
	int r = 0;

	if (!receipts->cellar)
		return 0;
	for (size_t i = 0; r == 0 && i < receipts->count; i++)
		r = note_keg(&source, &receipts->receipts[i], merged, theirs);
	if (r == 0)
		r = bfs_keg_list(theirs, &kegs, &count);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = remove_if_gone(theirs, &kegs[i]);
	bfs_kegs_free(kegs, count);
	return r < 0 ? bfs_error_set(error, r, "noting the kegs", NULL, NULL) : 0;
}
