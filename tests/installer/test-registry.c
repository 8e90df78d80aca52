/*
 * Where bottles are looked for, what authorises there, and what an image index tells.
 */
#include "installer/registry.h"
#include "tests/installer/web.h"
#include "tests/tap.h"

#define SHA  "8d35c9dfb46eea22b2b53c9c0deb00d7d95b6fe3fcfeb8d9404fd269d5739790"
#define BLOB "/blobs/sha256:" SHA
#define CORE "https://ghcr.io/v2/homebrew/core"

static void set_environment(const char *artifact, const char *no_fallback, const char *bottle,
	const char *bearer, const char *basic)
{
	static const char *const names[] = {"HOMEBREW_ARTIFACT_DOMAIN",
		"HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK", "HOMEBREW_BOTTLE_DOMAIN",
		"HOMEBREW_DOCKER_REGISTRY_TOKEN", "HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN"};
	const char *values[] = {artifact, no_fallback, bottle, bearer, basic};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(names); i++) {
		if (values[i])
			setenv(names[i], values[i], 1);
		else
			unsetenv(names[i]);
	}
}

static struct bfs_formula *make_formula(const char *name, const char *version, int revision,
	int rebuild, const char *tap, const char *root, const char *tag)
{
	_cleanup_json_ json_t *document =
		json_pack("{s:s, s:s, s:{s:s}, s:i, s:{s:{s:i, s:s?, s:{s:{s:s, s:s}}}}}", "name",
			name, "tap", tap, "versions", "stable", version, "revision", revision,
			"bottle", "stable", "rebuild", rebuild, "root_url", root, "files", tag,
			"cellar", ":any", "sha256", SHA);
	struct bfs_formula *formula = NULL;

	if (bfs_formula_from_public(document, "x86_64_linux", &formula, NULL) < 0)
		abort();
	return formula;
}

static struct bfs_formula *core_formula(
	const char *name, const char *version, int revision, int rebuild)
{
	return make_formula(
		name, version, revision, rebuild, "homebrew/core", NULL, "x86_64_linux");
}

/* Compares the sources with "URL AUTHORIZATION" lines; takes over the formula. */
static void expect(
	struct bfs_formula *formula, bool manifest, const char *expected, const char *what)
{
	_cleanup_registry_ struct bfs_registry *registry = NULL;
	_cleanup_registry_sources_ struct bfs_registry_sources sources = {NULL, 0, NULL};
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = bfs_registry_new(&registry, NULL);

	bfs_buffer_append_string(&text, "");
	if (r == 0 && manifest)
		r = bfs_registry_manifest_sources(registry, formula, &sources, NULL);
	else if (r == 0)
		r = bfs_registry_blob_sources(registry, formula, &sources, NULL);
	is_int(r, 0, "%s: there are places", what);
	for (size_t i = 0; i < sources.count; i++)
		bfs_buffer_append_format(&text, "%s%s %s", i ? "; " : "", sources.list[i].url,
			sources.list[i].authorization ? sources.list[i].authorization : "-");
	is_str(text.data, expected, "%s", what);
	bfs_formula_free(formula);
}

static void test_names(void)
{
	set_environment(NULL, NULL, NULL, NULL, NULL);
	expect(core_formula("proj", "9.8.1", 0, 0), false,
		CORE "/proj" BLOB " Bearer QQ==", "a blob at ghcr.io");
	expect(core_formula("openssl@3", "3.5.2", 0, 0), false,
		CORE "/openssl/3" BLOB " Bearer QQ==", "@ is a slash");
	expect(core_formula("libsigc++@2", "2.12", 0, 0), false,
		CORE "/libsigcxx/2" BLOB " Bearer QQ==", "+ is an x");
	expect(core_formula("glibc", "2.39", 1, 2), true,
		CORE "/glibc/manifests/2.39_1-2 Bearer QQ==",
		"the image tag has revision and rebuild");
	expect(core_formula("jq", "1.8", 0, 0), true,
		CORE "/jq/manifests/1.8 Bearer QQ==", "or neither");
	expect(core_formula("x", "1+2", 0, 0), true, "",
		"a version that makes no tag: no manifest");
	expect(core_formula("x", "1+2", 0, 0), false,
		CORE "/x" BLOB " Bearer QQ==", "but a blob nevertheless");
	expect(make_formula("y", "1", 0, 0, "User/repo", NULL, "x86_64_linux"), false,
		"https://ghcr.io/v2/user/repo/y" BLOB " Bearer QQ==", "a tap's registry");
	expect(make_formula("y", "1", 0, 0, "user/homebrew-repo", NULL, "x86_64_linux"), true,
		"https://ghcr.io/v2/user/repo/y/manifests/1 Bearer QQ==", "by its short name");
	expect(make_formula(
		       "y", "1", 0, 0, "user/repo", "https://x.example/bottles", "x86_64_linux"),
		false, "https://x.example/bottles/y-1.x86_64_linux.bottle.tar.gz -",
		"a tap's own flat mirror");
	expect(make_formula(
		       "y", "1", 0, 0, "user/repo", "https://x.example/bottles", "x86_64_linux"),
		true, "", "which has no manifests");
}

