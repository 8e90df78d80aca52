/*
 * The catalog against a server on loopback: the signed document and its cache, single documents,
 * taps, names.
 */
#include "installer/catalog.h"
#include "tests/installer/signing.h"
#include "tests/installer/web.h"
#include "tests/tap.h"

#include <sys/stat.h>
#include <time.h>

#define SHA "8d35c9dfb46eea22b2b53c9c0deb00d7d95b6fe3fcfeb8d9404fd269d5739790"

static struct web web;
static char scratch[] = "/tmp/test-catalog-XXXXXX";
static EVP_PKEY *key;

static void write_file(const char *path, const char *text)
{
	_cleanup_free_ char *full = bfs_format("%s/%s", web_file(&web, "root"), path);
	_cleanup_free_ char *parent = strdup(full);

	*strrchr(parent, '/') = '\0';
	if (bfs_make_directories(AT_FDCWD, parent, 0755) < 0 ||
		bfs_replace_file(AT_FDCWD, full, text, strlen(text), 0644) < 0)
		abort();
}

static void remove_file(const char *path)
{
	_cleanup_free_ char *full = bfs_format("%s/%s", web_file(&web, "root"), path);

	unlink(full);
}

#define PACKAGES "internal/packages.x86_64_linux.jws.json"

static void publish(const char *payload)
{
	_cleanup_free_ char *text = signed_document(key, payload);

	write_file(PACKAGES, text);
}

/* A new cache, so that nothing is known. */
static void forget(void)
{
	static int count;
	_cleanup_free_ char *path = bfs_format("%s/cache%d", scratch, count++);

	setenv("BREWFS_CACHE", path, 1);
}

static struct bfs_catalog *open_catalog(int expected, const char *what)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_catalog *catalog = NULL;
	int r = bfs_catalog_open("x86_64_linux", BFS_CATALOG_FRESH, &catalog, &error);

	is_int(r, expected, "%s", what);
	if (r < 0)
		printf("# %s\n", bfs_error_message(&error, r));
	return catalog;
}

static size_t count_requests(void)
{
	json_t *log = web_take_log(&web);
	size_t count = json_array_size(log);

	json_decref(log);
	return count;
}

static void finds(struct bfs_catalog *catalog, const char *name, const char *expected)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_formula *formula = NULL;
	int r = bfs_catalog_find(catalog, name, &formula, &error);

	is_str(r == 0 ? formula->name : bfs_error_message(&error, r), expected, "%s is found",
		name);
}

static void misses(struct bfs_catalog *catalog, const char *name, int code, const char *text)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	const struct bfs_formula *formula = NULL;
	int r = bfs_catalog_find(catalog, name, &formula, &error);

	is_int(r, code, "%s is not found", name);
	ok(error.message && strstr(error.message, text), "the message says \"%s\": %s", text,
		bfs_error_message(&error, r));
}

#define FORMULA "{\"stable_version\":\"1\",\"bottle_checksum\":\"" SHA "\"}"
static const char payload[] =
	"{\"metadata\":{\"bottle_tag\":\"x86_64_linux\"},\"formulae\":{\"jq\":" FORMULA
	",\"proj\":" FORMULA ",\"libsigc\\u002b+@2\":" FORMULA ",\"python@3.14\":" FORMULA
	",\"bad\":{\"stable_version\":7}},\"casks\":{\"jq\":{\"x\":[1,{\"y\":\"}\"}]}},"
	"\"formula_aliases\":{\"python3\":\"python@3.14\",\"python\":\"python3\"},"
	"\"formula_renames\":{\"jason\":\"jq\",\"snake\":\"python\",\"loop\":\"pool\",\"pool\":"
	"\"loop\"},"
	"\"formula_tap_git_head\":\"0\","
	"\"formula_tap_migrations\":{\"gone\":\"other/tap\"}}";

