/*
 * The script of post-install programs: generated for a prefix in a scratch directory, and run by
 * sh(1) there.
 */
#include "installer/step_script.h"
#include "lib/file.h"
#include "tests/installer/tree_fixture.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <sys/wait.h>

struct place {
	char prefix[64]; /* a directory; $HOME is beside it */
	struct bfs_tree *tree;
	struct bfs_formula formula;
	struct bfs_buffer script;
	char *said, *reason;
	size_t count;
};

static void write_text(const char *prefix, const char *path, const char *text, mode_t mode)
{
	_cleanup_free_ char *whole = bfs_format("%s/%s", prefix, path);
	_cleanup_free_ char *parent = bfs_format("%.*s", (int)(strrchr(whole, '/') - whole), whole);

	must(bfs_make_directories(AT_FDCWD, parent, 0755), parent);
	must(bfs_replace_file(AT_FDCWD, whole, text, strlen(text), mode), whole);
}

/* The text of a file below the prefix; "(absent)" where there is none. Freed by the caller. */
static char *text_of(const struct place *place, const char *path)
{
	_cleanup_free_ char *whole = bfs_format("%s/%s", place->prefix, path);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	if (bfs_read_file(AT_FDCWD, whole, 1 << 20, &text) < 0)
		return strdup("(absent)");
	return bfs_buffer_steal(&text);
}

#define has_text(place, path, expected, ...)                                                       \
	do {                                                                                       \
		char *text_ = text_of(place, path);                                                \
		is_str(text_, expected, __VA_ARGS__);                                              \
		free(text_);                                                                       \
	} while (0)

static void open_place(struct place *place)
{
	static char *no_strings[] = {NULL};

	*place = (struct place){.prefix = "/tmp/test-script-XXXXXX"};
	if (!mkdtemp(place->prefix))
		must(-errno, "making a directory");
	place->tree = new_prefix();
	place->formula = (struct bfs_formula){.name = "foo",
		.tap = "homebrew/core",
		.version = "12.3",
		.pkg_version = "12.3",
		.aliases = no_strings};
}

static void close_place(struct place *place)
{
	bfs_tree_close(place->tree);
	bfs_buffer_release(&place->script);
	free(place->said);
	free(place->reason);
	must(bfs_remove_tree(AT_FDCWD, place->prefix), place->prefix);
}

/* Generates the script of the steps; quotes are single ones in the text. */
static int generate(struct place *place, const char *steps, struct bfs_error *error)
{
	const struct bfs_steps_order order = {
		.tree = place->tree, .prefix = place->prefix, .formula = &place->formula};
	_cleanup_free_ char *text = strdup(steps);
	_cleanup_json_ json_t *document = NULL;
	int r;

	for (char *c = text; *c; c++)
		if (*c == '\'')
			*c = '"';
	document = json_loads(text, 0, NULL);
	if (!document)
		must(-EINVAL, steps);
	bfs_buffer_clear(&place->script);
	free(bfs_steal(&place->reason));
	r = bfs_step_script_begin(&place->script);
	return r < 0 ? r
		     : bfs_step_script_append(&order, document, 7, &place->script, &place->count,
			       &place->reason, error);
}

static void run_shell(const struct place *place, const char *result)
{
	int fd = open(result, O_RDWR | O_CREAT | O_TRUNC, 0600),
	    quiet = open("/dev/null", O_WRONLY);

	setenv("HOME", place->prefix, 1);
	setenv("TMPDIR", place->prefix, 1);
	if (fd < 0 || quiet < 0 || dup2(fd, BFS_STEP_SCRIPT_RESULT_FD) < 0 || dup2(quiet, 2) < 0)
		_exit(99);
	execl("/bin/sh", "sh", "-c", place->script.data, NULL);
	_exit(98);
}

/* Runs the script that was generated, and reads what it says. */
static void run(struct place *place)
{
	_cleanup_free_ char *result = bfs_format("%s/result", place->prefix);
	_cleanup_buffer_ struct bfs_buffer said = BFS_BUFFER_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		run_shell(place, result);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		must(-errno, "running the script");
	must(bfs_read_file(AT_FDCWD, result, 1 << 20, &said), result);
	free(place->said);
	place->said = bfs_buffer_steal(&said);
}

/* Generates, runs, and expects so many steps done, and the status of the one that failed (0: none).
 */
