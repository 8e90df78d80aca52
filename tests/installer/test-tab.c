/*
 * Receipts: those that brew wrote when it poured the reference bottles ($BREWFS_ORACLE, by default
 * tests/oracle in the source) come out byte for byte from the bottles' tabs and formula
 * documents, but for what is named in normalise(). And what hostile tabs are refused for.
 */
#include "installer/tab.h"
#include "lib/file.h"
#include "lib/path.h"
#include "tests/tap.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>

#define PREFIX "/home/linuxbrew/.linuxbrew"

/* The reference's formulae by name, read from its internal API document. */
struct shelf {
	json_t *documents;
	struct bfs_formula *formulae[64];
	size_t count;
};

static int find_on_shelf(void *context, const char *name, const struct bfs_formula **ret_formula,
	struct bfs_error *error)
{
	struct shelf *shelf = context;
	struct bfs_formula *formula = NULL;
	int r;

	for (size_t i = 0; i < shelf->count; i++)
		if (strcmp(shelf->formulae[i]->name, name) == 0) {
			*ret_formula = shelf->formulae[i];
			return 0;
		}
	r = bfs_formula_from_internal(
		name, json_object_get(shelf->documents, name), "x86_64_linux", &formula, error);
	if (r < 0)
		return r;
	/* brew poured them from a tap, whose formulae are not sorted into directories. */
	free(formula->tap);
	formula->tap = strdup("brewfs/oracle");
	free(bfs_steal(&formula->ruby_source_path));
	*ret_formula = shelf->formulae[shelf->count++] = formula;
	return 0;
}

static char *oracle_path(const char *rest)
{
	const char *oracle = getenv("BREWFS_ORACLE"), *source = getenv("srcdir");

	return oracle ? bfs_format("%s/%s", oracle, rest)
		      : bfs_format("%s/tests/oracle/%s", source ? source : ".", rest);
}

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *document = json_load_file(path, 0, &error);

	if (!document)
		printf("# %s: %s\n", path, error.text);
	return document;
}

/* The tab in the annotations of a bottle's image index. */
static json_t *load_tab(const char *keg)
{
	_cleanup_free_ char *layout = bfs_format("oci/%s", keg), *directory = oracle_path(layout);
	_cleanup_free_ char *index_path = bfs_format("%s/index.json", directory);
	_cleanup_json_ json_t *index = load(index_path), *manifests = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const char *digest, *text;
	json_t *tab = NULL;

	digest = json_string_value(
		json_object_get(json_array_get(json_object_get(index, "manifests"), 0), "digest"));
	if (!digest)
		return NULL;
	path = bfs_format("%s/blobs/sha256/%s", directory, digest + strlen("sha256:"));
	manifests = load(path);
	text = json_string_value(json_object_get(
		json_object_get(
			json_array_get(json_object_get(manifests, "manifests"), 0), "annotations"),
		"sh.brew.tab"));
	if (!text || bfs_tab_parse(text, strlen(text), keg, &tab, &error) < 0)
		printf("# %s: %s\n", keg, bfs_error_message(&error, -EBADMSG));
	return tab;
}

/* What brewfs says otherwise in a receipt, or cannot know. */
static void normalise(json_t *expected, const json_t *actual)
{
	/* It reads documents of the API, where brew read the tap's Ruby. */
	json_object_set(expected, "loaded_from_api", json_object_get(actual, "loaded_from_api"));
	json_object_set(expected, "loaded_from_internal_api",
		json_object_get(actual, "loaded_from_internal_api"));
	/* It has no checkout of the tap, so no commit. */
	json_object_set_new(json_object_get(expected, "source"), "tap_git_head", json_null());
}

static void test_receipt(struct shelf *shelf, const char *path)
{
	_cleanup_free_ char *keg =
		strndup(bfs_path_base(path), strlen(bfs_path_base(path)) - strlen(".json"));
	_cleanup_free_ char *name = strndup(keg, (size_t)(strstr(keg, "--") - keg));
	_cleanup_buffer_ struct bfs_buffer file = BFS_BUFFER_INIT, same = BFS_BUFFER_INIT,
					   text = BFS_BUFFER_INIT, wanted = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *expected = load(path), *tab = load_tab(keg), *receipt = NULL;
	_cleanup_resolution_ struct bfs_resolution *resolution = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_resolve_request request = {.name = name};
	struct bfs_resolve_order what = {.requests = &request,
		.count = 1,
		.find = find_on_shelf,
		.find_context = shelf,
		.tag = "x86_64_linux"};
	struct bfs_tab_order order = {
		.tab = tab, .source = BFS_TAB_INTERNAL_API, .arch = "x86_64", .prefix = PREFIX};
	int r = bfs_resolve(&what, &resolution, NULL, &error);

	if (!ok(r == 0 && expected && tab, "%s resolves: %s", keg, bfs_error_message(&error, r)))
		return;
	const struct bfs_resolved *item = &resolution->items[resolution->count - 1];

	order.formula = item->formula;
	order.dependencies = item->dependencies;
	order.dependency_count = item->dependency_count;
	/* When and what for it was poured: not the receipt's to know. */
	order.time = json_integer_value(json_object_get(expected, "time"));
	order.installed_on_request =
		json_is_true(json_object_get(expected, "installed_on_request"));
	is_int(bfs_tab_make(&order, &receipt), 0, "%s has a receipt", keg);
	bfs_read_file(AT_FDCWD, path, BFS_TAB_SIZE_MAX, &file);
	bfs_tab_write(expected, &same);
	is_str(same.data, file.data, "%s: the receipt is written as brew writes one", keg);
	normalise(expected, receipt);
	bfs_tab_write(expected, &wanted);
	bfs_tab_write(receipt, &text);
	is_str(text.data, wanted.data, "%s: and holds what brew's does", keg);
}

