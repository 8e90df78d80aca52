/*
 * Signatures: a good one passes, every other kind is refused with -EKEYREJECTED and says what it
 * may mean.
 */
#include "installer/jws.h"
#include "tests/installer/signing.h"
#include "tests/tap.h"

#define PAYLOAD "{\"formulae\":{\"é\":\"a\\\"b\\\\c\\/\\u0041 \\n\"}}"

static char key_path[64];

static struct bfs_jws_key *load_key(void)
{
	struct bfs_jws_key *key = NULL;

	if (bfs_jws_key_load(&key, NULL) < 0)
		abort();
	return key;
}

static int verify(const char *text, char **ret_payload, struct bfs_error *error)
{
	_cleanup_jws_key_ struct bfs_jws_key *key = load_key();
	_cleanup_buffer_ struct bfs_buffer document = BFS_BUFFER_INIT;
	char *payload;
	size_t length;
	int r;

	bfs_buffer_append_string(&document, text);
	r = bfs_jws_verify(
		key, &document, "http://test/packages.jws.json", &payload, &length, error);
	if (r == 0 && ret_payload)
		*ret_payload = strndup(payload, length);
	return r;
}

static void is_refused(const char *text, const char *what)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	int r = verify(text, NULL, &error);

	is_int(r, -EKEYREJECTED, "%s: refused", what);
	ok(strstr(bfs_error_message(&error, r), "http://test/packages.jws.json") &&
			strstr(bfs_error_message(&error, r), "man-in-the-middle"),
		"%s: the message names the document and the danger: %s", what,
		bfs_error_message(&error, r));
}

static void test_good(EVP_PKEY *key)
{
	_cleanup_free_ char *text = signed_document(key, PAYLOAD), *payload = NULL, *spaced = NULL;
	json_t *document = json_loads(text, 0, NULL);

	is_int(verify(text, &payload, NULL), 0, "a signed document is accepted");
	is_str(payload, PAYLOAD, "its payload is what was signed, unescaped");
	free(bfs_steal(&payload));
	spaced = json_dumps(document, JSON_INDENT(3) | JSON_ENSURE_ASCII);
	json_decref(document);
	is_int(verify(spaced, &payload, NULL), 0, "also with other white space and \\u escapes");
	is_str(payload, PAYLOAD, "and the same payload");
}

static void test_other_signatures(EVP_PKEY *key, EVP_PKEY *other)
{
	_cleanup_free_ char *good = sign(key, GOOD_HEADER, PAYLOAD, EVP_sha512(), 64);
	_cleanup_free_ char *bad = sign(other, GOOD_HEADER, PAYLOAD, EVP_sha512(), 64);
	_cleanup_free_ char *text = NULL;

	text = envelope(PAYLOAD, json_pack("[o, o]", signature_object("other", GOOD_HEADER, bad),
					 signature_object("homebrew-1", GOOD_HEADER, good)));
	is_int(verify(text, NULL, NULL), 0, "signatures of other keys beside ours do not matter");
	free(bfs_steal(&text));
	text = envelope(
		PAYLOAD, json_pack("[o, o]", signature_object("homebrew-1", GOOD_HEADER, good),
				 signature_object("homebrew-1", GOOD_HEADER, bad)));
	is_refused(text, "two signatures of our key");
	free(bfs_steal(&text));
	text = envelope(
		PAYLOAD, json_pack("[o]", signature_object("homebrew-2", GOOD_HEADER, good)));
	is_refused(text, "another kid");
	free(bfs_steal(&text));
	text = envelope(PAYLOAD, json_array());
	is_refused(text, "no signature");
	free(bfs_steal(&text));
	text = envelope(
		PAYLOAD, json_pack("[o]", signature_object("homebrew-1", GOOD_HEADER, bad)));
	is_refused(text, "a signature by another key");
	free(bfs_steal(&text));
	text = envelope(
		PAYLOAD " ", json_pack("[o]", signature_object("homebrew-1", GOOD_HEADER, good)));
	is_refused(text, "a payload with one more byte");
}

static void refuse_header(
	EVP_PKEY *key, const char *header, const EVP_MD *digest, int salt, const char *what)
{
	_cleanup_free_ char *signature = sign(key, header, PAYLOAD, digest, salt);
	_cleanup_free_ char *text = envelope(
		PAYLOAD, json_pack("[o]", signature_object("homebrew-1", header, signature)));

	is_refused(text, what);
}

static void test_algorithms(EVP_PKEY *key)
{
	refuse_header(key, "{\"alg\":\"RS512\",\"b64\":false}", EVP_sha512(), 64, "alg RS512");
	refuse_header(key, "{\"alg\":\"none\",\"b64\":false}", EVP_sha512(), 64, "alg none");
	refuse_header(key, "{\"b64\":false}", EVP_sha512(), 64, "no alg");
	refuse_header(key, "{\"alg\":\"PS512\"}", EVP_sha512(), 64, "no b64");
	refuse_header(key, "{\"alg\":\"PS512\",\"b64\":true}", EVP_sha512(), 64, "b64 true");
	refuse_header(key, "{\"alg\":\"PS512\",\"b64\":null}", EVP_sha512(), 64, "b64 null");
	refuse_header(key, "{\"alg\":\"PS512\",\"alg\":\"none\",\"b64\":false}", EVP_sha512(), 64,
		"alg twice");
	refuse_header(key, "[]", EVP_sha512(), 64, "a header that is no object");
	refuse_header(key, "no json", EVP_sha512(), 64, "a header that is no JSON");
	refuse_header(key, GOOD_HEADER, EVP_sha256(), 64, "a signature over SHA-256");
	refuse_header(key, GOOD_HEADER, EVP_sha512(), 32, "a salt of 32 bytes");
}

