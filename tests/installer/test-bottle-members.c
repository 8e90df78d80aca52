/*
 * Tars that are good but not of the plain kind: members in any order, duplicates, hardlinks, odd
 * names and times, sparse and big files, and tabs that come late or not at all.
 */
#include "installer/elf.h"
#include "installer/payload.h"
#include "tests/installer/bottle_fixture.h"
#include "tests/installer/tar_maker.h"

#include <locale.h>

#define P    "/home/linuxbrew/.linuxbrew"
#define TIME INT64_C(1000000000)
#define BIG  (BFS_PAYLOAD_MEMORY + 1000003)

static struct fixture fixture;
static const struct bfs_bottle_order plain = {.name = "x", .version = "1", .prefix = P};

/* Pours a tar; says why if it does not pour. */
static int pour_tar(const struct bfs_buffer *tar, const struct bfs_bottle_order *order,
	struct bfs_keg_tree *ret_keg, const char *what)
{
	_cleanup_buffer_ struct bfs_buffer gzip = BFS_BUFFER_INIT;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r;

	tar_gzip(tar->data, tar->length, &gzip);
	r = fixture_pour(&fixture, order, gzip.data, gzip.length, 1000, ret_keg, &error);
	if (!ok(r == 0, "%s: it pours", what))
		printf("# %s\n", bfs_error_message(&error, r));
	return r;
}

static int pour_members(const struct tar_member *members, size_t count,
	const struct bfs_bottle_order *order, struct bfs_keg_tree *ret_keg, const char *what)
{
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT;

	for (size_t i = 0; i < count; i++)
		tar_add(&tar, &members[i]);
	tar_end(&tar);
	return pour_tar(&tar, order, ret_keg, what);
}

#define POUR(order, keg, what, ...)                                                                \
	pour_members((const struct tar_member[]){__VA_ARGS__},                                     \
		sizeof((const struct tar_member[]){__VA_ARGS__}) / sizeof(struct tar_member),      \
		order, keg, what)

static void is_mode(struct bfs_keg_tree *keg, const char *path, mode_t mode, const char *why)
{
	struct bfs_attributes attributes = {.mode = 0};

	bfs_tree_lstat_path(keg->tree, path, &attributes);
	ok(attributes.mode == mode, "'%s' has mode %o: %s (got %o)", path, mode, why,
		attributes.mode);
}

static void is_time(struct bfs_keg_tree *keg, const char *path, int64_t mtime, const char *why)
{
	struct bfs_attributes attributes = {.mtime = -1};

	bfs_tree_lstat_path(keg->tree, path, &attributes);
	is_int(attributes.mtime, mtime, "the time of '%s': %s", path, why);
}

static void holds(struct bfs_keg_tree *keg, const char *path, const char *expected, const char *why)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	int r = keg_read(&fixture, keg, path, &content);

	is_str(r < 0	       ? strerror(-r)
		: content.data ? content.data
			       : "",
		expected, "%s: %s", path, why);
}

static void leads_to(
	struct bfs_keg_tree *keg, const char *path, const char *expected, const char *why)
{
	_cleanup_free_ char *target = NULL;

	bfs_tree_read_link_path(keg->tree, path, &target);
	is_str(target, expected, "%s: %s", path, why);
}

static void are_one(struct bfs_keg_tree *keg, const char *a, const char *b, uint32_t names)
{
	struct bfs_attributes first = {.ino = 1}, second = {.ino = 2};

	bfs_tree_lstat_path(keg->tree, a, &first);
	bfs_tree_lstat_path(keg->tree, b, &second);
	ok(first.ino == second.ino && first.nlink == names, "%s and %s are one file of %u names", a,
		b, names);
}

static void is_absent(struct bfs_keg_tree *keg, const char *path)
{
	struct bfs_attributes attributes;

	is_int(bfs_tree_lstat_path(keg->tree, path, &attributes), -ENOENT, "%s is not there", path);
}

