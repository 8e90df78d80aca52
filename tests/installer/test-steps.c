/*
 * Post-install steps: every type that only touches files, on a prefix of the test's own; those that
 * are done natively; and the reference formula bfo-steps ($BREWFS_ORACLE, by default tests/oracle),
 * whose files must be those of brew's manifest.
 */
#include "tests/installer/steps_fixture.h"

#include <zlib.h>

static void test_directories(struct world *world)
{
	does(world, "[{'type': 'mkdir_p', 'path': {'base': 'var', 'path': 'foo/deep/er'}}]",
		"mkdir_p makes a directory");
	is_there(world->tree, "var/foo/deep/er", "d", "with those above it");
	is_int(mode_of(world->tree, "var/foo/deep"), 0755, "of mode 0755");
	does(world, "[{'type': 'mkdir_p', 'path': {'base': 'var', 'path': 'foo/deep/er'}}]",
		"mkdir_p of one that is there is nothing");
	does(world, "[{'type': 'mkdir', 'path': {'base': 'var', 'path': 'foo/one'}}]",
		"mkdir makes one");
	fails(world, "[{'type': 'mkdir', 'path': {'base': 'var', 'path': 'foo/one'}}]",
		"File exists", "but not where one is");
	fails(world, "[{'type': 'mkdir', 'path': {'base': 'var', 'path': 'no/such'}}]",
		"No such file", "nor below nothing");
	does(world, "[{'type': 'touch', 'path': {'base': 'var', 'path': 'foo/new/touched'}}]",
		"touch makes a file and its directory");
	is_there(world->tree, "var/foo/new/touched", "f", "where there is none");
	fails(world, "[{'type': 'mkdir_p', 'path': {'base': 'var', 'path': 'foo/new/touched/x'}}]",
		"Not a directory", "mkdir_p below a file fails");
	must(bfs_tree_symlink_path(world->tree, "there", "var/foo/dangling"), "a link");
	does(world,
		"[{'type': 'touch', 'path': {'base': 'var', 'path': 'foo/dangling'}},"
		"{'type': 'touch', 'path': {'base': 'pkgshare', 'path': 'data'}}]",
		"touch follows a link, and touches what is there");
	is_there(world->tree, "var/foo/there", "f", "so the link's target is made");
	struct bfs_attributes attributes;

	must(bfs_tree_stat_path(world->tree, KEG "/share/foo/data", &attributes), "stat");
	ok(attributes.mtime == MTIME, "and the time is set");
	holds(world, KEG "/share/foo/data", "data\n", "the content stays");
}

static void test_write(struct world *world)
{
	does(world,
		"[{'type': 'write', 'path': {'base': 'etc', 'path': 'foo/a.conf'},"
		"'content': 'p={{HOMEBREW_PREFIX}} c={{HOMEBREW_CELLAR}} "
		"n={{name}}{{formula_name}} "
		"v={{version}} {{version.major}} {{version.major_minor}} {{opt_prefix}} {{pkgetc}} "
		"{{prefix}} {{HOMEBREW_BREW_FILE}} {{unknown}} {{ {{}} {{bin}}'}]",
		"write fills in templates");
	holds(world, "etc/foo/a.conf",
		"p=" PREFIX " c=" PREFIX "/Cellar n=foofoo v=1.2.3 1 1.2 " PREFIX "/opt/foo " PREFIX
		"/etc/foo " PREFIX "/" KEG " " PREFIX "/bin/brew {{unknown}} {{ {{}} " PREFIX
		"/" KEG "/bin",
		"and leaves what it does not know");
	is_int(mode_of(world->tree, "etc/foo/a.conf"), 0644, "the file has mode 0644");
	does(world,
		"[{'type': 'write', 'path': {'base': 'etc', 'path': 'foo/a.conf'},"
		"'content': 'other'}]",
		"write leaves a file that is there");
	ok(!file_has(world->tree, "etc/foo/a.conf", "other"), "as it is");
	must(bfs_tree_symlink_path(world->tree, "a.conf", "etc/foo/link"), "a link");
	does(world,
		"[{'type': 'set_permissions', 'paths': [{'base': 'pkgetc', 'path': 'a.conf'}],"
		"'permissions': '0600'},"
		"{'type': 'write', 'path': {'base': 'pkgetc', 'path': 'link'},"
		"'content': 'other', 'overwrite': true}]",
		"with overwrite it does not");
	is_there(world->tree, "etc/foo/link", "f", "a link is replaced by a file");
	is_int(mode_of(world->tree, "etc/foo/link"), 0600, "with the mode of what it led to");
	holds(world, "etc/foo/link", "other", "and the new content");
	does(world,
		"[{'type': 'write', 'path': {'base': 'etc', 'path': 'foo/empty'}, 'content': ''}]",
		"an empty file can be written");
	fails(world, "[{'type': 'write', 'path': {'base': 'etc', 'path': 'foo/x'}}]", "content",
		"write needs a content");
}

