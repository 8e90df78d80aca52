#include "index/changes.h"

#include "index/merge_private.h"

struct walk {
	struct merge merge; /* of two sides only */
	bool with_ignored;
	bfs_change_visitor *visit;
	void *context;
};

static int64_t size_of(const struct bfs_attributes *attributes)
{
	return attributes && S_ISREG(attributes->mode) ? (int64_t)attributes->size : 0;
}

static int report(struct walk *walk, enum bfs_change_kind kind, const struct bfs_attributes *base,
	const struct bfs_attributes *ours, bool ignored)
{
	const struct bfs_change change = {
		.kind = kind,
		.path = walk->merge.path.data,
		.ino = ours ? ours->ino : 0,
		.old_mode = base ? base->mode : 0,
		.mode = ours ? ours->mode : 0,
		.size = size_of(ours),
		.old_size = size_of(base),
		.ignored = ignored,
	};

	return walk->visit(walk->context, &change);
}

static int report_ignored(
	struct walk *walk, const struct bfs_attributes *base, const struct bfs_attributes *ours)
{
	enum bfs_change_kind kind = !base   ? BFS_CHANGE_ADDED
				    : !ours ? BFS_CHANGE_REMOVED
					    : BFS_CHANGE_MODIFIED;

	return walk->with_ignored ? report(walk, kind, base, ours, true) : 0;
}

static int compare(
	struct walk *walk, const struct bfs_attributes *base, const struct bfs_attributes *ours)
{
	bool equal;
	int r;

	if (!base || !ours)
		return report(
			walk, base ? BFS_CHANGE_REMOVED : BFS_CHANGE_ADDED, base, ours, false);
	r = bfs_merge_equals_base(&walk->merge, &walk->merge.ours, base, ours, &equal);
	if (r < 0 || (equal && base->mode == ours->mode))
		return r;
	return report(walk, equal ? BFS_CHANGE_ATTRIBUTES : BFS_CHANGE_MODIFIED, base, ours, false);
}

static int walk_directories(struct walk *walk, uint64_t base, uint64_t ours);

/* The path is that of the pair. */
static int walk_pair(
	struct walk *walk, const struct bfs_attributes *base, const struct bfs_attributes *ours)
{
	bool ignored = false;
	int r;

	if (base)
		ours = merge_storable(ours);
	r = bfs_merge_ignores(&walk->merge, ours ? &walk->merge.ours : &walk->merge.base,
		ours ? ours : base, &ignored);

	if (r < 0)
		return r;
	if (ignored)
		return report_ignored(walk, base, ours);
	if (base && bfs_merge_was_ignored(&walk->merge, base))
		base = NULL;
	if (!base && !ours)
		return 0;
	r = compare(walk, base, ours);
	if (r == 0 && (merge_is_directory(base) || merge_is_directory(ours)))
		r = walk_directories(walk, merge_is_directory(base) ? base->ino : 0,
			merge_is_directory(ours) ? ours->ino : 0);
	return r;
}

static int walk_directories(struct walk *walk, uint64_t base, uint64_t ours)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	int r = bfs_merge_pairs_read(&walk->merge.base, base, &walk->merge.ours, ours, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct bfs_merge_pair *pair = &pairs.pairs[i];
		const struct bfs_attributes *a = pair->first.ino ? &pair->first : NULL;
		const struct bfs_attributes *b = pair->second.ino ? &pair->second : NULL;
		size_t length;

		if (bfs_merge_is_untouched(&walk->merge, a, b))
			continue;
		r = bfs_merge_push(&walk->merge, pair->name, pair->length, &length);
		if (r == 0) {
			r = walk_pair(walk, a, b);
			bfs_merge_pop(&walk->merge, length);
		}
	}
	return r;
}

int bfs_changes_walk(const struct bfs_merge_order *order, bool with_ignored,
	bfs_change_visitor *visit, void *context)
{
	struct walk walk = {
		.merge = {.order = order,
			.base = {.tree = order->base},
			.ours = order->ours,
			.path = BFS_BUFFER_INIT},
		.with_ignored = with_ignored,
		.visit = visit,
		.context = context,
	};
	struct bfs_attributes base, ours;
	int r = bfs_buffer_append_string(&walk.merge.path, "");

	if (r == 0)
		r = bfs_merge_side_root(&walk.merge.base, &base);
	if (r == 0)
		r = bfs_merge_side_root(&walk.merge.ours, &ours);
	if (r == 0 && base.ino)
		r = compare(&walk, &base, &ours);
	if (r == 0)
		r = walk_directories(&walk, base.ino, ours.ino);
	bfs_buffer_release(&walk.merge.path);
	return r;
}
