/* brewfs fetch: what an install needs, into a directory that goes to where there is no network. */
#include "installer/commands.h"
#include "installer/fetch.h"
#include "installer/wanted.h"
#include "index/ref.h"
#include "lib/command.h"
#include "lib/log.h"
#include "lib/text.h"

#include <stddef.h>
#include <string.h>

struct options {
	const char *to;
	const char *file;
	const char *tag;
	const char *target_glibc;
	bool prune;
	bool json;
};

static const struct bfs_option option_table[] = {
	{"to", 't', "DIR", "The directory to fill; it is made if it is not there",
		offsetof(struct options, to)},
	{"file", 'f', "BREWFILE", "Read this Brewfile; - is standard input",
		offsetof(struct options, file)},
	{"tag", 0, "TAG", "Bottles of this tag (default: this machine's)",
		offsetof(struct options, tag)},
	{"target-glibc", 0, "VERSION", "The oldest glibc among the hosts of the store",
		offsetof(struct options, target_glibc)},
	{"prune", 0, NULL, "Remove bottles that this fetch does not need",
		offsetof(struct options, prune)},
	{"json", 0, NULL, "Print what was fetched as JSON", offsetof(struct options, json)},
	{NULL, 0, NULL, NULL, 0},
};

static int print_json(const struct bfs_fetch_order *order, const struct bfs_fetch_report *report)
{
	_cleanup_json_ json_t *document = json_pack("{s:o, s:s, s:I, s:I, s:O}", "directory",
		bfs_text_json(bfs_depot_path(order->depot)), "tag", order->tag, "downloaded",
		(json_int_t)report->downloaded, "pruned", (json_int_t)report->pruned, "formulae",
		report->formulae);

	return document ? bfs_json_print(document) : -ENOMEM;
}

static void say_result(const struct bfs_fetch_order *order, const struct bfs_fetch_report *report)
{
	size_t count = json_array_size(report->formulae);
	char size[BFS_SIZE_TEXT_SIZE];

	if (report->fetched)
		bfs_log_info("%zu of %zu bottles downloaded, %s", report->fetched, count,
			bfs_size_text(report->downloaded, size));
	else
		bfs_log_info("All %zu bottles are there already", count);
	if (report->pruned)
		bfs_log_info("%zu files removed that are not needed", report->pruned);
	bfs_log_info(
		"Install from it with: brewfs install --from %s", bfs_depot_path(order->depot));
}

static int fetch(const struct options *options, const char *tag, const struct bfs_wanted *wanted,
	struct bfs_error *error)
{
	BFS_CLEANUP(bfs_fetch_report_release) struct bfs_fetch_report report = {0};
	BFS_CLEANUP(bfs_finder_release)
	struct bfs_finder finder = {
		.tag = tag, .taps = wanted->taps, .tap_count = wanted->tap_count};
	_cleanup_depot_ struct bfs_depot *depot = NULL;
	struct bfs_fetch_order order = {
		.tag = tag,
		.target_glibc = options->target_glibc,
		.requests = wanted->requests,
		.count = wanted->count,
		.finder = &finder,
		.prune = options->prune,
		.quiet = options->json,
	};
	int r = bfs_depot_fill(options->to, &depot, error);

	order.depot = depot;
	finder.depot = depot;
	if (r == 0)
		r = bfs_fetch(&order, &report, error);
	/* The catalog uses the depot, which goes first. */
	bfs_finder_release(&finder);
	if (r < 0)
		return r;
	if (options->json)
		return print_json(&order, &report);
	say_result(&order, &report);
	return 0;
}

static int check_usage(const struct options *options, int count, char **operands)
{
	if (!options->to) {
		bfs_log_error("fetch: --to DIR is needed");
		return BFS_EXIT_USAGE;
	}
	if (count > 0 && options->file) {
		bfs_log_error("fetch: either formulae or a Brewfile, not both");
		return BFS_EXIT_USAGE;
	}
	if (options->tag && !bfs_wanted_is_tag(options->tag)) {
		bfs_log_error("fetch: %s: the tags are x86_64_linux and arm64_linux", options->tag);
		return BFS_EXIT_USAGE;
	}
	for (int i = 0; i < count; i++)
		if (bfs_local_bottle_is_path(operands[i])) {
			bfs_log_error("fetch: %s: a file need not be fetched", operands[i]);
			return BFS_EXIT_USAGE;
		}
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	BFS_CLEANUP(bfs_wanted_release) struct bfs_wanted wanted = {0};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const char *tag = options->tag ? options->tag : bfs_ref_default();
	int r = check_usage(options, count, operands);

	bfs_log_set_quiet(options->json);
	if (r != 0)
		return r;
	if (count > 0)
		r = bfs_wanted_from_operands(count, operands, tag, &wanted, &error);
	else
		r = bfs_wanted_from_brewfile(options->file, &wanted, &error);
	if (r == 0)
		r = fetch(options, tag, &wanted, &error);
	if (r < 0)
		return bfs_error_report(&error, r);
	return wanted.refused > 0;
}

const struct bfs_command bfs_cmd_fetch = {
	.name = "fetch",
	.synopsis = "[FORMULA]...",
	.summary = "Download what an install needs into a directory",
	.options = option_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 0,
	.maximum_operands = -1,
	.run = run,
};
