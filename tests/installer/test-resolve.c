/*
 * Resolution on the real metadata of 134 formulae (tests/data/derived-formulae.json) and on small
 * made-up catalogs and prefixes; and the choice of the target's glibc.
 */
#include "index/keg.h"
#include "installer/resolve.h"
#include "lib/file.h"
#include "tests/tap.h"
#include "tests/installer/tree_fixture.h"

#include <fcntl.h>

#define FORMULAE_MAX 2048

/* What stands in for a catalog: formulae by name, alias or old name. */
struct shelf {
	struct bfs_formula *formulae[FORMULAE_MAX];
	size_t count;
	const char *broken; /* asking for it fails with -ECONNREFUSED */
	json_t *tabs;	    /* by name */
};

static int find_on_shelf(void *context, const char *name, const struct bfs_formula **ret_formula,
	struct bfs_error *error)
{
	struct shelf *shelf = context;

	if (shelf->broken && strcmp(shelf->broken, name) == 0)
		return bfs_error_set(error, -ECONNREFUSED, "fetching", name, NULL);
	for (size_t i = 0; i < shelf->count; i++) {
		struct bfs_formula *formula = shelf->formulae[i];

		if (strcmp(formula->name, name) != 0 &&
			!bfs_strings_contains(formula->aliases, name) &&
			!bfs_strings_contains(formula->old_names, name))
			continue;
		*ret_formula = formula;
		return 0;
	}
	return bfs_error_set(error, -ENOENT, "looking for a formula", name, "there is none");
}

static const json_t *tab_of(void *context, const struct bfs_formula *formula)
{
	struct shelf *shelf = context;

	return json_object_get(shelf->tabs, formula->name);
}

static bfs_strings no_strings(void)
{
	return calloc(1, sizeof(char *));
}

static void add_words(bfs_strings *strings, const char *words)
{
	_cleanup_free_ char *copy = strdup(words);

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		must(bfs_strings_add(strings, word), word);
}

/* Puts "NAME VERSION[_REVISION]" on the shelf, with blank-separated dependencies. */
static struct bfs_formula *put(
	struct shelf *shelf, const char *name, const char *pkg_version, const char *dependencies)
{
	struct bfs_formula *formula = calloc(1, sizeof(*formula));
	const char *underscore = strrchr(pkg_version, '_');

	formula->name = strdup(name);
	formula->tap = strdup("homebrew/core");
	formula->version = strndup(pkg_version, strcspn(pkg_version, "_"));
	formula->revision = underscore ? atoi(underscore + 1) : 0;
	formula->compatibility_version = -1;
	formula->pkg_version = strdup(pkg_version);
	formula->has_bottle = true;
	formula->bottle_tag = strdup("x86_64_linux");
	formula->dependencies = no_strings();
	formula->aliases = no_strings();
	formula->old_names = no_strings();
	formula->versioned_formulae = no_strings();
	formula->link_overwrite = no_strings();
	add_words(&formula->dependencies, dependencies);
	shelf->formulae[shelf->count++] = formula;
	return formula;
}

static void clear(struct shelf *shelf)
{
	for (size_t i = 0; i < shelf->count; i++)
		bfs_formula_free(shelf->formulae[i]);
	json_decref(shelf->tabs);
	*shelf = (struct shelf){0};
}

/*
 * Resolves blank-separated names; the answer in `text`: "NAME" to pour, "=NAME" already, "+NAME"
 * upgrade, "~NAME" relink.
 */
struct answer {
	int r;
	struct bfs_error error;
	struct bfs_resolution *resolution;
	size_t culprit;
	char text[8192];
};

