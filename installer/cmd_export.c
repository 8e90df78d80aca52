/* brewfs export: a generation as a plain tree, for where FUSE is not to be had. */
#include "installer/commands.h"

#include "index/publish.h"
#include "index/reading.h"
#include "index/snapshot.h"
#include "installer/export.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define KEEP_MAX 1000

struct options {
	struct bfs_reading_options reading;
	const char *generation;
	const char *formulae;
	const char *only;
	const char *trace;
	const char *prefix;
	const char *target;
	const char *links;
	const char *keep;
	bool force;
};

static const struct bfs_option options_table[] = {
	BFS_READING_OPTIONS,
	{"generation", 'g', "NUMBER", "Export this generation (default: the current one)",
		offsetof(struct options, generation)},
	{"formula", 'f', "FORMULA", "Only this formula and what it needs; may be repeated",
		offsetof(struct options, formulae)},
	{"only", 0, "DIRECTORIES", "Only these directories of the prefix: lib,bin,share",
		offsetof(struct options, only)},
	{"trace", 0, "FILE", "Only what brewfs trace has written into FILE",
		offsetof(struct options, trace)},
	{"prefix", 'p', "PATH", "Where the export will be seen (default: DIR)",
		offsetof(struct options, prefix)},
	{"target", 't', "TARGET", "Where it is to run: lambda-python3.13, glibc=2.34...",
		offsetof(struct options, target)},
	{"links", 0, "KIND", "Names in lib and bin: hard or symbolic",
		offsetof(struct options, links)},
	{"keep", 'k', "NUMBER", "Old trees to keep (default: 1)", offsetof(struct options, keep)},
	{"force", 0, NULL, "Export although the target cannot run all of it",
		offsetof(struct options, force)},
	{0},
};

/* A decimal number without anything around it. */
static bool parse_number(const char *text, uint64_t maximum, uint64_t *ret_number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return !*end && errno == 0 && *ret_number <= maximum;
}

static int usage(const char *option, const char *value, const char *wanted)
{
	bfs_log_error("export: --%s=%s: %s", option, value, wanted);
	return BFS_EXIT_USAGE;
}

/* 0, or the exit status for a command line that makes no sense. */
static int read_options(const struct options *options, struct bfs_export_order *order)
{
	uint64_t number;

	order->keep = 1;
	if (options->keep) {
		if (!parse_number(options->keep, KEEP_MAX, &number))
			return usage("keep", options->keep, "a number up to 1000 is needed");
		order->keep = (unsigned)number;
	}
	if (options->links && strcmp(options->links, "hard") == 0)
		order->links = BFS_EXPORT_LINKS_HARD;
	else if (options->links && strcmp(options->links, "symbolic") == 0)
		order->links = BFS_EXPORT_LINKS_SYMBOLIC;
	else if (options->links)
		return usage("links", options->links, "either hard or symbolic");
	if (options->trace && (options->formulae || options->only))
		return usage("trace", options->trace, "not together with --formula and --only");
	if (options->generation &&
		(!parse_number(options->generation, INT64_MAX, &number) || !number))
		return usage("generation", options->generation, "a number from 1 is needed");
	return 0;
}

static unsigned link_limit(void)
{
	const char *text = getenv("BREWFS_LINK_LIMIT");
	uint64_t number;

	return text && parse_number(text, 1000000, &number) ? (unsigned)number : 0;
}

/* An older generation's index, as the log of the current one has it. */
static int find_generation(struct bfs_reading *reading, uint64_t number, struct bfs_error *error)
{
	struct bfs_log_entry *entries;
	struct bfs_generation found = {0};
	size_t count;
	int r = bfs_publication_log(reading->tree, &reading->generation, &entries, &count, error);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		if (entries[i].generation.number == number)
			found = entries[i].generation;
	bfs_log_entries_free(entries, count);
	if (found.number == 0)
		return bfs_error_set(error, -ENOENT, "looking for the generation", reading->ref,
			"it has no generation %" PRIu64 "; the current one is %" PRIu64, number,
			reading->generation.number);
	reading->generation = found;
	return 0;
}

static int open_generation(struct bfs_reading *reading, const char *text, struct bfs_error *error)
{
	_cleanup_free_ char *path = NULL;
	struct bfs_tree *tree;
	int r;

	if (!text || strtoull(text, NULL, 10) == reading->generation.number)
		return 0;
	r = find_generation(reading, strtoull(text, NULL, 10), error);
	if (r == 0)
		r = bfs_snapshot_fetch(reading->store, &reading->generation, &path, error);
	if (r == 0)
		r = bfs_tree_open(path, BFS_TREE_READ, &tree, error);
	if (r < 0)
		return r;
	bfs_tree_close(reading->tree);
	reading->tree = tree;
	return 0;
}

/* --- what is said --- */

