#include "installer/programs.h"

#include "index/commit.h"
#include "index/keg.h"
#include "index/snapshot.h"
#include "installer/prefix.h"
#include "installer/program_process.h"
#include "installer/step_script.h"
#include "lib/file.h"
#include "lib/log.h"

#include <string.h>

/* What one session runs: the formulae from `first` on, up to `end`, that have a script. */
struct batch {
	size_t first, end;
	size_t *counts; /* of each keg, the steps that its script runs; 0: none */
	struct bfs_buffer script;
	size_t programs; /* in all */
};

void bfs_program_kegs_free(struct bfs_program_keg *kegs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_decref(kegs[i].steps);
		free(kegs[i].failure);
		free(kegs[i].reason);
	}
	free(kegs);
}

static bool is_open(const struct bfs_program_keg *keg)
{
	return keg->steps && !keg->failure && !keg->reason;
}

static int set_text(char **text, const char *value)
{
	free(*text);
	*text = strdup(value);
	return *text ? 0 : -ENOMEM;
}

static struct bfs_steps_order steps_order(
	const struct bfs_program_order *order, const struct bfs_formula *formula)
{
	return (struct bfs_steps_order){
		.tree = order->tree,
		.reader = order->reader,
		.writer = order->writer,
		.prefix = bfs_store_prefix(order->store),
		.formula = formula,
		.mtime = order->mtime,
	};
}

/* --- what a session is to run --- */

/*
 * A formula whose steps go on with files after its programs ends a batch: those files, and what the
 * formulae after it do, may depend on what the programs make.
 */
static int fill_batch(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	size_t count, struct batch *batch, struct bfs_error *error)
{
	int r = bfs_step_script_begin(&batch->script);

	for (batch->end = batch->first; r == 0 && batch->end < count; batch->end++) {
		struct bfs_program_keg *keg = &kegs[batch->end];
		struct bfs_steps_order steps = steps_order(order, keg->formula);
		size_t *ran = &batch->counts[batch->end];

		if (!is_open(keg))
			continue;
		r = bfs_step_script_append(&steps, keg->steps, (unsigned)batch->end, &batch->script,
			ran, &keg->reason, error);
		if (r < 0)
			break;
		batch->programs += *ran;
		if (*ran > 0 && *ran < json_array_size(keg->steps)) {
			free(bfs_steal(&keg->reason)); /* looked at again when these have run */
			batch->end++;
			break;
		}
	}
	return r;
}

/* --- what came of it --- */

/* The prefix's own directories that steps may change, and the kegs of the batch. */
struct confinement {
	const struct bfs_program_keg *kegs;
	const struct batch *batch;
	char *path; /* the first that may not be changed; owned */
};

static int check_change(void *context, const struct bfs_change *change)
{
	struct confinement *confinement = context;
	const struct batch *batch = confinement->batch;

	if (change->ignored)
		return 0;
	for (size_t i = batch->first; i < batch->end; i++) {
		const struct bfs_formula *formula = confinement->kegs[i].formula;

		if (batch->counts[i] > 0 &&
			bfs_steps_may_change(formula->name, formula->pkg_version, change->path))
			return 0;
	}
	confinement->path = strdup(change->path);
	return confinement->path ? -EACCES : -ENOMEM;
}

static int check_session(struct bfs_session *session, const struct bfs_program_keg *kegs,
	const struct batch *batch, char **ret_path, struct bfs_error *error)
{
	struct bfs_worktree *worktree = bfs_session_worktree(session);
	struct confinement confinement = {kegs, batch, NULL};
	int r = bfs_worktree_freeze(worktree);

	if (r < 0)
		return r;
	r = bfs_session_changes(session, false, check_change, &confinement, error);
	bfs_worktree_thaw(worktree);
	*ret_path = confinement.path;
	if (confinement.path) {
		bfs_error_clear(error);
		return 0;
	}
	return r;
}

/* Brings what the session changed into the working copy. `ret_path`: what must not be changed. */
static int take_session(const struct bfs_program_order *order, const char *name,
	const struct bfs_program_keg *kegs, const struct batch *batch, char **ret_path,
	struct bfs_error *error)
{
	static const struct bfs_commit_options options = {.side = BFS_COMMIT_OURS};
	_cleanup_session_ struct bfs_session *session = NULL;
	_cleanup_commit_result_ struct bfs_commit_result result = {0};
	int r = bfs_session_open(
		order->store, name, "being taken into an install", &session, error);

	if (r == 0)
		r = check_session(session, kegs, batch, ret_path, error);
	if (r < 0 || *ret_path)
		return r;
	r = bfs_session_apply(session, &options, order->tree, order->writer, &result, error);
	if (r == 0)
		r = bfs_writer_commit(order->writer, (struct bfs_tree *[]){order->tree}, 1, error);
	return r;
}

static int fail_keg(struct bfs_program_keg *keg, const char *why)
{
	bfs_log_warning("The post-install step did not complete successfully: %s: %s",
		keg->formula->name, why);
	return set_text(&keg->failure, why);
}

/* Takes the first `count` steps off, and goes on with those that touch files. */
static int advance(const struct bfs_program_order *order, struct bfs_program_keg *keg, size_t count,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_steps_result_release) struct bfs_steps_result result = {0};
	struct bfs_formula formula = *keg->formula;
	struct bfs_steps_order steps = steps_order(order, &formula);
	int r;

	while (count-- > 0)
		json_array_remove(keg->steps, 0);
	if (keg->failure)
		return 0;
	if (json_array_size(keg->steps) == 0) {
		json_decref(bfs_steal(&keg->steps));
		return 0;
	}
	formula.post_install_steps = keg->steps;
	r = bfs_steps_run(&steps, &result, error);
	if (r < 0)
		return r;
	for (char **warning = result.warnings; warning && *warning; warning++)
		bfs_log_warning("%s: %s", formula.name, *warning);
	json_decref(keg->steps);
	keg->steps = bfs_steal(&result.pending);
	return result.failure ? fail_keg(keg, result.failure) : 0;
}

