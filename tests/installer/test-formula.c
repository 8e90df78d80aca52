/*
 * Formulae from both forms of the API: Homebrew's own samples, the documents of the oracle where
 * there is one, and small ones for each rule.
 */
#include "installer/formula.h"
#include "lib/file.h"
#include "tests/tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>

#define SHA "8881673df33f95f31f094d58f9f959616b80c127b8aa2dc1412d16f7a68d72c0"

static json_t *load(const char *directory, const char *name)
{
	_cleanup_free_ char *path = bfs_format("%s/%s", directory, name);
	json_error_t error;
	json_t *document = json_load_file(path, 0, &error);

	if (!document)
		printf("# %s: %s\n", path, error.text);
	return document;
}

static char *data_directory(void)
{
	return bfs_format("%s/tests/data", getenv("srcdir") ? getenv("srcdir") : ".");
}

/* Reads a document given as text; NULL, and the message in `error`, where it is refused. */
static struct bfs_formula *read_internal(const char *text, struct bfs_error *error)
{
	struct bfs_formula *formula = NULL;
	_cleanup_json_ json_t *document = json_loads(text, 0, NULL);

	if (!document)
		printf("# the test's own document is no JSON: %s\n", text);
	bfs_formula_from_internal("x", document, "x86_64_linux", &formula, error);
	return formula;
}

static struct bfs_formula *read_public(const char *text, const char *tag, struct bfs_error *error)
{
	struct bfs_formula *formula = NULL;
	_cleanup_json_ json_t *document = json_loads(text, 0, NULL);

	if (!document)
		printf("# the test's own document is no JSON: %s\n", text);
	bfs_formula_from_public(document, tag, &formula, error);
	return formula;
}

static void is_list(char *const *strings, const char *expected, const char *what)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	bfs_buffer_append_string(&text, "");
	for (size_t i = 0; strings[i]; i++)
		bfs_buffer_append_format(&text, "%s%s", i ? " " : "", strings[i]);
	is_str(text.data, expected, "%s", what);
}

/* ---- samples ---- */

static void test_homebrew_sample(const char *directory)
{
	_cleanup_json_ json_t *document =
		load(directory, "internal-packages-sample.from-brew-spec.json");
	json_t *formulae = json_object_get(document, "formulae");
	_cleanup_formula_ struct bfs_formula *bar = NULL, *baz = NULL;

	is_int(bfs_formula_from_internal(
		       "bar", json_object_get(formulae, "bar"), "x86_64_linux", &bar, NULL),
		0, "bar of Homebrew's sample is read");
	is_int(bfs_formula_from_internal(
		       "baz", json_object_get(formulae, "baz"), "x86_64_linux", &baz, NULL),
		0, "baz as well");
	if (!bar || !baz)
		return;
	is_str(bar->pkg_version, "0.4.0_5", "the keg's version has the revision");
	is_int(bar->version_scheme, 1, "the version scheme is read");
	is_int(bar->compatibility_version, -1, "no compatibility version");
	ok(!bar->has_bottle && !bar->bottle_tag, "without a checksum there is no bottle");
	is_str(bar->ruby_source_path, "Formula/b/bar.rb", "the source path is derived");
	is_str(bar->tap, "homebrew/core", "the tap is the core tap");
	is_str(baz->license, "GPL-3.0-or-later", "the license is read");
}

