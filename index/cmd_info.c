/* brewfs info: what is known of an installed formula. */
#include "index/commands.h"

#include "index/rack.h"
#include "index/reading.h"
#include "index/receipt.h"
#include "lib/buffer.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <string.h>

static const struct bfs_option options_table[] = {
	BFS_READING_OPTIONS,
	{0},
};

/* A formula, the record of the keg that counts, and who depends on it. */
struct info {
	const struct bfs_reading *reading;
	struct bfs_rack rack;
	struct bfs_receipt receipt; /* empty where none was recorded */
	char **dependents;	    /* names, sorted; NULL-terminated */
	size_t dependent_count;
};

static void info_release(struct info *info)
{
	for (size_t i = 0; i < info->dependent_count; i++)
		free(info->dependents[i]);
	free(info->dependents);
	bfs_receipt_release(&info->receipt);
	bfs_rack_release(&info->rack);
}
#define _cleanup_info_ BFS_CLEANUP(info_release)

static int add_dependent(struct info *info, const struct bfs_rack *other)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	int r = bfs_receipt_load(
		info->reading->tree, other->name, bfs_rack_current(other), &receipt, NULL);
	char **grown;

	if (r < 0)
		return r == -ENOMEM ? r : 0; /* a keg without a record says nothing */
	if (!bfs_receipt_find(&receipt, info->rack.name))
		return 0;
	grown = reallocarray(info->dependents, info->dependent_count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	info->dependents = grown;
	grown[info->dependent_count] = strdup(other->name);
	if (!grown[info->dependent_count])
		return -ENOMEM;
	info->dependent_count++;
	return 0;
}

static int find_dependents(struct info *info)
{
	struct bfs_rack *all = NULL;
	size_t count = 0;
	int r = bfs_rack_list(info->reading->tree, &all, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_dependent(info, &all[i]);
	bfs_racks_free(all, count);
	return r;
}

static int load(const struct bfs_reading *reading, const char *name, struct info *info,
	struct bfs_error *error)
{
	int r;

	info->reading = reading;
	r = bfs_rack_find(reading->tree, name, &info->rack);
	if (r == -ENOENT)
		return bfs_error_set(
			error, r, "looking for the formula", name, "it is not installed here");
	if (r == 0)
		r = bfs_receipt_load(reading->tree, info->rack.name, bfs_rack_current(&info->rack),
			&info->receipt, error);
	if (r == -ENOENT) { /* a keg that was left by an interrupted brew has no receipt */
		bfs_error_clear(error);
		r = 0;
	}
	return r == 0 ? find_dependents(info) : r;
}

static void print_joined(const char *title, const struct bfs_receipt *receipt, bool direct)
{
	const char *separator = "";
	size_t count = 0;

	for (size_t i = 0; i < receipt->count; i++)
		count += !direct || receipt->dependencies[i].direct;
	printf("%s (%zu): ", title, count);
	for (size_t i = 0; i < receipt->count; i++) {
		if (direct && !receipt->dependencies[i].direct)
			continue;
		fputs(separator, stdout);
		bfs_text_print(stdout, receipt->dependencies[i].name);
		separator = ", ";
	}
	putchar('\n');
}

static void print_poured(const json_t *document)
{
	char when[BFS_TIME_TEXT_SIZE];
	bool bottle = false;
	int64_t time;

	bfs_json_get_bool(document, "poured_from_bottle", &bottle);
	if (bfs_json_get_int(document, "time", 0, INT64_MAX, &time) == 0)
		printf("  %s on %s\n", bottle ? "Poured from bottle" : "Installed",
			bfs_time_text(time, when));
}

static int print_keg(const struct info *info, const char *version)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	const struct bfs_rack *rack = &info->rack;
	char size[BFS_SIZE_TEXT_SIZE];
	struct bfs_attributes keg;
	int64_t files, bytes;
	int r = bfs_rack_keg(info->reading->tree, rack->name, version, &keg);

	if (r == 0)
		r = bfs_rack_usage(info->reading->tree, keg.ino, &files, &bytes);
	if (r < 0)
		return r;
	printf("%s/%s/", info->reading->prefix, BFS_CELLAR_DIRECTORY);
	bfs_text_print(stdout, rack->name);
	putchar('/');
	bfs_text_print(stdout, version);
	printf(" (%" PRId64 " file%s, %s)%s\n", files, files == 1 ? "" : "s",
		bfs_size_text((uint64_t)bytes, size),
		rack->linked && strcmp(version, rack->linked) == 0 ? " *" : "");
	if (bfs_receipt_load(info->reading->tree, rack->name, version, &receipt, NULL) == 0)
		print_poured(receipt.document);
	return 0;
}

static const char *link_state(const struct info *info)
{
	if (info->rack.linked)
		return "linked";
	return info->rack.opt ? "not linked, only in opt" : "not linked, not in opt";
}

static void print_head(const struct info *info)
{
	const char *reason = bfs_receipt_keg_only(&info->receipt);
	bool requested = true;

	bfs_log_headline("%s: %s", info->rack.name, bfs_rack_current(&info->rack));
	printf("State: %s%s%s\n", link_state(info), reason ? "; keg-only: " : "",
		reason ? reason : "");
	if (info->rack.pinned)
		printf("Pinned at %s\n", info->rack.pinned);
	if (bfs_json_get_bool(info->receipt.document, "installed_on_request", &requested) == 0)
		puts(requested ? "Installed on request" : "Installed as a dependency");
}

static void print_tap(const struct bfs_receipt *receipt)
{
	json_t *source;
	const char *tap;

	if (bfs_json_get_object(receipt->document, "source", &source) < 0 ||
		bfs_json_get_string(source, "tap", &tap) < 0)
		return;
	fputs("From: ", stdout);
	bfs_text_print(stdout, tap);
	putchar('\n');
}

