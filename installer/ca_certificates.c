#include "installer/ca_certificates.h"

#include "lib/digest.h"

#include <openssl/evp.h>
#include <string.h>

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

/* The certificates so far. */
struct seen {
	struct bfs_digest *fingerprints;
	size_t count, capacity;
};

/* Whether it is the first with that fingerprint, which is noted: 1 or 0. */
static int note(struct seen *seen, const struct bfs_digest *fingerprint)
{
	for (size_t i = 0; i < seen->count; i++)
		if (bfs_digest_equal(&seen->fingerprints[i], fingerprint))
			return 0;
	if (seen->count == seen->capacity) {
		size_t capacity = seen->capacity ? 2 * seen->capacity : 256;
		struct bfs_digest *fingerprints =
			reallocarray(seen->fingerprints, capacity, sizeof(*fingerprints));

		if (!fingerprints)
			return -ENOMEM;
		seen->fingerprints = fingerprints;
		seen->capacity = capacity;
	}
	seen->fingerprints[seen->count++] = *fingerprint;
	return 1;
}

/* The digest of what a base64 text holds. -EBADMSG where it is none. */
static int take_fingerprint(const char *text, size_t length, struct bfs_digest *ret_fingerprint)
{
	EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
	unsigned char *der = malloc(length + 3);
	int taken = 0, last = 0, r = context && der && length < INT32_MAX ? 0 : -ENOMEM;

	if (r == 0) {
		EVP_DecodeInit(context);
		if (EVP_DecodeUpdate(
			    context, der, &taken, (const unsigned char *)text, (int)length) < 0 ||
			EVP_DecodeFinal(context, der + taken, &last) < 0 || taken + last == 0)
			r = -EBADMSG;
	}
	if (r == 0)
		r = bfs_digest_of(der, (size_t)(taken + last), ret_fingerprint);
	EVP_ENCODE_CTX_free(context);
	free(der);
	return r;
}

/* The end of the line at `at`, after its newline. */
static const char *next_line(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline + 1 : end;
}

static const char *find(const char *at, const char *end, const char *what)
{
	return memmem(at, (size_t)(end - at), what, strlen(what));
}

static int fail(struct bfs_error *error, const struct seen *seen, const char *reason)
{
	return bfs_error_set(error, -EBADMSG, "making the bundle of certificates",
		BFS_CA_BUNDLE_IN_KEG, "%s after %zu certificates", reason, seen->count);
}

/* The certificate that begins at `begin`: appended if it is new. `*at` is moved past it. */
static int add_certificate(struct seen *seen, const char *begin, const char **at, const char *end,
	struct bfs_buffer *bundle, struct bfs_error *error)
{
	const char *body = next_line(begin, end), *closing = find(body, end, END);
	struct bfs_digest fingerprint;
	int r;

	if (!closing)
		return fail(error, seen, "one does not end");
	r = take_fingerprint(body, (size_t)(closing - body), &fingerprint);
	if (r == -EBADMSG)
		return fail(error, seen, "one cannot be decoded");
	if (r < 0)
		return r;
	r = note(seen, &fingerprint);
	if (r < 0)
		return r;
	*at = next_line(closing, end);
	return r == 1 ? bfs_buffer_append(bundle, begin, (size_t)(*at - begin)) : 0;
}

int bfs_ca_certificates_make(
	const char *text, size_t length, struct bfs_buffer *bundle, struct bfs_error *error)
{
	struct seen seen = {0};
	const char *at = text, *end = text + length;
	int r = 0;

	while (r == 0 && at < end) {
		const char *begin = find(at, end, BEGIN);

		r = bfs_buffer_append(bundle, at, (size_t)((begin ? begin : end) - at));
		if (!begin)
			break;
		if (r == 0)
			r = add_certificate(&seen, begin, &at, end, bundle, error);
	}
	if (r == 0 && seen.count == 0)
		r = fail(error, &seen, "nothing");
	free(seen.fingerprints);
	return r;
}
