/* The bundle of certificates, made of certificates made here. */
#include "installer/ca_certificates.h"
#include "tests/tap.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

/* A self-signed certificate as PEM. Allocated. */
static char *make_certificate(const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *pem;
	long length;

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_sign(certificate, key, EVP_sha256());
	PEM_write_bio_X509(bio, certificate);
	length = BIO_get_mem_data(bio, &data);
	pem = strndup(data, (size_t)length);
	BIO_free(bio);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return pem;
}

static int make(const char *text, struct bfs_buffer *bundle, struct bfs_error *error)
{
	/* Exactly as long as the text, so that a sanitizer sees a read past its end. */
	size_t length = strlen(text);
	char *copy = memcpy(malloc(length + !length), text, length);
	int r = bfs_ca_certificates_make(copy, length, bundle, error);

	free(copy);
	return r;
}

static void test_bundle(const char *a, const char *b)
{
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT, expected = BFS_BUFFER_INIT,
					   bundle = BFS_BUFFER_INIT;

	bfs_buffer_append_format(&text, "##\n## Bundle\n##\n\nA\n=\n%s\nB\n=\n%s", a, b);
	is_int(make(text.data, &bundle, NULL), 0, "two certificates make a bundle");
	is_str(bundle.data, text.data, "which is the text as it is");
	bfs_buffer_clear(&bundle);
	bfs_buffer_append_format(&expected, "%s\nA again\n=\n", text.data);
	bfs_buffer_append_format(&text, "\nA again\n=\n%s", a);
	is_int(make(text.data, &bundle, NULL), 0, "a certificate may be there twice");
	is_str(bundle.data, expected.data, "and is kept once, comments as they are");
}

static void test_bad(const char *a)
{
	static const char *const ends[] = {"-----BEGIN CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----"};

	for (size_t i = 0; i < BFS_ARRAY_LENGTH(ends); i++) {
		_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT, bundle = BFS_BUFFER_INIT;
		_cleanup_error_ struct bfs_error error = BFS_ERROR_INIT;

		bfs_buffer_append_format(&text, "%s%s", a, ends[i]);
		is_int(make(text.data, &bundle, &error), -EBADMSG, "a damaged one is refused");
		ok(error.message && strstr(error.message, "after 1 certificates"), "%s",
			bfs_error_message(&error, 0));
	}
	_cleanup_buffer_ struct bfs_buffer bundle = BFS_BUFFER_INIT;

	is_int(make("", &bundle, NULL), -EBADMSG, "an empty bundle is refused");
	is_int(make("# nothing\n", &bundle, NULL), -EBADMSG, "and one of comments alone");
}

int main(void)
{
	char *a = make_certificate("a"), *b = make_certificate("b");

	test_bundle(a, b);
	test_bad(a);
	free(a);
	free(b);
	return done();
}
