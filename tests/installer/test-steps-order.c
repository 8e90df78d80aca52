/*
 * Post-install steps: guards, what is handed back and in which order, failures, and what steps must
 * not touch.
 */
#include "tests/installer/steps_fixture.h"

static void test_guards(struct world *world)
{
	does(world,
		"[{'type': 'touch', 'path': {'base': 'var', 'path': 'g/mac'},"
		"'guards': [{'condition': 'on', 'value': 'macos', 'id': '1'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/linux'},"
		"'guards': [{'condition': 'on', 'value': 'linux', 'id': '2'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/if'},"
		"'guards': [{'condition': 'if_exists', 'base': 'bin', 'path': 't*', 'id': '3'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/no'},"
		"'guards': [{'condition': 'if_exists', 'base': 'bin', 'path': 'x*', 'id': '4'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/unless'},"
		"'guards': [{'condition': 'on', 'value': 'linux', 'id': '2'},"
		"{'condition': 'unless_exists', 'base': 'bin', 'path': 'x', 'id': '5'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/both'},"
		"'guards': [{'condition': 'unless_exists', 'base': 'bin', 'path': 'x', 'id': '5'},"
		"{'condition': 'unless_exists', 'base': 'bin', 'path': 'tool', 'id': '6'}]},"
		"{'type': 'change_dylib_id', 'guards': [{'condition': 'on', 'value': 'macos'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/odd'},"
		"'guards': [{'condition': 'never heard of'}]}]",
		"guards are heard");
	is_there(world->tree, "var/g/mac", "-", "nothing is done for macOS");
	is_there(world->tree, "var/g/linux", "f", "and all for Linux");
	is_there(world->tree, "var/g/if", "f", "if something is there");
	is_there(world->tree, "var/g/no", "-", "or not");
	is_there(world->tree, "var/g/unless", "f", "unless it is");
	is_there(world->tree, "var/g/both", "-", "if all hold");
	is_there(world->tree, "var/g/odd", "-", "an unknown one does not hold");
	does(world,
		"[{'type': 'mkdir_p', 'path': {'base': 'var', 'path': 'g/once'},"
		"'guards': [{'condition': 'unless_exists', 'base': 'var', 'path': 'g/once', 'id': "
		"'1'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/once/too'},"
		"'guards': [{'condition': 'unless_exists', 'base': 'var', 'path': 'g/once', 'id': "
		"'1'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'g/once/three'},"
		"'guards': [{'condition': 'unless_exists', 'base': 'var', 'path': 'g/once', 'id': "
		"'2'}]}]",
		"a guard is looked at once for a block");
	is_there(world->tree, "var/g/once/too", "f", "so its second step runs as well");
	is_there(world->tree, "var/g/once/three", "-", "and another block's does not");
	fails(world, "[{'type': 'warn', 'message': 'x', 'guards': [1]}]", "not an object",
		"a guard that is none fails");
	fails(world, "[{'type': 'warn', 'message': 'x', 'guards': {}}]", "not a list",
		"and so do guards that are no list");
}

