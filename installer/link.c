#include "installer/link.h"

#include "index/tree_path.h"
#include "installer/link_rules.h"
#include "installer/link_walk.h"
#include "installer/opt.h"
#include "installer/prefix.h"
#include "installer/unlink.h"
#include "lib/log.h"
#include "lib/path.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void free_conflicts(struct bfs_link_conflict *conflicts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(conflicts[i].path);
		free(conflicts[i].source);
		free(conflicts[i].target);
		free(conflicts[i].owner);
	}
	free(conflicts);
}

void bfs_link_report_release(struct bfs_link_report *report)
{
	free_conflicts(report->conflicts, report->conflict_count);
	free_conflicts(report->replaced, report->replaced_count);
	*report = (struct bfs_link_report)BFS_LINK_REPORT_INIT;
}

void bfs_link_report_warn(const struct bfs_link_report *report, uint64_t generation)
{
	for (size_t i = 0; i < report->replaced_count; i++) {
		const struct bfs_link_conflict *replaced = &report->replaced[i];

		if (generation)
			bfs_log_warning("%s was overwritten by a link to %s; generation %" PRIu64
					" still has it",
				replaced->path, replaced->source, generation);
		else
			bfs_log_warning("%s was overwritten by a link to %s", replaced->path,
				replaced->source);
	}
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What one call works on. */
struct job {
	struct bfs_tree *tree;
	const char *keg;
	char *name;   /* of the formula */
	uint64_t ino; /* of the keg */
	const struct bfs_link_options *options;
	struct bfs_link_report *report;
	struct bfs_error *error;
};

static int link_directories(const struct job *job, struct bfs_link_report *report, bool collect)
{
	struct bfs_link_walk walk = {
		.tree = job->tree,
		.keg = job->keg,
		.options = job->options,
		.report = report,
		.collect = collect,
		.mtime = now(),
	};
	int r = 0;

	for (const char *const *top = bfs_link_directories; r == 0 && *top; top++)
		r = bfs_link_walk_top(&walk, job->ino, *top, job->error);
	return r;
}

/* Homebrew's words (keg.rb, ConflictError) for what is in the way; what can be done about it is ours. */
static int describe_conflict(
	const struct job *job, const struct bfs_link_conflict *conflict, struct bfs_buffer *text)
{
	_cleanup_free_ char *target = NULL;
	const char *source = bfs_path_below(conflict->source, job->keg);
	int r = bfs_prefix_absolute(job->tree, conflict->path, &target);

	if (r < 0)
		return r;
	r = bfs_buffer_append_format(text, "Could not symlink %s\nTarget %s\n",
		source ? source : conflict->source, target);
	if (r < 0)
		return r;
	if (!conflict->owner)
		return bfs_buffer_append_string(text, "already exists.");
	return bfs_buffer_append_format(
		text, "is a symlink belonging to %s.", conflict->owner);
}

static int describe_others(const struct job *job, struct bfs_buffer *text)
{
	const struct bfs_link_report *report = job->report;
	int r = 0;

	if (report->conflict_count > 1)
		r = bfs_buffer_append_string(text, "\nPossible conflicting files are:");
	for (size_t i = 0; r == 0 && report->conflict_count > 1 && i < report->conflict_count;
		i++) {
		const struct bfs_link_conflict *conflict = &report->conflicts[i];

		r = bfs_buffer_append_format(text, "\n  %s%s%s", conflict->path,
			conflict->target ? " -> " : "", conflict->target ? conflict->target : "");
	}
	return r;
}

static int set_conflict_error(const struct job *job)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = describe_conflict(job, &job->report->conflicts[0], &text);

	if (r == 0)
		r = describe_others(job, &text);
	if (r == 0)
		r = bfs_buffer_append_format(&text,
			"\nTo replace what is in the way, say so in a Brewfile:\n"
			"  brew \"%s\", link: :overwrite",
			job->name);
	if (r < 0)
		return r;
	bfs_error_set(job->error, -EEXIST, "linking", job->name, "%s", text.data);
	return 0;
}

