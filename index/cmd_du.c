/* brewfs du: what the prefix takes up in the store, beside a copy that follows its links. */
#include "index/commands.h"

#include "index/flatten.h"
#include "index/rack.h"
#include "index/reading.h"
#include "index/usage.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <string.h>

static const struct bfs_option options_table[] = {
	BFS_READING_OPTIONS,
	{0},
};

/* One formula of the list that is printed. */
struct row {
	size_t formula; /* position in `racks` */
	struct bfs_usage_formula usage;
};

struct du {
	const struct bfs_reading *reading;
	struct bfs_rack *racks;
	size_t count;
	struct row *rows;
	size_t row_count;
	struct bfs_usage_store store;
	struct bfs_usage total;
	struct bfs_flatten_counts prefix, lib;
	int64_t deduplicated; /* bytes */
};

static void du_release(struct du *du)
{
	bfs_racks_free(du->racks, du->count);
	free(du->rows);
}
#define _cleanup_du_ BFS_CLEANUP(du_release)

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->usage.bytes != y->usage.bytes)
		return x->usage.bytes < y->usage.bytes ? 1 : -1;
	return x->formula < y->formula ? -1 : 1;
}

/* All formulae, or the one of that name; the largest first. */
static int measure_formulae(struct du *du, const char *name, struct bfs_error *error)
{
	_cleanup_rack_ struct bfs_rack only = {0};
	struct bfs_tree *tree = du->reading->tree;
	int r = name ? bfs_rack_find(tree, name, &only) : 0;

	if (r == -ENOENT)
		return bfs_error_set(
			error, r, "looking for the formula", name, "it is not installed here");
	if (r == 0)
		r = bfs_rack_list(tree, &du->racks, &du->count);
	if (r == 0)
		r = bfs_usage_begin(tree, du->racks, du->count);
	if (r < 0)
		return r;
	du->rows = calloc(du->count + 1, sizeof(*du->rows));
	if (!du->rows)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < du->count; i++) {
		struct row *row = &du->rows[du->row_count];

		if (name && strcmp(du->racks[i].name, only.name) != 0)
			continue;
		row->formula = i;
		r = bfs_usage_get_formula(tree, i, &row->usage);
		du->row_count++;
	}
	qsort(du->rows, du->row_count, sizeof(*du->rows), compare_rows);
	return r;
}

static int measure_prefix(struct du *du, struct bfs_error *error)
{
	const struct bfs_reading *reading = du->reading;
	int r = bfs_usage_measure_store(
		reading->store, &reading->generation, reading->tree, &du->store);

	if (r < 0)
		return bfs_error_set(
			error, r, "measuring the store", bfs_store_path(reading->store), NULL);
	r = bfs_flatten_measure(reading->tree, "", &du->prefix);
	if (r == 0)
		r = bfs_flatten_measure(reading->tree, "lib", &du->lib);
	if (r < 0)
		return bfs_error_set(error, r, "measuring a copy of", reading->prefix,
			r == -ELOOP ? "its links lead in circles that never end" : NULL);
	du->total.files = du->store.objects.files + du->store.packs.files + du->store.index.files;
	du->total.bytes = du->store.objects.bytes + du->store.packs.bytes + du->store.index.bytes;
	du->total.allocated =
		du->store.objects.allocated + du->store.packs.allocated + du->store.index.allocated;
	du->total.missing =
		du->store.objects.missing + du->store.packs.missing + du->store.index.missing;
	return bfs_usage_deduplicated(reading->tree, &du->deduplicated);
}

static double times(uint64_t copy, uint64_t once)
{
	return once ? (double)copy / (double)once : 0;
}

static void print_store_line(const char *name, const struct bfs_usage *usage)
{
	char size[BFS_SIZE_TEXT_SIZE], allocated[BFS_SIZE_TEXT_SIZE];

	printf("%-8s %8" PRIu64 " %10s %10s\n", name, usage->files,
		bfs_size_text(usage->bytes, size), bfs_size_text(usage->allocated, allocated));
}

static void print_copy_line(const char *name, const struct bfs_flatten_counts *counts)
{
	char size[BFS_SIZE_TEXT_SIZE], allocated[BFS_SIZE_TEXT_SIZE], once[BFS_SIZE_TEXT_SIZE];

	printf("%-8s %8" PRIu64 " %10s %10s %10s %6.1f\n", name, counts->files,
		bfs_size_text(counts->bytes, size), bfs_size_text(counts->allocated, allocated),
		bfs_size_text(counts->content_bytes, once),
		times(counts->bytes, counts->content_bytes));
}

static void print_left_out(const struct bfs_flatten_counts *counts)
{
	if (counts->outside + counts->dangling + counts->circular == 0)
		return;
	printf("Left out of the copy of the prefix: %" PRIu64 " links that lead out of it, %" PRIu64
	       " that lead nowhere, %" PRIu64 " in a circle.\n",
		counts->outside, counts->dangling, counts->circular);
}

static void print_prefix(const struct du *du)
{
	char size[BFS_SIZE_TEXT_SIZE];

	bfs_log_headline("Store %s, %s, generation %" PRIu64, bfs_store_path(du->reading->store),
		du->reading->ref, du->reading->generation.number);
	printf("%-8s %8s %10s %10s\n", "", "files", "size", "on disk");
	print_store_line("objects", &du->store.objects);
	print_store_line("packs", &du->store.packs);
	print_store_line("index", &du->store.index);
	print_store_line("total", &du->total);
	printf("Not stored again: %s of equal contents.\n",
		bfs_size_text((uint64_t)du->deduplicated, size));
	bfs_log_headline("A copy that follows all links (cp -LR)");
	printf("%-8s %8s %10s %10s %10s %6s\n", "", "files", "size", "on disk", "contents",
		"times");
	print_copy_line("prefix", &du->prefix);
	print_copy_line("lib", &du->lib);
	printf("The copy of the prefix is %.1f times the store.\n",
		times(du->prefix.bytes, du->total.bytes));
	print_left_out(&du->prefix);
}

