/*
 * The signature on Homebrew's API documents: a JWS in general JSON serialisation with its payload
 * unencoded (RFC 7515 section 7.2.1, RFC 7797), as Homebrew's api.rb checks it.
 *
 *	{"payload": "<json text>", "signatures":
 *		[{"protected": "...", "header": {"kid": "homebrew-1"}, "signature": "..."}]}
 *
 * The one signature whose kid is "homebrew-1" counts; its protected header must say alg PS512 and
 * b64 false; it is RSA-PSS with SHA-512, MGF1-SHA-512 and a salt of 64 bytes over
 * `protected + "." + payload`, by an RSA key of 4,096 bits. Everything else is -EKEYREJECTED with a
 * message that names the document and says what such a failure may mean: that somebody between the
 * server and here changed it.
 */
#ifndef BFS_INSTALLER_JWS_H
#define BFS_INSTALLER_JWS_H

#include "lib/buffer.h"
#include "lib/digest.h"
#include "lib/error.h"

#include <stdbool.h>

struct bfs_jws_key;

/*
 * The public key in the PEM file that $BREWFS_API_KEY names (a private tap's, a test server's),
 * else Homebrew's, which is compiled in. -EKEYREJECTED where the file holds no RSA public key of
 * 4,096 bits; the errno of open(2) or read(2) where it cannot be read.
 */
int bfs_jws_key_load(struct bfs_jws_key **ret_key, struct bfs_error *error);
void bfs_jws_key_free(struct bfs_jws_key *key);
BFS_DEFINE_CLEANUP(struct bfs_jws_key *, bfs_cleanup_jws_key, bfs_jws_key_free)
#define _cleanup_jws_key_ BFS_CLEANUP(bfs_cleanup_jws_key)

/* SHA-256 of the key in DER: what a cached document was verified with. */
const struct bfs_digest *bfs_jws_key_digest(const struct bfs_jws_key *key);

/* Whether it is Homebrew's: what another key is to verify is not to be had from Homebrew's server.
 */
bool bfs_jws_key_is_homebrews(const struct bfs_jws_key *key);

/*
 * Verifies a document that may have tens of megabytes. The payload is not copied: its text is
 * unescaped in place, so that `document` no longer holds the JSON it did, and `ret_payload` points
 * into it: `ret_length` bytes, neither terminated nor checked to be JSON. `name` is the document's
 * URL, for messages.
 */
int bfs_jws_verify(const struct bfs_jws_key *key, struct bfs_buffer *document, const char *name,
	char **ret_payload, size_t *ret_length, struct bfs_error *error);

#endif