static void test_order_of_members(void)
{
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (POUR(&plain, &keg, "directories after what is in them",
		    {.name = "x/1/a/b/f", .content = "f", .mtime = 5},
		    {.name = "x/1/a/b/", .mode = 0555, .mtime = 6}, {.name = "x/1/c/", .mtime = 7},
		    {.name = "x/1/c/g", .mtime = 8}, {.name = "x/1/", .mode = 0700, .mtime = 9},
		    {.name = "x/1/e/", .mtime = 3}, {.name = "x/1/a/z", .mtime = 4}) < 0)
		return;
	is_mode(&keg, "", S_IFDIR | 0700, "the keg's own");
	is_time(&keg, "", 9 * TIME, "the keg's own");
	is_mode(&keg, "a", S_IFDIR | 0755, "it was never a member");
	is_time(&keg, "a", 5 * TIME, "that of the first in it");
	is_mode(&keg, "a/b", S_IFDIR | 0555, "as its member says, though a file was there before");
	is_time(&keg, "a/b", 6 * TIME, "that of its member");
	is_time(&keg, "c", 7 * TIME, "what was added later does not change it");
	is_mode(&keg, "e", S_IFDIR | 0755, "an empty directory stays");
	is_int(keg.files, 3, "three files are counted");
	is_int(keg.bytes, 1, "of one byte");
}

static void test_modes(void)
{
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (POUR(&plain, &keg, "modes", {.name = "x/1/a", .mode = 07777},
		    {.name = "x/1/b", .mode = 0666}, {.name = "x/1/c", .mode = 0400},
		    {.name = "x/1/d/", .mode = 07777}, {.name = "x/1/e", .mode = 0600},
		    {.name = "x/1/f", .mode = 0555}) < 0)
		return;
	is_mode(&keg, "a", S_IFREG | 0755, "set-id and sticky bits are dropped");
	is_mode(&keg, "b", S_IFREG | 0644, "the umask applies");
	is_mode(&keg, "c", S_IFREG | 0400, "it stays");
	is_mode(&keg, "d", S_IFDIR | 0755, "a directory's too");
	is_mode(&keg, "e", S_IFREG | 0600, "it stays");
	is_mode(&keg, "f", S_IFREG | 0555, "it stays");
	is_mode(&keg, "", S_IFDIR | 0755, "the keg was never a member");
}

static void test_duplicates(void)
{
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (POUR(&plain, &keg, "several members of one name", {.name = "x/1/a", .content = "old"},
		    {.name = "x/1/a", .content = "new"}, {.name = "x/1/b", .content = "file"},
		    {.name = "x/1/b", .type = '2', .link = "a"},
		    {.name = "x/1/c", .type = '2', .link = "nowhere"},
		    {.name = "x/1/c/", .mtime = 2}, {.name = "x/1/c/d", .content = "below"},
		    {.name = "x/1/e/"}, {.name = "x/1/e", .content = "was a directory"},
		    {.name = "x/1/f", .content = "f"},
		    {.name = "x/1/g", .type = '1', .link = "x/1/f"},
		    {.name = "x/1/f", .content = "other f"}, {.name = "x/1/h", .content = "h"},
		    {.name = "x/1/h", .type = '1', .link = "x/1/g"}) < 0)
		return;
	holds(&keg, "a", "new", "the last one counts");
	leads_to(&keg, "b", "a", "a link in the place of a file");
	holds(&keg, "c/d", "below", "a directory in the place of a link, which is not followed");
	is_absent(&keg, "nowhere");
	holds(&keg, "e", "was a directory", "a file in the place of an empty directory");
	holds(&keg, "f", "other f", "a file in the place of one that has hardlinks");
	holds(&keg, "g", "f", "which keep the old content");
	are_one(&keg, "g", "h", 2);
}

static void test_hardlinks(void)
{
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (POUR(&plain, &keg, "hardlinks", {.name = "x/1/a", .content = "a"},
		    {.name = "x/1/b", .type = '1', .link = "x/1/a"},
		    {.name = "x/1/d/c", .type = '1', .link = "x/1/b"},
		    {.name = "x/1/a", .type = '1', .link = "x/1/a"},
		    {.name = "x/1/s", .type = '2', .link = "target"},
		    {.name = "x/1/t", .type = '1', .link = "x/1/s"}) < 0)
		return;
	are_one(&keg, "a", "d/c", 3);
	are_one(&keg, "a", "b", 3);
	leads_to(&keg, "t", "target", "a hardlink to a symlink");
	is_int(keg.bytes, 1, "their bytes count once");
}

