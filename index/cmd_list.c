/* brewfs list: installed formulae, or the files of some. */
#include "index/commands.h"

#include "index/rack.h"
#include "index/reading.h"
#include "index/receipt.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/path.h"
#include "lib/text.h"

#include <string.h>

struct list_options {
	struct bfs_reading_options common;
	bool versions;
	bool one_per_line;
};

static const struct bfs_option options_table[] = {
	{"versions", 0, NULL, "Show the versions of each formula",
		offsetof(struct list_options, versions)},
	{"one-per-line", '1', NULL, "Print one name a line, on a terminal as well",
		offsetof(struct list_options, one_per_line)},
	BFS_READING_OPTIONS,
	{0},
};

/* Says it as Homebrew does. */
static int report_missing(const struct bfs_reading *reading, const char *name)
{
	bfs_log_error("No such keg: %s/%s/%s", reading->prefix, BFS_CELLAR_DIRECTORY,
		bfs_path_base(name));
	return 1;
}

static int print_names(const struct bfs_rack *racks, size_t count, bool one_per_line)
{
	_cleanup_free_ char **names = calloc(count + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		names[i] = racks[i].name;
	bfs_text_print_list(names, one_per_line);
	return 0;
}

static void print_versions(const struct bfs_rack *rack)
{
	bfs_text_print(stdout, rack->name);
	for (size_t i = 0; i < rack->count; i++) {
		putchar(' ');
		bfs_text_print(stdout, rack->versions[i]);
	}
	putchar('\n');
}

/* Prints what lies below a directory, but for the directories. */
static int print_files(struct bfs_tree *tree, uint64_t directory, const char *path, unsigned depth)
{
	_cleanup_free_ char **names = NULL;
	int r = bfs_tree_list(tree, directory, &names);

	for (size_t i = 0; r == 0 && names[i]; i++) {
		_cleanup_free_ char *child_path = bfs_path_join(path, names[i]);
		struct bfs_attributes child;

		r = child_path
			    ? bfs_tree_lookup(tree, directory, names[i], strlen(names[i]), &child)
			    : -ENOMEM;
		if (r == 0 && S_ISDIR(child.mode)) {
			r = depth < BFS_READING_DEPTH_MAX
				    ? print_files(tree, child.ino, child_path, depth + 1)
				    : -ELOOP;
		} else if (r == 0) {
			bfs_text_print(stdout, child_path);
			putchar('\n');
		}
	}
	return r;
}

static int print_keg(const struct bfs_reading *reading, const struct bfs_rack *rack)
{
	const char *version = bfs_rack_current(rack);
	_cleanup_free_ char *path = bfs_format(
		"%s/%s/%s/%s", reading->prefix, BFS_CELLAR_DIRECTORY, rack->name, version);
	struct bfs_attributes keg;
	int r = path ? bfs_rack_keg(reading->tree, rack->name, version, &keg) : -ENOMEM;

	return r < 0 ? r : print_files(reading->tree, keg.ino, path, 0);
}

/* What was noted says why it is keg-only; else a formula that is not linked may be so or not: null.
 */
static json_t *keg_only_json(const struct bfs_reading *reading, const struct bfs_rack *rack)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};

	if (bfs_receipt_load(reading->tree, rack->name, bfs_rack_current(rack), &receipt, NULL) ==
			0 &&
		bfs_receipt_keg_only(&receipt))
		return json_true();
	return rack->linked ? json_false() : json_null();
}

static json_t *formula_json(const struct bfs_reading *reading, const struct bfs_rack *rack)
{
	json_t *versions = json_array();

	for (size_t i = 0; i < rack->count; i++)
		bfs_reading_append(&versions, bfs_text_json(rack->versions[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "name", bfs_text_json(rack->name),
		"versions", versions, "linked", bfs_text_json(rack->linked), "opt",
		bfs_text_json(rack->opt), "pinned", bfs_text_json(rack->pinned), "keg_only",
		keg_only_json(reading, rack));
}

static int print_json(const struct bfs_reading *reading, const struct bfs_rack *racks, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		bfs_reading_append(&array, formula_json(reading, &racks[i]));
	return bfs_reading_print(array);
}

/* With names: those; else all that are installed. The exit status in `ret_status` is 1 where one is
 * missing. */
static int select_formulae(const struct bfs_reading *reading, int count, char **names,
	struct bfs_rack **ret_racks, size_t *ret_count, int *ret_status)
{
	struct bfs_rack *racks;
	size_t found = 0;

	if (count == 0)
		return bfs_rack_list(reading->tree, ret_racks, ret_count);
	racks = calloc((size_t)count, sizeof(*racks));
	if (!racks)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		int r = bfs_rack_find(reading->tree, names[i], &racks[found]);

		if (r == 0) {
			found++;
		} else if (r == -ENOENT) {
			*ret_status = report_missing(reading, names[i]);
		} else {
			bfs_racks_free(racks, found);
			return r;
		}
	}
	*ret_racks = racks;
	*ret_count = found;
	return 0;
}

static int print(const struct bfs_reading *reading, const struct list_options *options, bool files,
	const struct bfs_rack *racks, size_t count)
{
	int r = 0;

	if (options->versions) {
		for (size_t i = 0; i < count; i++)
			print_versions(&racks[i]);
		return 0;
	}
	if (!files)
		return print_names(racks, count, options->one_per_line);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = print_keg(reading, &racks[i]);
	return r;
}

static int run(const void *fields, int count, char **operands)
{
	const struct list_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	struct bfs_rack *racks = NULL;
	size_t found = 0;
	int status = 0, r = bfs_reading_open(&options->common, &reading, &error);

	if (r == 0)
		r = select_formulae(&reading, count, operands, &racks, &found, &status);
	if (r == 0 && options->common.json)
		status |= print_json(&reading, racks, found);
	else if (r == 0)
		r = print(&reading, options, count > 0, racks, found);
	bfs_racks_free(racks, found);
	return r < 0 ? bfs_error_report(&error, r) : status;
}

const struct bfs_command bfs_cmd_list = {
	.name = "list",
	.synopsis = "[FORMULA]...",
	.summary = "List installed formulae, or the files of a formula",
	.options = options_table,
	.options_size = sizeof(struct list_options),
	.maximum_operands = -1,
	.run = run,
};
