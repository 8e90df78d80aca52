#include "index/merge_private.h"

#include "lib/db.h"

#include <string.h>

int bfs_merge_push(struct merge *merge, const char *name, size_t length, size_t *ret_length)
{
	size_t before = merge->path.length;
	int r = merge->depth < BFS_MERGE_DEPTH_MAX ? 0 : -ENAMETOOLONG;

	if (r == 0 && before)
		r = bfs_buffer_append(&merge->path, "/", 1);
	if (r == 0)
		r = bfs_buffer_append(&merge->path, name, length);
	if (r < 0)
		return r;
	merge->depth++;
	*ret_length = before;
	return 0;
}

void bfs_merge_pop(struct merge *merge, size_t length)
{
	merge->depth--;
	merge->path.length = length;
	merge->path.data[length] = '\0';
}

int bfs_merge_ignores(const struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *attributes, bool *ret_ignored)
{
	/* Where the base is asked, ours has nothing. */
	uint64_t ours = side == &merge->ours ? attributes->ino : 0;

	*ret_ignored = side != &merge->theirs &&
		       bfs_ignore_is_host_name(merge->order->ignore, merge->path.data, ours);
	if (*ret_ignored)
		return 0;
	return bfs_ignore_entry(
		merge->order->ignore, side->tree, merge->path.data, attributes, ret_ignored);
}

bool bfs_merge_was_ignored(const struct merge *merge, const struct bfs_attributes *base)
{
	const struct bfs_ignore *rules = merge->order->base_ignore;
	bool ignored = false;

	return rules &&
	       bfs_ignore_entry(rules, merge->base.tree, merge->path.data, base, &ignored) == 0 &&
	       ignored;
}

bool bfs_merge_is_untouched(const struct merge *merge, const struct bfs_attributes *base,
	const struct bfs_attributes *ours)
{
	const struct bfs_merge_node *node;

	if (!base || !ours || base->ino != ours->ino || merge->order->base_ignore)
		return false;
	if (!merge->ours.nodes)
		return !S_ISDIR(base->mode) && base->mode == ours->mode &&
		       base->mtime == ours->mtime && base->nlink == ours->nlink;
	node = bfs_merge_nodes_find(merge->ours.nodes, ours->ino);
	return !node || !(node->touched || node->entered);
}

int bfs_merge_equals_base(const struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *base, const struct bfs_attributes *attributes, bool *ret_equal)
{
	const struct bfs_merge_node *node = bfs_merge_side_node(&merge->ours, base->ino);

	if (side == &merge->ours && base->ino == attributes->ino && !(node && node->touched)) {
		*ret_equal = true;
		return 0;
	}
	return bfs_merge_side_equal(&merge->base, base, side, attributes, ret_equal);
}

/* --- ours has a directory at the path --- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int bfs_merge_keep_time(struct merge *merge, const struct bfs_attributes *base,
	const struct bfs_attributes *ours, const struct bfs_attributes *theirs)
{
	int64_t mtime = theirs->mtime;

	if (!base)
		mtime = later(ours->mtime, theirs->mtime);
	else if (base->mtime != ours->mtime)
		mtime = base->mtime == theirs->mtime ? ours->mtime
						     : later(ours->mtime, theirs->mtime);
	if (merge->time_count == merge->time_capacity) {
		size_t capacity = merge->time_capacity ? merge->time_capacity * 2 : 64;
		struct merge_time *grown =
			reallocarray(merge->times, capacity, sizeof(*merge->times));

		if (!grown)
			return -ENOMEM;
		merge->times = grown;
		merge->time_capacity = capacity;
	}
	merge->times[merge->time_count++] = (struct merge_time){theirs->ino, mtime};
	return 0;
}

/* All three have a directory, or ours and theirs and the base has none. */
static int merge_directories(struct merge *merge, const struct merge_path *path)
{
	const struct bfs_attributes *base = merge_is_directory(path->base) ? path->base : NULL;
	mode_t ours = path->ours->mode, theirs = path->theirs->mode;
	int r = bfs_merge_keep_time(merge, base, path->ours, path->theirs);

	if (r == 0)
		r = bfs_merge_note(merge, path->ours->ino, path->theirs->ino);
	if (r == 0 && ours != theirs && !(base && base->mode == ours)) {
		bool only_ours = base && base->mode == theirs;

		r = only_ours ? 1 : bfs_merge_conflict(merge, path);
		if (r > 0)
			r = bfs_merge_set_mode(merge, path, ours);
	}
	return r < 0 ? r
		     : bfs_merge_directory(
			       merge, base ? base->ino : 0, path->ours->ino, path->theirs->ino);
}

