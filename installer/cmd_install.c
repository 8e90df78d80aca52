/* brewfs install: from a Brewfile, names and bottle files to a new generation. */
#include "index/efs.h"
#include "installer/commands.h"
#include "installer/install.h"
#include "installer/wanted.h"
#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

struct options {
	const char *store;
	const char *ref;
	const char *tag;
	const char *file;
	const char *from;
	const char *efs;
	const char *efs_options;
	const char *target_glibc;
	bool dry_run;
	bool json;
	bool no_upgrade;
	bool force;
};

static const struct bfs_option option_table[] = {
	{"store", 's', "DIR", "The store (default: $BREWFS_STORE)", offsetof(struct options, store)},
	{"efs", 0, "ID", "The store is on this EFS file system: fs-...[:/PATH]",
		offsetof(struct options, efs)},
	{"efs-options", 0, "OPTIONS", "For mounting it: iam, accesspoint=, region=...",
		offsetof(struct options, efs_options)},
	{"ref", 'r', "REF", "The prefix to install into (default: this host's bottle tag)",
		offsetof(struct options, ref)},
	{"tag", 0, "TAG", "Bottles of this tag (default: what REF has, REF if it is one)",
		offsetof(struct options, tag)},
	{"file", 'f', "BREWFILE", "Read this Brewfile; - is standard input",
		offsetof(struct options, file)},
	{"from", 0, "DIR", "Use what 'brewfs fetch' put there, and no network",
		offsetof(struct options, from)},
	{"target-glibc", 0, "VERSION", "The oldest glibc among the hosts of the store",
		offsetof(struct options, target_glibc)},
	{"dry-run", 'n', NULL, "Say what would be done, and do nothing",
		offsetof(struct options, dry_run)},
	{"json", 0, NULL, "Print what was done as JSON", offsetof(struct options, json)},
	{"no-upgrade", 0, NULL, "Leave installed formulae at their versions",
		offsetof(struct options, no_upgrade)},
	{"force", 0, NULL, "Install although formulae conflict", offsetof(struct options, force)},
	{NULL, 0, NULL, NULL, 0},
};

/* What a Brewfile wants written when its formula is installed: the version, for other tools. */
static int write_version_files(const struct bfs_wanted *wanted, const struct bfs_install_report *report,
	struct bfs_error *error)
{
	for (size_t i = 0; wanted->brewfile && i < wanted->brewfile->count; i++) {
		const struct bfs_brewfile_entry *entry = &wanted->brewfile->entries[i];
		json_t *item;
		size_t which;

		if (!entry->version_file || entry->fate != BFS_BREWFILE_INSTALL)
			continue;
		json_array_foreach(report->formulae, which, item)
		{
			const char *version = bfs_json_string_or(item, "version", "");
			_cleanup_free_ char *text = bfs_format("%.*s\n",
				(int)strcspn(version, "_"), version);
			int r;

			if (strcmp(bfs_json_string_or(item, "name", ""), entry->name) != 0)
				continue;
			r = text ? bfs_replace_file(AT_FDCWD, entry->version_file, text,
					   strlen(text), 0644) :
				   -ENOMEM;
			if (r < 0)
				return bfs_error_set(error, r, "writing the version",
					entry->version_file, NULL);
		}
	}
	return 0;
}

static int print_json(const struct bfs_install_order *order,
	const struct bfs_install_report *report)
{
	char hex[BFS_DIGEST_HEX_SIZE] = "";
	_cleanup_json_ json_t *pending = json_array();
	_cleanup_json_ json_t *document = NULL;

	if (report->generation.number)
		bfs_digest_to_hex(&report->generation.index, hex);
	for (char **name = report->pending; name && *name; name++)
		json_array_append_new(pending, json_string(*name));
	document = json_pack("{s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:O, s:O}", "store",
		order->store_path, "ref", order->ref, "tag", order->tag, "generation",
		(json_int_t)report->generation.number, "index", hex, "changed", report->changed,
		"dry_run", order->dry_run, "formulae", report->formulae, "pending", pending);
	return document ? bfs_json_print(document) : -ENOMEM;
}

/* Without the end of the last line. */
static int trimmed_length(const char *text)
{
	size_t length = strlen(text);

	while (length > 0 && strchr("\n ", text[length - 1]))
		length--;
	return (int)length;
}

static void say_caveats(const json_t *entry, const char *prefix)
{
	const char *name = bfs_json_string_or(entry, "name", "");
	const char *caveats = bfs_json_string_or(entry, "caveats", NULL);
	const char *keg_only = bfs_json_string_or(entry, "keg_only", NULL);

	if (!json_is_true(json_object_get(entry, "requested")) || (!caveats && !keg_only))
		return;
	bfs_log_headline("Caveats of %s", name);
	if (caveats)
		bfs_log_info("%.*s", trimmed_length(caveats), caveats);
	if (keg_only)
		bfs_log_info("%s is keg-only, which means it was not symlinked into %s,\n"
			     "because %.*s.\nIt is in %s/opt/%s.",
			name, prefix, trimmed_length(keg_only), keg_only, prefix, name);
}