static void test_names(void)
{
	struct bfs_catalog *catalog;
	const struct bfs_formula *first = NULL, *second = NULL;

	forget();
	publish(payload);
	catalog = open_catalog(0, "a signed document is opened");
	if (!catalog)
		return;
	finds(catalog, "jq", "jq");
	finds(catalog, "JQ", "jq");
	finds(catalog, "homebrew/core/jq", "jq");
	finds(catalog, "homebrew/homebrew-core/jq", "jq");
	finds(catalog, "homebrew/homebrew/jq", "jq");
	finds(catalog, "libsigc++@2", "libsigc++@2");
	finds(catalog, "python3", "python@3.14");
	finds(catalog, "python", "python@3.14");
	finds(catalog, "jason", "jq");
	finds(catalog, "snake", "python@3.14");
	bfs_catalog_find(catalog, "jq", &first, NULL);
	bfs_catalog_find(catalog, "jason", &second, NULL);
	ok(first && first == second, "a formula is one, by whatever name");
	misses(catalog, "gone", -EREMOTE, "other/tap");
	misses(catalog, "jqq", -ENOENT, "Did you mean jq?");
	misses(catalog, "pythn3", -ENOENT, "python3");
	misses(catalog, "quite-another", -ENOENT, "no formula of this name");
	misses(catalog, "loop", -ENOENT, "no formula of this name");
	misses(catalog, "bad", -EBADMSG, "stable_version");
	misses(catalog, "../../etc/passwd", -EINVAL, "cannot be the name");
	misses(catalog, "", -EINVAL, "cannot be the name");
	is_str(bfs_catalog_tag(catalog), "x86_64_linux", "the catalog knows its tag");
	bfs_catalog_free(catalog);
}

static void test_cache(void)
{
	json_t *log;

	forget();
	publish(payload);
	count_requests();
	bfs_catalog_free(open_catalog(0, "opened first"));
	is_int(count_requests(), 1, "the document is downloaded");
	bfs_catalog_free(open_catalog(0, "opened again"));
	is_int(count_requests(), 0, "nothing is asked");
	setenv("HOMEBREW_API_AUTO_UPDATE_SECS", "0", 1);
	bfs_catalog_free(open_catalog(0, "opened after a while"));
	log = web_take_log(&web);
	is_int(json_array_size(log), 1, "one request");
	ok(json_is_string(json_object_get(json_array_get(log, 0), "match")) &&
			json_is_string(json_object_get(json_array_get(log, 0), "since")),
		"asks whether the document changed, by ETag and date");
	json_decref(log);
	setenv("HOMEBREW_NO_AUTO_UPDATE", "1", 1);
	bfs_catalog_free(open_catalog(0, "opened with HOMEBREW_NO_AUTO_UPDATE"));
	is_int(count_requests(), 0, "nothing is asked");
	unsetenv("HOMEBREW_NO_AUTO_UPDATE");
}

static void test_update(void)
{
	struct bfs_catalog *before = open_catalog(0, "opened before a change"), *after;

	publish("{\"formulae\":{\"new\":" FORMULA "}}");
	after = open_catalog(0, "opened after a change");
	if (!before || !after)
		return;
	finds(after, "new", "new");
	misses(after, "jq", -ENOENT, "no formula");
	finds(before, "jq", "jq");
	bfs_catalog_free(before);
	bfs_catalog_free(after);
}

static void test_old_form(void)
{
	struct bfs_catalog *catalog;

	publish("{\"formulae\":{\"jq\":" FORMULA "},\"aliases\":{\"q\":\"jq\"},"
		"\"renames\":{\"old\":\"jq\"},\"tap_migrations\":{\"m\":\"a/b\"}}");
	catalog = open_catalog(0, "the keys of formula.TAG.jws.json are understood");
	finds(catalog, "q", "jq");
	finds(catalog, "old", "jq");
	misses(catalog, "m", -EREMOTE, "a/b");
	bfs_catalog_free(catalog);
}

static void test_bad_signature(void)
{
	EVP_PKEY *other = make_key(4096);
	_cleanup_free_ char *text = signed_document(other, payload);
	_cleanup_free_ char *path = bfs_format("%s/key.pem", scratch);

	publish(payload);
	bfs_catalog_free(open_catalog(0, "a good document is cached"));
	write_file(PACKAGES, text);
	count_requests();
	ok(!open_catalog(
		   -EKEYREJECTED, "one of another key is fatal, though there is a cached one"),
		"and no catalog is opened");
	is_int(count_requests(), 1, "nobody else is asked");
	use_key(other, path);
	bfs_catalog_free(open_catalog(0, "to who trusts the other key, it is good"));
	use_key(key, path);
	setenv("HOMEBREW_NO_AUTO_UPDATE", "1", 1);
	count_requests();
	ok(!open_catalog(-EKEYREJECTED, "what was cached under another key is not used"),
		"and no catalog is opened");
	is_int(count_requests(), 1, "but downloaded again, at any age");
	unsetenv("HOMEBREW_NO_AUTO_UPDATE");
	EVP_PKEY_free(other);
}