static void test_copy(struct world *world)
{
	does(world,
		"[{'type': 'copy', 'source': {'base': 'bin', 'path': 'tool'},"
		"'target': {'base': 'var', 'path': 'copy/tool'}}]",
		"copy copies a file");
	is_int(mode_of(world->tree, "var/copy/tool"), 0555, "with its mode");
	does(world,
		"[{'type': 'copy', 'source': {'base': 'pkgshare', 'path': 'd*'},"
		"'source_glob': true, 'target': {'base': 'var', 'path': 'copy'}}]",
		"into a directory, found by a pattern");
	holds(world, "var/copy/data", "data\n", "under its own name");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'pkgshare', 'path': 'data'},"
		"'overwrite': false, 'target': {'base': 'var', 'path': 'copy/tool'}}]",
		"File exists", "without overwrite not over another");
	does(world,
		"[{'type': 'copy', 'source': {'base': 'pkgshare', 'path': 'data'},"
		"'target': {'base': 'var', 'path': 'copy/tool'}}]",
		"but else");
	is_int(mode_of(world->tree, "var/copy/tool"), 0555,
		"which keeps the mode of what was there");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'lib', 'path': 'python'},"
		"'target': {'base': 'var', 'path': 'copy/dir'}}]",
		"Is a directory", "a directory is only copied recursively");
	does(world,
		"[{'type': 'copy', 'source': {'base': 'lib', 'path': 'python'}, 'recursive': true,"
		"'target': {'base': 'var', 'path': 'copy/dir'}}]",
		"then it is");
	holds(world, "var/copy/dir/sub/b.py", "import b\n", "with all below");
	is_there(world->tree, "var/copy/dir/c.py", "l a.py", "links as links");
	is_int(mode_of(world->tree, "var/copy/dir/sub/b.py"), 0600, "and modes");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'lib', 'path': '**/*.py'},"
		"'source_glob': true, 'target': {'base': 'var', 'path': 'copy/x'}}]",
		"exactly one", "a pattern must match one file");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'var', 'path': 'copy'}, 'recursive': true,"
		"'target': {'base': 'var', 'path': 'copy/dir/x'}}]",
		"into itself", "a directory is not copied into itself");
	fails(world,
		"[{'type': 'copy', 'source': '{{HOMEBREW_PREFIX}}', 'recursive': true,"
		"'target': {'base': 'var', 'path': 'copy/all'}}]",
		"into itself", "nor the prefix");
	fails(world,
		"[{'type': 'link_dir', 'source': {'base': 'var', 'path': 'copy'},"
		"'target': {'base': 'var', 'path': 'copy/dir/new/x'}}]",
		"into itself", "nor is one linked into itself");
	fails(world,
		"[{'type': 'copy', 'source': {'base': 'var', 'path': 'nothing'},"
		"'target': {'base': 'var', 'path': 'copy/x'}}]",
		"No such file", "what is not there is not copied");
}

