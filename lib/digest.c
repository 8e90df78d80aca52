#include "lib/digest.h"

#include <openssl/evp.h>

#define READ_SIZE (256 * 1024) /* one EFS read is at most 1 MiB; OpenSSL is at full speed from 16 KiB */

struct bfs_hasher {
	EVP_MD_CTX *context;
};

char *bfs_digest_to_hex(const struct bfs_digest *digest, char ret_hex[BFS_DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < BFS_DIGEST_SIZE; i++) {
		ret_hex[2 * i] = digits[digest->bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret_hex[2 * BFS_DIGEST_SIZE] = '\0';
	return ret_hex;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int bfs_digest_from_hex(const char *hex, struct bfs_digest *ret_digest)
{
	struct bfs_digest digest;

	if (!hex || strlen(hex) != 2 * BFS_DIGEST_SIZE)
		return -EINVAL;
	for (size_t i = 0; i < BFS_DIGEST_SIZE; i++) {
		int high = hex_value(hex[2 * i]);
		int low = hex_value(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		digest.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_digest = digest;
	return 0;
}

int bfs_digest_of(const void *data, size_t length, struct bfs_digest *ret_digest)
{
	return EVP_Digest(data, length, ret_digest->bytes, NULL, EVP_sha256(), NULL) ? 0 : -EIO;
}

int bfs_digest_of_fd(int fd, struct bfs_digest *ret_digest, uint64_t *ret_size)
{
	_cleanup_hasher_ struct bfs_hasher *hasher = NULL;
	_cleanup_free_ char *block = malloc(READ_SIZE);
	uint64_t size = 0;
	ssize_t n;
	int r = bfs_hasher_new(&hasher);

	if (r < 0)
		return r;
	if (!block)
		return -ENOMEM;
	while ((n = pread(fd, block, READ_SIZE, (off_t)size)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = bfs_hasher_update(hasher, block, (size_t)n);
		if (r < 0)
			return r;
		size += (uint64_t)n;
	}
	r = bfs_hasher_finish(hasher, ret_digest);
	if (r == 0 && ret_size)
		*ret_size = size;
	return r;
}

int bfs_hasher_new(struct bfs_hasher **ret_hasher)
{
	struct bfs_hasher *hasher = calloc(1, sizeof(*hasher));

	if (!hasher)
		return -ENOMEM;
	hasher->context = EVP_MD_CTX_new();
	if (!hasher->context || !EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL)) {
		bfs_hasher_free(hasher);
		return -ENOMEM;
	}
	*ret_hasher = hasher;
	return 0;
}

int bfs_hasher_update(struct bfs_hasher *hasher, const void *data, size_t length)
{
	return EVP_DigestUpdate(hasher->context, data, length) ? 0 : -EIO;
}

int bfs_hasher_finish(struct bfs_hasher *hasher, struct bfs_digest *ret_digest)
{
	return EVP_DigestFinal_ex(hasher->context, ret_digest->bytes, NULL) ? 0 : -EIO;
}

void bfs_hasher_free(struct bfs_hasher *hasher)
{
	if (!hasher)
		return;
	EVP_MD_CTX_free(hasher->context);
	free(hasher);
}