static void say_findings(const struct bfs_export_report *report, const char *target)
{
	json_t *finding, *version;
	size_t i, j;

	if (json_array_size(report->findings) == 0)
		return;
	bfs_log_headline("Needs more than %s has", target);
	json_array_foreach(report->findings, i, finding)
	{
		_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

		json_array_foreach(json_object_get(finding, "needs"), j,
			version) if (bfs_buffer_append_format(&text, " %s",
					     json_string_value(version)) < 0) return;
		bfs_log_info("%s:%s", bfs_json_string_or(finding, "path", ""),
			text.data ? text.data : "");
	}
}

static void say(const struct bfs_export_report *report, const struct bfs_export_order *order)
{
	const struct bfs_export_counts *counts = &report->counts;
	char size[BFS_SIZE_TEXT_SIZE];

	if (report->unchanged) {
		bfs_log_info("%s has generation %" PRIu64 " already", report->dir,
			order->generation.number);
		return;
	}
	bfs_log_info("%" PRIu64 " files, %" PRIu64 " links, %" PRIu64 " directories", counts->files,
		counts->links, counts->directories);
	bfs_log_info("%" PRIu64 " kept, %" PRIu64 " linked, %" PRIu64 " written (%s), %" PRIu64
		     " removed",
		counts->kept, counts->reused + counts->stored + counts->again, counts->copied,
		bfs_size_text(counts->copied_bytes, size), counts->removed);
	if (report->brewed)
		bfs_log_info("Programs run under the brewed glibc; for Lambda set "
			     "AWS_LAMBDA_EXEC_WRAPPER=%s/bin/brewfs-lambda",
			report->prefix);
	bfs_log_info("Generation %" PRIu64 " is in %s, to be seen at %s", order->generation.number,
		report->dir, report->prefix);
}

static json_t *counts_json(const struct bfs_export_report *report)
{
	const struct bfs_export_counts *counts = &report->counts;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"files", (json_int_t)counts->files, "links", (json_int_t)counts->links,
		"directories", (json_int_t)counts->directories, "kept", (json_int_t)counts->kept,
		"reused", (json_int_t)counts->reused, "from_store", (json_int_t)counts->stored,
		"further_names", (json_int_t)counts->again, "copied", (json_int_t)counts->copied,
		"copied_bytes", (json_int_t)counts->copied_bytes, "made", (json_int_t)counts->made,
		"removed", (json_int_t)counts->removed, "rewritten",
		(json_int_t)report->rewritten.files, "rewritten_now",
		(json_int_t)report->rewritten.made);
}

static json_t *report_json(
	const struct bfs_export_report *report, const struct bfs_export_order *order)
{
	return json_pack("{s:o, s:o, s:o, s:s, s:I, s:b, s:s, s:s, s:o, s:o, s:I}", "dir",
		bfs_text_json(report->dir), "tree", bfs_text_json(report->tree), "prefix",
		bfs_text_json(report->prefix), "ref", order->ref, "generation",
		(json_int_t)order->generation.number, "changed", !report->unchanged, "names",
		report->hard ? "hard" : "symbolic", "loader", report->brewed ? "brewed" : "host",
		"counts", counts_json(report), "needs_newer",
		report->findings ? json_incref(report->findings) : json_null(), "trees_removed",
		(json_int_t)report->trees_removed);
}

/* --- the command --- */

static int export(const struct options *options, struct bfs_reading *reading,
	struct bfs_export_order *order, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_export_report_release) struct bfs_export_report report = {0};
	int r;

	order->store = reading->store;
	order->tree = reading->tree;
	order->ref = reading->ref;
	order->generation = reading->generation;
	order->from = reading->prefix;
	bfs_log_headline("Exporting generation %" PRIu64 " of %s to %s", order->generation.number,
		order->ref, order->dir);
	r = bfs_export(order, &report, error);
	if (order->target)
		say_findings(&report, order->target->name);
	if (r < 0)
		return r;
	say(&report, order);
	return options->reading.json ? bfs_reading_print(report_json(&report, order)) : 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	struct bfs_export_target target;
	struct bfs_export_order order = {.dir = operands[0],
		.prefix = options->prefix,
		.choice = {options->formulae, options->only, options->trace},
		.link_limit = link_limit(),
		.force = options->force};
	int r = read_options(options, &order);

	(void)count;
	if (r != 0)
		return r;
	bfs_log_set_quiet(options->reading.json);
	if (options->target) {
		r = bfs_export_target_find(options->target, &target, &error);
		order.target = &target;
	}
	if (r == 0)
		r = bfs_reading_open(&options->reading, &reading, &error);
	if (r == 0)
		r = open_generation(&reading, options->generation, &error);
	if (r == 0)
		r = export(options, &reading, &order, &error);
	return r < 0 ? bfs_error_report(&error, r) : r;
}

const struct bfs_command bfs_cmd_export = {
	.name = "export",
	.synopsis = "DIR",
	.summary = "Write the prefix as a plain tree, for Lambda and other places without FUSE",
	.options = options_table,
	.options_size = sizeof(struct options),
	.joined = 'f',
	.minimum_operands = 1,
	.maximum_operands = 1,
	.run = run,
};
