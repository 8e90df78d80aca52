#include "installer/fetch_bottle.h"

#include "lib/file.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>

#define BLOCK_SIZE (256 * 1024) /* bytes read from a download at once */

/* A bottle's file in the making. */
struct part {
	char *path; /* "....tar.gz.part" */
	int fd;
	uint64_t start; /* bytes that an earlier fetch left */
	struct bfs_hasher *hasher;
};

static void release_part(struct part *part)
{
	free(part->path);
	if (part->fd >= 0)
		close(part->fd);
	bfs_hasher_free(part->hasher);
}

/* Whether the file is there with the bottle's bytes; one with others is removed. */
static int check_present(struct bfs_fetch_bottle *bottle, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct bfs_digest digest;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0
				       : bfs_error_set(&bottle->error, -errno,
						 "checking the bottle", path, NULL);
	r = bfs_digest_of_fd(fd, &digest, &bottle->size);
	if (r < 0)
		return bfs_error_set(&bottle->error, r, "checking the bottle", path, NULL);
	if (bfs_digest_equal(&digest, &bottle->formula->bottle_digest))
		return 1;
	bfs_log_warning("%s is damaged; it is downloaded again", path);
	return unlink(path) < 0
		       ? bfs_error_set(&bottle->error, -errno, "removing the bottle", path, NULL)
		       : 0;
}

/* What is there of it is hashed, so that the rest can follow. */
static int hash_start(struct part *part)
{
	_cleanup_free_ char *block = malloc(BLOCK_SIZE);
	ssize_t n = 1;
	int r = block ? 0 : -ENOMEM;

	part->start = 0;
	bfs_hasher_free(bfs_steal(&part->hasher));
	if (r == 0)
		r = bfs_hasher_new(&part->hasher);
	if (r == 0 && lseek(part->fd, 0, SEEK_SET) < 0)
		r = -errno;
	while (r == 0 && n > 0) {
		n = read(part->fd, block, BLOCK_SIZE);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			r = -errno;
		else
			r = bfs_hasher_update(part->hasher, block, (size_t)n);
		if (r == 0 && n > 0)
			part->start += (uint64_t)n;
	}
	return r;
}

static int open_part(struct bfs_fetch_bottle *bottle, const char *path, struct part *part)
{
	int r;

	part->path = bfs_format("%s.part", path);
	if (!part->path)
		return -ENOMEM;
	part->fd = open(part->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	r = part->fd < 0 ? -errno : hash_start(part);
	return r < 0 ? bfs_error_set(&bottle->error, r, "fetching the bottle", part->path, NULL)
		     : 0;
}

/* From where the part ends to the end of the bottle. */
static int receive(struct bfs_fetch_bottle *bottle, struct part *part, int64_t size)
{
	_cleanup_download_ struct bfs_download *download = NULL;
	_cleanup_free_ char *block = malloc(BLOCK_SIZE);
	ssize_t n;
	int r = block ? bfs_registry_start_bottle(bottle->registry, bottle->downloader,
				bottle->formula, size, (int64_t)part->start, &download,
				&bottle->error)
		      : -ENOMEM;

	while (r == 0) {
		n = bfs_download_read(download, block, BLOCK_SIZE, &bottle->error);
		if (n <= 0)
			return (int)n;
		r = bfs_hasher_update(part->hasher, block, (size_t)n);
		if (r == 0)
			r = bfs_write_all(part->fd, block, (size_t)n);
		if (r < 0)
			return bfs_error_set(
				&bottle->error, r, "fetching the bottle", part->path, NULL);
		bottle->downloaded += (uint64_t)n;
	}
	return r;
}

/* Gives the part the bottle's name, if it is the bottle: 1; 0 where it is not. */
static int keep(struct bfs_fetch_bottle *bottle, struct part *part, const char *path)
{
	struct bfs_digest digest;
	struct stat st;
	int r = bfs_hasher_finish(part->hasher, &digest);

	if (r < 0)
		return r;
	if (!bfs_digest_equal(&digest, &bottle->formula->bottle_digest))
		return 0;
	if (fsync(part->fd) < 0 || fstat(part->fd, &st) < 0 || rename(part->path, path) < 0)
		return bfs_error_set(&bottle->error, -errno, "keeping the bottle", path, NULL);
	bottle->size = (uint64_t)st.st_size;
	r = bfs_sync_directory(AT_FDCWD, path);
	return r < 0 ? bfs_error_set(&bottle->error, r, "keeping the bottle", path, NULL) : 1;
}

static int report_other(struct bfs_fetch_bottle *bottle, const struct part *part)
{
	char hex[BFS_DIGEST_HEX_SIZE];

	unlink(part->path);
	return bfs_error_set(&bottle->error, -EBADMSG, "fetching the bottle", bottle->formula->name,
		"what came has another SHA-256 than %s",
		bfs_digest_to_hex(&bottle->formula->bottle_digest, hex));
}

/* A part that turns out to be of something else is dropped, and all is downloaded, once. */
static int fetch_bytes(struct bfs_fetch_bottle *bottle, const char *path, int64_t size)
{
	BFS_CLEANUP(release_part) struct part part = {.fd = -1};
	int r = open_part(bottle, path, &part);
	bool resumed;

	do {
		resumed = part.start > 0;
		if (r == 0 && (size < 0 || part.start < (uint64_t)size))
			r = receive(bottle, &part, size);
		if (r == 0)
			r = keep(bottle, &part, path);
		/* 1: it is kept. -EBADMSG: it has another length than what is left of it. */
		if (!resumed || r == 1 || (r < 0 && r != -EBADMSG))
			break;
		bfs_log_debug("%s: not what it should be; downloading all of it", part.path);
		bfs_error_clear(&bottle->error);
		r = ftruncate(part.fd, 0) < 0 ? -errno : hash_start(&part);
	} while (r == 0);
	return r > 0 ? 0 : r < 0 ? r : report_other(bottle, &part);
}

/* The registry's word about it, where it has one, and the size of the bottle: -1 if not known. */
static int fetch_manifest(struct bfs_fetch_bottle *bottle, int64_t *ret_size)
{
	_cleanup_free_ char *path =
		bfs_depot_manifest_path(bottle->depot, &bottle->formula->bottle_digest);
	_cleanup_bottle_manifest_ struct bfs_bottle_manifest *manifest = NULL;
	_cleanup_buffer_ struct bfs_buffer text = BFS_BUFFER_INIT;
	int r = path ? bfs_depot_read_manifest(bottle->depot, bottle->formula, &manifest, NULL)
		     : -ENOMEM;

	*ret_size = -1;
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		r = bfs_registry_fetch_index(bottle->registry, bottle->downloader, bottle->formula,
			&text, &manifest, &bottle->error);
		if (r == -ENOENT) {
			bfs_error_clear(&bottle->error);
			return 0;
		}
		if (r == 0)
			r = bfs_replace_file(AT_FDCWD, path, text.data, text.length, 0644);
		if (r < 0)
			return bfs_error_set(
				&bottle->error, r, "keeping the bottle's manifest", path, NULL);
	}
	*ret_size = manifest->bottle_size;
	return 0;
}

int bfs_fetch_bottle_run(struct bfs_fetch_bottle *bottle)
{
	_cleanup_free_ char *path =
		bfs_depot_bottle_path(bottle->depot, &bottle->formula->bottle_digest);
	int64_t size;
	int r = path ? check_present(bottle, path) : -ENOMEM;

	if (r != 0)
		return r < 0 ? r : 0;
	r = fetch_manifest(bottle, &size);
	return r == 0 ? fetch_bytes(bottle, path, size) : r;
}
