#include "installer/step_script.h"

#include "installer/step_script_private.h"
#include "lib/file.h"
#include "lib/path.h"

#include <pwd.h>
#include <string.h>

int bfs_step_script_begin(struct bfs_buffer *script)
{
	return bfs_buffer_append_format(script,
		"exec 1>&2\n"
		"cd \"${HOME:-/tmp}\" || exit 1\n"
		"said() { printf '%%s\\n' \"$*\" >&%d; }\n",
		BFS_STEP_SCRIPT_RESULT_FD);
}

int bfs_script_quote(struct bfs_buffer *script, const char *text)
{
	int r = bfs_buffer_append(script, "'", 1);

	for (; r == 0 && *text; text++)
		r = *text == '\'' ? bfs_buffer_append_string(script, "'\\''")
				  : bfs_buffer_append(script, text, 1);
	return r < 0 ? r : bfs_buffer_append(script, "'", 1);
}

int bfs_script_words(struct bfs_buffer *script, ...)
{
	const char *word;
	va_list words;
	int r = 0;

	va_start(words, script);
	while (r == 0 && (word = va_arg(words, const char *))) {
		r = bfs_script_quote(script, word);
		if (r == 0)
			r = bfs_buffer_append(script, " ", 1);
	}
	va_end(words);
	return r;
}

/* --- run --- */

/* The command: a name for the PATH, or the absolute path of its file. */
static int append_command(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	const json_t *command = json_object_get(step, "command");
	const char *base = json_is_object(command) ? bfs_json_string_or(command, "base", "") : "";
	const char *path = json_is_object(command) ? bfs_json_string_or(command, "path", NULL)
						   : json_string_value(command);
	_cleanup_free_ char *text = NULL;
	int r;

	if (!path)
		return bfs_steps_fail(runner, -EBADMSG, "command", "the step has none");
	r = !*base || strcmp(base, "relative") == 0 ? bfs_steps_expand(runner, path, &text)
						    : bfs_steps_absolute(runner, command, &text);
	return r != 0 ? r : bfs_script_words(script, text, NULL);
}

static int append_arguments(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	const json_t *arguments = json_object_get(step, "args"), *argument;
	size_t i;
	int r = 0;

	if (arguments && !json_is_array(arguments) && !json_is_null(arguments))
		return bfs_steps_fail(runner, -EBADMSG, "args", "not a list");
	json_array_foreach(arguments, i, argument)
	{
		_cleanup_free_ char *text = NULL;

		if (!json_is_string(argument))
			return bfs_steps_fail(runner, -EBADMSG, "args", "one is not a string");
		r = bfs_steps_expand(runner, json_string_value(argument), &text);
		if (r == 0)
			r = bfs_script_words(script, text, NULL);
		if (r != 0)
			break;
	}
	return r;
}

