/*
 * All formulae of one bottle tag, as the JSON API publishes them.
 *
 * The signed packages document is downloaded (If-Modified-Since), its signature checked, parsed once and kept
 * as an SQLite file in the cache directory, which answers in milliseconds from then on. Where there is no such
 * document, single formula/NAME.json documents are fetched as they are asked for, with one warning that
 * they are not signed.
 */
#ifndef BFS_INSTALLER_CATALOG_H
#define BFS_INSTALLER_CATALOG_H

#include "installer/formula.h"

struct bfs_catalog;

enum bfs_catalog_freshness {
	BFS_CATALOG_CACHED,	/* any age will do if there is one: reading commands */
	BFS_CATALOG_FRESH,	/* checked with the server unless that was done within 450 s (Homebrew's
				   HOMEBREW_API_AUTO_UPDATE_SECS); any age with HOMEBREW_NO_AUTO_UPDATE */
};

/*
 * Opens the catalog of a tag ("x86_64_linux"). A document whose signature is wrong is fatal: -EKEYREJECTED.
 * Where the server cannot be reached and there is a cached one: a warning, and the cached one.
 */
int bfs_catalog_open(const char *tag, enum bfs_catalog_freshness freshness,
	struct bfs_catalog **ret_catalog, struct bfs_error *error);
void bfs_catalog_free(struct bfs_catalog *catalog);
BFS_DEFINE_CLEANUP(struct bfs_catalog *, bfs_cleanup_catalog, bfs_catalog_free)
#define _cleanup_catalog_ BFS_CLEANUP(bfs_cleanup_catalog)

/*
 * The formula of that name, alias or old name; "homebrew/core/x" is "x", "user/repo/x" a tap's (taken from the tap's
 * own metadata; see bfs_catalog_add_tap). The formula is owned by the catalog. -ENOENT with the nearest names
 * in the message; -EREMOTE where it moved to another tap, which the message names.
 */
int bfs_catalog_find(struct bfs_catalog *catalog, const char *name,
	const struct bfs_formula **ret_formula, struct bfs_error *error);

/*
 * Makes the formulae of a tap known under "user/repo/x". `url` is the base of its API documents
 * (URL/formula/NAME.json), NULL where only the registry is known: ghcr.io/v2/USER/REPO.
 */
int bfs_catalog_add_tap(struct bfs_catalog *catalog, const char *tap, const char *url,
	struct bfs_error *error);

/* Adds a formula that comes from elsewhere (a local bottle file), before what the API says. Takes it over. */
int bfs_catalog_add_formula(struct bfs_catalog *catalog, struct bfs_formula *formula);

#endif