static void print_relations(const struct info *info)
{
	bfs_log_headline("Dependencies");
	print_joined("Required", &info->receipt, true);
	print_joined("Recursive Runtime", &info->receipt, false);
	bfs_log_headline("Dependents");
	printf("Required by (%zu): ", info->dependent_count);
	for (size_t i = 0; i < info->dependent_count; i++) {
		fputs(i ? ", " : "", stdout);
		bfs_text_print(stdout, info->dependents[i]);
	}
	putchar('\n');
}

static int print_caveats(const char *caveats)
{
	_cleanup_free_ char *copy = strdup(caveats);
	char *rest = copy, *line;

	if (!copy)
		return -ENOMEM;
	bfs_log_headline("Caveats");
	while ((line = strsep(&rest, "\n"))) {
		bfs_text_print(stdout, line);
		putchar('\n');
	}
	return 0;
}

/* Each step's type and what else it says, as it stands in the formula. */
static int print_pending(const struct bfs_receipt *receipt)
{
	_cleanup_json_ json_t *steps = NULL;
	json_t *step;
	size_t i;
	int r;

	if (!receipt->pending)
		return 0;
	r = bfs_json_parse(
		receipt->pending, strlen(receipt->pending), "the pending steps", &steps, NULL);
	if (r < 0)
		return r;
	bfs_log_headline("Pending post_install steps");
	json_array_foreach(steps, i, step)
	{
		_cleanup_free_ char *text = json_dumps(step, JSON_COMPACT | JSON_ENCODE_ANY);

		if (!text)
			return -ENOMEM;
		puts(text);
	}
	return 0;
}

static int print(const struct info *info)
{
	const char *caveats = bfs_receipt_caveats(&info->receipt);
	int r = 0;

	print_head(info);
	for (size_t i = 0; r == 0 && i < info->rack.count; i++)
		r = print_keg(info, info->rack.versions[i]);
	if (r < 0)
		return r;
	print_tap(&info->receipt);
	print_relations(info);
	if (caveats)
		r = print_caveats(caveats);
	return r < 0 ? r : print_pending(&info->receipt);
}

static json_t *keg_json(const struct info *info, const char *version)
{
	_cleanup_receipt_ struct bfs_receipt receipt = {0};
	const char *name = info->rack.name;
	struct bfs_attributes keg;
	int64_t files = 0, bytes = 0;
	int r = bfs_rack_keg(info->reading->tree, name, version, &keg);

	if (r == 0)
		r = bfs_rack_usage(info->reading->tree, keg.ino, &files, &bytes);
	if (r == 0)
		r = bfs_receipt_load(info->reading->tree, name, version, &receipt, NULL);
	if (r < 0 && r != -ENOENT)
		return NULL;
	return json_pack("{s:o, s:I, s:I, s:O?}", "version", bfs_text_json(version), "files",
		(json_int_t)files, "bytes", (json_int_t)bytes, "receipt", receipt.document);
}

static json_t *dependencies_json(const struct bfs_receipt *receipt)
{
	json_t *array = json_array();

	for (size_t i = 0; i < receipt->count; i++) {
		const struct bfs_dependency *dependency = &receipt->dependencies[i];

		bfs_reading_append(&array,
			json_pack("{s:s, s:s, s:s, s:b}", "name", dependency->name, "full_name",
				dependency->full_name, "pkg_version", dependency->pkg_version,
				"declared_directly", (int)dependency->direct));
	}
	return array;
}

static json_t *pending_json(const struct bfs_receipt *receipt)
{
	json_t *steps;

	if (!receipt->pending)
		return json_array();
	return bfs_json_parse(receipt->pending, strlen(receipt->pending), "", &steps, NULL) == 0
		       ? steps
		       : NULL;
}

static json_t *info_json(const struct info *info)
{
	const struct bfs_rack *rack = &info->rack;
	json_t *kegs = json_array(), *dependents = json_array();

	for (size_t i = 0; i < rack->count; i++)
		bfs_reading_append(&kegs, keg_json(info, rack->versions[i]));
	for (size_t i = 0; i < info->dependent_count; i++)
		bfs_reading_append(&dependents, bfs_text_json(info->dependents[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
		bfs_text_json(rack->name), "kegs", kegs, "linked", bfs_text_json(rack->linked),
		"opt", bfs_text_json(rack->opt), "pinned", bfs_text_json(rack->pinned),
		"keg_only_reason", bfs_text_json(bfs_receipt_keg_only(&info->receipt)), "caveats",
		bfs_text_json(bfs_receipt_caveats(&info->receipt)), "dependencies",
		dependencies_json(&info->receipt), "required_by", dependents, "pending",
		pending_json(&info->receipt));
}

static int run(const void *fields, int count, char **operands)
{
	const struct bfs_reading_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	_cleanup_info_ struct info info = {0};
	int r = bfs_reading_open(options, &reading, &error);

	(void)count;
	if (r == 0)
		r = load(&reading, operands[0], &info, &error);
	if (r == 0 && options->json)
		return bfs_reading_print(info_json(&info));
	if (r == 0)
		r = print(&info);
	return r < 0 ? bfs_error_report(&error, r) : 0;
}

const struct bfs_command bfs_cmd_info = {
	.name = "info",
	.synopsis = "FORMULA",
	.summary = "Show what is known of an installed formula",
	.options = options_table,
	.options_size = sizeof(struct bfs_reading_options),
	.minimum_operands = 1,
	.maximum_operands = 1,
	.run = run,
};
