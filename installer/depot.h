/*
 * A depot: a directory with all that an install has to download, filled by `brewfs fetch` where
 * there is a network and read by `brewfs install --from` where there is none.
 *
 *	DEPOT/
 *	  depot.json			format, and for each tag what its last fetch was about
 *	  lock				held by a fetch
 *	  packages.TAG.jws.json		the signed metadata, as the server sent it
 *	  packages.TAG.source		its ETag and Last-Modified; mtime: the last check
 *	  formula/NAME.json		where the API has no signed document, and
 *	  taps/USER/REPO/formula/NAME.json	for a tap: as in the cache (installer/catalog.h)
 *	  manifests/SHA256.json		the registry's image index, by the digest of its bottle
 *	  bottles/SHA256.tar.gz		there only whole and after its manifest
 *	  bottles/SHA256.tar.gz.part	what an interrupted fetch has of it
 *
 * Whoever reads a depot trusts it no more than a server: the signature of the metadata is checked
 * again, and each bottle's digest while it is poured. So it may come by any way, S3 for one.
 *
 * Thread-safe once it is open.
 */
#ifndef BFS_INSTALLER_DEPOT_H
#define BFS_INSTALLER_DEPOT_H

#include "installer/bottle_manifest.h"

#define BFS_DEPOT_FORMAT 1

struct bfs_depot;

/* To read it: -ENOENT where there is none, -EPROTONOSUPPORT for a newer format. */
int bfs_depot_open(const char *path, struct bfs_depot **ret_depot, struct bfs_error *error);

/*
 * To fill it: makes it where there is nothing or an empty directory (-ENOTEMPTY for another), and
 * waits until no other process fills it.
 */
int bfs_depot_fill(const char *path, struct bfs_depot **ret_depot, struct bfs_error *error);
void bfs_depot_close(struct bfs_depot *depot);
BFS_DEFINE_CLEANUP(struct bfs_depot *, bfs_cleanup_depot, bfs_depot_close)
#define _cleanup_depot_ BFS_CLEANUP(bfs_cleanup_depot)

bool bfs_depot_is_filling(const struct bfs_depot *depot);
const char *bfs_depot_path(const struct bfs_depot *depot); /* as given */

/* Paths of its files. Allocated; NULL when out of memory. */
char *bfs_depot_packages_path(const struct bfs_depot *depot, const char *tag);
char *bfs_depot_source_path(const struct bfs_depot *depot, const char *tag);
char *bfs_depot_bottle_path(const struct bfs_depot *depot, const struct bfs_digest *digest);
char *bfs_depot_manifest_path(const struct bfs_depot *depot, const struct bfs_digest *digest);

/* Whether the bottle of the formula is there, whole as far as its name says. */
bool bfs_depot_has_bottle(const struct bfs_depot *depot, const struct bfs_formula *formula);

/* -ENOENT where the registry had none; -EBADMSG for one that makes no sense. */
int bfs_depot_read_manifest(const struct bfs_depot *depot, const struct bfs_formula *formula,
	struct bfs_bottle_manifest **ret_manifest, struct bfs_error *error);

/*
 * Notes what a fetch was about, for people and for messages: `formulae` as in `brewfs fetch
 * --json`.
 */
int bfs_depot_note(
	struct bfs_depot *depot, const char *tag, json_t *formulae, struct bfs_error *error);

/* Whether anything was ever fetched for the tag. */
bool bfs_depot_knows_tag(const struct bfs_depot *depot, const char *tag);

#endif
