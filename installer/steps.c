#include "installer/steps.h"

#include "installer/prefix.h"
#include "installer/steps_private.h"
#include "lib/file.h"
#include "lib/path.h"

#include <stdarg.h>
#include <string.h>

/* How a type of step is dealt with. */
enum manner {
	MANNER_FILES,	/* by its action */
	MANNER_READS,	/* the same, and it reads contents */
	MANNER_PROGRAM, /* handed back */
	MANNER_IGNORED, /* does nothing on Linux */
	MANNER_MACOS,	/* fails on Linux */
};

static bfs_step_action warn, init_data_dir, run;

static const struct step_type {
	const char *name;
	enum manner manner;
	bfs_step_action *action;
} types[] = {
	{"mkdir", MANNER_FILES, bfs_step_mkdir},
	{"mkdir_p", MANNER_FILES, bfs_step_mkdir_p},
	{"touch", MANNER_FILES, bfs_step_touch},
	{"write", MANNER_FILES, bfs_step_write},
	{"copy", MANNER_FILES, bfs_step_copy},
	{"move", MANNER_FILES, bfs_step_move},
	{"move_children", MANNER_FILES, bfs_step_move_contents},
	{"move_contents", MANNER_FILES, bfs_step_move_contents},
	{"remove", MANNER_READS, bfs_step_remove},
	{"symlink", MANNER_FILES, bfs_step_symlink},
	{"link_dir", MANNER_FILES, bfs_step_link_dir},
	{"link_children", MANNER_FILES, bfs_step_link_children},
	{"inreplace", MANNER_READS, bfs_step_inreplace},
	{"set_permissions", MANNER_FILES, bfs_step_set_permissions},
	{"install_gzipped_executable", MANNER_READS, bfs_step_install_gzipped_executable},
	{"warn", MANNER_FILES, warn},
	{"run", MANNER_READS, run},
	{"init_data_dir", MANNER_FILES, init_data_dir},
	{"terminate_process", MANNER_PROGRAM, NULL},
	{"compile_gsettings_schemas", MANNER_PROGRAM, NULL},
	{"gio_querymodules", MANNER_PROGRAM, NULL},
	{"gdk_pixbuf_query_loaders", MANNER_PROGRAM, NULL},
	{"gtk_update_icon_cache", MANNER_PROGRAM, NULL},
	{"update_mime_database", MANNER_PROGRAM, NULL},
	{"update_desktop_database", MANNER_PROGRAM, NULL},
	{"configure_gcc_runtime", MANNER_PROGRAM, NULL},
	{"configure_glibc_runtime", MANNER_PROGRAM, NULL},
	{"configure_php", MANNER_PROGRAM, NULL},
	{"bootstrap_cpython", MANNER_PROGRAM, NULL},
	{"bootstrap_pypy", MANNER_PROGRAM, NULL},
	{"configure_clang_system", MANNER_IGNORED, NULL},
	{"change_dylib_id", MANNER_MACOS, NULL},
	{"delete_keychain_certificate", MANNER_MACOS, NULL},
	{"set_ownership", MANNER_MACOS, NULL},
};

int bfs_steps_later(struct bfs_steps_runner *runner, const char *format, ...)
{
	va_list args;
	char *reason;
	int length;

	va_start(args, format);
	length = vasprintf(&reason, format, args);
	va_end(args);
	if (length < 0)
		return -ENOMEM;
	free(runner->reason);
	runner->reason = reason;
	return BFS_STEP_LATER;
}

int bfs_steps_fail(struct bfs_steps_runner *runner, int code, const char *path, const char *reason)
{
	return bfs_error_set(runner->error, code, "running a post-install step", path, "%s",
		reason ? reason : strerror(-code));
}

/* --- actions without files --- */

static int warn(struct bfs_steps_runner *runner, const json_t *step)
{
	_cleanup_free_ char *text = NULL;
	const char *message;
	int r = bfs_steps_string(runner, step, "message", &message);

	if (r == 0)
		r = bfs_steps_expand(runner, message, &text);
	return r != 0 ? r : bfs_strings_add(&runner->warnings, text);
}

static bool is_ca_certificates(const struct bfs_steps_runner *runner)
{
	return strcmp(runner->order->formula->name, "ca-certificates") == 0;
}

