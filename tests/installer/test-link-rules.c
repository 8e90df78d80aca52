/* The table of Homebrew's keg.rb#link, row by row, and the names it leaves out. */
#include "installer/link_rules.h"

#include "tests/tap.h"

static const char *const action_names[] = {"link", "mkpath", "skip", "info"};

enum { L = BFS_LINK_LINK, M = BFS_LINK_MKPATH, S = BFS_LINK_SKIP, I = BFS_LINK_INFO };

static const struct {
	const char *top, *path;
	int directory, file;
} rows[] = {
	/* etc: every directory is real. */
	{"etc", "x", M, L},
	{"etc", "x/y/z", M, L},
	{"etc", "bash_completion.d", M, L},
	/* bin, sbin: no sub-directory. */
	{"bin", "x", S, L},
	{"bin", "subdir/inner", S, L},
	{"sbin", "x", S, L},
	/* include: one link per directory but for PostgreSQL's, and all below. */
	{"include", "foo", L, L},
	{"include", "postgresql@17", M, L},
	{"include", "postgresql@17/server", M, L},
	{"include", "postgresql@", L, L},
	{"include", "postgresql@x", L, L},
	{"include", "postgresql", L, L},
	{"include", "x/postgresql@17", L, L},
	/* share: SHARE_PATHS, exactly. */
	{"share", "aclocal", M, L},
	{"share", "aclocal/x", L, L},
	{"share", "cps", M, L},
	{"share", "doc", M, L},
	{"share", "doc/foo", L, L},
	{"share", "docs", L, L},
	{"share", "info", M, L},
	{"share", "info/sub", L, L},
	{"share", "java", M, L},
	{"share", "locale", M, L},
	{"share", "man", M, L},
	{"share", "applications", M, L},
	{"share", "applications/kde", L, L},
	{"share", "gnome", M, L},
	{"share", "gnome/help", M, L},
	{"share", "gnome/help/x", L, L},
	{"share", "gnome/other", L, L},
	{"share", "icons", M, L},
	{"share", "mime", M, L},
	{"share", "mime/packages", M, L},
	{"share", "mime/text", L, L},
	{"share", "mime-info", M, L},
	{"share", "pixmaps", M, L},
	{"share", "pixmaps/x", L, L},
	{"share", "postgresql", M, L},
	{"share", "postgresql/extension", L, L},
	{"share", "sounds", M, L},
	{"share", "foo", L, L},
	{"share", "man/man1", M, L},
	{"share", "man/man8", M, L},
	{"share", "man/cat1", M, L},
	{"share", "man/cat8", M, L},
	/* share: languages; unanchored, only the beginning of one counts. */
	{"share", "locale/de", M, L},
	{"share", "locale/de/LC_MESSAGES", M, L},
	{"share", "locale/fr_FR", M, L},
	{"share", "locale/ja_JP.UTF-8", M, L},
	{"share", "locale/sr@latin", M, L},
	{"share", "locale/sr@latin/LC_MESSAGES", M, L},
	{"share", "locale/C", M, L},
	{"share", "locale/C.UTF-8", M, L},
	{"share", "locale/POSIX", M, L},
	{"share", "locale/POS", L, L},
	{"share", "locale/D", L, L},
	{"share", "locale/DE", L, L},
	{"share", "locale/d", L, L},
	{"share", "locale/1de", L, L},
	{"share", "man/de", M, L},
	{"share", "man/pt_BR.UTF-8", M, L},
	{"share", "man/mann", M, L},
	{"share", "man/m", L, L},
	{"share", "foo/locale/de", M, L},
	{"share", "foo/woman/de", M, L},
	{"share", "foo/locales/de", L, L},
	/* share: icons below, zsh fish pwsh by their beginning, lua guile below, PostgreSQL with a
	   version, pypy. */
	{"share", "icons/hicolor", M, L},
	{"share", "icons/hicolor/48x48/apps", M, L},
	{"share", "iconsets", L, L},
	{"share", "zsh", M, L},
	{"share", "zsh/site-functions", M, L},
	{"share", "zsh-completions", M, L},
	{"share", "fish", M, L},
	{"share", "fish/vendor_completions.d", M, L},
	{"share", "pwsh", M, L},
	{"share", "pwsh/completions", M, L},
	{"share", "lua", L, L},
	{"share", "lua/5.4", M, L},
	{"share", "guile", L, L},
	{"share", "guile/site", M, L},
	{"share", "postgresql@16", M, L},
	{"share", "postgresql@16/extension", M, L},
	{"share", "postgresql@latest", L, L},
	{"share", "pypy3.10", M, L},
	{"share", "x/zsh", L, L},
	/* share: files left out, which as directories are linked. */
	{"share", "locale/locale.alias", L, S},
	{"share", "locale/locale.aliases", M, L}, /* "lo" is a language */
	{"share", "icons/hicolor/icon-theme.cache", L, S},
	{"share", "icons/a/b/icon-theme.cache", L, S},
	{"share", "icons/icon-theme.cache", M, L},
	{"share", "icons/hicolor/xicon-theme.cache", M, L},
	{"share", "foo/icons/x/icon-theme.cache", L, L},
	/* share: info files, and their index, which is not linked. */
	{"share", "info/bfo.info", L, I},
	{"share", "info/bfo.info.gz", L, I},
	{"share", "info/bfo.info-1", L, L},
	{"share", "info/.info", L, L},
	{"share", "info/.x.info", L, L},
	{"share", "info/sub/x.info", L, I},
	{"share", "info/x.info/y", L, L},
	{"share", "foo/info/x.info", L, I},
	{"share", "info/dir", L, S},
	{"share", "foo/info/dir", L, S},
	{"share", "info/dirs", L, L},
	{"share", "info/x/dir", L, L},
	/* lib: exact names, at the top only. */
	{"lib", "cps", M, L},
	{"lib", "pkgconfig", M, L},
	{"lib", "pkgconfig/sub", L, L},
	{"lib", "x/pkgconfig", L, L},
	{"lib", "cmake", M, L},
	{"lib", "cmake/Foo", L, L},
	{"lib", "dtrace", M, L},
	{"lib", "ghc", M, L},
	{"lib", "ghc-9.4", L, L},
	{"lib", "php", M, L},
	{"lib", "php/x", L, L},
	/* lib: beginnings, and all below. */
	{"lib", "gdk-pixbuf-2.0", M, L},
	{"lib", "gdk-pixbuf-2.0/2.10.0/loaders", M, L},
	{"lib", "gio", M, L},
	{"lib", "gio/modules", M, L},
	{"lib", "lua", M, L},
	{"lib", "lua/5.4", M, L},
	{"lib", "mecab", M, L},
	{"lib", "node_modules", M, L},
	{"lib", "node_modules/npm/bin", M, L},
	{"lib", "ocaml", M, L},
	{"lib", "perl5", M, L},
	{"lib", "perl5/site_perl", M, L},
	{"lib", "perl", L, L},
	{"lib", "postgresql@14", M, L},
	{"lib", "postgresql@14/pgxs", M, L},
	{"lib", "postgresql", L, L},
	{"lib", "pypy3.10", M, L},
	{"lib", "python3.13", M, L},
	{"lib", "python3.13/site-packages/x", M, L},
	{"lib", "python2.7", M, L},
	{"lib", "python3", L, L},
	{"lib", "python3.", L, L},
	{"lib", "python4.0", L, L},
	{"lib", "R", M, L},
	{"lib", "R/library", M, L},
	{"lib", "Rx", M, L},
	{"lib", "r", L, L},
	{"lib", "ruby", M, L},
	{"lib", "ruby/gems", M, L},
	{"lib", "x/ruby", L, L},
	{"lib", "libfoo.la", L, L},
	{"lib", "foo", L, L},
	{"lib", "charset.alias", L, S},
	{"lib", "x/charset.alias", L, L},
	/* Frameworks. */
	{"Frameworks", "Foo.framework", M, L},
	{"Frameworks", "Foo.framework/Versions", M, L},
	{"Frameworks", "Foo.framework/Versions/3.13", L, L},
	{"Frameworks", "Foo.framework/Headers", L, L},
	{"Frameworks", "sub/Foo.framework", M, L},
	{"Frameworks", "Foo", L, L},
	/* Nothing else of a keg is linked. */
	{"var", "x", S, S},
	{"libexec", "x", S, S},
	{".brew", "x", S, S},
	{"", "x", S, S},
	/* Names are bytes; a line feed in one is a line end to a regular expression, as in Ruby. */
	{"share", "locale/\xff\xfe", L, L},
	{"share", "icons/\xff\xfe", M, L},
	{"share", "x\nicons/y", M, L},
	{"share", "info/x\n.info", L, L},
	{"lib", "x\npython3.13", M, L},
	{"lib", "x\npkgconfig", L, L},
};

