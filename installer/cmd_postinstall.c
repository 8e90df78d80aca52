/* brewfs postinstall: the post-install steps of installed formulae, once more or at last. */
#include "index/keg.h"
#include "index/publish.h"
#include "index/rack.h"
#include "installer/commands.h"
#include "installer/finder.h"
#include "installer/install.h"
#include "installer/programs.h"
#include "lib/log.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

struct options {
	const char *store;
	const char *ref;
	bool json;
};

static const struct bfs_option option_table[] = {
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)",
		offsetof(struct options, store)},
	{"ref", 'r', "REF", "The prefix (default: this host's bottle tag)",
		offsetof(struct options, ref)},
	{"json", 0, NULL, "Print what was done as JSON", offsetof(struct options, json)},
	{NULL, 0, NULL, NULL, 0},
};

/* A run of the command. */
struct run {
	const char *ref;
	char *store_path, *tag;
	struct bfs_store *store;
	struct bfs_publication *publication;
	struct bfs_writer *writer;
	struct bfs_content_reader *reader;
	struct bfs_finder finder;
	struct bfs_formula *formulae; /* with the versions that are installed; strings borrowed */
	bfs_strings versions;	      /* owner of theirs */
	struct bfs_program_keg *kegs;
	size_t count;
	bool failed;
};

static void run_release(struct run *run)
{
	bfs_program_kegs_free(run->kegs, run->count);
	free(run->formulae);
	bfs_strings_free(run->versions);
	bfs_finder_release(&run->finder);
	bfs_content_reader_free(run->reader);
	bfs_writer_free(run->writer);
	bfs_publication_end(run->publication);
	bfs_store_close(run->store);
	free(run->store_path);
	free(run->tag);
}

static int begin(struct run *run, size_t count, struct bfs_error *error)
{
	int r = bfs_store_open(run->store_path, &run->store, error);

	if (r == 0)
		r = bfs_install_read_tag(run->store_path, run->ref, &run->tag, error);
	if (r == 0 && !run->tag)
		return bfs_error_set(error, -ENOENT, "running post-install steps", run->ref,
			"nothing is installed there");
	if (r == 0)
		r = bfs_publication_begin(run->store, run->ref, &run->publication, error);
	if (r == 0)
		r = bfs_writer_new(run->store, NULL, &run->writer, error);
	if (r == 0)
		r = bfs_content_reader_new(run->store, &run->reader);
	if (r < 0)
		return r;
	run->finder.tag = run->tag;
	bfs_finder_look_into(&run->finder, bfs_publication_tree(run->publication));
	run->formulae = calloc(count, sizeof(*run->formulae));
	run->kegs = calloc(count, sizeof(*run->kegs));
	return run->formulae && run->kegs ? 0 : -ENOMEM;
}

/* The formula as the API has it now, or as it was installed where steps of it are still pending. */
static int find_formula(struct run *run, const char *name, const char *version, bool pending,
	struct bfs_formula *ret_formula, struct bfs_error *error)
{
	const struct bfs_formula *found;
	int r = pending ? bfs_finder_find_installed(&run->finder, name, &found, error)
			: bfs_finder_find(&run->finder, name, &found, error);

	if (r == 0 && bfs_strings_add(&run->versions, version) < 0)
		r = -ENOMEM;
	if (r < 0)
		return r;
	*ret_formula = *found;
	ret_formula->pkg_version = run->versions[bfs_strings_count(run->versions) - 1];
	return 0;
}

/* Those of the formula's steps that touch files; the others are the keg's now. */
static int run_files(struct run *run, struct bfs_program_keg *keg, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_steps_result_release) struct bfs_steps_result result = {0};
	const struct bfs_steps_order order = {
		.tree = bfs_publication_tree(run->publication),
		.reader = run->reader,
		.writer = run->writer,
		.prefix = bfs_store_prefix(run->store),
		.formula = keg->formula,
		.mtime = (int64_t)time(NULL) * NS_PER_S,
	};
	int r = bfs_steps_run(&order, &result, error);

	if (r < 0)
		return r;
	for (char **warning = result.warnings; warning && *warning; warning++)
		bfs_log_warning("%s: %s", keg->formula->name, *warning);
	json_decref(keg->steps);
	keg->steps = bfs_steal(&result.pending);
	if (result.failure) {
		bfs_log_warning("The post-install step did not complete successfully: %s: %s",
			keg->formula->name, result.failure);
		keg->failure = bfs_steal(&result.failure);
	}
	return 0;
}