/* A program of the prefix; only what ca-certificates' does is known here. */
static int run(struct bfs_steps_runner *runner, const json_t *step)
{
	const json_t *command = json_object_get(step, "command");
	const char *path = json_is_object(command) ? bfs_json_string_or(command, "path", NULL)
						   : json_string_value(command);

	if (!path)
		return bfs_steps_fail(runner, -EBADMSG, "command", "the step has none");
	if (is_ca_certificates(runner) && strcmp(bfs_path_base(path), "post-install") == 0)
		return bfs_steps_make_certificates(runner);
	return bfs_steps_later(runner, "it runs a program");
}

/* The directory is made; what fills it is a program, unless that was done before. */
static int init_data_dir(struct bfs_steps_runner *runner, const json_t *step)
{
	static const struct {
		const char *using, *marker;
	} kinds[] = {
		{"postgresql_initdb", "PG_VERSION"},
		{"mysql_initialize", "mysql/general_log.CSM"},
		{"mariadb_install_db", "mysql/user.frm"},
	};
	_cleanup_free_ char *path = NULL, *marker = NULL;
	struct bfs_attributes attributes;
	const char *using;
	size_t kind = 0;
	int r = bfs_steps_string(runner, step, "using", &using);

	while (r == 0 && kind < BFS_ARRAY_LENGTH(kinds) && strcmp(kinds[kind].using, using) != 0)
		kind++;
	if (r == 0 && kind == BFS_ARRAY_LENGTH(kinds))
		return bfs_steps_fail(runner, -EINVAL, using, "unknown data directory initialiser");
	if (r == 0)
		r = bfs_steps_locate_key(runner, step, "path", &path);
	if (r == 0)
		r = bfs_steps_make_path(runner, path);
	if (r != 0)
		return r;
	marker = bfs_path_join(path, kinds[kind].marker);
	r = marker ? bfs_steps_find(runner, marker, &attributes) : -ENOMEM;
	return r == 0 ? bfs_steps_later(runner, "it runs a program") : r < 0 ? r : 0;
}

/* --- guards --- */

/*
 * Whether there is something at a guard's path: 1 or 0, or BFS_STEP_LATER where only the machine
 * knows.
 */
static int path_exists(struct bfs_steps_runner *runner, const json_t *guard)
{
	struct bfs_attributes attributes;
	bfs_strings paths = NULL;
	int r = bfs_steps_glob(runner, guard, &paths), found = 0;

	for (size_t i = 0; r == 0 && !found && paths && paths[i]; i++) {
		found = bfs_steps_find(runner, paths[i], &attributes);
		if (found < 0)
			r = found;
	}
	bfs_strings_free(paths);
	if (r == -EXDEV) {
		bfs_error_clear(runner->error);
		return bfs_steps_later(runner, "its guard looks outside of the prefix");
	}
	return r == 0 ? found : r;
}

static int evaluate_guard(struct bfs_steps_runner *runner, const json_t *guard)
{
	const char *condition = bfs_json_string_or(guard, "condition", "");
	int r;

	if (strcmp(condition, "on") == 0)
		return strcmp(bfs_json_string_or(guard, "value", ""), "linux") == 0;
	if (strcmp(condition, "if_exists") != 0 && strcmp(condition, "unless_exists") != 0)
		return 0;
	/* What the steps before it made is not there yet. */
	if (json_array_size(runner->pending) > 0)
		return bfs_steps_later(runner, "it depends on what a step before it makes");
	r = path_exists(runner, guard);
	return r == 0 || r == 1 ? r == (strcmp(condition, "if_exists") == 0) : r;
}

/* Whether a guard holds: 1 or 0; each is looked at once. */
static int check_guard(struct bfs_steps_runner *runner, const json_t *guard)
{
	_cleanup_free_ char *key = NULL;
	const json_t *known = json_object_get(guard, "result");
	int r;

	if (!json_is_object(guard))
		return bfs_steps_fail(runner, -EBADMSG, "guards", "one is not an object");
	if (json_is_boolean(known))
		return json_is_true(known);
	key = json_dumps(guard, JSON_COMPACT | JSON_SORT_KEYS);
	if (!key)
		return -ENOMEM;
	known = json_object_get(runner->guards, key);
	if (known)
		return json_is_true(known);
	r = evaluate_guard(runner, guard);
	if ((r == 0 || r == 1) && json_object_set_new(runner->guards, key, json_boolean(r)) < 0)
		return -ENOMEM;
	return r;
}