/* Replaces the one conflict that the report has by all there are. */
static int collect_conflicts(const struct job *job)
{
	_cleanup_link_report_ struct bfs_link_report all = BFS_LINK_REPORT_INIT;
	int r = bfs_tree_begin(job->tree);

	if (r < 0)
		return r;
	r = link_directories(job, &all, true);
	bfs_tree_rollback(job->tree);
	if (r < 0 || all.conflict_count == 0)
		return r;
	free_conflicts(job->report->conflicts, job->report->conflict_count);
	job->report->conflicts = bfs_steal(&all.conflicts);
	job->report->conflict_count = all.conflict_count;
	all.conflict_count = 0;
	return 0;
}

/* Something is in the way: takes the links out again, and says what it is. */
static int give_up(const struct job *job)
{
	int r = bfs_keg_unlink(job->tree, job->keg, job->options->aliases, NULL, job->error);

	job->report->links = 0;
	if (r == 0)
		r = collect_conflicts(job);
	if (r == 0)
		r = set_conflict_error(job);
	return r;
}

static int refuse_linked(const struct job *job, const char *record)
{
	_cleanup_free_ char *destination = NULL, *path = NULL;
	int r = bfs_tree_link_destination(job->tree, record, &destination);

	if (r == 0)
		r = bfs_prefix_absolute(job->tree, destination, &path);
	return bfs_error_set(job->error, -EALREADY, "Cannot link", job->name,
		"another version is already linked: %s", r == 0 ? path : record);
}

/* A record of another version stops us (keg.rb, AlreadyLinkedError), one that leads nowhere does
 * not. */
static int check_not_linked(const struct job *job)
{
	_cleanup_free_ char *record = bfs_path_join(BFS_LINKED_RECORDS, job->name);
	struct bfs_attributes attributes;
	int r = record ? bfs_keg_is_linked(job->tree, job->keg) : -ENOMEM;

	if (r != 0)
		return r > 0 ? 0 : r;
	r = bfs_tree_stat_path(job->tree, record, &attributes);
	if (r == 0 && S_ISDIR(attributes.mode))
		return refuse_linked(job, record);
	return r == 0 || r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV ? 0 : r;
}

/* 0, or -EEXIST with the state to be kept, or an error. */
static int link_keg(const struct job *job)
{
	int r = bfs_record_remove(job->tree, BFS_LINKED_RECORDS, job->name, job->keg);

	if (r == 0)
		r = bfs_keg_optlink(job->tree, job->keg, job->options->aliases, job->error);
	if (r == 0)
		r = link_directories(job, job->report, false);
	if (r == 0)
		return bfs_record_write(job->tree, BFS_LINKED_RECORDS, job->name, job->keg);
	if (r != -EEXIST || job->report->conflict_count == 0)
		return r;
	r = give_up(job);
	return r < 0 ? r : -EEXIST;
}

static int run(const struct job *job)
{
	int r = bfs_tree_begin(job->tree), committed;

	if (r < 0)
		return r;
	if (job->options->dry_run) {
		r = link_directories(job, job->report, true);
		bfs_tree_rollback(job->tree);
		return r;
	}
	r = link_keg(job);
	if (r < 0 && (r != -EEXIST || job->report->conflict_count == 0)) {
		bfs_tree_rollback(job->tree);
		return r;
	}
	committed = bfs_tree_commit(job->tree);
	if (committed < 0)
		bfs_tree_rollback(job->tree);
	return committed < 0 ? committed : r;
}

int bfs_keg_link(struct bfs_tree *tree, const char *keg, const struct bfs_link_options *options,
	struct bfs_link_report *report, struct bfs_error *error)
{
	static const struct bfs_link_options no_options;
	_cleanup_free_ char *name = NULL;
	struct job job = {
		.tree = tree,
		.keg = keg,
		.options = options ? options : &no_options,
		.report = report,
		.error = error,
	};
	int r = bfs_keg_open(tree, keg, &name, &job.ino, error);

	if (r < 0)
		return r;
	job.name = name;
	r = check_not_linked(&job);
	if (r == 0)
		r = run(&job);
	return r < 0 ? bfs_error_set(error, r, "linking", keg, NULL) : 0;
}

bool bfs_keg_only_is_linked(const struct bfs_keg_only_case *keg_only)
{
	return keg_only->versioned && keg_only->on_request && !keg_only->any_version_installed &&
	       !keg_only->relative_installed && !keg_only->unversioned_keg_only;
}
