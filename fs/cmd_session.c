/* brewfs session: what writable sessions there are, what was changed in them, commit or discard. */
#include "fs/commands.h"
#include "fs/session_access.h"
#include "index/session_update.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/text.h"

#include <inttypes.h>
#include <string.h>

/* A refusal names so many conflicts; --json and `status` have all. */
#define CONFLICTS_SHOWN 20

struct session_options {
	const char *store, *message;
	bool ours, theirs, ignored, json;
};

static const struct bfs_option options_table[] = {
	{"store", 's', "DIR", "The session's store, if it is not where it was",
		offsetof(struct session_options, store)},
	{"message", 'm', "TEXT", "commit: What to say of the new generation",
		offsetof(struct session_options, message)},
	{"ours", 0, NULL, "commit, update: Of what was changed on both sides take the session's",
		offsetof(struct session_options, ours)},
	{"theirs", 0, NULL, "commit, update: Of what was changed on both sides take the store's",
		offsetof(struct session_options, theirs)},
	{"ignored", 0, NULL, "diff: Show what is not committed, too",
		offsetof(struct session_options, ignored)},
	{"json", 0, NULL, "Print JSON", offsetof(struct session_options, json)},
	{0},
};

static int64_t get_int(const json_t *object, const char *key)
{
	int64_t value = 0;

	bfs_json_get_int(object, key, 0, INT64_MAX, &value);
	return value;
}

/* Prints the document and drops it. */
static int print_json(json_t *document)
{
	int r = document ? bfs_json_print(document) : -ENOMEM;

	json_decref(document);
	return r;
}

/* --- what the session answers --- */

static void print_conflicts(const json_t *answer)
{
	const json_t *conflicts = json_object_get(answer, "conflicts"), *conflict;
	size_t i, count = json_array_size(conflicts);

	json_array_foreach(conflicts, i, conflict)
	{
		if (i == CONFLICTS_SHOWN)
			break;
		fputs("  ", stderr);
		bfs_text_print(stderr, bfs_json_string_or(conflict, "path", "?"));
		fprintf(stderr, ": here %s; in the store %s\n",
			bfs_json_string_or(conflict, "ours", "?"),
			bfs_json_string_or(conflict, "theirs", "?"));
	}
	if (count > CONFLICTS_SHOWN)
		fprintf(stderr, "  and %zu more\n", count - CONFLICTS_SHOWN);
}

static void tell_way_out(void)
{
	bfs_log_info("Nothing was changed. --ours takes what the session has, --theirs what the "
		     "store has.");
}

/*
 * Asks the session. 1 with the answer, which is the caller's; 0 where it was an error that has been
 * told.
 */
static int ask(const char *name, const struct session_options *options, const char *holder,
	json_t *request, json_t **ret_answer, struct bfs_error *error)
{
	_cleanup_json_ json_t *owned = request;
	_cleanup_json_ json_t *answer = NULL;
	const char *message;
	int r = owned ? bfs_session_ask(name, options->store, holder, owned, &answer, error)
		      : -ENOMEM;

	if (r < 0)
		return r;
	if (bfs_json_get_string(answer, "error", &message) < 0) {
		*ret_answer = bfs_steal(&answer);
		return 1;
	}
	if (options->json)
		return print_json(bfs_steal(&answer));
	bfs_log_error("%s", message);
	print_conflicts(answer);
	if (json_array_size(json_object_get(answer, "conflicts")))
		tell_way_out();
	return 0;
}

/* "3 added, 1 removed, 2 modified". */
static void print_counts(const json_t *answer)
{
	static const char *const keys[] = {"added", "removed", "modified"};
	const char *separator = "";

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(keys); i++) {
		int64_t count = get_int(answer, keys[i]);

		if (!count)
			continue;
		printf("%s%" PRId64 " %s", separator, count, keys[i]);
		separator = ", ";
	}
	if (!*separator)
		fputs("nothing", stdout);
}