/*
 * Whether all guards of a step hold: 1 or 0. One that does not decides, even if another cannot be
 * told yet.
 */
static int check_guards(struct bfs_steps_runner *runner, const json_t *step)
{
	const json_t *guards = json_object_get(step, "guards"), *guard;
	bool later = false;
	size_t i;

	if (guards && !json_is_array(guards) && !json_is_null(guards))
		return bfs_steps_fail(runner, -EBADMSG, "guards", "not a list");
	json_array_foreach(guards, i, guard)
	{
		int r = check_guard(runner, guard);

		if (r <= 0)
			return r;
		later |= r == BFS_STEP_LATER;
	}
	return later ? BFS_STEP_LATER : 1;
}

/* --- what is handed back --- */

/* A step's guards with what is known of them. */
static json_t *annotate_guards(struct bfs_steps_runner *runner, const json_t *guards)
{
	json_t *copy = json_deep_copy(guards), *guard;
	size_t i;

	json_array_foreach(copy, i, guard)
	{
		char *key = json_dumps(json_array_get(guards, i), JSON_COMPACT | JSON_SORT_KEYS);

		if (key && json_is_true(json_object_get(runner->guards, key)))
			json_object_set_new(guard, "result", json_true());
		free(key);
	}
	return copy;
}

static int hand_back(struct bfs_steps_runner *runner, const json_t *step, const char *reason)
{
	const json_t *guards = json_object_get(step, "guards");
	json_t *copy = json_deep_copy(step);

	if (json_object_set_new(copy, "reason", json_string(reason)) < 0 ||
		(json_is_array(guards) &&
			json_object_set_new(copy, "guards", annotate_guards(runner, guards)) < 0)) {
		json_decref(copy);
		return -ENOMEM;
	}
	return json_array_append_new(runner->pending, copy) < 0 ? -ENOMEM : 0;
}

/* --- one step --- */