static void test_rows(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int directory = bfs_link_rule(rows[i].top, rows[i].path, S_IFDIR | 0755);
		int file = bfs_link_rule(rows[i].top, rows[i].path, S_IFREG | 0644);
		int link = bfs_link_rule(rows[i].top, rows[i].path, S_IFLNK | 0777);

		ok(directory == rows[i].directory && file == rows[i].file && link == file,
			"row %zu, %s: as a directory %s (got %s), as a file %s (got %s), as a link "
			"%s",
			i, rows[i].top, action_names[rows[i].directory], action_names[directory],
			action_names[rows[i].file], action_names[file], action_names[link]);
	}
}

static void test_order(void)
{
	char order[128] = "";

	for (const char *const *top = bfs_link_directories; *top; top++)
		snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s ", *top);
	is_str(order, "etc bin sbin include share lib Frameworks ",
		"directories are linked in Homebrew's order");
}

static void test_ignored(void)
{
	ok(bfs_link_is_ignored("share/.DS_Store", S_IFREG), ".DS_Store is left out");
	ok(!bfs_link_is_ignored("share/x.DS_Store", S_IFREG), "x.DS_Store is not");
	ok(!bfs_link_is_ignored(".DS_Store", S_IFDIR), "a directory .DS_Store is not");
	ok(bfs_link_is_ignored("lib/python3.13/site-packages/a/x.pyc", S_IFREG),
		".pyc below site-packages is left out");
	ok(bfs_link_is_ignored("lib/python3.13/site-packages/x.pyo", S_IFREG),
		".pyo below site-packages is left out");
	ok(bfs_link_is_ignored("lib/python3.13/site-packages/x.pyc", S_IFLNK),
		"and so is a link of that name");
	ok(!bfs_link_is_ignored("lib/python3.13/x.pyc", S_IFREG), ".pyc elsewhere is not");
	ok(!bfs_link_is_ignored("lib/site-packages.pyc", S_IFREG),
		"site-packages must be a directory");
	ok(!bfs_link_is_ignored("lib/site-packages/.pyc", S_IFREG),
		"a file named .pyc has no extension");
	ok(!bfs_link_is_ignored("lib/site-packages/x.py", S_IFREG), ".py is not left out");
	ok(bfs_link_is_ignored("share/Foo.app", S_IFDIR), "a directory *.app is left out");
	ok(!bfs_link_is_ignored("share/Foo.app", S_IFREG), "a file *.app is not");
	ok(!bfs_link_is_ignored("share/.app", S_IFDIR), "a directory named .app is not");
}