static void test_symlinks_leave(void)
{
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (POUR(&plain, &keg, "symlinks", {.name = "x/1/a", .type = '2', .link = "../../../opt/y"},
		    {.name = "x/1/b", .type = '2', .link = "/etc/localtime"},
		    {.name = "x/1/c/d", .type = '2', .link = P "/opt/y/lib"},
		    {.name = "x/1/e", .type = '2', .link = P "/Cellar/x/1/c/d"},
		    {.name = "x/1/c/f", .type = '1', .link = "x/1/e"},
		    {.name = "x/1/g", .type = '2', .link = "@@HOMEBREW_PREFIX@@/x"},
		    {.name = "x/1/h", .type = '2', .link = P "/var"},
		    {.name = "x/1/h", .content = "file"}) < 0)
		return;
	leads_to(&keg, "a", "../../../opt/y", "a relative link stays, wherever it leads");
	leads_to(&keg, "b", "/etc/localtime", "an absolute one to the host stays");
	leads_to(&keg, "c/d", "../../../../opt/y/lib", "one into the prefix becomes relative");
	leads_to(&keg, "e", "c/d", "one into the keg too");
	leads_to(&keg, "c/f", "d", "and a hardlink to it from where it lies itself");
	leads_to(&keg, "g", "@@HOMEBREW_PREFIX@@/x", "placeholders in links are none");
	holds(&keg, "h", "file", "what took the place of such a link stays");
}

static void test_links_are_skipped(void)
{
	_cleanup_json_ json_t *tab = json_pack("{s:s}", "homebrew_version", "6.0.0");
	struct bfs_bottle_order order = plain;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	order.skip_elf = true;
	order.tab = tab;
	if (POUR(&order, &keg, "any_skip_relocation",
		    {.name = "x/1/a", .type = '2', .link = P "/opt/y"}) < 0)
		return;
	leads_to(&keg, "a", P "/opt/y", "it then stays absolute");
}

static void test_pax(void)
{
	static const char nfd[] = "x/1/e\xcc\x81 nfd", latin1[] = "x/1/\xe9 latin1",
			  nfc[] = "x/1/\xc3\xa9 nfc", target[] = "\xe9\xcc\x81/target";
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT, pax = BFS_BUFFER_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};
	char deep[2000] = "x/1";

	tar_pax_record(&pax, "path", nfd, strlen(nfd));
	tar_pax_record(&pax, "mtime", "1700000000.123456789", 20);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/a", .content = "nfd"});
	tar_pax_record(&pax, "path", latin1, strlen(latin1));
	tar_pax_record(&pax, "mtime", "-2", 2);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/a", .content = "latin1"});
	tar_add(&tar, &(struct tar_member){.name = nfc, .content = "nfc"});
	tar_pax_record(&pax, "linkpath", target, strlen(target));
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/link", .type = '2', .link = "b"});
	tar_pax_record(&pax, "LIBARCHIVE.xattr.com.apple.provenance", "AQIA", 4);
	tar_pax_record(&pax, "unknown.key", "\0\1\2", 3);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/._x", .content = "apple double"});
	tar_add(&tar, &(struct tar_member){.name = "x/1/x", .content = "x"});
	while (strlen(deep) < 1900)
		strcat(deep, "/a name of a length that is seen in no ustar header");
	tar_pax_record(&pax, "path", deep, strlen(deep));
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/short", .content = "deep"});
	tar_end(&tar);
	if (pour_tar(&tar, &plain, &keg, "pax headers") < 0)
		return;
	holds(&keg, nfd + 4, "nfd", "a decomposed name stays as it is");
	is_time(&keg, nfd + 4, INT64_C(1700000000123456789), "with its nanoseconds");
	holds(&keg, latin1 + 4, "latin1", "so does a name that is no UTF-8");
	is_time(&keg, latin1 + 4, -2000000000, "before the epoch");
	holds(&keg, nfc + 4, "nfc", "and a composed one in an old header");
	leads_to(&keg, "link", target, "a target's bytes stay as well");
	holds(&keg, "._x", "apple double", "an AppleDouble file is a file");
	holds(&keg, "x", "x", "and so is the one it goes with");
	holds(&keg, deep + 4, "deep", "a path of 1,900 bytes");
}

static void test_locale(void)
{
	const char *found = setlocale(LC_ALL, "C.UTF-8");

	if (!ok(found != NULL, "there is a UTF-8 locale"))
		return;
	test_pax();
	setlocale(LC_ALL, "C");
}