static struct answer *ask(struct shelf *shelf, struct bfs_tree *tree,
	const struct bfs_resolve_order *base, const char *names)
{
	static const char marks[] = "=~ +";
	static struct answer answer;
	struct bfs_resolve_request requests[64] = {{0}};
	struct bfs_resolve_order order = base ? *base : (struct bfs_resolve_order){0};
	_cleanup_free_ char *copy = strdup(names);
	size_t length = 0;

	bfs_error_clear(&answer.error);
	bfs_resolution_free(answer.resolution);
	answer = (struct answer){.culprit = 99};
	if (!order.requests) {
		for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
			requests[order.count++].name = word;
		order.requests = requests;
	}
	order.find = find_on_shelf;
	order.find_context = order.context = shelf;
	order.tab = shelf->tabs ? tab_of : NULL;
	order.tree = tree;
	order.tag = "x86_64_linux";
	answer.r = bfs_resolve(&order, &answer.resolution, &answer.culprit, &answer.error);
	for (size_t i = 0; answer.r == 0 && i < answer.resolution->count; i++) {
		const struct bfs_resolved *item = &answer.resolution->items[i];
		char mark = marks[item->action];

		length += (size_t)snprintf(answer.text + length, sizeof(answer.text) - length,
			"%s%.*s%s", i ? " " : "", mark != ' ', &mark, item->formula->name);
	}
	if (answer.r < 0)
		snprintf(answer.text, sizeof(answer.text), "%s",
			bfs_error_message(&answer.error, answer.r));
	/* The requests are gone with this frame. */
	for (size_t i = 0;
		answer.r == 0 && !(base && base->requests) && i < answer.resolution->count; i++)
		answer.resolution->items[i].request = NULL;
	return &answer;
}

#define answers(shelf, tree, order, names, expected, ...)                                          \
	is_str(ask(shelf, tree, order, names)->text, expected, __VA_ARGS__)

static void load_derived(struct shelf *shelf)
{
	const char *source = getenv("srcdir");
	_cleanup_free_ char *path =
		bfs_format("%s/tests/data/derived-formulae.json", source ? source : ".");
	json_error_t parse_error;
	_cleanup_json_ json_t *document = json_load_file(path, 0, &parse_error);
	const char *name;
	json_t *value;

	if (!document) {
		printf("Bail out! %s: %s\n", path, parse_error.text);
		exit(1);
	}
	json_object_foreach(document, name, value)
	{
		json_t *dependency, *names = json_object_get(value, "linux_runtime_dependencies");
		int revision = (int)json_integer_value(json_object_get(value, "revision"));
		_cleanup_free_ char *version = bfs_format(revision ? "%s_%d" : "%s",
			bfs_json_string_or(value, "stable", "1"), revision);
		struct bfs_formula *formula = put(shelf, name, version, "");
		size_t i;

		json_array_foreach(names, i, dependency)
		{
			must(bfs_strings_add(&formula->dependencies, json_string_value(dependency)),
				name);
		}
		if (strcmp(name, "python@3.14") == 0)
			add_words(&formula->aliases, "python python3");
	}
}

/* The closure of proj (computed by Homebrew's rules from homebrew-core of 22 August 2026). */
#define PROJ                                                                                       \
	"jpeg-turbo giflib zlib-ng-compat libpng webp xz lz4 zstd libtiff brotli "                 \
	"libnghttp2 libnghttp3 ca-certificates openssl@3 libngtcp2 libunistring libidn2 libpsl "   \
	"libssh2 "                                                                                 \
	"keyutils krb5 ncurses readline libxcrypt sqlite util-linux cyrus-sasl openldap curl proj"

static size_t position(const struct bfs_resolution *resolution, const char *name)
{
	for (size_t i = 0; i < resolution->count; i++)
		if (strcmp(resolution->items[i].formula->name, name) == 0)
			return i;
	return SIZE_MAX;
}