static void test_overwrite(void)
{
	char *const patterns[] = {
		"bin/foo", "share/foo/", "share/man/man1/baz-*", "lib/*.so.*", "etc/a.b", NULL};
	char *const many[] = {"*a*a*a*a*a*a*a*a*b", NULL};

	ok(bfs_link_may_overwrite("bin/foo", patterns), "a listed path may be overwritten");
	ok(!bfs_link_may_overwrite("bin/foo2", patterns), "a longer name may not");
	ok(bfs_link_may_overwrite("bin/foo/x", patterns), "nor is a path below one refused");
	ok(bfs_link_may_overwrite("share/foo/x/y", patterns), "a slash at the end is no matter");
	ok(!bfs_link_may_overwrite("share/foo", patterns),
		"but then the directory itself is not listed");
	ok(bfs_link_may_overwrite("share/man/man1/baz-x.1", patterns), "* stands for characters");
	ok(bfs_link_may_overwrite("share/man/man1/baz-", patterns), "and for none");
	ok(bfs_link_may_overwrite("lib/sub/libx.so.1.2", patterns), "and for slashes");
	ok(!bfs_link_may_overwrite("lib/libx.so", patterns), "all of the pattern must match");
	ok(!bfs_link_may_overwrite("etc/axb", patterns), "a dot is a dot");
	ok(!bfs_link_may_overwrite("xbin/foo", patterns), "a pattern begins at the beginning");
	ok(!bfs_link_may_overwrite("lib/a\n.so.1", patterns), "* does not pass a line end");
	ok(!bfs_link_may_overwrite("bin/foo", NULL), "without patterns nothing is allowed");
	ok(!bfs_link_may_overwrite(
		   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", many),
		"a pattern with many stars is decided at once");
}

int main(void)
{
	test_rows();
	test_order();
	test_ignored();
	test_overwrite();
	return done();
}