static void test_postgresql(const char *directory)
{
	_cleanup_json_ json_t *document =
		load(directory, "formula-postgresql@16-16.2_1.TRIMMED.json");
	_cleanup_json_ json_t *before = json_deep_copy(document);
	_cleanup_formula_ struct bfs_formula *x86 = NULL, *arm = NULL;
	char hex[BFS_DIGEST_HEX_SIZE];

	is_int(bfs_formula_from_public(document, "x86_64_linux", &x86, NULL), 0,
		"postgresql@16 of 2024 is read");
	is_int(bfs_formula_from_public(document, "arm64_linux", &arm, NULL), 0,
		"and for the other architecture");
	ok(json_equal(document, before), "the document was not changed");
	if (!x86 || !arm)
		return;
	is_list(x86->dependencies,
		"gettext icu4c krb5 lz4 openssl@3 readline zstd linux-pam util-linux libxml2 "
		"libxslt openldap perl",
		"the tag's variations replace the dependencies; uses_from_macos follow");
	is_list(arm->dependencies,
		"gettext icu4c krb5 lz4 openssl@3 readline zstd libxml2 libxslt openldap perl",
		"without a variation they are those of the document");
	is_str(bfs_digest_to_hex(&x86->bottle_digest, hex),
		"4655a82d8c2e9503f55bb453d71b28e313f81e78908670b19b8e741060ed02f4",
		"the bottle's digest is the tag's");
	is_str(x86->bottle_cellar, "/home/linuxbrew/.linuxbrew/Cellar", "the cellar is a path");
	ok(!x86->bottle_root_url, "the default root is not repeated");
	ok(!arm->has_bottle, "no bottle for a tag that is not listed");
	ok(x86->keg_only && x86->keg_only_versioned, "keg-only as a versioned formula");
	is_str(x86->keg_only_reason, "this is an alternate version of another formula",
		"with Homebrew's reason");
	ok(x86->post_install_defined && !x86->post_install_steps,
		"a post_install that only Ruby can run");
	ok(!x86->deprecated && !x86->disabled, "a deprecation date in the future means nothing");
	ok(x86->has_service, "it has a service");
	is_str(x86->ruby_source_path, "Formula/p/postgresql@16.rb", "the source path is read");
}

static void test_wget(const char *directory)
{
	_cleanup_json_ json_t *document = load(directory, "formula-wget-1.21.2.TRIMMED.json");
	_cleanup_formula_ struct bfs_formula *wget = NULL;

	is_int(bfs_formula_from_public(document, "x86_64_linux", &wget, NULL), 0,
		"wget of 2022 is read");
	if (!wget)
		return;
	is_list(wget->dependencies, "libidn2 openssl@1.1", "its dependencies");
	is_list(wget->old_names, "", "oldname null is no old name");
	ok(!wget->keg_only, "it is linked");
	ok(!wget->has_service && !wget->caveats, "no service, no caveats");
}

/* Both forms of the oracle's formulae must say the same. */
static void compare_forms(const char *directory, const json_t *formulae, const char *name)
{
	_cleanup_free_ char *file = bfs_format("%s.json", name);
	_cleanup_json_ json_t *document = load(directory, file);
	_cleanup_formula_ struct bfs_formula *a = NULL, *b = NULL;

	is_int(bfs_formula_from_public(document, "x86_64_linux", &a, NULL), 0,
		"%s is read from the public form", name);
	is_int(bfs_formula_from_internal(
		       name, json_object_get(formulae, name), "x86_64_linux", &b, NULL),
		0, "%s is read from the internal form", name);
	if (!a || !b)
		return;
	is_str(a->pkg_version, b->pkg_version, "%s: both say the same version", name);
	ok(bfs_digest_equal(&a->bottle_digest, &b->bottle_digest), "%s: the same digest", name);
	is_str(a->bottle_cellar, b->bottle_cellar, "%s: the same cellar", name);
	is_str(a->bottle_tag, b->bottle_tag, "%s: the same tag", name);
	is_int(a->keg_only, b->keg_only, "%s: the same keg_only", name);
	is_int(a->version_scheme, b->version_scheme, "%s: the same version scheme", name);
	is_int(a->post_install_defined, b->post_install_defined, "%s: the same post_install", name);
	is_int(json_array_size(a->post_install_steps), json_array_size(b->post_install_steps),
		"%s: as many steps", name);
	is_int(a->has_service, b->has_service, "%s: the same service", name);
	is_str(a->caveats ? a->caveats : "", b->caveats ? b->caveats : "", "%s: the same caveats",
		name);
	is_int(bfs_strings_count(a->dependencies), bfs_strings_count(b->dependencies),
		"%s: as many dependencies", name);
	is_str(a->ruby_source_path, b->ruby_source_path, "%s: the same source path", name);
}