static void test_oracle(void)
{
	_cleanup_free_ char *pattern = oracle_path("receipts/*.json"),
			    *api = oracle_path("api/internal/formula.x86_64_linux.json");
	_cleanup_json_ json_t *document = access(api, F_OK) == 0 ? load(api) : NULL;
	struct shelf shelf = {.documents = json_object_get(document, "formulae")};
	glob_t found;

	if (access(api, F_OK) < 0) {
		ok(true, "brew's receipts # SKIP there is no %s: set BREWFS_ORACLE", api);
		return;
	}
	if (!ok(document && glob(pattern, 0, NULL, &found) == 0, "there are receipts %s", pattern))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		test_receipt(&shelf, found.gl_pathv[i]);
	ok(found.gl_pathc >= 11, "the reference has %zu, no fewer than eleven", found.gl_pathc);
	globfree(&found);
	for (size_t i = 0; i < shelf.count; i++)
		bfs_formula_free(shelf.formulae[i]);
}

static char *no_strings[] = {NULL};

static struct bfs_formula a_formula(void)
{
	return (struct bfs_formula){.name = "libfoo",
		.tap = "homebrew/core",
		.version = "1.2",
		.revision = 3,
		.version_scheme = 1,
		.compatibility_version = 2,
		.pkg_version = "1.2_3",
		.has_bottle = true,
		.bottle_rebuild = 4,
		.aliases = no_strings,
		.ruby_source_path = "Formula/lib/libfoo.rb"};
}