static void test_gnu(void)
{
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};
	char name[300] = "x/1/";

	memset(name + 4, 'n', 240);
	tar_add(&tar,
		&(struct tar_member){
			.name = "././@LongLink", .type = 'L', .content = name, .length = 245});
	tar_add(&tar, &(struct tar_member){.name = "x/1/n", .content = "long"});
	tar_add(&tar, &(struct tar_member){.name = "x/1/old-style-directory/", .type = '0'});
	tar_add(&tar,
		&(struct tar_member){.name = "x/1/contiguous", .type = '7', .content = "file"});
	if (pour_tar(&tar, &plain, &keg, "GNU and old headers, and no end marker") < 0)
		return;
	holds(&keg, name + 4, "long", "a GNU long name");
	is_mode(&keg, "old-style-directory", S_IFDIR | 0644, "a directory by its slash");
	holds(&keg, "contiguous", "file", "a contiguous file is a file");
}

/* PAX 1.0 sparse: the map of pieces comes before them in the content. */
static void test_sparse(void)
{
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT, pax = BFS_BUFFER_INIT;
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};
	char map[512 + 4] = "2\n1000\n2\n9999999\n2\n";
	char *bytes;

	memcpy(map + 512, "abcd", 4);
	tar_pax_record(&pax, "GNU.sparse.major", "1", 1);
	tar_pax_record(&pax, "GNU.sparse.minor", "0", 1);
	tar_pax_record(&pax, "GNU.sparse.name", "x/1/sparse", 10);
	tar_pax_record(&pax, "GNU.sparse.realsize", "10000100", 8);
	tar_add_pax(&tar, &pax);
	tar_add(&tar, &(struct tar_member){.name = "x/1/GNUSparseFile.0/sparse",
			      .content = map,
			      .length = sizeof(map)});
	tar_end(&tar);
	if (pour_tar(&tar, &plain, &keg, "a sparse file") < 0)
		return;
	is_int(keg_read(&fixture, &keg, "sparse", &content), 0, "it can be read");
	if (!ok(content.length == 10000100, "with the holes it has %zu bytes", content.length))
		return;
	bytes = content.data;
	ok(memcmp(bytes + 1000, "ab", 2) == 0 && memcmp(bytes + 9999999, "cd", 2) == 0,
		"its pieces are where they belong");
	memset(bytes + 1000, 0, 2);
	memset(bytes + 9999999, 0, 2);
	ok(bytes[0] == 0 && memcmp(bytes, bytes + 1, content.length - 1) == 0,
		"and there is nothing else in it");
}

static const struct tar_member late[] = {
	{.name = "x/1/.brew/x.rb", .content = "@@HOMEBREW_PREFIX@@ formula"},
	{.name = "x/1/bin/listed",
		.content = "#!@@HOMEBREW_PREFIX@@ listed",
		.mode = 0555,
		.mtime = 3},
	{.name = "x/1/bin/listed-hard", .type = '1', .link = "x/1/bin/listed"},
	{.name = "x/1/bin/unlisted", .content = "@@HOMEBREW_PREFIX@@ unlisted"},
	{.name = "x/1/bin/hard", .type = '1', .link = "x/1/bin/unlisted"},
	{.name = "x/1/bin/gone", .content = "@@HOMEBREW_PREFIX@@ gone"},
	{.name = "x/1/bin/gone", .content = "another"},
	{.name = "x/1/java", .content = "@@HOMEBREW_JAVA@@"},
	{.name = "x/1/README.md", .content = "@@HOMEBREW_PREFIX@@ readme"},
	{.name = "x/1/binary", .content = "\1 @@HOMEBREW_PREFIX@@"},
};

#define TAB                                                                                        \
	"{\"homebrew_version\": \"6.0.0\", \"changed_files\": [\"bin/listed\", \"bin/hard\", "     \
	"\"java\", \"INSTALL_RECEIPT.json\", \"missing\"], \"runtime_dependencies\": "             \
	"[{\"full_name\": \"openjdk\"}]}"

static void check_late(struct bfs_keg_tree *keg)
{
	holds(keg, "bin/listed", "#!" P " listed", "a listed file is relocated");
	is_mode(keg, "bin/listed", S_IFREG | 0555, "as in the tar");
	is_time(keg, "bin/listed", 3 * TIME, "as in the tar");
	are_one(keg, "bin/listed", "bin/listed-hard", 2);
	holds(keg, "bin/unlisted", P " unlisted", "so is one of which a hardlink is listed");
	are_one(keg, "bin/unlisted", "bin/hard", 2);
	holds(keg, "bin/gone", "another", "one that came twice is the last");
	holds(keg, "java", P "/opt/openjdk/libexec", "the tab's own Java dependency counts");
	holds(keg, "README.md", "@@HOMEBREW_PREFIX@@ readme", "what is not listed stays");
	holds(keg, "binary", "\1 @@HOMEBREW_PREFIX@@", "what is not listed stays");
	holds(keg, ".brew/x.rb", "@@HOMEBREW_PREFIX@@ formula", "what is not listed stays");
}