static bool is_ordered(const struct bfs_resolution *resolution)
{
	for (size_t i = 0; i < resolution->count; i++) {
		const struct bfs_resolved *item = &resolution->items[i];

		for (size_t j = 0; j < item->dependency_count; j++)
			if (position(resolution, item->dependencies[j].formula->name) >= i)
				return false;
	}
	return true;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words of a text, sorted, in one. */
static char *sorted(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);
	char *words[256], *result = calloc(1, strlen(text) + 2);
	size_t count = 0;

	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		words[count++] = word;
	qsort(words, count, sizeof(*words), compare_words);
	for (size_t i = 0; i < count; i++) {
		strcat(result, words[i]);
		strcat(result, " ");
	}
	return result;
}

static void test_derived(void)
{
	static const struct bfs_resolve_order old = {.runtime = {"2.34", ""}};
	struct shelf shelf = {0};
	struct answer *answer;
	_cleanup_free_ char *expected = sorted(PROJ), *actual = NULL;
	const struct bfs_resolved *proj;

	load_derived(&shelf);
	is_int(shelf.count, 134, "there are 134 formulae");
	answer = ask(&shelf, NULL, NULL, "proj");
	actual = sorted(answer->text);
	is_str(actual, expected, "the closure of proj is Homebrew's 30 names");
	is_int(answer->resolution->count, 30, "which are 30");
	ok(is_ordered(answer->resolution), "dependencies come before dependents");
	proj = &answer->resolution->items[29];
	is_int(proj->dependency_count, 29, "proj's receipt lists the other 29");
	is_int(proj->requested + proj->on_request, 2, "proj was requested");
	ok(!answer->resolution->items[0].requested, "its dependencies were not");
	answers(&shelf, NULL, NULL, "jq", "oniguruma jq", "jq comes after oniguruma");
	answers(&shelf, NULL, NULL, "libexif", "libexif", "libexif has no dependencies");
	answer = ask(&shelf, NULL, &old, "jq");
	ok(strncmp(answer->text, "linux-headers@6.8 glibc ", 24) == 0,
		"an old target pours glibc after its headers, first");
	ok(position(answer->resolution, "gcc") == answer->resolution->count - 3 &&
			position(answer->resolution, "binutils") < answer->resolution->count,
		"then gcc after its own dependencies, then the rest: %s", answer->text);
	ok(is_ordered(answer->resolution), "in order");
	is_int(answer->resolution->items[answer->resolution->count - 1].dependency_count,
		answer->resolution->count - 1, "jq depends on all of that");
	for (size_t i = 0; i < shelf.count; i++) {
		answer = ask(&shelf, NULL, i % 2 ? &old : NULL, shelf.formulae[i]->name);
		if (answer->r < 0 || !is_ordered(answer->resolution))
			ok(false, "%s resolves: %s", shelf.formulae[i]->name, answer->text);
	}
	ok(true, "each of the 134 was resolved");
	clear(&shelf);
}

static void test_graph(void)
{
	struct shelf shelf = {0};
	struct answer *answer;

	put(&shelf, "a", "1", "b c");
	put(&shelf, "b", "1", "d");
	put(&shelf, "c", "1", "d e-alias");
	put(&shelf, "d", "1", "");
	add_words(&put(&shelf, "e", "1", "")->aliases, "e-alias e-other");
	put(&shelf, "x", "1", "y");
	put(&shelf, "y", "1", "z");
	put(&shelf, "z", "1", "x d z");
	put(&shelf, "lost", "1", "d nowhere");
	put(&shelf, "cut", "1", "broken");
	put(&shelf, "broken", "1", "");
	answers(&shelf, NULL, NULL, "a", "d b e c a", "in depth, each once, aliases resolved");
	answers(&shelf, NULL, NULL, "e-other c e", "e d c", "several names for one are one");
	answers(&shelf, NULL, NULL, "x", "d z y x", "a cycle is cut where it closes");
	answers(&shelf, NULL, NULL, "z", "y x d z", "wherever it is entered");
	answers(&shelf, NULL, NULL, "", "", "nothing needs nothing");
	answer = ask(&shelf, NULL, NULL, "a");
	is_str(answer->resolution->items[4].dependencies[0].formula->name, "d",
		"a's own list begins with d");
	ok(!answer->resolution->items[4].dependencies[0].declared_directly &&
			answer->resolution->items[4].dependencies[1].declared_directly,
		"which it does not declare, while it does b");
	answer = ask(&shelf, NULL, NULL, "d nothing");
	is_int(answer->r, -ENOENT, "an unknown name is -ENOENT");
	is_int(answer->culprit, 1, "and it is the second that is unknown");
	answer = ask(&shelf, NULL, NULL, "a lost");
	is_str(answer->text,
		"resolving: lost: resolving dependencies: lost: its dependency nowhere: looking "
		"for a "
		"formula: nowhere: there is none",
		"a missing dependency is named");
	is_int(answer->culprit, 1, "with the request that led there");
	shelf.broken = "broken";
	is_int(ask(&shelf, NULL, NULL, "cut")->r, -ECONNREFUSED, "other failures are passed on");
	clear(&shelf);
}