static void test_oracle(void)
{
	const char *oracle = getenv("BREWFS_ORACLE");
	_cleanup_free_ char *internal = bfs_format("%s/api/internal", oracle ? oracle : "");
	_cleanup_free_ char *public = bfs_format("%s/api/formula", oracle ? oracle : "");
	_cleanup_json_ json_t *document = NULL;
	const char *name;
	json_t *formula;

	if (!oracle || access(internal, R_OK) < 0) {
		ok(true, "# SKIP the oracle's documents: BREWFS_ORACLE does not name a directory");
		return;
	}
	document = load(internal, "formula.x86_64_linux.json");
	ok(json_object_size(json_object_get(document, "formulae")) > 0, "the oracle has formulae");
	json_object_foreach(json_object_get(document, "formulae"), name, formula)
		compare_forms(public, json_object_get(document, "formulae"), name);
}

/* ---- the internal form's rules ---- */

static void test_internal_dependencies(void)
{
	_cleanup_formula_ struct bfs_formula *f = read_internal(
		"{\"stable_version\":\"1\",\"stable_dependencies\":[\"a\",{\"b\":\":build\"},"
		"{\"c\":[\":build\",\":test\"]},{\"d\":\":recommended\"},{\"e\":\":optional\"},"
		"\"a\",\":linux\",{\":arch\":[\":x86_64\"]},{\":macos\":[\":sonoma\",\":build\"]},"
		"{\":xcode\":[\"15.0\"]}],"
		"\"stable_uses_from_macos\":[[\"u\"],[\"v\",{\":since\":\":sequoia\"}],"
		"[{\"w\":\":build\"}],[{\"y\":\":test\",\":since\":\":sonoma\"}],"
		"[{\"z\":\":recommended\",\":since\":\":sonoma\"}],[\"a\"]]}",
		NULL);

	if (!ok(f, "dependencies in every spelling are read"))
		return;
	is_list(f->dependencies, "a d u v z",
		"those to build and test with and optional ones are left out, each is there once");
	ok(!f->unmet_requirement, "Linux, the architecture and Xcode are met");
}

static void test_internal_requirements(void)
{
	_cleanup_formula_ struct bfs_formula *mac = read_internal(
		"{\"stable_version\":\"1\",\"stable_dependencies\":[\":macos\"]}", NULL);
	_cleanup_formula_ struct bfs_formula *arm = read_internal(
		"{\"stable_version\":\"1\",\"stable_dependencies\":[{\":arch\":[\":arm64\"]}]}",
		NULL);
	_cleanup_formula_ struct bfs_formula *limit =
		read_internal("{\"stable_version\":\"1\",\"stable_dependencies\":[{\":maximum_"
			      "macos\":[\":sonoma\"]}]}",
			NULL);

	is_str(mac ? mac->unmet_requirement : "", "macOS", "macOS cannot be had here");
	is_str(arm ? arm->unmet_requirement : "", "the arm64 architecture",
		"nor another architecture");
	is_str(limit ? limit->unmet_requirement : "", "macOS", "nor an old macOS");
}

static void test_internal_bottle(void)
{
	_cleanup_formula_ struct bfs_formula *all = read_internal(
		"{\"stable_version\":\"1\",\"bottle_checksum\":\"" SHA "\",\"bottle_tag\":\":all\","
		"\"bottle_rebuild\":3}",
		NULL);
	_cleanup_formula_ struct bfs_formula *other =
		read_internal("{\"stable_version\":\"1\",\"bottle_checksum\":\"" SHA
			      "\",\"bottle_tag\":\":sonoma\"}",
			NULL);
	_cleanup_formula_ struct bfs_formula *escaped =
		read_internal("{\"stable_version\":\"1\",\"bottle_checksum\":\"" SHA
			      "\",\"bottle_cellar\":\"\\\\:any\"}",
			NULL);

	if (!ok(all && other && escaped, "bottles are read"))
		return;
	is_str(all->bottle_tag, "all", "a bottle for all");
	is_int(all->bottle_rebuild, 3, "its rebuild");
	is_str(all->bottle_cellar, ":any_skip_relocation", "the cellar that is left out");
	ok(!other->has_bottle, "a bottle of another system is none");
	is_str(escaped->bottle_cellar, ":any", "an escaped symbol is one nevertheless");
}

