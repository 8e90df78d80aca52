#include "installer/export_rewrite.h"

#include "installer/elf_edit.h"
#include "installer/export_contents.h"
#include "lib/db.h"
#include "lib/log.h"

#include <string.h>

int bfs_export_rewrite_pad(
	const char *from, const char *to, char **ret_padded, struct bfs_error *error)
{
	static const char step[] = "choosing the prefix of the export";
	size_t length = strlen(from), size = strlen(to);
	char *padded;

	if (to[0] != '/' || !to[1] || strpbrk(to, ": \t\n") || strstr(to, "/../"))
		return bfs_error_set(error, -EINVAL, step, to,
			"an absolute path without blanks, colons and \"..\" is needed");
	if (size > length)
		return bfs_error_set(error, -ENAMETOOLONG, step, to,
			"it has %zu bytes, and no more than the %zu of %s can be written over that "
			"in programs and libraries; choose a shorter --prefix",
			size, length, from);
	padded = malloc(length + 1);
	if (!padded)
		return -ENOMEM;
	memcpy(padded, to, size);
	memset(padded + size, '/', length - size);
	padded[length] = '\0';
	*ret_padded = padded;
	return 0;
}

size_t bfs_export_rewrite_bytes(uint8_t *data, size_t length, const char *from, const char *padded)
{
	size_t size = strlen(from), count = 0;
	uint8_t *end = data + length, *found;

	while ((found = memmem(data, (size_t)(end - data), from, size))) {
		memcpy(found, padded, size);
		data = found + size;
		count++;
	}
	return count;
}

/* A content that is to be made. */
struct variant {
	int64_t content;
	bool executable;
	char *rpath; /* NULL: it stays */
	char key[BFS_EXPORT_CACHE_KEY_SIZE];
};

struct rewrite {
	struct bfs_export_plan *plan;
	struct bfs_export_cache *cache;
	const char *from, *padded;
	struct variant *variants;
	size_t count;
	struct bfs_export_rewrite_counts counts;
};

static void rewrite_release(struct rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->count; i++)
		free(rewrite->variants[i].rpath);
	free(rewrite->variants);
}
#define _cleanup_rewrite_ BFS_CLEANUP(rewrite_release)

static int add_variant(struct rewrite *rewrite, sqlite3_stmt *stmt)
{
	const char *rpath = bfs_export_plan_text(stmt, 2);
	struct variant *variant;
	struct bfs_digest digest;

	if (rewrite->count % 64 == 0) {
		struct variant *grown =
			reallocarray(rewrite->variants, rewrite->count + 64, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rewrite->variants = grown;
	}
	variant = &rewrite->variants[rewrite->count++];
	*variant = (struct variant){.content = sqlite3_column_int64(stmt, 0),
		.executable = sqlite3_column_int(stmt, 1)};
	if (rpath && !(variant->rpath = strdup(rpath)))
		return -ENOMEM;
	memcpy(digest.bytes, sqlite3_column_blob(stmt, 3), BFS_DIGEST_SIZE);
	return bfs_export_cache_key(&digest, variant->executable, rpath, variant->key);
}

static int list_variants(struct rewrite *rewrite)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	sqlite3 *db = bfs_export_plan_db(rewrite->plan);
	int r = 0;

	if (strcmp(rewrite->from, rewrite->padded) != 0)
		r = bfs_db_exec(db,
			"INSERT OR IGNORE INTO variant SELECT DISTINCT content, mode & 73 <> 0, "
			"NULL,"
			" NULL, NULL FROM entry JOIN content ON id=content WHERE kind=2 AND facts"
			" LIKE '%\"prefix\":true%'");
	if (r == 0)
		r = bfs_db_prepare(db,
			"SELECT content, v.executable, rpath, digest FROM variant v JOIN content"
			" ON id=content ORDER BY pack, offset, content, v.executable",
			&stmt);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0)
		r = add_variant(rewrite, stmt);
	return r;
}

/*
 * Other bytes with another RPATH; `out` stays empty where nothing is to be done. A file whose
 * tables are so that nothing can be moved in it keeps its RPATH, with which it works as well.
 */