static void test_deep(void)
{
	struct shelf shelf = {0};
	char name[16], next[16] = "";

	for (int i = 0; i < 1200; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		put(&shelf, name, "1", next);
		strcpy(next, name);
	}
	is_int(ask(&shelf, NULL, NULL, "f999")->r, 0, "1000 levels resolve");
	is_int(ask(&shelf, NULL, NULL, "f1000")->r, -ELOOP, "1001 are refused");
	clear(&shelf);
}

static void test_forbidden(void)
{
	struct shelf shelf = {0};
	struct answer *answer;
	struct bfs_formula *formula;

	put(&shelf, "top", "1", "old");
	formula = put(&shelf, "old", "1", "");
	formula->deprecated = true;
	formula->deprecation_reason = strdup("deprecated because it is not maintained upstream!");
	answer = ask(&shelf, NULL, NULL, "top");
	is_str(answer->text, "old top", "a deprecated dependency is poured");
	is_str(answer->resolution->warnings[0],
		"old has been deprecated because it is not maintained upstream!", "with a warning");
	formula->disabled = true;
	answer = ask(&shelf, NULL, NULL, "top");
	is_int(answer->r, -ENOPKG, "a disabled one is not");
	ok(strstr(answer->text, "resolving: old: it has been"), "and is named: %s", answer->text);
	formula->disabled = formula->deprecated = false;
	formula->unmet_requirement = strdup("macOS");
	is_str(ask(&shelf, NULL, NULL, "top")->text, "resolving: old: it requires macOS",
		"a requirement that is not met is named");
	free(bfs_steal(&formula->unmet_requirement));
	formula->has_bottle = false;
	is_str(ask(&shelf, NULL, NULL, "top")->text,
		"resolving: old: there is no bottle of it for x86_64_linux",
		"a formula without a bottle is named, and the tag");
	clear(&shelf);
}

static void add_conflict(struct bfs_formula *formula, const char *name, const char *reason)
{
	formula->conflicts = calloc(1, sizeof(*formula->conflicts));
	formula->conflicts[0].name = strdup(name);
	formula->conflicts[0].reason = reason ? strdup(reason) : NULL;
	formula->conflict_count = 1;
}

/* Puts a keg into the prefix, with a receipt; `marks` may have o(pt), l(inked), p(inned). */
static void pour(struct bfs_tree *tree, const char *name, const char *version, const char *marks,
	const char *receipt)
{
	_cleanup_free_ char *path = bfs_keg_path(name, version);
	struct bfs_keg keg = {
		.name = (char *)name, .version = (char *)version, .record = (char *)receipt};

	put_directory(tree, path);
	if (receipt)
		must(bfs_keg_put(tree, &keg), "recording a keg");
	if (strchr(marks, 'o'))
		must(bfs_record_write(tree, BFS_OPT, name, path), "opt");
	if (strchr(marks, 'l'))
		must(bfs_record_write(tree, BFS_LINKED_RECORDS, name, path), "linked");
	if (strchr(marks, 'p')) {
		put_directory(tree, BFS_PINNED_RECORDS);
		must(bfs_record_write(tree, BFS_PINNED_RECORDS, name, path), "pinned");
	}
}

