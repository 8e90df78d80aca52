/* brewfs deps: what an installed formula depends on, by its record. */
#include "index/commands.h"

#include "index/rack.h"
#include "index/reading.h"
#include "index/receipt.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/text.h"

#include <string.h>

struct deps_options {
	struct bfs_reading_options common;
	bool tree;
};

static const struct bfs_option options_table[] = {
	{"tree", 0, NULL, "Draw the dependencies as a tree", offsetof(struct deps_options, tree)},
	BFS_READING_OPTIONS,
	{0},
};

/* A formula on the way from the root of the drawing to where it is. */
struct branch {
	const char *name;
	const struct branch *parent;
	unsigned depth;
};

/* The record of the version that counts. -ENOENT where the formula is not rack. */
static int load(struct bfs_tree *tree, const char *name, struct bfs_receipt *ret_receipt)
{
	_cleanup_rack_ struct bfs_rack rack = {0};
	int r = bfs_rack_find(tree, name, &rack);

	if (r == 0)
		r = bfs_receipt_load(tree, rack.name, bfs_rack_current(&rack), ret_receipt, NULL);
	return r;
}

static bool is_circle(const struct branch *branch, const char *name)
{
	for (; branch; branch = branch->parent)
		if (strcmp(branch->name, name) == 0)
			return true;
	return false;
}

static size_t last_direct(const struct bfs_receipt *receipt)
{
	size_t last = receipt->count;

	for (size_t i = 0; i < receipt->count; i++)
		if (receipt->dependencies[i].direct)
			last = i;
	return last;
}

static int draw_children(
	struct bfs_tree *tree, const struct branch *branch, struct bfs_buffer *indent);

/* One line, and what is below it. */
static int draw(struct bfs_tree *tree, const struct bfs_dependency *dependency, bool last,
	const struct branch *parent, struct bfs_buffer *indent)
{
	struct branch branch = {dependency->name, parent, parent->depth + 1};
	bool circle = is_circle(parent, dependency->name);
	size_t length = indent->length;
	int r;

	printf("%s%s ", indent->data ? indent->data : "", last ? "└──" : "├──");
	bfs_text_print(stdout, dependency->name);
	puts(circle ? " (CIRCULAR DEPENDENCY)" : "");
	if (circle || branch.depth > BFS_READING_DEPTH_MAX)
		return 0;
	r = bfs_buffer_append_string(indent, last ? "    " : "│   ");
	if (r == 0)
		r = draw_children(tree, &branch, indent);
	if (indent->data) {
		indent->length = length;
		indent->data[length] = '\0';
	}
	return r;
}

static int draw_children(
	struct bfs_tree *tree, const struct branch *branch, struct bfs_buffer *indent)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = load(tree, branch->name, &receipt);
	size_t last;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	last = last_direct(&receipt);
	for (size_t i = 0; r == 0 && i < receipt.count; i++)
		if (receipt.dependencies[i].direct)
			r = draw(tree, &receipt.dependencies[i], i == last, branch, indent);
	return r;
}

static int draw_tree(struct bfs_tree *tree, const char *name)
{
	_cleanup_buffer_ struct bfs_buffer indent = BFS_BUFFER_INIT;
	struct branch root = {name, NULL, 0};

	bfs_text_print(stdout, name);
	putchar('\n');
	return draw_children(tree, &root, &indent);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int print_names(const struct bfs_receipt *receipt)
{
	_cleanup_free_ const char **names = calloc(receipt->count + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < receipt->count; i++)
		names[i] = receipt->dependencies[i].name;
	qsort(names, receipt->count, sizeof(*names), compare_names);
	for (size_t i = 0; i < receipt->count; i++) {
		bfs_text_print(stdout, names[i]);
		putchar('\n');
	}
	return 0;
}

static json_t *direct_names(const struct bfs_receipt *receipt)
{
	json_t *array = json_array();

	for (size_t i = 0; i < receipt->count; i++)
		if (receipt->dependencies[i].direct)
			bfs_reading_append(&array, bfs_text_json(receipt->dependencies[i].name));
	return array;
}

static json_t *dependency_json(struct bfs_tree *tree, const struct bfs_dependency *dependency)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = load(tree, dependency->name, &receipt);

	return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "name", dependency->name, "full_name",
		dependency->full_name, "pkg_version", dependency->pkg_version, "declared_directly",
		(int)dependency->direct, "installed", r == 0, "dependencies",
		direct_names(&receipt));
}

static int print_json(struct bfs_tree *tree, const struct bfs_receipt *receipt)
{
	json_t *array = json_array();

	for (size_t i = 0; i < receipt->count; i++)
		bfs_reading_append(&array, dependency_json(tree, &receipt->dependencies[i]));
	return bfs_reading_print(array);
}

static int report_missing(const char *name, struct bfs_error *error)
{
	return bfs_error_set(error, -ENOENT, "looking for the formula", name,
		"it is not installed here; 'brewfs install -n %s' shows what it needs", name);
}

static int run(const void *fields, int count, char **operands)
{
	const struct deps_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	_cleanup_rack_ struct bfs_rack rack = {0};
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = bfs_reading_open(&options->common, &reading, &error);

	(void)count;
	if (r < 0)
		return bfs_error_report(&error, r);
	r = bfs_rack_find(reading.tree, operands[0], &rack);
	if (r == -ENOENT)
		report_missing(operands[0], &error);
	if (r == 0)
		r = bfs_receipt_load(
			reading.tree, rack.name, bfs_rack_current(&rack), &receipt, &error);
	if (r == 0 && options->common.json)
		return print_json(reading.tree, &receipt);
	if (r == 0)
		r = options->tree ? draw_tree(reading.tree, rack.name) : print_names(&receipt);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_deps = {
	.name = "deps",
	.synopsis = "FORMULA",
	.summary = "Show what an installed formula depends on",
	.options = options_table,
	.options_size = sizeof(struct deps_options),
	.minimum_operands = 1,
	.maximum_operands = 1,
	.run = run,
};
