#include "fs/session_request.h"

#include "index/commit.h"
#include "lib/json.h"
#include "lib/text.h"

#include <string.h>

/* --- parts of answers; NULL when out of memory --- */

static json_t *conflicts_json(const struct bfs_commit_result *result)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < result->conflict_count; i++) {
		const struct bfs_commit_conflict *conflict = &result->conflicts[i];

		if (json_array_append_new(array,
			    json_pack("{s:o, s:s, s:s}", "path", bfs_text_json(conflict->path),
				    "ours", conflict->ours, "theirs", conflict->theirs)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* Takes `conflicts` over, which may be NULL. */
static json_t *error_json(const struct bfs_error *error, int code, json_t *conflicts)
{
	return json_pack("{s:o, s:o*}", "error", bfs_text_json(bfs_error_message(error, code)),
		"conflicts", conflicts);
}

static json_t *generation_json(uint64_t number)
{
	return number ? json_integer((json_int_t)number) : json_null();
}

/* --- commit --- */

static int read_side(const json_t *request, enum bfs_commit_side *ret_side)
{
	static const char *const names[] = {"refuse", "ours", "theirs"};
	const char *name = bfs_json_string_or(request, "side", names[0]);

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret_side = (enum bfs_commit_side)i;
			return 0;
		}
	return -EINVAL;
}

static json_t *commit(struct bfs_session *session, const json_t *request)
{
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_commit_options options = {
		.message = bfs_json_string_or(request, "message", NULL)};
	int r = read_side(request, &options.side);

	if (r == 0)
		r = bfs_session_commit(session, &options, &result, &error);
	if (r < 0)
		return error_json(&error, r, result.conflicts ? conflicts_json(&result) : NULL);
	return json_pack("{s:b, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "ok", 1, "generation",
		generation_json(result.generation.number), "added", (json_int_t)result.added,
		"removed", (json_int_t)result.removed, "modified", (json_int_t)result.modified,
		"ignored", (json_int_t)result.ignored, "stored_bytes",
		(json_int_t)result.stored_bytes, "conflicts", conflicts_json(&result));
}

/* --- changes --- */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

static json_t *mode_json(mode_t mode)
{
	return mode ? json_sprintf("%04o", (unsigned)(mode & 07777)) : json_null();
}

static json_t *size_json(mode_t mode, int64_t size)
{
	return S_ISREG(mode) ? json_integer(size) : json_null();
}

static int append_change(void *context, const struct bfs_change *change)
{
	static const char *const kinds[] = {
		[BFS_CHANGE_ADDED] = "added",
		[BFS_CHANGE_REMOVED] = "removed",
		[BFS_CHANGE_MODIFIED] = "modified",
		[BFS_CHANGE_ATTRIBUTES] = "attributes",
	};
	json_t *item = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:b}", "change",
		kinds[change->kind], "path", bfs_text_json(*change->path ? change->path : "."),
		"type", type_name(change->mode ? change->mode : change->old_mode), "mode",
		mode_json(change->mode), "old_mode", mode_json(change->old_mode), "size",
		size_json(change->mode, change->size), "old_size",
		size_json(change->old_mode, change->old_size), "ignored", (int)change->ignored);

	return json_array_append_new(context, item) < 0 ? -ENOMEM : 0;
}

/* With the worktree frozen meanwhile. */
static int visit_changes(struct bfs_session *session, bool ignored, bfs_change_visitor *visit,
	void *context, struct bfs_error *error)
{
	struct bfs_worktree *worktree = bfs_session_worktree(session);
	int r = bfs_worktree_freeze(worktree);

	if (r < 0)
		return bfs_error_set(
			error, r, "reading the session", bfs_session_info(session)->name, NULL);
	r = bfs_session_changes(session, ignored, visit, context, error);
	bfs_worktree_thaw(worktree);
	return r;
}

static json_t *changes(struct bfs_session *session, const json_t *request)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_json_ json_t *array = json_array();
	bool ignored = json_is_true(json_object_get(request, "ignored"));
	int r = array ? visit_changes(session, ignored, append_change, array, &error) : -ENOMEM;

	if (r < 0)
		return error_json(&error, r, NULL);
	return json_pack("{s:b, s:O}", "ok", 1, "changes", array);
}

/* --- status --- */

struct counts {
	uint64_t added, removed, modified, ignored;
};

static int count_change(void *context, const struct bfs_change *change)
{
	struct counts *counts = context;

	if (change->ignored)
		counts->ignored++;
	else if (change->kind == BFS_CHANGE_ADDED)
		counts->added++;
	else if (change->kind == BFS_CHANGE_REMOVED)
		counts->removed++;
	else
		counts->modified++;
	return 0;
}

static json_t *status(struct bfs_session *session)
{
	const struct bfs_session_info *info = bfs_session_info(session);
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_generation current = {0};
	struct bfs_worktree_counts files;
	struct counts counts = {0};
	int r = bfs_ref_read(bfs_session_store(session), info->ref, &current, &error);

	if (r == -ENOENT) {
		bfs_error_clear(&error);
		r = 0;
	}
	if (r == 0)
		r = visit_changes(session, true, count_change, &counts, &error);
	if (r == 0)
		r = bfs_worktree_count(bfs_session_worktree(session), &files);
	if (r < 0)
		return error_json(&error, r, NULL);
	return json_pack("{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "base",
		generation_json(info->base.number), "current", generation_json(current.number),
		"added", (json_int_t)counts.added, "removed", (json_int_t)counts.removed,
		"modified", (json_int_t)counts.modified, "ignored", (json_int_t)counts.ignored,
		"local_files", (json_int_t)files.local, "local_bytes",
		(json_int_t)files.local_bytes);
}

int bfs_session_request(struct bfs_session *session, const json_t *request, json_t **ret_answer)
{
	const char *what = bfs_json_string_or(request, "request", "");
	json_t *answer;

	if (strcmp(what, "commit") == 0)
		answer = commit(session, request);
	else if (strcmp(what, "changes") == 0)
		answer = changes(session, request);
	else if (strcmp(what, "status") == 0)
		answer = status(session);
	else
		answer = json_pack("{s:s}", "error", "the daemon does not know this request");
	*ret_answer = answer;
	return answer ? 0 : -ENOMEM;
}
