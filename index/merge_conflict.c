#include "index/merge_private.h"

#include "lib/file.h"

#include <string.h>

void bfs_commit_conflicts_free(struct bfs_commit_conflict *conflicts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(conflicts[i].path);
		free(conflicts[i].ours);
		free(conflicts[i].theirs);
	}
	free(conflicts);
}

static const char *type_name(mode_t mode)
{
	return S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "file";
}

char *bfs_merge_describe(
	const struct bfs_attributes *base, const struct bfs_attributes *side, bool equal)
{
	if (!side)
		return strdup(base ? "removed" : "nothing");
	if (!base)
		return bfs_format("a %s was added", type_name(side->mode));
	if ((base->mode & S_IFMT) != (side->mode & S_IFMT))
		return bfs_format("replaced by a %s", type_name(side->mode));
	if (!equal)
		return strdup("modified");
	if (base->mode != side->mode)
		return bfs_format("permissions %04o", (unsigned)(side->mode & 07777));
	return strdup("unchanged");
}

/* Takes both texts over, which may be NULL for want of memory. */
static int note(struct merge *merge, char *ours, char *theirs)
{
	struct bfs_merge_result *result = merge->result;
	struct bfs_commit_conflict *grown = NULL;
	char *path = strdup(merge->path.data);

	if (path && ours && theirs)
		grown = reallocarray(result->conflicts, result->conflict_count + 1, sizeof(*grown));
	if (!grown) {
		free(path);
		free(ours);
		free(theirs);
		return -ENOMEM;
	}
	result->conflicts = grown;
	grown[result->conflict_count++] = (struct bfs_commit_conflict){path, ours, theirs};
	return 0;
}

static int is_equal(const struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *base, const struct bfs_attributes *attributes, bool *ret_equal)
{
	*ret_equal = false;
	if (!base || !attributes)
		return 0;
	return bfs_merge_equals_base(merge, side, base, attributes, ret_equal);
}

/* What the tree has at the merge's path, no link followed; ino 0 for nothing. */
static int find_committed(const struct merge *merge, const struct bfs_merge_side *side,
	struct bfs_attributes *ret_found)
{
	const char *path = merge->path.data;
	int r = bfs_merge_side_root(side, ret_found);

	while (r == 0 && *path && ret_found->ino) {
		size_t length = strcspn(path, "/");

		r = bfs_merge_side_lookup(side, ret_found->ino, path, length, ret_found);
		path += length + (path[length] == '/');
		if (r == 0 && *path && !S_ISDIR(ret_found->mode))
			ret_found->ino = 0;
	}
	return r;
}

/* Whether theirs is what an earlier commit of ours made of the path: 1, 0 or an error. */
static int is_our_own(const struct merge *merge, const struct bfs_attributes *theirs)
{
	const struct bfs_merge_side committed = {.tree = merge->order->committed};
	struct bfs_attributes found;
	bool equal = false;
	int r;

	if (!committed.tree)
		return 0;
	r = find_committed(merge, &committed, &found);
	if (r < 0 || !theirs || !found.ino)
		return r < 0 ? r : !theirs && !found.ino;
	r = bfs_merge_side_equal(&merge->theirs, theirs, &committed, &found, &equal);
	return r < 0 ? r : equal && found.mode == theirs->mode;
}

int bfs_merge_conflict(struct merge *merge, const struct merge_path *path)
{
	bool ours = false, theirs = false;
	int r = is_our_own(merge, path->theirs);

	if (r != 0)
		return r;
	r = is_equal(merge, &merge->ours, path->base, path->ours, &ours);

	if (r == 0)
		r = is_equal(merge, &merge->theirs, path->base, path->theirs, &theirs);
	if (r == 0)
		r = note(merge, bfs_merge_describe(path->base, path->ours, ours),
			bfs_merge_describe(path->base, path->theirs, theirs));
	return r < 0 ? r : merge->order->side == BFS_COMMIT_OURS;
}

/* --- what one side changed in a directory that the other has not any more --- */

