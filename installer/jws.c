#include "installer/jws.h"

#include "installer/homebrew_key.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/json_walk.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define KEY_ID	       "homebrew-1"
#define KEY_BITS       4096
#define SALT_SIZE      64	      /* bytes: the digest's length (RFC 7518 section 3.5) */
#define SIGNATURE_SIZE (KEY_BITS / 8) /* bytes */
#define KEY_FILE_LIMIT (64 * 1024)    /* bytes; a PEM of such a key has 800 */
#define HEADER_LIMIT   (64 * 1024)    /* bytes of everything but the payload; Homebrew's has 900 */
#define STEP	       "verifying the signature"

struct bfs_jws_key {
	EVP_PKEY *key;
	struct bfs_digest digest;
	bool is_homebrews;
};

BFS_DEFINE_CLEANUP(BIO *, cleanup_bio, BIO_free_all)
BFS_DEFINE_CLEANUP(EVP_PKEY *, cleanup_pkey, EVP_PKEY_free)
BFS_DEFINE_CLEANUP(EVP_MD_CTX *, cleanup_md_context, EVP_MD_CTX_free)

/* ---- the key ---- */

static int digest_key(EVP_PKEY *key, struct bfs_digest *ret_digest)
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(key, &der);
	int r;

	if (length < 0)
		return -ENOMEM;
	r = bfs_digest_of(der, (size_t)length, ret_digest);
	OPENSSL_free(der);
	return r;
}

static int parse_key(const char *pem, size_t length, const char *name, struct bfs_jws_key *key,
	struct bfs_error *error)
{
	char no_passphrase[] = "";
	BFS_CLEANUP(cleanup_bio) BIO *bio = BIO_new_mem_buf(pem, (int)length);

	if (!bio)
		return -ENOMEM;
	/* With a passphrase given, though empty, OpenSSL asks for none on the terminal. */
	key->key = PEM_read_bio_PUBKEY(bio, NULL, NULL, no_passphrase);
	if (!key->key)
		return bfs_error_set(error, -EKEYREJECTED, "reading the API key", name,
			"not a public key in PEM form");
	if (EVP_PKEY_base_id(key->key) != EVP_PKEY_RSA || EVP_PKEY_bits(key->key) != KEY_BITS)
		return bfs_error_set(error, -EKEYREJECTED, "reading the API key", name,
			"not an RSA key of %d bits", KEY_BITS);
	return digest_key(key->key, &key->digest);
}

int bfs_jws_key_load(struct bfs_jws_key **ret_key, struct bfs_error *error)
{
	_cleanup_jws_key_ struct bfs_jws_key *key = calloc(1, sizeof(*key));
	_cleanup_buffer_ struct bfs_buffer file = BFS_BUFFER_INIT;
	const char *path = getenv("BREWFS_API_KEY");
	const char *pem = bfs_homebrew_key_pem;
	int r;

	if (!key)
		return -ENOMEM;
	if (path && *path) {
		r = bfs_read_file(AT_FDCWD, path, KEY_FILE_LIMIT, &file);
		if (r < 0)
			return bfs_error_set(error, r, "reading the API key", path, NULL);
		pem = file.data ? file.data : "";
	} else {
		path = "(Homebrew's)";
		key->is_homebrews = true;
	}
	r = parse_key(pem, strlen(pem), path, key, error);
	if (r < 0)
		return r;
	*ret_key = bfs_steal(&key);
	return 0;
}

void bfs_jws_key_free(struct bfs_jws_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->key);
	free(key);
}

const struct bfs_digest *bfs_jws_key_digest(const struct bfs_jws_key *key)
{
	return &key->digest;
}

bool bfs_jws_key_is_homebrews(const struct bfs_jws_key *key)
{
	return key->is_homebrews;
}

/* ---- the envelope ---- */

struct envelope {
	struct bfs_slice payload; /* still a JSON string */
	json_t *signatures;	  /* owned */
};

static int reject(struct bfs_error *error, const char *name, const char *reason)
{
	return bfs_error_set(error, -EKEYREJECTED, STEP, name,
		"%s. The document is not what was published: this may be a man-in-the-middle "
		"attack",
		reason);
}

static int take_signatures(struct envelope *envelope, const struct bfs_slice *value)
{
	if (envelope->signatures || value->length > HEADER_LIMIT)
		return -EKEYREJECTED;
	envelope->signatures = json_loadb(value->data, value->length, JSON_REJECT_DUPLICATES, NULL);
	return json_is_array(envelope->signatures) ? 0 : -EKEYREJECTED;
}

/* Finds both members; a document with either of them twice could be read in two ways and is
 * refused. */
static int open_envelope(struct bfs_buffer *document, struct envelope *envelope)
{
	struct bfs_json_walk walk;
	struct bfs_slice key, value;
	int r = bfs_json_walk_begin(&walk, document->data, document->length);

	while (r == 0 && (r = bfs_json_walk_next(&walk, &key, &value)) > 0) {
		r = 0;
		if (bfs_slice_equals(&key, "signatures"))
			r = take_signatures(envelope, &value);
		else if (bfs_slice_equals(&key, "payload") && envelope->payload.data)
			r = -EKEYREJECTED;
		else if (bfs_slice_equals(&key, "payload"))
			envelope->payload = value;
	}
	if (r < 0)
		return r;
	return envelope->payload.data && envelope->signatures ? 0 : -EKEYREJECTED;
}

