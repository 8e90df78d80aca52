#include "installer/export_write.h"

#include "installer/export_file.h"
#include "lib/db.h"
#include "lib/path.h"
#include "lib/workers.h"

#include <pthread.h>
#include <string.h>

#define THREADS 32 /* under way at once; a create on EFS takes some milliseconds */

/* A name that is made or removed by itself: anything but a new file. */
struct job {
	struct writing *writing;
	enum { MAKE_DIRECTORY, MAKE_LINK, REMOVE } what;
	mode_t mode;
	char *target;
	char path[];
};

struct writing {
	const struct bfs_export_write *write;
	struct bfs_workers *workers;
	struct bfs_export_files *files;
	struct bfs_export_counts counts;
	pthread_mutex_t lock; /* protects the error */
	struct bfs_error *error;
};

static sqlite3 *db_of(const struct writing *writing)
{
	return bfs_export_plan_db(writing->write->plan);
}

/* --- what is right already --- */

/* States of an entry: 0 to be made, 1 right in the directory, 2 a file that the current tree has.
 */
#define SAME_IN(table)                                                                             \
	"path IN (SELECT e.path FROM entry e JOIN " table " b ON b.path=e.path LEFT JOIN content " \
	"c ON c.id=e.result WHERE b.kind=e.kind AND b.mode=e.mode AND (e.kind<>2 OR "              \
	"b.mtime=e.mtime) AND b.content IS " BFS_EXPORT_PLAN_VALUE ")"

static int compare(struct writing *writing)
{
	int r = bfs_db_exec(db_of(writing), "UPDATE entry SET state=1 WHERE " SAME_IN("base"));

	if (r == 0)
		r = bfs_db_exec(db_of(writing),
			"UPDATE entry SET state=2 WHERE state=0 AND kind=2 AND " SAME_IN(
				"current"));
	return r;
}

/* --- jobs --- */

static int run_job(void *argument)
{
	static const char *const steps[] = {"making the directory", "making the link", "removing"};
	struct job *job = argument;
	struct writing *writing = job->writing;
	int fd = writing->write->fd, r = 0;

	if (job->what == MAKE_DIRECTORY)
		r = mkdirat(fd, job->path, job->mode | 0700);
	else if (job->what == MAKE_LINK)
		r = symlinkat(job->target, fd, job->path);
	else
		r = unlinkat(fd, job->path, 0);
	r = r < 0 ? -errno : 0;
	if (r < 0) {
		pthread_mutex_lock(&writing->lock);
		bfs_error_set(writing->error, r, steps[job->what], job->path, NULL);
		pthread_mutex_unlock(&writing->lock);
	}
	free(job->target);
	free(job);
	return r;
}

static int submit(
	struct writing *writing, int what, const char *path, mode_t mode, const char *target)
{
	size_t length = strlen(path) + 1;
	struct job *job = calloc(1, sizeof(*job) + length);
	int r = 0;

	if (!job)
		return -ENOMEM;
	job->writing = writing;
	job->what = what;
	job->mode = mode;
	memcpy(job->path, path, length);
	if (target && !(job->target = strdup(target)))
		r = -ENOMEM;
	if (r == 0)
		r = bfs_workers_submit(writing->workers, run_job, job);
	if (r < 0) {
		free(job->target);
		free(job);
	}
	return r;
}

static int wait(struct writing *writing, int r)
{
	int waited = bfs_workers_wait(writing->workers);

	return r < 0 ? r : waited;
}

/* --- removing --- */

/* Names of the old tree that are gone or become something else, children before their directory. */
#define UNWANTED                                                                                   \
	" FROM base b LEFT JOIN entry e ON e.path=b.path WHERE e.path IS NULL OR (e.state<>1 AND " \
	"NOT (e.kind=0 AND b.kind=0)) "

static int remove_files(struct writing *writing)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db_of(writing),
		"SELECT path FROM (SELECT b.path, b.kind" UNWANTED ") WHERE kind<>0", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		r = submit(writing, REMOVE, bfs_export_plan_text(stmt, 0), 0, NULL);
		writing->counts.removed++;
	}
	return wait(writing, r);
}

static int remove_directories(struct writing *writing)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db_of(writing),
		"SELECT path FROM (SELECT b.path, b.kind" UNWANTED ") WHERE kind=0 ORDER BY path"
		" DESC",
		&stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		const char *path = bfs_export_plan_text(stmt, 0);

		if (unlinkat(writing->write->fd, path, AT_REMOVEDIR) < 0)
			return bfs_error_set(
				writing->error, -errno, "removing the directory", path, NULL);
		writing->counts.removed++;
	}
	return r;
}

/* --- directories and links --- */

/* A directory whose permissions changed keeps what is in it. */
static int change_mode(struct writing *writing)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db_of(writing),
		"SELECT e.path, e.mode FROM entry e JOIN base b ON b.path=e.path WHERE e.kind=0 AND"
		" b.kind=0 AND e.mode<>b.mode",
		&stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0)
		if (fchmodat(writing->write->fd, bfs_export_plan_text(stmt, 0),
			    (mode_t)sqlite3_column_int(stmt, 1) | 0700, 0) < 0)
			return bfs_error_set(writing->error, -errno, "changing the mode of",
				bfs_export_plan_text(stmt, 0), NULL);
	return r;
}