struct search {
	const struct bfs_merge_side *side;
	const char *other; /* what the other side did */
	size_t count, own; /* conflicts; and what is none, since theirs has it from ours */
};

static int note_change(struct merge *merge, struct search *search,
	const struct bfs_attributes *base, const struct bfs_attributes *changed, bool equal)
{
	bool is_ours = search->side == &merge->ours;
	char *own, *other;
	int r = is_our_own(merge, is_ours ? NULL : changed);

	if (r != 0) {
		search->own += r > 0;
		return r < 0 ? r : 0;
	}
	own = bfs_merge_describe(base, changed, equal);
	other = strdup(search->other);
	search->count++;
	return note(merge, is_ours ? own : other, is_ours ? other : own);
}

static int search_directory(
	struct merge *merge, struct search *search, uint64_t base, uint64_t changed);

/* The path is that of the pair. */
static int search_pair(struct merge *merge, struct search *search,
	const struct bfs_attributes *base, const struct bfs_attributes *changed)
{
	bool ignored = false, equal = false;
	int r;

	if (base)
		changed = merge_storable(changed);
	r = bfs_merge_ignores(
		merge, changed ? search->side : &merge->base, changed ? changed : base, &ignored);

	if (r < 0 || ignored)
		return r;
	r = is_equal(merge, search->side, base, changed, &equal);
	if (r == 0 && (!equal || base->mode != changed->mode))
		r = note_change(merge, search, base, changed, equal);
	if (r == 0 && equal && search->side == &merge->theirs)
		r = bfs_merge_note_counterpart(merge, base->ino, changed->ino);
	if (r == 0 && equal && S_ISDIR(base->mode))
		r = search_directory(merge, search, base->ino, changed->ino);
	return r;
}

static int search_directory(
	struct merge *merge, struct search *search, uint64_t base, uint64_t changed)
{
	_cleanup_merge_pairs_ struct bfs_merge_pairs pairs = {0};
	int r = bfs_merge_pairs_read(&merge->base, base, search->side, changed, &pairs);

	for (size_t i = 0; r == 0 && i < pairs.count; i++) {
		const struct bfs_merge_pair *pair = &pairs.pairs[i];
		const struct bfs_attributes *a = pair->first.ino ? &pair->first : NULL;
		const struct bfs_attributes *b = pair->second.ino ? &pair->second : NULL;
		size_t length;

		if (search->side == &merge->ours && bfs_merge_is_untouched(merge, a, b))
			continue;
		r = bfs_merge_push(merge, pair->name, pair->length, &length);
		if (r == 0) {
			r = search_pair(merge, search, a, b);
			bfs_merge_pop(merge, length);
		}
	}
	return r;
}

/* What stays in theirs is not what ours has elsewhere: two files from now on. */
static void forget_counterparts(struct merge *merge, size_t first)
{
	for (size_t i = first; i < merge->counterparts.count; i++)
		merge->counterparts.nodes[i].published = 0;
}

int bfs_merge_find_changes(struct merge *merge, const struct bfs_merge_side *side,
	const struct bfs_attributes *base, const struct bfs_attributes *changed,
	const struct bfs_attributes *other, size_t *ret_count)
{
	_cleanup_free_ char *text =
		other ? bfs_format("its directory was replaced by a %s", type_name(other->mode))
		      : strdup("its directory was removed");
	struct search search = {.side = side, .other = text};
	size_t counterparts = merge->counterparts.count;
	int r = text ? 0 : -ENOMEM;

	if (r == 0 && base->mode != changed->mode)
		r = note_change(merge, &search, base, changed, true);
	if (r == 0)
		r = search_directory(merge, &search, base->ino, changed->ino);
	if (search.count && merge->order->side != BFS_COMMIT_OURS)
		forget_counterparts(merge, counterparts);
	*ret_count = search.count + search.own;
	if (r == 0 && !search.count)
		return search.own > 0;
	return r < 0 ? r : merge->order->side == BFS_COMMIT_OURS;
}