static bool is_variable(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char others[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
				     "0123456789";

	return *name && strchr(letters, *name) && strspn(name, others) == strlen(name);
}

static int append_environment(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	json_t *environment = json_object_get(step, "env"), *value;
	const char *name;
	int r = 0;

	if (!environment || json_is_null(environment))
		return 0;
	if (!json_is_object(environment))
		return bfs_steps_fail(runner, -EBADMSG, "env", "not an object");
	r = bfs_buffer_append_string(script, "env ");
	json_object_foreach(environment, name, value)
	{
		_cleanup_free_ char *text = NULL, *assignment = NULL;

		if (r != 0)
			break;
		if (!json_is_string(value) || !is_variable(name))
			return bfs_steps_fail(runner, -EBADMSG, name, "no environment variable");
		r = bfs_steps_expand(runner, json_string_value(value), &text);
		if (r != 0)
			break;
		assignment = bfs_format("%s=%s", name, text);
		r = assignment ? bfs_script_words(script, assignment, NULL) : -ENOMEM;
	}
	return r;
}

/* "WORD 'PATH'" for the path under a key of the step; nothing where it has none. */
static int append_path(struct bfs_steps_runner *runner, const json_t *step, const char *key,
	const char *word, struct bfs_buffer *script)
{
	const json_t *value = json_object_get(step, key);
	_cleanup_free_ char *path = NULL;
	int r;

	if (!value)
		return 0;
	r = bfs_steps_absolute(runner, value, &path);
	if (r == 0)
		r = bfs_buffer_append_string(script, word);
	return r != 0 ? r : bfs_script_quote(script, path);
}

/* Standard output goes to its file once the program has succeeded. */
static int append_output(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	const json_t *value = json_object_get(step, "stdout_path");
	_cleanup_free_ char *path = NULL, *directory = NULL;
	int r = value ? bfs_steps_absolute(runner, value, &path) : 0;

	if (r != 0 || !value)
		return r;
	directory = bfs_path_parent(path);
	r = directory ? bfs_buffer_append_string(script, " && mkdir -p ") : -ENOMEM;
	if (r == 0)
		r = bfs_script_words(script, directory, NULL);
	if (r == 0)
		r = bfs_buffer_append_string(script, "&& cat \"${TMPDIR:-/tmp}/output\" > ");
	return r < 0 ? r : bfs_script_quote(script, path);
}

static bool is_set(const json_t *step, const char *key)
{
	return json_is_true(json_object_get(step, key));
}

/* Homebrew install_steps.rb#run_serialised_command. */
static int append_run(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	int r;

	if (is_set(step, "sudo"))
		return bfs_steps_later(runner, "it asks for sudo");
	r = bfs_buffer_append_string(script, "(");
	if (r == 0)
		r = append_path(runner, step, "chdir", "cd ", script);
	if (r == 0 && json_object_get(step, "chdir"))
		r = bfs_buffer_append_string(script, " && ");
	if (r == 0)
		r = append_environment(runner, step, script);
	if (r == 0)
		r = append_command(runner, step, script);
	if (r == 0)
		r = append_arguments(runner, step, script);
	if (r == 0)
		r = json_object_get(step, "stdin_path")
			    ? append_path(runner, step, "stdin_path", "<", script)
			    : bfs_buffer_append_string(script, "</dev/null");
	if (r == 0)
		r = bfs_buffer_append_string(script,
			json_object_get(step, "stdout_path") ? " >\"${TMPDIR:-/tmp}/output\""
			: is_set(step, "print_stdout")	     ? ""
							     : " >/dev/null");
	if (r == 0 && is_set(step, "suppress_stderr"))
		r = bfs_buffer_append_string(script, " 2>/dev/null");
	if (r == 0)
		r = append_output(runner, step, script);
	if (r == 0)
		r = bfs_buffer_append_string(
			script, is_set(step, "allow_failure") ? " || :)" : ")");
	return r;
}

/* --- a tool of another formula --- */

static const struct tool {
	const char *type, *formula, *program, *options;
	bool takes_path;
} tools[] = {
	{"compile_gsettings_schemas", "glib", "glib-compile-schemas", NULL, true},
	{"gio_querymodules", "glib", "gio-querymodules", NULL, true},
	{"gdk_pixbuf_query_loaders", "gdk-pixbuf", "gdk-pixbuf-query-loaders", "--update-cache",
		false},
	{"gtk_update_icon_cache", "gtk4", "gtk4-update-icon-cache", "-q -t -f", true},
	{"gtk_update_icon_cache", "gtk+3", "gtk3-update-icon-cache", "-q -t -f", true},
	{"update_mime_database", "shared-mime-info", "update-mime-database", NULL, true},
	{"update_desktop_database", "desktop-file-utils", "update-desktop-database", NULL, true},
};

static const struct tool *find_tool(struct bfs_steps_runner *runner, const char *type)
{
	const struct tool *found = NULL;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tools); i++) {
		if (strcmp(tools[i].type, type) != 0)
			continue;
		found = &tools[i];
		/* gtk4's, where any version of it is installed, else gtk+3's. */
		if (strcmp(found->formula, "gtk4") != 0 ||
			bfs_steps_is_directory(runner, "Cellar/gtk4") == 1)
			break;
	}
	return found;
}