static void test_artifact_domain(void)
{
	set_environment("https://a.example/", NULL, NULL, NULL, NULL);
	expect(core_formula("jq", "1.8", 0, 0), false,
		"https://a.example/v2/homebrew/core/jq" BLOB " -; " CORE "/jq" BLOB " Bearer QQ==",
		"ARTIFACT_DOMAIN first, without a header");
	set_environment("https://a.example/v2", "1", NULL, "tok", NULL);
	expect(core_formula("jq", "1.8", 0, 0), true,
		"https://a.example/v2/homebrew/core/jq/manifests/1.8 Bearer tok",
		"one with /v2, no fallback, a token");
	set_environment("https://a.example/v2/ghcr", NULL, NULL, NULL, "YTpi");
	expect(core_formula("jq", "1.8", 0, 0), false,
		"https://a.example/v2/ghcr/homebrew/core/jq" BLOB " Basic YTpi; " CORE "/jq" BLOB
		" Bearer QQ==",
		"one with a path; its token does not go to ghcr.io");
	set_environment("https://a.example/v2x", NULL, NULL, NULL, NULL);
	expect(core_formula("jq", "1.8", 0, 0), false,
		"https://a.example/v2x/v2/homebrew/core/jq" BLOB " -; " CORE "/jq" BLOB
		" Bearer QQ==",
		"/v2x is no /v2");
	set_environment("https://a.example", NULL, NULL, NULL, NULL);
	expect(make_formula("y", "1", 0, 0, "user/repo", NULL, "x86_64_linux"), false,
		"https://a.example/v2/user/repo/y" BLOB " -; https://ghcr.io/v2/user/repo/y" BLOB
		" Bearer QQ==",
		"a tap's registry at ghcr.io as well");
}

static void test_bottle_domain(void)
{
	set_environment(NULL, NULL, "http://127.0.0.1:5000/v2/homebrew/core/", NULL, NULL);
	expect(core_formula("jq", "1.8", 0, 0), true,
		"http://127.0.0.1:5000/v2/homebrew/core/jq/manifests/1.8 Bearer QQ==; " CORE
		"/jq/manifests/1.8 Bearer QQ==",
		"a registry of one's own, then the default");
	set_environment(NULL, NULL, "http://127.0.0.1:5000/v2/a/b", NULL, "none");
	expect(core_formula("jq", "1.8", 0, 0), false,
		"http://127.0.0.1:5000/v2/a/b/jq" BLOB " -; " CORE "/jq" BLOB " Bearer QQ==",
		"\"none\": no header there");
	set_environment(NULL, NULL, "https://m.example/bottles", "tok", NULL);
	expect(core_formula("libsigc++@2", "2.12", 1, 3), false,
		"https://m.example/bottles/libsigc%2B%2B%402-2.12_1.x86_64_linux.bottle.3.tar.gz "
		"-; " CORE "/libsigcxx/2" BLOB " Bearer QQ==",
		"a flat mirror gets encoded names and no token");
	expect(core_formula("jq", "1.8", 0, 0), true, "", "and is not asked for manifests");
	expect(make_formula("jq", "1", 0, 0, "homebrew/core", NULL, "all"), false,
		"https://m.example/bottles/jq-1.all.bottle.tar.gz -; " CORE "/jq" BLOB
		" Bearer QQ==",
		"a bottle for all");
	set_environment(NULL, NULL, CORE, NULL, NULL);
	expect(core_formula("jq", "1.8", 0, 0), false,
		CORE "/jq" BLOB " Bearer QQ==", "the default is not tried twice");
	set_environment(NULL, NULL, NULL, "tok", "YTpi");
	expect(core_formula("jq", "1.8", 0, 0), false, CORE "/jq" BLOB " Bearer tok",
		"a token without a domain is for ghcr.io, the bearer before the basic one");
	expect(make_formula("y", "1", 0, 0, "u/r", "https://x.example/v2/a/b", "x86_64_linux"),
		false, "https://x.example/v2/a/b/y" BLOB " Bearer QQ==",
		"and never for what a tap's document names");
	set_environment(NULL, NULL, NULL, NULL, "none");
	expect(core_formula("jq", "1.8", 0, 0), false, CORE "/jq" BLOB " -", "\"none\" at ghcr.io");
}