/* The value at a path of keys joined by dots, as JSON text. Allocated. */
static char *value_at(const json_t *document, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	for (char *key = strtok(copy, "."); key && document; key = strtok(NULL, "."))
		document = json_is_array(document) ? json_array_get(document, (size_t)atoi(key))
						   : json_object_get(document, key);
	return document ? json_dumps(document, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("absent");
}

#define has(document, path, expected, ...)                                                         \
	do {                                                                                       \
		_cleanup_free_ char *value_ = value_at(document, path);                            \
		is_str(value_, expected, __VA_ARGS__);                                             \
	} while (0)

static void test_without_tab(void)
{
	struct bfs_formula formula = a_formula();
	struct bfs_resolved_dependency dependency = {&formula, true};
	struct bfs_tab_order order = {.formula = &formula,
		.dependencies = &dependency,
		.dependency_count = 1,
		.time = 7,
		.source = BFS_TAB_PUBLIC_API,
		.arch = "arm64",
		.prefix = PREFIX};
	_cleanup_json_ json_t *receipt = NULL, *local = NULL;
	_cleanup_free_ char *record = NULL;

	is_int(bfs_tab_make(&order, &receipt), 0, "a bottle without a tab gets a receipt");
	has(receipt, "loaded_from_api", "true", "from the API");
	has(receipt, "loaded_from_internal_api", "false", "but not the internal one");
	has(receipt, "changed_files", "null", "what was changed in it is not known");
	has(receipt, "compiler", "\"gcc\"", "its compiler is taken to be gcc");
	has(receipt, "built_on", "null", "where it was built is not known");
	has(receipt, "stdlib", "absent", "a key that brew leaves out is left out");
	has(receipt, "arch", "\"arm64\"", "the architecture is that of the tag");
	has(receipt, "runtime_dependencies.0",
		"{\"full_name\":\"libfoo\",\"version\":\"1.2\",\"revision\":3,\"bottle_rebuild\":4,"
		"\"pkg_version\":\"1.2_3\",\"declared_directly\":true,\"compatibility_version\":2}",
		"a dependency has all its fields");
	has(receipt, "source.path",
		"\"" PREFIX "/Homebrew/Library/Taps/homebrew/homebrew-core/Formula/lib/libfoo.rb\"",
		"the source is where a checkout of homebrew-core would have it");
	has(receipt, "source.versions",
		"{\"stable\":\"1.2\",\"head\":null,\"version_scheme\":1,\"compatibility_version\":"
		"null}",
		"the source has the formula's versions");
	is_int(bfs_tab_record(receipt, &record), 0, "a record is made of it");
	ok(!strstr(record, "changed_files") && strstr(record, "\"runtime_dependencies\":[{"),
		"without the changed files");
	order.source = BFS_TAB_LOCAL_FILE;
	is_int(bfs_tab_make(&order, &local), 0, "a local bottle file gets one too");
	has(local, "loaded_from_api", "false", "which is not from the API");
	has(local, "source.path", "\"" PREFIX "/Cellar/libfoo/1.2_3/.brew/libfoo.rb\"",
		"and names the formula in the keg");
}

/* A receipt inside an old bottle becomes the keg's. */
static void test_old_receipt(void)
{
	const char *source = getenv("srcdir");
	_cleanup_free_ char *path = bfs_format(
		"%s/tests/data/install-receipt.brew-test-fixture.json", source ? source : ".");
	struct bfs_formula formula = a_formula();
	_cleanup_json_ json_t *tab = load(path), *receipt = NULL;
	struct bfs_tab_order order = {.tab = tab,
		.formula = &formula,
		.keeps_dependencies = true,
		.source = BFS_TAB_LOCAL_FILE,
		.arch = "x86_64",
		.prefix = PREFIX};

	is_int(bfs_tab_check(tab, "fixture", NULL), 0, "brew's own test receipt is a good one");
	is_int(bfs_tab_make(&order, &receipt), 0, "a receipt is made of it");
	has(receipt, "homebrew_version", "\"1.1.6\"", "with the builder's version");
	has(receipt, "used_options", "[]", "without the builder's options");
	has(receipt, "built_as_bottle", "true", "as a bottle");
	has(receipt, "stdlib", "\"libcxx\"", "its stdlib is kept");
	has(receipt, "HEAD", "absent", "keys that are no longer known are not");
	has(receipt, "runtime_dependencies", "[{\"full_name\":\"foo\",\"version\":\"1.0\"}]",
		"the dependencies are its own where none were resolved");
	has(receipt, "source",
		"{\"path\":\"" PREFIX
		"/Cellar/libfoo/1.2_3/.brew/libfoo.rb\",\"tap\":\"homebrew/core\","
		"\"spec\":\"stable\",\"versions\":{\"stable\":\"1.2\",\"head\":\"HEAD-0000000\","
		"\"version_scheme\":1},\"tap_git_head\":null}",
		"and the keys of the source stay where they were, as in brew");
}

static void test_escapes(void)
{
	_cleanup_json_ json_t *document = json_pack("{s:s, s:[s], s:{}}", "a/b",
		"\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9\xe2\x80\xa8\\u001F", "list", "\\", "empty");
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	bfs_tab_write(document, &text);
	/* What Ruby's JSON.pretty_generate gives for the same value. */
	is_str(text.data,
		"{\n  \"a/b\": "
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xe2\x80\xa8\\\\u001F"
		"\",\n  \"list\": [\n    \"\\\\\"\n  ],\n  \"empty\": {}\n}",
		"text is escaped as Ruby does");
}

static void test_hostile(void)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"", "parsing JSON: tab: "},
		{"{\"homebrew_version\": \"5\"", "parsing JSON: tab: "},
		{"[]", "it is not an object"},
		{"{\"time\": 1, \"time\": 2}", "parsing JSON: tab: duplicate object key"},
		{"{\"homebrew_version\": 5}", "homebrew_version is not a string"},
		{"{\"changed_files\": \"bin/x\"}", "changed_files is not a list of strings"},
		{"{\"changed_files\": [\"a\", 1]}", "changed_files is not a list of strings"},
		{"{\"time\": -1}", "time is not a count"},
		{"{\"time\": 1.5}", "time is not a count"},
		{"{\"runtime_dependencies\": {}}", "runtime_dependencies is not a list"},
		{"{\"runtime_dependencies\": [1]}", "runtime_dependencies: one has no full_name"},
		{"{\"runtime_dependencies\": [{\"full_name\": \"a\", \"revision\": \"1\"}]}",
			"runtime_dependencies: revision is not a count"},
		{"{\"source\": []}", "source is not an object"},
		{"{\"source\": {\"versions\": {\"version_scheme\": \"1\"}}}",
			"source.versions.version_scheme is not a count"},
		{"{\"built_on\": {\"os\": []}}", "built_on.os is not a string"},
		{"{\"aliases\": [null]}", "aliases is not a list of strings"},
	};
	json_t *tab = NULL;
	char *big = malloc(BFS_TAB_SIZE_MAX + 1);

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
		int r = bfs_tab_parse(cases[i].text, strlen(cases[i].text), "tab", &tab, &error);

		ok(r == -EBADMSG && error.message && strstr(error.message, cases[i].reason),
			"%s is refused: %s", cases[i].text, bfs_error_message(&error, r));
	}
	memset(big, ' ', BFS_TAB_SIZE_MAX + 1);
	is_int(bfs_tab_parse(big, BFS_TAB_SIZE_MAX + 1, "tab", &tab, NULL), -EFBIG,
		"one beyond 16 MiB is refused unread");
	free(big);
	is_int(bfs_tab_parse("{}", 2, "tab", &tab, NULL), 0, "an empty object is a tab");
	json_decref(tab);
}

int main(void)
{
	test_oracle();
	test_without_tab();
	test_old_receipt();
	test_escapes();
	test_hostile();
	return done();
}