static void test_conflicts(void)
{
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct bfs_resolve_request requests[] = {{.name = "proj", .unlinks_conflicts = true}};
	struct bfs_resolve_order order = {.force = true};
	struct answer *answer;

	add_conflict(put(&shelf, "proj", "9", ""), "blast", "both install `libproj.a` library");
	put(&shelf, "blast", "1", "");
	answer = ask(&shelf, NULL, NULL, "blast proj");
	is_int(answer->r, -EEXIST, "two that conflict cannot both be poured");
	is_str(answer->text,
		"resolving: proj: it conflicts with blast because both install `libproj.a` "
		"library, and "
		"both are to be linked",
		"and it says why");
	is_int(answer->culprit, 1, "the later request is the one to go without");
	answers(&shelf, NULL, &order, "blast proj", "blast proj", "--force looks for no conflicts");
	pour(tree, "blast", "1", "o", "{}");
	answers(&shelf, tree, NULL, "proj", "proj", "one that is not linked does not matter");
	pour(tree, "blast", "1", "ol", "{}");
	is_int(ask(&shelf, tree, NULL, "proj")->r, -EEXIST, "a linked one does");
	order = (struct bfs_resolve_order){.requests = requests, .count = 1};
	answers(&shelf, tree, &order, "", "proj", "unless it is unlinked first");
	requests[0] = (struct bfs_resolve_request){.name = "proj", .link = BFS_BREWFILE_LINK_NO};
	answers(&shelf, tree, &order, "", "proj", "or proj is not to be linked");
	shelf.formulae[0]->keg_only = true;
	answers(&shelf, tree, NULL, "proj", "proj", "or is keg-only");
	clear(&shelf);
}

static void test_installed(void)
{
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct answer *answer;

	put(&shelf, "app", "2.0", "lib");
	put(&shelf, "lib", "1.5_1", "");
	answers(&shelf, tree, NULL, "app", "lib app", "an empty prefix has nothing");
	pour(tree, "lib", "1.5_1", "o", "{\"installed_on_request\": false}");
	answers(&shelf, tree, NULL, "app", "=lib app", "an installed dependency stays");
	answer = ask(&shelf, tree, NULL, "lib");
	is_str(answer->text, "=lib", "asking for it changes nothing");
	ok(answer->resolution->items[0].marks_request &&
			!bfs_resolution_is_empty(answer->resolution),
		"but its receipt, which is to say that somebody did");
	pour(tree, "app", "2.0", "ol",
		"{\"installed_on_request\": true, \"runtime_dependencies\": [{\"full_name\": "
		"\"lib\","
		"\"version\": \"1.5\", \"revision\": 1}]}");
	answer = ask(&shelf, tree, NULL, "app");
	is_str(answer->text, "=lib =app", "all is there");
	ok(bfs_resolution_is_empty(answer->resolution), "so there is nothing to do");
	put(&shelf, "lib", "1.6", "");
	bfs_formula_free(shelf.formulae[1]);
	shelf.formulae[1] = shelf.formulae[--shelf.count];
	answers(&shelf, tree, NULL, "app", "=lib =app",
		"a newer version of a dependency upgrades nothing that is satisfied");
	answer = ask(&shelf, tree, NULL, "lib");
	is_str(answer->text, "+lib", "asking for it upgrades it");
	is_str(answer->resolution->items[0].installed, "1.5_1", "from what is there");
	put(&shelf, "new", "1", "lib");
	answers(&shelf, tree, NULL, "new", "+lib new",
		"an unknown bottle needs its latest version");
	shelf.tabs = json_pack("{s:{s:[{s:s,s:s,s:i}]}}", "new", "runtime_dependencies",
		"full_name", "homebrew/core/lib", "version", "1.5", "revision", 1);
	answers(&shelf, tree, NULL, "new", "=lib new", "one that says so does with what is there");
	json_object_set_new(json_array_get(json_object_get(json_object_get(shelf.tabs, "new"),
						   "runtime_dependencies"),
				    0),
		"revision", json_integer(2));
	answers(&shelf, tree, NULL, "new", "+lib new", "or needs a newer revision");
	must(bfs_tree_remove_path(tree, "opt/lib"), "removing opt/lib");
	answers(&shelf, tree, NULL, "app", "+lib =app", "a dependency without opt link is missing");
	clear(&shelf);
}