static void test_environment_errors(void)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_registry *registry = NULL;

	set_environment(NULL, NULL, "m.example/bottles", NULL, NULL);
	is_int(bfs_registry_new(&registry, &error), -EINVAL, "a domain that is no URL is refused");
	ok(error.message && strstr(error.message, "HOMEBREW_BOTTLE_DOMAIN"),
		"the message names the variable: %s", bfs_error_message(&error, 0));
	set_environment(NULL, NULL, NULL, NULL, NULL);
}

/* ---- image indexes ---- */

static char *read_sample(void)
{
	_cleanup_free_ char *path =
		bfs_format("%s/tests/data/ghcr-index-cowsay-3.04_1.TRIMMED.json", getenv("srcdir"));
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;

	if (bfs_read_file(AT_FDCWD, path, 1 << 20, &text) < 0)
		abort();
	return bfs_buffer_steal(&text);
}

static int parse(const char *text, const struct bfs_formula *formula,
	struct bfs_bottle_manifest **ret, struct bfs_error *error)
{
	return bfs_bottle_manifest_parse(text, strlen(text), "cowsay", formula, ret, error);
}

static void test_sample(void)
{
	_cleanup_free_ char *text = read_sample();
	_cleanup_formula_ struct bfs_formula *cowsay = core_formula("cowsay", "3.04", 1, 0);
	_cleanup_formula_ struct bfs_formula *rebuilt = core_formula("cowsay", "3.04", 1, 1);
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

	is_int(parse(text, cowsay, &manifest, NULL), 0, "a real index of ghcr.io");
	if (!manifest)
		return;
	/* The same digest is listed for arm64_monterey, with another tab. */
	is_str(bfs_json_string_or(manifest->tab, "arch", ""), "x86_64",
		"the tag's own entry is taken");
	is_str(manifest->glibc_version, "2.23", "the builder's glibc");
	is_str(manifest->cpu_variant, "core2", "the CPU variant");
	is_int(manifest->bottle_size, -1, "an old index has no size");
	is_int(bfs_strings_count(manifest->path_exec_files), 0, "and no list of programs");
	bfs_bottle_manifest_free(bfs_steal(&manifest));
	is_int(parse(text, rebuilt, &manifest, &error), -ENOENT, "another rebuild is not in it");
	ok(error.message && strstr(error.message, "3.04_1.x86_64_linux.1"),
		"the message says what was looked for: %s", bfs_error_message(&error, 0));
}

static void check_annotations(
	const char *more, int code, const char *what, struct bfs_bottle_manifest **ret)
{
	_cleanup_formula_ struct bfs_formula *formula = core_formula("x", "1", 0, 0);
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	_cleanup_free_ char *text =
		bfs_format("{\"manifests\":[7,{},{\"annotations\":[]},{\"annotations\":{"
			   "\"org.opencontainers.image.ref.name\":\"1.x86_64_linux\","
			   "\"sh.brew.bottle.digest\":\"" SHA "\"%s}}]}",
			more);

	is_int(parse(text, formula, &manifest, NULL), code, "%s", what);
	if (ret)
		*ret = bfs_steal(&manifest);
}