/* The one signature of our key: NULL where there is none, or more than one. */
static const json_t *find_signature(const json_t *signatures)
{
	const json_t *found = NULL;
	json_t *signature;
	size_t i;

	json_array_foreach(signatures, i, signature)
	{
		const char *kid =
			bfs_json_string_or(json_object_get(signature, "header"), "kid", "");

		if (strcmp(kid, KEY_ID) != 0)
			continue;
		if (found)
			return NULL;
		found = signature;
	}
	return found;
}

/* ---- base64url (RFC 4648 section 5) ---- */

static int base64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	return c == '_' ? 63 : -1;
}

/* Padding may be absent, as JWS writes it, or complete. Bits left over must be zero. */
static int decode_base64url(const char *text, struct bfs_buffer *decoded)
{
	size_t length = strlen(text);
	uint32_t bits = 0;
	unsigned int count = 0;

	while (length % 4 == 0 && length > 0 && text[length - 1] == '=' &&
		strlen(text) - length < 2)
		length--;
	if (length % 4 == 1 || length == 0)
		return -EKEYREJECTED;
	for (size_t i = 0; i < length; i++) {
		int value = base64url_value(text[i]);
		char byte;

		if (value < 0)
			return -EKEYREJECTED;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		byte = (char)(bits >> count);
		if (bfs_buffer_append(decoded, &byte, 1) < 0)
			return -ENOMEM;
		bits &= (1U << count) - 1;
	}
	return bits == 0 ? 0 : -EKEYREJECTED;
}

/* ---- verification ---- */

static int check_header(const char *encoded)
{
	_cleanup_buffer_ struct bfs_buffer decoded = BFS_BUFFER_INIT;
	_cleanup_json_ json_t *header = NULL;
	int r = decode_base64url(encoded, &decoded);

	if (r < 0)
		return r;
	header = json_loadb(decoded.data, decoded.length, JSON_REJECT_DUPLICATES, NULL);
	if (strcmp(bfs_json_string_or(header, "alg", ""), "PS512") != 0)
		return -EKEYREJECTED;
	return json_is_false(json_object_get(header, "b64")) ? 0 : -EKEYREJECTED;
}

static bool begin_verification(EVP_MD_CTX *context, EVP_PKEY *key)
{
	EVP_PKEY_CTX *parameters; /* belongs to the context */

	return EVP_DigestVerifyInit(context, &parameters, EVP_sha512(), NULL, key) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, SALT_SIZE) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha512()) > 0;
}

static bool is_signed(EVP_PKEY *key, const char *encoded_header, const struct bfs_slice *payload,
	const struct bfs_buffer *signature)
{
	BFS_CLEANUP(cleanup_md_context) EVP_MD_CTX *context = EVP_MD_CTX_new();

	return context && begin_verification(context, key) &&
	       EVP_DigestVerifyUpdate(context, encoded_header, strlen(encoded_header)) == 1 &&
	       EVP_DigestVerifyUpdate(context, ".", 1) == 1 &&
	       EVP_DigestVerifyUpdate(context, payload->data, payload->length) == 1 &&
	       EVP_DigestVerifyFinal(
		       context, (const unsigned char *)signature->data, signature->length) == 1;
}

static int verify(const struct bfs_jws_key *key, struct envelope *envelope, const char *name,
	struct bfs_error *error)
{
	_cleanup_buffer_ struct bfs_buffer decoded = BFS_BUFFER_INIT;
	const json_t *signature = find_signature(envelope->signatures);
	const char *header = bfs_json_string_or(signature, "protected", "");
	int r;

	if (!signature)
		return reject(error, name, "it does not have exactly one signature of key " KEY_ID);
	r = check_header(header);
	if (r == -EKEYREJECTED)
		return reject(
			error, name, "its signature is not of algorithm PS512, payload unencoded");
	if (r == 0)
		r = decode_base64url(bfs_json_string_or(signature, "signature", ""), &decoded);
	if (r == -EKEYREJECTED || (r == 0 && decoded.length != SIGNATURE_SIZE))
		return reject(error, name, "its signature is malformed");
	if (r < 0)
		return r;
	if (!is_signed(key->key, header, &envelope->payload, &decoded))
		return reject(error, name, "its signature does not match");
	return 0;
}

int bfs_jws_verify(const struct bfs_jws_key *key, struct bfs_buffer *document, const char *name,
	char **ret_payload, size_t *ret_length, struct bfs_error *error)
{
	struct envelope envelope = {{NULL, 0}, NULL};
	int r = document->data ? open_envelope(document, &envelope) : -EBADMSG;

	if (r == 0 && bfs_json_unescape(&envelope.payload) < 0)
		r = -EBADMSG;
	if (r < 0)
		r = reject(error, name, "it is not a signed document");
	else
		r = verify(key, &envelope, name, error);
	json_decref(envelope.signatures);
	if (r < 0)
		return r;
	*ret_payload = envelope.payload.data;
	*ret_length = envelope.payload.length;
	return 0;
}