static void test_versions(void)
{
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct bfs_formula *lib;

	lib = put(&shelf, "lib", "2.0", "");
	put(&shelf, "app", "1", "lib");
	pour(tree, "lib", "3.0", "o", "{\"source\": {\"versions\": {\"version_scheme\": 0}}}");
	answers(&shelf, tree, NULL, "lib", "=lib", "a newer version than the catalog's stays");
	lib->version_scheme = 1;
	answers(&shelf, tree, NULL, "lib", "+lib", "unless its version scheme is older");
	lib->version_scheme = 0;
	must(bfs_tree_remove_path(tree, "Cellar/lib"), "removing a rack");
	must(bfs_tree_remove_path(tree, "opt/lib"), "removing a link");
	pour(tree, "lib", "2.0", "", "{}");
	answers(&shelf, tree, NULL, "lib", "~lib", "a keg without opt link needs links only");
	pour(tree, "lib", "1.0", "o",
		"{\"source\": {\"versions\": {\"compatibility_version\": 7}}}");
	answers(&shelf, tree, NULL, "lib", "=lib",
		"as for brew, the latest keg anywhere is enough");
	must(bfs_tree_remove_path(tree, "Cellar/lib/2.0"), "removing a keg");
	shelf.tabs = json_pack("{s:{s:[{s:s,s:s,s:i,s:i}]}}", "app", "runtime_dependencies",
		"full_name", "lib", "version", "2.0", "revision", 0, "compatibility_version", 7);
	answers(&shelf, tree, NULL, "app", "+lib app", "an older version does not satisfy");
	lib->compatibility_version = 7;
	answers(&shelf, tree, NULL, "app", "=lib app",
		"one of the same compatibility version does");
	json_decref(shelf.tabs);
	shelf.tabs = json_pack("{s:{s:[{s:s,s:s}]}}", "app", "runtime_dependencies", "full_name",
		"lib", "version", "1.0");
	answers(&shelf, tree, NULL, "app", "=lib app", "an old tab without revision is satisfied");
	lib->revision = 1;
	answers(&shelf, tree, NULL, "app", "+lib app",
		"but not where the formula has one that may be newer");
	clear(&shelf);
}

static void test_pinned(void)
{
	struct bfs_resolve_order keep = {.no_upgrade = true};
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct answer *answer;

	put(&shelf, "lib", "2.0", "");
	put(&shelf, "app", "1", "lib");
	pour(tree, "lib", "1.0", "ol", "{}");
	answer = ask(&shelf, tree, &keep, "lib");
	is_str(answer->text, "=lib", "--no-upgrade leaves a requested formula alone");
	is_str(answer->resolution->warnings[0], "lib 1.0 is installed and not upgraded to 2.0.",
		"and says so");
	answers(&shelf, tree, &keep, "app", "+lib app",
		"but a dependency is upgraded all the same");
	pour(tree, "lib", "1.0", "olp", "{}");
	answer = ask(&shelf, tree, NULL, "lib");
	is_str(answer->text, "=lib", "a pinned formula is not upgraded");
	is_str(answer->resolution->warnings[0], "lib 1.0 is pinned and not upgraded to 2.0.",
		"with a warning");
	answer = ask(&shelf, tree, NULL, "app");
	is_int(answer->r, -EPERM, "what needs its latest version cannot be poured");
	ok(strstr(answer->text, "resolving: lib: it is pinned"), "and it says why: %s",
		answer->text);
	clear(&shelf);
}