static void test_pending(struct world *world)
{
	_cleanup_free_ char *text = NULL;
	json_t *again;

	put_text(world, "var/p/there", "x", 1, 0644);
	hands_back(world,
		"[{'type': 'mkdir_p', 'path': {'base': 'var', 'path': 'p/db'},"
		"'guards': [{'condition': 'unless_exists', 'base': 'var', 'path': 'p/db', "
		"'id': '1'}]},"
		"{'type': 'run', 'command': {'base': 'bin', 'path': 'tool'}, 'args': ['{{var}}'],"
		"'guards': [{'condition': 'unless_exists', 'base': 'var', 'path': 'p/db', "
		"'id': '1'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'p/after'}},"
		"{'type': 'remove', 'paths': [{'base': 'var', 'path': 'p/there'}]},"
		"{'type': 'remove', 'paths': [{'base': 'var', 'path': 'p/made-by-run'}]},"
		"{'type': 'copy', 'source': {'base': 'var', 'path': 'p/made-by-run'},"
		"'target': {'base': 'var', 'path': 'p/copy'}},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'p/maybe'},"
		"'guards': [{'condition': 'if_exists', 'base': 'var', 'path': 'p/x', 'id': "
		"'2'}]},"
		"{'type': 'compile_gsettings_schemas'},"
		"{'type': 'warn', 'message': 'mind {{name}}'}]",
		"run remove copy touch compile_gsettings_schemas",
		"programs are handed back, and what may need what they make");
	is_there(world->tree, "var/p/db", "d", "what does not is done");
	is_there(world->tree, "var/p/after", "f", "in its turn");
	is_there(world->tree, "var/p/there", "-", "or before it, if it finds what it is about");
	is_str(reason(world, 0), "it runs a program", "the first runs a program");
	is_str(reason(world, 2), "it depends on what a step before it makes",
		"the third depends on it");
	is_str(world->result.warnings[0], "mind foo", "a warning is handed out");
	text = json_dumps(json_array_get(world->result.pending, 0), JSON_COMPACT | JSON_SORT_KEYS);
	is_str(text,
		"{\"args\":[\"{{var}}\"],\"command\":{\"base\":\"bin\",\"path\":\"tool\"},"
		"\"guards\":[{"
		"\"base\":\"var\",\"condition\":\"unless_exists\",\"id\":\"1\",\"path\":\"p/db\","
		"\"result\":true}],\"reason\":\"it runs a program\",\"type\":\"run\"}",
		"a step is handed back as it is, with what is known of its guards");
	again = json_pack("[O]", json_array_get(world->result.pending, 0));
	world->formula.post_install_steps = again;
	run_formula(world);
	world->formula.post_install_steps = NULL;
	json_decref(again);
	is_int(json_array_size(world->result.pending), 1, "the guard that held still holds then");
	hands_back(world,
		"[{'type': 'init_data_dir', 'using': 'postgresql_initdb',"
		"'path': {'base': 'var', 'path': 'pg'}}]",
		"init_data_dir", "a data directory is filled by a program");
	is_there(world->tree, "var/pg", "d", "but made here");
	put_text(world, "var/pg/PG_VERSION", "17\n", 3, 0600);
	does(world,
		"[{'type': 'init_data_dir', 'using': 'postgresql_initdb',"
		"'path': {'base': 'var', 'path': 'pg'}},"
		"{'type': 'configure_clang_system'}]",
		"and left alone when it has been");
	fails(world,
		"[{'type': 'init_data_dir', 'using': 'oracle', 'path': {'base': 'var', 'path': "
		"'pg'}}]",
		"unknown data directory", "by a program that is known");
	hands_back(world,
		"[{'type': 'terminate_process', 'name': 'x'}, {'type': 'gio_querymodules'},"
		"{'type': 'gdk_pixbuf_query_loaders'}, {'type': 'gtk_update_icon_cache'},"
		"{'type': 'update_mime_database'}, {'type': 'update_desktop_database'},"
		"{'type': 'configure_gcc_runtime'}, {'type': 'configure_glibc_runtime'},"
		"{'type': 'configure_php'}, {'type': 'bootstrap_cpython'},"
		"{'type': 'bootstrap_pypy'}]",
		"terminate_process gio_querymodules gdk_pixbuf_query_loaders gtk_update_icon_cache "
		"update_mime_database update_desktop_database configure_gcc_runtime "
		"configure_glibc_runtime configure_php bootstrap_cpython bootstrap_pypy",
		"every other step that runs a program is handed back");
}

static void test_failures(struct world *world)
{
	fails(world,
		"[{'type': 'touch', 'path': {'base': 'var', 'path': 'f/before'}},"
		"{'type': 'frobnicate'},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'f/after'}}]",
		"frobnicate: unknown install step", "an unknown step is a failure");
	is_there(world->tree, "var/f/before", "f", "what was done before it stays");
	is_there(world->tree, "var/f/after", "-", "and nothing is done after it");
	fails(world, "[{'type': 'run', 'command': '/bin/true'}, {'type': 'set_ownership'}]",
		"macOS", "steps for macOS fail here");
	is_int(json_array_size(world->result.pending), 1,
		"those handed back before are still told");
	fails(world, "[{'type': 'delete_keychain_certificate'}]", "macOS", "each of them");
	fails(world, "[1]", "not an object", "a step that is none fails");
	fails(world, "[{}]", "type", "and one without a type");
	fails(world, "{}", "not a list", "and steps that are no list");
	fails(world, "[{'type': 'touch'}]", "path", "and one without its path");
	fails(world, "[{'type': 'touch', 'path': {'base': 'etc'}}]", "a path is missing",
		"or with half of it");
	fails(world, "[{'type': 'touch', 'path': {'base': 'staged_path', 'path': 'x'}}]",
		"unknown install step base", "or an unknown base");
	fails(world, "[{'type': 'touch', 'path': {'base': 'formula_pkgetc', 'path': 'x'}}]",
		"formula's name", "or one that needs a formula");
	fails(world, "[{'type': 'run'}]", "command", "a run without a command fails");
	fails(world, "[{'type': 'symlink', 'target': {'base': 'var', 'path': 'x'}}]", "source",
		"and a link to nothing");
	put_directory(world->tree, "var/f/half/python/c.py");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'lib', 'path': 'python'}, 'recursive': true,"
		"'target': {'base': 'var', 'path': 'f/half'}}]",
		"File exists", "a step that fails half way");
	is_there(world->tree, "var/f/half/python/a.py", "-", "leaves nothing of its first half");
	does(world,
		"[{'type': 'touch', 'path': {'base': 'formula_pkgetc', 'formula': 'u/r/bar',"
		"'path': 'x'}}]",
		"another formula's etc can be written");
	is_there(world->tree, "etc/bar/x", "f", "by its short name");
}

