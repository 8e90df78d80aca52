/* Placeholders in text, absolute links, and which files are relocated at all. */
#include "installer/relocate_link.h"
#include "installer/relocate_scope.h"
#include "installer/relocate_text.h"
#include "tests/tap.h"

#include <stdint.h>

#define P "/home/linuxbrew/.linuxbrew"

static struct bfs_text_relocation *relocation, *relocation_java;

static int append(void *context, const void *data, size_t length)
{
	return bfs_buffer_append(context, data, length);
}

/* Through a stream in pieces of every length up to `limit`. */
static bool streams_alike(const struct bfs_text_relocation *with, const char *text, size_t length,
	const struct bfs_buffer *expected, size_t limit)
{
	for (size_t piece = 1; piece <= limit; piece++) {
		_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;
		_cleanup_text_stream_ struct bfs_text_stream *stream = NULL;

		bfs_text_stream_new(with, append, &output, &stream);
		for (size_t i = 0; i < length; i += piece)
			bfs_text_stream_write(
				stream, text + i, length - i < piece ? length - i : piece);
		bfs_text_stream_finish(stream);
		if (output.length != expected->length ||
			(length && memcmp(output.data, expected->data, output.length) != 0)) {
			printf("# in pieces of %zu: '%.*s'\n", piece, (int)output.length,
				output.data);
			return false;
		}
	}
	return true;
}

static void becomes(const struct bfs_text_relocation *with, const char *text, const char *expected)
{
	_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;

	bfs_text_relocate(with, text, strlen(text), &output);
	is_str(output.data ? output.data : "", expected, "'%s' is relocated", text);
	ok(streams_alike(with, text, strlen(text), &output, strlen(text) + 1),
		"and as a stream, however it is cut");
}

static void test_placeholders(void)
{
	becomes(relocation, "", "");
	becomes(relocation, "no placeholder @@ at all @", "no placeholder @@ at all @");
	becomes(relocation, "prefix=@@HOMEBREW_PREFIX@@/opt/x", "prefix=" P "/opt/x");
	becomes(relocation, "@@HOMEBREW_CELLAR@@/x/1@@HOMEBREW_CELLAR@@",
		P "/Cellar/x/1" P "/Cellar");
	becomes(relocation, "@@HOMEBREW_REPOSITORY@@:@@HOMEBREW_LIBRARY@@",
		P "/Homebrew:" P "/Homebrew/Library");
	becomes(relocation, "#!@@HOMEBREW_PERL@@ -w", "#!" P "/opt/perl/bin/perl -w");
	becomes(relocation, "a@@HOMEBREW_JAVA@@b", "a@@HOMEBREW_JAVA@@b");
	becomes(relocation_java, "a@@HOMEBREW_JAVA@@b", "a" P "/opt/openjdk@21/libexecb");
	becomes(relocation, "@@HOMEBREW_NOTHING@@@@HOMEBREW_PREFIX@",
		"@@HOMEBREW_NOTHING@@@@HOMEBREW_PREFIX@");
	becomes(relocation, "@@@@@HOMEBREW_PREFIX@@@@@", "@@@" P "@@@");
	becomes(relocation, "@@HOMEBREW_PREFIX@@HOMEBREW_PREFIX@@", P "HOMEBREW_PREFIX@@");
	/* Two that overlap: the longer one is replaced first. */
	becomes(relocation, "@@HOMEBREW_PREFIX@@HOMEBREW_REPOSITORY@@",
		"@@HOMEBREW_PREFIX" P "/Homebrew");
}

static void test_bytes(void)
{
	static const char text[] = "\0\377@@HOMEBREW_PREFIX@@\0\200@@HOMEBREW";
	static const char expected[] = "\0\377" P "\0\200@@HOMEBREW";
	_cleanup_buffer_ struct bfs_buffer output = BFS_BUFFER_INIT;

	bfs_text_relocate(relocation, text, sizeof(text) - 1, &output);
	ok(output.length == sizeof(expected) - 1 &&
			memcmp(output.data, expected, output.length) == 0,
		"bytes that are no text stay as they are");
	ok(bfs_text_has_placeholder(text, sizeof(text) - 1), "a placeholder among them is found");
	ok(!bfs_text_has_placeholder(text, 10), "and not where there is only its beginning");
}

static int refuse(void *context, const void *data, size_t length)
{
	(void)context;
	(void)data;
	(void)length;
	return -ENOSPC;
}

static void test_failing_sink(void)
{
	_cleanup_text_stream_ struct bfs_text_stream *stream = NULL;

	bfs_text_stream_new(relocation, refuse, NULL, &stream);
	is_int(bfs_text_stream_write(stream, "text", 4), -ENOSPC, "a sink's error ends the stream");
}