static void test_move(struct world *world)
{
	put_text(world, "var/move/a", "a", 1, 0644);
	put_text(world, "var/move/b", "b", 1, 0644);
	put_directory(world->tree, "var/move/dir");
	does(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/a'},"
		"'target': {'base': 'var', 'path': 'move/dir'}}]",
		"move moves into a directory");
	is_there(world->tree, "var/move/dir/a", "f", "so it is there");
	is_there(world->tree, "var/move/a", "-", "and no longer here");
	put_text(world, "var/move/a", "a2", 2, 0644);
	fails(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/a'}, 'overwrite': false,"
		"'target': {'base': 'var', 'path': 'move/b'}}]",
		"File exists", "with overwrite false not over another");
	is_there(world->tree, "var/move/a", "f", "which leaves all as it was");
	does(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/a'}, 'overwrite': true,"
		"'target': {'base': 'var', 'path': 'move/b'}}]",
		"with overwrite over it");
	holds(world, "var/move/b", "a2", "which is gone");
	put_text(world, "var/move/new/dir/x", "x", 1, 0644);
	fails(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/new/dir'},"
		"'target': {'base': 'var', 'path': 'move'}}]",
		"File exists", "a directory is not replaced");
	does(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/new/dir'},"
		"'overwrite': true, 'target': {'base': 'var', 'path': 'move'}}]",
		"unless it is to be overwritten");
	is_there(world->tree, "var/move/dir/a", "-", "then what was in it is gone");
	is_there(world->tree, "var/move/dir/x", "f", "and the other is there");
	does(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/none'}, 'force': true,"
		"'target': {'base': 'var', 'path': 'move/b'}}]",
		"with force a missing source is nothing");
	fails(world,
		"[{'type': 'move', 'source': {'base': 'var', 'path': 'move/none'},"
		"'target': {'base': 'var', 'path': 'move/b'}}]",
		"No such file", "without it is a failure");
	does(world,
		"[{'type': 'move_contents', 'source': {'base': 'var', 'path': 'move'},"
		"'target': {'base': 'var', 'path': 'move/into'}}]",
		"move_contents moves what is in a directory, even into one below");
	is_there(world->tree, "var/move/into/b", "f", "files");
	is_there(world->tree, "var/move/into/dir/x", "f", "and directories");
	does(world,
		"[{'type': 'move_children', 'source': {'base': 'var', 'path': 'move/into'},"
		"'target': {'base': 'var', 'path': 'elsewhere'}}]",
		"move_children is the same");
	is_there(world->tree, "var/elsewhere/dir/x", "f", "under another name");
}

static void test_remove(struct world *world)
{
	put_text(world, "var/rm/a.log", "secret", 6, 0644);
	put_text(world, "var/rm/b.log", "other", 5, 0644);
	put_text(world, "var/rm/dir/x", "x", 1, 0644);
	put_link(world->tree, "var/rm/to-old", "/x/old/y");
	put_link(world->tree, "var/rm/to-new", "/x/new/y");
	does(world,
		"[{'type': 'remove', 'paths': [{'base': 'var', 'path': 'rm/*.log'}],"
		"'content_contains': 'secret'}]",
		"remove by content");
	is_there(world->tree, "var/rm/a.log", "-", "takes the one that has it");
	is_there(world->tree, "var/rm/b.log", "f", "and not the other");
	does(world,
		"[{'type': 'remove', 'paths': [{'base': 'var', 'path': 'rm/to-*'}],"
		"'symlink_target_contains': '/old/'}]",
		"remove by the text of a link");
	is_there(world->tree, "var/rm/to-old", "-", "takes the one that has it");
	is_there(world->tree, "var/rm/to-new", "l /x/new/y", "and not the other");
	does(world,
		"[{'type': 'remove', 'paths': [{'base': 'var', 'path': 'rm/dir'},"
		"{'base': 'var', 'path': 'rm/none'}]}]",
		"remove passes over directories and what is not there");
	is_there(world->tree, "var/rm/dir/x", "f", "so the directory stays");
	does(world,
		"[{'type': 'remove', 'paths': {'base': 'var', 'path': 'rm/{dir,b.log}'},"
		"'recursive': true}]",
		"recursively it does not");
	is_there(world->tree, "var/rm/dir", "-", "so the directory goes");
	is_there(world->tree, "var/rm/b.log", "-", "and what else the pattern matches");
	put_link(world->tree, "var/rm/loop", "loop");
	does(world,
		"[{'type': 'write', 'path': {'base': 'var', 'path': 'rm/fresh'}, 'content': 'new'},"
		"{'type': 'remove', 'paths': [{'base': 'var', 'path': 'rm/*'}],"
		"'content_contains': 'new'}]",
		"what a step before it wrote can be searched");
	is_there(world->tree, "var/rm/fresh", "-", "and found");
}

