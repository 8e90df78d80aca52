/*
 * Signed documents for tests, made with keys of their own: what Homebrew's server does, and what an
 * attacker might.
 */
#ifndef BFS_TESTS_INSTALLER_SIGNING_H
#define BFS_TESTS_INSTALLER_SIGNING_H

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/json.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#define GOOD_HEADER "{\"alg\":\"PS512\",\"b64\":false,\"crit\":[\"b64\"]}"

static inline __attribute__((unused)) EVP_PKEY *make_key(int bits)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
	EVP_PKEY *key = NULL;

	if (EVP_PKEY_keygen_init(context) <= 0 ||
		EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) <= 0 ||
		EVP_PKEY_keygen(context, &key) <= 0)
		abort();
	EVP_PKEY_CTX_free(context);
	return key;
}

/* Writes the public half to a file and makes it the key that counts. */
static inline __attribute__((unused)) void use_key(EVP_PKEY *key, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file || !PEM_write_PUBKEY(file, key) || fclose(file) == EOF)
		abort();
	setenv("BREWFS_API_KEY", path, 1);
}

static inline __attribute__((unused)) char *base64url(const void *data, size_t length)
{
	char *text = calloc(1, length * 4 / 3 + 8);

	EVP_EncodeBlock((unsigned char *)text, data, (int)length);
	for (char *c = text; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	text[strcspn(text, "=")] = '\0';
	return text;
}

/* The signature of header and payload, base64url; salt and digest as they should be or not. */
static inline __attribute__((unused)) char *sign(
	EVP_PKEY *key, const char *header, const char *payload, const EVP_MD *digest, int salt)
{
	_cleanup_free_ char *encoded = base64url(header, strlen(header));
	_cleanup_free_ char *text = bfs_format("%s.%s", encoded, payload);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t length = sizeof(signature);
	EVP_PKEY_CTX *parameters;

	if (EVP_DigestSignInit(context, &parameters, digest, NULL, key) != 1 ||
		EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) <= 0 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, salt) <= 0 ||
		EVP_DigestSign(context, signature, &length, (unsigned char *)text, strlen(text)) !=
			1)
		abort();
	EVP_MD_CTX_free(context);
	return base64url(signature, length);
}

static inline __attribute__((unused)) json_t *signature_object(
	const char *kid, const char *header, const char *signature)
{
	_cleanup_free_ char *encoded = base64url(header, strlen(header));

	return json_pack("{s:s, s:{s:s}, s:s}", "protected", encoded, "header", "kid", kid,
		"signature", signature);
}

/* The whole document, as text. Takes over the signatures. */
static inline __attribute__((unused)) char *envelope(const char *payload, json_t *signatures)
{
	json_t *document = json_pack("{s:s, s:o}", "payload", payload, "signatures", signatures);
	char *text = json_dumps(document, JSON_COMPACT);

	json_decref(document);
	return text;
}

static inline __attribute__((unused)) char *signed_document(EVP_PKEY *key, const char *payload)
{
	_cleanup_free_ char *signature = sign(key, GOOD_HEADER, payload, EVP_sha512(), 64);

	return envelope(
		payload, json_pack("[o]", signature_object("homebrew-1", GOOD_HEADER, signature)));
}

#endif