static void test_bad_payloads(void)
{
	static const char *const payloads[] = {"", "[]", "{}", "null", "{\"formulae\":[]}",
		"{\"formulae\":{\"a\":1", "{\"formulae\":{\"a\":1,\"a\":2}}",
		"{\"formulae\":{},\"formula_aliases\":{\"a\":1}}",
		"{\"formulae\":{},\"formula_renames\":{\"a\":\"\\ud800\"}}", "{\"formulae\":{}} x"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(payloads); i++) {
		forget();
		publish(payloads[i]);
		ok(!open_catalog(-EBADMSG, "a signed payload that is none is refused"), "%s",
			payloads[i]);
	}
}

static void test_damaged_cache(void)
{
	_cleanup_free_ char *command = NULL;
	struct bfs_catalog *catalog;

	forget();
	publish(payload);
	bfs_catalog_free(open_catalog(0, "cached"));
	command = bfs_format(
		"for f in %s/api/*/*.sqlite; do echo damage >$f; done", getenv("BREWFS_CACHE"));
	if (system(command) != 0)
		abort();
	count_requests();
	catalog = open_catalog(0, "a damaged file is no obstacle");
	is_int(count_requests(), 1, "the document is downloaded again");
	finds(catalog, "jq", "jq");
	bfs_catalog_free(catalog);
}

static void fails_to_open(const char *text, const char *what)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_catalog *catalog = NULL;

	is_int(bfs_catalog_open("x86_64_linux", BFS_CATALOG_FRESH, &catalog, &error), -ECONNREFUSED,
		"%s: an error", what);
	ok(error.message && strstr(error.message, text), "the message names %s: %s", text,
		bfs_error_message(&error, 0));
}

/* The server is gone; formulae.brew.sh is behind a proxy that nobody runs. */
static void test_unreachable(void)
{
	_cleanup_free_ char *dead = bfs_format("http://127.0.0.1:%d/", web_port(&web, "dead"));
	_cleanup_free_ char *live = strdup(getenv("HOMEBREW_API_DOMAIN"));
	_cleanup_free_ char *key_path = strdup(getenv("BREWFS_API_KEY"));
	struct bfs_catalog *catalog;

	forget();
	publish(payload);
	bfs_catalog_free(open_catalog(0, "cached"));
	remove_file(PACKAGES);
	catalog = open_catalog(0, "a document that the server no longer has: the cached one");
	finds(catalog, "jq", "jq");
	bfs_catalog_free(catalog);
	setenv("HOMEBREW_API_DOMAIN", dead, 1);
	fails_to_open("127.0.0.1", "neither server nor cache");
	unsetenv("BREWFS_API_KEY");
	fails_to_open("https://formulae.brew.sh/api/internal",
		"nor Homebrew's server, which is asked "
		"where its key counts");
	setenv("BREWFS_API_KEY", key_path, 1);
	setenv("HOMEBREW_API_DOMAIN", live, 1);
}