static void test_links(void)
{
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct bfs_resolve_request request = {.name = "lib", .ensures_link = true};
	struct bfs_resolve_order order = {.requests = &request, .count = 1};

	put(&shelf, "lib", "1.0", "");
	pour(tree, "lib", "1.0", "o", "{\"installed_on_request\": true}");
	answers(&shelf, tree, NULL, "lib", "=lib", "an unlinked formula stays unlinked");
	answers(&shelf, tree, &order, "", "~lib", "unless a Brewfile has it");
	request.link = BFS_BREWFILE_LINK_NO;
	answers(&shelf, tree, &order, "", "=lib", "and does not say link: false");
	request.link = BFS_BREWFILE_LINK_DEFAULT;
	shelf.formulae[0]->keg_only = true;
	answers(&shelf, tree, &order, "", "=lib", "keg-only formulae are not linked by default");
	request.link = BFS_BREWFILE_LINK_OVERWRITE;
	answers(&shelf, tree, &order, "", "~lib", "but with link: :overwrite they are");
	pour(tree, "lib", "1.0", "ol", NULL);
	request.link = BFS_BREWFILE_LINK_NO;
	answers(&shelf, tree, &order, "", "~lib", "link: false unlinks");
	clear(&shelf);
}

static void test_receipts(void)
{
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();

	put(&shelf, "app", "1", "lib more gone");
	put(&shelf, "lib", "2", "");
	put(&shelf, "more", "1", "");
	pour(tree, "app", "1", "o",
		"{\"runtime_dependencies\": [{\"full_name\": \"lib\", \"version\": \"1\","
		"\"revision\": 0}]}");
	pour(tree, "lib", "1", "o", "{}");
	answers(&shelf, tree, NULL, "app", "=lib =app",
		"what an installed keg needs is what its receipt says, not what the catalog says "
		"by now");
	pour(tree, "app", "1", "o", "{}");
	answers(&shelf, tree, NULL, "app", "=lib more =app", "without a list, all has to be there");
	pour(tree, "app", "1", "o", "[]");
	is_int(ask(&shelf, tree, NULL, "app")->r, -EUCLEAN,
		"a record that is no object is -EUCLEAN");
	clear(&shelf);
}

static const char *built_with(void *context, const struct bfs_formula *formula)
{
	(void)context;
	return strcmp(formula->name, "new") == 0 ? "2.41" : "2.17";
}

static void test_runtime(void)
{
	struct bfs_resolve_order order = {.runtime = {"2.36", ""}};
	struct shelf shelf = {0};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	struct answer *answer;

	put(&shelf, "app", "1", "lib");
	put(&shelf, "lib", "1", "");
	answer = ask(&shelf, NULL, &order, "app");
	is_str(answer->text, "lib app", "a catalog without glibc goes without");
	is_int(bfs_strings_count(answer->resolution->warnings), 2, "with two warnings");
	put(&shelf, "glibc", "2.39", "linux-headers@6.8");
	put(&shelf, "linux-headers@6.8", "6.8", "");
	put(&shelf, "gcc", "16", "gmp");
	put(&shelf, "gmp", "6", "");
	answers(&shelf, NULL, &order, "app", "linux-headers@6.8 glibc gmp gcc lib app",
		"glibc first, then gcc, then the rest");
	answers(&shelf, NULL, &order, "glibc", "linux-headers@6.8 glibc", "glibc needs no gcc");
	answers(&shelf, NULL, &order, "gmp", "linux-headers@6.8 glibc gmp",
		"what gcc needs needs no gcc");
	strcpy(order.runtime.glibc, "2.39");
	answers(&shelf, NULL, &order, "app", "lib app", "a glibc of 2.39 is new enough");
	strcpy(order.runtime.libstdcxx, "6.0.30");
	answers(&shelf, NULL, &order, "app", "gmp gcc lib app", "an old libstdc++ needs gcc alone");
	strcpy(order.runtime.libstdcxx, "6.0.33");
	answers(&shelf, NULL, &order, "app", "lib app", "a new one does not");
	put(&shelf, "new", "1", "lib");
	order.built_with = built_with;
	answers(&shelf, NULL, &order, "app", "lib app", "bottles that say 2.17 run on 2.39");
	answers(&shelf, NULL, &order, "new", "linux-headers@6.8 glibc gmp gcc lib new",
		"one that says 2.41 does not");
	order = (struct bfs_resolve_order){.runtime = {"2.34", ""}};
	pour(tree, "app", "1", "o",
		"{\"runtime_dependencies\": [], \"installed_on_request\": true}");
	answers(&shelf, tree, &order, "app", "linux-headers@6.8 glibc gmp gcc =app",
		"an older target adds what installed formulae need there");
	clear(&shelf);
}