static int add_keg(struct run *run, const char *name, struct bfs_error *error)
{
	struct bfs_tree *tree = bfs_publication_tree(run->publication);
	struct bfs_program_keg *program = &run->kegs[run->count];
	struct bfs_formula *formula = &run->formulae[run->count];
	_cleanup_rack_ struct bfs_rack rack = {0};
	struct bfs_keg keg = {0};
	const char *version;
	int r = bfs_rack_find(tree, name, &rack);

	if (r < 0)
		return bfs_error_set(error, r, "running post-install steps", name,
			r == -ENOENT ? "it is not installed" : NULL);
	version = bfs_rack_current(&rack);
	r = bfs_keg_get(tree, rack.name, version, &keg);
	if (r == 0)
		r = find_formula(run, rack.name, version, keg.pending != NULL, formula, error);
	if (r == 0) {
		run->count++;
		program->formula = formula;
		program->steps = keg.pending ? json_loads(keg.pending, 0, NULL) : NULL;
		if (keg.pending && !json_is_array(program->steps))
			r = -EUCLEAN;
		if (keg.pending)
			formula->post_install_steps = program->steps;
	}
	if (r == 0)
		r = run_files(run, program, error);
	formula->post_install_steps = NULL; /* those that are left are the keg's */
	bfs_keg_release(&keg);
	return r < 0 ? bfs_error_set(error, r, "running post-install steps", name, NULL) : 0;
}

static int run_all(struct run *run, int count, char **names, struct bfs_error *error)
{
	struct bfs_program_order order = {
		.store_path = run->store_path,
		.ref = run->ref,
		.mtime = (int64_t)time(NULL) * NS_PER_S,
	};
	int r = begin(run, (size_t)count, error);

	for (int i = 0; r == 0 && i < count; i++)
		r = add_keg(run, names[i], error);
	if (r < 0)
		return r;
	order.store = run->store;
	order.tree = bfs_publication_tree(run->publication);
	order.writer = run->writer;
	order.reader = run->reader;
	r = bfs_programs_run(&order, run->kegs, run->count, error);
	return r < 0 ? r : bfs_writer_commit(run->writer, &order.tree, 1, error);
}

static int publish(struct run *run, struct bfs_generation *ret_generation, struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer message = BFS_BUFFER_INIT;
	int r = bfs_buffer_append_string(&message, "postinstall");

	for (size_t i = 0; r == 0 && i < run->count; i++)
		r = bfs_buffer_append_format(&message, " %s", run->kegs[i].formula->name);
	return r < 0 ? r
		     : bfs_publication_commit(
			       run->publication, message.data, ret_generation, error);
}

static json_t *describe(const struct bfs_program_keg *keg)
{
	return json_pack("{s:s, s:s, s:O?, s:s?, s:s?}", "name", keg->formula->name, "version",
		keg->formula->pkg_version, "pending", keg->steps, "failure", keg->failure, "reason",
		keg->reason);
}

static int print_json(const struct run *run, const struct bfs_generation *generation)
{
	_cleanup_json_ json_t *formulae = json_array(), *document = NULL;

	for (size_t i = 0; i < run->count; i++)
		if (json_array_append_new(formulae, describe(&run->kegs[i])) < 0)
			return -ENOMEM;
	document = json_pack("{s:s, s:s, s:I, s:O}", "store", run->store_path, "ref", run->ref,
		"generation", (json_int_t)generation->number, "formulae", formulae);
	return document ? bfs_json_print(document) : -ENOMEM;
}

/* Whether all steps of all formulae are done; says what is left. */
static bool say_result(const struct run *run, const struct bfs_generation *generation)
{
	bool complete = true;

	for (size_t i = 0; i < run->count; i++) {
		const struct bfs_program_keg *keg = &run->kegs[i];

		if (keg->steps && !keg->failure)
			bfs_log_warning("%s has steps that were not run: %s", keg->formula->name,
				keg->reason ? keg->reason : "they wait for others");
		complete = complete && !keg->steps && !keg->failure;
	}
	bfs_log_info("Generation %llu of %s", (unsigned long long)generation->number, run->ref);
	return complete;
}

static int run_command(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	BFS_CLEANUP(run_release)
	struct run run = {.ref = options->ref ? options->ref : bfs_ref_default()};
	struct bfs_generation generation = {0};
	bool complete = false;
	int r = bfs_store_default_path(options->store, &run.store_path);

	bfs_log_set_quiet(options->json);
	if (!bfs_ref_name_is_valid(run.ref)) {
		bfs_log_error("postinstall: %s: not a name for a ref", run.ref);
		return BFS_EXIT_USAGE;
	}
	if (r == 0)
		r = run_all(&run, count, operands, &error);
	if (r == 0)
		r = publish(&run, &generation, &error);
	if (r == 0)
		complete = say_result(&run, &generation);
	if (r == 0 && options->json)
		r = print_json(&run, &generation);
	return r < 0 ? bfs_error_report(&error, r) : !complete;
}

const struct bfs_command bfs_cmd_postinstall = {
	.name = "postinstall",
	.synopsis = "FORMULA...",
	.summary = "Run the post-install steps of installed formulae",
	.options = option_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 1,
	.maximum_operands = -1,
	.run = run_command,
};
