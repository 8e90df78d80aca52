#include "index/commit.h"

#include "index/commit_kegs.h"
#include "index/commit_mark.h"
#include "index/commit_put.h"
#include "index/publish.h"
#include "lib/file.h"
#include "lib/log.h"

#include <inttypes.h>
#include <string.h>

void bfs_commit_result_release(struct bfs_commit_result *result)
{
	bfs_commit_conflicts_free(result->conflicts, result->conflict_count);
	*result = (struct bfs_commit_result){0};
}

/* --- looking at it --- */

int bfs_session_changes(struct bfs_session *session, bool with_ignored, bfs_change_visitor *visit,
	void *context, struct bfs_error *error)
{
	_cleanup_commit_view_ struct bfs_commit_view view = {0};
	struct bfs_merge_order order = {0};
	int r = bfs_commit_view_open(session, &view, error);

	if (r == 0) {
		order = (struct bfs_merge_order){.base = view.base,
			.ours = view.ours,
			.ignore = view.ignore,
			.base_ignore = view.base_ignore};
		r = bfs_changes_walk(&order, with_ignored, visit, context);
	}
	return r < 0 ? bfs_error_set(error, r, "comparing the session with its base",
			       bfs_session_info(session)->name, NULL)
		     : r;
}

/* A commit under way. */
struct commit {
	struct bfs_commit_view view;
	struct bfs_put_files files;
	struct bfs_commit_receipts receipts;
	struct bfs_merge_result merged;
	struct bfs_tree *committed; /* by an earlier commit, which was interrupted; or NULL */
	struct bfs_commit_result *result;
};

static void release(struct commit *commit)
{
	bfs_put_files_release(&commit->files);
	bfs_commit_receipts_release(&commit->receipts);
	bfs_merge_result_release(&commit->merged);
	bfs_tree_close(commit->committed);
	bfs_commit_view_close(&commit->view);
}

static void count_change(struct bfs_commit_result *result, const struct bfs_change *change)
{
	if (change->ignored)
		result->ignored++;
	else if (change->kind == BFS_CHANGE_ADDED)
		result->added++;
	else if (change->kind == BFS_CHANGE_REMOVED)
		result->removed++;
	else
		result->modified++;
}

static int note_change(void *context, const struct bfs_change *change)
{
	struct commit *commit = context;
	int r = 0;

	count_change(commit->result, change);
	if (change->ignored)
		return 0;
	if (S_ISREG(change->mode))
		r = bfs_commit_put_add(&commit->files, &commit->view, change->ino, change->mode);
	return r == 0 ? bfs_commit_receipts_add(&commit->receipts, change) : r;
}

static struct bfs_merge_order order_of(const struct commit *commit)
{
	const struct bfs_commit_view *view = &commit->view;

	return (struct bfs_merge_order){.base = view->base,
		.ours = view->ours,
		.ignore = view->ignore,
		.base_ignore = view->base_ignore};
}

/* Whether there is anything to commit, in `ret_any`. */
static int look(struct commit *commit, bool *ret_any, struct bfs_error *error)
{
	const struct bfs_merge_order order = order_of(commit);
	int r = bfs_changes_walk(&order, true, note_change, commit);

	if (r < 0)
		return bfs_error_set(error, r, "comparing the session with its base",
			bfs_session_info(commit->view.session)->name, NULL);
	*ret_any = commit->result->added || commit->result->removed || commit->result->modified;
	return 0;
}

/* --- merging --- */

static int refuse(struct commit *commit, struct bfs_error *error)
{
	const struct bfs_commit_result *result = commit->result;
	const struct bfs_commit_conflict *first = &result->conflicts[0];

	return bfs_error_set(error, -ENOTUNIQ, "committing",
		bfs_session_info(commit->view.session)->name,
		"%zu %s changed here and in the store, the first is %s (here: %s; there: %s)",
		result->conflict_count, result->conflict_count == 1 ? "path was" : "paths were",
		*first->path ? first->path : ".", first->ours, first->theirs);
}