static void test_internal_texts(void)
{
	_cleanup_formula_ struct bfs_formula *f = read_internal(
		"{\"stable_version\":\"1\",\"desc\":\"\\\\:colon "
		"first\",\"homepage\":\"\\\\\\\\x\","
		"\"caveats\":\"see $HOMEBREW_PREFIX/etc, $HOMEBREW_CELLAR/x and /$HOME/.x\","
		"\"license\":{\":any_of\":[\"MIT\",{\":all_of\":[\"BSD-3-Clause\","
		"{\"GPL-2.0-only\":{\":with\":\"Classpath-exception-2.0\"}}]},\":public_domain\"]},"
		"\"conflicts\":[[\"p\"],[\"q\",{\":because\":\"both install `x`\"}]],"
		"\"aliases\":[\"x1\"],\"oldnames\":[\"xx\"],\"link_overwrite_paths\":[\"bin/x\"],"
		"\"keg_only_args\":[\"\\\\:odd\"],\"compatibility_version\":2,"
		"\"post_install_steps\":[{\"type\":\"inreplace\",\"before\":\"\\\\\\\\A\","
		"\"paths\":[\"\\\\:x\"]}],\"unknown\":[1,{}]}",
		NULL);

	if (!ok(f, "texts are read"))
		return;
	is_str(f->desc, ":colon first", "an escaped colon");
	is_str(f->homepage, "\\x", "an escaped backslash");
	is_str(f->caveats,
		"see /home/linuxbrew/.linuxbrew/etc, /home/linuxbrew/.linuxbrew/Cellar/x and ~/.x",
		"placeholders in caveats");
	is_str(f->license,
		"MIT or (BSD-3-Clause and GPL-2.0-only with Classpath-exception-2.0) or Public "
		"Domain",
		"a license as a tree");
	is_int(f->conflict_count, 2, "two conflicts");
	is_str(f->conflict_count == 2 ? f->conflicts[1].reason : "", "both install `x`",
		"with its reason");
	ok(f->conflict_count == 2 && !f->conflicts[0].reason, "and one without");
	is_list(f->aliases, "x1", "aliases");
	is_list(f->old_names, "xx", "old names");
	is_list(f->link_overwrite, "bin/x", "link_overwrite");
	is_str(f->keg_only_reason, ":odd", "an escaped reason is text");
	is_int(f->compatibility_version, 2, "compatibility version");
	is_int(json_array_size(f->post_install_steps), 1, "steps");
	is_str(json_string_value(json_object_get(json_array_get(f->post_install_steps, 0), "before")),
		"\\A", "a step's strings are unescaped");
	is_str(json_string_value(json_array_get(
		       json_object_get(json_array_get(f->post_install_steps, 0), "paths"), 0)),
		":x", "at every depth");
}

static void test_keg_only(void)
{
	static const struct {
		const char *arguments;
		bool keg_only;
		const char *reason;
	} cases[] = {
		{"[\":provided_by_macos\"]", false, ""},
		{"[\":shadowed_by_macos\", \"macOS has it\"]", false, ""},
		{"[\":versioned_formula\"]", true,
			"this is an alternate version of another formula"},
		{"[\"it conflicts with y\"]", true, "it conflicts with y"},
		{"[\":versioned_formula\", \"because\"]", true, "because"},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_free_ char *text = bfs_format(
			"{\"stable_version\":\"1\",\"keg_only_args\":%s}", cases[i].arguments);
		_cleanup_formula_ struct bfs_formula *f = read_internal(text, NULL);

		ok(f && f->keg_only == cases[i].keg_only, "keg_only %s on Linux: %d",
			cases[i].arguments, cases[i].keg_only);
		is_str(f && f->keg_only_reason ? f->keg_only_reason : "", cases[i].reason,
			"and why");
	}
}