/* --- list --- */

struct listed {
	const struct bfs_session_info *info;
	const char *mountpoint; /* NULL: it is not mounted */
	char *holder;		/* NULL: nobody has it */
};

static json_t *listed_json(const struct listed *listed)
{
	const struct bfs_session_info *info = listed->info;
	json_int_t base = (json_int_t)info->base.number;

	return json_pack("{s:o, s:o, s:s, s:s, s:o, s:I, s:o, s:o}", "name",
		bfs_text_json(info->name), "store", bfs_text_json(info->store), "store_uuid",
		info->store_uuid, "ref", info->ref, "base", base ? json_integer(base) : json_null(),
		"created", (json_int_t)info->created, "mountpoint",
		bfs_text_json(listed->mountpoint), "holder", bfs_text_json(listed->holder));
}

static void print_listed(const struct listed *listed)
{
	const struct bfs_session_info *info = listed->info;
	char when[BFS_TIME_TEXT_SIZE];

	printf("%-16s  %s", info->name, info->ref);
	if (info->base.number)
		printf(", generation %" PRIu64, info->base.number);
	printf(", made %s", bfs_time_text(info->created, when));
	if (listed->mountpoint || listed->holder) {
		fputs(listed->mountpoint ? ", mounted at " : ", in use: ", stdout);
		bfs_text_print(stdout, listed->mountpoint ? listed->mountpoint : listed->holder);
	}
	putchar('\n');
}

static int list_one(
	const struct bfs_session_info *info, const struct bfs_mounts *mounts, json_t *array)
{
	struct listed listed = {.info = info};
	const struct bfs_mount *mount;
	int r = bfs_session_find_mount(mounts, info->name, &mount);

	if (r == 0)
		listed.mountpoint = mount->mountpoint;
	if (r == 0 || r == -ENOENT)
		r = bfs_session_read_holder(info->name, &listed.holder);
	if (r == 0 && array)
		r = json_array_append_new(array, listed_json(&listed)) < 0 ? -ENOMEM : 0;
	else if (r == 0)
		print_listed(&listed);
	free(listed.holder);
	return r;
}

static int list(const char *name, const struct session_options *options, struct bfs_error *error)
{
	_cleanup_json_ json_t *array = options->json ? json_array() : NULL;
	_cleanup_mounts_ struct bfs_mounts mounts = {0};
	struct bfs_session_info *infos = NULL;
	size_t count = 0;
	int r = bfs_mounts_read(&mounts, error);

	(void)name;
	if (r == 0)
		r = bfs_session_list(&infos, &count, error);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = list_one(&infos[i], &mounts, array);
	bfs_session_infos_free(infos, count);
	if (r == 0 && options->json)
		r = print_json(bfs_steal(&array));
	return r < 0 ? r : 1;
}

/* --- status --- */

static void print_status(
	const char *name, const struct bfs_session_info *info, const json_t *answer)
{
	int64_t base = get_int(answer, "base"), current = get_int(answer, "current");
	int64_t ignored = get_int(answer, "ignored");
	char size[BFS_SIZE_TEXT_SIZE];

	printf("Session %s of %s in ", name, info->ref);
	bfs_text_print(stdout, info->store);
	if (base)
		printf("\nBased on generation %" PRId64, base);
	else
		fputs("\nBased on an empty prefix", stdout);
	if (current > base)
		printf("; the store has generation %" PRId64, current);
	fputs("\nChanged: ", stdout);
	print_counts(answer);
	if (ignored)
		printf(", %" PRId64 " ignored", ignored);
	printf("\nOn this disk: %" PRId64 " files, %s\n", get_int(answer, "local_files"),
		bfs_size_text((uint64_t)get_int(answer, "local_bytes"), size));
}