static void test_links(struct world *world)
{
	does(world,
		"[{'type': 'symlink', 'source': {'base': 'prefix', 'path': 'share/foo/data'},"
		"'target': {'base': 'var', 'path': 'ln/data'}},"
		"{'type': 'symlink', 'source': {'base': 'relative', 'path': '../x/{{name}}'},"
		"'target': {'base': 'var', 'path': 'ln/relative'}},"
		"{'type': 'symlink', 'source': '/etc/localtime',"
		"'target': {'base': 'var', 'path': 'ln/host'}}]",
		"symlink makes links");
	is_there(world->tree, "var/ln/data", "l " PREFIX "/" KEG "/share/foo/data",
		"with absolute text");
	is_there(world->tree, "var/ln/relative", "l ../x/foo", "or just as it is written");
	is_there(world->tree, "var/ln/host", "l /etc/localtime", "or to the machine");
	fails(world,
		"[{'type': 'symlink', 'source': '/x', 'target': {'base': 'var', 'path': "
		"'ln/data'}}]",
		"File exists", "not where something is");
	does(world,
		"[{'type': 'symlink', 'source': '/x', 'force': true,"
		"'target': {'base': 'var', 'path': 'ln/data'}}]",
		"unless forced");
	is_there(world->tree, "var/ln/data", "l /x", "then it is replaced");
	does(world,
		"[{'type': 'symlink', 'source': {'base': 'lib', 'path': 'python/*.py'},"
		"'source_glob': true, 'force': true, 'target': {'base': 'var', 'path': 'ln/all'}}]",
		"symlink links to all that match");
	is_there(world->tree, "var/ln/all/c.py", "l " PREFIX "/" KEG "/lib/python/c.py",
		"in a directory");
	does(world,
		"[{'type': 'symlink', 'source': {'base': 'lib', 'path': 'python/a*'},"
		"'source_glob': true, 'target': {'base': 'var', 'path': 'ln/one'}},"
		"{'type': 'symlink', 'source': {'base': 'lib', 'path': 'nothing*'},"
		"'source_glob': true, 'target': {'base': 'var', 'path': 'ln/none'}}]",
		"or to the one");
	is_there(world->tree, "var/ln/one", "l " PREFIX "/" KEG "/lib/python/a.py",
		"as the target's own name");
	is_there(world->tree, "var/ln/none", "-", "or to none");
	does(world,
		"[{'type': 'link_dir', 'source': {'base': 'lib', 'path': 'python'},"
		"'target': {'base': 'homebrew_prefix', 'path': 'lib/tree'}}]",
		"link_dir makes directories and links to files");
	is_there(world->tree, "lib/tree/sub/b.py", "l ../../../" KEG "/lib/python/sub/b.py",
		"relative ones");
	is_there(world->tree, "lib/tree/c.py", "l ../../" KEG "/lib/python/c.py",
		"a link is linked to like a file");
	does(world,
		"[{'type': 'link_dir', 'source': {'base': 'opt_prefix', 'path': 'lib/python'},"
		"'target': {'base': 'homebrew_prefix', 'path': 'lib/tree'}}]",
		"link_dir again is nothing new");
	is_there(world->tree, "lib/tree/a.py", "l ../../" KEG "/lib/python/a.py",
		"the source's links are resolved");
	does(world,
		"[{'type': 'link_children', 'source': {'base': 'prefix', 'path': 'bin'},"
		"'target': {'base': 'homebrew_prefix', 'path': 'bin'}, 'prefix': 'x-',"
		"'suffix': '-{{version.major}}'}]",
		"link_children makes links with other names");
	is_there(world->tree, "bin/x-tool-1", "l ../" KEG "/bin/tool", "of each file");
	fails(world,
		"[{'type': 'link_children', 'source': {'base': 'prefix', 'path': 'bin'},"
		"'target': {'base': 'homebrew_prefix', 'path': 'bin'}, 'prefix': '../'}]",
		"not a name", "names with a slash are refused");
	fails(world,
		"[{'type': 'link_children', 'source': {'base': 'prefix', 'path': 'none'},"
		"'target': {'base': 'homebrew_prefix', 'path': 'bin'}}]",
		"No such file", "and a source that is not there");
}

