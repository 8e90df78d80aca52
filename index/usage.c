#include "index/usage.h"

#include "index/rebuild.h"
#include "index/store.h"
#include "lib/db.h"
#include "lib/workers.h"

#include <fcntl.h>
#include <string.h>

/* A question to the store takes a round trip of about 1 ms on EFS: many at once, many a job. */
#define STAT_THREADS 32
#define BATCH_NAMES  256
#define BATCHES	     64 /* under way at once: 1.5 MB of names */

struct batch {
	struct bfs_store *store;
	size_t count;
	char names[BATCH_NAMES][BFS_STORE_NAME_SIZE];
	struct bfs_usage usage;
};

static int stat_one(struct bfs_store *store, const char *name, struct bfs_usage *usage)
{
	struct stat st;

	if (fstatat(bfs_store_fd(store), name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return -errno;
		usage->missing++;
		return 0;
	}
	usage->files++;
	usage->bytes += (uint64_t)st.st_size;
	usage->allocated += (uint64_t)st.st_blocks * 512;
	return 0;
}

static int stat_batch(void *context)
{
	struct batch *batch = context;
	int r = 0;

	for (size_t i = 0; r == 0 && i < batch->count; i++)
		r = stat_one(batch->store, batch->names[i], &batch->usage);
	return r;
}

static void add_usage(struct bfs_usage *sum, const struct bfs_usage *usage)
{
	sum->files += usage->files;
	sum->bytes += usage->bytes;
	sum->allocated += usage->allocated;
	sum->missing += usage->missing;
}

/* Names from a query for (digest, executable); a NULL in the second column means a pack. */
static int fill_batch(sqlite3_stmt *stmt, struct batch *batch)
{
	int r = 1;

	batch->count = 0;
	batch->usage = (struct bfs_usage){0};
	while (batch->count < BATCH_NAMES && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_content content = {.executable = sqlite3_column_int(stmt, 1) != 0};

		if (sqlite3_column_bytes(stmt, 0) != BFS_DIGEST_SIZE)
			return -EUCLEAN;
		memcpy(content.digest.bytes, sqlite3_column_blob(stmt, 0), BFS_DIGEST_SIZE);
		if (sqlite3_column_type(stmt, 1) == SQLITE_NULL)
			bfs_store_pack_name(&content.digest, batch->names[batch->count]);
		else
			bfs_store_object_name(&content, batch->names[batch->count]);
		batch->count++;
	}
	return r;
}

/* One round: fills as many batches as there are, has them asked, and adds up. 1 where more names
 * are left. */
static int run_round(struct bfs_workers *workers, sqlite3_stmt *stmt, struct batch *batches,
	struct bfs_usage *usage)
{
	int more = 1, r = 0, waited;
	size_t count = 0;

	while (r == 0 && more > 0 && count < BATCHES) {
		more = fill_batch(stmt, &batches[count]);
		if (more < 0)
			r = more;
		else if (batches[count].count)
			r = bfs_workers_submit(workers, stat_batch, &batches[count++]);
	}
	waited = bfs_workers_wait(workers);
	for (size_t i = 0; i < count; i++)
		add_usage(usage, &batches[i].usage);
	if (r == 0)
		r = waited;
	return r < 0 ? r : more;
}

static int measure_files(struct bfs_store *store, struct bfs_tree *tree, const char *sql,
	struct bfs_usage *ret_usage)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_free_ struct batch *batches = calloc(BATCHES, sizeof(*batches));
	_cleanup_workers_ struct bfs_workers *workers = NULL;
	int r = batches ? bfs_workers_new(STAT_THREADS, &workers) : -ENOMEM;

	if (r == 0)
		r = bfs_db_prepare(bfs_tree_db(tree), sql, &stmt);
	if (r < 0)
		return r;
	for (size_t i = 0; i < BATCHES; i++)
		batches[i].store = store;
	do
		r = run_round(workers, stmt, batches, ret_usage);
	while (r > 0);
	return r;
}

/* The index, or the delta and all that it is to be applied to. */
static int measure_index(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_usage *usage)
{
	_cleanup_delta_ struct bfs_delta delta = BFS_DELTA_INIT;
	char name[BFS_STORE_NAME_SIZE];
	int r = bfs_rebuild_read_delta(store, generation, &delta);

	if (r == -ENOENT)
		return stat_one(store, bfs_store_index_name(&generation->index, name), usage);
	if (r == 0)
		r = stat_one(store, bfs_store_delta_name(&generation->index, name), usage);
	for (size_t i = 0; r == 0 && i < delta.chain_count; i++) {
		if (i + 1 < delta.chain_count)
			bfs_store_delta_name(&delta.chain[i].index, name);
		else
			bfs_store_index_name(&delta.chain[i].index, name);
		r = stat_one(store, name, usage);
	}
	return r;
}