static int status(const char *name, const struct session_options *options, struct bfs_error *error)
{
	_cleanup_session_info_ struct bfs_session_info info = {0};
	_cleanup_json_ json_t *answer = NULL;
	int r = bfs_session_read_info(name, &info, error);

	if (r == 0)
		r = ask(name, options, "being looked at", json_pack("{s:s}", "request", "status"),
			&answer, error);
	if (r <= 0)
		return r;
	if (!options->json) {
		print_status(name, &info, answer);
		return 1;
	}
	json_object_del(answer, "ok");
	r = json_object_set_new(answer, "name", json_string(name)) < 0 ? -ENOMEM : 0;
	if (r == 0)
		r = print_json(bfs_steal(&answer));
	return r < 0 ? r : 1;
}

/* --- diff --- */

static char letter_of(const json_t *change)
{
	const char *kind = bfs_json_string_or(change, "change", "?");

	if (json_is_true(json_object_get(change, "ignored")))
		return '!';
	return *kind == 'a' ? kind[1] == 'd' ? 'A' : 'M' : *kind == 'r' ? 'D' : 'M';
}

static int diff(const char *name, const struct session_options *options, struct bfs_error *error)
{
	_cleanup_json_ json_t *answer = NULL;
	const json_t *changes, *change;
	size_t i;
	int r = ask(name, options, "being looked at",
		json_pack("{s:s, s:b}", "request", "changes", "ignored", (int)options->ignored),
		&answer, error);

	if (r <= 0)
		return r;
	changes = json_object_get(answer, "changes");
	if (options->json)
		r = bfs_json_print(changes);
	else
		json_array_foreach(changes, i, change)
		{
			printf("%c ", letter_of(change));
			bfs_text_print(stdout, bfs_json_string_or(change, "path", "?"));
			fputs(strcmp(bfs_json_string_or(change, "type", ""), "directory") == 0
					? "/\n"
					: "\n",
				stdout);
		}
	return r < 0 ? r : 1;
}

/* --- commit --- */

static void print_commit(const char *name, const json_t *answer)
{
	int64_t generation = get_int(answer, "generation");
	char size[BFS_SIZE_TEXT_SIZE];
	bool any = get_int(answer, "added") || get_int(answer, "removed") ||
		   get_int(answer, "modified");

	if (json_array_size(json_object_get(answer, "conflicts"))) {
		bfs_log_warning("decided as you said:");
		print_conflicts(answer);
	}
	if (!generation) {
		bfs_log_info("%s", any ? "The store has all of it already" : "Nothing to commit");
		return;
	}
	bfs_log_headline("Committed session %s as generation %" PRId64, name, generation);
	print_counts(answer);
	printf("; %s stored\n", bfs_size_text((uint64_t)get_int(answer, "stored_bytes"), size));
}

static int commit(const char *name, const struct session_options *options, struct bfs_error *error)
{
	_cleanup_json_ json_t *answer = NULL;
	const char *side = options->ours ? "ours" : options->theirs ? "theirs" : "refuse";
	int r = ask(name, options, "being committed",
		json_pack("{s:s, s:s, s:s*}", "request", "commit", "side", side, "message",
			options->message),
		&answer, error);

	if (r <= 0)
		return r;
	if (!options->json) {
		print_commit(name, answer);
		return 1;
	}
	json_object_del(answer, "ok");
	r = print_json(bfs_steal(&answer));
	return r < 0 ? r : 1;
}

/* --- update --- */

static json_t *update_json(const struct bfs_update_result *result, const char *message)
{
	json_int_t number = (json_int_t)result->generation.number;
	json_t *conflicts = json_array();

	for (size_t i = 0; i < result->conflict_count; i++)
		json_array_append_new(conflicts,
			json_pack("{s:o, s:s, s:s}", "path",
				bfs_text_json(result->conflicts[i].path), "ours",
				result->conflicts[i].ours, "theirs", result->conflicts[i].theirs));
	return json_pack("{s:o*, s:o, s:o}", "error", message ? bfs_text_json(message) : NULL,
		"base", number ? json_integer(number) : json_null(), "conflicts", conflicts);
}