static void runs(struct place *place, const char *steps, size_t count, size_t done, int failed,
	const char *what)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	size_t did = 99;
	int status = 0, r = generate(place, steps, &error);

	ok(r == 0, "%s: there is a script%s%s", what, r < 0 ? ": " : "",
		r < 0 ? bfs_error_message(&error, r) : "");
	if (r < 0)
		return;
	is_int(place->count, count, "%s: of so many steps", what);
	run(place);
	ok(bfs_step_script_read_result(place->said, 7, &did, &status) == (failed != 0), "%s: it %s",
		what, failed ? "fails" : "succeeds");
	is_int(did, done, "%s: after so many", what);
	is_int(status, failed, "%s: its status", what);
}

#define KEG "Cellar/foo/12.3"

static void test_run(struct place *place)
{
	write_text(place->prefix, KEG "/bin/show",
		"#!/bin/sh\nfor a; do echo \"<$a>\"; done; echo \"$FOO|$PWD|$(cat)\"\n", 0755);
	write_text(place->prefix, KEG "/share/in", "input", 0644);
	runs(place,
		"[{'type': 'run', 'command': {'base': 'bin', 'path': 'show'},"
		"'args': ['it\\u0027s', '$HOME `id`', '{{name}} {{version.major}}', ''],"
		"'env': {'FOO': '{{HOMEBREW_PREFIX}}/x y'}, 'chdir': {'base': 'prefix', 'path': "
		"'bin'},"
		"'stdin_path': {'base': 'share', 'path': 'in'},"
		"'stdout_path': {'base': 'var', 'path': 'made/here/out'}}]",
		1, 1, 0, "a program");
	{
		_cleanup_free_ char *expected = bfs_format(
			"<it's>\n<$HOME `id`>\n<foo 12>\n<>\n%s/x y|%s/" KEG "/bin|input\n",
			place->prefix, place->prefix);

		has_text(place, "var/made/here/out", expected,
			"arguments, environment, directory and input are its step's");
	}
	runs(place,
		"[{'type': 'run', 'command': 'sh', 'args': ['-c', 'exit 3'], 'allow_failure': "
		"true},"
		"{'type': 'run', 'command': 'sh', 'args': ['-c', 'echo no; exit 4'],"
		"'stdout_path': {'base': 'var', 'path': 'none'}},"
		"{'type': 'run', 'command': 'touch', 'args': ['{{var}}/never']}]",
		3, 1, 4, "a failure that is allowed, and one that is not");
	has_text(place, "var/none", "(absent)", "a program that fails leaves no output");
	has_text(place, "var/never", "(absent)", "and what comes after it is not run");
	runs(place, "[{'type': 'run', 'command': {'base': 'bin', 'path': 'nothing'}}]", 1, 0, 127,
		"a missing program");
}

static void test_tools(struct place *place)
{
	static const char rebuilds[] =
		"[{'type': 'compile_gsettings_schemas',"
		"'path': {'base': 'homebrew_prefix', 'path': 'share/glib-2.0/schemas'}},"
		"{'type': 'gtk_update_icon_cache',"
		"'path': {'base': 'homebrew_prefix', 'path': 'share/icons/hicolor'}},"
		"{'type': 'gdk_pixbuf_query_loaders'}]";
	static const char tool[] = "#!/bin/sh\necho \"${0##*/} $*\" >> \"$HOME/tools\"\n";
	_cleanup_free_ char *expected =
		bfs_format("glib-compile-schemas %s/share/glib-2.0/schemas\n"
			   "gtk3-update-icon-cache -q -t -f %s/share/icons/hicolor\n"
			   "gdk-pixbuf-query-loaders --update-cache\n",
			place->prefix, place->prefix);

	runs(place, rebuilds, 3, 0, 1, "a tool that is not installed");
	write_text(place->prefix, "opt/glib/bin/glib-compile-schemas", tool, 0755);
	write_text(place->prefix, "opt/gtk+3/bin/gtk3-update-icon-cache", tool, 0755);
	write_text(place->prefix, "opt/gdk-pixbuf/bin/gdk-pixbuf-query-loaders", tool, 0755);
	runs(place, rebuilds, 3, 3, 0, "tools of other formulae");
	has_text(place, "tools", expected, "run with Homebrew's arguments");
}