static void test_many_processes(void)
{
	size_t good = 0;

	forget();
	publish(payload);
	unsetenv("HOMEBREW_API_AUTO_UPDATE_SECS");
	count_requests();
	for (int i = 0; i < 6; i++) {
		if (fork() == 0) {
			const struct bfs_formula *formula;
			struct bfs_catalog *catalog = NULL;

			_exit(bfs_catalog_open("x86_64_linux", BFS_CATALOG_FRESH, &catalog, NULL) <
					0 ||
				bfs_catalog_find(catalog, "jq", &formula, NULL) < 0);
		}
	}
	for (int i = 0; i < 6; i++) {
		int status;

		wait(&status);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	is_int(good, 6, "six processes at once find their formula");
	is_int(count_requests(), 1, "with one download");
	setenv("HOMEBREW_API_AUTO_UPDATE_SECS", "0", 1);
}

/* ---- single documents ---- */

static void write_formula(const char *directory, const char *name, const char *more)
{
	_cleanup_free_ char *path = bfs_format("%s/%s.json", directory, name);
	_cleanup_free_ char *text =
		bfs_format("{\"name\":\"%s\",\"versions\":{\"stable\":\"1\"}%s}", name, more);

	write_file(path, text);
}

/* Standard error into a file, and back. */
static char *capture(void (*function)(void))
{
	_cleanup_free_ char *path = bfs_format("%s/stderr", scratch);
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int saved = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	dup2(fd, STDERR_FILENO);
	function();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	bfs_read_file(AT_FDCWD, path, 1 << 20, &text);
	return bfs_buffer_steal(&text);
}

static size_t count_in(const char *text, const char *word)
{
	size_t count = 0;

	while ((text = strstr(text, word))) {
		count++;
		text++;
	}
	return count;
}

static void use_single(void)
{
	struct bfs_catalog *catalog = open_catalog(0, "a server without the packages document");
	json_t *log;

	if (!catalog)
		return;
	json_decref(web_take_log(&web));
	finds(catalog, "jq", "jq");
	finds(catalog, "jq", "jq");
	finds(catalog, "c++", "c++");
	finds(catalog, "jason", "jq");
	log = web_take_log(&web);
	is_str(bfs_json_string_or(json_array_get(log, 1), "path", ""), "/root/formula/c%2B%2B.json",
		"names are percent-encoded");
	json_decref(log);
	misses(catalog, "jqq", -ENOENT, "no formula of this name");
	misses(catalog, "liar", -EBADMSG, "it describes honest");
	misses(catalog, "broken", -EBADMSG, "JSON");
	bfs_catalog_free(catalog);
}

static void test_single(void)
{
	_cleanup_free_ char *text = NULL;
	struct bfs_catalog *catalog;
	const struct bfs_formula *formula = NULL;
	json_t *log;

	forget();
	remove_file(PACKAGES);
	write_formula("formula", "jq", ",\"oldnames\":[\"jason\"]");
	write_formula("formula", "c++", "");
	write_file("formula/jason.json",
		"{\"name\":\"jq\",\"oldnames\":[\"jason\"],\"versions\":{\"stable\":\"1\"}}");
	write_file("formula/liar.json", "{\"name\":\"honest\",\"versions\":{\"stable\":\"1\"}}");
	write_file("formula/broken.json", "{\"name\":");
	text = capture(use_single);
	is_int(count_in(text, "not signed"), 1, "one warning says that they are not signed");
	unsetenv("HOMEBREW_API_AUTO_UPDATE_SECS");
	catalog = open_catalog(0, "opened again");
	count_requests();
	finds(catalog, "jq", "jq");
	is_int(count_requests(), 0, "a document that was just read is not asked for");
	bfs_catalog_free(catalog);
	setenv("HOMEBREW_API_AUTO_UPDATE_SECS", "0", 1);
	catalog = open_catalog(0, "opened later");
	json_decref(web_take_log(&web));
	finds(catalog, "jq", "jq");
	log = web_take_log(&web);
	ok(json_is_string(json_object_get(json_array_get(log, 0), "match")),
		"an older one is asked for by its ETag");
	json_decref(log);
	bfs_catalog_free(catalog);
	write_file("formula/jq.json", "{\"name\":\"jq\",\"versions\":{\"stable\":\"2\"}}");
	catalog = open_catalog(0, "opened after a change");
	is_int(bfs_catalog_find(catalog, "jq", &formula, NULL), 0, "the changed one is found");
	is_str(formula ? formula->version : "", "2", "as it is now");
	bfs_catalog_free(catalog);
}

/* ---- taps and local formulae ---- */

static void test_taps(void)
{
	_cleanup_free_ char *url =
		bfs_format("http://127.0.0.1:%d/root/tap/", web_port(&web, "plain"));
	_cleanup_free_ char *git =
		bfs_format("http://127.0.0.1:%d/nowhere", web_port(&web, "plain"));
	struct bfs_catalog *catalog;
	const struct bfs_formula *formula = NULL;

	forget();
	publish(payload);
	write_formula(
		"tap/formula", "mine", ",\"tap\":\"who/ever\",\"dependencies\":[\"user/repo/y\"]");
	write_formula("tap/formula", "jq", "");
	catalog = open_catalog(0, "opened");
	is_int(bfs_catalog_add_tap(catalog, "User/homebrew-repo", url, NULL), 0,
		"a tap with documents");
	is_int(bfs_catalog_add_tap(catalog, "git/tap", git, NULL), 0, "a tap with a git URL");
	is_int(bfs_catalog_add_tap(catalog, "bare/tap", NULL, NULL), 0, "a tap without a URL");
	is_int(bfs_catalog_add_tap(catalog, "ssh/tap", "git@github.com:x/y", NULL), 0,
		"a tap with an address");
	is_int(bfs_catalog_add_tap(catalog, "nonsense", NULL, NULL), -EINVAL, "no tap");
	is_int(bfs_catalog_find(catalog, "user/repo/mine", &formula, NULL), 0, "its formula");
	is_str(formula ? formula->tap : "", "user/repo",
		"belongs to it, whatever the document says");
	is_int(bfs_catalog_find(catalog, "user/homebrew-repo/jq", &formula, NULL), 0,
		"a formula of the same name as a core one");
	is_str(formula ? formula->tap : "", "user/repo", "is the tap's");
	is_int(bfs_catalog_find(catalog, "jq", &formula, NULL), 0, "and the other one");
	is_str(formula ? formula->tap : "", "homebrew/core", "is core's");
	misses(catalog, "user/repo/none", -EOPNOTSUPP, "API documents");
	misses(catalog, "git/tap/x", -EOPNOTSUPP, "/nowhere has no formula/NAME.json");
	misses(catalog, "bare/tap/x", -EOPNOTSUPP, "API documents");
	misses(catalog, "ssh/tap/x", -EOPNOTSUPP, "API documents");
	misses(catalog, "un/known/x", -EOPNOTSUPP, "API documents");
	bfs_catalog_free(catalog);
}

static void test_local(void)
{
	_cleanup_json_ json_t *document = json_loads(FORMULA, 0, NULL);
	struct bfs_catalog *catalog = open_catalog(0, "opened");
	struct bfs_formula *formula = NULL;
	const struct bfs_formula *found = NULL;

	if (bfs_formula_from_internal("jq", document, "x86_64_linux", &formula, NULL) < 0)
		abort();
	is_int(bfs_catalog_add_formula(catalog, formula), 0, "a local formula is added");
	is_int(bfs_catalog_find(catalog, "jq", &found, NULL), 0, "found by its name");
	ok(found == formula, "it comes before core's");
	bfs_catalog_free(catalog);
}

static void test_environment(void)
{
	_cleanup_free_ char *live = strdup(getenv("HOMEBREW_API_DOMAIN"));

	setenv("HOMEBREW_API_DOMAIN", "formulae.example", 1);
	ok(!open_catalog(-EINVAL, "an API domain that is no URL is refused"), "no catalog");
	setenv("HOMEBREW_API_DOMAIN", live, 1);
}

/* ---- speed ---- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void test_speed(void)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	const struct bfs_formula *formula;
	struct bfs_catalog *catalog;
	double start;

	forget();
	bfs_buffer_append_string(&text, "{\"formulae\":{");
	for (int i = 0; i < 9000; i++)
		bfs_buffer_append_format(&text,
			"%s\"f%d\":{\"stable_version\":\"%d\",\"desc\":\"%0400d\"}", i ? "," : "",
			i, i, i);
	bfs_buffer_append_string(&text, "}}");
	publish(text.data);
	bfs_catalog_free(open_catalog(0, "9,000 formulae are read once"));
	setenv("HOMEBREW_NO_AUTO_UPDATE", "1", 1);
	start = now();
	catalog = open_catalog(0, "and opened again");
	for (int i = 0; i < 9000; i += 100) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		if (bfs_catalog_find(catalog, name, &formula, NULL) < 0)
			abort();
	}
	ok(now() - start < 0.2, "opening and 90 look-ups take %.1f ms", (now() - start) * 1000);
	unsetenv("HOMEBREW_NO_AUTO_UPDATE");
	bfs_catalog_free(catalog);
}

int main(void)
{
	_cleanup_free_ char *path = NULL, *url = NULL, *proxy = NULL;

	if (!web_start(&web, NULL) || !mkdtemp(scratch)) {
		printf("1..0 # SKIP python3 or openssl is missing\n");
		return 0;
	}
	key = make_key(4096);
	path = bfs_format("%s/key.pem", scratch);
	use_key(key, path);
	url = bfs_format("http://127.0.0.1:%d/root/", web_port(&web, "plain"));
	proxy = bfs_format("http://127.0.0.1:%d", web_port(&web, "dead"));
	setenv("HOMEBREW_API_DOMAIN", url, 1);
	setenv("https_proxy", proxy, 1);
	setenv("no_proxy", "127.0.0.1", 1);
	setenv("BREWFS_RETRY_DELAY", "20", 1);
	test_names();
	test_cache();
	test_update();
	test_old_form();
	test_bad_signature();
	test_bad_payloads();
	test_damaged_cache();
	test_unreachable();
	test_many_processes();
	test_single();
	test_taps();
	test_local();
	test_environment();
	test_speed();
	EVP_PKEY_free(key);
	bfs_remove_tree(AT_FDCWD, scratch);
	web_stop(&web);
	return done();
}
