/* brewfs rollback: publishes what a prefix was once again. */
#include "index/commands.h"

#include "index/publish.h"
#include "index/reading.h"
#include "lib/file.h"
#include "lib/log.h"

#include <ctype.h>
#include <inttypes.h>

struct rollback_options {
	struct bfs_reading_options common;
};

static const struct bfs_option options_table[] = {
	BFS_READING_OPTIONS,
	{0},
};

static int parse_number(const char *text, uint64_t *ret_number)
{
	char *end;

	errno = 0;
	*ret_number = strtoull(text, &end, 10);
	return !isdigit((unsigned char)*text) || *end || errno || *ret_number < 1 ? -EINVAL : 0;
}

static int restore(struct bfs_store *store, const char *ref, uint64_t *number,
	struct bfs_generation *ret_generation, struct bfs_error *error)
{
	_cleanup_publication_ struct bfs_publication *publication = NULL;
	_cleanup_free_ char *message = NULL;
	uint64_t current;
	int r = bfs_publication_begin(store, ref, &publication, error);

	if (r < 0)
		return r;
	current = bfs_publication_base(publication)->number;
	if (*number == 0 && current < 2)
		return bfs_error_set(error, -ENOENT, "rolling back", ref,
			"there is no generation before the current one");
	if (*number == 0)
		*number = current - 1;
	r = bfs_publication_restore(publication, *number, error);
	if (r < 0)
		return r;
	message = bfs_format("rollback %" PRIu64, *number);
	return message ? bfs_publication_commit(publication, message, ret_generation, error)
		       : -ENOMEM;
}

static int run(const void *fields, int count, char **operands)
{
	const struct rollback_options *options = fields;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_reading_ struct bfs_reading reading = {0};
	struct bfs_generation generation;
	uint64_t number = 0;
	int r;

	if (count && parse_number(operands[0], &number) < 0) {
		bfs_log_error("rollback: '%s' is no number of a generation", operands[0]);
		return BFS_EXIT_USAGE;
	}
	r = bfs_reading_open_store(&options->common, &reading, &error);
	if (r == 0)
		r = restore(reading.store, reading.ref, &number, &generation, &error);
	if (r < 0)
		return bfs_error_report(&error, r);
	if (options->common.json)
		return bfs_reading_print(
			json_pack("{s:s, s:I, s:I}", "ref", reading.ref, "generation",
				(json_int_t)generation.number, "restored", (json_int_t)number));
	bfs_log_info("Generation %" PRIu64 " of %s is what generation %" PRIu64 " was",
		generation.number, reading.ref, number);
	return 0;
}

const struct bfs_command bfs_cmd_rollback = {
	.name = "rollback",
	.synopsis = "[GENERATION]",
	.summary = "Publish an earlier generation of the prefix again, as a new one",
	.options = options_table,
	.options_size = sizeof(struct rollback_options),
	.maximum_operands = 1,
	.run = run,
};