static void test_lifecycle(void)
{
	static const struct {
		const char *arguments;
		bool deprecated, disabled;
		const char *text;
	} cases[] = {
		{"\"deprecate_args\":{\":date\":\"2020-02-29\",\":because\":\":unmaintained\"}",
			true, false,
			"deprecated because it is not maintained upstream! It was disabled on "
			"2021-02-28."},
		{"\"deprecate_args\":{\":date\":\"2999-01-01\",\":because\":\":unmaintained\"}",
			false, false, ""},
		{"\"deprecate_args\":{\":because\":\"needs EOL x\",\":replacement_formula\":\"y\"}",
			true, false,
			"deprecated because it needs EOL x!\nReplacement: brewfs install y"},
		{"\"disable_args\":{\":date\":\"2020-01-01\",\":because\":\":repo_removed\"}",
			false, true,
			"disabled because it has a removed upstream repository! It was disabled on "
			"2020-01-01."},
		{"\"disable_args\":{\":date\":\"2999-01-01\",\":because\":\":repo_removed\"}", true,
			false,
			"deprecated because it has a removed upstream repository! It will be "
			"disabled "
			"on 2999-01-01."},
		{"\"deprecate_args\":{\":date\":\"2020-01-01\",\":because\":\"a\"},"
		 "\"disable_args\":{\":date\":\"2021-01-01\",\":because\":\"b\"}",
			true, true, "disabled because it b! It was disabled on 2021-01-01."},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(cases); i++) {
		_cleanup_free_ char *text =
			bfs_format("{\"stable_version\":\"1\",%s}", cases[i].arguments);
		_cleanup_formula_ struct bfs_formula *f = read_internal(text, NULL);

		ok(f && f->deprecated == cases[i].deprecated && f->disabled == cases[i].disabled,
			"lifecycle %zu: deprecated %d, disabled %d", i, cases[i].deprecated,
			cases[i].disabled);
		is_str(f && f->deprecation_reason ? f->deprecation_reason : "", cases[i].text,
			"and why");
	}
}

/* ---- the public form's rules ---- */

#define PUBLIC "\"name\":\"x\",\"versions\":{\"stable\":\"1\"}"

static void test_public_rules(void)
{
	_cleanup_formula_ struct bfs_formula *f = read_public(
		"{" PUBLIC ",\"oldname\":\"old\",\"keg_only\":true,"
		"\"keg_only_reason\":{\"reason\":\":provided_by_macos\",\"explanation\":\"\"},"
		"\"dependencies\":[\"a\"],\"recommended_dependencies\":[\"r\"],"
		"\"optional_dependencies\":[\"o\"],\"build_dependencies\":[\"b\"],"
		"\"uses_from_macos\":[\"u\",{\"v\":\"build\"},{\"w\":[\"build\",\"test\"]},\"a\"],"
		"\"uses_from_macos_bounds\":[{},{},{},{\"since\":\"sonoma\"}],"
		"\"requirements\":[{\"name\":\"macos\",\"version\":\"13\",\"contexts\":[\"build\"],"
		"\"specs\":[\"stable\"]},{\"name\":\"macos\",\"contexts\":[],\"specs\":[\"head\"]}]"
		","
		"\"conflicts_with\":[\"p\",\"q\"],\"conflicts_with_reasons\":[null,\"both\"],"
		"\"tap\":\"user/repo\",\"revision\":2,"
		"\"deprecated\":true,\"deprecation_date\":\"2020-01-01\","
		"\"deprecation_reason\":\"unmaintained\",\"post_install_steps\":[],"
		"\"bottle\":{\"stable\":{\"rebuild\":1,\"root_url\":\"https://ghcr.io/v2/user/"
		"repo\","
		"\"files\":{\"all\":{\"cellar\":\":any_skip_relocation\",\"sha256\":\"" SHA
		"\"}}}},"
		"\"variations\":{\"x86_64_linux\":{\"keg_only_reason\":"
		"{\"reason\":\"it conflicts with y\",\"explanation\":\"\"}}}}",
		"x86_64_linux", NULL);

	if (!ok(f, "a public document is read"))
		return;
	is_list(f->dependencies, "a r u", "dependencies, recommended ones, uses_from_macos");
	is_list(f->old_names, "old", "oldname of old documents");
	ok(!f->unmet_requirement, "requirements to build with, or of HEAD, do not count");
	is_str(f->tap, "user/repo", "its tap");
	is_str(f->bottle_root_url, "https://ghcr.io/v2/user/repo", "its registry");
	is_str(f->bottle_tag, "all", "the bottle for all is the fallback");
	is_str(f->pkg_version, "1_2", "version and revision");
	ok(f->keg_only, "a variation gives another reason for keg_only");
	ok(f->deprecated, "the deprecation of old documents");
	is_str(f->deprecation_reason, "deprecated because it is not maintained upstream!",
		"and why");
	ok(!f->post_install_steps, "an empty list of steps is none");
	is_str(f->conflict_count == 2 ? f->conflicts[1].reason : "", "both", "conflicts");
}

