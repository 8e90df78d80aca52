/* brewfs fsck: whether a store is whole. */
#include "index/commands.h"

#include "index/check_store.h"
#include "index/reading.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <string.h>

struct fsck_options {
	struct bfs_reading_options common;
	bool quick;
};

static const struct bfs_option options_table[] = {
	{"quick", 'q', NULL, "Look at current generations only, and do not read contents",
		offsetof(struct fsck_options, quick)},
	BFS_READING_OPTIONS,
	{0},
};

static void print_affected(const struct bfs_finding *finding)
{
	const struct bfs_affected *affected = finding->affected;

	for (; affected; affected = affected->next) {
		fputs("    ", stdout);
		if (affected->formula) {
			bfs_text_print(stdout, affected->formula);
			fputs(": ", stdout);
		}
		bfs_text_print(stdout, *affected->path ? affected->path : "the whole prefix");
		if (affected->ref)
			printf(" (%s, generation %" PRIu64 ")", affected->ref,
				affected->generation);
		putchar('\n');
	}
	if (finding->affected_count > BFS_CHECK_AFFECTED)
		printf("    and %" PRIu64 " more\n", finding->affected_count - BFS_CHECK_AFFECTED);
}

static void print_dropped(void *context, const char *what, uint64_t dropped)
{
	(void)context;
	printf("and %" PRIu64 " more of the kind %s\n", dropped, what);
}

static void print_findings(const struct bfs_check *check)
{
	const struct bfs_finding *finding = bfs_check_findings(check);

	for (; finding; finding = finding->next) {
		fputs(finding->severity == BFS_CHECK_PROBLEM ? "problem: " : "note: ", stdout);
		bfs_text_print(stdout, finding->path);
		fputs(": ", stdout);
		bfs_text_print(stdout, finding->detail);
		printf(" [%s]\n", finding->what);
		print_affected(finding);
	}
	bfs_check_visit_dropped(check, print_dropped, NULL);
}

static void print_summary(const struct bfs_check_store *store_check)
{
	char size[BFS_SIZE_TEXT_SIZE];

	printf("Looked at %" PRIu64 " ref%s, %" PRIu64 " generation%s, %" PRIu64
	       " remembered keg%s, %" PRIu64 " object%s, %" PRIu64 " pack%s; read %s.\n",
		store_check->refs, store_check->refs == 1 ? "" : "s", store_check->generations,
		store_check->generations == 1 ? "" : "s", store_check->kegs,
		store_check->kegs == 1 ? "" : "s", store_check->objects,
		store_check->objects == 1 ? "" : "s", store_check->packs,
		store_check->packs == 1 ? "" : "s", bfs_size_text(store_check->bytes, size));
	if (store_check->unused_known)
		printf("Not used by any generation: %" PRIu64 " file%s, %s. Writers at work or "
		       "killed: %" PRIu64 ".\n",
			store_check->unused_files, store_check->unused_files == 1 ? "" : "s",
			bfs_size_text(store_check->unused_bytes, size), store_check->staging);
}

static json_t *affected_json(const struct bfs_finding *finding)
{
	const struct bfs_affected *affected = finding->affected;
	json_t *array = json_array();

	for (; affected; affected = affected->next)
		bfs_reading_append(&array,
			json_pack("{s:o, s:I, s:o, s:o}", "ref", bfs_text_json(affected->ref),
				"generation", (json_int_t)affected->generation, "formula",
				bfs_text_json(affected->formula), "path",
				bfs_text_json(affected->path)));
	return array;
}

static json_t *findings_json(const struct bfs_check *check)
{
	const struct bfs_finding *finding = bfs_check_findings(check);
	json_t *array = json_array();

	for (; finding; finding = finding->next)
		bfs_reading_append(
			&array, json_pack("{s:s, s:s, s:o, s:o, s:I, s:o}", "severity",
					finding->severity == BFS_CHECK_PROBLEM ? "problem" : "note",
					"what", finding->what, "path", bfs_text_json(finding->path),
					"detail", bfs_text_json(finding->detail), "affected_count",
					(json_int_t)finding->affected_count, "affects",
					affected_json(finding)));
	return array;
}

static int print_json(const struct bfs_check_store *store_check)
{
	json_t *document = json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "problems",
		(json_int_t)bfs_check_problems(store_check->check), "findings",
		findings_json(store_check->check), "refs", (json_int_t)store_check->refs,
		"generations", (json_int_t)store_check->generations, "remembered_kegs",
		(json_int_t)store_check->kegs, "objects", (json_int_t)store_check->objects, "packs",
		(json_int_t)store_check->packs, "bytes_read", (json_int_t)store_check->bytes);

	if (document && store_check->unused_known &&
		json_object_set_new(document, "unused",
			json_pack("{s:I, s:I, s:I}", "files", (json_int_t)store_check->unused_files,
				"bytes", (json_int_t)store_check->unused_bytes, "staging",
				(json_int_t)store_check->staging)) < 0) {
		json_decref(document);
		document = NULL;
	}
	return bfs_reading_print(document);
}

static int print(const struct bfs_check_store *store_check, bool json)
{
	uint64_t problems = bfs_check_problems(store_check->check);

	if (json)
		return print_json(store_check) || problems;
	print_findings(store_check->check);
	print_summary(store_check);
	if (problems) {
		fflush(stdout);
		bfs_log_error("%" PRIu64 " problem%s in %s", problems, problems == 1 ? "" : "s",
			bfs_store_path(store_check->store));
		return 1;
	}
	printf("No problems in %s.\n", bfs_store_path(store_check->store));
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct fsck_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	_cleanup_check_ struct bfs_check *check = NULL;
	struct bfs_check_store store_check = {.ref = options->common.ref, .quick = options->quick};
	struct bfs_progress *progress = NULL;
	int r = bfs_reading_open_store(&options->common, &reading, &error);

	(void)count, (void)operands;
	if (r == 0)
		r = bfs_check_new(&check);
	if (r == 0)
		r = bfs_progress_new("Checking the store", options->common.json, &progress);
	store_check.check = check;
	store_check.store = reading.store;
	store_check.progress = progress;
	if (r == 0)
		r = bfs_check_store(&store_check, &error);
	bfs_progress_free(progress);
	return r < 0 ? bfs_error_report(&error, r) : print(&store_check, options->common.json);
}

const struct bfs_command bfs_cmd_fsck = {
	.name = "fsck",
	.synopsis = "",
	.summary = "Check that a store is whole",
	.options = options_table,
	.options_size = sizeof(struct fsck_options),
	.run = run,
};