static void say_result(const struct bfs_install_order *order,
	const struct bfs_install_report *report)
{
	json_t *entry;
	size_t i;

	if (order->dry_run)
		return;
	json_array_foreach(report->formulae, i, entry) say_caveats(entry, report->prefix);
	if (report->pending) {
		bfs_log_headline("Pending post-install steps");
		bfs_log_info("These formulae have steps that were not run (brewfs info FORMULA shows "
			     "them, brewfs postinstall FORMULA runs them):");
	}
	for (char **name = report->pending; name && *name; name++)
		bfs_log_info("  %s", *name);
	if (report->changed)
		bfs_log_info("Generation %llu of %s", (unsigned long long)report->generation.number,
			order->ref);
}

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static int install(const struct options *options, const char *store, const char *tag,
	const struct bfs_depot *depot, struct bfs_wanted *wanted, struct bfs_error *error)
{
	BFS_CLEANUP(bfs_finder_release)
	struct bfs_finder finder = {
		.tag = tag,
		.depot = depot,
		.bottles = wanted->bottles,
		.bottle_count = wanted->bottle_count,
		.taps = wanted->taps,
		.tap_count = wanted->tap_count,
	};
	BFS_CLEANUP(bfs_install_report_release) struct bfs_install_report report = {0};
	struct bfs_install_order order = {
		.store_path = store,
		.ref = options->ref ? options->ref : tag,
		.tag = tag,
		.target_glibc = options->target_glibc,
		.requests = wanted->requests,
		.count = wanted->count,
		.finder = &finder,
		.dry_run = options->dry_run,
		.no_upgrade = options->no_upgrade ||
			is_set(wanted->brewfile ? "HOMEBREW_BUNDLE_NO_UPGRADE" :
						  "HOMEBREW_NO_INSTALL_UPGRADE"),
		.force = options->force,
		.quiet = options->json,
	};
	int r = bfs_install(&order, &report, error);

	if (r == 0 && !order.dry_run)
		r = write_version_files(wanted, &report, error);
	if (r < 0)
		return r;
	say_result(&order, &report);
	if (options->json)
		r = print_json(&order, &report);
	return r < 0 ? r : report.failed;
}

/* A ref's kegs are all of one tag: the one that was chosen for the first of them. */
static int choose_tag(const struct options *options, const char *store, char **ret_tag,
	struct bfs_error *error)
{
	const char *wanted = options->tag	     ? options->tag :
		options->ref && bfs_wanted_is_tag(options->ref) ? options->ref :
						       NULL;
	const char *ref = options->ref ? options->ref : wanted ? wanted : bfs_ref_default();
	_cleanup_free_ char *recorded = NULL;
	int r = bfs_install_read_tag(store, ref, &recorded, error);

	if (r < 0)
		return r;
	if (recorded && wanted && strcmp(recorded, wanted) != 0)
		return bfs_error_set(error, -EINVAL, "choosing the bottles", ref,
			"its formulae are poured from bottles for %s, not for %s", recorded, wanted);
	if (recorded)
		*ret_tag = bfs_steal(&recorded);
	else
		*ret_tag = strdup(wanted ? wanted : bfs_ref_default());
	return *ret_tag ? 0 : -ENOMEM;
}

static int find_store(const struct options *options, char **ret_store, struct bfs_error *error)
{
	if (!options->efs)
		return bfs_store_default_path(options->store, ret_store);
	return bfs_efs_attach(options->efs, options->efs_options, ret_store, error);
}

static int check_usage(const struct options *options, int count)
{
	if (options->store && options->efs) {
		bfs_log_error("install: either --store or --efs, not both");
		return BFS_EXIT_USAGE;
	}
	if (options->efs_options && !options->efs) {
		bfs_log_error("install: --efs-options without --efs");
		return BFS_EXIT_USAGE;
	}
	if (count > 0 && options->file) {
		bfs_log_error("install: either formulae or a Brewfile, not both");
		return BFS_EXIT_USAGE;
	}
	if (options->tag && !bfs_wanted_is_tag(options->tag)) {
		bfs_log_error("install: %s: the tags are x86_64_linux and arm64_linux", options->tag);
		return BFS_EXIT_USAGE;
	}
	if (options->ref && !bfs_ref_name_is_valid(options->ref)) {
		bfs_log_error("install: %s: not a name for a ref", options->ref);
		return BFS_EXIT_USAGE;
	}
	return 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct options *options = fields;
	BFS_CLEANUP(bfs_wanted_release) struct bfs_wanted wanted = {0};
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_free_ char *store = NULL, *tag = NULL;
	_cleanup_depot_ struct bfs_depot *depot = NULL;
	int r = check_usage(options, count);

	bfs_log_set_quiet(options->json);
	if (r != 0)
		return r;
	r = find_store(options, &store, &error);
	if (r == 0)
		r = choose_tag(options, store, &tag, &error);
	if (r == 0 && options->from)
		r = bfs_depot_open(options->from, &depot, &error);
	if (r == 0 && count > 0)
		r = bfs_wanted_from_operands(count, operands, tag, &wanted, &error);
	else if (r == 0)
		r = bfs_wanted_from_brewfile(options->file, &wanted, &error);
	if (r == 0)
		r = install(options, store, tag, depot, &wanted, &error);
	if (r < 0)
		return bfs_error_report(&error, r);
	return r > 0 || wanted.refused > 0;
}

const struct bfs_command bfs_cmd_install = {
	.name = "install",
	.synopsis = "[FORMULA | BOTTLE.tar.gz]...",
	.summary = "Install formulae, bottle files or what a Brewfile lists into a store",
	.options = option_table,
	.options_size = sizeof(struct options),
	.minimum_operands = 0,
	.maximum_operands = -1,
	.run = run,
};
