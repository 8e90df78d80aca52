/* brewfs doctor: what is in the way of brewfs on this machine, and what would mend it. */
#include "fs/commands.h"
#include "fs/diagnosis.h"
#include "index/efs.h"
#include "index/efs_mounted.h"
#include "index/store.h"
#include "lib/file.h"
#include "lib/log.h"

#include <stddef.h>
#include <string.h>

struct options {
	const char *store;
	const char *ref;
	const char *options;
	bool json;
};

static const struct bfs_option option_table[] = {
	{"store", 's', "DIR", "The store, where it is not given as an argument",
		offsetof(struct options, store)},
	{"ref", 'r', "REF", "The prefix to look at (default: this host's bottle tag)",
		offsetof(struct options, ref)},
	{"options", 'o', "OPTIONS", "How an EFS file system is mounted, separated by commas",
		offsetof(struct options, options)},
	{"json", 0, NULL, "Print all checks as JSON", offsetof(struct options, json)},
	{0},
};

static void release_diagnosis(struct bfs_diagnosis *diagnosis)
{
	if (diagnosis->checks)
		json_decref(diagnosis->checks);
	bfs_efs_free(diagnosis->efs);
	free(diagnosis->efs_host);
}

/* A file system that is mounted is looked at where it is; one that is not is not mounted for it. */
static int find_efs(struct bfs_diagnosis *diagnosis, const char *name, const char *options,
	char **ret_store, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_efs_places_release) struct bfs_efs_places places = {0};
	int r = bfs_efs_new(name, options, &diagnosis->efs, error);

	if (r == 0)
		r = bfs_efs_find_mounted(diagnosis->efs, &places, error);
	if (r < 0)
		return r;
	if (places.count > 0)
		return bfs_efs_attach(name, options, ret_store, error);
	return bfs_diagnosis_add(diagnosis, "efs-mount", BFS_OUTCOME_NOTE,
		"brewfs mount and brewfs install --efs mount it", "%s is not mounted",
		diagnosis->efs->id);
}

static int find_store(struct bfs_diagnosis *diagnosis, const struct options *options,
	const char *operand, char **ret_store, struct bfs_error *error)
{
	const char *name = operand ? operand : options->store;

	if (name && bfs_efs_is_name(name))
		return find_efs(diagnosis, name, options->options, ret_store, error);
	if (options->options)
		return bfs_error_set(error, -EINVAL, "looking for the store", options->options,
			"they are for an EFS file system, fs-...");
	return bfs_store_default_path(name, ret_store);
}

static int diagnose(struct bfs_diagnosis *diagnosis, const struct options *options,
	const char *operand, struct bfs_error *error)
{
	_cleanup_free_ char *store = NULL;
	int r = bfs_diagnosis_look_at_host(diagnosis);

	if (r == 0)
		r = find_store(diagnosis, options, operand, &store, error);
	diagnosis->store = store;
	diagnosis->ref = options->ref;
	if (r == 0)
		r = bfs_diagnosis_look_at_nfs(diagnosis);
	if (r == 0 && store)
		r = bfs_diagnosis_look_at_store(diagnosis);
	diagnosis->store = NULL;
	return r;
}

static void print_check(const json_t *check)
{
	const char *outcome = bfs_json_string_or(check, "outcome", "");
	const char *fix = bfs_json_string_or(check, "fix", NULL);

	if (strcmp(outcome, "ok") == 0)
		return;
	printf("%s: %s [%s]\n", outcome, bfs_json_string_or(check, "what", ""),
		bfs_json_string_or(check, "check", ""));
	if (fix)
		printf("    %s\n", fix);
}

static int print(const struct bfs_diagnosis *diagnosis, bool json)
{
	_cleanup_json_ json_t *document = NULL;
	json_t *check;
	size_t i;

	if (json) {
		document = json_pack("{s:I, s:O}", "problems", (json_int_t)diagnosis->problems,
			"checks", diagnosis->checks);
		return document ? bfs_json_print(document) : -ENOMEM;
	}
	json_array_foreach(diagnosis->checks, i, check) print_check(check);
	if (diagnosis->problems == 0)
		printf("No problems in %zu checks.\n", json_array_size(diagnosis->checks));
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	BFS_CLEANUP(release_diagnosis) struct bfs_diagnosis diagnosis = {.checks = json_array()};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = diagnosis.checks ? 0 : -ENOMEM;

	bfs_log_set_quiet(true);
	if (count > 0 && options->store) {
		bfs_log_error("doctor: the store is given twice: by --store and as an argument");
		return BFS_EXIT_USAGE;
	}
	if (r == 0)
		r = diagnose(&diagnosis, options, count > 0 ? operands[0] : NULL, &error);
	if (r == 0)
		r = print(&diagnosis, options->json);
	if (r < 0)
		return bfs_error_report(&error, r);
	return diagnosis.problems > 0;
}

const struct bfs_command bfs_cmd_doctor = {
	.name = "doctor",
	.synopsis = "[STORE | fs-ID]",
	.summary = "Find out what is in the way of a mount or an install, and what mends it",
	.options = option_table,
	.options_size = sizeof(struct options),
	.maximum_operands = 1,
	.joined = 'o',
	.run = run,
};