static int read_session(void *context, uint64_t ino, size_t limit, struct bfs_buffer *buffer,
	struct bfs_error *error)
{
	return bfs_commit_view_read(context, ino, limit, buffer, error);
}

static int merge(struct commit *commit, const struct bfs_commit_options *options,
	struct bfs_tree *theirs, struct bfs_error *error)
{
	struct bfs_merge_order order = order_of(commit);
	int r;

	order.theirs = theirs;
	order.committed = commit->committed;
	order.store = bfs_session_store(commit->view.session);
	order.side = options->side;
	r = bfs_merge_run(&order, &commit->merged, error);
	commit->result->conflicts = bfs_steal(&commit->merged.conflicts);
	commit->result->conflict_count = commit->merged.conflict_count;
	commit->merged.conflict_count = 0;
	if (r == -ENOTUNIQ)
		return refuse(commit, error);
	return r == 0 ? bfs_commit_note_kegs(&commit->receipts, read_session, &commit->view,
				&commit->merged, theirs, error)
		      : r;
}

int bfs_session_apply(struct bfs_session *session, const struct bfs_commit_options *options,
	struct bfs_tree *theirs, struct bfs_writer *writer, struct bfs_commit_result *ret_result,
	struct bfs_error *error)
{
	const struct bfs_put_writers writers = {.writers = {{.writer = writer}}, .count = 1};
	struct commit commit = {.result = ret_result};
	struct bfs_worktree *worktree = bfs_session_worktree(session);
	struct bfs_writer_counts before, after;
	bool any = false;
	int r = bfs_worktree_freeze(worktree);

	*ret_result = (struct bfs_commit_result){0};
	if (r < 0)
		return bfs_error_set(error, r, "committing", bfs_session_info(session)->name, NULL);
	bfs_writer_get_counts(writer, &before);
	r = bfs_commit_view_open(session, &commit.view, error);
	if (r == 0)
		r = look(&commit, &any, error);
	if (r == 0 && any)
		r = bfs_commit_put(&commit.view, &commit.files, &writers, error);
	if (r == 0 && any)
		r = merge(&commit, options, theirs, error);
	bfs_writer_get_counts(writer, &after);
	ret_result->stored_bytes = after.bytes - before.bytes;
	release(&commit);
	bfs_worktree_thaw(worktree);
	return r;
}

/* --- publishing --- */

/* "session NAME: 3 added, 1 removed". */
static char *make_message(const struct commit *commit)
{
	const struct bfs_commit_result *result = commit->result;
	const struct {
		uint64_t count;
		const char *what;
	} parts[] = {{result->added, "added"}, {result->removed, "removed"},
		{result->modified, "modified"}};
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	const char *separator = ": ";
	int r = bfs_buffer_append_format(
		&text, "session %s", bfs_session_info(commit->view.session)->name);

	for (size_t i = 0; r == 0 && i < BFS_ARRAY_LENGTH(parts); i++) {
		if (!parts[i].count)
			continue;
		r = bfs_buffer_append_format(
			&text, "%s%" PRIu64 " %s", separator, parts[i].count, parts[i].what);
		separator = ", ";
	}
	return r == 0 ? bfs_buffer_steal(&text) : NULL;
}

static int publish(struct commit *commit, const struct bfs_commit_options *options,
	struct bfs_publication *publication, struct bfs_error *error)
{
	_cleanup_free_ char *made = options->message ? NULL : make_message(commit);
	const char *message = options->message ? options->message : made;

	int r = message ? bfs_commit_mark_set(
				  commit->view.session, bfs_publication_tree(publication), error)
			: -ENOMEM;

	if (r < 0)
		return r;
	return bfs_publication_commit(publication, message, &commit->result->generation, error);
}

/* --- afterwards --- */

