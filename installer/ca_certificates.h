/*
 * The bundle of certificates that Homebrew's ca-certificates puts at etc/ca-certificates/cert.pem,
 * where openssl@3 and all that uses it look for it.
 *
 * brew's libexec/post-install merges the machine's own bundle with the one in the keg, Mozilla's. A
 * prefix that many machines share must not depend on the machine that poured it, so here it is
 * Mozilla's alone, which is also what brew's script makes where a machine has no bundle: the keg's
 * file with each certificate once, by the SHA-256 fingerprint of its DER form, comments as they
 * are. Whoever needs an own authority sets SSL_CERT_FILE, or puts it there in a session.
 */
#ifndef BFS_INSTALLER_CA_CERTIFICATES_H
#define BFS_INSTALLER_CA_CERTIFICATES_H

#include "lib/buffer.h"
#include "lib/error.h"

#define BFS_CA_BUNDLE_IN_KEG "share/ca-certificates/cacert.pem"
#define BFS_CA_BUNDLE	     "etc/ca-certificates/cert.pem"

/*
 * Appends the bundle made of a PEM text. -EBADMSG where a certificate in it cannot be decoded or
 * does not end, or there is none at all: everything that checks certificates would fail with such a
 * bundle.
 */
int bfs_ca_certificates_make(
	const char *text, size_t length, struct bfs_buffer *bundle, struct bfs_error *error);

#endif