static void links_to(const char *directory, const char *target, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	int r = bfs_link_relocate(P, directory, target, &text);

	if (expected)
		is_str(text, expected, "in %s a link to %s", directory, target);
	else
		ok(r == 0 && !text, "in %s a link to %s stays", directory, target);
}

static void test_links(void)
{
	const char *keg = "Cellar/x/1/share/d";

	/* What Homebrew made of abs-into-prefix and abs-into-keg in the reference. */
	links_to("Cellar/bfo-docs/3.0/share/bfo-docs", P "/etc", "../../../../../etc");
	links_to("Cellar/bfo-docs/3.0/share/bfo-docs",
		P "/Cellar/bfo-docs/3.0/share/bfo-docs/real/a", "real/a");
	links_to(keg, P "/Cellar/x/1/bin/tool", "../../bin/tool");
	links_to(keg, P "/opt/y/lib", "../../../../../opt/y/lib");
	links_to(keg, P, "../../../../..");
	links_to(keg, P "/", "../../../../..");
	links_to(keg, P "/Cellar/x/1/share/d", ".");
	links_to(keg, P "/Cellar/x/1/share", "..");
	links_to(keg, P "//Cellar/./x/1/share/../lib/", "../../lib");
	links_to(keg, P "/Cellar/x/1/shared", "../../shared");
	links_to("Cellar/x/1", P "/Cellar/x/1/a", "a");
	links_to(keg, P "/../outside", NULL);
	links_to(keg, P "-other/x", NULL);
	links_to(keg, "/usr/bin/env", NULL);
	links_to(keg, "/", NULL);
	links_to(keg, "../relative", NULL);
}

static json_t *parse(const char *text)
{
	json_t *document = NULL;

	return bfs_json_parse(text, strlen(text), "tab", &document, NULL) == 0 ? document : NULL;
}

static void elf_of(
	const char *name, bool skip_elf, const char *version, enum bfs_scope_answer expected)
{
	_cleanup_relocate_scope_ struct bfs_relocate_scope *scope = NULL;
	_cleanup_json_ json_t *tab = json_pack("{s:s?}", "homebrew_version", version);

	bfs_relocate_scope_new(name, skip_elf, &scope);
	bfs_relocate_scope_set_tab(scope, tab, NULL);
	is_int(bfs_relocate_scope_edits_elf(scope), expected,
		"%s, %s, built by %s: ELF files are %s", name,
		skip_elf ? "any_skip_relocation" : "any", version ? version : "an unknown version",
		expected == BFS_SCOPE_YES ? "edited" : "left alone");
}

static void test_elf_scope(void)
{
	_cleanup_relocate_scope_ struct bfs_relocate_scope *scope = NULL;

	elf_of("x", false, "6.0.18-157-gaad366f-dirty", BFS_SCOPE_YES);
	elf_of("x", true, "6.0.18-157-gaad366f-dirty", BFS_SCOPE_NO);
	elf_of("x", true, "5.1.15", BFS_SCOPE_NO);
	elf_of("x", true, "5.1.15-3-gabc", BFS_SCOPE_NO);
	elf_of("x", true, "5.1.14", BFS_SCOPE_YES);
	elf_of("x", true, "5.2", BFS_SCOPE_NO);
	elf_of("x", true, "5.1", BFS_SCOPE_YES);
	elf_of("x", true, "10.0.0", BFS_SCOPE_NO);
	elf_of("x", true, "4.9.99", BFS_SCOPE_YES);
	elf_of("x", true, ">=4.3.0 (shallow or no git repository)", BFS_SCOPE_YES);
	elf_of("x", true, ">=6.0.0 (shallow or no git repository)", BFS_SCOPE_NO);
	elf_of("x", true, "", BFS_SCOPE_YES);
	elf_of("x", true, NULL, BFS_SCOPE_YES);
	elf_of("glibc", false, "6.0.0", BFS_SCOPE_NO);
	elf_of("glibc@2.13", false, "6.0.0", BFS_SCOPE_NO);
	elf_of("glibc-tools", false, "6.0.0", BFS_SCOPE_YES);
	bfs_relocate_scope_new("x", true, &scope);
	is_int(bfs_relocate_scope_edits_elf(scope), BFS_SCOPE_UNKNOWN,
		"it is unknown before the tab is");
	is_int(bfs_relocate_scope_edits_links(scope), BFS_SCOPE_UNKNOWN, "and so it is of links");
}

static void covers(const struct bfs_relocate_scope *scope, const char *path, const char *text,
	enum bfs_scope_answer expected)
{
	is_int(bfs_relocate_scope_covers_text(scope, path, text, strlen(text)), expected,
		"%s is %s", path, expected == BFS_SCOPE_YES ? "relocated" : "left alone");
}