/*
 * Has the session read from the store what the merged tree has of it. A file that is being written
 * stays here; `ret_all` is then false.
 */
static int set_stored(struct commit *commit, struct bfs_tree *theirs, bool *ret_all)
{
	const struct bfs_merge_nodes *placed = &commit->merged.placed;
	int r = 0;

	for (size_t i = 0; r == 0 && i < placed->count; i++) {
		const struct bfs_merge_node *node =
			bfs_merge_nodes_find(&commit->view.nodes, placed->nodes[i].ino);
		struct bfs_content content;

		if (!node || !node->local)
			continue;
		r = bfs_tree_content(theirs, placed->nodes[i].published, &content);
		if (r == 0)
			r = bfs_worktree_set_stored(commit->view.worktree, node->ino, &content);
		if (r == -ESTALE)
			*ret_all = false;
		if (r == -ESTALE || r == -ENOENT) /* or gone from theirs again */
			r = 0;
	}
	return r;
}

/*
 * The store has it all by now. A session that could not be brought along finds at its next commit
 * that the ref has what it has.
 */
static void settle(struct commit *commit, struct bfs_publication *publication)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_generation *generation = &commit->result->generation;
	bool all = true;
	int r = set_stored(commit, bfs_publication_tree(publication), &all);

	if (!generation->number)
		generation = bfs_publication_base(publication);
	if (r == 0 && generation->number)
		r = bfs_session_set_base(commit->view.session, generation, &error);
	/* What stays here is not in the base: the mark tells that the ref has it from here. */
	if (r == 0 && all)
		bfs_commit_mark_clear(commit->view.session);
	else if (r < 0)
		bfs_log_warning("the session %s was committed, but still has its old base: %s",
			bfs_session_info(commit->view.session)->name, bfs_error_message(&error, r));
}

/* The worktree is frozen, the ref locked. */
static int run(struct commit *commit, const struct bfs_commit_options *options,
	struct bfs_publication *publication, struct bfs_error *error)
{
	struct bfs_tree *theirs = bfs_publication_tree(publication);
	_cleanup_put_writers_ struct bfs_put_writers writers = {.count = 0};
	bool any = false;
	int r = look(commit, &any, error);

	if (r < 0 || !any)
		return r;
	r = bfs_commit_mark_find(commit->view.session, publication, &commit->committed, error);
	if (r == 0)
		r = bfs_put_writers_make(&writers, bfs_session_store(commit->view.session),
			bfs_publication_base_path(publication), &commit->files, error);
	if (r == 0)
		r = bfs_commit_put(&commit->view, &commit->files, &writers, error);
	if (r == 0)
		r = merge(commit, options, theirs, error);
	if (r == 0 && commit->merged.changed)
		r = bfs_put_writers_commit(&writers, theirs, &commit->result->stored_bytes, error);
	if (r == 0 && commit->merged.changed)
		r = publish(commit, options, publication, error);
	if (r == 0)
		settle(commit, publication);
	return r;
}

int bfs_session_commit(struct bfs_session *session, const struct bfs_commit_options *options,
	struct bfs_commit_result *ret_result, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	struct bfs_worktree *worktree = bfs_session_worktree(session);
	const struct bfs_session_info *info = bfs_session_info(session);
	struct commit commit = {.result = ret_result};
	int r;

	*ret_result = (struct bfs_commit_result){0};
	/* Who writes in the session goes on while another one has the ref. */
	r = bfs_publication_begin(bfs_session_store(session), info->ref, &publication, error);
	if (r < 0)
		return r;
	r = bfs_worktree_freeze(worktree);
	if (r < 0)
		return bfs_error_set(error, r, "committing", info->name, NULL);
	r = bfs_commit_view_open(session, &commit.view, error);
	if (r == 0)
		r = run(&commit, options, publication, error);
	release(&commit);
	bfs_worktree_thaw(worktree);
	return r;
}