static void refuse_signature(const char *signature, const char *what)
{
	_cleanup_free_ char *text = envelope(
		PAYLOAD, json_pack("[o]", signature_object("homebrew-1", GOOD_HEADER, signature)));

	is_refused(text, what);
}

static void test_malformed_base64(EVP_PKEY *key)
{
	_cleanup_free_ char *good = sign(key, GOOD_HEADER, PAYLOAD, EVP_sha512(), 64);
	_cleanup_free_ char *padded = bfs_format("%s=", good), *more = bfs_format("%sA", good);
	_cleanup_free_ char *twice = bfs_format("%s==", good), *text = NULL;
	size_t last = strlen(good) - 1;
	char kept = good[10];

	text = envelope(
		PAYLOAD, json_pack("[o]", signature_object("homebrew-1", GOOD_HEADER, padded)));
	is_int(verify(text, NULL, NULL), 0, "complete padding is accepted");
	refuse_signature(twice, "padding beyond a multiple of four");
	refuse_signature("", "an empty signature");
	refuse_signature("A", "a single character");
	refuse_signature("AAAA", "a short signature");
	refuse_signature(more, "one more character");
	good[10] = '+';
	refuse_signature(good, "the alphabet of plain base64");
	good[10] = ' ';
	refuse_signature(good, "a blank inside");
	good[10] = kept;
	good[last]++;
	refuse_signature(good, "bits left over that are not zero");
}

static void test_malformed_documents(EVP_PKEY *key)
{
	_cleanup_free_ char *good = signed_document(key, PAYLOAD);
	_cleanup_free_ char *text = NULL;
	static const char *const documents[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"payload\":\"x\"}",
		"{\"signatures\":[]}",
		"{\"payload\":1,\"signatures\":[]}",
		"{\"payload\":\"x\",\"signatures\":{}}",
		"{\"payload\":\"x\",\"signatures\":[1,null,[],\"y\",{\"header\":7}]}",
		"{\"payload\":\"\\ud800\",\"signatures\":[]}",
		"{\"payload\":\"\\udc00\\ud800\",\"signatures\":[]}",
		"{\"payload\":\"\\x\",\"signatures\":[]}",
		"{\"payload\":\"\\u12\",\"signatures\":[]}",
		"{\"payload\":\"\n\",\"signatures\":[]}",
		"{\"payload\":\"x\\\",\"signatures\":[]}",
		"{\"payload\":\"x\",\"signatures\":[]",
		"{\"payload\":\"x\",\"signatures\":[]}}",
		"{\"payload\":\"x\",\"signatures\":[}",
		"{\"payload\":\"x\",\"signatures\":[],}",
		"{\"payload\":\"x\" \"signatures\":[]}",
		"{payload:\"x\",\"signatures\":[]}",
	};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(documents); i++) {
		_cleanup_free_ char *what = bfs_format("malformed document %zu", i);

		is_refused(documents[i], what);
	}
	text = bfs_format("{\"payload\":\"forged\",%s", good + 1);
	is_refused(text, "a second payload");
	free(bfs_steal(&text));
	text = bfs_format("{\"signatures\":[],%s", good + 1);
	is_refused(text, "signatures twice");
	free(bfs_steal(&text));
	text = bfs_format("%s x", good);
	is_refused(text, "something after the document");
	good[strlen(good) / 2] = '\0';
	is_refused(good, "half a document");
}

static void test_keys(EVP_PKEY *small)
{
	_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;
	struct bfs_jws_key *key = NULL;
	struct bfs_digest builtin;
	FILE *file;

	use_key(small, key_path);
	is_int(bfs_jws_key_load(&key, &error), -EKEYREJECTED, "a key of 2,048 bits is refused");
	ok(error.message && strstr(error.message, key_path) && strstr(error.message, "4096"),
		"the message names the file and the size: %s", bfs_error_message(&error, 0));
	bfs_error_clear(&error);
	file = fopen(key_path, "w");
	fputs("no key\n", file);
	fclose(file);
	is_int(bfs_jws_key_load(&key, &error), -EKEYREJECTED, "a file that is no key is refused");
	bfs_error_clear(&error);
	unlink(key_path);
	is_int(bfs_jws_key_load(&key, &error), -ENOENT, "a missing file is told");
	unsetenv("BREWFS_API_KEY");
	key = load_key();
	builtin = *bfs_jws_key_digest(key);
	bfs_jws_key_free(key);
	if (getenv("srcdir")) {
		_cleanup_free_ char *path =
			bfs_format("%s/tests/data/homebrew-1.pem", getenv("srcdir"));

		setenv("BREWFS_API_KEY", path, 1);
		key = load_key();
		ok(bfs_digest_equal(&builtin, bfs_jws_key_digest(key)),
			"the compiled-in key is Homebrew's");
		bfs_jws_key_free(key);
	}
}

int main(void)
{
	EVP_PKEY *key = make_key(4096), *other = make_key(4096), *small = make_key(2048);

	snprintf(key_path, sizeof(key_path), "/tmp/test-jws-%d.pem", (int)getpid());
	use_key(key, key_path);
	test_good(key);
	test_other_signatures(key, other);
	test_algorithms(key);
	test_malformed_base64(key);
	test_malformed_documents(key);
	test_keys(small);
	unlink(key_path);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	EVP_PKEY_free(small);
	return done();
}