static void test_public_arm(void)
{
	static const char text[] =
		"{" PUBLIC ",\"requirements\":[{\"name\":\"arch\",\"version\":\"x86_64\","
		"\"contexts\":[],\"specs\":[\"stable\"]}],\"bottle\":{\"stable\":{\"files\":{"
		"\"x86_64_linux\":{\"cellar\":\":any\",\"sha256\":\"" SHA "\"}}}}}";
	_cleanup_formula_ struct bfs_formula *arm = read_public(text, "arm64_linux", NULL);
	_cleanup_formula_ struct bfs_formula *x86 = read_public(text, "x86_64_linux", NULL);

	is_str(arm ? arm->unmet_requirement : "", "the x86_64 architecture",
		"a requirement of the other architecture is not met");
	ok(arm && !arm->has_bottle, "and its bottle does not count");
	ok(x86 && !x86->unmet_requirement && x86->has_bottle, "here both are fine");
}

/* ---- what cannot be ---- */

static void refuse(const char *text, bool internal, const char *field)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	_cleanup_formula_ struct bfs_formula *f =
		internal ? read_internal(text, &error) : read_public(text, "x86_64_linux", &error);

	ok(!f && error.code == -EBADMSG, "refused: %s", text);
	ok(error.message && strstr(error.message, field), "the message names %s: %s", field,
		bfs_error_message(&error, 0));
}