static int take_result(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	const struct batch *batch, const char *said, struct bfs_error *error)
{
	int r = 0;

	for (size_t i = batch->first; r == 0 && i < batch->end; i++) {
		_cleanup_free_ char *why = NULL;
		size_t done = 0;
		int status;

		if (batch->counts[i] == 0)
			continue;
		if (bfs_step_script_read_result(said, (unsigned)i, &done, &status)) {
			why = bfs_format("a program ended with status %d", status);
			r = why ? fail_keg(&kegs[i], why) : -ENOMEM;
		} else if (done < batch->counts[i]) {
			r = fail_keg(&kegs[i], "its programs were interrupted");
		}
		if (r == 0)
			r = advance(order, &kegs[i], done, error);
	}
	return r;
}

static int fail_batch(struct bfs_program_keg *kegs, const struct batch *batch, const char *path)
{
	_cleanup_free_ char *why =
		bfs_format("a program changed %s, which it may not; nothing of it was kept", path);
	int r = why ? 0 : -ENOMEM;

	for (size_t i = batch->first; r == 0 && i < batch->end; i++)
		if (batch->counts[i] > 0)
			r = fail_keg(&kegs[i], why);
	return r;
}

/* Nothing can be run on this machine, now. */
static int postpone(struct bfs_program_keg *kegs, size_t count, const char *reason)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		if (is_open(&kegs[i]))
			r = set_text(&kegs[i].reason, reason);
	return r;
}

/* --- one session --- */

static int create_session(
	const struct bfs_program_order *order, const char *name, struct bfs_error *error)
{
	_cleanup_free_ char *cache = NULL, *path = NULL;
	int r = bfs_writer_commit(order->writer, (struct bfs_tree *[]){order->tree}, 1, error);

	if (r == 0)
		r = bfs_cache_directory(&cache, error);
	if (r < 0)
		return r;
	path = bfs_cache_work_path(cache, ".steps");
	if (!path)
		return -ENOMEM;
	unlink(path);
	r = bfs_tree_write_copy(order->tree, path, error);
	if (r == 0)
		r = bfs_session_create_from(order->store, order->ref, name, path, error);
	unlink(path);
	return r;
}

static int run_in_session(const struct bfs_program_order *order, const char *name,
	struct bfs_program_keg *kegs, size_t count, const struct batch *batch,
	struct bfs_error *error)
{
	const struct bfs_program_process process = {
		order->store_path, order->ref, name, batch->script.data};
	_cleanup_buffer_ struct bfs_buffer said = BFS_BUFFER_INIT;
	_cleanup_free_ char *forbidden = NULL;
	int r;

	for (size_t i = batch->first; i < batch->end; i++)
		if (batch->counts[i] > 0)
			bfs_log_headline("Postinstalling %s", kegs[i].formula->name);
	r = bfs_program_process_run(&process, &said, error);
	if (r == -ENOEXEC)
		return postpone(
			kegs, count, "programs cannot be run in the prefix on this machine");
	if (r == 0)
		r = take_session(order, name, kegs, batch, &forbidden, error);
	if (r < 0)
		return r;
	return forbidden ? fail_batch(kegs, batch, forbidden)
			 : take_result(order, kegs, batch, said.data ? said.data : "", error);
}

static int run_batch(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	size_t count, const struct batch *batch, struct bfs_error *error)
{
	_cleanup_free_ char *name = bfs_format("postinstall-%d", (int)getpid());
	_cleanup_error_ struct bfs_error ignored = BFS_ERROR_INIT;
	int r = name ? create_session(order, name, error) : -ENOMEM;

	if (r < 0)
		return r;
	r = run_in_session(order, name, kegs, count, batch, error);
	bfs_session_discard(name, &ignored);
	return r;
}

/* --- all of it --- */

static int run_next(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	size_t count, bool *ret_more, struct bfs_error *error)
{
	struct batch batch = {.counts = calloc(count + 1, sizeof(*batch.counts))};
	int r = batch.counts ? fill_batch(order, kegs, count, &batch, error) : -ENOMEM;

	*ret_more = r == 0 && batch.programs > 0;
	if (*ret_more)
		r = run_batch(order, kegs, count, &batch, error);
	free(batch.counts);
	bfs_buffer_release(&batch.script);
	return r;
}

static int note(
	struct bfs_tree *tree, const struct bfs_program_keg *program, struct bfs_error *error)
{
	const struct bfs_formula *formula = program->formula;
	_cleanup_free_ char *pending =
		program->steps ? json_dumps(program->steps, JSON_COMPACT) : NULL;
	struct bfs_keg keg = {0};
	int r = program->steps && !pending
			? -ENOMEM
			: bfs_keg_get(tree, formula->name, formula->pkg_version, &keg);

	if (r == 0) {
		free(keg.pending);
		keg.pending = bfs_steal(&pending);
		r = bfs_keg_put(tree, &keg);
	}
	bfs_keg_release(&keg);
	return r < 0 ? bfs_error_set(error, r, "noting the post-install steps", formula->name, NULL)
		     : 0;
}

int bfs_programs_run(const struct bfs_program_order *order, struct bfs_program_keg *kegs,
	size_t count, struct bfs_error *error)
{
	bool more = count > 0;
	int r = 0;

	while (r == 0 && more)
		r = run_next(order, kegs, count, &more, error);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = note(order->tree, &kegs[i], error);
	return r;
}