static void test_list(void)
{
	_cleanup_relocate_scope_ struct bfs_relocate_scope *scope = NULL;
	_cleanup_json_ json_t *tab = parse(
		"{\"changed_files\": [\"bin/a\", \"../x\", \"lib/\\u00e9\", \"/etc/passwd\"]}");

	bfs_relocate_scope_new("x", false, &scope);
	covers(scope, "bin/a", "", BFS_SCOPE_UNKNOWN);
	is_int(bfs_relocate_scope_set_tab(scope, tab, NULL), 0, "a tab with a list is taken");
	covers(scope, "bin/a", "", BFS_SCOPE_YES);
	covers(scope, "lib/\xc3\xa9", "", BFS_SCOPE_YES);
	covers(scope, "bin/b", "#!/bin/sh", BFS_SCOPE_NO);
	covers(scope, "lib/\xe9", "", BFS_SCOPE_NO);
}

static void test_detection(void)
{
	_cleanup_relocate_scope_ struct bfs_relocate_scope *scope = NULL;
	_cleanup_json_ json_t *tab = parse("{\"changed_files\": null}");

	bfs_relocate_scope_new("x@1", false, &scope);
	bfs_relocate_scope_set_tab(scope, tab, NULL);
	covers(scope, "bin/script", "#!/bin/sh\n\1\2\3", BFS_SCOPE_YES);
	covers(scope, "lib/x.pc", "prefix=/usr\n", BFS_SCOPE_YES);
	covers(scope, "lib/latin1", "gr\374n\n", BFS_SCOPE_YES);
	covers(scope, "lib/escapes", "\033[1mbold\033[0m\t\f\r\n", BFS_SCOPE_YES);
	covers(scope, "lib/binary", "text, then \1", BFS_SCOPE_NO);
	covers(scope, "lib/deleted", "\177ELF", BFS_SCOPE_NO);
	covers(scope, "share/doc/README.md", "text", BFS_SCOPE_NO);
	covers(scope, "share/doc/script.txt", "#!/bin/sh", BFS_SCOPE_NO);
	covers(scope, "share/doc/.md", "text", BFS_SCOPE_YES);
	covers(scope, "libexec/orig-prefix.txt", "text", BFS_SCOPE_YES);
	covers(scope, "lib/libx.la", "\1", BFS_SCOPE_YES);
	covers(scope, "lib/libx.lai", "\1", BFS_SCOPE_YES);
	covers(scope, ".brew/x@1.rb", "class X", BFS_SCOPE_NO);
	covers(scope, ".brew/other.rb", "class X", BFS_SCOPE_YES);
	is_int(bfs_relocate_scope_covers_text(scope, "nul", "a\0b", 3), BFS_SCOPE_NO,
		"a file with a NUL is no text");
}

static void test_bad_tabs(void)
{
	static const char *const tabs[] = {"[]", "{\"changed_files\": \"bin/a\"}",
		"{\"changed_files\": [\"bin/a\", 1]}", "{\"changed_files\": {}}"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(tabs); i++) {
		_cleanup_relocate_scope_ struct bfs_relocate_scope *scope = NULL;
		_cleanup_json_ json_t *tab = parse(tabs[i]);

		bfs_relocate_scope_new("x", false, &scope);
		is_int(bfs_relocate_scope_set_tab(scope, tab, NULL), -EBADMSG, "%s is no tab",
			tabs[i]);
	}
}

static void java_of(const char *text, const char *expected)
{
	_cleanup_json_ json_t *tab = parse(text);
	_cleanup_free_ char *name = NULL;
	int r = bfs_tab_java_dependency(tab, &name);

	if (expected)
		is_str(name, expected, "the Java dependency in %s", text);
	else
		ok(r == 0 && !name, "no Java dependency in %s", text);
}

static void test_java(void)
{
	java_of("{\"runtime_dependencies\": [{\"full_name\": \"zlib\"}, {\"full_name\": "
		"\"openjdk@21\"},"
		" {\"full_name\": \"openjdk\"}]}",
		"openjdk@21");
	java_of("{\"runtime_dependencies\": [{\"full_name\": \"openjdk\"}]}", "openjdk");
	java_of("{\"runtime_dependencies\": [{\"full_name\": \"openjdk@\"}, {\"full_name\": "
		"\"openjdks\"},"
		" {\"full_name\": \"openjdk@x\"}, {\"full_name\": \"openjdk@1/../x\"}, 7, {}]}",
		NULL);
	java_of("{\"runtime_dependencies\": null}", NULL);
	java_of("{}", NULL);
}

int main(void)
{
	bfs_text_relocation_new(P, NULL, &relocation);
	bfs_text_relocation_new(P, "openjdk@21", &relocation_java);
	test_placeholders();
	test_bytes();
	test_failing_sink();
	test_links();
	test_elf_scope();
	test_list();
	test_detection();
	test_bad_tabs();
	test_java();
	bfs_text_relocation_free(relocation);
	bfs_text_relocation_free(relocation_java);
	return done();
}
