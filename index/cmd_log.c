/* brewfs log: the generations of a prefix. */
#include "index/commands.h"

#include "index/publish.h"
#include "index/reading.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <time.h>

struct log_options {
	struct bfs_reading_options common;
};

static const struct bfs_option options_table[] = {
	BFS_READING_OPTIONS,
	{0},
};

static void print_entry(const struct bfs_log_entry *entry, bool current)
{
	char hex[BFS_DIGEST_HEX_SIZE], when[32] = "";
	time_t time = (time_t)entry->time;
	struct tm tm;

	if (localtime_r(&time, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%c%5" PRIu64 "  %s  %.12s  ", current ? '*' : ' ', entry->generation.number, when,
		bfs_digest_to_hex(&entry->generation.index, hex));
	bfs_text_print(stdout, entry->host);
	fputs("  ", stdout);
	bfs_text_print(stdout, entry->message);
	putchar('\n');
}

static json_t *entry_json(const struct bfs_log_entry *entry, bool current)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	return json_pack("{s:I, s:I, s:o, s:o, s:s, s:I, s:b}", "generation",
		(json_int_t)entry->generation.number, "time", (json_int_t)entry->time, "host",
		bfs_text_json(entry->host), "message", bfs_text_json(entry->message), "index",
		bfs_digest_to_hex(&entry->generation.index, hex), "size",
		(json_int_t)entry->generation.size, "current", (int)current);
}

static int print_log(const struct bfs_reading *reading, bool json,
	const struct bfs_log_entry *entries, size_t count)
{
	json_t *array = json ? json_array() : NULL;

	for (size_t i = 0; i < count; i++) {
		bool current = entries[i].generation.number == reading->generation.number;

		if (json)
			bfs_reading_append(&array, entry_json(&entries[i], current));
		else
			print_entry(&entries[i], current);
	}
	return json ? bfs_reading_print(array) : 0;
}

static int run(const void *fields, int count, char **operands)
{
	const struct log_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	struct bfs_log_entry *entries = NULL;
	size_t entry_count = 0;
	int status, r = bfs_reading_open(&options->common, &reading, &error);

	(void)count, (void)operands;
	if (r == 0)
		r = bfs_publication_log(
			reading.tree, &reading.generation, &entries, &entry_count, &error);
	if (r < 0)
		return bfs_error_report(&error, r);
	status = print_log(&reading, options->common.json, entries, entry_count);
	bfs_log_entries_free(entries, entry_count);
	return status;
}

const struct bfs_command bfs_cmd_log = {
	.name = "log",
	.synopsis = "",
	.summary = "List the generations of the prefix, the newest first",
	.options = options_table,
	.options_size = sizeof(struct log_options),
	.run = run,
};
