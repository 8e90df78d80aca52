/* brewfs gc: removes from a store what nobody needs any more. */
#include "index/commands.h"

#include "index/gc.h"
#include "index/reading.h"
#include "lib/log.h"
#include "lib/text.h"

#include <ctype.h>
#include <inttypes.h>

struct gc_options {
	const char *store;
	const char *keep;
	const char *grace;
	bool dry_run;
	bool json;
};

static const struct bfs_option options_table[] = {
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)",
		offsetof(struct gc_options, store)},
	{"keep", 'k', "N", "Generations of each prefix that stay (default: 10)",
		offsetof(struct gc_options, keep)},
	{"grace", 0, "SECONDS", "What is younger stays (default: 3600)",
		offsetof(struct gc_options, grace)},
	{"dry-run", 'n', NULL, "Remove nothing, tell what would be",
		offsetof(struct gc_options, dry_run)},
	{"json", 0, NULL, "Print JSON", offsetof(struct gc_options, json)},
	{0},
};

/* -EINVAL for what is no number from `least` on. */
static int parse_number(const char *text, int64_t least, int64_t *number)
{
	char *end;
	long long value;

	if (!text)
		return 0;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || value < least || value > INT32_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

static json_t *make_document(const struct bfs_gc *gc)
{
	return json_pack("{s:s, s:b, s:{s:I}, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "store",
		bfs_store_path(gc->store), "dry_run", (int)gc->dry_run, "kept", "generations",
		(json_int_t)gc->kept, "removed", "generations", (json_int_t)gc->generations, "kegs",
		(json_int_t)gc->kegs, "leases", (json_int_t)gc->leases, "indexes",
		(json_int_t)gc->indexes, "packs", (json_int_t)gc->packs, "objects",
		(json_int_t)gc->objects, "staged", (json_int_t)gc->staged, "bytes",
		(json_int_t)gc->bytes);
}

static void print_counts(const struct bfs_gc *gc)
{
	char size[BFS_SIZE_TEXT_SIZE];
	uint64_t files = gc->kegs + gc->indexes + gc->packs + gc->objects + gc->staged;

	printf("%s %" PRIu64 " of %" PRIu64 " generations, %" PRIu64 " remembered kegs, %" PRIu64
	       " objects, %" PRIu64 " packs: %" PRIu64 " files, %s\n",
		gc->dry_run ? "Would remove" : "Removed", gc->generations,
		gc->generations + gc->kept, gc->kegs, gc->objects, gc->packs, files,
		bfs_size_text(gc->bytes, size));
}

static int run(const void *fields, int count, char **operands)
{
	const struct gc_options *options = fields;
	const struct bfs_reading_options reading_options = {.store = options->store};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	int64_t keep = BFS_GC_KEEP, grace = BFS_GC_GRACE;
	struct bfs_gc gc = {.dry_run = options->dry_run};
	int r;

	(void)count, (void)operands;
	if (parse_number(options->keep, 1, &keep) < 0 ||
		parse_number(options->grace, 0, &grace) < 0) {
		bfs_log_error("gc: --keep needs a number from 1 on, --grace one from 0 on");
		return BFS_EXIT_USAGE;
	}
	gc.keep = (uint64_t)keep;
	gc.grace = grace;
	r = bfs_reading_open_store(&reading_options, &reading, &error);
	gc.store = reading.store;
	if (r == 0)
		r = bfs_gc_run(&gc, &error);
	if (r < 0)
		return bfs_error_report(&error, r);
	if (options->json)
		return bfs_reading_print(make_document(&gc));
	print_counts(&gc);
	return 0;
}

const struct bfs_command bfs_cmd_gc = {
	.name = "gc",
	.synopsis = "",
	.summary = "Remove from the store what no generation needs any more",
	.options = options_table,
	.options_size = sizeof(struct gc_options),
	.run = run,
};