static void test_inreplace(struct world *world)
{
	put_text(world, "etc/re/f", "user: nobody\ndir=/x\ndir=/y\n", 27, 0640);
	does(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'},"
		"'before': 'nobody', 'after': '{{name}}'}]",
		"inreplace replaces text");
	holds(world, "etc/re/f", "user: foo\ndir=/x\ndir=/y\n", "filled in");
	is_int(mode_of(world->tree, "etc/re/f"), 0640, "the mode stays");
	does(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'}, 'regexp': true,"
		"'before': '^dir=(.*)$', 'after': 'dir={{var}}\\\\1', 'first_only': true}]",
		"inreplace replaces what a regular expression matches");
	holds(world, "etc/re/f", "user: foo\ndir=" PREFIX "/var/x\ndir=/y\n", "once if asked");
	fails(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'},"
		"'before': 'nobody', 'after': 'x'}]",
		"not there", "what is not there cannot be replaced");
	does(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'},"
		"'before': 'nobody', 'after': 'x', 'skip_audit': true}]",
		"unless that does not matter");
	hands_back(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'},"
		"'regexp': true, 'before': '(?<=u)ser', 'after': 'x'}]",
		"inreplace", "what takes Ruby to match is handed back");
	hands_back(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'},"
		"'before': 'foo', 'after': '{{user}}'}]",
		"inreplace", "and so is the user's name");
	is_str(reason(world, 0), "{{user}} is different for everyone", "which it says");
	fails(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/none'},"
		"'before': 'foo', 'after': 'x'}]",
		"No such file", "a file that is not there fails");
	fails(world,
		"[{'type': 'inreplace', 'path': {'base': 'etc', 'path': 're/f'}, 'regexp': true,"
		"'before': '(', 'after': 'x'}]",
		"not a regular expression", "and what is no regular expression");
}

static void test_permissions(struct world *world)
{
	does(world,
		"[{'type': 'set_permissions', 'permissions': 'u+w,go-rwx',"
		"'paths': [{'base': 'bin', 'path': '*'}, {'base': 'lib', 'path': 'none'}]}]",
		"set_permissions changes what is there");
	is_int(mode_of(world->tree, KEG "/bin/tool"), 0700, "symbolically");
	does(world,
		"[{'type': 'set_permissions', 'permissions': '0755',"
		"'paths': [{'base': 'lib', 'path': 'python'}]}]",
		"or in octal");
	is_int(mode_of(world->tree, KEG "/lib/python/sub/b.py"), 0755, "with all below");
	does(world,
		"[{'type': 'set_permissions', 'permissions': '0700', 'non_recursive': true,"
		"'paths': [{'base': 'lib', 'path': 'python'}]}]",
		"or not");
	is_int(mode_of(world->tree, KEG "/lib/python"), 0700, "just the directory");
	is_int(mode_of(world->tree, KEG "/lib/python/a.py"), 0755, "and nothing below");
	fails(world, "[{'type': 'set_permissions', 'permissions': 'all', 'paths': []}]",
		"not a mode", "what is no mode fails");
}