static void test_confinement(struct world *world)
{
	static const char *const refused[] = {
		"{'base': 'var', 'path': '../../../../etc/passwd'}",
		"{'base': 'prefix', 'path': '../../../../../../root/x'}",
		"'{{HOMEBREW_PREFIX}}/../x'",
		"{'base': 'homebrew_prefix', 'path': 'x'}",
		"{'base': 'homebrew_prefix', 'path': 'Cellar/bar/1/x'}",
		"{'base': 'opt_prefix', 'path': '../bar'}",
		"{'base': 'rack', 'path': '9/x'}",
		"{'base': 'var', 'path': 'homebrew/linked/x'}",
		"{'base': 'var', 'path': 'out/x'}",
		"{'base': 'var', 'path': 'other/x'}",
		"{'base': 'etc', 'path': 'to-passwd'}",
	};
	static const char *const later[] = {
		"'/etc/passwd'",
		"{'base': 'var', 'path': '/etc/passwd'}",
		"{'base': 'home', 'path': '.profile'}",
		"{'base': 'temp', 'path': 'x'}",
		"{'base': 'search_path', 'path': 'x'}",
		"{'base': 'relative', 'path': 'x'}",
		"'~/.profile'",
		"'x'",
		"{'base': 'var', 'path': '{{user}}/x'}",
		"'{{temp}}/x'",
		"'/home/linuxbrew/.linuxbrewery/x'",
	};

	put_link(world->tree, "var/out", "/tmp");
	put_directory(world->tree, "Cellar/bar/1");
	put_link(world->tree, "var/other", "../Cellar/bar/1");
	put_link(world->tree, "etc/to-passwd", "/etc/passwd");
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(refused); i++) {
		_cleanup_free_ char *step =
			bfs_format("[{'type': 'touch', 'path': %s}]", refused[i]);

		run(world, step);
		ok(world->result.failure != NULL, "%s is refused: %s", refused[i], failure(world));
	}
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(later); i++) {
		_cleanup_free_ char *step = bfs_format("[{'type': 'touch', 'path': %s}]", later[i]);

		run(world, step);
		ok(!world->result.failure && json_array_size(world->result.pending) == 1,
			"%s is handed back: %s", later[i], reason(world, 0));
	}
	fails(world, "[{'type': 'remove', 'recursive': true, 'paths': '{{HOMEBREW_PREFIX}}'}]",
		"sandbox", "the prefix cannot be removed");
	fails(world, "[{'type': 'remove', 'recursive': true, 'paths': '{{HOMEBREW_CELLAR}}'}]",
		"sandbox", "nor the Cellar");
	fails(world,
		"[{'type': 'remove', 'recursive': true, 'paths': [{'base': 'prefix', 'path': "
		"''}]}]",
		"sandbox", "nor the keg itself");
	fails(world,
		"[{'type': 'remove', 'recursive': true, 'paths': [{'base': 'var', 'path': ''}]}]",
		"sandbox", "nor var");
	fails(world,
		"[{'type': 'move', 'source': '{{HOMEBREW_CELLAR}}/bar',"
		"'target': {'base': 'var', 'path': 'stolen'}}]",
		"sandbox", "another keg cannot be moved");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'var', 'path': 'out'}, 'recursive': true,"
		"'target': {'base': 'var', 'path': 'x'}}]",
		"out of the prefix", "nothing is read through a link that leads out");
	fails(world,
		"[{'type': 'set_permissions', 'paths': [{'base': 'opt_prefix', 'path': "
		"'../../Cellar/bar'}], 'permissions': '0777'}]",
		"sandbox", "another keg's modes stay");
	hands_back(world,
		"[{'type': 'touch', 'path': {'base': 'var', 'path': 'z'},"
		"'guards': [{'condition': 'if_exists', 'path': '/etc/passwd'}]},"
		"{'type': 'touch', 'path': {'base': 'var', 'path': 'z'},"
		"'guards': [{'condition': 'if_exists', 'base': 'etc', 'path': 'to-passwd'}]}]",
		"touch touch", "what only the machine can tell is not told here");
	is_there(world->tree, "Cellar/bar/1", "d", "the other keg is whole");
}

int main(void)
{
	static void (*const tests[])(struct world * world) = {
		test_guards, test_pending, test_failures, test_confinement};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tests); i++) {
		struct world world;

		open_world(&world);
		tests[i](&world);
		close_world(&world);
	}
	return done();
}