static int replace(struct merge *merge, const struct merge_path *path)
{
	int r = path->theirs ? bfs_merge_take(merge, path) : 0;

	return r == 0 && path->ours ? bfs_merge_queue(merge, path) : r;
}

static int merge_our_directory(struct merge *merge, const struct merge_path *path)
{
	size_t changes = 0;
	bool equal = false;
	int r;

	if (merge_is_directory(path->theirs))
		return merge_directories(merge, path);
	if (merge_is_directory(path->base)) {
		r = bfs_merge_find_changes(
			merge, &merge->ours, path->base, path->ours, path->theirs, &changes);
		return r > 0 && changes ? replace(merge, path) : r < 0 ? r : 0;
	}
	if (path->base && path->theirs) {
		r = bfs_merge_equals_base(merge, &merge->theirs, path->base, path->theirs, &equal);
		if (r < 0)
			return r;
		equal = equal && path->base->mode == path->theirs->mode;
	} else {
		equal = !path->base && !path->theirs;
	}
	r = equal ? 1 : bfs_merge_conflict(merge, path);
	return r > 0 ? replace(merge, path) : r;
}

/* --- ours has a file or link at the path, and the base nothing or a directory --- */

/* Both sides put something there. */
static int merge_two_new(struct merge *merge, const struct merge_path *path)
{
	bool equal;
	int r = bfs_merge_side_equal(
		&merge->ours, path->ours, &merge->theirs, path->theirs, &equal);

	if (r < 0)
		return r;
	if (equal && path->ours->mode == path->theirs->mode)
		return bfs_merge_note(merge, path->ours->ino, path->theirs->ino);
	r = bfs_merge_conflict(merge, path);
	return r > 0 ? replace(merge, path) : r;
}

static int merge_our_new_leaf(struct merge *merge, const struct merge_path *path)
{
	size_t changes = 0;
	int r;

	if (!path->theirs) {
		r = path->base ? bfs_merge_conflict(merge, path) : 1;
		return r > 0 ? bfs_merge_queue(merge, path) : r;
	}
	if (!S_ISDIR(path->theirs->mode) || !path->base)
		return merge_two_new(merge, path);
	r = bfs_merge_find_changes(
		merge, &merge->theirs, path->base, path->theirs, path->ours, &changes);
	return r > 0 || (r == 0 && !changes) ? replace(merge, path) : r;
}

/* --- ours has nothing at the path --- */

static int merge_our_removal(struct merge *merge, const struct merge_path *path)
{
	size_t changes = 0;
	bool equal = false;
	int r;

	if (!path->theirs)
		return 0;
	if (S_ISDIR(path->base->mode) && S_ISDIR(path->theirs->mode)) {
		r = bfs_merge_find_changes(
			merge, &merge->theirs, path->base, path->theirs, NULL, &changes);
		if (r >= 0 && !changes)
			r = bfs_merge_note_counterpart(merge, path->base->ino, path->theirs->ino);
		return r > 0 || (r == 0 && !changes) ? bfs_merge_take(merge, path) : r;
	}
	r = bfs_merge_equals_base(merge, &merge->theirs, path->base, path->theirs, &equal);
	if (r == 0 && equal)
		r = bfs_merge_note_counterpart(merge, path->base->ino, path->theirs->ino);
	if (r == 0 && (!equal || path->base->mode != path->theirs->mode))
		r = bfs_merge_conflict(merge, path);
	else if (r == 0)
		r = 1;
	return r > 0 ? bfs_merge_take(merge, path) : r;
}

/* --- a directory --- */

static int merge_path(struct merge *merge, const struct merge_path *path)
{
	if (merge_is_directory(path->ours))
		return merge_our_directory(merge, path);
	if (path->ours && path->base && !S_ISDIR(path->base->mode))
		return bfs_merge_leaf(merge, path);
	if (path->ours)
		return merge_our_new_leaf(merge, path);
	return path->base ? merge_our_removal(merge, path) : 0;
}