static void print_formulae(const struct du *du)
{
	char size[BFS_SIZE_TEXT_SIZE], shared[BFS_SIZE_TEXT_SIZE];

	bfs_log_headline("Formulae");
	printf("%8s %10s %10s  %s\n", "files", "size", "shared", "formula");
	for (size_t i = 0; i < du->row_count; i++) {
		const struct row *row = &du->rows[i];

		printf("%8" PRId64 " %10s %10s  ", row->usage.files,
			bfs_size_text((uint64_t)row->usage.bytes, size),
			bfs_size_text((uint64_t)row->usage.shared, shared));
		bfs_text_print(stdout, du->racks[row->formula].name);
		putchar('\n');
	}
}

static int print_sharer(void *context, size_t formula, int64_t bytes)
{
	const struct du *du = context;
	char size[BFS_SIZE_TEXT_SIZE];

	printf("%30s  shared with ", bfs_size_text((uint64_t)bytes, size));
	bfs_text_print(stdout, du->racks[formula].name);
	putchar('\n');
	return 0;
}

static int print_sharers(struct du *du)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < du->row_count; i++)
		r = bfs_usage_visit_sharers(
			du->reading->tree, du->rows[i].formula, print_sharer, du);
	return r;
}

static json_t *usage_json(const struct bfs_usage *usage)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "files", (json_int_t)usage->files, "bytes",
		(json_int_t)usage->bytes, "allocated", (json_int_t)usage->allocated, "missing",
		(json_int_t)usage->missing);
}

static json_t *copy_json(const struct bfs_flatten_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files",
		(json_int_t)counts->files, "directories", (json_int_t)counts->directories, "bytes",
		(json_int_t)counts->bytes, "allocated", (json_int_t)counts->allocated,
		"content_bytes", (json_int_t)counts->content_bytes, "links_outside",
		(json_int_t)counts->outside, "links_dangling", (json_int_t)counts->dangling,
		"links_circular", (json_int_t)counts->circular);
}

struct sharers {
	const struct du *du;
	json_t *array;
};

static int add_sharer(void *context, size_t formula, int64_t bytes)
{
	struct sharers *sharers = context;

	bfs_reading_append(&sharers->array,
		json_pack("{s:o, s:I}", "name", bfs_text_json(sharers->du->racks[formula].name),
			"bytes", (json_int_t)bytes));
	return sharers->array ? 0 : -ENOMEM;
}

static json_t *row_json(const struct du *du, const struct row *row)
{
	struct sharers sharers = {du, json_array()};

	if (bfs_usage_visit_sharers(du->reading->tree, row->formula, add_sharer, &sharers) < 0) {
		json_decref(sharers.array);
		return NULL;
	}
	return json_pack("{s:o, s:I, s:I, s:I, s:o}", "name",
		bfs_text_json(du->racks[row->formula].name), "files", (json_int_t)row->usage.files,
		"bytes", (json_int_t)row->usage.bytes, "shared_bytes",
		(json_int_t)row->usage.shared, "shared_with", sharers.array);
}

static json_t *prefix_json(const struct du *du)
{
	const struct bfs_reading *reading = du->reading;

	return json_pack("{s:o, s:s, s:I, s:{s:o, s:o, s:o, s:o}, s:{s:o, s:o}, s:I}", "store",
		bfs_text_json(bfs_store_path(reading->store)), "ref", reading->ref, "generation",
		(json_int_t)reading->generation.number, "stored", "objects",
		usage_json(&du->store.objects), "packs", usage_json(&du->store.packs), "index",
		usage_json(&du->store.index), "total", usage_json(&du->total), "copied", "prefix",
		copy_json(&du->prefix), "lib", copy_json(&du->lib), "deduplicated_bytes",
		(json_int_t)du->deduplicated);
}

static json_t *du_json(const struct du *du, bool only_formulae)
{
	json_t *document = only_formulae ? json_object() : prefix_json(du), *rows = json_array();

	for (size_t i = 0; i < du->row_count; i++)
		bfs_reading_append(&rows, row_json(du, &du->rows[i]));
	if (json_object_set_new(document, "formulae", rows) == 0)
		return document;
	json_decref(document);
	return NULL;
}

static int print(struct du *du, bool only_formulae)
{
	if (!only_formulae)
		print_prefix(du);
	print_formulae(du);
	return only_formulae ? print_sharers(du) : 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct bfs_reading_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	_cleanup_du_ struct du du = {.reading = &reading};
	int r = bfs_reading_open(options, &reading, &error);

	if (r == 0)
		r = measure_formulae(&du, operands[0], &error);
	if (r == 0 && count == 0)
		r = measure_prefix(&du, &error);
	if (r == 0 && options->json)
		return bfs_reading_print(du_json(&du, count > 0));
	if (r == 0)
		r = print(&du, count > 0);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_du = {
	.name = "du",
	.synopsis = "[FORMULA]",
	.summary = "Show what the prefix or a formula takes up",
	.options = options_table,
	.options_size = sizeof(struct bfs_reading_options),
	.maximum_operands = 1,
	.run = run,
};