static const struct step_type *find_type(const char *name)
{
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* Contents that steps before it added can only be read once they are in the store. */
static int make_readable(struct bfs_steps_runner *runner)
{
	struct bfs_tree *tree = runner->order->tree;
	int r = bfs_writer_commit(runner->order->writer, &tree, 1, runner->error);

	runner->dirty = r < 0;
	return r;
}

static bool reads_contents(
	const struct bfs_steps_runner *runner, const struct step_type *type, const json_t *step)
{
	if (type->action == run)
		return is_ca_certificates(runner);
	if (type->action == bfs_step_remove)
		return json_object_get(step, "content_contains") != NULL;
	return type->manner == MANNER_READS;
}

/* Runs the action all or nothing. */
static int run_action(
	struct bfs_steps_runner *runner, const struct step_type *type, const json_t *step)
{
	struct bfs_tree *tree = runner->order->tree;
	int r = runner->dirty && reads_contents(runner, type, step) ? make_readable(runner) : 0;

	if (r == 0)
		r = bfs_tree_begin(tree);
	if (r < 0)
		return r;
	r = type->action(runner, step);
	if (r < 0) {
		bfs_tree_rollback(tree);
		return r;
	}
	return bfs_tree_commit(tree) < 0 ? -EIO : r;
}

static int run_type(
	struct bfs_steps_runner *runner, const struct step_type *type, const json_t *step)
{
	bool waiting = json_array_size(runner->pending) > 0;
	int r;

	switch (type->manner) {
	case MANNER_PROGRAM:
		return bfs_steps_later(runner, "it runs a program");
	case MANNER_IGNORED:
		return 0;
	case MANNER_MACOS:
		return bfs_steps_fail(runner, -EOPNOTSUPP, type->name, "it is for macOS");
	default:
		r = run_action(runner, type, step);
	}
	if (waiting && (r == -ENOENT || r == BFS_STEP_NOTHING)) {
		bfs_error_clear(runner->error);
		return bfs_steps_later(runner, "it depends on what a step before it makes");
	}
	return r == BFS_STEP_NOTHING ? 0 : r;
}

static int run_step(struct bfs_steps_runner *runner, const json_t *step)
{
	const struct step_type *type;
	const char *name;
	int r;

	if (!json_is_object(step))
		return bfs_steps_fail(runner, -EBADMSG, NULL, "the step is not an object");
	r = bfs_steps_string(runner, step, "type", &name);
	if (r < 0)
		return r;
	r = check_guards(runner, step);
	if (r == 1) {
		type = find_type(name);
		r = type ? run_type(runner, type, step)
			 : bfs_steps_fail(runner, -EINVAL, name, "unknown install step");
	}
	return r == BFS_STEP_LATER ? hand_back(runner, step, runner->reason) : r;
}

/* --- all steps --- */

/* A post_install from before there were steps. */
static int run_without_steps(struct bfs_steps_runner *runner)
{
	static const char openssl[] = "openssl@";
	const struct bfs_formula *formula = runner->order->formula;
	_cleanup_json_ json_t *step = NULL;

	if (is_ca_certificates(runner)) {
		int r = runner->dirty ? make_readable(runner) : 0;

		return r < 0 ? r : bfs_steps_make_certificates(runner);
	}
	if (strncmp(formula->name, openssl, strlen(openssl)) == 0)
		return bfs_steps_link_certificates(runner);
	if (!formula->post_install_defined)
		return 0;
	step = json_pack("{s:s}", "type", "ruby");
	return step ? hand_back(runner, step, "it takes Ruby to run its post_install") : -ENOMEM;
}

static int run_all(struct bfs_steps_runner *runner)
{
	const json_t *steps = runner->order->formula->post_install_steps, *step;
	size_t i;
	int r = 0;

	if (!steps)
		return run_without_steps(runner);
	if (!json_is_array(steps))
		return bfs_steps_fail(runner, -EBADMSG, "post_install_steps", "not a list");
	json_array_foreach(steps, i, step)
	{
		r = run_step(runner, step);
		if (r < 0)
			break;
	}
	return r;
}

/* Failures of the store or the machine, not of the step. */
static bool is_fatal(int r)
{
	switch (r) {
	case -ENOMEM:
	case -EIO:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EUCLEAN:
		return true;
	default:
		return false;
	}
}

static int start(struct bfs_steps_runner *runner)
{
	const struct bfs_formula *formula = runner->order->formula;

	runner->keg = bfs_keg_path(formula->name, formula->pkg_version);
	runner->pending = json_array();
	runner->guards = json_object();
	runner->warnings = calloc(1, sizeof(*runner->warnings));
	return runner->keg && runner->pending && runner->guards && runner->warnings ? 0 : -ENOMEM;
}

static int take_result(struct bfs_steps_runner *runner, int r, struct bfs_steps_result *ret_result)
{
	*ret_result = (struct bfs_steps_result){0};
	if (r < 0) {
		ret_result->failure = strdup(bfs_error_message(runner->error, r));
		if (!ret_result->failure)
			return -ENOMEM;
	}
	if (json_array_size(runner->pending) > 0)
		ret_result->pending = bfs_steal(&runner->pending);
	ret_result->warnings = bfs_steal(&runner->warnings);
	return 0;
}

int bfs_steps_run(const struct bfs_steps_order *order, struct bfs_steps_result *ret_result,
	struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error step_error = BFS_ERROR_INIT;
	/* The caller may have added contents that are not readable yet: receipts, files of etc. */
	struct bfs_steps_runner runner = {.order = order, .error = &step_error, .dirty = true};
	int r = start(&runner);

	if (r == 0)
		r = run_all(&runner);
	if (is_fatal(r))
		bfs_error_set(error, r, "running the post-install steps", order->formula->name,
			"%s", bfs_error_message(&step_error, r));
	else
		r = take_result(&runner, r, ret_result);
	free(runner.keg);
	free(runner.reason);
	json_decref(runner.pending);
	json_decref(runner.guards);
	bfs_strings_free(runner.warnings);
	return r;
}

void bfs_steps_result_release(struct bfs_steps_result *result)
{
	json_decref(result->pending);
	free(result->failure);
	bfs_strings_free(result->warnings);
	*result = (struct bfs_steps_result){0};
}