static int edit_rpath(const struct rewrite *rewrite, const struct variant *variant,
	const uint8_t *data, size_t length, struct bfs_buffer *out, struct bfs_error *error)
{
	struct bfs_elf_policy policy = {.prefix = rewrite->from, .rpath = variant->rpath};
	_cleanup_elf_patch_ struct bfs_elf_patch *patch = NULL;
	uint64_t size;
	int r = bfs_elf_relocate(data, length, &policy, &patch, error);

	if (r == -EBADMSG || r == -EFBIG) {
		bfs_log_debug("export: an RPATH stays: %s", bfs_error_message(error, r));
		bfs_error_clear(error);
		return 0;
	}
	if (r < 0 || !patch)
		return r;
	size = bfs_elf_patch_new_size(patch);
	r = bfs_buffer_reserve(out, size > length ? size : length);
	if (r < 0)
		return r;
	memcpy(out->data, data, length);
	if (size > length)
		memset(out->data + length, 0, size - length);
	out->length = size;
	return bfs_elf_patch_apply(patch, (uint8_t *)out->data, size > length ? size : length);
}

/* Runs in any thread. */
static int make_variant(
	void *context, void *item, uint8_t *data, size_t length, struct bfs_error *error)
{
	struct rewrite *rewrite = context;
	const struct variant *variant = item;
	_cleanup_buffer_ struct bfs_buffer edited = BFS_BUFFER_INIT;
	int r = variant->rpath ? edit_rpath(rewrite, variant, data, length, &edited, error) : 0;

	if (r < 0)
		return r;
	if (edited.data) {
		data = (uint8_t *)edited.data;
		length = edited.length;
	}
	bfs_export_rewrite_bytes(data, length, rewrite->from, rewrite->padded);
	return bfs_export_cache_put(
		rewrite->cache, variant->key, variant->executable, data, length, error);
}

static int submit(struct rewrite *rewrite, struct bfs_export_contents *contents)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rewrite->count; i++) {
		struct variant *variant = &rewrite->variants[i];
		enum bfs_export_store store;
		struct bfs_content content;

		r = bfs_export_cache_get(rewrite->cache, variant->key, &content);
		if (r != -ENOENT)
			continue;
		r = bfs_export_plan_get_content(rewrite->plan, variant->content, &content, &store);
		if (r == 0)
			r = bfs_export_contents_submit(contents, &content, variant);
		rewrite->counts.made++;
	}
	return r;
}

static int make_all(
	struct rewrite *rewrite, struct bfs_content_reader *reader, struct bfs_error *error)
{
	_cleanup_export_contents_ struct bfs_export_contents *contents = NULL;
	int r = bfs_export_contents_new(reader, make_variant, rewrite, &contents), waited;

	if (r < 0)
		return r;
	r = submit(rewrite, contents);
	waited = bfs_export_contents_wait(contents, error);
	if (waited < 0 || r < 0)
		return waited < 0 ? waited : r;
	return bfs_export_cache_commit(rewrite->cache, error);
}

static int note_results(struct rewrite *rewrite)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	sqlite3 *db = bfs_export_plan_db(rewrite->plan);
	int r = bfs_db_prepare(
		db, "UPDATE variant SET result=?3 WHERE content=?1 AND executable=?2", &stmt);

	for (size_t i = 0; r == 0 && i < rewrite->count; i++) {
		const struct variant *variant = &rewrite->variants[i];
		struct bfs_content content;
		int64_t id;

		r = bfs_export_cache_get(rewrite->cache, variant->key, &content);
		if (r == 0)
			r = bfs_export_plan_add_content(
				rewrite->plan, &content, BFS_EXPORT_CACHE, &id);
		if (r < 0)
			break;
		sqlite3_bind_int64(stmt, 1, variant->content);
		sqlite3_bind_int(stmt, 2, variant->executable);
		sqlite3_bind_int64(stmt, 3, id);
		r = bfs_db_run(stmt);
	}
	if (r < 0)
		return r;
	return bfs_db_exec(db, "UPDATE entry SET result=coalesce((SELECT v.result FROM variant v"
			       " WHERE v.content=entry.content AND v.executable="
			       "(entry.mode & 73 <> 0)), content) WHERE kind=2");
}

int bfs_export_rewrite(struct bfs_export_plan *plan, struct bfs_export_cache *cache,
	struct bfs_content_reader *reader, const char *from, const char *padded,
	struct bfs_export_rewrite_counts *ret_counts, struct bfs_error *error)
{
	_cleanup_rewrite_ struct rewrite rewrite = {
		.plan = plan, .cache = cache, .from = from, .padded = padded};
	int r = list_variants(&rewrite);

	if (r == 0)
		r = make_all(&rewrite, reader, error);
	if (r == 0)
		r = note_results(&rewrite);
	if (r < 0)
		return bfs_error_set(error, r, "rewriting for the export", padded, NULL);
	rewrite.counts.files = rewrite.count;
	*ret_counts = rewrite.counts;
	return 0;
}