/* 1 where there were directories so far down. */
static int make_level(struct writing *writing, int depth)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	bool any = false;
	int r = bfs_db_prepare(db_of(writing),
		"SELECT path, mode, path IN (SELECT path FROM base WHERE kind=0) FROM entry WHERE"
		" kind=0 AND length(path)-length(CAST(replace(CAST(path AS TEXT), '/', '') AS "
		"BLOB))=?1",
		&stmt);

	if (r < 0)
		return r;
	sqlite3_bind_int(stmt, 1, depth);
	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		any = true;
		if (sqlite3_column_int(stmt, 2))
			continue;
		r = submit(writing, MAKE_DIRECTORY, bfs_export_plan_text(stmt, 0),
			(mode_t)sqlite3_column_int(stmt, 1), NULL);
		writing->counts.made++;
	}
	r = wait(writing, r);
	return r < 0 ? r : any;
}

static int make_directories(struct writing *writing)
{
	int r = change_mode(writing), depth = 0;

	if (r < 0)
		return r;
	do
		r = make_level(writing, depth++);
	while (r > 0);
	return r;
}

static int make_links(struct writing *writing)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(
		db_of(writing), "SELECT path, target FROM entry WHERE kind=1 AND state=0", &stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		r = submit(writing, MAKE_LINK, bfs_export_plan_text(stmt, 0), 0,
			bfs_export_plan_text(stmt, 1));
		writing->counts.made++;
	}
	return wait(writing, r);
}

/* --- files --- */

static int read_name(sqlite3_stmt *stmt, struct bfs_export_file *ret_file)
{
	*ret_file = (struct bfs_export_file){
		.path = bfs_export_plan_text(stmt, 0),
		.mode = (mode_t)sqlite3_column_int(stmt, 1),
		.mtime = sqlite3_column_int64(stmt, 2),
		.ino = (uint64_t)sqlite3_column_int64(stmt, 3),
		.content = sqlite3_column_int64(stmt, 4),
		.state = (enum bfs_export_state)sqlite3_column_int(stmt, 5),
		.exact = sqlite3_column_int(stmt, 6),
	};
	return ret_file->path ? 0 : -ENOMEM;
}

/* In the order in which they lie in packs; names of one file follow each other. */
static int make_files(struct writing *writing)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = bfs_db_prepare(db_of(writing),
		"SELECT path, mode, mtime, ino, coalesce(result, 0), state,"
		" substr(path, -3)=x'2e7079' OR (mode & 292)<>292 AS exact FROM entry"
		" LEFT JOIN content ON id=result WHERE kind=2"
		" ORDER BY pack, offset, result, exact, ino, mode, mtime, path",
		&stmt);

	while (r >= 0 && (r = bfs_db_step(stmt)) > 0) {
		struct bfs_export_file file;

		r = read_name(stmt, &file);
		if (r == 0)
			r = bfs_export_files_add(writing->files, &file);
	}
	return bfs_export_files_finish(writing->files, r, &writing->counts, writing->error);
}

static int count_names(struct writing *writing)
{
	static const char *const queries[] = {"SELECT count(*) FROM entry WHERE kind=0",
		"SELECT count(*) FROM entry WHERE kind=1",
		"SELECT count(*) FROM entry WHERE kind=2",
		"SELECT count(*) FROM entry WHERE state=1"};
	uint64_t *const counts[] = {&writing->counts.directories, &writing->counts.links,
		&writing->counts.files, &writing->counts.kept};
	int r = 0;

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(queries); i++)
		r = bfs_db_get_int64(db_of(writing), queries[i], (int64_t *)counts[i]);
	return r;
}

static int write_all(struct writing *writing)
{
	int r = compare(writing);

	if (r == 0)
		r = remove_files(writing);
	if (r == 0)
		r = remove_directories(writing);
	if (r == 0)
		r = make_directories(writing);
	if (r == 0)
		r = make_links(writing);
	if (r == 0)
		r = make_files(writing);
	return r == 0 ? count_names(writing) : r;
}

int bfs_export_write(const struct bfs_export_write *write, struct bfs_export_counts *ret_counts,
	struct bfs_error *error)
{
	struct writing writing = {.write = write, .error = error};
	int r = bfs_workers_new(THREADS, &writing.workers);

	if (r == 0)
		r = bfs_export_files_new(write, writing.workers, &writing.files);
	pthread_mutex_init(&writing.lock, NULL);
	if (r == 0)
		r = write_all(&writing);
	bfs_workers_free(writing.workers);
	bfs_export_files_free(writing.files);
	pthread_mutex_destroy(&writing.lock);
	if (r < 0)
		return bfs_error_set(error, r, "writing the export", NULL, NULL);
	*ret_counts = writing.counts;
	return 0;
}