static int tell_update(const char *name, const struct session_options *options,
	const struct bfs_update_result *result, const char *message)
{
	_cleanup_json_ json_t *document = update_json(result, message);

	if (!document)
		return -ENOMEM;
	if (options->json)
		return bfs_json_print(document);
	if (message)
		bfs_log_error("%s", message);
	else if (result->conflict_count)
		bfs_log_warning("decided as you said:");
	print_conflicts(document);
	if (message)
		tell_way_out();
	else
		bfs_log_info("Session %s is based on generation %" PRIu64, name,
			result->generation.number);
	return 0;
}

static int update(const char *name, const struct session_options *options, struct bfs_error *error)
{
	enum bfs_commit_side side = options->ours     ? BFS_COMMIT_OURS
				    : options->theirs ? BFS_COMMIT_THEIRS
						      : BFS_COMMIT_REFUSE;
	_cleanup_session_info_ struct bfs_session_info info = {0};
	_cleanup_update_result_ struct bfs_update_result result = {0};
	_cleanup_store_ struct bfs_store *store = NULL;
	int r = bfs_session_read_info(name, &info, error), told;

	if (r == 0)
		r = bfs_store_open(options->store ? options->store : info.store, &store, error);
	if (r == 0)
		r = bfs_session_update(store, name, side, &result, error);
	if (r < 0 && r != -ENOTUNIQ)
		return r;
	told = tell_update(name, options, &result, r < 0 ? bfs_error_message(error, r) : NULL);
	return told < 0 ? told : r == 0;
}

/* --- discard --- */

static int discard(const char *name, const struct session_options *options, struct bfs_error *error)
{
	int r = bfs_session_discard(name, error);

	if (r == 0 && options->json)
		r = print_json(json_pack("{s:s}", "discarded", name));
	else if (r == 0)
		bfs_log_info("Discarded session %s", name);
	return r < 0 ? r : 1;
}

/* --- the command --- */

/* 1 done, 0 what failed has been told, or a negative errno. */
typedef int verb_function(
	const char *name, const struct session_options *options, struct bfs_error *error);

static const struct {
	const char *name;
	verb_function *run;
	bool merges;
} verbs[] = {
	{"list", list, false},
	{"status", status, false},
	{"diff", diff, false},
	{"commit", commit, true},
	{"update", update, true},
	{"discard", discard, false},
};

static int usage(const char *verb, const char *text)
{
	bfs_log_error("session: %s: %s", verb, text);
	return BFS_EXIT_USAGE;
}

static int run(const void *fields, int count, char **operands)
{
	const struct session_options *options = fields;
	const char *name = count > 1 ? operands[1] : BFS_SESSION_DEFAULT_NAME;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	size_t i = 0;
	int r;

	while (i < BFS_ARRAY_LENGTH(verbs) && strcmp(verbs[i].name, operands[0]) != 0)
		i++;
	if (i == BFS_ARRAY_LENGTH(verbs))
		return usage(operands[0], "not one of list, status, diff, commit, update, discard");
	if (options->ours && options->theirs)
		return usage(operands[0], "--ours and --theirs exclude each other");
	if ((options->ours || options->theirs) && !verbs[i].merges)
		return usage(operands[0], "--ours and --theirs belong to commit and update");
	if (options->message && verbs[i].run != commit)
		return usage(operands[0], "--message belongs to commit");
	bfs_log_set_quiet(options->json);
	r = verbs[i].run(name, options, &error);
	return r < 0 ? bfs_error_report(&error, r) : r == 0;
}

const struct bfs_command bfs_cmd_session = {
	.name = "session",
	.synopsis = "list|status|diff|commit|update|discard [NAME]",
	.summary = "List writable sessions, show, commit, update or discard them",
	.options = options_table,
	.options_size = sizeof(struct session_options),
	.minimum_operands = 1,
	.maximum_operands = 2,
	.run = run,
};