int bfs_usage_measure_store(struct bfs_store *store, const struct bfs_generation *generation,
	struct bfs_tree *tree, struct bfs_usage_store *ret_usage)
{
	struct bfs_usage_store usage = {0};
	int r = measure_files(store, tree,
		"SELECT DISTINCT digest, executable FROM object WHERE pack IS NULL",
		&usage.objects);

	if (r == 0)
		r = measure_files(store, tree, "SELECT digest, NULL FROM pack", &usage.packs);
	if (r == 0)
		r = measure_index(store, generation, &usage.index);
	if (r == 0)
		*ret_usage = usage;
	return r;
}

#define FILES_OF_KEG                                                                               \
	"WITH RECURSIVE directories(ino) AS (SELECT ?2 UNION SELECT i.ino FROM directories x"      \
	" JOIN dirent d ON d.parent=x.ino JOIN inode i ON i.ino=d.ino AND (i.mode & 61440)=16384)" \
	" INSERT OR IGNORE INTO temp.formula_file SELECT ?1, i.ino, i.object, i.size"              \
	" FROM directories x JOIN dirent d ON d.parent=x.ino"                                      \
	" JOIN inode i ON i.ino=d.ino AND (i.mode & 61440)<>16384"

static int add_kegs(
	struct bfs_tree *tree, sqlite3_stmt *insert, const struct bfs_rack *rack, size_t formula)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rack->count; i++) {
		struct bfs_attributes keg;

		r = bfs_rack_keg(tree, rack->name, rack->versions[i], &keg);
		if (r < 0)
			break;
		sqlite3_bind_int64(insert, 1, (int64_t)formula);
		sqlite3_bind_int64(insert, 2, (int64_t)keg.ino);
		r = bfs_db_run(insert);
	}
	return r;
}

int bfs_usage_begin(struct bfs_tree *tree, const struct bfs_rack *racks, size_t count)
{
	_cleanup_stmt_ sqlite3_stmt *insert = NULL;
	sqlite3 *db = bfs_tree_db(tree);
	int r = bfs_db_exec(db,
		"PRAGMA temp_store=FILE;"
		"CREATE TEMP TABLE formula_file(formula INTEGER, ino INTEGER, object INTEGER,"
		" size INTEGER, PRIMARY KEY(formula, ino)) WITHOUT ROWID;"
		"CREATE TEMP TABLE formula_content(object INTEGER, formula INTEGER, size INTEGER,"
		" PRIMARY KEY(object, formula)) WITHOUT ROWID");

	if (r == 0)
		r = bfs_db_prepare(db, FILES_OF_KEG, &insert);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_kegs(tree, insert, &racks[i], i);
	if (r == 0)
		r = bfs_db_exec(db, "INSERT OR IGNORE INTO temp.formula_content"
				    " SELECT object, formula, size FROM temp.formula_file"
				    " WHERE object IS NOT NULL");
	return r;
}

int bfs_usage_get_formula(
	struct bfs_tree *tree, size_t formula, struct bfs_usage_formula *ret_usage)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"SELECT count(*), coalesce(sum(size), 0),"
		" (SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT object, size"
		"  FROM temp.formula_file WHERE formula=?1 AND object IS NOT NULL) mine"
		"  WHERE EXISTS (SELECT 1 FROM temp.formula_content other"
		"   WHERE other.object=mine.object AND other.formula<>?1))"
		" FROM temp.formula_file WHERE formula=?1",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)formula);
	r = bfs_db_step(stmt);
	if (r <= 0)
		return r < 0 ? r : -EUCLEAN;
	ret_usage->files = sqlite3_column_int64(stmt, 0);
	ret_usage->bytes = sqlite3_column_int64(stmt, 1);
	ret_usage->shared = sqlite3_column_int64(stmt, 2);
	return 0;
}

int bfs_usage_visit_sharers(
	struct bfs_tree *tree, size_t formula, bfs_usage_sharer *visit, void *context)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(bfs_tree_db(tree),
		"SELECT other.formula, sum(other.size) FROM (SELECT DISTINCT object"
		" FROM temp.formula_file WHERE formula=?1 AND object IS NOT NULL) mine"
		" JOIN temp.formula_content other ON other.object=mine.object"
		" WHERE other.formula<>?1 GROUP BY other.formula ORDER BY 2 DESC, 1",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, (int64_t)formula);
	while ((r = bfs_db_step(stmt)) > 0) {
		r = visit(context, (size_t)sqlite3_column_int64(stmt, 0),
			sqlite3_column_int64(stmt, 1));
		if (r)
			break;
	}
	return r;
}

int bfs_usage_deduplicated(struct bfs_tree *tree, int64_t *ret_bytes)
{
	return bfs_db_get_int64(bfs_tree_db(tree),
		"SELECT coalesce((SELECT sum(size) FROM inode WHERE object IS NOT NULL), 0)"
		" - coalesce((SELECT sum(size) FROM object), 0)",
		ret_bytes);
}