static void test_gzip(struct world *world)
{
	unsigned char packed[4096];
	z_stream stream = {0};

	deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	stream.next_in = (unsigned char *)"#!/bin/sh\necho real\n";
	stream.avail_in = 20;
	stream.next_out = packed;
	stream.avail_out = sizeof(packed);
	deflate(&stream, Z_FINISH);
	deflateEnd(&stream);
	put_text(world, KEG "/libexec/real.gz", packed, stream.total_out, 0644);
	put_text(world, KEG "/libexec/cut.gz", packed, stream.total_out - 4, 0644);
	put_text(world, KEG "/libexec/real", "placeholder", 11, 0755);
	does(world,
		"[{'type': 'install_gzipped_executable', 'source': {'base': 'libexec', 'path': "
		"'real.gz'}, 'target': {'base': 'libexec', 'path': 'real'}}]",
		"install_gzipped_executable unpacks");
	holds(world, KEG "/libexec/real", "#!/bin/sh\necho real\n", "what was packed");
	is_int(mode_of(world->tree, KEG "/libexec/real"), 0755, "executable");
	is_there(world->tree, KEG "/libexec/real.gz", "-", "and removes the packed one");
	does(world,
		"[{'type': 'install_gzipped_executable', 'source': {'base': 'libexec', 'path': "
		"'real.gz'}, 'target': {'base': 'libexec', 'path': 'real'}}]",
		"without it there is nothing to do");
	fails(world,
		"[{'type': 'install_gzipped_executable', 'source': {'base': 'libexec', 'path': "
		"'cut.gz'}, 'target': {'base': 'libexec', 'path': 'real'}}]",
		"", "a damaged one fails");
	ok(world->result.failure != NULL, "%s", failure(world));
	holds(world, KEG "/libexec/real", "#!/bin/sh\necho real\n", "and leaves what was there");
	is_there(world->tree, KEG "/libexec/cut.gz", "f", "and itself");
}

static void test_native(struct world *world)
{
	static const char certificate[] =
		"# one\n-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";

	put_text(world, "Cellar/ca-certificates/2026/share/ca-certificates/cacert.pem", certificate,
		sizeof(certificate) - 1, 0644);
	world->formula.name = "ca-certificates";
	world->formula.pkg_version = world->formula.version = "2026";
	does(world, "[{'type': 'run', 'command': {'base': 'libexec', 'path': 'post-install'}}]",
		"ca-certificates' program is known");
	holds(world, "etc/ca-certificates/cert.pem", certificate, "and the bundle made");
	is_int(mode_of(world->tree, "etc/ca-certificates/cert.pem"), 0644, "for all to read");
	must(bfs_tree_remove_path(world->tree, "etc/ca-certificates"), "removing");
	run_formula(world);
	holds(world, "etc/ca-certificates/cert.pem", certificate, "without steps as well");
	hands_back(world, "[{'type': 'run', 'command': {'base': 'libexec', 'path': 'other'}}]",
		"run", "another program of its is not known");
	world->formula.name = "openssl@3";
	world->formula.pkg_version = world->formula.version = "3.5.0";
	run_formula(world);
	is_there(world->tree, "etc/openssl@3/cert.pem", "l " PREFIX "/etc/ca-certificates/cert.pem",
		"openssl@3 has its link to it without steps");
	does(world,
		"[{'type': 'symlink', 'source': {'base': 'formula_pkgetc', 'formula': "
		"'ca-certificates', 'path': 'cert.pem'}, 'force': true,"
		"'target': {'base': 'pkgetc', 'path': 'cert.pem'}}]",
		"and with them");
	is_there(world->tree, "etc/openssl@3/cert.pem", "l " PREFIX "/etc/ca-certificates/cert.pem",
		"the same");
	world->formula.name = "foo";
	world->formula.pkg_version = "1.2.3_1";
	world->formula.post_install_defined = true;
	run_formula(world);
	is_str(bfs_json_string_or(json_array_get(world->result.pending, 0), "type", "none"), "ruby",
		"what only Ruby can run is handed back");
	world->formula.post_install_defined = false;
	run_formula(world);
	ok(!world->result.pending && !world->result.failure, "nothing is nothing");
}

