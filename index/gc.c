#include "index/gc.h"

#include "index/gc_lock.h"
#include "index/put.h"

int bfs_gc_run(struct bfs_gc *gc, struct bfs_error *error)
{
	_cleanup_references_ struct bfs_references *references = NULL;
	_cleanup_close_ int lock = -1;
	int r;

	/* A brewfs that knows no such lock must not write meanwhile. */
	r = gc->dry_run ? 0 : bfs_store_require_format(gc->store, BFS_STORE_FORMAT, error);
	if (r < 0)
		return r;
	r = bfs_gc_lock_take(gc->store, &lock, &gc->now);
	if (r < 0)
		return bfs_error_set(
			error, r, "locking the store", bfs_store_path(gc->store), NULL);
	r = bfs_references_new(&references);
	if (r < 0)
		return bfs_error_set(error, r, "collecting garbage", NULL, NULL);
	r = bfs_gc_mark(gc, references, error);
	if (r == 0)
		r = bfs_gc_sweep(gc, references, error);
	if (r == 0 && !gc->dry_run)
		bfs_put_clean_staging(gc->store);
	return r;
}