static void test_annotations(void)
{
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	static const char *const documents[] = {
		"", "[]", "{}", "{\"manifests\":{}}", "{\"manifests\":"};
	_cleanup_formula_ struct bfs_formula *formula = core_formula("x", "1", 0, 0);

	check_annotations("", 0, "an entry without anything", NULL);
	check_annotations(
		",\"sh.brew.bottle.size\":\"3348\",\"sh.brew.bottle.installed_size\":\"36192\","
		"\"sh.brew.tab\":\"{\\\"arch\\\":\\\"x\\\"}\","
		"\"sh.brew.path_exec_files\":\"bin/a,/bin/b,../c,,sbin/d\"",
		0, "an entry with everything", &manifest);
	if (manifest) {
		is_int(manifest->bottle_size, 3348, "the size");
		is_int(manifest->installed_size, 36192, "the unpacked size");
		ok(bfs_strings_count(manifest->path_exec_files) == 2 &&
				strcmp(manifest->path_exec_files[1], "sbin/d") == 0,
			"programs, without paths that leave the keg");
	}
	check_annotations(",\"sh.brew.tab\":\"{\"", -EBADMSG, "a tab that is no JSON", NULL);
	check_annotations(",\"sh.brew.tab\":\"[]\"", -EBADMSG, "a tab that is no object", NULL);
	check_annotations(",\"sh.brew.bottle.size\":\"-1\"", -EBADMSG, "a negative size", NULL);
	check_annotations(
		",\"sh.brew.bottle.size\":\"1e9\"", -EBADMSG, "a size that is no number", NULL);
	check_annotations(",\"sh.brew.bottle.size\":\"99999999999999999999\"", -EBADMSG,
		"a size beyond 64 bits", NULL);
	for (size_t i = 0; i < BFS_ARRAY_LENGTH(documents); i++) {
		struct bfs_bottle_manifest *none = NULL;

		is_int(parse(documents[i], formula, &none, NULL), -EBADMSG,
			"no image index: \"%s\"", documents[i]);
	}
}

/* ---- fetching ---- */

static void serve(const struct web *web, const char *text)
{
	_cleanup_free_ char *directory =
		bfs_format("%s/v2/a/b/cowsay/manifests", web_file(web, "root"));
	_cleanup_free_ char *path = bfs_format("%s/3.04_1", directory);

	if (bfs_make_directories(AT_FDCWD, directory, 0755) < 0 ||
		bfs_replace_file(AT_FDCWD, path, text, strlen(text), 0644) < 0)
		abort();
}

static int fetch(const struct web *web, struct bfs_downloader *downloader, size_t *ret_requests)
{
	_cleanup_formula_ struct bfs_formula *formula = NULL;
	_cleanup_free_ char *root = bfs_format("http://127.0.0.1:%d/root", web_port(web, "plain"));
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	_cleanup_registry_ struct bfs_registry *registry = NULL;
	json_t *log;
	int r;

	/* The server's directory stands in for ghcr.io. */
	set_environment(root, "1", NULL, NULL, NULL);
	formula = make_formula("cowsay", "3.04", 1, 0, "a/b", NULL, "x86_64_linux");
	json_decref(web_take_log(web));
	if (bfs_registry_new(&registry, NULL) < 0)
		abort();
	r = bfs_registry_fetch_manifest(registry, downloader, formula, &manifest, NULL);
	log = web_take_log(web);
	*ret_requests = json_array_size(log);
	is_str(bfs_json_string_or(json_array_get(log, 0), "accept", ""),
		"application/vnd.oci.image.index.v1+json", "an image index is asked for");
	json_decref(log);
	return r;
}

static void test_fetch(void)
{
	_cleanup_free_ char *text = read_sample();
	struct bfs_downloader *downloader = NULL;
	struct web web;
	size_t requests;

	if (!web_start(&web, NULL)) {
		ok(true, "# SKIP fetching: python3 or openssl is missing");
		return;
	}
	if (bfs_downloader_new(NULL, &downloader, NULL) < 0)
		abort();
	is_int(fetch(&web, downloader, &requests), -ENOENT, "no index: no manifest");
	is_int(requests, 1, "which is asked for once");
	serve(&web, text);
	is_int(fetch(&web, downloader, &requests), 0, "an index with the entry");
	is_int(requests, 1, "is fetched once");
	serve(&web, "{\"manifests\":[]}");
	is_int(fetch(&web, downloader, &requests), -ENOENT, "one without the entry");
	is_int(requests, 2, "is fetched twice");
	serve(&web, "not json");
	is_int(fetch(&web, downloader, &requests), -EBADMSG, "one that is no JSON");
	is_int(requests, 2, "as well");
	bfs_downloader_free(downloader);
	web_stop(&web);
}

int main(void)
{
	setenv("BREWFS_RETRY_DELAY", "20", 1);
	setenv("no_proxy", "*", 1);
	if (!getenv("srcdir"))
		setenv("srcdir", ".", 1);
	test_names();
	test_artifact_domain();
	test_bottle_domain();
	test_environment_errors();
	test_sample();
	test_annotations();
	test_fetch();
	return done();
}