static void test_receipt(bool first)
{
	static const struct tar_member receipt = {
		.name = "x/1/INSTALL_RECEIPT.json", .content = TAB};
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	if (first)
		tar_add(&tar, &receipt);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(late); i++)
		tar_add(&tar, &late[i]);
	if (!first)
		tar_add(&tar, &receipt);
	tar_end(&tar);
	if (pour_tar(&tar, &plain, &keg, first ? "a receipt first" : "a receipt last") < 0)
		return;
	check_late(&keg);
	is_str(bfs_json_string_or(keg.tab, "homebrew_version", NULL), "6.0.0",
		"the receipt is handed over as the tab");
	holds(&keg, "INSTALL_RECEIPT.json", TAB, "and stays in the keg");
}

static void test_tab_given(void)
{
	struct bfs_bottle_order order = plain;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};
	_cleanup_buffer_ struct bfs_buffer tar = BFS_BUFFER_INIT;
	json_t *tab = NULL;

	bfs_json_parse(TAB, strlen(TAB), "tab", &tab, NULL);
	order.tab = tab;
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(late); i++)
		tar_add(&tar, &late[i]);
	tar_add(&tar,
		&(struct tar_member){.name = "x/1/INSTALL_RECEIPT.json", .content = "no JSON"});
	if (pour_tar(&tar, &order, &keg, "a tab that is given") == 0) {
		check_late(&keg);
		holds(&keg, "INSTALL_RECEIPT.json", "no JSON",
			"a receipt is then a file like others");
		ok(keg.tab == tab, "the given tab is handed over");
	}
	json_decref(tab);
}

static void test_no_tab(void)
{
	struct bfs_bottle_order order = plain;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	order.java_dependency = "openjdk@17";
	if (pour_members(late, BFS_ARRAY_LENGTH(late), &order, &keg, "no tab at all") < 0)
		return;
	holds(&keg, "bin/listed", "#!" P " listed", "text is found");
	holds(&keg, "bin/unlisted", P " unlisted", "text is found");
	are_one(&keg, "bin/unlisted", "bin/hard", 2);
	holds(&keg, "java", P "/opt/openjdk@17/libexec", "the given Java dependency counts");
	holds(&keg, "README.md", "@@HOMEBREW_PREFIX@@ readme", "documentation is not touched");
	holds(&keg, "binary", "\1 @@HOMEBREW_PREFIX@@", "data is not touched");
	holds(&keg, ".brew/x.rb", "@@HOMEBREW_PREFIX@@ formula", "the formula is not touched");
	ok(!keg.tab, "there is no tab to hand over");
}

/* Text of BIG bytes with a placeholder every 1,000 bytes. */
static void make_big_text(struct bfs_buffer *text)
{
	while (text->length < BIG)
		bfs_buffer_append_format(text, "%0980zu@@HOMEBREW_PREFIX@@\n", text->length);
}

static void check_big_text(struct bfs_keg_tree *keg, const char *path,
	const struct bfs_buffer *original, const char *why)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT, expected = BFS_BUFFER_INIT;

	for (size_t i = 0; i < original->length; i += 1000)
		bfs_buffer_append_format(&expected, "%0980zu" P "\n", i);
	keg_read(&fixture, keg, path, &content);
	ok(content.length == expected.length &&
			memcmp(content.data, expected.data, content.length) == 0,
		"%s is relocated: %s", path, why);
}

static void test_big_text(void)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *tab = json_pack("{s:[s]}", "changed_files", "big");
	struct bfs_bottle_order order = plain;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL}, undecided = {.tree = NULL};

	make_big_text(&text);
	order.tab = tab;
	if (POUR(&order, &keg, "a big listed file", {.name = "x/1/big", .content = text.data}) == 0)
		check_big_text(&keg, "big", &text, "as it came");
	if (POUR(&plain, &undecided, "a big file without a tab",
		    {.name = "x/1/small", .content = "@@HOMEBREW_PREFIX@@"},
		    {.name = "x/1/big", .content = text.data},
		    {.name = "x/1/bigger", .type = '1', .link = "x/1/big"}) == 0) {
		check_big_text(&undecided, "big", &text, "at the end");
		are_one(&undecided, "big", "bigger", 2);
		holds(&undecided, "small", P, "a small one before it");
	}
}

