/*
 * Where a bottle comes from: an OCI registry (ghcr.io as Homebrew uses it), or a flat mirror of
 * files.
 *
 * The environment decides (Homebrew env_config.rb, brew.sh, bottle.rb):
 *
 *	HOMEBREW_ARTIFACT_DOMAIN
 *		stands in for https://ghcr.io (for https://ghcr.io/v2 where its path begins with
 *		/v2) and is tried first; ghcr.io follows unless
 *	HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK
 *		is set
 *	HOMEBREW_BOTTLE_DOMAIN
 *		the root of homebrew/core's bottles; a registry where its path begins with
 *		/v2/OWNER/REPOSITORY, else a flat mirror of files. The default root follows.
 *	HOMEBREW_DOCKER_REGISTRY_TOKEN
 *		"Authorization: Bearer TOKEN"
 *	HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN
 *		"Authorization: Basic TOKEN"; "none": no such header
 *
 * A token goes to the domain that was configured, to ghcr.io if none was, and nobody else learns
 * it. ghcr.io wants some bearer from everybody: without a token for it, it gets "Bearer QQ==" as
 * from Homebrew, and so does a configured BOTTLE_DOMAIN that is a registry. An ARTIFACT_DOMAIN
 * without a token gets none. Flat mirrors never do.
 */
#ifndef BFS_INSTALLER_REGISTRY_H
#define BFS_INSTALLER_REGISTRY_H

#include "installer/bottle_manifest.h"
#include "installer/transport.h"

#define BFS_REGISTRY_DEFAULT_ROOT "https://ghcr.io/v2/homebrew/core"

/* Read from the environment once; thread-safe, as it never changes. */
struct bfs_registry;

/* -EINVAL, naming the variable, for a domain that is no http or https URL. */
int bfs_registry_new(struct bfs_registry **ret_registry, struct bfs_error *error);
void bfs_registry_free(struct bfs_registry *registry);
BFS_DEFINE_CLEANUP(struct bfs_registry *, bfs_cleanup_registry, bfs_registry_free)
#define _cleanup_registry_ BFS_CLEANUP(bfs_cleanup_registry)

/* Places to try, in order. Zero-initialise; owned by the caller. */
struct bfs_registry_sources {
	struct bfs_download_source *list;
	size_t count;
	bfs_strings strings; /* what the list points to */
};
void bfs_registry_sources_release(struct bfs_registry_sources *sources);
#define _cleanup_registry_sources_ BFS_CLEANUP(bfs_registry_sources_release)

/* Where the tar.gz is. -ENOENT where the formula has no bottle. */
int bfs_registry_blob_sources(const struct bfs_registry *registry,
	const struct bfs_formula *formula, struct bfs_registry_sources *ret_sources,
	struct bfs_error *error);

/*
 * Where the image index is: nowhere (count 0) where the first place for the bottle is a flat
 * mirror, or the version makes no valid image tag. -ENOENT where the formula has no bottle.
 */
int bfs_registry_manifest_sources(const struct bfs_registry *registry,
	const struct bfs_formula *formula, struct bfs_registry_sources *ret_sources,
	struct bfs_error *error);

/*
 * Starts the download of the bottle. `size` is the manifest's bottle_size, -1 where not known;
 * `start` the bytes that are there already (installer/transport.h).
 */
int bfs_registry_start_bottle(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula, int64_t size,
	int64_t start, struct bfs_download **ret_download, struct bfs_error *error);

/*
 * Fetches the image index and picks the bottle's entry; where there is none, fetches once more,
 * since a cache on the way may have been stale (Homebrew resource.rb). -ENOENT where there is no
 * index or no entry in it: the bottle is then poured without a tab. -EBADMSG where the document is
 * not an image index. Else the errors of transport.h. Thread-safe; blocks.
 */
int bfs_registry_fetch_manifest(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula,
	struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error);

/* The same, with the text of the index, which replaces what the buffer holds. */
int bfs_registry_fetch_index(const struct bfs_registry *registry,
	struct bfs_downloader *downloader, const struct bfs_formula *formula,
	struct bfs_buffer *text, struct bfs_bottle_manifest **ret_manifest,
	struct bfs_error *error);

#endif