/* Homebrew install_steps.rb#run_formula_tool. */
static int append_tool(struct bfs_steps_runner *runner, const struct tool *tool, const json_t *step,
	struct bfs_buffer *script)
{
	_cleanup_free_ char *program =
		bfs_format("%s/opt/%s/bin/%s", runner->order->prefix, tool->formula, tool->program);
	_cleanup_free_ char *missing = bfs_format(
		"%s is missing required executable: %s", tool->formula, program ? program : "");
	int r = program && missing ? bfs_buffer_append_string(script, "if [ -x ") : -ENOMEM;

	if (r == 0)
		r = bfs_script_words(script, program, NULL);
	if (r == 0)
		r = bfs_buffer_append_string(script, "]; then ");
	if (r == 0)
		r = bfs_script_words(script, program, NULL);
	if (r == 0 && tool->options)
		r = bfs_buffer_append_string(script, tool->options);
	if (r == 0 && tool->takes_path)
		r = append_path(runner, step, "path", " ", script);
	if (r == 0)
		r = bfs_buffer_append_string(script, " </dev/null; else echo ");
	if (r == 0)
		r = bfs_script_words(script, missing, NULL);
	return r != 0 ? r : bfs_buffer_append_string(script, "; false; fi");
}

/* --- data directories --- */

/* Homebrew install_steps.rb#run_init_data_dir; its directory was made before. */
static int append_data_directory(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	_cleanup_free_ char *path = NULL;
	const char *using;
	int r = bfs_steps_string(runner, step, "using", &using);

	if (r == 0 && geteuid() == 0)
		return bfs_steps_later(runner, "the server's data directory is made by the user "
					       "that runs the server, not by "
					       "root");
	if (r == 0)
		r = bfs_steps_absolute(runner, json_object_get(step, "path"), &path);
	if (r == 0)
		r = bfs_buffer_append_string(script, "data=");
	if (r == 0)
		r = bfs_script_quote(script, path);
	if (r != 0)
		return r;
	return bfs_buffer_append_string(script,
		strcmp(using, "postgresql_initdb") == 0
			? "; \"$P/$K/bin/initdb\" --locale=en_US.UTF-8 -E UTF-8 \"$data\" "
			  "</dev/null"
		: strcmp(using, "mysql_initialize") == 0
			? "; env -u TMPDIR \"$P/$K/bin/mysqld\" --initialize-insecure "
			  "\"--user=$(id -un)\""
			  " \"--basedir=$P/$K\" \"--datadir=$data\" --tmpdir=/tmp </dev/null"
			: "; env -u TMPDIR \"$P/$K/bin/mysql_install_db\" --verbose \"--user=$(id "
			  "-un)\""
			  " \"--basedir=$P/$K\" \"--datadir=$data\" --tmpdir=/tmp </dev/null");
}

/* --- one step --- */

static int append_step(
	struct bfs_steps_runner *runner, const json_t *step, struct bfs_buffer *script)
{
	const struct tool *tool;
	const char *type;
	int r = bfs_steps_string(runner, step, "type", &type);

	if (r != 0)
		return r;
	tool = find_tool(runner, type);
	if (tool)
		return append_tool(runner, tool, step, script);
	if (strcmp(type, "run") == 0)
		return append_run(runner, step, script);
	if (strcmp(type, "init_data_dir") == 0)
		return append_data_directory(runner, step, script);
	if (strcmp(type, "configure_glibc_runtime") == 0)
		return bfs_script_glibc_runtime(script);
	if (strcmp(type, "configure_gcc_runtime") == 0)
		return bfs_script_gcc_runtime(runner, script);
	/* No process of the host is stopped from where its processes are not to be seen. */
	if (strcmp(type, "terminate_process") == 0)
		return bfs_buffer_append_string(script, ":");
	return bfs_steps_later(runner, "brewfs cannot run steps of type %s", type);
}

/* Whether all of a step's guards were found to hold when its turn had come. */
static bool is_due(const json_t *step)
{
	const json_t *guards = json_object_get(step, "guards"), *guard;
	size_t i;

	json_array_foreach(guards, i, guard)
	{
		const char *condition = bfs_json_string_or(guard, "condition", "");

		if (strcmp(condition, "on") != 0 && !json_is_true(json_object_get(guard, "result")))
			return false;
	}
	return true;
}