static char *oracle_path(const char *rest)
{
	const char *oracle = getenv("BREWFS_ORACLE"), *source = getenv("srcdir");

	return oracle ? bfs_format("%s/%s", oracle, rest)
		      : bfs_format("%s/tests/oracle/%s", source ? source : ".", rest);
}

/* One row of the manifest: path, type, mode, size, digest, target. */
static void compare_row(struct world *world, char *row)
{
	char *field[6], *at = row;
	struct bfs_attributes attributes;
	char hex[BFS_DIGEST_HEX_SIZE] = "-";
	struct bfs_content content;

	for (size_t i = 0; i < 6; i++)
		field[i] = strsep(&at, "\t");
	if (!field[5])
		return;
	if (*field[1] == 'l') {
		_cleanup_free_ char *expected = bfs_format("l %s", field[5]);

		is_there(world->tree, field[0], expected, "%s is brew's link", field[0]);
		return;
	}
	if (!ok(bfs_tree_lstat_path(world->tree, field[0], &attributes) == 0, "%s is there",
		    field[0]))
		return;
	is_int(attributes.mode & 07777, strtol(field[2], NULL, 8), "%s has brew's mode", field[0]);
	ok((*field[1] == 'd') == S_ISDIR(attributes.mode), "%s is of brew's type", field[0]);
	if (*field[1] == 'd' || bfs_tree_content(world->tree, attributes.ino, &content) < 0)
		return;
	is_str(bfs_digest_to_hex(&content.digest, hex), field[4], "%s has brew's content",
		field[0]);
}

static void test_oracle(struct world *world)
{
	_cleanup_free_ char *api = oracle_path("api/internal/formula.x86_64_linux.json"),
			    *manifest = oracle_path("manifest.tsv");
	_cleanup_json_ json_t *document = json_load_file(api, 0, NULL);
	_cleanup_buffer_ struct bfs_buffer rows = BFS_BUFFER_INIT;
	struct bfs_formula *formula = NULL;
	size_t count = 0;

	if (access(api, F_OK) < 0) {
		ok(true, "bfo-steps # SKIP there is no %s: set BREWFS_ORACLE", api);
		return;
	}
	if (!ok(document && bfs_read_file(AT_FDCWD, manifest, 16 << 20, &rows) == 0 &&
			    bfs_formula_from_internal("bfo-steps",
				    json_object_get(
					    json_object_get(document, "formulae"), "bfo-steps"),
				    "x86_64_linux", &formula, NULL) == 0,
		    "the reference has bfo-steps (%s)", api))
		return;
	put_text(world, "Cellar/bfo-steps/0.1/share/bfo-steps/target", "target\n", 7, 0644);
	world->formula = *formula;
	run_formula(world);
	is_str(failure(world), "none", "its steps run");
	is_int(json_array_size(world->result.pending), 0, "all of them");
	for (char *at = rows.data, *row; (row = strsep(&at, "\n"));) {
		if (strncmp(row, "etc/bfo-steps", 13) != 0 &&
			strncmp(row, "var/bfo-steps", 13) != 0)
			continue;
		compare_row(world, row);
		count++;
	}
	is_int(count, 6, "what brew made of them is there");
	bfs_formula_free(formula);
}

int main(void)
{
	static void (*const tests[])(struct world * world) = {test_directories, test_write,
		test_copy, test_move, test_remove, test_links, test_inreplace, test_permissions,
		test_gzip, test_native, test_oracle};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tests); i++) {
		struct world world;

		open_world(&world);
		tests[i](&world);
		close_world(&world);
	}
	return done();
}