static void test_refusals(void)
{
	static const struct {
		const char *text, *field;
	} internal[] = {
		{"[]", "document"},
		{"{}", "version"},
		{"{\"stable_version\":7}", "stable_version"},
		{"{\"stable_version\":\"\"}", "version"},
		{"{\"stable_version\":\"../../etc\"}", "version"},
		{"{\"stable_version\":\"a/b\"}", "version"},
		{"{\"stable_version\":\"a b\"}", "version"},
		{"{\"stable_version\":\"1\",\"revision\":-1}", "revision"},
		{"{\"stable_version\":\"1\",\"revision\":99999999999}", "revision"},
		{"{\"stable_version\":\"1\",\"revision\":\"1\"}", "revision"},
		{"{\"stable_version\":\"1\",\"stable_dependencies\":[\"../x\"]}",
			"stable_dependencies"},
		{"{\"stable_version\":\"1\",\"stable_dependencies\":[7]}", "stable_dependencies"},
		{"{\"stable_version\":\"1\",\"stable_dependencies\":{}}", "stable_dependencies"},
		{"{\"stable_version\":\"1\",\"stable_uses_from_macos\":[[\"-x\"]]}",
			"stable_uses_from_macos"},
		{"{\"stable_version\":\"1\",\"aliases\":[\"a/../b\"]}", "aliases"},
		{"{\"stable_version\":\"1\",\"conflicts\":[[]]}", "conflicts"},
		{"{\"stable_version\":\"1\",\"keg_only_args\":[7]}", "keg_only_args"},
		{"{\"stable_version\":\"1\",\"bottle_checksum\":\"abc\"}", "bottle"},
		{"{\"stable_version\":\"1\",\"bottle_checksum\":7}", "bottle"},
		{"{\"stable_version\":\"1\",\"bottle_checksum\":\"" SHA
		 "\",\"bottle_cellar\":\"relative\"}",
			"bottle"},
		{"{\"stable_version\":\"1\",\"deprecate_args\":{\":date\":\"soon\"}}",
			"deprecate_args"},
		{"{\"stable_version\":\"1\",\"license\":7}", "license"},
		{"{\"stable_version\":\"1\",\"post_install_steps\":{}}", "post_install_steps"},
	};
	static const struct {
		const char *text, *field;
	} public[] = {
		{"[]", "object"},
		{"{\"versions\":{\"stable\":\"1\"}}", "name"},
		{"{\"name\":\"../x\",\"versions\":{\"stable\":\"1\"}}", "name"},
		{"{\"name\":\"x\"}", "version"},
		{"{\"name\":\"x\",\"versions\":{\"stable\":null}}", "version"},
		{"{" PUBLIC ",\"keg_only\":true}", "keg_only_reason"},
		{"{" PUBLIC ",\"tap\":\"../..\"}", "tap"},
		{"{" PUBLIC ",\"bottle\":{\"stable\":{\"files\":{\"x86_64_linux\":{}}}}}",
			"bottle"},
		{"{" PUBLIC ",\"requirements\":[{}]}", "requirements"},
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(internal); i++)
		refuse(internal[i].text, true, internal[i].field);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(public); i++)
		refuse(public[i].text, false, public[i].field);
}

static void test_names(void)
{
	char long_name[130];

	memset(long_name, 'a', sizeof(long_name));
	long_name[129] = '\0';
	ok(bfs_formula_name_is_valid("libsigc++@2") && bfs_formula_name_is_valid("x.y_z-1"),
		"names that are");
	ok(!bfs_formula_name_is_valid("") && !bfs_formula_name_is_valid(NULL) &&
			!bfs_formula_name_is_valid(".x") && !bfs_formula_name_is_valid("-x") &&
			!bfs_formula_name_is_valid("a/b") && !bfs_formula_name_is_valid("a b") &&
			!bfs_formula_name_is_valid("é") && !bfs_formula_name_is_valid(long_name),
		"names that are not");
	ok(bfs_formula_reference_is_valid("x") && bfs_formula_reference_is_valid("u/r/x"),
		"references that are");
	ok(!bfs_formula_reference_is_valid("u/x") && !bfs_formula_reference_is_valid("u/r/x/y") &&
			!bfs_formula_reference_is_valid("/r/x") &&
			!bfs_formula_reference_is_valid("u//x") &&
			!bfs_formula_reference_is_valid("u/r/") &&
			!bfs_formula_reference_is_valid("../../x"),
		"references that are not");
	ok(bfs_formula_tap_is_valid("u/r") && !bfs_formula_tap_is_valid("u") &&
			!bfs_formula_tap_is_valid("u/r/x") && !bfs_formula_tap_is_valid("/"),
		"taps");
	ok(bfs_formula_version_is_valid("1.2+dfsg~3,4_5") && !bfs_formula_version_is_valid(".") &&
			!bfs_formula_version_is_valid("..") && !bfs_formula_version_is_valid("a\n"),
		"versions");
	ok(bfs_formula_tag_is_valid("arm64_linux") && !bfs_formula_tag_is_valid("x86-64") &&
			!bfs_formula_tag_is_valid("../x"),
		"tags");
}

int main(void)
{
	_cleanup_free_ char *directory = data_directory();

	test_homebrew_sample(directory);
	test_postgresql(directory);
	test_wget(directory);
	test_oracle();
	test_internal_dependencies();
	test_internal_requirements();
	test_internal_bottle();
	test_internal_texts();
	test_keg_only();
	test_lifecycle();
	test_public_rules();
	test_public_arm();
	test_refusals();
	test_names();
	return done();
}