static bool is_program(const json_t *step)
{
	const char *type = bfs_json_string_or(step, "type", "");
	static const char *const others[] = {"run", "init_data_dir", "configure_glibc_runtime",
		"configure_gcc_runtime", "terminate_process", "configure_php", "bootstrap_cpython",
		"bootstrap_pypy", "ruby"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(others); i++)
		if (strcmp(type, others[i]) == 0)
			return true;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tools); i++)
		if (strcmp(type, tools[i].type) == 0)
			return true;
	return false;
}

/* The steps from the first on, until one has to wait for files, or for somebody else. */
static int append_steps(struct bfs_steps_runner *runner, const json_t *steps, unsigned which,
	struct bfs_buffer *script, size_t *ret_count)
{
	const json_t *step;
	size_t i;

	*ret_count = 0;
	json_array_foreach(steps, i, step)
	{
		size_t before = script->length;
		int r;

		if (!json_is_object(step) || !is_program(step) || !is_due(step))
			break;
		r = append_step(runner, step, script);
		if (r == BFS_STEP_LATER) {
			script->length = before;
			script->data[before] = '\0';
			break;
		}
		if (r == 0)
			r = bfs_buffer_append_format(script,
				"\nstatus=$?; said %u %zu $status\n[ $status = 0 ] || return 0\n",
				which, i);
		if (r < 0)
			return r;
		*ret_count = i + 1;
	}
	return 0;
}

/* Who runs the programs, and where what is outside of the prefix is for them. */
static void describe_host(struct bfs_steps_host *ret_host)
{
	const struct passwd *user = getpwuid(geteuid());

	*ret_host = (struct bfs_steps_host){user ? user->pw_name : "nobody", "/tmp", "/tmp"};
}

static int append_head(
	const struct bfs_steps_runner *runner, unsigned which, struct bfs_buffer *script)
{
	int r = bfs_buffer_append_string(script, "P=");

	if (r == 0)
		r = bfs_script_quote(script, runner->order->prefix);
	if (r == 0)
		r = bfs_buffer_append_string(script, " K=");
	if (r == 0)
		r = bfs_script_quote(script, runner->keg);
	return r < 0 ? r : bfs_buffer_append_format(script, "\nsteps_of_%u() {\n", which);
}

int bfs_step_script_append(const struct bfs_steps_order *order, const json_t *steps, unsigned which,
	struct bfs_buffer *script, size_t *ret_count, char **ret_reason, struct bfs_error *error)
{
	_cleanup_error_ struct bfs_error step_error = BFS_ERROR_INIT;
	struct bfs_steps_host host;
	struct bfs_steps_runner runner = {.order = order, .error = &step_error, .host = &host};
	size_t before = script->length, count = 0;
	int r;

	describe_host(&host);
	runner.keg = bfs_format("Cellar/%s/%s", order->formula->name, order->formula->pkg_version);
	r = runner.keg ? append_head(&runner, which, script) : -ENOMEM;
	if (r == 0)
		r = append_steps(&runner, steps, which, script, &count);
	if (r == 0)
		r = bfs_buffer_append_format(script, "return 0\n}\nsteps_of_%u\n", which);
	if (r < 0 || count == 0) { /* an empty function is none in sh */
		script->length = before;
		if (script->data)
			script->data[before] = '\0';
	}
	free(runner.keg);
	if (r == 0 && ret_reason)
		*ret_reason = bfs_steal(&runner.reason);
	free(runner.reason);
	if (r < 0)
		return bfs_error_set(error, r, "preparing the post-install steps",
			order->formula->name, "%s", bfs_error_message(&step_error, r));
	*ret_count = count;
	return 0;
}

bool bfs_step_script_read_result(
	const char *result, unsigned which, size_t *ret_done, int *ret_status)
{
	size_t done = 0;

	while (*result) {
		unsigned formula, step;
		int status;

		if (sscanf(result, "%u %u %d", &formula, &step, &status) == 3 && formula == which) {
			if (status != 0) {
				*ret_done = done;
				*ret_status = status;
				return true;
			}
			done = step + 1;
		}
		result += strcspn(result, "\n");
		result += strspn(result, "\n");
	}
	*ret_done = done;
	return false;
}
