/* brewfs import: a prefix that lies in a directory, or a keg of one, becomes part of a store. */
#include "index/import.h"
#include "installer/commands.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>

/* A refusal names so many conflicts; --json has all. */
#define CONFLICTS_SHOWN 20

struct options {
	const char *store, *ref, *message;
	bool ours, theirs, json;
};

static const struct bfs_option option_table[] = {
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)",
		offsetof(struct options, store)},
	{"ref", 'r', "REF", "The prefix to import into (default: this host's bottle tag)",
		offsetof(struct options, ref)},
	{"message", 'm', "TEXT", "What to say of the new generation",
		offsetof(struct options, message)},
	{"ours", 0, NULL, "Of what is there with other content take the imported",
		offsetof(struct options, ours)},
	{"theirs", 0, NULL, "Of what is there with other content leave the store's",
		offsetof(struct options, theirs)},
	{"json", 0, NULL, "Print JSON", offsetof(struct options, json)},
	{0},
};

static json_t *conflicts_json(const struct bfs_import_result *result)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < result->conflict_count; i++)
		if (json_array_append_new(array, bfs_text_json(result->conflicts[i].path)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int print_json(const struct bfs_import_result *result, const char *ref, const char *error)
{
	json_int_t number = (json_int_t)result->generation.number;
	_cleanup_json_ json_t *document = json_pack(
		"{s:o*, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "error",
		error ? bfs_text_json(error) : NULL, "ref", ref, "generation",
		number ? json_integer(number) : json_null(), "keg", bfs_text_json(result->keg),
		"directories", (json_int_t)result->directories, "files", (json_int_t)result->files,
		"links", (json_int_t)result->links, "ignored", (json_int_t)result->ignored,
		"skipped", (json_int_t)result->skipped, "stored_bytes",
		(json_int_t)result->stored_bytes, "conflicts", conflicts_json(result));

	return document ? bfs_json_print(document) : -ENOMEM;
}

static void print_conflicts(const struct bfs_import_result *result)
{
	for (size_t i = 0; i < result->conflict_count && i < CONFLICTS_SHOWN; i++) {
		fputs("  ", stderr);
		bfs_text_print(stderr, result->conflicts[i].path);
		fputc('\n', stderr);
	}
	if (result->conflict_count > CONFLICTS_SHOWN)
		fprintf(stderr, "  and %zu more\n", result->conflict_count - CONFLICTS_SHOWN);
}

static void print_result(const struct bfs_import_result *result, const char *ref)
{
	char size[BFS_SIZE_TEXT_SIZE];

	if (result->conflict_count) {
		bfs_log_warning("decided as you said:");
		print_conflicts(result);
	}
	if (!result->generation.number) {
		bfs_log_info("%s has all of it already", ref);
		return;
	}
	bfs_log_headline(
		"Imported as generation %" PRIu64 " of %s", result->generation.number, ref);
	printf("%" PRIu64 " files, %" PRIu64 " links, %" PRIu64 " directories; %s stored",
		result->files, result->links, result->directories,
		bfs_size_text(result->stored_bytes, size));
	if (result->ignored || result->skipped)
		printf("; %" PRIu64 " left out", result->ignored + result->skipped);
	putchar('\n');
	if (result->keg)
		bfs_log_info("%s is not linked into the prefix", result->keg);
}

/* Says what went wrong; the exit status. */
static int fail(const struct bfs_import_result *result, const struct options *options,
	const char *ref, struct bfs_error *error, int code)
{
	if (options->json && result->conflict_count) {
		print_json(result, ref, bfs_error_message(error, code));
		return 1;
	}
	bfs_error_report(error, code);
	print_conflicts(result);
	if (result->conflict_count)
		bfs_log_info("Nothing was changed. --ours takes what is imported, --theirs leaves "
			     "what the store has.");
	return 1;
}

static int import(const struct options *options, const struct bfs_import_options *order,
	const char *ref, struct bfs_import_result *result, struct bfs_error *error)
{
	_cleanup_store_ struct bfs_store *store = NULL;
	_cleanup_free_ char *path = NULL;
	int r = bfs_store_default_path(options->store, &path);

	if (r == 0)
		r = bfs_store_create(path, &store, error);
	return r == 0 ? bfs_import(store, ref, order, result, error) : r;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	const char *ref = options->ref ? options->ref : bfs_ref_default();
	_cleanup_import_result_ struct bfs_import_result result = {0};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_import_options order = {
		.path = operands[0],
		.message = options->message,
		.side = options->ours	  ? BFS_COMMIT_OURS
			: options->theirs ? BFS_COMMIT_THEIRS
					  : BFS_COMMIT_REFUSE,
	};
	int r;

	(void)count;
	if (options->ours && options->theirs) {
		bfs_log_error("import: --ours and --theirs exclude each other");
		return BFS_EXIT_USAGE;
	}
	bfs_log_set_quiet(options->json);
	r = import(options, &order, ref, &result, &error);
	if (r < 0)
		return fail(&result, options, ref, &error, r);
	if (!options->json) {
		print_result(&result, ref);
		return 0;
	}
	r = print_json(&result, ref, NULL);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_import = {
	.name = "import",
	.synopsis = "PREFIX|KEG",
	.summary = "Bring a prefix or a keg from a directory into a store",
	.options = option_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 1,
	.maximum_operands = 1,
	.run = run,
};