static void test_glibc(struct place *place)
{
	write_text(place->prefix, KEG "/bin/localedef",
		"#!/bin/sh\necho \"$*\" >> \"$HOME/locales\"\n", 0755);
	write_text(place->prefix, "etc/there", "", 0644);
	setenv("LANG", "de_DE.utf8", 1);
	setenv("LC_TIME", "C", 1);
	setenv("LC_ALL", "$(touch evil)", 1);
	runs(place, "[{'type': 'configure_glibc_runtime'}]", 1, 1, 0, "glibc's runtime");
	has_text(place, "locales", "-i en_US -f UTF-8 en_US.UTF-8\n-i de_DE -f UTF-8 de_DE.utf8\n",
		"has the locales of who installs and English");
	has_text(place, "evil", "(absent)", "and takes no command from the environment");
	unsetenv("LANG");
	unsetenv("LC_TIME");
	unsetenv("LC_ALL");
}

static void test_gcc(struct place *place)
{
	_cleanup_free_ char *gcc = bfs_format(
		"#!/bin/sh\ncase $1 in\n-print-libgcc-file-name) echo %s/gcclib/libgcc.a;;\n"
		"-print-multiarch) echo x86_64-linux-gnu;;\n-dumpspecs) printf '*x:\\na %%%%o "
		"b\\n\\n';;\n"
		"esac\n",
		place->prefix);
	_cleanup_free_ char *expected =
		bfs_format("*x:\na %%o %%(homebrew_rpath) b\n\n"
			   "*cpp_unique_options:\n+ -isysroot %s/nonexistent -idirafter %s/include "
			   "-idirafter %s/opt/glibc/include\n\n"
			   "*link_libgcc:\n-nostdlib -L%s/gcclib -L%s/opt/glibc/lib "
			   "-L%s/lib/gcc/12 -L%s/lib\n\n"
			   "*link:\n+ --dynamic-linker %s/lib/ld.so -rpath %s/lib/gcc/12\n\n"
			   "*homebrew_rpath:\n-rpath %s/lib\n\n",
			place->prefix, place->prefix, place->prefix, place->prefix, place->prefix,
			place->prefix, place->prefix, place->prefix, place->prefix, place->prefix);

	write_text(place->prefix, KEG "/bin/gcc-12", gcc, 0755);
	write_text(place->prefix, "gcclib/libgcc.a", "", 0644);
	write_text(place->prefix, "opt/glibc/lib/crt1.o", "crt", 0644);
	put_parent(place->tree, "opt/glibc/lib/x");
	runs(place, "[{'type': 'configure_gcc_runtime'}]", 1, 1, 0, "gcc's runtime");
	has_text(place, "gcclib/specs", expected, "has specs as Homebrew writes them");
	has_text(place, "gcclib/specs.orig", "*x:\na %o b\n\n", "keeps its own");
	has_text(place, "gcclib/crt1.o", "crt", "and finds the start files");
}

static void test_limits(struct place *place)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	must(generate(place,
		     "[{'type': 'run', 'command': 'true'}, {'type': 'touch', 'path': 'x'},"
		     "{'type': 'run', 'command': 'true'}]",
		     NULL),
		"a step between");
	is_int(place->count, 1, "a script ends where a step has to touch files");
	must(generate(place,
		     "[{'type': 'run', 'command': 'true'}, {'type': 'run', 'command': 'true',"
		     "'guards': [{'condition': 'if_exists', 'base': 'var', 'path': 'x'}]}]",
		     NULL),
		"a guard");
	is_int(place->count, 1, "and where a guard has not been looked at");
	must(generate(place, "[{'type': 'ruby', 'reason': 'it takes Ruby'}]", NULL), "Ruby");
	is_int(place->count, 0, "Ruby is not run");
	ok(place->reason != NULL, "and there is a reason");
	must(generate(place, "[{'type': 'run', 'command': 'true', 'sudo': true}]", NULL), "sudo");
	is_int(place->count, 0, "nor is sudo");
	ok(generate(place, "[{'type': 'run'}]", &error) == -EBADMSG,
		"a step without a command is an error");
	bfs_error_clear(&error);
	ok(generate(place, "[{'type': 'run', 'command': 'true', 'env': {'A-B': 'c'}}]", &error) ==
			-EBADMSG,
		"and so is a name that is no variable");
}

int main(void)
{
	struct place place;

	open_place(&place);
	test_run(&place);
	test_tools(&place);
	test_glibc(&place);
	test_gcc(&place);
	test_limits(&place);
	close_place(&place);
	return done();
}
