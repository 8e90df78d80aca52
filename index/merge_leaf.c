#include "index/merge_private.h"

/* What a file or link of theirs is to become. */
struct outcome {
	bool conflict;
	bool our_data; /* bytes, target or type; else theirs stay */
	mode_t mode;
};

/* What each side did, beside what is in the paths themselves. */
struct findings {
	bool our_data, their_data; /* changed it */
	bool our_mode, their_mode;
	bool same_data; /* ours and theirs are equal */
};

/* A name that leads to another of several equal files. */
static bool is_regrouped(const struct bfs_attributes *base, const struct bfs_attributes *ours)
{
	return base->ino != ours->ino && (base->nlink > 1 || ours->nlink > 1);
}

static int compare(
	struct merge *merge, const struct merge_path *path, struct findings *ret_findings)
{
	const struct bfs_attributes *base = path->base, *ours = path->ours, *theirs = path->theirs;
	struct findings found = {.our_mode = base->mode != ours->mode};
	bool equal;
	int r = bfs_merge_equals_base(merge, &merge->ours, base, ours, &equal);

	found.our_data = r == 0 && (!equal || is_regrouped(base, ours));
	if (r == 0 && theirs) {
		found.their_mode = base->mode != theirs->mode;
		r = bfs_merge_equals_base(merge, &merge->theirs, base, theirs, &equal);
		found.their_data = r == 0 && !equal;
		if (r == 0 && equal)
			r = bfs_merge_note_counterpart(merge, base->ino, theirs->ino);
	}
	if (r == 0 && theirs)
		r = bfs_merge_side_equal(
			&merge->ours, ours, &merge->theirs, theirs, &found.same_data);
	if (r == 0)
		*ret_findings = found;
	return r;
}

static bool is_executable(mode_t mode)
{
	return S_ISREG(mode) && (mode & 0111) != 0;
}

/* Whether bytes of one side would get permissions that ask for the other variant of an object. */
static bool needs_other_variant(const struct bfs_attributes *data, mode_t mode)
{
	return S_ISREG(data->mode) && data->size >= BFS_CONTENT_PACK_LIMIT &&
	       is_executable(data->mode) != is_executable(mode);
}

static void decide(
	const struct merge_path *path, const struct findings *found, struct outcome *ret_outcome)
{
	const struct bfs_attributes *ours = path->ours, *theirs = path->theirs;
	struct outcome outcome = {.mode = found->our_mode ? ours->mode : theirs->mode};

	outcome.our_data = found->our_data && !(found->same_data && found->their_data);
	outcome.conflict = outcome.our_data && found->their_data;
	if ((ours->mode & S_IFMT) != (theirs->mode & S_IFMT)) {
		/* Permissions belong to the type that has them. */
		outcome.mode = outcome.our_data ? ours->mode : theirs->mode;
		outcome.conflict = outcome.conflict || !outcome.our_data || found->their_mode;
	} else if (found->our_mode && found->their_mode && ours->mode != theirs->mode) {
		outcome.conflict = true;
	} else if (needs_other_variant(outcome.our_data ? ours : theirs, outcome.mode)) {
		/* Of equal bytes ours has the variant. */
		outcome.our_data = outcome.our_data || found->same_data;
		outcome.conflict =
			outcome.conflict ||
			needs_other_variant(outcome.our_data ? ours : theirs, outcome.mode);
	}
	*ret_outcome = outcome;
}

static int apply(struct merge *merge, const struct merge_path *path, struct outcome outcome)
{
	struct bfs_attributes ours = *path->ours;
	struct merge_path changed = *path;
	int r;

	if (!outcome.our_data)
		return outcome.mode == path->theirs->mode
			       ? 0
			       : bfs_merge_set_mode(merge, path, outcome.mode);
	ours.mode = outcome.mode;
	changed.ours = &ours;
	r = path->theirs ? bfs_merge_take(merge, path) : 0;
	return r == 0 ? bfs_merge_queue(merge, &changed) : r;
}

/* Nobody changed it, or ours its time alone. */
static int bring_time(struct merge *merge, const struct merge_path *path)
{
	if (path->base->mtime == path->ours->mtime || path->base->mtime != path->theirs->mtime)
		return 0;
	return bfs_tree_set_mtime(merge->theirs.tree, path->theirs->ino, path->ours->mtime);
}

int bfs_merge_leaf(struct merge *merge, const struct merge_path *path)
{
	struct findings found = {0};
	struct outcome outcome = {0};
	int r = compare(merge, path, &found);

	if (r < 0)
		return r;
	if (!found.our_data && !found.our_mode) {
		if (!path->theirs || found.their_data || found.their_mode)
			return 0;
		r = bfs_merge_note(merge, path->ours->ino, path->theirs->ino);
		return r == 0 ? bring_time(merge, path) : r;
	}
	if (path->theirs && !S_ISDIR(path->theirs->mode))
		decide(path, &found, &outcome);
	else
		outcome.conflict = true;
	if (outcome.conflict) {
		r = bfs_merge_conflict(merge, path);
		if (r <= 0)
			return r;
		outcome = (struct outcome){.our_data = true, .mode = path->ours->mode};
	}
	if (!outcome.our_data && found.same_data) {
		r = bfs_merge_note(merge, path->ours->ino, path->theirs->ino);
		if (r < 0)
			return r;
	}
	return apply(merge, path, outcome);
}