static void test_target(void)
{
	static const char *const good[] = {"2.17", "2.39", "2.100"};
	static const char *const bad[] = {
		"", "2", "2.", "2.3x", "3.1", "2.36.1", " 2.36", "2.1000"};
	_cleanup_tree_ struct bfs_tree *tree = new_prefix();
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	char directory[] = "/tmp/test-resolve-XXXXXX", version[16];
	const char *directories[] = {"/nonexistent", directory, NULL};
	struct bfs_target target;

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(good); i++)
		ok(bfs_target_glibc_is_valid(good[i]), "'%s' can be a glibc", good[i]);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(bad); i++)
		ok(!bfs_target_glibc_is_valid(bad[i]), "'%s' cannot", bad[i]);
	unsetenv("BREWFS_TARGET_GLIBC");
	is_int(bfs_target_find(NULL, NULL, &target, &error), 0, "this host has a glibc");
	is_int(target.source, BFS_TARGET_HOST, "which counts where nothing else is said");
	ok(bfs_target_glibc_is_valid(target.runtime.glibc), "%s", target.runtime.glibc);
	must(bfs_tree_set_value(tree, BFS_TARGET_GLIBC_KEY, "2.31"), "recording");
	is_int(bfs_target_find(NULL, tree, &target, &error), 0, "an index may have a target");
	is_str(target.runtime.glibc, "2.31", "which counts before the host");
	setenv("BREWFS_TARGET_GLIBC", "2.32", 1);
	bfs_target_find(NULL, tree, &target, &error);
	is_str(target.runtime.glibc, "2.32", "BREWFS_TARGET_GLIBC counts before it");
	bfs_target_find("2.33", tree, &target, &error);
	is_str(target.runtime.glibc, "2.33", "and --target-glibc before all");
	is_int(bfs_target_find("new", tree, &target, &error), -EINVAL, "nonsense is refused");
	is_str(error.message,
		"choosing the target's glibc: --target-glibc: 'new' is no version like 2.34",
		"and says where it stands");
	unsetenv("BREWFS_TARGET_GLIBC");
	if (!mkdtemp(directory))
		return;
	bfs_target_find_libstdcxx(directories, version);
	is_str(version, "", "where there is no libstdc++, none is known");
	_cleanup_free_ char *link = bfs_format("%s/libstdc++.so.6", directory);

	ok(symlink("libstdc++.so.6.0.33", link) == 0, "a link like a host's");
	bfs_target_find_libstdcxx(directories, version);
	is_str(version, "6.0.33", "names the version");
	bfs_remove_tree(AT_FDCWD, directory);
}

int main(void)
{
	test_derived();
	test_graph();
	test_deep();
	test_forbidden();
	test_conflicts();
	test_installed();
	test_versions();
	test_pinned();
	test_links();
	test_receipts();
	test_runtime();
	test_target();
	return done();
}