static void check_elf(
	struct bfs_keg_tree *keg, const char *path, size_t length, bool edited, const char *why)
{
	_cleanup_buffer_ struct bfs_buffer content = BFS_BUFFER_INIT;
	_cleanup_elf_info_ struct bfs_elf_info info = BFS_ELF_INFO_INIT;

	keg_read(&fixture, keg, path, &content);
	ok(content.length >= length, "%s has %zu bytes", path, content.length);
	if (bfs_elf_query((uint8_t *)content.data, content.length, &info, NULL) == 0)
		ok((strcmp(info.interpreter, P "/lib/ld.so") == 0) == edited, "%s: %s (%s)", path,
			why, info.interpreter);
	else
		ok(false, "%s is a sound ELF file", path);
}

/* This program itself, once as it is and once with enough behind it to be big. */
static void test_elf(void)
{
	_cleanup_buffer_ struct bfs_buffer elf = BFS_BUFFER_INIT, big = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *tab =
		json_pack("{s:s, s:[]}", "homebrew_version", "6.0.0", "changed_files");
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL}, deferred = {.tree = NULL},
					  skipped = {.tree = NULL}, glibc = {.tree = NULL};
	static const char padding[4096];
	struct bfs_bottle_order order = plain;
	struct tar_member members[3] = {{.name = "x/1/elf"}, {.name = "x/1/big"},
		{.name = "x/1/hard", .type = '1', .link = "x/1/big"}};

	bfs_read_file(AT_FDCWD, "/proc/self/exe", 1 << 28, &elf);
	bfs_buffer_append(&big, elf.data, elf.length);
	while (big.length < BIG)
		bfs_buffer_append(&big, padding, sizeof(padding));
	members[0].content = elf.data;
	members[0].length = elf.length;
	members[1].content = big.data;
	members[1].length = big.length;
	order.tab = tab;
	if (pour_members(members, 3, &order, &keg, "ELF files") == 0) {
		check_elf(&keg, "elf", elf.length, true, "its interpreter is the prefix's");
		check_elf(&keg, "big", big.length, true, "its interpreter is the prefix's");
		are_one(&keg, "big", "hard", 2);
	}
	order.skip_elf = true;
	if (pour_members(members, 3, &order, &skipped, "ELF files of any_skip_relocation") == 0)
		check_elf(&skipped, "elf", elf.length, false, "it is left alone");
	order.tab = NULL;
	if (pour_members(members, 3, &order, &deferred, "ELF files before it is known") == 0) {
		check_elf(&deferred, "elf", elf.length, true, "without a tab they are edited");
		check_elf(&deferred, "big", big.length, true, "big ones too");
		are_one(&deferred, "big", "hard", 2);
	}
	order = plain;
	order.name = "glibc";
	members[0].name = "glibc/1/elf";
	if (pour_members(members, 1, &order, &glibc, "ELF files of glibc") == 0)
		check_elf(&glibc, "elf", elf.length, false, "they are never touched");
}

static void test_malformed_elf(void)
{
	static const char header[64] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\76\0\1\0\0\0";
	_cleanup_buffer_ struct bfs_buffer elf = BFS_BUFFER_INIT;
	_cleanup_keg_ struct bfs_keg_tree keg = {.tree = NULL};

	bfs_buffer_append(&elf, header, sizeof(header));
	elf.data[32] = 'x'; /* a program header table beyond the end */
	elf.data[54] = 56;
	elf.data[56] = 1;
	if (POUR(&plain, &keg, "a malformed ELF file without placeholders",
		    {.name = "x/1/elf", .content = elf.data, .length = elf.length}) == 0)
		is_mode(&keg, "elf", S_IFREG | 0644, "it is left alone");
}

int main(void)
{
	if (ok(fixture_open(&fixture), "a store is made")) {
		test_order_of_members();
		test_modes();
		test_duplicates();
		test_hardlinks();
		test_symlinks_leave();
		test_links_are_skipped();
		test_pax();
		test_locale();
		test_gnu();
		test_sparse();
		test_receipt(true);
		test_receipt(false);
		test_tab_given();
		test_no_tab();
		test_big_text();
		test_elf();
		test_malformed_elf();
		is_int(fixture_count(&fixture, "staging"), 0, "nothing is left under staging/");
	}
	fixture_close(&fixture);
	return done();
}