/* The path is that of the pair. */
static int merge_pair(
	struct merge *merge, const struct bfs_merge_pair *pair, uint64_t theirs_parent)
{
	struct merge_path path = {.name = pair->name,
		.length = pair->length,
		.parent = theirs_parent,
		.base = pair->first.ino ? &pair->first : NULL,
		.ours = pair->second.ino ? &pair->second : NULL};
	struct bfs_attributes theirs;
	bool ignored = false;
	int r;

	if (path.base)
		path.ours = merge_storable(path.ours);
	r = bfs_merge_ignores(merge, path.ours ? &merge->ours : &merge->base,
		path.ours ? path.ours : path.base, &ignored);

	if (r < 0 || ignored)
		return r;
	if (path.base && bfs_merge_was_ignored(merge, path.base))
		path.base = NULL;
	r = bfs_merge_side_lookup(&merge->theirs, theirs_parent, path.name, path.length, &theirs);
	if (r < 0)
		return r;
	path.theirs = theirs.ino ? &theirs : NULL;
	return merge_path(merge, &path);
}

int bfs_merge_directory(struct merge *merge, uint64_t base, uint64_t ours, uint64_t theirs)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	int r = bfs_merge_pairs_read(&merge->base, base, &merge->ours, ours, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct bfs_merge_pair *pair = &pairs.pairs[i];
		size_t length;

		if (bfs_merge_is_untouched(merge, pair->first.ino ? &pair->first : NULL,
			    pair->second.ino ? &pair->second : NULL))
			continue;
		r = bfs_merge_push(merge, pair->name, pair->length, &length);
		if (r == 0) {
			r = merge_pair(merge, pair, theirs);
			bfs_merge_pop(merge, length);
		}
	}
	return r;
}

/* --- the whole --- */

static int merge_roots(struct merge *merge)
{
	struct bfs_attributes base, ours, theirs;
	struct merge_path path = {.name = "", .ours = &ours, .theirs = &theirs};
	int r = bfs_merge_side_root(&merge->base, &base);

	if (r == 0)
		r = bfs_merge_side_root(&merge->ours, &ours);
	if (r == 0)
		r = bfs_merge_side_root(&merge->theirs, &theirs);
	path.base = base.ino ? &base : NULL;
	return r == 0 ? merge_directories(merge, &path) : r;
}

static int run(struct merge *merge)
{
	int r = bfs_buffer_append(&merge->path, "", 0);

	if (r == 0)
		r = merge_roots(merge);
	if (r == 0)
		r = bfs_merge_add_queued(merge);
	if (r == 0)
		r = bfs_merge_finish(merge);
	if (r == 0 && merge->result->conflict_count && merge->order->side == BFS_COMMIT_REFUSE)
		r = -ENOTUNIQ;
	return r;
}

static void release(struct merge *merge)
{
	while (merge->additions) {
		struct merge_addition *addition = merge->additions;

		merge->additions = addition->next;
		free(addition);
	}
	while (merge->modes) {
		struct merge_mode *mode = merge->modes;

		merge->modes = mode->next;
		free(mode);
	}
	free(merge->times);
	bfs_merge_nodes_release(&merge->counterparts);
	bfs_buffer_release(&merge->path);
}

int bfs_merge_run(const struct bfs_merge_order *order, struct bfs_merge_result *ret_result,
	struct bfs_error *error)
{
	struct merge merge = {.order = order,
		.base = {.tree = order->base},
		.ours = order->ours,
		.theirs = {.tree = order->theirs},
		.result = ret_result,
		.path = BFS_BUFFER_INIT};
	int r;

	*ret_result = (struct bfs_merge_result){0};
	merge.last_addition = &merge.additions;
	r = bfs_tree_begin(order->theirs);
	if (r < 0)
		return bfs_error_set(error, r, "merging", NULL, NULL);
	r = run(&merge);
	if (r == 0)
		r = bfs_tree_commit(order->theirs);
	if (r < 0)
		bfs_tree_rollback(order->theirs);
	if (r < 0 && r != -ENOTUNIQ)
		bfs_error_set(error, r, "merging", merge.path.data, "%s",
			r == -ESTALE ? "the store does not have its content any more"
				     : strerror(-r));
	release(&merge);
	return r;
}

void bfs_merge_result_release(struct bfs_merge_result *result)
{
	bfs_commit_conflicts_free(result->conflicts, result->conflict_count);
	bfs_merge_nodes_release(&result->placed);
	*result = (struct bfs_merge_result){0};
}
